package console_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const holdsPage = "/console/holds"

// hold puts something on hold, and answers with the id of the hold.
func (w *world) hold(kind lifecycle.HoldKind, subject, note string) int64 {
	w.t.Helper()
	h, err := w.db.PlaceHold(w.t.Context(), lifecycle.Hold{Kind: kind, Subject: subject, Note: note}, lifecycle.Caller{Name: "ops", Role: lifecycle.Operator}, w.clock())
	require.NoError(w.t, err)
	return h.ID
}

func TestHoldsShowWhatIsMeantAndWhy(t *testing.T) {
	w := newWorld(t)
	w.policy.Notices.Partners = map[string]string{northwind: "Northwind"}
	empty := wordsOf(w.get(w.anyone, holdsPage))
	require.Contains(t, empty, "Every rule fires, and notices are sent.")
	require.Contains(t, empty, "No partner and no customer is on hold.")
	require.Contains(t, empty, "Every partner is authorized.")

	w.load(active(1, start.AddDate(1, 0, 0)), active(2, start.AddDate(1, 0, 0)))
	const nobody = "99999999-0000-4000-8000-000000000009"
	w.hold(lifecycle.HoldRelationship, relationshipID(1), "a court asks "+hostile)
	w.hold(lifecycle.HoldTenant, partner, "they merge")
	w.hold(lifecycle.HoldTenant, contoso, "they pay late")
	w.hold(lifecycle.HoldTenant, nobody, "they come soon")
	w.hold(lifecycle.HoldRule, string(lifecycle.EndTerm), "a typo")
	w.hold(lifecycle.HoldEverything, "", "a fire")
	p := w.get(w.anyone, holdsPage)
	require.NotContains(t, p.body, "<script>alert")
	said := wordsOf(p)
	for _, want := range []string{"Everything Hold 6 a fire", "Terms end Hold 5 a typo", "Northwind " + partner + " Hold 2 they merge", "Contoso " + contoso + " Hold 3 they pay late",
		"As partner: 2 relationships", "As customer: 2 relationships", "None yet; those that come later are meant, too", "Contoso desk 001 Contoso Hold 1 a court asks", "ops"} {
		require.Contains(t, said, want)
	}
	for _, link := range []string{list + "?partner=" + partner, list + "?customer=" + contoso, list + "/" + relationshipID(1), "/console/sweeps/everything/release",
		"/console/sweeps/rules/end-term/resume", holdsPage + "/1/release", holdsPage + "/2/release"} {
		require.Contains(t, p.body, `href="`+link+`"`)
	}
	tenants := wordsOf(w.get(w.anyone, holdsPage+"?show=tenant"))
	require.Contains(t, tenants, "they merge")
	require.NotContains(t, tenants, "a court asks")
	require.NotContains(t, wordsOf(w.get(w.anyone, holdsPage+"?show=relationship")), "they merge")
	require.Contains(t, wordsOf(w.get(w.anyone, holdsPage, "Accept-Language", "ja")), "個別のリレーションシップ")
}

func TestHoldsArePagedAndEachIsShownOnce(t *testing.T) {
	w := newWorld(t)
	for n := range 120 {
		w.hold(lifecycle.HoldTenant, fmt.Sprintf("99999999-0000-4000-8000-%012d", n), fmt.Sprintf("reason %03d.", n))
	}
	_, err := w.db.ReleaseHold(t.Context(), 7, "over", lifecycle.Caller{Name: "eve"}, w.clock(), w.wall())
	require.NoError(t, err)
	for _, show := range []struct {
		path string
		want int
	}{{holdsPage, 119}, {holdsPage + "?show=tenant", 119}, {holdsPage + "?show=all", 120}} {
		seen, path := map[string]bool{}, show.path
		for pages := 0; path != "" && pages < 5; pages++ {
			p := w.get(w.anyone, path)
			for n := range 120 {
				if reason := fmt.Sprintf("reason %03d.", n); countIn(p.body, reason) > 0 {
					require.False(t, seen[reason], reason)
					seen[reason] = true
				}
			}
			_, path = w.names(w.anyone, path)
		}
		require.Len(t, seen, show.want, show.path)
	}
	last := wordsOf(w.get(w.anyone, holdsPage+"?show=all&before=10"))
	require.Contains(t, last, "reason 006.")
	require.Contains(t, last, "eve over", "who has released it, and why")
}

