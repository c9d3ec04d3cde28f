package httpapi

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// letter is a notice that was tried in vain.
func letter(key int64) lifecycle.Letter {
	return lifecycle.Letter{NoticeID: lifecycle.NoticeID{Key: key, Version: 7, Ordinal: 1}, Kind: lifecycle.KindWarnExpiry, Stage: lifecycle.Days(7),
		End: noon.Add(7 * 24 * time.Hour), Due: noon, Recorded: noon, Status: lifecycle.NoticeFailed, Channel: "mail",
		Recipient: lifecycle.Contact{TenantID: contoso, Role: lifecycle.GlobalAdministrators, Mail: "it@contoso.example", DisplayName: "IT desk", Language: "ja", TimeZone: "Asia/Tokyo"},
		Attempts:  2, Unknown: 1, LastError: "452 <it@contoso.example>: mailbox full", NextAttempt: noon.Add(time.Hour), MessageID: "<1042-7-1@tenure.example>",
		Message: []byte("To: it@contoso.example\r\n\r\nHello"), Relationship: lifecycle.Record{ID: "r"}}
}

const letterJSON = `"id":"1042-7-1","relationshipId":"r","kind":"warn-expiry","stage":"P7D","endDateTime":"2026-03-09T12:00:00.123456Z",
	"channel":"mail","endpoint":false,"dueDateTime":"2026-03-02T12:00:00.123456Z","recordedDateTime":"2026-03-02T12:00:00.123456Z","status":"failed","reason":null,
	"attempts":2,"unknownAttempts":1,"nextAttemptDateTime":"2026-03-02T13:00:00.123456Z","erased":false`

func TestNoticeIsShownWithItsMessageToWhoeverManages(t *testing.T) {
	w := newWorld(t)
	w.fake.letters = []lifecycle.Letter{letter(1042)}
	r := w.do("GET", "/v1/notices/1042-7-1", "")
	require.Equal(t, 200, r.status)
	require.JSONEq(t, `{`+letterJSON+`,"lastError":"452 <it@contoso.example>: mailbox full","messageId":"<1042-7-1@tenure.example>","message":"To: it@contoso.example\r\n\r\nHello",
		"recipient":{"tenantId":"`+contoso+`","role":"globalAdministrator","mail":"it@contoso.example","displayName":"IT desk","language":"ja","timeZone":"Asia/Tokyo"}}`, string(r.body))
}

func TestNoticeIsMaskedForWhoeverMayOnlyRead(t *testing.T) {
	w := newWorld(t)
	digest := letter(0)
	digest.Items = []lifecycle.Letter{letter(7)}
	w.fake.letters = []lifecycle.Letter{letter(1042), digest}
	w.token = w.newToken("dashboard", ScopeRead)
	r := w.do("GET", "/v1/notices/1042-7-1", "")
	require.Equal(t, 200, r.status)
	require.JSONEq(t, `{`+letterJSON+`,"lastError":"452 <i***@contoso.example>: mailbox full","messageId":"<1042-7-1@tenure.example>",
		"recipient":{"tenantId":"`+contoso+`","role":"globalAdministrator","mail":"i***@contoso.example","displayName":"I***","language":"ja","timeZone":"Asia/Tokyo"}}`, string(r.body))
	for _, path := range []string{"/v1/notices/1042-7-1", "/v1/notices/0-7-1", "/v1/notices", "/v1/notices?limit=1"} {
		body := string(w.do("GET", path, "").body)
		require.Contains(t, body, "i***@contoso.example")
		require.NotContains(t, body, "it@", path)
		require.NotContains(t, body, "IT desk", path)
	}
	p := w.do("GET", "/v1/notices?mail=it@contoso.example", "").problem(scopeMissing)
	require.Equal(t, `To search by address needs the scope "manage".`, p.Detail)
}

func TestMaskLeavesNothingButTheFirstCharacterAndTheServer(t *testing.T) {
	for in, want := range map[string]string{"ann@example.com": "a***@example.com", "日本@example.jp": "日***@example.jp", "": "", "Ann Other": "A***", `"a@b"@c.example`: `"***@c.example`} {
		require.Equal(t, want, maskMail(in))
	}
}

