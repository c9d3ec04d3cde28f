package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/ledger"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// A dyingLedger is a ledger whose process is killed before its n-th step, or after it and before anybody learns of it.
type dyingLedger struct {
	jobs.LedgerStore
	dieAt int
	after bool
}

var errLedgerKilled = errors.New("killed")

func (d *dyingLedger) step(take func() error) error {
	d.dieAt--
	if d.dieAt > 0 || d.dieAt == 0 && d.after {
		if err := take(); err != nil || d.dieAt > 0 {
			return err
		}
	}
	return errLedgerKilled
}

func (d *dyingLedger) NextForLedger(ctx context.Context, most int) (page lifecycle.LedgerPage, err error) {
	err = d.step(func() error {
		page, err = d.LedgerStore.NextForLedger(ctx, min(most, 3))
		return err
	})
	return page, err
}

func (d *dyingLedger) AppendToLedger(ctx context.Context, g lifecycle.LedgerGrowth) (mine bool, err error) {
	err = d.step(func() error {
		mine, err = d.LedgerStore.AppendToLedger(ctx, g)
		return err
	})
	return mine, err
}

// Wherever a sequencer is killed, the next one goes on, and every event is in the ledger once.
func TestSequencerMayBeKilledAnywhere(t *testing.T) {
	const never = 1000
	ctx := t.Context()
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var whole lifecycle.LedgerHead
	for dieAt := 1; ; dieAt++ {
		over := true
		for _, after := range []bool{false, true} {
			db, err := storage.Open(ctx, "sqlite::memory:")
			require.NoError(t, err)
			require.NoError(t, db.Migrate(ctx, storage.Live, start))
			for range 8 {
				require.NoError(t, db.RecordRefusal(ctx, lifecycle.RefusedRequest{Action: "terminate", Code: "no", At: start, By: lifecycle.Caller{Name: "anna"}}))
			}
			_, err = (&jobs.Sequencer{Store: &dyingLedger{db, dieAt, after}, Grow: ledger.Grow}).Sequence(ctx)
			if err != nil {
				require.ErrorIs(t, err, errLedgerKilled)
				over = false
			}
			_, err = (&jobs.Sequencer{Store: &dyingLedger{db, never, false}, Grow: ledger.Grow}).Sequence(ctx)
			require.NoError(t, err)
			s, err := db.Snapshot(ctx)
			require.NoError(t, err)
			summary, err := ledger.Verify(ctx, s, ledger.Options{}, func(f ledger.Finding) error { return errors.New(f.String()) })
			require.NoError(t, err)
			require.Equal(t, int64(8), summary.Head.Size)
			if whole.Size == 0 {
				whole = summary.Head
			}
			require.Equal(t, whole, summary.Head, "killed at %d", dieAt)
			require.NoError(t, s.Close())
			require.NoError(t, db.Close())
		}
		if over {
			require.Greater(t, dieAt, 6)
			return
		}
	}
}

// A queueOfOne has a page once it is told so, and may be away; and so may those be who want checkpoints.
type queueOfOne struct {
	sync.Mutex
	waiting, logged, published int
	away, mute                 error
	sweeping                   bool
}

func (q *queueOfOne) NextForLedger(context.Context, int) (page lifecycle.LedgerPage, err error) {
	q.Lock()
	defer q.Unlock()
	page.Events = make([]lifecycle.Event, q.waiting)
	return page, q.away
}

func (q *queueOfOne) AppendToLedger(context.Context, lifecycle.LedgerGrowth) (bool, error) {
	q.Lock()
	defer q.Unlock()
	q.logged, q.waiting = q.logged+q.waiting, 0
	return true, nil
}

func (q *queueOfOne) publish(context.Context) error {
	q.Lock()
	defer q.Unlock()
	q.published++
	return q.mute
}

func (q *queueOfOne) Sweeping(context.Context, time.Time) (bool, error) {
	q.Lock()
	defer q.Unlock()
	return q.sweeping, nil
}

// set changes what the queue is like; counts is how many events were logged, and how many checkpoints were asked for.
func (q *queueOfOne) set(waiting int, away, mute error) {
	q.Lock()
	defer q.Unlock()
	q.waiting, q.away, q.mute = waiting, away, mute
}

func (q *queueOfOne) counts() (logged, published int) {
	q.Lock()
	defer q.Unlock()
	return q.logged, q.published
}

func TestSequencerLogsEachSecondAndPublishesEachMinuteAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		queue := &queueOfOne{}
		var complaints bytes.Buffer
		s := &jobs.Sequencer{Store: queue, Wall: time.Now, Log: slog.New(slog.NewTextHandler(&complaints, nil)), Publish: queue.publish,
			Grow: func(lifecycle.LedgerPage) (lifecycle.LedgerGrowth, error) { return lifecycle.LedgerGrowth{}, nil }}
		over := make(chan error)
		go func() { over <- s.Run(ctx) }()
		synctest.Wait()
		_, published := queue.counts()
		require.Equal(t, 1, published, "at the start")

		queue.set(2, nil, nil)
		time.Sleep(1100 * time.Millisecond)
		logged, _ := queue.counts()
		require.Equal(t, 2, logged)
		time.Sleep(2 * time.Minute)
		_, published = queue.counts()
		require.Equal(t, 3, published)

		queue.set(0, errors.New("away"), errors.New("full"))
		time.Sleep(3 * time.Minute)
		queue.set(5, nil, nil)
		time.Sleep(time.Minute)
		logged, before := queue.counts()
		require.Equal(t, 7, logged)

		queue.Lock()
		queue.sweeping, queue.waiting = true, 3
		queue.Unlock()
		time.Sleep(14 * time.Second)
		logged, _ = queue.counts()
		require.Equal(t, 7, logged, "changes come first")
		time.Sleep(3 * time.Second)
		logged, _ = queue.counts()
		require.Equal(t, 10, logged, "but not for long")

		queue.set(4, nil, nil)
		stop()
		require.NoError(t, <-over)
		logged, published = queue.counts()
		require.Equal(t, 14, logged, "what waits at the end is logged")
		require.Equal(t, before+1, published)
		for complaint, times := range map[string]int{"cannot be logged": 1, "can be logged in the ledger again": 1,
			"no checkpoint of the ledger was written": 1, "checkpoints of the ledger are written again": 1} {
			require.Equal(t, times, bytes.Count(complaints.Bytes(), []byte(complaint)), "%s: %s", complaint, &complaints)
		}
	})
}
