package console_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

const ourCustomer = "bbbbbbbb-0000-4000-8000-000000000001"

// aheadID is the id of the nth relationship of a test.
func aheadID(n int) string {
	return fmt.Sprintf("0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-%012d", n)
}

// endsAt is an active relationship that has been so for long.
func endsAt(n int, end time.Time) lifecycle.Record {
	return lifecycle.Record{ID: aheadID(n), Partner: partner, DisplayName: fmt.Sprintf("Relationship %d", n), Duration: lifecycle.Days(365),
		Status: lifecycle.Active, Customer: lifecycle.Tenant{TenantID: ourCustomer, DisplayName: "Contoso"}, Roles: []string{helpdesk},
		Created: end.AddDate(0, 0, -366), Modified: end.AddDate(0, 0, -365), Locked: end.AddDate(0, 0, -366), Activated: end.AddDate(0, 0, -365), End: end, WarnAfter: end}
}

func extending(r lifecycle.Record) lifecycle.Record { r.AutoExtend = true; return r }

func withAdmin(r lifecycle.Record) lifecycle.Record {
	r.Roles = append([]string{lifecycle.GlobalAdministrator}, r.Roles...)
	return r
}

func over(r lifecycle.Record) lifecycle.Record { r.Status = lifecycle.Terminated; return r }

// settled gets a page until what it shows is no longer being counted.
func (w *world) settled(browser *http.Client, path string) (p seen) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		p = w.get(browser, path)
		return p.status != http.StatusOK || !strings.Contains(p.body, "data-live=")
	}, 20*time.Second, 20*time.Millisecond)
	require.Equal(w.t, http.StatusOK, p.status, p.body)
	return p
}

func TestAheadFollowsEachRelationshipThroughTheYear(t *testing.T) {
	w := newWorld(t)
	soon := endsAt(1, start.AddDate(0, 0, 40))
	soon.WarnAfter = soon.Activated // warnings at 30, 7 and 1 days, then the end, then the name
	w.load(soon, extending(endsAt(2, start.AddDate(0, 0, 3))), over(endsAt(3, start.AddDate(0, 0, -360))))
	p := w.settled(w.anyone, "/console/ahead")
	said := wordsOf(p)
	require.Contains(t, said, "Warnings 0 0 1 3 ", "today, 7 days, 30 days, 12 months")
	require.Contains(t, said, "Extensions 0 1 1 3 ", "on the third day, and 180 and 360 days later")
	require.Contains(t, said, "Terms end 0 0 0 1 ")
	require.Contains(t, said, "Names come free 0 1 1 1 ")
	require.Contains(t, said, "Wed 4 Mar 2026: Extensions 1")
	require.Contains(t, said, "Week of Mon 2 Mar 2026: Extensions 1")
	require.Contains(t, said, "Fri 10 Apr 2026: Terms end 1")
	require.Contains(t, p.body, `<svg class="plot"`)
	require.Contains(t, w.get(w.anyone, "/console/ahead", "Accept-Language", "ja").body, "2026年3月4日: 自動延長 1")
}

