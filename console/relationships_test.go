package console_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/console"
	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	partner  = "aaaaaaaa-0000-4000-8000-000000000001"
	helpdesk = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	list     = "/console/relationships"
)

func relationshipID(n int) string {
	return fmt.Sprintf("0d9ab5ca-7f33-4f5c-a4d1-%012d-1b2c3d4e-0000-4000-8000-%012d", n, n)
}

// active is a relationship that ends at end.
func active(n int, end time.Time) lifecycle.Record {
	return lifecycle.Record{ID: relationshipID(n), Partner: partner, DisplayName: fmt.Sprintf("Contoso desk %03d", n), Duration: lifecycle.Days(365),
		Status: lifecycle.Active, Customer: lifecycle.Tenant{TenantID: contoso, DisplayName: "Contoso"}, Roles: []string{helpdesk},
		Created: end.AddDate(-1, 0, -1), Modified: end.AddDate(-1, 0, 0), Locked: end.AddDate(-1, 0, -1), Activated: end.AddDate(-1, 0, 0), End: end}
}

// load imports relationships.
func (w *world) load(records ...lifecycle.Record) {
	w.t.Helper()
	batch := make([]lifecycle.Incoming, len(records))
	for i, r := range records {
		batch[i] = lifecycle.Incoming{Record: r, Digest: fmt.Sprint(i, r.ID)}
	}
	taken, err := w.db.ImportRelationships(w.t.Context(), batch, w.policy, w.clock())
	require.NoError(w.t, err)
	for _, in := range taken {
		require.Equal(w.t, lifecycle.TakenNew, in.Taken, in.Fault)
	}
}

// draft makes a draft, and answers with its id.
func (w *world) draft(n int, name string, roles ...string) string {
	w.t.Helper()
	year := lifecycle.Days(365)
	wish := lifecycle.Draft{DisplayName: &name, Duration: &year, Roles: roles, Customer: &lifecycle.Tenant{TenantID: contoso, DisplayName: "Contoso"}}
	_, err := w.db.CreateRelationship(w.t.Context(), partner, w.policy, func(s lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(relationshipID(n), partner, wish, w.policy, s, nil, w.clock())
	})
	require.NoError(w.t, err)
	return relationshipID(n)
}

var rowName = regexp.MustCompile(`<a class="name" dir="auto" translate="no" href="/console/relationships/[^"?]+">([^<]*)</a>`)

// names are those of the relationships on a page of the list.
func (w *world) names(browser *http.Client, path string) (names []string, next string) {
	w.t.Helper()
	p := w.get(browser, path)
	require.Equal(w.t, http.StatusOK, p.status, p.body)
	for _, m := range rowName.FindAllStringSubmatch(p.body, -1) {
		names = append(names, html.UnescapeString(m[1]))
	}
	if m := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(p.body); m != nil {
		next = html.UnescapeString(m[1])
	}
	return names, next
}

func TestListIsFilteredAndSorted(t *testing.T) {
	w := newWorld(t)
	powerful := active(2, start.AddDate(0, 2, 0))
	powerful.Roles, powerful.AutoExtend = []string{lifecycle.GlobalAdministrator}, true
	extends := active(3, start.AddDate(0, 0, 2))
	extends.AutoExtend, extends.Customer.TenantID = true, partner
	pending := active(4, start)
	pending.DisplayName, pending.Status, pending.Activated, pending.End, pending.Locked = "Alpine", lifecycle.ApprovalPending, time.Time{}, time.Time{}, start.AddDate(0, 0, -10)
	w.load(active(1, start.AddDate(0, 6, 0)), powerful, extends, pending)
	_, err := w.db.PlaceHold(t.Context(), lifecycle.Hold{Kind: lifecycle.HoldRelationship, Subject: extends.ID, Note: "lawyers"}, lifecycle.Caller{Name: "ops", Role: lifecycle.Operator}, start)
	require.NoError(t, err)
	one, two, three := "Contoso desk 001", "Contoso desk 002", "Contoso desk 003"
	for query, want := range map[string][]string{
		"":                               {"Alpine", three, two, one},
		"?sort=arrival":                  {one, two, three, "Alpine"},
		"?sort=name":                     {"Alpine", one, two, three},
		"?sort=end":                      {three, two, one},
		"?sort=-end":                     {one, two, three},
		"?sort=next":                     {three, two, "Alpine", one},
		"?sort=made-up":                  {"Alpine", three, two, one},
		"?status=approvalPending":        {"Alpine"},
		"?name=CONTOSO+desk&sort=":       {three, two, one},
		"?extend=on&sort=arrival":        {two, three},
		"?admin=with":                    {two},
		"?admin=without&extend=on":       {three},
		"?customer=" + partner:           {three},
		"?partner=" + partner:            {"Alpine", three, two, one},
		"?rule=expire-pending":           {"Alpine"},
		"?held=yes":                      {three},
		"?due=now":                       nil,
		"?to=2026-03-03&from=2026-03-03": {three},
		"?to=2026-03-02":                 nil,
		"?from=2026-03-04&sort=end":      {two, one},
	} {
		names, _ := w.names(w.anyone, list+query)
		require.Equal(t, want, names, query)
	}
	w.advance(80 * lifecycle.Day) // nobody has swept
	names, _ := w.names(w.anyone, list+"?due=now")
	require.Equal(t, []string{two, "Alpine"}, names, "what is on hold is not due")
	require.Contains(t, w.get(w.anyone, list+"?due=now").body, "2 on this page are due and not swept yet.")
}

