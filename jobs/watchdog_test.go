package jobs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestChunkOfADeadWorkerIsDoneByAnother(t *testing.T) {
	d := deploy(t)
	d.load(active(1, start))
	sweep, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{})
	require.NoError(t, err)
	d.cut(sweep.ID)

	// A worker takes the chunk up, and dies.
	ref := d.bell.chunks[0]
	_, _, ok, err := d.db.ClaimChunk(t.Context(), ref, d.wall, d.wall.Add(4*time.Second))
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, d.sweeper.DoChunk(t.Context(), ref), "somebody else's chunk is left alone")
	require.Zero(t, d.changes())
	require.NoError(t, d.watchdog.Look(t.Context()))
	require.Len(t, d.bell.chunks, 1, "its lease still runs")

	d.wall = d.wall.Add(5 * time.Second)
	require.NoError(t, d.watchdog.Look(t.Context()))
	require.Len(t, d.bell.chunks, 2)
	require.NotEqual(t, ref, d.bell.chunks[1], "a new claim, so that the queue does not take it for the old task")
	require.NoError(t, d.sweeper.DoChunk(t.Context(), d.bell.chunks[1]))
	require.Equal(t, 1, d.changes())
}

func TestLateWorkerThatWasGivenUpDoesNoHarm(t *testing.T) {
	d := deploy(t)
	d.load(active(1, start))
	sweep, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{})
	require.NoError(t, err)
	d.cut(sweep.ID)
	claimed, _, _, err := d.db.ClaimChunk(t.Context(), d.bell.chunks[0], d.wall, d.wall.Add(4*time.Second))
	require.NoError(t, err)
	records, _, err := d.db.DueRecords(t.Context(), claimed, lifecycle.ScanFor(nil), sweep.AsOf)
	require.NoError(t, err)
	late := []lifecycle.Decided{{Key: records[0].Key, Version: records[0].Version, Decision: lifecycle.Evaluate(records[0].Record, d.policy, d.now)}}

	d.wall = d.wall.Add(time.Minute)
	require.NoError(t, d.watchdog.Look(t.Context()))
	require.NoError(t, d.sweeper.DoChunks(t.Context(), d.bell.chunks))
	require.Equal(t, 1, d.changes())

	// Now the first one wakes up and writes what it had decided.
	tally, err := d.db.ApplyChunk(t.Context(), claimed.ChunkRef, late, lifecycle.Tally{Found: 1}, nil, d.now)
	require.NoError(t, err)
	require.Zero(t, tally.Changed)
	require.Equal(t, 1, d.changes())
}

func TestSweepThatNobodyCutIsRungForAgain(t *testing.T) {
	d := deploy(t)
	d.load(active(1, start))
	d.bell.broken = true // the task is lost on the way
	sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
	require.NoError(t, err, "the sweep is written down all the same")
	d.bell.broken = false
	require.NoError(t, d.watchdog.Look(t.Context()))
	require.NoError(t, d.watchdog.Look(t.Context()))
	require.Equal(t, []int64{sweep.ID}, d.bell.cuts)
}

func TestWithoutRedisTheWatchdogDoesTheWork(t *testing.T) {
	d := deploy(t)
	d.agents("agent@partner.example")
	d.load(many(25, start)...)
	d.bell.broken = true
	sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
	require.NoError(t, err)
	for range 3 { // look, cut, and do what lies idle
		require.NoError(t, d.watchdog.Look(t.Context()))
		d.wall = d.wall.Add(6 * time.Second)
	}
	over, err := d.db.Sweep(t.Context(), sweep.ID)
	require.NoError(t, err)
	require.Equal(t, lifecycle.SweepDone, over.State)
	require.Equal(t, 25, d.changes())
	require.Len(t, d.outbox.handed, 25, "and sends what there is to say")
}

func TestSweepWhoseLastWorkerDiedBeforeClosingItIsClosed(t *testing.T) {
	d := deploy(t)
	d.load(active(1, start))
	sweep, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{})
	require.NoError(t, err)
	d.cut(sweep.ID)
	claimed, _, _, err := d.db.ClaimChunk(t.Context(), d.bell.chunks[0], d.wall, d.wall.Add(time.Second))
	require.NoError(t, err)
	_, err = d.db.ApplyChunk(t.Context(), claimed.ChunkRef, nil, lifecycle.Tally{}, nil, d.now)
	require.NoError(t, err)
	require.NoError(t, d.watchdog.Look(t.Context()))
	over, err := d.db.Sweep(t.Context(), sweep.ID)
	require.NoError(t, err)
	require.Equal(t, lifecycle.SweepDone, over.State)
}
