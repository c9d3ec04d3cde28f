package console

import (
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesFromRightToLeftAreIsolated(t *testing.T) {
	w := mustPages(t, english).words
	require.Equal(t, "“Contoso” is on hold.", w.say("relationship.do.hold.done", "name", "Contoso"))
	require.Equal(t, "“東京” is on hold.", w.say("relationship.do.hold.done", "name", "東京"))
	require.Equal(t, "“\u2068شركة (1)\u2069” is on hold.", w.say("relationship.do.hold.done", "name", "شركة (1)"))
	require.Equal(t, "“\u2068a\u202eb\u2069” is on hold.", w.say("relationship.do.hold.done", "name", "a\u202eb\u2069"), "what turns the text ends with the name")
}

func TestNumbersAreWrittenAsTheLanguageDoes(t *testing.T) {
	for l, want := range map[language][]string{
		english:  {"0 relationships", "1 relationship", "1,234,567 relationships"},
		japanese: {"リレーションシップ 0件", "リレーションシップ 1件", "リレーションシップ 1,234,567件"},
	} {
		w := mustPages(t, l).words
		for i, n := range []int64{0, 1, 1_234_567} {
			require.Equal(t, want[i], w.say("sweeps.records", "n", n))
		}
	}
}

func TestWhatIsCountedHasASingular(t *testing.T) {
	counted := regexp.MustCompile(`\{n\} [a-z]+s\b`)
	never1 := []string{"sweeps.ms", "said.tooLong", "said.textTooLong", "said.channelFails"} // an abbreviation, and numbers beyond a limit
	for key, p := range mustPages(t, english).words.phrases {
		if counted.MatchString(p.English) && !slices.Contains(never1, key) {
			require.NotEmpty(t, p.One, "%s: %s", key, p.English)
		}
	}
}
