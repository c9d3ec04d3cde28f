package explain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var fact = regexp.MustCompile(`\{[^}]*\}`)

func TestEveryLanguageSaysTheSamePhrasesAboutTheSameFacts(t *testing.T) {
	for _, language := range Languages {
		phrases := tongueOf(language).phrases
		require.Equal(t, slices.Sorted(maps.Keys(english)), slices.Sorted(maps.Keys(phrases)), language)
		for name, text := range phrases {
			if strings.HasPrefix(name, "count.") && strings.HasSuffix(name, ".one") || strings.HasSuffix(name, ".moment") {
				continue
			}
			want, have := fact.FindAllString(english[name], -1), fact.FindAllString(text, -1)
			slices.Sort(want)
			slices.Sort(have)
			require.Equal(t, slices.Compact(want), slices.Compact(have), "%s: %s", language, name)
		}
	}
}

func TestEverythingThatHasANameHasWordsInEveryLanguage(t *testing.T) {
	var names []string
	add := func(prefix string, values ...string) {
		for _, v := range values {
			names = append(names, prefix+v)
		}
	}
	for _, s := range lifecycle.Statuses {
		add("", "status."+string(s), "summary."+string(s))
	}
	for _, e := range lifecycle.EventTypes {
		add("event.", string(e))
	}
	for _, s := range lifecycle.NoticeStatuses {
		add("", "told."+string(s), "fate."+string(s))
	}
	for _, k := range slices.Concat(lifecycle.NoticeKinds, lifecycle.AnnouncementKinds, []lifecycle.NoticeKind{lifecycle.KindDigest}) {
		add("kind.", string(k))
	}
	for _, r := range lifecycle.RuleNames() {
		add("", "rule."+string(r), "next."+string(r))
	}
	for _, a := range lifecycle.Actors {
		add("actor.", string(a))
	}
	for _, k := range lifecycle.HoldKinds {
		add("attention.hold.", string(k), string(k)+".itself")
	}
	for _, tr := range lifecycle.Transitions {
		if tr.Action != "" {
			add("action.", string(tr.Action))
		}
	}
	for _, r := range constantsOf(t, "Reason") {
		add("reason.", r)
	}
	for _, s := range constantsOf(t, "AssignmentStatus") {
		add("access.", s)
	}
	for _, name := range names {
		for _, language := range Languages {
			require.True(t, tongueOf(language).has(name), "%s has no words for %s", language, name)
		}
	}
}

// constantsOf are the values of all constants of a type in package lifecycle, so that no new one is forgotten here.
func constantsOf(t *testing.T, kind string) (values []string) {
	set := token.NewFileSet()
	files, err := filepath.Glob("../lifecycle/*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "concern.go") { // those are of the deployment, and of no relationship
			continue
		}
		tree, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) == 0 {
				return true
			}
			if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != kind {
				return true
			}
			for _, value := range spec.Values {
				if text, ok := value.(*ast.BasicLit); ok && text.Value != `""` {
					s, err := strconv.Unquote(text.Value)
					require.NoError(t, err)
					values = append(values, s)
				}
			}
			return true
		})
	}
	require.NotEmpty(t, values, "there are no constants of type %s; look again", kind)
	return values
}

// A phrase whose name stands nowhere in the code is never said; a name in the code without a phrase is said by its name.
func TestPhrasesAreThoseThatTheCodeNames(t *testing.T) {
	var code strings.Builder
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "english.go" || file == "japanese.go" {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		code.Write(text)
	}
	said := map[string]bool{}
	parts := []string{"expired.lapsed", "terminated.rejected", "ended.never active"} // of a phrase of the summary
	for _, literal := range regexp.MustCompile(`"([a-z]+(\.[A-Za-z -]+)+|[a-z][a-z ]+)"`).FindAllStringSubmatch(code.String(), -1) {
		said[literal[1]] = true
		if dotted := strings.Contains(literal[1], "."); dotted && policyLines[literal[1]] == nil && !slices.Contains(parts, literal[1]) {
			prefix := strings.HasPrefix(literal[1], "count.") || slices.ContainsFunc(slices.Collect(maps.Keys(english)), func(name string) bool { return strings.HasPrefix(name, literal[1]) })
			require.True(t, english[literal[1]] != "" || prefix, "the code says %q, of which there are no words", literal[1])
		}
	}
	built := []string{"policy", "partner", "customer"} // from a variable
	for name := range english {
		first, _, dotted := strings.Cut(name, ".")
		if !dotted {
			require.True(t, said[name], "nobody says %q", name)
			continue
		}
		require.True(t, slices.Contains(built, first) || strings.Contains(code.String(), `"`+first+`.`), "nobody says %q", name)
	}
}

func TestALanguageIsReadAsPeopleWriteIt(t *testing.T) {
	for text, want := range map[string]Language{"": English, "en": English, "en-GB": English, "ja": Japanese, "JA": Japanese, "ja_JP.UTF-8": Japanese} {
		got, err := ParseLanguage(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	_, err := ParseLanguage("tlh")
	require.ErrorContains(t, err, "write en or ja")
}