func TestListIsPaged(t *testing.T) {
	w := newWorld(t)
	var records []lifecycle.Record
	for n := range 120 {
		records = append(records, active(n+1, start.AddDate(0, 1, n%7)))
	}
	w.load(records...)
	for _, sort := range []string{"-arrival", "name", "next", "-end", "-modified"} {
		all := map[string]bool{}
		path, pages := list+"?status=active&sort="+sort, 0
		for ; path != ""; pages++ {
			names, next := w.names(w.anyone, path)
			for _, name := range names {
				require.False(t, all[name], name)
				all[name] = true
			}
			path = next
		}
		require.Len(t, all, 120, sort)
		require.Equal(t, 3, pages, sort)
	}
	names, _ := w.names(w.anyone, list+"?sort=next&after=nonsense")
	require.Len(t, names, 50, "an address that was cut begins at the beginning")
}

func TestWhatWasTypedWrongIsToldAndKept(t *testing.T) {
	w := newWorld(t)
	p := w.get(w.anyone, list+"?partner=nobody&from=tomorrow")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, "Partner: “nobody” is no tenant id")
	require.Contains(t, p.body, "Ends from: “tomorrow” is no day")
	require.Contains(t, p.body, `value="nobody"`)
}

func TestWhatIsDueAndOnHoldIsCountedAsItIsListed(t *testing.T) {
	w := newWorld(t)
	w.load(active(1, start.Add(time.Hour)), active(2, start.Add(time.Hour)), active(3, start.AddDate(0, 6, 0)))
	hold := func(kind lifecycle.HoldKind, subject string) {
		_, err := w.db.PlaceHold(t.Context(), lifecycle.Hold{Kind: kind, Subject: subject, Note: "why"}, lifecycle.Caller{}, w.clock())
		require.NoError(t, err)
	}
	hold(lifecycle.HoldRelationship, relationshipID(2))
	w.advance(2 * time.Hour)
	listed := func(query string) (ids []string) {
		body := w.get(w.anyone, list+query).body
		for n := 1; n <= 3; n++ {
			if strings.Contains(body, list+"/"+relationshipID(n)+`"`) {
				ids = append(ids, fmt.Sprint(n))
			}
		}
		return ids
	}
	require.Equal(t, []string{"1"}, listed("?due=now"))
	require.Equal(t, []string{"2"}, listed("?due=now&held=yes"))
	require.Equal(t, []string{"1", "2"}, listed("?next-to="+start.Format(time.DateOnly)))
	require.Equal(t, []string{"3"}, listed("?next-from="+start.AddDate(0, 0, 1).Format(time.DateOnly)))
	require.Contains(t, wordsOf(w.get(w.anyone, "/")), "Due now 1 ")
	require.Contains(t, w.get(w.anyone, "/").body, list+"?due=now&amp;held=yes&amp;rule=warn-expiry")
	hold(lifecycle.HoldRule, string(lifecycle.WarnExpiry))
	w.advance(2 * time.Second)
	require.Equal(t, []string{"1"}, listed("?due=now&paused=only"))
	require.Empty(t, listed("?due=now&paused=no"))
}

