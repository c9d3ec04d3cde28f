package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	northwind = "aaaaaaaa-0000-4000-8000-000000000001"
	contoso   = "bbbbbbbb-0000-4000-8000-000000000001"
	hostile   = `"><script>alert(1)</script>`
)

// approved makes a relationship that both sides are told of, and answers with its id.
func (w *world) approved(n int) string {
	w.t.Helper()
	id := fmt.Sprintf("0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-%012d", n)
	name, term := fmt.Sprintf("Contoso %d %s", n, hostile), lifecycle.Days(365)
	draft := lifecycle.Draft{DisplayName: &name, Duration: &term, Roles: []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8"}, Customer: &lifecycle.Tenant{TenantID: contoso}}
	by := lifecycle.Caller{Name: "ann", Role: lifecycle.Operator, Request: "r-1"}
	_, err := w.db.CreateRelationship(w.t.Context(), northwind, w.policy, func(standing lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(id, northwind, draft, w.policy, standing, &by, w.clock())
	})
	require.NoError(w.t, err)
	w.act(id, lifecycle.LockForApproval, lifecycle.Partner)
	w.act(id, lifecycle.Approve, lifecycle.Customer)
	return id
}

func (w *world) act(id string, kind lifecycle.ActionKind, by lifecycle.Actor) {
	w.t.Helper()
	_, err := w.db.Act(w.t.Context(), id, w.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Act(w.policy, w.clock(), lifecycle.Action{Kind: kind, By: by})
	})
	require.NoError(w.t, err)
}

// knows adds a contact.
func (w *world) knows(tenant string, role lifecycle.Role, mail, name string) {
	w.t.Helper()
	_, err := w.db.ImportContacts(w.t.Context(), []lifecycle.Contact{{TenantID: tenant, Role: role, Mail: mail, DisplayName: name}}, &w.policy.Notices, w.clock())
	require.NoError(w.t, err)
}

// delivers claims what is queued, and settles each letter with a message as what says.
func (w *world) delivers(message string, as lifecycle.NoticeStatus, fault string) []lifecycle.Letter {
	w.t.Helper()
	ctx, wall := w.t.Context(), w.wall()
	letters, err := w.db.ClaimLetters(ctx, lifecycle.Claim{Channel: lifecycle.DefaultChannel, Now: w.clock(), Wall: wall, LeaseUntil: wall.Add(time.Minute), Most: 100})
	require.NoError(w.t, err)
	require.NotEmpty(w.t, letters)
	for i := range letters {
		letters[i].MessageID, letters[i].Message = "<1@tenure.example>", []byte(message)
	}
	_, err = w.db.KeepLetters(ctx, letters, wall.Add(time.Minute))
	require.NoError(w.t, err)
	begun, err := w.db.BeginLetters(ctx, letters)
	require.NoError(w.t, err)
	var settled []lifecycle.Settled
	for _, l := range begun {
		settled = append(settled, lifecycle.Settled{NoticeID: l.NoticeID, Claim: l.Claim, Status: as, LastError: fault, SentAt: w.clock(), At: w.clock()})
	}
	require.NoError(w.t, w.db.SettleLetters(ctx, settled))
	return begun
}

// notice is the id of the only notice of a status.
func (w *world) notice(status lifecycle.NoticeStatus) string {
	w.t.Helper()
	letters, err := w.db.Letters(w.t.Context(), lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{status}})
	require.NoError(w.t, err)
	require.Len(w.t, letters, 1)
	return letters[0].String()
}

func (w *world) counts() map[lifecycle.NoticeStatus]int64 {
	w.t.Helper()
	counts, err := w.db.NoticeCounts(w.t.Context())
	require.NoError(w.t, err)
	return counts
}

const aMail = "Date: Sun, 01 Mar 2026 09:00:00 +0000\r\nFrom: tenure <tenure@example.com>\r\nTo: ann@example.com\r\nSubject: =?UTF-8?Q?=E2=9C=93_Caf=C3=A9?=\r\n" +
	"Content-Type: multipart/alternative; boundary=\"=_tenure\"\r\n\r\n--=_tenure\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Gr=C3=BC=C3=9Fe <b>\r\n--=_tenure\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	"PHAgc3R5bGU9ImNvbG9yOnJlZCI+SGVsbG88L3A+PHNjcmlwdD54KCk8L3NjcmlwdD4=\r\n--=_tenure--\r\n"

