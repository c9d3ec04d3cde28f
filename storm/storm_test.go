//go:build unix

package storm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// TestNothingIsLostOrDoubledInAShortStorm is the storm that everybody's tests go through.
func TestNothingIsLostOrDoubledInAShortStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of processes and servers")
	}
	t.Parallel() // it mostly waits
	storm(t, short(t))
}

// TestNothingIsLostOrDoubledInALongStorm is `make storm`: minutes, with more of everything and every kind of Redis.
func TestNothingIsLostOrDoubledInALongStorm(t *testing.T) {
	for _, s := range long(t) {
		t.Run(s.redis, func(t *testing.T) { storm(t, s) })
	}
}

// storm has two years pass in bad weather, lets it calm down, and compares the books.
func storm(t *testing.T, s settings) {
	began := time.Now()
	t.Logf("seed %d, %v, %s Redis, at most %d relationships", s.seed, s.lasting, s.redis, s.relationships)
	w := newWorld(t, s)
	t.Logf("%6.2fs it begins", time.Since(began).Seconds())
	books := w.blow(began)
	t.Logf("%6.2fs it is over: %s", time.Since(began).Seconds(), books.summary())
	w.calmDown()
	t.Logf("%6.2fs all is drained", time.Since(began).Seconds())
	w.fleet.stop()
	require.Empty(t, w.fleet.complaints(), "no process may panic, whatever breaks")
	t.Logf("%6.2fs all processes have ended", time.Since(began).Seconds())
	faults, findings := w.compare(books), w.verify()
	t.Logf("%6.2fs the books and tenure verify have been asked", time.Since(began).Seconds())
	require.Zero(t, faults, "the books do not agree")
	require.Empty(t, findings, "tenure verify has found something")
}

// blow lets the crowd act, time pass and things break, all at once, until two years are over.
func (w *world) blow(began time.Time) *book {
	ctx, calm := context.WithTimeout(w.t.Context(), 3*w.settings.lasting)
	defer calm()
	b := &book{keys: map[string]map[int64]bool{}}
	c := &crowd{book: b, world: w, most: w.settings.relationships, client: &http.Client{Timeout: 10 * time.Second}}
	defer c.client.CloseIdleConnections()
	var acting sync.WaitGroup
	for i := range w.settings.crowd {
		acting.Go(func() { c.act(ctx, source(w.settings.seed, fmt.Sprint("crowd ", i))) })
	}
	acting.Go(func() {
		defer calm()
		w.clock.pass(ctx, source(w.settings.seed, "clock"), w.settings.lasting)
	})
	counts := w.rage(ctx, began)
	acting.Wait()
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		w.t.Logf("%3d × %s", counts[what], what)
	}
	return b
}

// calmDown makes everything whole and waits, within a bound, until there is nothing left to do.
func (w *world) calmDown() {
	for _, wire := range w.wires {
		wire.heal()
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 90*time.Second)
	defer cancel()
	var state string
	for quiet := 0; quiet < 3; {
		var done bool
		if state, done = w.drained(ctx); done {
			quiet++
		} else {
			quiet = 0
			w.hurryMail(ctx)
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("90 s after the storm it has not drained: %s", state)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// drained says whether nothing is due, running or to be sent, and what is if not.
func (w *world) drained(ctx context.Context) (state string, done bool) {
	if w.clock.stood().Before(ends) && !w.clock.move(ctx, ends.Sub(w.clock.stood())) {
		return "the clock cannot be moved", false
	}
	if err := w.releaseAll(ctx); err != nil {
		return err.Error(), false
	}
	backlogs, err := w.db.Backlogs(ctx, ends)
	if err != nil {
		return err.Error(), false
	}
	var due int64
	for _, b := range backlogs {
		due += b.Due + b.Held
	}
	sweeps, err := w.db.RunningSweeps(ctx)
	if err != nil {
		return err.Error(), false
	}
	notices, err := w.db.NoticeCounts(ctx)
	if err != nil {
		return err.Error(), false
	}
	logged, err := w.db.LedgerSize(ctx)
	if err != nil {
		return err.Error(), false
	}
	unsent := notices[lifecycle.NoticeQueued] + notices[lifecycle.NoticeFailed] + notices[lifecycle.NoticeWaiting]
	return fmt.Sprintf("%d records are due, %d sweeps are running, %d notices are to be sent (%v), %d events wait for the ledger",
		due, len(sweeps), unsent, notices, logged.Waiting), due == 0 && len(sweeps) == 0 && unsent == 0 && logged.Waiting == 0
}

// hurryMail does what an operator does once the mail server is back: nobody wants to wait for the next attempt.
func (w *world) hurryMail(ctx context.Context) {
	_, _ = w.fleet.run(ctx, "notices", "channels", "on", "mail", "--reason", "the storm is over")
	_, _ = w.fleet.run(ctx, "notices", "retry", "--status", "failed,dead", "--reason", "the storm is over")
}

// verify asks tenure itself, which goes through the history by another way than ours.
func (w *world) verify() (findings string) {
	out, err := w.fleet.run(w.t.Context(), "verify", "--output", "table")
	if err != nil {
		w.t.Errorf("tenure verify: %v", err)
		return err.Error()
	}
	w.t.Logf("tenure verify: %s", out)
	return ""
}

// releaseAll lets go of what an operator of the storm could not.
func (w *world) releaseAll(ctx context.Context) error {
	holds, err := w.db.Holds(ctx, lifecycle.HoldQuery{Active: true})
	if err != nil {
		return err
	}
	for _, h := range holds {
		if h.Cause != "" {
			w.t.Errorf("tenure itself has placed hold %d on %s: %s, and a sandbox calls for none", h.ID, h.About(), h.Cause)
		}
		if _, err := w.db.ReleaseHold(ctx, h.ID, "the storm is over", lifecycle.Caller{Name: "storm"}, ends, ends); err != nil && !errors.Is(err, lifecycle.ErrReleased) {
			return err
		}
	}
	return nil
}