func TestTenantIsPutOnHoldAndReleased(t *testing.T) {
	w := newWorld(t)
	w.load(active(1, start.Add(-time.Hour)))
	browser := w.signedIn("ann", "manage")
	p := w.get(browser, holdsPage+"/place?tenant=x")
	require.Equal(t, http.StatusSeeOther, p.status)
	require.Equal(t, holdsPage+"?tenant=x", p.header.Get("Location"))
	p = w.get(browser, holdsPage+"?tenant=x")
	require.Contains(t, wordsOf(p), "“x” is no tenant id")
	require.Contains(t, p.body, `value="x"`, "what was typed stays")
	p = w.post(browser, holdsPage+"/place", "tenant", "x", "reason", "they pay late")
	require.Equal(t, holdsPage+"?tenant=x", p.header.Get("Location"))
	require.Contains(t, wordsOf(w.get(browser, holdsPage+"?show=all")), "Nothing was ever put on hold.")

	asked := wordsOf(w.get(browser, holdsPage+"/place?tenant="+contoso))
	for _, want := range []string{"Put a partner or customer on hold", "Name Contoso", "As partner 0 relationships", "As customer 1 relationship"} {
		require.Contains(t, asked, want)
	}
	require.Contains(t, wordsOf(w.get(browser, list+"?customer="+contoso)), "Contoso "+contoso+" As customer: 1 relationship Put on hold")
	again := w.post(browser, holdsPage+"/place", "tenant", contoso, "reason", " ")
	require.Equal(t, http.StatusUnprocessableEntity, again.status)
	require.Contains(t, again.body, `value="`+contoso+`"`)
	p = w.post(browser, holdsPage+"/place", "tenant", contoso, "reason", "they pay late")
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Contains(t, wordsOf(w.get(browser, holdsPage)), contoso+" is on hold.")
	require.Zero(t, w.sweep().Changed, "its timers take no effect")
	require.Equal(t, http.StatusSeeOther, w.get(browser, holdsPage+"/place?tenant="+contoso).status)
	require.Contains(t, wordsOf(w.get(browser, holdsPage)), contoso+" is on hold already, by hold 1.")
	require.Contains(t, wordsOf(w.get(browser, list+"?customer="+contoso)), "On hold as a whole they pay late")
	require.Contains(t, w.get(browser, list+"/"+relationshipID(1)).body, `href="/console/holds/1/release"`)

	require.Contains(t, wordsOf(w.get(browser, holdsPage+"/1/release")), "Placed by ann Reason they pay late")
	p = w.post(browser, holdsPage+"/1/release", "reason", "they have paid")
	require.Equal(t, holdsPage, p.header.Get("Location"))
	require.Contains(t, wordsOf(w.get(browser, holdsPage)), "Hold 1 is released.")
	require.EqualValues(t, 1, w.sweep().Changed)
	require.Equal(t, []string{"holdPlaced by ann: they pay late", "holdReleased by ann: they have paid"}, w.logged(lifecycle.EventHoldPlaced, lifecycle.EventHoldReleased))
	require.Equal(t, http.StatusSeeOther, w.get(browser, holdsPage+"/1/release").status)
	require.Contains(t, wordsOf(w.get(browser, holdsPage)), "Hold 1 was released already, by ann.")
	require.Equal(t, http.StatusNotFound, w.get(browser, holdsPage+"/9/release").status)
	require.Equal(t, http.StatusNotFound, w.get(browser, holdsPage+"/x/release").status)
	w.hold(lifecycle.HoldRule, string(lifecycle.EndTerm), "a typo")
	require.Equal(t, http.StatusNotFound, w.get(browser, holdsPage+"/2/release").status, "that of a rule has a page of its own")
}

func TestPartnersStandingIsShownAndSet(t *testing.T) {
	w := newWorld(t)
	w.load(active(1, start.AddDate(1, 0, 0)))
	browser := w.signedIn("ann", "manage")
	require.Contains(t, wordsOf(w.get(browser, list+"?partner="+partner)), "Standing: Authorized Put on hold Restrict Suspend")
	asked := wordsOf(w.get(browser, "/console/partners/"+partner+"/suspended"))
	require.Contains(t, asked, "Suspend the partner")
	require.Contains(t, asked, "As partner 1 relationship")
	require.Contains(t, asked, "Standing Authorized")
	p := w.post(browser, "/console/partners/"+partner+"/suspended", "reason", "the contract has ended")
	require.Equal(t, list+"?partner="+partner, p.header.Get("Location"))
	shown := wordsOf(w.get(browser, list+"?partner="+partner))
	require.Contains(t, shown, partner+" is suspended.")
	require.Contains(t, shown, "Standing: Suspended Nothing new may be asked for, and nothing changed but to terminate. the contract has ended")
	require.Contains(t, shown, "Authorize again Restrict")
	require.Contains(t, wordsOf(w.get(browser, holdsPage)), partner+" Suspended Nothing new may be asked for, and nothing changed but to terminate. the contract has ended")
	require.Contains(t, wordsOf(w.get(browser, "/console/activity/operators")), "Set a partner’s standing")
	w.post(browser, "/console/partners/"+partner+"/authorized", "reason", "a new one")
	require.Contains(t, wordsOf(w.get(browser, holdsPage)), "Every partner is authorized.")
	require.Equal(t, http.StatusNotFound, w.get(browser, "/console/partners/"+partner+"/great").status)
	require.Equal(t, http.StatusNotFound, w.get(browser, "/console/partners/x/suspended").status)
}

func TestReadersSeeHoldsAndNoButtons(t *testing.T) {
	w := newWorld(t)
	w.load(active(1, start.AddDate(1, 0, 0)))
	w.hold(lifecycle.HoldTenant, contoso, "they pay late")
	reader := w.signedIn("looks", "read")
	for path, want := range map[string]string{holdsPage: "they pay late", holdsPage + "?show=all": "they pay late", list + "?customer=" + contoso: "they pay late", list + "?partner=" + partner: "Authorized"} {
		p := w.get(reader, path)
		require.Contains(t, wordsOf(p), want, path)
		for _, button := range []string{"/release", "/place", "/console/partners/"} {
			require.NotContains(t, p.body, button, path)
		}
	}
	for _, path := range []string{holdsPage + "/1/release", holdsPage + "/place?tenant=" + contoso, "/console/partners/" + partner + "/suspended", "/console/subscriptions/1/remove"} {
		p := w.get(reader, path)
		require.Equal(t, http.StatusForbidden, p.status, path)
		require.Contains(t, wordsOf(p), "This needs the scope", path)
	}
}
