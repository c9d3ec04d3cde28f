package jobs_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// A troubled store fails where a test wants it to, and is a real one elsewhere.
type troubled struct {
	jobs.Store
	away   atomic.Bool // ClaimChunk and OpenSweep fail as if the database were not there
	poison string      // a record that the database does not take, for a reason that nobody knows
}

var errAway = errors.New("connection refused")

func (s *troubled) OpenSweep(ctx context.Context, req lifecycle.SweepRequest) (lifecycle.Sweep, lifecycle.Opened, error) {
	if s.away.Load() {
		return lifecycle.Sweep{}, "", errAway
	}
	return s.Store.OpenSweep(ctx, req)
}

func (s *troubled) ClaimChunk(ctx context.Context, ref lifecycle.ChunkRef, wall, leaseUntil time.Time) (lifecycle.Chunk, lifecycle.Sweep, bool, error) {
	if s.away.Load() {
		return lifecycle.Chunk{}, lifecycle.Sweep{}, false, errAway
	}
	return s.Store.ClaimChunk(ctx, ref, wall, leaseUntil)
}

func (s *troubled) refuses(decided []lifecycle.Decided) bool {
	return slices.ContainsFunc(decided, func(d lifecycle.Decided) bool { return d.Record.ID == s.poison })
}

func (s *troubled) PrepareChunk(ctx context.Context, ref lifecycle.ChunkRef, decided []lifecycle.Decided) lifecycle.WriteChunk {
	write := s.Store.PrepareChunk(ctx, ref, decided)
	return func(ctx context.Context, tally lifecycle.Tally, failures []lifecycle.Failure, at time.Time) (lifecycle.Tally, error) {
		if s.refuses(decided) {
			return lifecycle.Tally{}, errors.New("canceling statement")
		}
		return write(ctx, tally, failures, at)
	}
}

func (s *troubled) ApplyPart(ctx context.Context, ref lifecycle.ChunkRef, decided []lifecycle.Decided) (lifecycle.Tally, error) {
	if s.refuses(decided) {
		return lifecycle.Tally{}, errors.New("canceling statement")
	}
	return s.Store.ApplyPart(ctx, ref, decided)
}

func TestStuckRecordBlocksNeitherItsChunkNorItsRule(t *testing.T) {
	d := deploy(t)
	d.load(active(0, start), active(1, start), active(2, start.Add(30*time.Minute)))
	d.sweeper.Store = &troubled{Store: d.db, poison: "r-0000"}
	d.bell.broken = true
	for minute := range 60 {
		d.now = start.Add(time.Duration(minute) * time.Minute)
		d.wall = d.now
		_, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}, Trigger: lifecycle.TriggerSchedule, Tick: d.now})
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, d.watchdog.Look(t.Context()))
		}
	}
	require.Equal(t, lifecycle.Active, d.status(0))
	require.Equal(t, lifecycle.Expired, d.status(1), "its neighbour goes through")
	require.Equal(t, lifecycle.Expired, d.status(2), "and so does what fell due later")
	failures, err := d.db.SweepFailures(t.Context(), 1, 10)
	require.NoError(t, err)
	require.Len(t, failures, 1)
	require.Equal(t, "r-0000", failures[0].RelationshipID)
}

func TestSweepThatWasBrokenOffDoesNotSwallowTheNextOne(t *testing.T) {
	d := deploy(t)
	d.load(active(0, start), active(1, start.Add(12*time.Hour)))
	request := lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest}
	broken, _, err := d.sweeper.Open(t.Context(), request)
	require.NoError(t, err)
	d.cut(broken.ID) // and then somebody pressed ctrl-C

	d.now, d.wall = start.Add(24*time.Hour), start.Add(24*time.Hour)
	sweep, err := d.sweeper.Run(t.Context(), request, nil)
	require.NoError(t, err)
	require.NotEqual(t, broken.ID, sweep.ID)
	require.Equal(t, lifecycle.Expired, d.status(1), "it fell due after the first sweep was opened")
}

func TestTickIsNotLostInASweepThatHasGonePastIt(t *testing.T) {
	d := deploy(t)
	tick := func(at time.Time) (lifecycle.Sweep, lifecycle.Opened) {
		d.now = at
		sweep, opened, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}, Trigger: lifecycle.TriggerSchedule, Tick: at})
		require.NoError(t, err)
		return sweep, opened
	}
	d.load(active(0, start))
	first, _ := tick(start)
	joined, opened := tick(start.Add(time.Minute))
	require.Equal(t, lifecycle.OpenedJoined, opened, "nobody has begun: they do not pile up")
	require.Equal(t, first.ID, joined.ID)
	require.True(t, joined.AsOf.Equal(d.now), "and it looks as far as the later one")
	d.cut(first.ID)
	_, opened = tick(start.Add(2 * time.Minute))
	require.Equal(t, lifecycle.OpenedNew, opened)
}

func TestDatabaseThatWasAwayDelaysNothingOnceItIsBack(t *testing.T) {
	d := deploy(t)
	d.load(active(0, start))
	client, err := jobs.ConnectRedis(testenv.Redis(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	store := &troubled{Store: d.db}
	d.sweeper.Store = store
	d.employ(client, 1)
	store.away.Store(true)
	sweep, _, err := d.db.OpenSweep(t.Context(), lifecycle.SweepRequest{AsOf: start, OpenedAt: start})
	require.NoError(t, err)
	d.cut(sweep.ID)
	queued := func() bool { // the task was taken up and given away again
		n, err := client.Exists(t.Context(), "asynq:{tenure-sweeps}:processed:"+time.Now().UTC().Format(time.DateOnly)).Result()
		return err == nil && n > 0
	}
	eventually(t, queued)
	for _, set := range []string{"retry", "archived"} {
		kept, err := client.ZCard(t.Context(), "asynq:{tenure-sweeps}:"+set).Result()
		require.NoError(t, err)
		require.Zero(t, kept, "a task that asynq keeps (%s) keeps its id, and nobody can be rung for the chunk", set)
	}
	store.away.Store(false)
	back := time.Now()
	require.Eventually(t, func() bool {
		require.NoError(t, d.watchdog.Look(t.Context()))
		return d.changes() == 1
	}, 14*time.Second, 100*time.Millisecond)
	t.Logf("done %s after it was back", time.Since(back))
}

func TestTickThatFoundNoDatabaseIsCaughtUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deploy(t)
		d.now = time.Now().UTC()
		d.load(active(0, d.now.Add(time.Hour)))
		d.bell.broken = true
		store := &troubled{Store: d.db}
		s := d.scheduler(only(lifecycle.EndTerm, "5 * * * *"))
		d.sweeper.Store = store
		time.AfterFunc(64*time.Minute, func() { store.away.Store(true) })
		time.AfterFunc(66*time.Minute, func() { store.away.Store(false) })
		runFor(t, 67*time.Minute, s)
		require.Equal(t, lifecycle.Expired, d.status(0), "and not an hour later")
	})
}

func TestChunkIsNoLargerThanItMayBeWhateverAnImportBrings(t *testing.T) {
	d := deploy(t)
	d.load(active(0, start))
	sweep, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{})
	require.NoError(t, err)
	d.cut(sweep.ID)
	late := many(6001, start.Add(-time.Hour))[1:]
	d.load(late...)
	require.NoError(t, d.sweeper.DoChunk(t.Context(), d.bell.chunks[0]))
	over, err := d.db.Sweep(t.Context(), sweep.ID)
	require.NoError(t, err)
	require.EqualValues(t, 5000, over.Changed)
	next, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1001, next.Changed, "the rest stays due")
}
