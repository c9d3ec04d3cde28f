package console

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"
	textlanguage "golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/message"
	"golang.org/x/text/unicode/bidi"
)

// A language is one that the console speaks.
type language string

// The languages.
const (
	english  language = "en"
	japanese language = "ja"
)

var languages = []language{english, japanese}

var matcher = textlanguage.NewMatcher([]textlanguage.Tag{textlanguage.English, textlanguage.Japanese})

// languageOf is what the visitor has chosen, or else what their browser asks for.
func languageOf(r *http.Request) language {
	if c, err := r.Cookie(langCookie); err == nil {
		for _, l := range languages {
			if string(l) == c.Value {
				return l
			}
		}
	}
	_, i := textlanguage.MatchStrings(matcher, r.Header.Get("Accept-Language"))
	return languages[i]
}

// Name is what the language calls itself.
func (l language) Name() string { return display.Self.Name(textlanguage.MustParse(string(l))) }

//go:embed words/*.yaml
var wordFiles embed.FS

// A phrase is what is said, in each language. Facts stand in braces. Of a number n English has another form for 1.
type phrase struct {
	English  string `yaml:"en"`
	One      string `yaml:"one"`
	Japanese string `yaml:"ja"`
}

// words are the phrases of one language, by their names.
type words struct {
	language language
	phrases  map[string]phrase
	numbers  *message.Printer
}

func readWords(l language) (*words, error) {
	w := &words{language: l, phrases: map[string]phrase{}, numbers: message.NewPrinter(textlanguage.MustParse(string(l)))}
	files, err := fs.Glob(wordFiles, "words/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := wordFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var read map[string]phrase
		if err := yaml.Unmarshal(text, &read); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for key, p := range read {
			if _, twice := w.phrases[key]; twice {
				return nil, fmt.Errorf("%s: %q is said already", file, key)
			}
			w.phrases[key] = p
		}
	}
	return w, nil
}

// say says a phrase with facts, given as names and values in turn; numbers are written as the language writes them. A phrase that there is
// not is said by its name, which a test looks for.
func (w *words) say(key string, facts ...any) string {
	p, ok := w.phrases[key]
	if !ok {
		return "⟦" + key + "⟧"
	}
	text := p.English
	if w.language == japanese {
		text = p.Japanese
	}
	pairs := make([]string, 0, len(facts))
	for i := 0; i+1 < len(facts); i += 2 {
		name, value := fmt.Sprint(facts[i]), facts[i+1]
		if name == "n" && w.language == english && p.One != "" && fmt.Sprint(value) == "1" {
			text = p.One
		}
		pairs = append(pairs, "{"+name+"}", w.write(value))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// has says whether there is such a phrase.
func (w *words) has(key string) bool { _, ok := w.phrases[key]; return ok }

// write writes a fact.
func (w *words) write(value any) string {
	switch value.(type) {
	case int, int32, int64, uint64:
		return w.numbers.Sprintf("%d", value)
	}
	return isolated(fmt.Sprint(value))
}

// isolated keeps a text that runs from right to left, or that turns the text around it, from disordering the phrase it stands in. Source: Unicode
// Standard Annex 9, isolates; it is what <bdi> does in HTML.
func isolated(s string) string {
	const firstStrong, end = "\u2068", "\u2069"
	turns := func(c rune) bool {
		class, _ := bidi.LookupRune(c)
		switch class.Class() {
		case bidi.R, bidi.AL, bidi.RLE, bidi.RLO, bidi.RLI, bidi.LRE, bidi.LRO, bidi.LRI, bidi.FSI, bidi.PDF, bidi.PDI:
			return true
		}
		return false
	}
	if !strings.ContainsFunc(s, turns) {
		return s
	}
	return firstStrong + strings.ReplaceAll(s, end, "") + end
}
