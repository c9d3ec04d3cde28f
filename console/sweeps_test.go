package console_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
	"github.com/tenure-dev/tenure/storage"
)

// ending are n relationships that end when the world begins, numbered from 0, of whose end nobody is warned.
func (w *world) ending(n int) {
	w.t.Helper()
	var batch []lifecycle.Incoming
	for i := range n {
		r := lifecycle.Record{ID: fmt.Sprintf("r-%04d", i), Partner: "aaaaaaaa-0000-4000-8000-000000000001", DisplayName: fmt.Sprintf("Relationship %d", i),
			Duration: lifecycle.Days(90), Status: lifecycle.Active, Customer: lifecycle.Tenant{TenantID: "bbbbbbbb-0000-4000-8000-000000000001", DisplayName: "Contoso"},
			Created: start.Add(-91 * lifecycle.Day), Modified: start.Add(-90 * lifecycle.Day), Activated: start.Add(-90 * lifecycle.Day), End: start, WarnAfter: start}
		batch = append(batch, lifecycle.Incoming{Record: r, Digest: r.ID})
	}
	_, err := w.db.ImportRelationships(w.t.Context(), batch, w.policy, start)
	require.NoError(w.t, err)
}

// sweep opens one and works on it until it is over, or held.
func (w *world) sweep(rules ...lifecycle.RuleName) lifecycle.Sweep {
	w.t.Helper()
	sweep, err := w.sweeper.Run(w.t.Context(), lifecycle.SweepRequest{Rules: rules, Trigger: lifecycle.TriggerSchedule}, nil)
	require.NoError(w.t, err)
	return sweep
}

// heldSweep is one that the breaker of its rule has held.
func (w *world) heldSweep() lifecycle.Sweep {
	w.t.Helper()
	w.policy.Breakers = map[lifecycle.RuleName]lifecycle.Breaker{lifecycle.EndTerm: {Records: 2}}
	w.ending(3)
	sweep := w.sweep(lifecycle.EndTerm)
	require.Equal(w.t, lifecycle.SweepHeld, sweep.State)
	return sweep
}

// logged are the kinds of events that the log of activities holds, with who is in them and why.
func (w *world) logged(kinds ...lifecycle.EventType) (said []string) {
	w.t.Helper()
	events, err := w.db.Activity(w.t.Context(), lifecycle.ActivityQuery{Types: kinds})
	require.NoError(w.t, err)
	for _, e := range events {
		said = append(said, fmt.Sprintf("%s by %s: %s", e.Type, e.By.Name, e.Detail))
	}
	return said
}

// wordsOf is what a page says, without its marks.
func wordsOf(p seen) string {
	body := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(p.body, " ")
	return html.UnescapeString(strings.Join(strings.Fields(body), " "))
}

func TestSweepsAreListedByWhatBecameOfThem(t *testing.T) {
	w := newWorld(t)
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps")), "No sweep has found anything due yet.")
	w.ending(3)
	w.sweep()
	w.sweep()
	p := wordsOf(w.get(w.anyone, "/console/sweeps"))
	require.Regexp(t, `#1 Done all rules \d+ \w+ \d+ [0-9:]+ schedule \d+ \S+ 3 3 0 0 0`, p)
	require.NotContains(t, p, "#2 ", "it found nothing")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps?show=all")), "#2 ")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps?show=open")), "No sweep is running and none is held.")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps?show=failed")), "No sweep has failed at anything.")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps", "Accept-Language", "ja")), "#1 完了 すべてのルール")
	require.Equal(t, http.StatusNotFound, w.get(w.anyone, "/console/sweeps/99").status)
	require.Equal(t, http.StatusNotFound, w.get(w.anyone, "/console/sweeps/x").status)
}

func TestSweepsArePagedAndEachIsShownOnce(t *testing.T) {
	w := newWorld(t)
	for range 65 {
		w.sweep(lifecycle.EndTerm)
	} // of which none finds anything
	var ids []string
	path := "/console/sweeps?show=all"
	for pages := 0; path != "" && pages < 10; pages++ {
		body := w.get(w.anyone, path).body
		for _, m := range regexp.MustCompile(`<th scope="row"><a href="/console/sweeps/(\d+)"`).FindAllStringSubmatch(body, -1) {
			ids = append(ids, m[1])
		}
		path = ""
		if m := regexp.MustCompile(`<a href="([^"]+)" rel="next"`).FindStringSubmatch(body); m != nil {
			path = html.UnescapeString(m[1])
		}
	}
	require.Len(t, ids, 65)
	require.Equal(t, []string{"65", "1"}, []string{ids[0], ids[64]})
}