func TestReadersAreNotAskedAboutWhatTheyMayNotDo(t *testing.T) {
	w := newWorld(t)
	w.load(active(1, start.AddDate(1, 0, 0)))
	reader := w.signedIn("reader", "read")
	for _, path := range []string{list + "/" + relationshipID(1) + "/do/terminate", "/console/ahead/switch?which=all&to=on", "/console/ahead/bulk/1/cancel", "/console/contacts/edit",
		"/console/contacts/remove", "/console/channels/mail/off", "/console/notices/order?action=retry&id=1-1-1", "/console/sweeps/new", "/console/sweeps/rules/end-term/pause"} {
		p := w.get(reader, path)
		require.Equal(t, http.StatusForbidden, p.status, path)
		require.Contains(t, wordsOf(p), "This needs the scope", path)
	}
}

func TestHostileNamesAreShownAsTheyAre(t *testing.T) {
	w := newWorld(t)
	r := active(1, start.AddDate(1, 0, 0))
	r.DisplayName, r.Customer.DisplayName = `<script>alert(1)</script>`, `"><img src=x onerror=alert(2)>`
	w.load(r)
	for _, path := range []string{list, list + "/" + r.ID, list + "/" + r.ID + "/do/terminate", list + "?name=" + url.QueryEscape(`"><script>`)} {
		p := w.get(w.anyone, path)
		require.Equal(t, http.StatusOK, p.status, p.body)
		require.NotContains(t, p.body, "<script>alert")
		require.NotContains(t, p.body, "<img src=x")
		require.NotContains(t, p.body, `"><script>`)
	}
}

func TestListIsTakenAwayAsATable(t *testing.T) {
	w := newWorld(t)
	var records []lifecycle.Record
	for n := range 1200 {
		records = append(records, active(n+1, start.AddDate(1, 0, 0)))
	}
	records[0].DisplayName = "=HYPERLINK(1)"
	w.load(records...)
	p := w.get(w.anyone, list+".csv?sort=arrival&status=active")
	require.Equal(t, http.StatusOK, p.status)
	require.Equal(t, "text/csv; charset=utf-8", p.header.Get("Content-Type"))
	rows, err := csv.NewReader(strings.NewReader(p.body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1201)
	require.Equal(t, []string{relationshipID(1), "'=HYPERLINK(1)", "active", contoso, "Contoso", partner, "PT0S", "false", "2027-03-01T09:00:00.123456Z",
		"warn-expiry", "2027-01-30T09:00:00.123456Z"}, rows[1])
	require.Equal(t, http.StatusUnprocessableEntity, w.get(w.anyone, list+".csv?from=tomorrow").status)
}

// A patient store answers when nobody waits any more.
type patientStore struct{ console.Store }

func (patientStore) Listed(ctx context.Context, _ lifecycle.Listing) ([]lifecycle.Listed, *lifecycle.Listed, error) {
	<-ctx.Done()
	return nil, nil, ctx.Err()
}

func TestListThatTakesTooLongIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := console.New(console.Options{Store: patientStore{}, Door: openDoor{}, Policy: lifecycle.DefaultPolicy(), Now: time.Now, Wall: time.Now,
			Condition: func(context.Context) lifecycle.Condition { return lifecycle.Condition{} }, Written: func(lifecycle.Filter) string { return "" }})
		require.NoError(t, err)
		answer := httptest.NewRecorder()
		c.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, list+"?sort=end", nil))
		require.Equal(t, http.StatusServiceUnavailable, answer.Code)
		require.Contains(t, answer.Body.String(), "would take too long")
	})
}

// An open door lets everybody in, and does nothing for them.
type openDoor struct{ console.Door }

func (openDoor) Enter(*http.Request, string) (lifecycle.Session, error) {
	return lifecycle.Session{Caller: lifecycle.Caller{Name: "anybody"}}, nil
}