func TestDaysAheadLeadToWhatIsDueOnThem(t *testing.T) {
	w := newWorld(t)
	w.load(extending(endsAt(1, start.AddDate(0, 0, 3))), extending(endsAt(2, start.AddDate(0, 7, 0))))
	p := w.settled(w.anyone, "/console/ahead")
	require.Contains(t, p.body, `href="/console/relationships?next-to=2026-03-01"`, "what is overdue is done today")
	require.Contains(t, p.body, `href="/console/relationships?next-from=2026-03-04&amp;next-to=2026-03-04"`)
	require.Contains(t, p.body, `href="/console/ahead?from=2026-09-28#by-day"`, "a week leads to its days")
	require.Contains(t, p.body, `href="/console/ahead?from=2026-04-30#by-day"`)
	require.NotContains(t, wordsOf(p), "← Earlier")
	p = w.settled(w.anyone, "/console/ahead?from=2026-09-28")
	require.Contains(t, wordsOf(p), "60 days from Mon 28 Sep 2026, by day")
	require.Contains(t, wordsOf(p), "Thu 1 Oct 2026: Extensions 1")
	require.Contains(t, wordsOf(p), "← Earlier Later →")
	require.Contains(t, wordsOf(w.settled(w.anyone, "/console/ahead?from=2199-01-01")), "60 days from Fri 1 Jan 2027, by day", "no further than what is known")
	rows, err := csv.NewReader(strings.NewReader(w.get(w.anyone, "/console/downloads/ahead.csv").body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+366)
	require.Equal(t, []string{"day", "expire-pending", "warn-expiry", "auto-extend", "end-term", "release-name"}, rows[0])
	require.Equal(t, []string{"2026-03-04", "0", "0", "1", "0", "0"}, rows[4])
}

func TestWhatIsOnHoldAheadLeadsToWhatItCounts(t *testing.T) {
	w := newWorld(t)
	warned := endsAt(2, start.AddDate(0, 8, 0))
	warned.WarnAfter = warned.Activated
	w.load(endsAt(1, start.AddDate(0, 2, 0)), warned, extending(endsAt(3, start.AddDate(0, 0, 3))), endsAt(4, start.AddDate(1, 1, 0)), endsAt(5, start.AddDate(0, 3, 0)))
	for n := 1; n <= 4; n++ {
		w.hold(lifecycle.HoldRelationship, aheadID(n), "why")
	}
	held := func() figure {
		w.post(w.anyone, "/console/ahead/count")
		w.advance(2 * time.Second) // what was seen is kept for a second
		return w.figure(w.settled(w.anyone, "/console/ahead"), "On hold")
	}
	one := held()
	require.Equal(t, 3, one.n, "the timer of the fourth is due in more than a year")
	require.Equal(t, 3, w.rows(one.link))
	w.hold(lifecycle.HoldRule, string(lifecycle.EndTerm), "why")
	require.Equal(t, figure{4, "/console/sweeps#rules", "warn"}, held())
	w.hold(lifecycle.HoldEverything, "", "why")
	all := held()
	require.Equal(t, 4, all.n)
	require.Equal(t, 4, w.rows(all.link))
}

func TestAheadIsCountedAgainWhenAsked(t *testing.T) {
	w := newWorld(t)
	require.Contains(t, wordsOf(w.settled(w.anyone, "/console/ahead")), "Extensions 0 0 0 0 ")
	w.load(extending(endsAt(1, start.AddDate(0, 0, 3))))
	require.Contains(t, wordsOf(w.settled(w.anyone, "/console/ahead")), "Extensions 0 0 0 0 ", "it is kept")
	require.Equal(t, "/console/ahead", w.post(w.anyone, "/console/ahead/count").header.Get("Location"))
	require.Contains(t, wordsOf(w.settled(w.anyone, "/console/ahead")), "Extensions 0 1 1 3 ")
	w.advance(16 * time.Minute)
	w.load(extending(endsAt(2, start.AddDate(0, 0, 3))))
	require.Eventually(t, func() bool {
		return strings.Contains(wordsOf(w.settled(w.anyone, "/console/ahead")), "Extensions 0 2 2 6 ")
	}, 20*time.Second, 20*time.Millisecond,
		"it is counted anew after a while")
}

func TestAheadShowsNextTimersWhereNobodyCanSayMore(t *testing.T) {
	w := &world{t: t, now: start, policy: lifecycle.DefaultPolicy(), blind: true}
	w.open("sqlite:" + filepath.Join(t.TempDir(), "test.db"))
	w.load(extending(endsAt(1, start.AddDate(0, 0, 3))))
	said := wordsOf(w.settled(w.anyone, "/console/ahead"))
	require.Contains(t, said, "This shows the next timer of each relationship only")
	require.Contains(t, said, "Extensions 0 1 1 1 ")
}

func TestEndsAreInTheirBuckets(t *testing.T) {
	w := newWorld(t)
	hours := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	w.load(endsAt(1, hours(-1)), extending(endsAt(2, hours(23))), endsAt(3, hours(24)), withAdmin(extending(endsAt(4, hours(24*8)))), endsAt(5, hours(24*40)),
		over(endsAt(6, hours(-24))), over(endsAt(7, start.AddDate(-1, 0, -1))))
	names := func(path string) (found []string) {
		p := w.settled(w.anyone, path)
		for n := 1; n <= 7; n++ {
			if strings.Contains(p.body, ">Relationship "+fmt.Sprint(n)+"<") {
				found = append(found, fmt.Sprint(n))
			}
		}
		return found
	}
	require.Equal(t, []string{"1", "2"}, names("/console/ahead/expiring?within=1"))
	require.Equal(t, []string{"1", "2", "3"}, names("/console/ahead/expiring?within=7"))
	require.Equal(t, []string{"1", "2", "3", "4"}, names("/console/ahead/expiring"))
	require.Equal(t, []string{"5"}, names("/console/ahead/expiring?within=later"))
	require.Equal(t, []string{"6"}, names("/console/ahead/expiring?within=ended"))
	require.Equal(t, []string{"2", "3"}, names("/console/ahead/expiring?day=2026-03-02"))
	require.Equal(t, []string{"2", "4"}, names("/console/ahead/expiring?extend=on"))
	said := wordsOf(w.settled(w.anyone, "/console/ahead/expiring"))
	require.Contains(t, said, "Within 1 day 2 40% Within 7 days 3 60% Within 30 days 4 80% Later 1 20% Ended within the last year 1 14%")
	require.Contains(t, said, "Ends Global Administrator is never extended")
	require.Contains(t, said, "in 23 hours Is extended")
}

func TestEndsAreSearchedByCustomerAndName(t *testing.T) {
	w := newWorld(t)
	other := endsAt(2, start.AddDate(0, 0, 1))
	other.DisplayName, other.Customer = "O'Hara 100%", lifecycle.Tenant{TenantID: "bbbbbbbb-0000-4000-8000-000000000002", DisplayName: "Fabrikam Trading"}
	w.load(endsAt(1, start.AddDate(0, 0, 1)), other)
	for search, found := range map[string]bool{"o'hara": true, "fabrikam": true, "FABRIKAM": true, "Trading": true, "trading": true, other.Customer.TenantID: true,
		strings.ToUpper(other.ID): true, "100%": true, "Nobody": false} {
		p := w.get(w.anyone, "/console/ahead/expiring?q="+url.QueryEscape(search))
		require.Equal(t, http.StatusOK, p.status)
		require.Equal(t, found, strings.Contains(p.body, "O&#39;Hara 100%</a>"), search)
		require.NotContains(t, p.body, ">Relationship 1<", search)
	}
}

func TestEndsGoOnPageAfterPage(t *testing.T) {
	w := newWorld(t)
	var records []lifecycle.Record
	for n := range 120 {
		records = append(records, endsAt(n, start.AddDate(0, 0, 1+n/60))) // many at one instant
	}
	for n := 120; n < 180; n++ {
		records = append(records, over(endsAt(n, start.AddDate(0, 0, -n))))
	}
	w.load(records...)
	for within, all := range map[string]int{"30": 120, "ended": 60} {
		seen := map[string]bool{}
		pages := 0
		for path := "/console/ahead/expiring?within=" + within; path != ""; pages++ {
			p := w.get(w.anyone, path)
			require.Equal(t, http.StatusOK, p.status)
			for _, part := range strings.Split(p.body, `href="/console/relationships/`)[1:] {
				id, _, _ := strings.Cut(part, `"`)
				require.False(t, seen[id], "%s comes twice", id)
				seen[id] = true
			}
			path = ""
			if _, next, ok := strings.Cut(p.body, `" rel="next"`); ok && next != "" {
				before, _, _ := strings.Cut(p.body, `" rel="next"`)
				path = strings.ReplaceAll(before[strings.LastIndex(before, `"`)+1:], "&amp;", "&")
			}
		}
		require.Len(t, seen, all)
		require.Equal(t, (all+49)/50, pages)
	}
}

func TestEndsAreDownloadedAsASheet(t *testing.T) {
	w := newWorld(t)
	formula := extending(withAdmin(endsAt(1, start.AddDate(0, 0, 2))))
	formula.DisplayName = `=HYPERLINK("https://evil.example")`
	records := []lifecycle.Record{formula}
	for n := 2; n <= 1002; n++ {
		records = append(records, endsAt(n, start.AddDate(0, 0, 1)))
	}
	w.load(records...)
	p := w.get(w.anyone, "/console/downloads/expiring.csv?within=7")
	require.Equal(t, http.StatusOK, p.status)
	require.Equal(t, `attachment; filename="expiring.csv"`, p.header.Get("Content-Disposition"))
	require.Equal(t, "text/csv; charset=utf-8", p.header.Get("Content-Type"))
	rows, err := csv.NewReader(strings.NewReader(p.body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+1002)
	require.Equal(t, []string{aheadID(1), `'` + formula.DisplayName, "active", "2026-03-03T09:00:00.123456Z", "P180D", "true", ourCustomer, "Contoso", partner}, rows[1002])
	w.token("ops", "manage")
	require.Equal(t, http.StatusSeeOther, w.get(w.anyone, "/console/downloads/expiring.csv").status, "nobody reads it who has not signed in")
}

// bulk carries out the bulk jobs that there are.
func (w *world) bulk() {
	w.t.Helper()
	worker := &jobs.Bulk{Store: w.db, Policy: w.policy, Parse: w.parseFilter, Now: w.clock, Wall: w.wall, Log: w.sweeper.Log}
	require.NoError(w.t, worker.Look(w.t.Context()))
}

// fields are the hidden fields of a page's form, and what else is sent with it.
func fields(p seen, more ...string) (all []string) {
	for _, part := range strings.Split(p.body, `<input type="hidden" name="`)[1:] {
		name, rest, _ := strings.Cut(part, `"`)
		_, rest, _ = strings.Cut(rest, `value="`)
		value, _, _ := strings.Cut(rest, `"`)
		if name != "back" || strings.HasPrefix(value, "/console/ahead/expiring") {
			all = append(all, name, strings.NewReplacer("&#39;", "'", "&amp;", "&", "&#43;", "+", "&lt;", "<").Replace(value))
		}
	}
	return append(all, more...)
}

func TestManyAreSwitchedWithAResultForEach(t *testing.T) {
	w := newWorld(t)
	hostile := endsAt(2, start.AddDate(0, 0, 2))
	hostile.DisplayName = "<script>alert(2)</script>"
	w.load(withAdmin(endsAt(1, start.AddDate(0, 0, 1))), hostile, extending(endsAt(3, start.AddDate(0, 0, 3))), endsAt(4, start.AddDate(0, 0, 100)))
	ops := w.signedIn("ops", "manage")

	ask := w.get(ops, "/console/ahead/switch?within=30&which=all&to=on")
	require.Contains(t, ask.body, "<code>status eq &#39;active&#39;", "what programs read is nobody's to translate")
	require.Equal(t, http.StatusOK, ask.status, ask.body)
	require.Contains(t, wordsOf(ask), "Switch auto-extend on for 3 relationships?")
	p := w.post(ops, "/console/ahead/switch", fields(ask)...)
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Equal(t, "/console/ahead/bulk/1", p.header.Get("Location"))

	running := w.get(ops, "/console/ahead/bulk/1")
	require.Contains(t, wordsOf(running), "The bulk job has been opened.")
	require.Contains(t, running.body, `data-live="/console/live/ahead/bulk/1"`)
	w.bulk()
	done := w.get(ops, "/console/ahead/bulk/1")
	said := wordsOf(done)
	require.Contains(t, said, "Looked at 3 Refused 1 Changed 1 Unchanged 1")
	require.Regexp(t, `Relationship 1 Contoso Refused .*Global Administrator.* <script>alert\(2\)</script> Contoso Changed .*Relationship 3 Contoso Unchanged`, said, "what failed comes first")
	require.NotContains(t, done.body, "<script>alert")
	require.NotContains(t, wordsOf(w.get(ops, "/console/ahead/bulk/1?outcome=refused")), "alert(2)")
	require.Contains(t, wordsOf(w.get(ops, "/console/ahead/bulk")), "1: set auto-extend to P180D Done")
	stored, err := w.db.Relationship(t.Context(), hostile.ID)
	require.NoError(t, err)
	require.True(t, stored.AutoExtend)
	events, err := w.db.Activity(t.Context(), lifecycle.ActivityQuery{Relationship: hostile.ID, Limit: 5})
	require.NoError(t, err)
	require.Equal(t, "ops", events[0].By.Name, "it is in the log, under their name")

	ask = w.get(ops, "/console/ahead/switch?which=chosen&to=off&dry=true&id="+aheadID(3)+"&id="+aheadID(4))
	require.Contains(t, wordsOf(ask), "Nothing is changed. Auto-extend Off (PT0S) Relationships at present 2")
	require.Equal(t, "/console/ahead/bulk/2", w.post(ops, "/console/ahead/switch", fields(ask)...).header.Get("Location"))
	w.bulk()
	require.Contains(t, wordsOf(w.get(ops, "/console/ahead/bulk/2")), "Looked at 2 Refused 0 Changed 1 Unchanged 1")
	stored, err = w.db.Relationship(t.Context(), aheadID(3))
	require.NoError(t, err)
	require.True(t, stored.AutoExtend, "it was a dry run")
}

func TestSwitchingIsRefusedPlainly(t *testing.T) {
	w := newWorld(t)
	w.load(endsAt(1, start.AddDate(0, 0, 1)))
	ops, reader := w.signedIn("ops", "manage"), w.signedIn("reader", "read")
	list := w.get(reader, "/console/ahead/expiring").body
	require.Contains(t, list, "Relationship 1")
	require.NotContains(t, list, `type="checkbox"`, "a reader is shown no buttons")
	require.NotContains(t, list, "Switch on")
	require.Contains(t, w.get(ops, "/console/ahead/expiring").body, `type="checkbox" name="id"`)
	for path, fields := range map[string][]string{"/console/ahead/switch": {"to", "on", "filter", "status eq 'active'"}, "/console/ahead/bulk/1/cancel": nil} {
		p := w.post(reader, path, fields...)
		require.Equal(t, http.StatusForbidden, p.status)
		require.Contains(t, wordsOf(p), "needs the scope “manage”")
	}
	p := w.get(ops, "/console/ahead/switch?which=chosen&to=on")
	require.Equal(t, "/console/ahead/expiring?within=30", p.header.Get("Location"), "back to the list")
	require.Contains(t, wordsOf(w.get(ops, p.header.Get("Location"))), "Choose at least one")
	p = w.post(ops, "/console/ahead/switch", "to", "on", "filter", "nonsense", "n", "7", "back", "https://evil.example")
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Contains(t, wordsOf(p), "Switch auto-extend on for 7 relationships?", "the page stands as it was")
	require.Contains(t, p.body, `role="alert"`)
	require.NotContains(t, p.body, "evil.example")
	p = w.post(ops, "/console/ahead/bulk/1/cancel")
	require.Equal(t, http.StatusNotFound, p.status)
	require.Contains(t, wordsOf(p), "There is no such bulk job")
	require.Equal(t, http.StatusNotFound, w.get(ops, "/console/ahead/bulk/1").status)
}

func TestRunningBulkJobsAreCancelled(t *testing.T) {
	w := newWorld(t)
	w.load(endsAt(1, start.AddDate(0, 0, 1)))
	ops := w.signedIn("ops", "manage")
	ask := w.get(ops, "/console/ahead/switch?which=all&to=on&within=7")
	w.post(ops, "/console/ahead/switch", fields(ask)...)
	require.Contains(t, wordsOf(w.get(ops, "/console/ahead/bulk/1")), "Running set auto-extend to P180D Cancel the job")
	require.Contains(t, wordsOf(w.get(ops, "/console/ahead/bulk/1/cancel")), "Cancel bulk job 1?")
	require.Equal(t, "/console/ahead/bulk/1", w.post(ops, "/console/ahead/bulk/1/cancel").header.Get("Location"))
	w.bulk()
	require.Contains(t, wordsOf(w.get(ops, "/console/ahead/bulk/1")), "Cancelled set auto-extend")
	stored, err := w.db.Relationship(t.Context(), aheadID(1))
	require.NoError(t, err)
	require.False(t, stored.AutoExtend)
}

func TestResultsGoOnPageAfterPageWhatFailedFirst(t *testing.T) {
	w := newWorld(t)
	var records []lifecycle.Record
	for n := range 130 {
		r := endsAt(n, start.AddDate(0, 0, 1))
		if n%2 == 1 {
			r = withAdmin(r)
		}
		records = append(records, r)
	}
	w.load(records...)
	w.post(w.anyone, "/console/ahead/switch", fields(w.get(w.anyone, "/console/ahead/switch?which=all&to=on&within=7"))...)
	w.bulk()
	seen := map[string]bool{}
	var outcomes []string
	for path := "/console/ahead/bulk/1"; path != ""; {
		p := w.get(w.anyone, path)
		for _, part := range strings.Split(p.body, `<th scope="row"><a class="name" dir="auto" translate="no" href="/console/relationships/`)[1:] {
			id, rest, _ := strings.Cut(part, `"`)
			require.False(t, seen[id])
			seen[id] = true
			_, rest, _ = strings.Cut(rest, `<span class="badge `)
			outcome, _, _ := strings.Cut(rest, `"`)
			outcomes = append(outcomes, outcome)
		}
		before, _, ok := strings.Cut(p.body, `" rel="next"`)
		if path = ""; ok {
			path = strings.ReplaceAll(before[strings.LastIndex(before, `"`)+1:], "&amp;", "&")
		}
	}
	require.Len(t, seen, 130)
	require.Equal(t, strings.Repeat("bad ", 65)+strings.Repeat("good ", 65), strings.Join(outcomes, " ")+" ")
}

func TestAnalyticsCountWhatThereIs(t *testing.T) {
	w := newWorld(t)
	pending := endsAt(5, start)
	pending.Status, pending.Activated, pending.End, pending.WarnAfter, pending.Locked = lifecycle.ApprovalPending, time.Time{}, time.Time{}, time.Time{}, start
	pending.Created, pending.Modified = start, start
	strange := endsAt(6, start.AddDate(0, 0, 100))
	strange.Customer.TenantID, strange.Roles = "bbbbbbbb-0000-4000-8000-000000000002", []string{"ffffffff-0000-4000-8000-000000000001"}
	w.load(withAdmin(endsAt(1, start.AddDate(0, 0, 1))), endsAt(2, start.AddDate(0, 0, 1)), endsAt(3, start.AddDate(0, 0, 59)), over(endsAt(4, start.AddDate(0, 0, -2))), pending, strange)
	p := w.settled(w.anyone, "/console/analytics")
	said := wordsOf(p)
	require.Contains(t, said, "Relationships 6 Customers 2 Ending within 60 days 3 Approval pending 1 Active with Global Administrator 1 25.00%")
	require.Contains(t, said, "Helpdesk Administrator 3 75.00% Global Administrator 1 25.00% ffffffff-0000-4000-8000-000000000001 1 25.00%", "the most used first")
	require.Contains(t, said, "Active 4 66.66% Terminated 1 16.66%")
	require.Contains(t, p.body, `<a href="/console/ahead/expiring?day=2026-03-02">Mon 2 Mar 2026</a></th><td class="number">2</td>`)
	require.Contains(t, p.body, `<a href="/console/ahead/expiring?day=2026-02-27">Fri 27 Feb 2026</a></th><td class="number">1</td>`)
	for _, link := range []string{"status=approvalPending", "status=active&amp;admin=with", "status=active&amp;sort=end&amp;from=2026-03-01&amp;to=2026-04-29"} {
		require.Contains(t, p.body, `href="/console/relationships?`+link+`"`)
	}
	require.Contains(t, p.body, `href="/console/analytics/customers"`)
	who := w.get(w.anyone, "/console/analytics/customers")
	require.Regexp(t, `bbbbbbbb-0000-4000-8000-000000000002 1 1$`, strings.TrimSpace(wordsOf(who)), "the last by tenant id")
	require.Contains(t, who.body, `href="/console/relationships?customer=bbbbbbbb-0000-4000-8000-000000000002"`)
	list := wordsOf(w.get(w.anyone, "/console/analytics/roles/"+helpdesk))
	require.Contains(t, list, "Active relationships that hold Helpdesk Administrator")
	require.Contains(t, list, "Relationship 3")
	require.NotContains(t, list, "Relationship 4", "it is over")
	require.Equal(t, http.StatusNotFound, w.get(w.anyone, "/console/analytics/roles/nonsense").status)
}