func TestASweepShowsItsChunksAndWhatItCouldNotChange(t *testing.T) {
	w := newWorld(t)
	w.ending(120)
	const hostile = `<script>alert("x")</script> النص`
	r, err := w.db.Relationship(t.Context(), "r-0000")
	require.NoError(t, err)
	sweep, _, err := w.sweeper.RequestSweep(t.Context(), nil, false, "")
	require.NoError(t, err)
	chunks, _, err := w.db.CutChunks(t.Context(), sweep.ID, 2, 60)
	require.NoError(t, err)
	require.Len(t, chunks, 60)
	claim := func(n int) lifecycle.ChunkRef {
		chunk, _, ok, err := w.db.ClaimChunk(t.Context(), chunks[n], w.wall(), w.wall().Add(time.Minute))
		require.NoError(t, err)
		require.True(t, ok)
		return chunk.ChunkRef
	}
	var failures []lifecycle.Failure
	for i := range 60 {
		failures = append(failures, lifecycle.Failure{Key: r.Key + int64(i), Reason: hostile})
	}
	_, err = w.db.ApplyChunk(t.Context(), claim(0), nil, lifecycle.Tally{Found: 60, Failed: 60}, failures, start)
	require.NoError(t, err)
	require.NoError(t, w.db.FailChunk(t.Context(), claim(1), "the disk is full", w.wall()))

	page := w.get(w.anyone, "/console/sweeps/1")
	require.NotContains(t, page.body, hostile)
	require.Contains(t, page.body, html.EscapeString(hostile))
	require.Contains(t, page.body, `href="/console/relationships/r-0000"`)
	require.Contains(t, page.body, `data-live="/console/live/sweeps/1"`)
	said := wordsOf(page)
	require.Contains(t, said, "Running")
	require.Contains(t, said, "1 of 60 chunks")
	require.Contains(t, said, "Relationship 49")
	require.NotContains(t, said, "Relationship 50 ")
	require.Contains(t, said, "the disk is full")
	require.Contains(t, page.body, `<a href="/console/sweeps/1?chunks=50#chunks" rel="next">`)
	second := wordsOf(w.get(w.anyone, fmt.Sprintf("/console/sweeps/1?chunks=50&failures=%d", r.Key+49)))
	require.Contains(t, second, "Relationship 59")
	require.Contains(t, second, "#60 Waits")
	require.NotContains(t, second, "#50 ")
	troubled := wordsOf(w.get(w.anyone, "/console/sweeps/1?only=troubled"))
	require.Contains(t, troubled, "#2 Waits")
	require.NotContains(t, troubled, "#3 ")

	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps?show=failed")), "#1 Running")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.Contains(t, w.firstEvent(ctx, "/console/live/sweeps/1"), "the disk is full")
	require.Contains(t, w.firstEvent(ctx, "/console/live/sweeps?show=open"), "1 of 60 chunks")

	asked := w.get(w.anyone, "/console/sweeps/1/cancel")
	require.Contains(t, wordsOf(asked), "Cancel sweep 1?")
	done := w.post(w.anyone, "/console/sweeps/1/cancel")
	require.Equal(t, "/console/sweeps/1", done.header.Get("Location"))
	after := w.get(w.anyone, "/console/sweeps/1")
	require.Contains(t, wordsOf(after), "Sweep 1 is cancelled.")
	require.NotContains(t, after.body, "data-live", "nothing changes any more")
}

// firstEvent is what somebody is told first who keeps looking at a page.
func (w *world) firstEvent(ctx context.Context, path string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+path, nil)
	require.NoError(w.t, err)
	res, err := w.anyone.Do(r)
	require.NoError(w.t, err)
	defer res.Body.Close() //nolint:errcheck // it was only read
	require.Equal(w.t, "text/event-stream; charset=utf-8", res.Header.Get("Content-Type"))
	var event strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(event.String(), "\n\n") {
		n, err := res.Body.Read(buffer)
		require.NoError(w.t, err)
		event.Write(buffer[:n])
	}
	return event.String()
}