func TestNoticesAreListedByStatusWithCounts(t *testing.T) {
	w := newWorld(t)
	w.knows(northwind, lifecycle.AdminAgents, "ann@example.com", hostile)
	w.approved(1)
	browser := w.signedIn("ops", "manage")
	p := w.get(browser, "/console/notices?status=noRecipient")
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.body, `No recipient <span class="count some">1</span>`)
	require.Contains(t, p.body, "nobody to tell")
	require.NotContains(t, p.body, "ann@example.com", "that one is queued")
	p = w.get(browser, "/console/notices")
	require.Contains(t, p.body, "ann@example.com")
	require.NotContains(t, p.body, "<script>alert")
	require.Contains(t, w.get(browser, "/console/notices?tenant="+contoso).body, w.notice(lifecycle.NoticeNoRecipient))
	require.NotContains(t, w.get(browser, "/console/notices?tenant="+contoso).body, "ann@example.com")
	require.Contains(t, w.get(browser, "/console/notices?to=2026-02-28").body, "There are no such notices")
	require.Contains(t, w.get(browser, "/console/notices?from=2026-03-01&to=2026-03-01").body, "ann@example.com", "the last day is included")
	p = w.get(browser, "/console/notices?tenant=x")
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Contains(t, p.body, `value="x"`, "what was typed stays")
	require.Contains(t, w.get(browser, "/console/notices", "Accept-Language", "ja").body, "送信待ち")
}

func TestNoticesAreListedPageByPage(t *testing.T) {
	w := newWorld(t)
	for n := range 26 {
		w.approved(n + 1)
	}
	browser := w.signedIn("ops", "manage")
	p := w.get(browser, "/console/notices?status=noRecipient")
	require.Equal(t, 50, countIn(p.body, `name="id"`))
	next := between(t, p.body, `<a href="`, `" rel="next"`)
	require.Contains(t, next, "status=noRecipient")
	p = w.get(browser, next)
	require.Equal(t, 2, countIn(p.body, `name="id"`))
	require.Contains(t, p.body, "First page")
	require.NotContains(t, p.body, `rel="next"`)
}

func TestReadersSeeNoAddressesAndNoButtons(t *testing.T) {
	w := newWorld(t)
	w.knows(northwind, lifecycle.AdminAgents, "ann@example.com", "Ann")
	w.approved(1)
	w.delivers(aMail, lifecycle.NoticeSent, "")
	reader := w.signedIn("looks", "read")
	p := w.get(reader, "/console/notices")
	require.Contains(t, p.body, "a***@example.com")
	require.NotContains(t, p.body, "ann@example.com")
	require.NotContains(t, p.body, "Retry")
	sent := w.notice(lifecycle.NoticeSent)
	p = w.get(reader, "/console/notices/"+sent)
	require.Contains(t, p.body, "shown to whoever may manage")
	require.NotContains(t, p.body, "ann@example.com")
	require.NotContains(t, p.body, "<iframe")
	require.Equal(t, http.StatusNotFound, w.get(reader, "/console/notices/"+sent+"/html").status)
	require.Equal(t, http.StatusForbidden, w.get(reader, "/console/notices/order?action=suppress&id="+sent).status)
	require.Equal(t, http.StatusForbidden, w.post(reader, "/console/notices/order", "action", "suppress", "ids", sent, "reason", "no").status)
}

func TestMailIsShownAsItWasSentAndCanDoNothing(t *testing.T) {
	w := newWorld(t)
	w.knows(northwind, lifecycle.AdminAgents, "ann@example.com", "Ann")
	id := w.approved(1)
	w.delivers(aMail, lifecycle.NoticeSent, "")
	browser := w.signedIn("ops", "manage")
	path := "/console/notices/" + w.notice(lifecycle.NoticeSent)
	p := w.get(browser, path)
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, shown := range []string{"✓ Café", "Grüße &lt;b&gt;", "tenure &lt;tenure@example.com&gt;", `href="/console/relationships/` + id, `<iframe class="mail" sandbox title`} {
		require.Contains(t, p.body, shown)
	}
	require.NotContains(t, p.body, "<script>x", "the HTML stands in its frame only")
	require.Contains(t, p.header.Get("Content-Security-Policy"), "frame-src 'self'")
	require.Contains(t, p.header.Get("Content-Security-Policy"), "frame-ancestors 'none'")

	p = w.get(browser, path+"/html")
	require.Equal(t, `<p style="color:red">Hello</p><script>x()</script>`, p.body)
	policy := p.header.Get("Content-Security-Policy")
	for _, rule := range []string{"default-src 'none'", "frame-ancestors 'self'", "form-action 'none'", "sandbox"} {
		require.Contains(t, policy, rule)
	}
	require.NotContains(t, policy, "script-src")
	require.NotContains(t, policy, "allow-")
	require.NotContains(t, w.get(browser, "/console/notices").header.Get("Content-Security-Policy"), "frame-src")
	require.Equal(t, http.StatusNotFound, w.get(browser, "/console/notices/9-9-9").status)
	require.Equal(t, http.StatusUnprocessableEntity, w.get(browser, "/console/notices/nonsense").status)
}

