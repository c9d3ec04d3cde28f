package ledger

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/lifecycle"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)

// everything is an event with something in each field.
func everything() lifecycle.Event {
	return lifecycle.Event{RelationshipID: "r-1", Key: 17, Recorded: start.Add(time.Second), Fingerprint: "abc", Change: lifecycle.Change{
		Version: 5, Type: lifecycle.EventTerminated, Rule: "end-term", Effective: start, From: lifecycle.Active, To: lifecycle.Terminated,
		End: start.Add(time.Hour), Reason: "termEnded", Actor: lifecycle.Partner, Detail: "a \"note\" <with>\n\\ \u2028 and あ\x01", Action: "terminate", Subject: "contoso",
		By: &lifecycle.Caller{Name: "anna", Tenant: "t-1", Role: lifecycle.AdminAgents, Address: "10.0.0.1", Request: "req-1"}}}
}

func TestLeafIsWhatTheDocumentationSays(t *testing.T) {
	event := everything()
	page, err := os.ReadFile("../docs/ledger.md")
	require.NoError(t, err)
	require.Contains(t, string(page), "\n"+strings.ReplaceAll(string(Leaf(&event)), "\u2028", `<U+2028>`)+"\n")
	var timers lifecycle.Event
	require.Equal(t, `{"key":0,"version":0}`, string(Leaf(&timers)), "what is empty is left out")
}

// Two events whose leaves are the same are the same, and every leaf is JSON.
func TestEveryFieldIsInTheLeaf(t *testing.T) {
	original := everything()
	seen := map[string]bool{string(Leaf(&original)): true}
	for i, change := range []func(*lifecycle.Event){
		func(e *lifecycle.Event) { e.RelationshipID = "r-2" }, func(e *lifecycle.Event) { e.Key++ },
		func(e *lifecycle.Event) { e.Recorded = e.Recorded.Add(time.Microsecond) }, func(e *lifecycle.Event) { e.Fingerprint = "" },
		func(e *lifecycle.Event) { e.Version = -5 }, func(e *lifecycle.Event) { e.Type = "x" }, func(e *lifecycle.Event) { e.Rule = "" },
		func(e *lifecycle.Event) { e.Effective = e.Effective.Add(-time.Microsecond) }, func(e *lifecycle.Event) { e.From = "" },
		func(e *lifecycle.Event) { e.To = "x" }, func(e *lifecycle.Event) { e.End = time.Time{} }, func(e *lifecycle.Event) { e.Reason = "" },
		func(e *lifecycle.Event) { e.Actor = "" }, func(e *lifecycle.Event) { e.Detail = "" }, func(e *lifecycle.Event) { e.Action = "" },
		func(e *lifecycle.Event) { e.Subject = "" }, func(e *lifecycle.Event) { e.By = nil }, func(e *lifecycle.Event) { e.By.Name = "" },
		func(e *lifecycle.Event) { e.By.Tenant = "" }, func(e *lifecycle.Event) { e.By.Role = "" }, func(e *lifecycle.Event) { e.By.Address = "" },
		func(e *lifecycle.Event) { e.By.Request = "" },
	} {
		event := everything()
		change(&event)
		text := string(Leaf(&event))
		require.False(t, seen[text], "change %d shows in %s", i, text)
		require.True(t, json.Valid([]byte(text)))
		seen[text] = true
	}
}

func TestTextsInALeafAreReadBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		var back string
		require.NoError(t, json.Unmarshal(appendQuoted(nil, s), &back))
		require.Equal(t, s, back)
	})
}