func TestHeldSweepIsApprovedWithAReason(t *testing.T) {
	w := newWorld(t)
	held := w.heldSweep()
	list := wordsOf(w.get(w.anyone, "/console/sweeps"))
	require.Contains(t, list, "More would change than a breaker lets through · Terms end: 3 relationships; the breaker lets 2 through")
	path := fmt.Sprintf("/console/sweeps/%d", held.ID)
	page := wordsOf(w.get(w.anyone, path))
	require.Contains(t, page, "Terms end 3 2 too many")
	require.Contains(t, page, "3 relationships in all")

	require.Contains(t, wordsOf(w.get(w.anyone, path+"/approve")), "cannot be taken back")
	again := w.post(w.anyone, path+"/approve", "reason", "  ")
	require.Equal(t, http.StatusUnprocessableEntity, again.status)
	require.Contains(t, wordsOf(again), "Give a reason")
	long := w.post(w.anyone, path+"/approve", "reason", strings.Repeat("long ", 101))
	require.Equal(t, http.StatusUnprocessableEntity, long.status)
	require.Contains(t, long.body, "long long", "what was typed is kept")

	done := w.post(w.anyone, path+"/approve", "reason", "the tenants have left <us>")
	require.Equal(t, path, done.header.Get("Location"))
	after := w.get(w.anyone, path)
	require.Contains(t, wordsOf(after), "is approved, and begins")
	require.Contains(t, after.body, "the tenants have left &lt;us&gt;")
	require.Equal(t, []string{"sweepApproved by local: the tenants have left <us>"}, w.logged(lifecycle.EventSweepApproved))
	refused := w.post(w.anyone, path+"/approve", "reason", "twice")
	require.Equal(t, path, refused.header.Get("Location"), "whoever comes too late is shown how it stands")
	require.Contains(t, wordsOf(w.get(w.anyone, path)), "needs no decision any more. It is: Running. Nothing was changed.")
	require.Len(t, w.logged(lifecycle.EventSweepApproved), 1)
	_, err := w.sweeper.See(t.Context(), held, nil)
	require.NoError(t, err)
	require.Contains(t, wordsOf(w.get(w.anyone, path)), "Done")
}

func TestRejectedSweepPausesItsRuleUntilItIsResumed(t *testing.T) {
	w := newWorld(t)
	held := w.heldSweep()
	path := fmt.Sprintf("/console/sweeps/%d", held.ID)
	w.post(w.anyone, path+"/reject", "reason", "somebody has typed a wrong date")
	require.Contains(t, wordsOf(w.get(w.anyone, path)), "Rejected")
	list := w.get(w.anyone, "/console/sweeps")
	require.Regexp(t, `Terms end – .* Paused somebody has typed a wrong date \(\s*local`, wordsOf(list))
	require.Contains(t, list.body, "/console/sweeps/rules/end-term/resume")
	resume := w.get(w.anyone, "/console/sweeps/rules/end-term/resume")
	require.Contains(t, wordsOf(resume), "A sweep was rejected")
	require.Contains(t, resume.body, "<bdi>somebody has typed a wrong date</bdi>", "what people wrote is nobody's to translate")
	w.post(w.anyone, "/console/sweeps/rules/end-term/resume", "reason", "mended")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps")), "“Terms end” goes on.")
	again := w.post(w.anyone, "/console/sweeps/rules/end-term/resume", "reason", "mended")
	require.Equal(t, http.StatusConflict, again.status)
	require.Contains(t, wordsOf(again), "is not paused")
}

func TestRulesArePausedAndEverythingIsPutOnHold(t *testing.T) {
	w := newWorld(t)
	w.ending(1)
	w.post(w.anyone, "/console/sweeps/rules/end-term/pause", "reason", "a court asks")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps")), "Paused a court asks")
	require.Equal(t, http.StatusConflict, w.post(w.anyone, "/console/sweeps/rules/end-term/pause", "reason", "twice").status)
	require.Equal(t, http.StatusNotFound, w.get(w.anyone, "/console/sweeps/rules/no-such-rule/pause").status)

	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps/everything/hold")), "no notice is sent")
	w.post(w.anyone, "/console/sweeps/everything/hold", "reason", "fire drill")
	p := w.get(w.anyone, "/console/sweeps")
	require.Contains(t, wordsOf(p), "Everything is on hold")
	require.Contains(t, wordsOf(p), "Reason fire drill")
	require.NotContains(t, p.body, "/console/sweeps/everything/hold")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps/everything/release")), "fire drill")
	w.post(w.anyone, "/console/sweeps/everything/release", "reason", "the drill is over")
	require.NotContains(t, wordsOf(w.get(w.anyone, "/console/sweeps")), "Reason fire drill")
	require.ElementsMatch(t, []string{"holdPlaced by local: a court asks", "holdPlaced by local: fire drill", "holdReleased by local: the drill is over"},
		w.logged(lifecycle.EventHoldPlaced, lifecycle.EventHoldReleased))
}

