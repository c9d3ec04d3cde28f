package browser

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// A text is a piece of writing in a page that is not marked as data (by <bdi>, <code> or translate="no").
type text struct{ Text, Language, Where string }

// sameEverywhere are words that Japanese readers meet in Latin letters, too.
var sameEverywhere = []string{
	"tenure", "GDAP", "Microsoft", "Graph", "Global", "Administrator", "Admin", "agent", "CSV", "JSON", "NDJSON", "HTTP", "API", "ID", "UTC", "OK", "SMTP",
	"Redis", "PostgreSQL", "SQLite", "asynq", "PDF", "URL", "ISO", "MiB",
}

// What is not prose: addresses, ids, instants, periods, file names, wire names.
var notProse = regexp.MustCompile(`https?://\S+|\S+@\S+|[\w.-]*\d[\w.:+-]*|\b[a-z]+[A-Z]\w*|[\w]+(?:[-_/.][\w]+)+`)

var latinWord = regexp.MustCompile(`\p{Latin}{2,}`)

// untranslated are the texts that seem to be in another language than their readers asked for. Text that says of itself that it is in another
// language is believed, and data that stands within a text is passed over.
func untranslated(texts []text, data []string, language string) []string {
	var pairs, all []string
	for _, d := range slices.SortedFunc(slices.Values(data), func(a, b string) int { return len(b) - len(a) }) {
		pairs = append(pairs, d, " ")
	}
	withoutData := strings.NewReplacer(pairs...)
	for _, t := range texts {
		if says, _, _ := strings.Cut(t.Language, "-"); says != language {
			continue
		}
		prose := withoutData.Replace(t.Text)
		if language == "ja" && isForeign(prose) || language != "ja" && isJapanese(prose) {
			all = append(all, fmt.Sprintf("%q in %s", t.Text, t.Where))
		}
	}
	return all
}

func isJapanese(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana) })
}

// isForeign says whether Japanese readers would meet a text without any Japanese that has words which are not the same everywhere.
func isForeign(s string) bool {
	if isJapanese(s) {
		return false
	}
	for _, word := range latinWord.FindAllString(notProse.ReplaceAllString(s, " "), -1) {
		known := false
		for _, same := range sameEverywhere {
			known = known || strings.EqualFold(word, same)
		}
		if !known {
			return true
		}
	}
	return false
}

func TestTextsInAnotherLanguageAreFound(t *testing.T) {
	for _, c := range []struct {
		text, says, wanted string
		found              bool
	}{
		{"Ends soon", "ja", "ja", true},
		{"まもなく終了", "ja", "ja", false},
		{"Global Administrator を含む", "ja", "ja", false},
		{"Global Administrator", "ja", "ja", false},
		{"2026-01-05 09:00 UTC", "ja", "ja", false},
		{"0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11", "ja", "ja", false},
		{"approvalPending", "ja", "ja", false},
		{"it@contoso.example", "ja", "ja", false},
		{"English", "en", "ja", false},
		{"日本語", "ja", "en", false},
		{"終了", "en", "en", true},
		{"Ends soon", "en-GB", "en", false},
		{"Choose 株式会社", "en", "en", false},
		{"Choose Contoso Ltd", "ja", "ja", true},
		{"Contoso Ltd を選ぶ", "ja", "ja", false},
		{"Contoso Ltd", "ja", "ja", false},
	} {
		found := untranslated([]text{{c.text, c.says, "<p>"}}, []string{"Contoso", "株式会社", "Contoso Ltd"}, c.wanted)
		require.Equal(t, c.found, len(found) == 1, "%q for a reader of %s", c.text, c.wanted)
	}
}
