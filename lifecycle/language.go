package lifecycle

import (
	"regexp"
	"strings"
)

// languageTag is how BCP 47 tags are made: language, script, region and what else follows. Languages of more than three letters
// are provided for and were never registered; one that is written out, such as "japanese", is a mistake.
// Source: RFC 5646, section 2.1.
var languageTag = regexp.MustCompile(`^([a-z]{2,3}(?:-[a-z]{3}){0,3})(-[a-z]{4})?(-[a-z]{2}|-[0-9]{3})?` +
	`((?:-[a-z0-9]{5,8}|-[0-9][a-z0-9]{3})*(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?)$`)

// longestLanguage is in bytes. Tags of that length are for librarians.
const longestLanguage = 64

// readLanguage takes a tag and writes it in the standard's own case, e.g. en-GB for en_gb. It does not know which languages
// there are: a reader whose own is unknown gets the default one, like a reader whose language has no templates.
func readLanguage(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	parts := languageTag.FindStringSubmatch(strings.ToLower(strings.ReplaceAll(s, "_", "-")))
	if parts == nil || len(s) > longestLanguage {
		return "", noLanguage.Say()
	}
	language, script, region, rest := parts[1], parts[2], parts[3], parts[4]
	if script != "" {
		script = script[:1] + strings.ToUpper(script[1:2]) + script[2:] // it begins with the hyphen
	}
	return language + script + strings.ToUpper(region) + rest, nil
}
