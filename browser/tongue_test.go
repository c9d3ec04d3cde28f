package browser

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// A tongue finds on pages of one language what a story says in English, by the words of the console. So a story is written once.
type tongue struct {
	language string
	wordings []wording
	known    map[string]string // patterns that were asked for
}

// A wording is something the console says. Facts stand in braces.
type wording struct {
	english  string
	whole    *regexp.Regexp // what it may be in English, with any facts; nil: there is nothing in it but facts
	facts    []string       // their names, in the order of the English
	japanese string
}

// speak reads the words of the console.
func speak(t *testing.T, language string) *tongue {
	t.Helper()
	spoken := &tongue{language: language, known: map[string]string{}}
	files, err := filepath.Glob("../console/words/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var read map[string]struct{ En, One, Ja string }
		require.NoError(t, yaml.Unmarshal(text, &read), file)
		for _, w := range read {
			spoken.wordings = append(spoken.wordings, newWording(w.En, w.Ja))
			if w.One != "" { // of one thing English has another form
				spoken.wordings = append(spoken.wordings, newWording(w.One, strings.ReplaceAll(w.Ja, "{n}", "1")))
			}
		}
	}
	slices.SortFunc(spoken.wordings, func(a, b wording) int {
		return cmp.Or(cmp.Compare(a.english, b.english), cmp.Compare(a.japanese, b.japanese))
	})
	return spoken
}

var fact = regexp.MustCompile(`\{(\w+)\}`)

func newWording(english, japanese string) wording {
	w := wording{english: english, japanese: japanese}
	var pattern strings.Builder
	rest, said := english, ""
	for _, at := range fact.FindAllStringSubmatchIndex(english, -1) {
		before := english[len(english)-len(rest) : at[0]]
		name, is := english[at[2]:at[3]], "(.+?)"
		if name == "n" {
			is = `([\d,]+)`
		}
		pattern.WriteString(regexp.QuoteMeta(before) + is)
		w.facts = append(w.facts, name)
		rest, said = english[at[1]:], said+before
	}
	pattern.WriteString(regexp.QuoteMeta(rest))
	if strings.ContainsFunc(said+rest, unicode.IsLetter) {
		w.whole = regexp.MustCompile("^" + pattern.String() + "$")
	}
	return w
}

// of is what an English text of the console is in the language: a regular expression that Go and browsers read alike. One English word may be
// several Japanese ones, and what no wording has stands as it is.
func (s *tongue) of(text string) string {
	if s.language == "en" {
		return regexp.QuoteMeta(text)
	}
	if pattern, ok := s.known[text]; ok {
		return pattern
	}
	pattern := s.exactly(text)
	if pattern == "" {
		pattern = anyOf(s.filled(text), s.partOf(text, strings.Contains))
	}
	if pattern == "" {
		pattern = s.pieces(text)
	}
	s.known[text] = pattern
	return pattern
}

// exactly is the pattern of a text that is a wording as it stands, and empty for any other.
func (s *tongue) exactly(text string) string {
	var all []string
	for _, w := range s.wordings {
		if w.whole != nil && w.english == text {
			all = append(all, w.in(func(int) string { return ".*?" }))
		}
	}
	return anyOf(all...)
}

// filled is the pattern of a text that is a whole wording with facts in it, and empty for any other.
func (s *tongue) filled(text string) string {
	var all []string
	for _, w := range s.wordings {
		if w.whole == nil || len(w.facts) == 0 {
			continue
		}
		if found := w.whole.FindStringSubmatch(text); found != nil {
			all = append(all, w.in(func(i int) string { return s.of(found[1+i]) }))
		}
	}
	return anyOf(all...)
}

// shortestPart is how long a text has to be to tell the wording that it is a part of.
const shortestPart = 7

// partOf is the pattern of the wordings that a text is a part of, each as a whole.
func (s *tongue) partOf(text string, is func(whole, part string) bool) string {
	var parts []string
	for _, w := range s.wordings {
		if len(text) >= shortestPart && is(w.english, text) {
			parts = append(parts, w.in(func(int) string { return ".*?" }))
		}
	}
	return anyOf(parts...)
}