func TestWhoMayOnlyReadSeesNoButtonsAndIsRefused(t *testing.T) {
	w := newWorld(t, foreseeing)
	held := w.heldSweep()
	require.NoError(t, jobsQueue(w).RingCut(t.Context(), held.ID))
	reads, sweeps := w.signedIn("reader", "read"), w.signedIn("sweeper", "read", "sweep")
	one := fmt.Sprintf("/console/sweeps/%d", held.ID)
	for _, path := range []string{"/console/sweeps", one, "/console/queue", "/console/queue/tenure-sweeps"} {
		body := w.get(reads, path).body
		require.NotRegexp(t, `class="button|/(approve|reject|cancel|pause|resume|hold|release|drain|clear|run)"`, body, path)
	}
	require.Regexp(t, one+`/cancel"`, w.get(sweeps, one).body)
	require.NotContains(t, w.get(sweeps, one).body, one+`/approve"`)
	for _, path := range []string{one + "/approve", one + "/reject", "/console/sweeps/rules/end-term/pause", "/console/sweeps/everything/hold",
		"/console/sweeps/everything/release", "/console/queue/tenure-sweeps/drain"} {
		for _, browser := range []*http.Client{reads, sweeps} {
			require.Equal(t, http.StatusForbidden, w.get(browser, path).status, path)
			require.Equal(t, http.StatusForbidden, w.post(browser, path, "reason", "x").status, path)
		}
	}
	for _, path := range []string{one + "/cancel", "/console/sweeps"} {
		require.Equal(t, http.StatusForbidden, w.post(reads, path, "rule", "end-term", "mode", "dry").status, path)
	}
	require.Equal(t, http.StatusForbidden, w.get(reads, "/console/sweeps/new").status)
	require.Equal(t, http.StatusOK, w.get(sweeps, "/console/sweeps/new").status)
	require.Equal(t, http.StatusSeeOther, w.get(w.visitor(), "/console/sweeps").status, "who has not signed in does so first")
}

// foreseeing lets the HTTP interface say what is due, as it does in a deployment.
func foreseeing(o *httpapi.Options) {
	o.Outlook = dueNow{o.Store.(*storage.DB), o.Policy, o.Now}
}

type dueNow struct {
	db     *storage.DB
	policy *lifecycle.Policy
	now    func() time.Time
}

func (d dueNow) Plan(ctx context.Context, until time.Time, rules []lifecycle.RuleName, partner string) (httpapi.Plan, error) {
	records, err := d.db.Outlook(ctx, storage.OutlookQuery{Partner: partner, DueBy: until, Timers: true})
	if err != nil {
		return httpapi.Plan{}, err
	}
	defer records.Close() //nolint:errcheck // it was only read
	plan, err := outlook.Look(ctx, records, outlook.Question{Policy: d.policy, Now: d.now(), Until: until, Show: rules}, nil)
	if err != nil {
		return httpapi.Plan{}, err
	}
	shown := httpapi.Plan{PlanSum: httpapi.PlanSum(plan.All)}
	for _, rule := range rules {
		one := httpapi.PlanRule{Rule: string(rule)}
		if sum := plan.Rules[rule]; sum != nil {
			one.PlanSum = httpapi.PlanSum(*sum)
		}
		shown.Rules = append(shown.Rules, one)
		if n := plan.Held[rule]; n > 0 {
			shown.Held = append(shown.Held, httpapi.PlanHeld{Rule: string(rule), Relationships: n})
		}
	}
	return shown, nil
}

func (dueNow) Forecast(context.Context, int, []lifecycle.RuleName, string) (httpapi.Forecast, error) {
	return httpapi.Forecast{}, nil
}