func TestNoticeToNobodyIsShownAsOne(t *testing.T) {
	w := newWorld(t)
	w.fake.letters = []lifecycle.Letter{{NoticeID: lifecycle.NoticeID{Key: 1, Version: 1, Ordinal: 1}, Kind: lifecycle.KindApproved, Channel: "crm", Endpoint: true,
		Status: lifecycle.NoticeNoRecipient, Reason: lifecycle.NobodyToTell, Recipient: lifecycle.Contact{Role: lifecycle.AdminAgents}, Due: noon, Recorded: noon, SettledAt: noon}}
	for _, w.token = range []string{w.token, w.newToken("dashboard", ScopeRead)} {
		r := w.do("GET", "/v1/notices", "")
		require.JSONEq(t, `{"notices":[{"id":"1-1-1","relationshipId":null,"kind":"approved","stage":null,"endDateTime":null,"channel":"crm","endpoint":true,
			"recipient":{"tenantId":null,"mail":null,"role":"adminAgent","language":null,"timeZone":null,"displayName":null},
			"dueDateTime":"2026-03-02T12:00:00.123456Z","recordedDateTime":"2026-03-02T12:00:00.123456Z","status":"noRecipient","reason":"nobodyToTell",
			"attempts":0,"unknownAttempts":0,"settledDateTime":"2026-03-02T12:00:00.123456Z","erased":false}]}`, string(r.body))
	}
}

func TestDigestAndItsItemsNameEachOther(t *testing.T) {
	waiting, told, digest := letter(1), letter(2), letter(0)
	waiting.Status, waiting.DigestAt = lifecycle.NoticeWaiting, noon.Add(time.Hour)
	told.Status, told.Digest = lifecycle.NoticeDigested, lifecycle.NoticeID{Version: 17, Ordinal: 1}
	digest.Kind, digest.Items = lifecycle.KindDigest, []lifecycle.Letter{told}
	require.Equal(t, "2026-03-02T13:00:00.123456Z", *ShowLetter(&waiting).DigestDateTime)
	require.Equal(t, "0-17-1", *ShowLetter(&told).Digest)
	require.Nil(t, ShowLetter(&told).NextAttemptDateTime, "nothing more happens to it by itself")
	require.Equal(t, []Notice{ShowLetter(&told)}, ShowLetterDetails(&digest).Items)
}

func TestNoticesAreListedPageByPage(t *testing.T) {
	w := newWorld(t)
	for key := range int64(7) {
		w.fake.letters = append(w.fake.letters, letter(key+1))
	}
	for first, want := range map[string]int{"/v1/notices?limit=3": 3, "/v1/notices?limit=3&among=4": 4} {
		var ids []string
		pages := 0
		for next := first; next != "" && pages < 10; pages++ {
			var page NoticeList
			w.do("GET", next, "").read(&page)
			for _, n := range page.Notices {
				ids = append(ids, n.ID)
			}
			next = page.Next
		}
		require.Equal(t, []string{"1-7-1", "2-7-1", "3-7-1", "4-7-1", "5-7-1", "6-7-1", "7-7-1"}, ids)
		require.Equal(t, want, pages, first)
		require.Equal(t, strings.Contains(first, "among"), w.fake.among == 4, first)
	}
	require.JSONEq(t, `{"notices":[]}`, string(w.do("GET", "/v1/notices?status=dead", "").body))
}

func TestNoticesAreFilteredByAllThatIsAsked(t *testing.T) {
	w := newWorld(t)
	w.fake.letters = []lifecycle.Letter{letter(8), letter(9)}
	asked := url.Values{"status": {"failed,dead"}, "kind": {"warn-expiry,digest"}, "relationshipId": {"R"}, "tenantId": {contoso}, "mail": {"it@contoso.example"},
		"channel": {"mail"}, "dueAfter": {"2026-03-01T00:00:00Z"}, "dueBefore": {"2026-04-01T09:00:00+09:00"}, "digest": {"0-17-1"}, "after": {"7-1-1"}, "limit": {"1"}}
	r := w.do("GET", "/v1/notices?"+asked.Encode(), "")
	require.Equal(t, 200, r.status, "%s", r.body)
	require.Equal(t, lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeFailed, lifecycle.NoticeDead},
		Kinds: []lifecycle.NoticeKind{lifecycle.KindWarnExpiry, lifecycle.KindDigest}, Relationship: "R", Tenant: contoso, Mail: "it@contoso.example", Channel: "mail",
		DueAfter: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), DueBefore: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), Digest: lifecycle.NoticeID{Version: 17, Ordinal: 1},
		After: lifecycle.NoticeID{Key: 7, Version: 1, Ordinal: 1}, Limit: 2}, w.fake.seen)
	var page NoticeList
	r.read(&page)
	next, err := url.Parse(page.Next)
	require.NoError(t, err)
	asked.Set("after", "8-7-1")
	require.Equal(t, asked, next.Query(), "the next page is of the same list")
}

