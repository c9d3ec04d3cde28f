package console

import (
	"regexp"
	"slices"
	"strings"
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

// Words that were chosen once, so that the console, the mails and the explanations call the same the same. Sources: Microsoft's own pages about GDAP in
// Japanese, and explain/japanese.go.
var japaneseWords = []struct{ not, but string }{
	{"オペレーター", "運用担当者"}, {"ダイジェスト", "まとめ通知"}, {"ステータス", "状態"}, {"警告", "予告"}, {"メールアドレス", "メール アドレス"}, {"タイムゾーン", "タイム ゾーン"},
	{"?", "？"}, {"誰", "だれ"}, {"下さい", "ください"}, {"アクティビティログ", "アクティビティ ログ"}, {"自動拡張", "自動延長"}, {"代理管理", "委任管理"},
}

func TestJapaneseKeepsItsWords(t *testing.T) {
	apart := regexp.MustCompile(`[A-Za-z][\p{Hiragana}\p{Katakana}\p{Han}ー]|[\p{Hiragana}\p{Katakana}\p{Han}ー][A-Za-z]`)
	says := regexp.MustCompile(`[\p{Hiragana}\p{Katakana}\p{Han}]`)
	nothingToSay := []string{"relationship.id", "sweeps.number", "queue.mib", "said.ofField", "said.between", "notices.between", "relationship.joint", "field.id"}
	for key, p := range mustPages(t, japanese).words.phrases {
		for _, word := range japaneseWords {
			require.NotContains(t, p.Japanese, word.not, "%s: write %s", key, word.but)
		}
		require.Empty(t, apart.FindString(p.Japanese), "%s: a space between Latin letters and Japanese: %s", key, p.Japanese)
		if !slices.Contains(nothingToSay, key) && !strings.HasPrefix(key, "deed.") {
			require.Regexp(t, says, p.Japanese, key)
		}
	}
}
