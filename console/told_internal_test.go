package console

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/graph"
	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
)

func mustPages(t *testing.T, l language) *pages {
	t.Helper()
	p, err := readPages(l)
	require.NoError(t, err)
	return p
}

var factsIn = regexp.MustCompile(`\{(\w+)\}`)

func factNames(text string) (names []string) {
	for _, m := range factsIn.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// frameOfSentences are phrases around sentences; the rest of "said." are sentences.
var frameOfSentences = []string{"said.between", "said.ofField", "said.unfit", "said.allowed", "said.noneAllowed"}

func TestEverySentenceIsSaidInEachLanguage(t *testing.T) {
	p := mustPages(t, english)
	known := map[string]bool{}
	for _, key := range frameOfSentences {
		known[key] = true
	}
	require.NotEmpty(t, lifecycle.Sentences())
	for _, s := range lifecycle.Sentences() {
		key := "said." + s.Code
		known[key] = true
		phrase, ok := p.words.phrases[key]
		require.True(t, ok, "words/said.yaml lacks %s: %s", key, s.English)
		// The value that was refused is known of every sentence about one; what a form lets people choose need not be listed.
		may := append(factNames(s.English), "value")
		require.Subset(t, may, factNames(phrase.English), "%s speaks of a fact that the sentence does not have", key)
		require.Subset(t, may, factNames(phrase.Japanese), "%s speaks of a fact that the sentence does not have", key)
	}
	for key := range p.words.phrases {
		if strings.HasPrefix(key, "said.") {
			require.True(t, known[key], "%s is a sentence that nobody says", key)
		}
	}
}

func TestEveryKindOfProblemIsSaidInEachLanguage(t *testing.T) {
	p := mustPages(t, english)
	known := map[string]bool{}
	for _, kind := range httpapi.ProblemKinds() {
		known["problem."+kind] = true
	}
	for _, code := range graph.ProblemCodes() {
		known["graph."+code] = true
	}
	for key := range known {
		require.True(t, p.words.has(key), "words/problems.yaml lacks %s", key)
		require.Subset(t, []string{"detail"}, factNames(p.words.phrases[key].English), key)
	}
	for key := range p.words.phrases {
		if strings.HasPrefix(key, "problem.") || strings.HasPrefix(key, "graph.") {
			require.True(t, known[key], "%s is a problem that there is not", key)
		}
	}
}

func TestRefusalsAreSaidInTheVisitorsLanguage(t *testing.T) {
	const of = `{"type":"https://tenure.example/docs/http.md#`
	for _, c := range []struct{ sent, english, japanese string }{
		{of + `action-refused","detail":"Terminate by partner refused","sentence":"statusForbids","facts":{"status":"expired","action":"terminate","allowed":[]}}`,
			"The status of the relationship is “Expired”, which does not allow this. Nothing can be done with it now.",
			"状態が「期限切れ」のため、この操作は実行できません。現在できる操作はありません。"},
		{of + `action-refused","sentence":"timerOnHold","facts":{"rule":"end-term","at":"2026-01-31T09:00:00Z","action":"approve","allowed":["terminate","setAutoExtend"]}}`,
			"“Terms end” fell due on 31 Jan 2026 09:00:00 UTC and is on hold; release the hold first. Possible now: terminate, switch auto-extend.",
			"「期間満了による終了」は 2026年1月31日 09:00:00 UTC に期限が到来しましたが、保留中です。先に保留を解除してください。現在できる操作: 解除、自動延長の切り替え。"},
		{of + `bad-value","detail":"body.mail: …","errors":[{"location":"body.mail","value":"ann","detail":"is not a mail address","sentence":"mailUnreadable"},
			{"location":"body.contacts[0]","value":7,"detail":"is not a string"}]}`,
			"Mail address: “ann” is no mail address; write it like ann@example.com. contacts: This value is not a string.",
			"メール アドレス: 「ann」はメール アドレスではありません。ann@example.com のように入力してください。 contacts: この値は使用できません（is not a string）。"},
		{of + `held-already","detail":"hold 7, which ann placed"}`, "It is on hold already: hold 7, which ann placed", "すでに保留されています: hold 7, which ann placed"},
		{of + `of-tomorrow","detail":"Something new."}`, "Something new.", "Something new."},
		{`{"error":{"code":"preconditionFailed","message":"It has changed"}}`,
			"It has changed since you looked at it. Look again, and decide again whether you still want this.",
			"表示後に変更されました。もう一度内容を確認し、実行するかどうかを判断してください。"},
		{`{"error":{"code":"wrongStanding","message":"x","sentence":"standingForbids","facts":{"standing":"suspended","action":"approve","allowed":["terminate"]}}}`,
			"The partner is suspended, and may not do this. Possible now: terminate.",
			"パートナーの状態が「停止中」のため、この操作は許可されていません。現在できる操作: 解除。"},
	} {
		for l, want := range map[language]string{english: c.english, japanese: c.japanese} {
			var said problem
			require.NoError(t, json.Unmarshal([]byte(c.sent), &said))
			require.Equal(t, want, mustPages(t, l).problem(&said))
		}
	}
}

func TestConcernsAreSaidInTheVisitorsLanguage(t *testing.T) {
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	c := &lifecycle.Condition{At: now, Wall: now, Rules: []lifecycle.RuleCondition{{Rule: lifecycle.EndTerm, Interval: time.Minute, LastTick: now,
		Backlog: lifecycle.Backlog{Due: 1234, Oldest: now.Add(-3 * time.Hour)}}},
		Channels: []lifecycle.ChannelReport{{ChannelState: lifecycle.ChannelState{Name: "mail", Off: true, LastError: "550 <b>no</b>"}}}}
	c.Database.Fault = ""
	found := c.Concerns(lifecycle.DefaultPolicy())
	require.Len(t, found, 2)
	for l, want := range map[language][]string{
		english: {"Terms end: 1,234 due, the oldest for 3 hours; it is looked at every 60 seconds",
			"Nothing is sent on it: 550 &lt;b&gt;no&lt;/b&gt;"},
		japanese: {"期間満了による終了: 期限到来 1,234件、最も古いものは3時間経過しています（60秒ごとに確認）", "送信されません: 550 &lt;b&gt;no&lt;/b&gt;"},
	} {
		p := mustPages(t, l)
		for i, text := range want {
			require.Equal(t, text, string(p.said(found[i].Text)))
		}
	}
	require.Contains(t, string(mustPages(t, japanese).said(found[0].Next)), `<code translate="no">tenure sweep --rule end-term</code>`)
}