func TestBadParametersOfNoticesAreNamed(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ query, location string }{
		{"status=lost", "query.status[0]"}, {"status=dead,lost", "query.status[1]"}, {"kind=spam", "query.kind[0]"}, {"tenantId=contoso", "query.tenantId"},
		{"dueAfter=yesterday", "query.dueAfter"}, {"dueBefore=2026-03-01T00:00:00", "query.dueBefore"}, {"digest=17", "query.digest"}, {"after=x", "query.after"},
		{"limit=201", "query.limit"}, {"states=dead", "query.states"},
	} {
		require.Equal(t, []string{c.location}, locations(w.do("GET", "/v1/notices?"+c.query, "").problem(badValue)), c.query)
	}
	p := w.do("GET", "/v1/notices?tenantId=x&dueAfter=x&after=x", "").problem(badValue)
	require.Len(t, p.Errors, 3)
	require.Equal(t, []string{"path.id"}, locations(w.do("GET", "/v1/notices/x", "").problem(badValue)))
	require.Equal(t, "There is no notice 9-9-9; GET /v1/notices lists those that there are.", w.do("GET", "/v1/notices/9-9-9", "").problem(unknownNotice).Detail)
}

func TestNoticesAreOrderedByTheirIDs(t *testing.T) {
	w := newWorld(t)
	dead, sent, erased := letter(1), letter(2), letter(3)
	dead.Status, sent.Status, erased.Status, erased.Erased = lifecycle.NoticeDead, lifecycle.NoticeSent, lifecycle.NoticeDead, true
	w.fake.letters = []lifecycle.Letter{dead, sent, erased}
	const ids = `"ids":["1-7-1","2-7-1","3-7-1","4-7-1","1-7-1"],"reason":" the address is right now "`
	refused := `"refused":[{"id":"2-7-1","reason":"its status does not allow that: it is sent, and nothing can be done to it","sentence":"noticeIsOver","facts":{"noticeStatus":"sent"}},
		{"id":"3-7-1","reason":"its recipient's name and address have been erased, so it cannot be sent any more","sentence":"noticeErased"},{"id":"4-7-1","reason":"there is no such notice","sentence":"noSuchNotice"}]}`

	r := w.do("POST", "/v1/notices/actions", `{"action":"retry","dryRun":true,`+ids+`}`)
	require.JSONEq(t, `{"changed":1,"dryRun":true,`+refused, string(r.body))
	require.Equal(t, lifecycle.NoticeDead, w.fake.letters[0].Status)

	r = w.do("POST", "/v1/notices/actions", `{"action":"retry",`+ids+`}`)
	require.Equal(t, 200, r.status)
	require.JSONEq(t, `{"changed":1,"dryRun":false,`+refused, string(r.body))
	require.Equal(t, lifecycle.NoticeOrder{Action: lifecycle.RetryNotice, Note: "the address is right now", By: "operator", At: noon}, w.fake.orders[1])
	require.Equal(t, []lifecycle.NoticeID{dead.NoticeID}, w.fake.queries[1].IDs)
	require.Equal(t, lifecycle.NoticeQueued, w.fake.letters[0].Status)

	r = w.do("POST", "/v1/notices/actions", `{"action":"retry","ids":["2-7-1"],"reason":"again"}`)
	require.JSONEq(t, `{"changed":0,"dryRun":false,"refused":[{"id":"2-7-1","reason":"its status does not allow that: it is sent, and nothing can be done to it","sentence":"noticeIsOver","facts":{"noticeStatus":"sent"}}]}`, string(r.body))
	require.Len(t, w.fake.orders, 2, "there was nothing to do")
}

func TestNoticeThatStaysAsItIsIsReported(t *testing.T) {
	w := newWorld(t)
	nobody, failed := letter(1), letter(2)
	nobody.Status = lifecycle.NoticeNoRecipient
	w.fake.letters, w.fake.lazy = []lifecycle.Letter{nobody, failed}, true
	r := w.do("POST", "/v1/notices/actions", `{"action":"retry","ids":["1-7-1","2-7-1"],"reason":"again"}`)
	require.JSONEq(t, `{"changed":0,"dryRun":false,"refused":[{"id":"1-7-1","reason":"there is still nobody to tell; add a contact of its tenant and role","sentence":"stillNobody"},
		{"id":"2-7-1","reason":"it is being sent just now; look at it again in a minute","sentence":"beingSent"}]}`, string(r.body))
}

