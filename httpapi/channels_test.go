package httpapi

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestChannelsAreListedWithWhatWaitsForThem(t *testing.T) {
	w := newWorld(t)
	w.fake.states = []lifecycle.ChannelReport{
		{ChannelState: lifecycle.ChannelState{Name: "ops", Off: true, LastError: "410 Gone", Failures: 1, ChangedAt: noon}},
		{ChannelState: lifecycle.ChannelState{Name: "crm", Failures: 4, ReadyAt: noon.Add(time.Minute), LastError: "refused for <it@contoso.example>", ChangedAt: noon},
			Statuses: map[lifecycle.NoticeStatus]int64{lifecycle.NoticeQueued: 1, lifecycle.NoticeFailed: 2, lifecycle.NoticeWaiting: 3, lifecycle.NoticeDead: 4}, Unknown: 5},
	}
	want := `{"channels":[
		{"name":"crm","state":"failing","failures":4,"readyDateTime":"2026-03-02T12:01:00.123456Z","lastError":"refused for <it@contoso.example>",
		 "changedDateTime":"2026-03-02T12:00:00.123456Z","queued":1,"failed":2,"waiting":3,"dead":4,"unknown":5},
		{"name":"mail","state":"on","failures":0,"readyDateTime":null,"lastError":null,"changedDateTime":null,"queued":0,"failed":0,"waiting":0,"dead":0,"unknown":0},
		{"name":"ops","state":"off","failures":1,"readyDateTime":null,"lastError":"410 Gone","changedDateTime":"2026-03-02T12:00:00.123456Z","queued":0,"failed":0,"waiting":0,"dead":0,"unknown":0}]}`
	require.JSONEq(t, want, string(w.do("GET", "/v1/channels", "").body))
	w.token = w.newToken("dashboard", ScopeRead)
	body := string(w.do("GET", "/v1/channels", "").body)
	require.Contains(t, body, "i***@contoso.example")
	require.NotContains(t, body, "it@")
}

func TestChannelIsSwitchedOffAndOnAgain(t *testing.T) {
	w := newWorld(t)
	r := w.do("POST", "/v1/channels/mail/off", `{"reason":"the server is moving"}`)
	var shown Channel
	r.read(&shown)
	require.Equal(t, 200, r.status)
	require.Equal(t, "off", shown.State)
	require.Equal(t, "the server is moving (operator)", *shown.LastError)
	require.Equal(t, "2026-03-02T12:00:00.123456Z", *shown.ChangedDateTime)
	w.do("POST", "/v1/channels/mail/on", `{"reason":"it has moved"}`).read(&shown)
	require.Equal(t, "on", shown.State)
	require.Contains(t, w.log.String(), `path=/v1/channels/mail/off by=operator status=200`)
}

func TestChannelIsNotSwitchedWithoutAReasonNorAnUnknownOneAtAll(t *testing.T) {
	w := newWorld(t)
	for body, location := range map[string]string{"": "body.reason", "{}": "body.reason", `{"reason":""}`: "body.reason", `{"reason":7}`: "body.reason", `[]`: "body"} {
		require.Equal(t, []string{location}, locations(w.do("POST", "/v1/channels/mail/off", body).problem(badValue)), body)
	}
	w.do("POST", "/v1/channels/mail/off", `{"why":"x"}`).problem(unknownField)
	p := w.do("POST", "/v1/channels/mial/off", `{"reason":"the server is moving"}`).problem(unknownChannel)
	require.Equal(t, "There is no channel mial; GET /v1/channels lists those that there are.", p.Detail)
	require.Empty(t, w.fake.states)
}

func TestFailuresOfTheStoreAreNotShown(t *testing.T) {
	w := newWorld(t)
	w.fake.letters = []lifecycle.Letter{letter(1)}
	w.fake.broken = errors.New("postgres://tenure:hunter2@db is gone")
	for _, r := range []struct{ method, path, body string }{
		{"GET", "/v1/contacts", ""}, {"PUT", "/v1/contacts", ann()}, {"DELETE", "/v1/contacts?tenantId=" + contoso, ""}, {"GET", "/v1/contacts/unreached", ""},
		{"GET", "/v1/notices", ""}, {"GET", "/v1/notices/2-7-1", ""}, {"POST", "/v1/notices/actions", `{"action":"retry","ids":["1-7-1"],"reason":"x"}`},
		{"POST", "/v1/notices/actions", `{"action":"retry","filter":{"channel":"mail"},"reason":"x"}`},
		{"GET", "/v1/channels", ""}, {"POST", "/v1/channels/mail/on", `{"reason":"x"}`},
	} {
		answer := w.do(r.method, r.path, r.body)
		answer.problem(internal)
		require.NotContains(t, string(answer.body), "postgres")
	}
	require.NotContains(t, w.log.String(), "hunter2")
}
