package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// grows lists the tables that every change adds to, for good: they are no measure of how well the others are kept.
const grows = `('events', 'notices', 'messages', 'event_batches', 'ledger_head', 'ledger_tiles', 'ledger_bundles', 'sweeps', 'chunks', 'ticks')`

// size is how many bytes the tables take, with their indexes, in which there are as many rows as before.
func (db *database) size() int64 {
	return db.number(`SELECT CAST(sum(pg_total_relation_size(oid)) AS BIGINT) FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT IN ` + grows)
}

// copied is a copy of a database that was settled, with its pages in memory.
func (db *database) copied() *database {
	h := db.h
	db.SetMaxIdleConns(0) // PostgreSQL copies only what nobody is connected to
	*h.clones++
	name := fmt.Sprintf("copy_%d", *h.clones)
	h.admin("CREATE DATABASE " + name + " TEMPLATE " + db.Name + h.copying())
	c := h.connect(name)
	h.t.Cleanup(c.drop)
	c.warm()
	return c
}

// sweepAt does what is due by a clock that is moved by hand, in this process, and says how many records it changed in a second.
func (db *database) sweepAt(now time.Time) (rate float64, changed int64) {
	db.h.t.Helper()
	store := db.store()
	defer store.Close()
	began := time.Now()
	sweep, err := alone(store, lifecycle.DefaultPolicy(), &now, 1).Run(db.h.t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest}, nil)
	took := time.Since(began)
	require.NoError(db.h.t, err)
	require.Equal(db.h.t, lifecycle.SweepDone, sweep.State)
	return float64(sweep.Changed) / took.Seconds(), sweep.Changed
}

// measureAging sweeps the same table fifty times, a tenth of it being due each time: terms that extend themselves, half a year on. Then
// the table that has been through this takes turns with one that has not.
func measureAging(t *testing.T, h *house) {
	const sweeps, turns, groups = 50, 5, 10
	n := min(*records/10, 50_000)
	began := lifecycle.Instant(time.Now())
	step := 180 * lifecycle.Day / groups
	due := func(sweep int) time.Time { return began.Add(time.Duration(sweep+1) * step) } // groups after groups, around and around
	aged := h.settle(n, func(k int) lifecycle.Record {
		r := endsAt(k, due(k*7919%groups))
		r.AutoExtend = true
		return r
	})
	defer aged.drop()
	fresh := aged.copied()
	size := fresh.size()
	for sweep := range sweeps {
		_, changed := aged.sweepAt(due(sweep))
		require.EqualValues(t, n/groups, changed)
	}
	grown := float64(aged.size()) / float64(size)

	var old, young series
	for turn := range turns {
		aged.must("CHECKPOINT")
		rate, changed := aged.sweepAt(due(sweeps + turn))
		require.EqualValues(t, n/groups, changed)
		old = append(old, rate)
		db := fresh.copied()
		db.must("CHECKPOINT")
		rate, changed = db.sweepAt(due(0))
		require.EqualValues(t, n/groups, changed)
		db.drop()
		young = append(young, rate)
	}
	require.EqualValues(t, (sweeps+turns)*n/groups, aged.number(`SELECT count(*) FROM events WHERE rule = 'auto-extend'`))
	require.EqualValues(t, n, aged.number(`SELECT count(DISTINCT relationship_key) FROM events WHERE rule = 'auto-extend'`))
	figures.record(
		measured("after 50 sweeps over the same table: rate", "records/s", old).against("fresh", old, young).ratioAtLeast(0.9).
			noting(figure(float64(n))+" relationships, a tenth due in each sweep; in one process"),
		measured("after 50 sweeps over the same table: size of tables and indexes", "× fresh", series{grown}).atMost(1.3).
			noting("of those whose rows do not become more"),
	)
}
