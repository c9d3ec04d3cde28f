package notify

import (
	"encoding/base64"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A redactor takes out of a text whatever it repeats of an address: error pages like to quote the path that they know nothing
// about, and the path is the secret.
type redactor struct {
	pieces *regexp.Regexp // nil: there is nothing to hide
}

// shortestPiece is how long a part of an address must be to be hidden by itself; shorter ones are in every word.
const shortestPiece = 4

func newRedactor(to *url.URL) redactor {
	parts := []string{to.RequestURI(), to.EscapedPath(), to.Path, to.RawQuery}
	parts = append(parts, strings.Split(to.Path, "/")...)
	parts = append(parts, strings.Split(to.EscapedPath(), "/")...)
	for pair := range strings.SplitSeq(to.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		parts = append(parts, pair, value)
	}
	for _, values := range to.Query() {
		parts = append(parts, values...)
	}
	if to.User != nil {
		password, _ := to.User.Password()
		pair := to.User.Username() + ":" + password
		parts = append(parts, to.User.String(), to.User.Username(), password, pair, base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return redactor{alternatives(parts, to.Host)}
}

// alternatives finds any of the parts, as it is or as somebody may have escaped it; long ones first, so that nothing of them
// stays behind. What the host says, too, is no secret.
func alternatives(parts []string, host string) *regexp.Regexp {
	var quoted []string
	for _, part := range parts {
		for _, form := range []string{part, html.EscapeString(part), strings.ReplaceAll(part, "/", `\/`), url.QueryEscape(part), url.PathEscape(part)} {
			if len(form) >= shortestPiece && !strings.Contains(strings.ToLower(host), strings.ToLower(form)) {
				quoted = append(quoted, regexp.QuoteMeta(form))
			}
		}
	}
	if len(quoted) == 0 {
		return nil
	}
	slices.SortFunc(quoted, func(a, b string) int { return len(b) - len(a) })
	return regexp.MustCompile("(?i)" + strings.Join(slices.Compact(quoted), "|"))
}

// line is the beginning of a text that somebody else has written, as one harmless line without what is to be hidden.
func (r redactor) line(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if r.pieces != nil {
		text = r.pieces.ReplaceAllString(text, "***")
	}
	return clean(text, shownOfAnswer)
}