func TestNoticesAreOrderedByAFilter(t *testing.T) {
	w := newWorld(t)
	for key := range int64(3) {
		w.fake.letters = append(w.fake.letters, letter(key+1))
	}
	const filter = `"filter":{"status":["failed"],"kind":["warn-expiry"],"relationshipId":"r","tenantId":"` + contoso + `","mail":"it@contoso.example","channel":"mail",
		"dueAfter":"2026-03-01T00:00:00Z","dueBefore":"2026-04-01T00:00:00Z","digest":"0-1-1"},"reason":"the relationship is renewed"`
	for _, dry := range []bool{true, false} {
		r := w.do("POST", "/v1/notices/actions", fmt.Sprintf(`{"action":"suppress","dryRun":%t,%s}`, dry, filter))
		require.JSONEq(t, fmt.Sprintf(`{"changed":3,"dryRun":%t,"refused":[]}`, dry), string(r.body))
	}
	require.Equal(t, lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeFailed}, Kinds: []lifecycle.NoticeKind{lifecycle.KindWarnExpiry},
		Relationship: "r", Tenant: contoso, Mail: "it@contoso.example", Channel: "mail", DueAfter: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		DueBefore: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), Digest: lifecycle.NoticeID{Version: 1, Ordinal: 1}}, w.fake.queries[1])
	require.Equal(t, lifecycle.NoticeSuppressed, w.fake.letters[2].Status)
	require.Contains(t, w.log.String(), `route="POST /v1/notices/actions" path=/v1/notices/actions by=operator status=200`)
}

func TestBadOrdersAreRefusedWithAllThatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.fake.letters = []lifecycle.Letter{letter(1)}
	many := `"1-7-1"`
	for range 1000 {
		many += `,"1-7-1"`
	}
	for body, want := range map[string][]string{
		``:                   {"body"},
		`[]`:                 {"body"},
		`{}`:                 {"body.action", "body.reason", "body"},
		`{"action":"retry"}`: {"body.reason", "body"},
		`{"action":"delete","ids":["1-7-1"],"reason":"x"}`:                                           {"body.action"},
		`{"action":7,"ids":"1-7-1","reason":null,"dryRun":"no"}`:                                     {"body.action", "body.ids", "body.reason", "body.dryRun"},
		`{"action":"retry","ids":["1-7-1"],"filter":{"status":["dead"]},"reason":"x"}`:               {"body"},
		`{"action":"retry","reason":"x"}`:                                                            {"body"},
		`{"action":"retry","ids":[],"reason":"x"}`:                                                   {"body.ids"},
		`{"action":"retry","ids":["1-7-1","7"],"reason":"x"}`:                                        {"body.ids[1]"},
		`{"action":"retry","ids":[` + many + `],"reason":"x"}`:                                       {"body.ids"},
		`{"action":"retry","filter":{},"reason":"x"}`:                                                {"body.filter"},
		`{"action":"retry","filter":{"status":["dead"],"mail":"","tenantId":""},"reason":"x"}`:       {"body.filter.mail", "body.filter.tenantId"},
		`{"action":"retry","filter":{"mail":"x","status":[ ]},"reason":"x"}`:                         {"body.filter.status"},
		`{"action":"retry","filter":null,"reason":"x"}`:                                              {"body.filter"},
		`{"action":"retry","filter":{"status":["lost"],"kind":["spam"],"x":1},"reason":"x"}`:         {"body.filter.status[0]", "body.filter.kind[0]", "body.filter.x"},
		`{"action":"retry","filter":{"tenantId":"x","dueAfter":"x","digest":"x"},"reason":"x"}`:      {"body.filter.tenantId", "body.filter.dueAfter", "body.filter.digest"},
		`{"action":"retry","ids":["1-7-1"],"reason":" "}`:                                            {"body.reason"},
		`{"action":"retry","ids":["1-7-1"],"reason":"a\nb"}`:                                         {"body.reason"},
		`{"action":"retry","ids":["1-7-1"],"reason":"` + fmt.Sprintf("%0501d", 1) + `"}`:             {"body.reason"},
		`{"action":"retry","action":"release","ids":["1-7-1"],"reason":"` + fmt.Sprint(1) + `"}`:     {"body.action"},
		`{"action":"retry","filter":{"status":["dead"],"status":["queued"]},"reason":"` + "x" + `"}`: {"body.filter.status"},
	} {
		r := w.do("POST", "/v1/notices/actions", body)
		require.Equal(t, 422, r.status, "%s: %s", body, r.body)
		var p Problem
		r.read(&p)
		require.Equal(t, want, locations(p), body)
	}
	require.Empty(t, w.fake.orders)
}