func TestPageOfOneShowsItsLife(t *testing.T) {
	w := newWorld(t)
	r := active(1, start.AddDate(0, 2, 0))
	w.load(r)
	_, err := w.db.ImportContacts(t.Context(), []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "agent@partner.example"}}, &w.policy.Notices, start)
	require.NoError(t, err)
	w.advance(40 * lifecycle.Day)
	_, err = w.sweeper.Run(t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest, AsOf: w.clock()}, nil)
	require.NoError(t, err)

	ops := w.signedIn("ops", "manage")
	body := w.get(ops, list+"/"+r.ID).body
	for _, want := range []string{"Contoso desk 001", "Helpdesk Administrator", "Imported", "Warning 30 days before the end", "agent@partner.example",
		"Warning 7 days before the end", "Term ends", "Name comes free", "In short, en", "It is called Contoso desk 001", `<svg class="chart life"`, `href="#f0"`} {
		require.Contains(t, body, want)
	}
	reader := w.signedIn("reader", "read")
	body = w.get(reader, list+"/"+r.ID).body
	require.NotContains(t, body, "agent@partner.example", "addresses are for those who manage")
	require.NotContains(t, body, "/do/", "and so are buttons")
	require.Contains(t, w.get(ops, list+"/"+r.ID, "Accept-Language", "ja").body, "In short, ja")
	require.Equal(t, http.StatusNotFound, w.get(ops, list+"/nothing").status)

	w.advance(60 * lifecycle.Day) // nobody has swept
	ops = w.signedIn("ops again", "manage")
	body = w.get(ops, list+"/"+r.ID).body
	require.Contains(t, body, "1 change has fallen due")
	require.Contains(t, body, `<span class="badge status-expired">`)
	require.Contains(t, body, `<rect class="term" x="24"`, "the term is drawn from its beginning, which was before tenure knew of it")
}

var hidden = regexp.MustCompile(`name="etag" value="([^"]*)"`)

// confirmed opens a page of confirmation, and presses its button.
func (w *world) confirmed(browser *http.Client, id, action string, fields ...string) seen {
	w.t.Helper()
	path := list + "/" + id + "/do/" + action
	p := w.get(browser, path)
	require.Equal(w.t, http.StatusOK, p.status, p.body)
	tag := hidden.FindStringSubmatch(p.body)
	require.NotNil(w.t, tag, p.body)
	return w.post(browser, path, append(fields, "etag", html.UnescapeString(tag[1]))...)
}

func (w *world) status(id string) lifecycle.Status {
	w.t.Helper()
	r, err := w.db.Relationship(w.t.Context(), id)
	require.NoError(w.t, err)
	return r.Status
}

func TestEachActionDoesWhatItSaysAndIsLogged(t *testing.T) {
	w := newWorld(t)
	ops := w.signedIn("ops", "manage")
	id := w.draft(1, "First", helpdesk, lifecycle.GlobalAdministrator)
	page := w.get(ops, list+"/"+id).body
	require.Contains(t, page, "/do/lock?seen=")
	require.NotContains(t, page, "/do/terminate")

	done := func(action string, fields ...string) {
		t.Helper()
		p := w.confirmed(ops, id, action, fields...)
		require.Equal(t, http.StatusSeeOther, p.status, p.body)
	}
	done("lock", "reason", "契約 100%\r\nsecond line")
	require.Equal(t, lifecycle.ApprovalPending, w.status(id))
	done("approve", "reason", "they called")
	require.Equal(t, lifecycle.Active, w.status(id))
	require.NotContains(t, w.get(ops, list+"/"+id).body, "/do/extend?", "with Global Administrator nothing extends")
	done("remove-admin", "reason", "least privilege")
	done("extend")
	r, err := w.db.Relationship(t.Context(), id)
	require.NoError(t, err)
	require.True(t, r.Extends())
	done("extend-not")
	done("hold", "reason", "lawyers look at it")
	page = w.get(ops, list+"/"+id).body
	require.Contains(t, page, "lawyers look at it")
	release := regexp.MustCompile(`/do/(release-\d+)`).FindStringSubmatch(page)
	require.NotNil(t, release)
	done(release[1], "reason", "settled")
	require.Contains(t, w.get(ops, list+"/"+id+"/do/terminate").body, "Global administrators (0)")
	done("terminate", "reason", "they left")
	require.Equal(t, lifecycle.Terminated, w.status(id))

	page = w.get(ops, list+"/"+id).body
	for _, want := range []string{"契約 100% second line", "they called", "least privilege", "Auto-extend switched on", "Auto-extend switched off", "settled", "they left", "Partner (ops)"} {
		require.Contains(t, page, want)
	}
	require.NotContains(t, page, "/do/terminate", "an end is final")
	require.Contains(t, wordsOf(w.get(ops, list+"/"+id+"/do/terminate")), "The status of the relationship is “Terminated”, which does not allow this. Nothing can be done with it now.")
	japanese := w.inJapanese(w.signedIn("ops in Japan", "manage"))
	require.Contains(t, wordsOf(w.get(japanese, list+"/"+id+"/do/terminate")), "状態が「解除済み」のため、この操作は実行できません。現在できる操作はありません。")

	gone := w.draft(2, "Second", helpdesk)
	p := w.confirmed(ops, gone, "delete", "reason", "a mistake")
	require.Equal(t, list, p.header.Get("Location"))
	require.Contains(t, w.get(ops, list).body, "The draft “Second” is deleted.")
	page = w.get(ops, list+"/"+gone).body
	require.Contains(t, page, "a mistake", "its history stays")
	require.NotContains(t, page, "/do/")
}