func TestMessageThatIsNoMailIsShownAsItIs(t *testing.T) {
	w := newWorld(t)
	w.knows(northwind, lifecycle.AdminAgents, "ann@example.com", "Ann")
	w.approved(1)
	w.delivers(`{"text":"<b>"}`, lifecycle.NoticeDead, "550 no such user")
	p := w.get(w.signedIn("ops", "manage"), "/console/notices/"+w.notice(lifecycle.NoticeDead))
	require.Contains(t, p.body, "{&#34;text&#34;:&#34;&lt;b&gt;&#34;}")
	require.Contains(t, p.body, "550 no such user")
	require.NotContains(t, p.body, "<iframe")
}

func TestErasedNoticesSaySo(t *testing.T) {
	w := newWorld(t)
	w.knows(northwind, lifecycle.AdminAgents, "ann@example.com", "Ann")
	w.approved(1)
	w.delivers(aMail, lifecycle.NoticeSent, "")
	n, err := w.db.EraseRecipients(t.Context(), w.clock().Add(time.Hour), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	p := w.get(w.signedIn("ops", "manage"), "/console/notices/"+w.notice(lifecycle.NoticeSent))
	require.Contains(t, p.body, "have been erased")
	require.NotContains(t, p.body, "ann@example.com")
}

func TestOrdersAboutNoticesAreConfirmedCountedAndKept(t *testing.T) {
	w := newWorld(t)
	w.knows(northwind, lifecycle.AdminAgents, "ann@example.com", "Ann")
	for n := range 3 {
		w.approved(n + 1)
	}
	dead := w.delivers(aMail, lifecycle.NoticeDead, "550")
	browser := w.signedIn("ops", "manage")

	list := w.get(browser, "/console/notices?status=dead")
	require.Contains(t, list.body, `name="action" value="retry"`)
	require.NotContains(t, list.body, `name="action" value="release"`, "which does nothing to what was given up")
	p := w.get(browser, "/console/notices/order?action=retry&id="+dead[0].String()+"&id="+w.notices(lifecycle.NoticeNoRecipient)[0])
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.body, "Send 1 notice again?", "there is still nobody to tell of the other")
	p = w.post(browser, "/console/notices/order", "action", "retry", "ids", dead[0].String(), "reason", " ")
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Contains(t, p.body, "Give a reason")
	require.EqualValues(t, 3, w.counts()[lifecycle.NoticeDead], "asking changes nothing")

	p = w.post(browser, "/console/notices/order", "action", "retry", "ids", dead[0].String(), "reason", "the address is right")
	require.Equal(t, "/console/notices/"+dead[0].String(), p.header.Get("Location"))
	p = w.get(browser, p.header.Get("Location"))
	require.Contains(t, p.body, "1 notice is sent again.")
	require.Contains(t, p.body, "the address is right")
	require.EqualValues(t, 2, w.counts()[lifecycle.NoticeDead])

	p = w.get(browser, "/console/notices/order?all=suppress&status=dead&tenant="+northwind)
	require.Contains(t, p.body, "Suppress 2 notices?")
	require.Contains(t, p.body, `class="danger"`)
	p = w.post(browser, "/console/notices/order", "all", "suppress", "status", "dead", "tenant", northwind, "reason", "they know")
	require.Equal(t, "/console/notices?status=dead&tenant="+northwind, p.header.Get("Location"), p.body)
	require.EqualValues(t, 2, w.counts()[lifecycle.NoticeSuppressed])

	p = w.post(browser, "/console/notices/order", "action", "retry", "ids", dead[0].String(), "reason", "again")
	require.Contains(t, w.get(browser, p.header.Get("Location")).body, "1 was left as it is", "it is queued already")
	p = w.get(browser, "/console/notices/order?all=retry&status=noRecipient")
	require.Equal(t, "/console/notices?status=noRecipient", p.header.Get("Location"), "there is nothing to confirm")
	require.Contains(t, w.get(browser, p.header.Get("Location")).body, "There is nothing to do: what is listed has nobody to go to")
	p = w.get(browser, "/console/notices/order?action=retry&status=dead")
	require.Equal(t, "/console/notices?status=dead", p.header.Get("Location"), "nothing is selected")
	require.Contains(t, w.get(browser, p.header.Get("Location")).body, "Select the notices first")
	require.Equal(t, http.StatusBadRequest, w.get(browser, "/console/notices/order?action=burn&id=1-1-1").status)

	deeds := w.get(browser, "/console/activity/operators").body
	require.Contains(t, deeds, "Gave an order about notices")
	require.Contains(t, deeds, "suppress: they know")
}

func (w *world) notices(status lifecycle.NoticeStatus) (ids []string) {
	w.t.Helper()
	letters, err := w.db.Letters(w.t.Context(), lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{status}})
	require.NoError(w.t, err)
	for i := range letters {
		ids = append(ids, letters[i].String())
	}
	return ids
}