// in is the pattern of the wording in Japanese, with what its facts are there.
func (w *wording) in(is func(i int) string) string {
	var pattern strings.Builder
	end := 0
	for _, at := range fact.FindAllStringSubmatchIndex(w.japanese, -1) {
		pattern.WriteString(regexp.QuoteMeta(w.japanese[end:at[0]]))
		if i := slices.Index(w.facts, w.japanese[at[2]:at[3]]); i >= 0 {
			pattern.WriteString(is(i))
		} else {
			pattern.WriteString(".*?")
		}
		end = at[1]
	}
	return pattern.String() + regexp.QuoteMeta(w.japanese[end:])
}

// pieces is the pattern of a text in which wordings stand beside each other and beside what is data. What is between them may differ.
func (s *tongue) pieces(text string) string {
	const between = `.{0,5}?`
	var pattern strings.Builder
	for at := 0; at < len(text); {
		end, piece := len(text), ""
		for ; end > at; end-- {
			if isEdge(text, end) && (at > 0 || end < len(text)) {
				if piece = cmp.Or(s.exactly(text[at:end]), s.filled(text[at:end])); piece != "" {
					break
				}
			}
		}
		if piece == "" && at > 0 { // the beginning of a wording that goes on
			if piece, end = s.partOf(text[at:], strings.HasPrefix), len(text); piece != "" {
				pattern.WriteString(piece)
				break
			}
		}
		if piece == "" { // a word as it is, or what is between words
			for end = at + 1; !isEdge(text, end); end++ {
			}
			if piece = regexp.QuoteMeta(text[at:end]); !strings.ContainsFunc(text[at:end], isOfWord) {
				piece = between
			}
		}
		pattern.WriteString(piece)
		at = end
	}
	return pattern.String()
}

func isOfWord(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }

// isEdge says whether a word or what is between words begins or ends there.
func isEdge(text string, at int) bool {
	if at <= 0 || at >= len(text) {
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	after, _ := utf8.DecodeRuneInString(text[at:])
	return utf8.RuneStart(text[at]) && (isOfWord(before) != isOfWord(after) || !isOfWord(after))
}

func anyOf(patterns ...string) string {
	slices.Sort(patterns)
	patterns = slices.DeleteFunc(slices.Compact(patterns), func(p string) bool { return p == "" })
	if len(patterns) < 2 {
		return strings.Join(patterns, "")
	}
	return "(?:" + strings.Join(patterns, "|") + ")"
}

func TestAStoryIsFoundInJapanese(t *testing.T) {
	japanese := speak(t, "ja")
	for _, c := range []struct{ english, japanese string }{
		{"Sign in", "サインイン"},
		{"1 thing needs attention", "対応が必要な項目が1件あります"},
		{"Objective: 99.9% within 5 minutes", "目標: 5分以内に99.9%"},
		{"Within 30 days 62 100%", "30日以内 62 100%"},
		{"Sweep 3 needs no decision any more. It is: Done. Nothing was changed.", "スイープ 3 はすでに判断不要です（完了）。何も変更されていません。"},
		{"is approved, and begins", "スイープ 7 を承認しました。実行を開始します。"},
		{"Names come free paused", "表示名の解放 停止中"},
		{"Who is told Admin agents (1), Global administrators (1)", "通知先 管理エージェント（1人）、グローバル管理者（1人）"},
		{"tenure-sweeps Sweeps and their chunks In use", "tenure-sweeps スイープとそのチャンク 稼働中"},
		{"they have another provider", "they have another provider"},
		{"Suppress 12", "12件を差し止め"},
		{"Suppress 1", "1件を差し止め"},
		{"Choose at least one relationship of the list", "一覧から1件以上50件以下を選択するか、一覧のすべてを選択してください。"},
		{"Database: answers", "データベース: 3 ミリ秒で応答"},
	} {
		require.Regexp(t, "^(?:"+japanese.of(c.english)+")$", c.japanese, c.english)
		require.NotRegexp(t, japanese.of(c.english), "これは別の文です。", fmt.Sprintf("%s: %s", c.english, japanese.of(c.english)))
		require.Equal(t, regexp.QuoteMeta(c.english), speak(t, "en").of(c.english))
	}
}