func TestRejectingEndsARequest(t *testing.T) {
	w := newWorld(t)
	ops := w.signedIn("ops", "manage")
	id := w.draft(1, "First", helpdesk)
	w.confirmed(ops, id, "lock", "reason", "asked")
	p := w.confirmed(ops, id, "reject", "reason", "no need")
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Equal(t, lifecycle.Terminated, w.status(id))
}

func TestWhoApprovesWhatNamesNoCustomerIsAsked(t *testing.T) {
	w := newWorld(t)
	ops := w.signedIn("ops", "manage")
	r := active(1, start)
	r.Status, r.Activated, r.End, r.Locked, r.Customer = lifecycle.ApprovalPending, time.Time{}, time.Time{}, start, lifecycle.Tenant{}
	w.load(r)
	p := w.confirmed(ops, r.ID, "approve", "reason", "they called", "tenant", "nobody")
	require.Equal(t, http.StatusUnprocessableEntity, p.status, p.body)
	require.Contains(t, p.body, `value="nobody"`, "what was typed is kept")
	require.Contains(t, p.body, ">they called</textarea>")
	p = w.confirmed(ops, r.ID, "approve", "reason", "they called", "tenant", contoso, "called", "Contoso")
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Equal(t, lifecycle.Active, w.status(r.ID))
	require.Contains(t, w.get(ops, list+"/"+r.ID).body, "they called")
}

func TestRefusalsAreTold(t *testing.T) {
	w := newWorld(t)
	ops, reader := w.signedIn("ops", "manage"), w.signedIn("reader", "read")
	r := active(1, start.AddDate(1, 0, 0))
	w.load(r)
	path := list + "/" + r.ID + "/do/terminate"
	p := w.confirmed(ops, r.ID, "terminate")
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Contains(t, p.body, "Give a reason")

	// Somebody else changes it while the page is looked at.
	before := hidden.FindStringSubmatch(w.get(ops, path).body)[1]
	w.confirmed(ops, r.ID, "extend")
	p = w.post(ops, path, "reason", "they left", "etag", html.UnescapeString(before))
	require.Equal(t, http.StatusPreconditionFailed, p.status, p.body)
	require.Contains(t, p.body, ">they left</textarea>")
	require.Equal(t, lifecycle.Active, w.status(r.ID))
	require.Contains(t, w.get(ops, path+"?seen="+url.QueryEscape(html.UnescapeString(before))).body, "It has changed since you looked at it")

	p = w.post(reader, path, "reason", "I may not", "etag", "*")
	require.Equal(t, http.StatusForbidden, p.status)
	require.Equal(t, lifecycle.Active, w.status(r.ID))
	p = w.post(ops, list+"/"+r.ID+"/do/approve", "reason", "again", "etag", "*")
	require.Equal(t, http.StatusConflict, p.status)
	require.Contains(t, p.body, "The status of the relationship is “Active”")
	require.Contains(t, p.body, "Possible now: switch auto-extend, terminate.")
	p = w.post(w.inJapanese(ops), list+"/"+r.ID+"/do/approve", "reason", "again", "etag", "*")
	require.Contains(t, p.body, "状態が「有効」のため、この操作は実行できません。現在できる操作: 自動延長の切り替え、解除。")
	require.Equal(t, http.StatusNotFound, w.get(ops, list+"/"+r.ID+"/do/sing").status)
	require.Equal(t, http.StatusNotFound, w.get(ops, list+"/"+r.ID+"/do/release-x").status)
}