func TestChannelsAreSwitchedWithAReason(t *testing.T) {
	w := newWorld(t)
	w.knows(northwind, lifecycle.AdminAgents, "ann@example.com", "Ann")
	w.approved(1)
	browser, reader := w.signedIn("ops", "manage"), w.signedIn("looks", "read")
	require.Contains(t, w.get(browser, "/console/channels").body, "/console/channels/mail/off")
	require.NotContains(t, w.get(reader, "/console/channels").body, "/console/channels/mail/off")
	require.Equal(t, http.StatusForbidden, w.post(reader, "/console/channels/mail/off", "reason", "x").status)
	require.Contains(t, w.get(browser, "/console/channels/mail/off").body, "Switch the channel mail off?")
	require.Equal(t, http.StatusUnprocessableEntity, w.post(browser, "/console/channels/mail/off", "reason", "").status)
	p := w.post(browser, "/console/channels/pigeon/off", "reason", "it moves")
	require.Equal(t, http.StatusNotFound, p.status)
	require.Contains(t, p.body, "There is no such channel")
	require.Contains(t, p.body, "it moves", "what was typed stays")
	p = w.post(browser, "/console/channels/mail/off", "reason", "it moves")
	require.Equal(t, "/console/channels", p.header.Get("Location"))
	p = w.get(browser, "/console/channels")
	require.Contains(t, p.body, "The channel mail is off.")
	require.Contains(t, p.body, "it moves (ops)")
	w.post(browser, "/console/channels/mail/on", "reason", "it has moved")
	require.Contains(t, w.get(browser, "/console/channels").body, `<span class="badge good">On</span>`)
}

func TestContactsAreAddedChangedAndRemoved(t *testing.T) {
	w := newWorld(t)
	w.approved(1)
	browser, reader := w.signedIn("ops", "manage"), w.signedIn("looks", "read")
	p := w.get(browser, "/console/contacts")
	require.Contains(t, p.body, "/console/contacts/edit?role=globalAdministrator&amp;tenant="+contoso, "what to do next")
	p = w.get(browser, "/console/contacts/edit?role=globalAdministrator&tenant="+contoso)
	require.Contains(t, p.body, "1 notice to this tenant waits")
	form := []string{"tenant", contoso, "role", "globalAdministrator", "mail", "it@contoso.example", "name", hostile, "language", "ja", "zone", "Asia/Tokyo", "digest", "none"}
	p = w.post(browser, "/console/contacts/edit", append(form, "zone", "")...)
	require.Equal(t, "/console/contacts?tenant="+contoso, p.header.Get("Location"), p.body)
	p = w.get(browser, p.header.Get("Location"))
	require.Contains(t, p.body, "it@contoso.example is added. 1 notice that had nobody to go to goes to them now.")
	require.NotContains(t, p.body, "<script>alert")

	form[11] = "Nowhere/Town"
	p = w.post(browser, "/console/contacts/edit", append(form, "known", "yes")...)
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Contains(t, p.body, `value="Nowhere/Town"`)
	form[11] = "Europe/Berlin"
	p = w.post(browser, "/console/contacts/edit", append(form, "known", "yes")...)
	require.Contains(t, w.get(browser, p.header.Get("Location")).body, "it@contoso.example is changed.")
	who := url.Values{"tenant": {contoso}, "role": {"globalAdministrator"}, "mail": {"it@contoso.example"}}.Encode()
	require.Contains(t, w.get(browser, "/console/contacts/edit?"+who).body, "Europe/Berlin")

	require.NotContains(t, w.get(reader, "/console/contacts").body, "it@contoso.example")
	require.NotContains(t, w.get(reader, "/console/contacts").body, "Add a contact</a>")
	require.Equal(t, http.StatusForbidden, w.post(reader, "/console/contacts/edit", form...).status)
	require.Equal(t, http.StatusForbidden, w.get(reader, "/console/contacts/edit?"+who).status)

	require.Contains(t, w.get(browser, "/console/contacts/remove?"+who).body, "Remove it@contoso.example?")
	p = w.post(browser, "/console/contacts/remove", "tenant", contoso, "role", "globalAdministrator", "mail", "it@contoso.example")
	require.Contains(t, w.get(browser, p.header.Get("Location")).body, "it@contoso.example is removed.")
	require.Equal(t, http.StatusUnprocessableEntity, w.post(browser, "/console/contacts/remove", "tenant", contoso).status, "that would be the whole tenant")
	require.Equal(t, http.StatusNotFound, w.get(browser, "/console/contacts/edit?"+who).status)
	require.Contains(t, w.get(browser, "/console/activity/operators").body, "Removed contacts")
}
