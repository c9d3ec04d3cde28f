package bench

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// alone is a sweeper that does everything itself, by a clock that is moved by hand.
func alone(db *storage.DB, policy *lifecycle.Policy, now *time.Time, parallel int) *jobs.Sweeper {
	return &jobs.Sweeper{Store: db, Policy: policy, Bell: jobs.Silence{}, Now: func() time.Time { return *now },
		Wall: func() time.Time { return lifecycle.Instant(time.Now()) }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Parallel: parallel}
}

// inDatabase is how long PostgreSQL itself was busy with a database while a store did something: every statement's time from its
// arrival to its answer, commits included. PostgreSQL adds it up for each connection, and tells when that closes.
func (db *database) inDatabase(do func(store *storage.DB)) time.Duration {
	h := db.h
	h.t.Helper()
	admin := h.connect("postgres")
	defer admin.Close()
	active := func() (milliseconds float64) {
		require.NoError(h.t, admin.QueryRow(`SELECT active_time FROM pg_stat_database WHERE datname = $1`, db.Name).Scan(&milliseconds))
		return milliseconds
	}
	gone := func() {
		patiently(h.t, func() bool {
			return admin.number(`SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'tenure'`, db.Name) == 0
		}, "connections to close")
	}
	gone()
	before := active()
	store := db.store()
	do(store)
	require.NoError(h.t, store.Close())
	gone()
	return time.Duration((active() - before) * float64(time.Millisecond))
}

// look is how long the database was busy with each of so many sweeps in a row, by a clock that shows now; what it takes to connect is
// left out. found is how many records were due.
func (db *database) look(now time.Time, times int) (each time.Duration, found int64) {
	db.h.t.Helper()
	policy := lifecycle.DefaultPolicy()
	connect := func(store *storage.DB) { // the same first questions, and no sweep
		_, err := store.RunningSweeps(db.h.t.Context())
		require.NoError(db.h.t, err)
	}
	nothing := db.inDatabase(connect)
	whole := db.inDatabase(func(store *storage.DB) {
		connect(store)
		for range times {
			sweep, err := alone(store, policy, &now, 1).Run(db.h.t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest}, nil)
			require.NoError(db.h.t, err)
			require.Equal(db.h.t, lifecycle.SweepDone, sweep.State)
			found += sweep.Found
		}
	})
	return (whole - nothing) / time.Duration(times), found
}

// measureNothingDue looks for what is due where nothing is, in a small database and in a large one.
func measureNothingDue(t *testing.T, h *house) {
	sizes := []int{*records / 100, *records / 10, *records}
	if full {
		sizes = append(sizes, 10**records)
	}
	worlds, took := make([]*database, len(sizes)), make([]series, len(sizes))
	before := make([]time.Time, len(sizes)) // anything is due
	for i, n := range sizes {
		worlds[i] = h.fresh(world{Records: n, Due: n / 100})
		before[i] = worlds[i].firstDue().Add(-time.Minute)
	}
	for round := range 12 {
		for i, db := range worlds {
			each, found := db.look(before[i], 20)
			require.Zero(t, found)
			if round > 0 { // the first warms up
				took[i] = append(took[i], millis(each))
			}
		}
	}
	for i, n := range sizes {
		worlds[i].drop()
		m := measured(fmt.Sprintf("a sweep with nothing due of %s", figure(float64(n))), "ms in the database", took[i]).atMost(3)
		if i > 0 {
			m = m.against(figure(float64(sizes[0])), took[i], took[0])
		}
		figures.record(m)
	}
	flat := measured("a sweep with nothing due, the largest to the smallest table", "×", ratios(took[len(sizes)-1], took[0]))
	figures.record(flat.atMost(1.2))
}

// firstDue is when the first timer falls due.
func (db *database) firstDue() (at time.Time) {
	db.h.t.Helper()
	require.NoError(db.h.t, db.QueryRow(`SELECT min(next_at) FROM `+relationships).Scan(&at))
	return at
}

// ratios are of what took turns.
func ratios(mine, theirs series) series {
	r := make(series, len(mine))
	for i := range mine {
		r[i] = mine[i] / theirs[i]
	}
	return r
}

// measureDeadEntries looks right after a large sweep, when the index of what is due is full of entries of what no longer is; and again
// while somebody's old snapshot keeps them from being cleared away.
func measureDeadEntries(t *testing.T, h *house) {
	w := world{Records: 200_000, Due: 100_000}
	var first, next, held series
	for round := range 2 {
		db, old := h.fresh(w), round%2 == 1
		release := func() {}
		if old {
			release = db.holdSnapshot()
		}
		_, found := db.look(lifecycle.Instant(time.Now()), 1)
		require.EqualValues(t, w.Due, found)
		db.check()
		for n := range 6 {
			each, found := db.look(lifecycle.Instant(time.Now()), 1)
			require.Zero(t, found)
			switch {
			case old:
				held = append(held, millis(each))
			case n == 0:
				first = append(first, millis(each))
			default:
				next = append(next, millis(each))
			}
		}
		release()
		db.drop()
	}
	const unit = "ms in the database"
	later := measured("the looks after that", unit, next)
	later.Hidden = true
	figures.record(
		measured("the first look after a sweep of 100 000", unit, first).atMost(3),
		later,
		measured("a look while an old snapshot is held from before that sweep", unit, held).atMost(3),
	)
}

// holdSnapshot keeps PostgreSQL from forgetting how things were, as a backup does, until it is released.
func (db *database) holdSnapshot() (release func()) {
	db.h.t.Helper()
	tx, err := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(db.h.t, err)
	var n int
	require.NoError(db.h.t, tx.QueryRow(`SELECT count(*) FROM sweeps`).Scan(&n))
	return func() { _ = tx.Rollback() }
}
