package bench

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A watch looks over the shoulders of everybody who works on a database, each five milliseconds.
type watch struct {
	busy    int // connections that did something, or waited in the middle of it, added up over the looks
	waiting int // of these, those that waited for a lock that another held
	growing int // of these, those that waited for PostgreSQL itself to make a file longer, which one connection does at a time
	done    sync.WaitGroup
	end     context.CancelFunc
}

// watchLocks begins to look; [watch.stop] ends it.
func (db *database) watchLocks() *watch {
	db.h.t.Helper()
	ctx, end := context.WithCancel(context.Background())
	w := &watch{end: end}
	conn, err := db.Conn(ctx)
	require.NoError(db.h.t, err)
	look, err := conn.PrepareContext(ctx, `SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock'),
			count(*) FILTER (WHERE wait_event_type = 'Lock' AND wait_event = 'extend')
		FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid() AND backend_type = 'client backend'`)
	require.NoError(db.h.t, err)
	w.done.Go(func() {
		defer conn.Close()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				var busy, waiting, growing int
				if look.QueryRowContext(ctx).Scan(&busy, &waiting, &growing) == nil {
					w.busy, w.waiting, w.growing = w.busy+busy, w.waiting+waiting, w.growing+growing
				}
			}
		}
	})
	return w
}

func (w *watch) stop() {
	w.end()
	w.done.Wait()
}

// share of the busy time, in percent.
func (w *watch) share(looks int) float64 { return 100 * float64(looks) / float64(max(1, w.busy)) }

// measureLocks lets one, two and eight workers do the same, each with a connection of its own, and tells how much of their time they
// wait for each other, and how often PostgreSQL had to part them.
func measureLocks(t *testing.T, h *house) {
	w := world{Records: min(*records, 200_000), Due: min(*dueRecords, 100_000)}
	if full {
		w = world{Records: 10_000_000, Due: 10_000_000}
	}
	crews := []crew{{1, 1}, {1, 2}, {1, 8}}
	shares, growing, took := make([]series, len(crews)), make([]series, len(crews)), make([]series, len(crews))
	var deadlocks int64
	for range min(*rounds, 2) {
		for i, c := range crews {
			db := h.fresh(w)
			d := h.deploy(db, c)
			watch := db.watchLocks()
			seconds := d.AwaitSweep(d.Sweep()).Seconds()
			watch.stop()
			d.stop()
			db.check()
			deadlocks += db.number(`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)
			db.drop()
			took[i] = append(took[i], seconds)
			shares[i] = append(shares[i], watch.share(watch.waiting))
			growing[i] = append(growing[i], watch.share(watch.growing))
		}
	}
	for i, c := range crews {
		rate := took[i].rates(w.Due)
		name := fmt.Sprintf("%d on as many connections", c.Concurrency)
		waits := measured("time in lock waits, workers: "+name, "% of the busy time", shares[i])
		done := measured("due → committed, workers: "+name, "records/s", rate).against("one", rate, took[0].rates(w.Due))
		waits.Hidden, done.Hidden = i == 0, true // throughput is measured by itself, without anybody looking
		waits.Note = figure(median(growing[i])) + " of it for PostgreSQL itself to make files longer"
		figures.record(waits.atMost(1), done)
	}
	figures.record(measured("deadlocks", "in "+figure(float64(w.Due*len(crews)*min(*rounds, 2)))+" records", series{float64(deadlocks)}).none())
}
