package bench

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// opener is a sweeper that only opens sweeps and rings for them. asOf is what it takes for now.
func opener(t testing.TB, db *storage.DB, redis string, policy *lifecycle.Policy, asOf *time.Time) *jobs.Sweeper {
	client, err := jobs.ConnectRedis(redis)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	wall := func() time.Time { return lifecycle.Instant(time.Now()) }
	return &jobs.Sweeper{Store: db, Policy: policy, Bell: jobs.NewQueue(client, wall), Now: func() time.Time { return *asOf }, Wall: wall,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// measureRecovery kills a worker while it holds a chunk, over and over, and takes the time until the sweep is over: the chunk of the
// dead has then been done by others, which had little else to do.
func measureRecovery(t *testing.T, h *house) {
	const kills, slices = 12, 15 // of what is due; a sweep that is over before anybody was killed counts for nothing
	db := h.fresh(world{Records: 200_000, Due: 100_000})
	defer db.drop()
	store := db.store()
	defer store.Close()
	d := h.deploy(db, crew{2, 1})
	defer d.stop()

	first := db.firstDue()
	var took series
	var asOf time.Time
	sweeper := opener(t, store, h.redis.URL(), lifecycle.DefaultPolicy(), &asOf)
	open := func() int64 {
		sweep, _, err := sweeper.RequestSweep(t.Context(), nil, false, "")
		require.NoError(t, err)
		return sweep.ID
	}
	doomed, other := d.Workers[0], d.Workers[1]
	for slice := 0; slice < slices && len(took) < kills; slice++ {
		asOf = first.Add(time.Duration(slice+1) * time.Hour / slices)
		sweep := open()
		if !db.bothAtWork(sweep, rand.Int64N(3)) {
			continue
		}
		require.NoError(t, doomed.Process.Kill())
		killed := time.Now()
		_ = doomed.Wait()
		doomed, other = other, d.StartWorker(1) // as whatever watches over processes would
		patiently(t, func() bool { return db.allDone(sweep) }, "the sweep's end")
		took = append(took, time.Since(killed).Seconds())
	}
	require.GreaterOrEqual(t, len(took), 10, "workers that were killed while they held a chunk")
	asOf = lifecycle.Instant(time.Now())
	d.AwaitSweep(open()) // the rest
	db.check()
	db.checkLogged()
	worst := measured("kill -9 of a worker in mid-sweep → every chunk done by others", "s", took)
	worst.Value = worst.High
	figures.record(worst.atMost(5).noting(fmt.Sprintf("the longest of %d kills, two workers; what is left of the sweep itself is in it; median %s s", len(took), figure(median(took)))))
}

// bothAtWork waits until two chunks of a sweep are being worked on and so many are done; false if it is over before that.
func (db *database) bothAtWork(sweep, after int64) bool {
	db.h.t.Helper()
	ready := false
	patiently(db.h.t, func() bool {
		var done, held int64
		require.NoError(db.h.t, db.QueryRow(`SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'claimed')
			FROM chunks WHERE sweep_id = $1`, sweep).Scan(&done, &held))
		ready = done >= after && held == 2
		return ready || db.allDone(sweep)
	}, "two workers at work")
	return ready
}

// allDone says whether a sweep is cut, and each of its chunks is done.
func (db *database) allDone(sweep int64) bool {
	return db.number(`SELECT count(*) FROM sweeps WHERE id = $1 AND cut`, sweep) == 1 &&
		db.number(`SELECT count(*) FROM chunks WHERE sweep_id = $1 AND state <> 'done'`, sweep) == 0
}