func TestNewSweepShowsWhatItWouldDoAndIsOpenedOnce(t *testing.T) {
	w := newWorld(t, foreseeing)
	w.ending(3)
	first := w.get(w.anyone, "/console/sweeps/new")
	require.Equal(t, 5, strings.Count(first.body, `name="rule"`))
	require.Contains(t, first.body, `value="dry" checked`, "nothing is changed unless somebody says so")
	none := w.get(w.anyone, "/console/sweeps/new?step=plan&mode=real")
	require.Contains(t, wordsOf(none), "Choose at least one rule.")

	plan := w.settled(w.anyone, "/console/sweeps/new?step=plan&mode=real&rule=end-term&rule=auto-extend")
	said := wordsOf(plan)
	require.Contains(t, said, "Terms end 3 ")
	require.Contains(t, said, "Extensions 0 ")
	require.NotContains(t, said, "Warnings")
	key := regexp.MustCompile(`name="key" value="([^"]+)"`).FindStringSubmatch(plan.body)[1]
	form := []string{"key", key, "mode", "real", "rule", "end-term", "rule", "auto-extend"}
	done := w.post(w.anyone, "/console/sweeps", form...)
	require.Equal(t, "/console/sweeps/1", done.header.Get("Location"))
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps/1")), "Sweep 1 is opened.")
	twice := w.post(w.anyone, "/console/sweeps", form...)
	require.Equal(t, "/console/sweeps/1", twice.header.Get("Location"))
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/sweeps/1")), "You have asked for this before")
	reused := w.post(w.anyone, "/console/sweeps", "key", key, "mode", "dry", "rule", "end-term")
	require.Equal(t, http.StatusUnprocessableEntity, reused.status)
	require.Contains(t, wordsOf(reused), "take a new key")
	sweep, err := w.db.Sweep(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []lifecycle.RuleName{lifecycle.AutoExtend, lifecycle.EndTerm}, sweep.Rules)
	require.False(t, sweep.DryRun)
	require.Equal(t, http.StatusUnprocessableEntity, w.post(w.anyone, "/console/sweeps", "mode", "real").status)
}

func TestNewSweepSaysWhatWillBeHeld(t *testing.T) {
	w := newWorld(t, foreseeing)
	w.policy.Breakers = map[lifecycle.RuleName]lifecycle.Breaker{lifecycle.EndTerm: {Records: 2}}
	w.ending(3)
	const real = "/console/sweeps/new?step=plan&mode=real&rule=end-term"
	require.Regexp(t, `Terms end 3 0 \d+ \d+ 2 too many`, wordsOf(w.settled(w.anyone, real)))
	dry := wordsOf(w.settled(w.anyone, "/console/sweeps/new?step=plan&mode=dry&rule=end-term"))
	require.NotContains(t, dry, "too many", "dry runs are never held")
	w.post(w.anyone, "/console/sweeps/rules/end-term/pause", "reason", "x")
	require.Contains(t, wordsOf(w.settled(w.anyone, real)), "Terms end 0 3 0 0 ")
	w.post(w.anyone, "/console/sweeps/everything/hold", "reason", "x")
	require.Contains(t, wordsOf(w.settled(w.anyone, real)), "would be planned and held")
}

func TestARuleHasAPage(t *testing.T) {
	w := newWorld(t)
	w.load(active(1, start.AddDate(0, 0, 1)))
	w.advance(48 * time.Hour)
	p := w.get(w.anyone, "/console/rules/end-term")
	require.Equal(t, http.StatusOK, p.status)
	said := wordsOf(p)
	require.Contains(t, said, "Terms end")
	require.Contains(t, said, "Objective: 99.9% within 5 minutes")
	require.Contains(t, said, "No sweep has found anything due yet.")
	require.Contains(t, p.body, `aria-current="page">Sweeps`, "the menu says where one is")
	w.sweep(lifecycle.EndTerm)
	require.Contains(t, w.get(w.anyone, "/console/rules/end-term").body, `href="/console/sweeps/1"`)
	require.NotContains(t, w.get(w.anyone, "/console/rules/auto-extend").body, `href="/console/sweeps/1"`)
	require.Equal(t, http.StatusNotFound, w.get(w.anyone, "/console/rules/nothing").status)
	require.NotContains(t, w.get(w.signedIn("reader", "read"), "/console/rules/end-term").body, "/pause")
}
