package console_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// A slowOutlook says what is due when it is let.
type slowOutlook struct {
	dueNow
	let   chan struct{}
	asked atomic.Int64
	fault error
}

func (s *slowOutlook) Plan(ctx context.Context, until time.Time, rules []lifecycle.RuleName, partner string) (httpapi.Plan, error) {
	s.asked.Add(1)
	select {
	case <-s.let:
	case <-ctx.Done():
		return httpapi.Plan{}, ctx.Err()
	}
	if s.fault != nil {
		return httpapi.Plan{}, s.fault
	}
	return s.dueNow.Plan(ctx, until, rules, partner)
}

// slowly is a world in which three relationships end, and what a sweep would do is said when it is let.
func slowly(t *testing.T) (*world, *slowOutlook) {
	slow := &slowOutlook{let: make(chan struct{})}
	w := newWorld(t, func(o *httpapi.Options) {
		slow.dueNow = dueNow{o.Store.(*storage.DB), o.Policy, o.Now}
		o.Outlook = slow
	})
	w.policy.Breakers = map[lifecycle.RuleName]lifecycle.Breaker{lifecycle.EndTerm: {Records: 2}}
	w.ending(3)
	return w, slow
}

const plannedForReal = "/console/sweeps/new?mode=real&rule=end-term&rule=auto-extend&step=plan"

func TestNobodyWaitsForThePlanOfASweep(t *testing.T) {
	w, slow := slowly(t)
	// What is due is waited for no longer, but comes soon.
	showing := func(path, text string) (p seen) {
		require.Eventually(t, func() bool { p = w.get(w.anyone, path); return strings.Contains(wordsOf(p), text) }, 20*time.Second, 20*time.Millisecond, text)
		return p
	}
	p := showing(plannedForReal, "Rule Due now On hold Notices Not told Breaker lets through Extensions 0 0 … … … Terms end 3 0 … … … Together 3 0 … … ")
	said := wordsOf(p)
	require.Contains(t, said, "What it would do is being counted; it appears here by itself. Until then this is what is due. Look again")
	require.Contains(t, said, "Holds and breakers act in any case")
	require.Contains(t, p.body, `<a href="/console/sweeps/new?mode=real&amp;rule=auto-extend&amp;rule=end-term&amp;step=plan">Look again</a>`)
	require.Contains(t, p.body, `data-live="/console/live/sweeps/new?mode=real&amp;rule=auto-extend&amp;rule=end-term&amp;step=plan"`)
	require.Contains(t, p.body, `>Sweep for real</button>`)
	require.NotContains(t, said, "too many")
	dry := wordsOf(showing("/console/sweeps/new?mode=dry&rule=end-term&rule=auto-extend&step=plan", "Terms end 3 0 … … Together"))
	require.NotContains(t, dry, "breaker", "none holds a dry run")
	require.Contains(t, wordsOf(w.get(w.anyone, plannedForReal, "Accept-Language", "ja")), "結果を集計しています")

	close(slow.let)
	p = w.settled(w.anyone, plannedForReal)
	require.Regexp(t, `Terms end 3 0 \d+ \d+ 2 too many`, wordsOf(p))
	require.Contains(t, wordsOf(p), "Counted at 1 Mar 2026 09:00:00 UTC")
	require.EqualValues(t, 2, slow.asked.Load(), "once in each language, for however many ask")
}

func TestThePlanOfASweepAppearsByItself(t *testing.T) {
	w, slow := slowly(t)
	w.get(w.anyone, plannedForReal)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const live = "/console/live/sweeps/new?mode=real&rule=end-term&rule=auto-extend&step=plan"
	require.Contains(t, w.firstEvent(ctx, live), "being counted")
	close(slow.let)
	require.Eventually(t, func() bool { return !strings.Contains(w.firstEvent(ctx, live), "being counted") }, 20*time.Second, 20*time.Millisecond)
	require.Contains(t, w.firstEvent(ctx, live), "too many")
	reader := w.signedIn("reader", "read")
	require.Equal(t, http.StatusForbidden, w.get(reader, live).status)
}

func TestAPlanIsMadeAnewOnceSomethingWasDone(t *testing.T) {
	w, slow := slowly(t)
	close(slow.let)
	said := func() string { return wordsOf(w.settled(w.anyone, plannedForReal)) }
	require.Contains(t, said(), "Terms end 3 ")
	require.Contains(t, said(), "Terms end 3 ")
	require.EqualValues(t, 1, slow.asked.Load(), "it is kept")
	w.post(w.anyone, "/console/sweeps/rules/end-term/pause", "reason", "x")
	require.Contains(t, said(), "Terms end 0 3 ")
	require.EqualValues(t, 2, slow.asked.Load())
	w.advance(30 * time.Second)
	said()
	require.EqualValues(t, 3, slow.asked.Load(), "and not for long")
}

func TestAPlanThatCannotBeMadeIsNoReasonNotToSweep(t *testing.T) {
	w, slow := slowly(t)
	slow.fault = context.DeadlineExceeded
	close(slow.let)
	p := w.settled(w.anyone, plannedForReal)
	require.Contains(t, wordsOf(p), "It cannot be told beforehand. There are more relationships than can be looked at while a page waits.")
	require.Contains(t, wordsOf(p), "Terms end 3 0 … … …")
	require.Contains(t, wordsOf(p), "Holds and breakers act in any case")
	require.Contains(t, p.body, `>Sweep for real</button>`)
}

func TestWhatADatabaseDoesNotSayInTimeIsLeftOpen(t *testing.T) {
	w, slow := slowly(t)
	close(slow.let)
	thawed := make(chan struct{})
	w.mu.Lock()
	w.frozen = func() { <-thawed }
	w.mu.Unlock()
	require.Contains(t, wordsOf(w.get(w.anyone, plannedForReal)), "Terms end … … … … …")
	close(thawed)
	require.Contains(t, wordsOf(w.settled(w.anyone, plannedForReal)), "Terms end 3 ")
}
