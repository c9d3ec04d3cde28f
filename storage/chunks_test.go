package storage

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// aChunk is the one chunk of a sweep over n ending relationships.
func aChunk(t *testing.T, db *DB, n int) lifecycle.ChunkRef {
	t.Helper()
	var records []lifecycle.Record
	for i := range n {
		records = append(records, active(i+1, start))
	}
	load(t, db, records...)
	refs := cutAll(t, db, opened(t, db, start).ID, 100, 1)
	require.Len(t, refs, 1)
	return refs[0]
}

func idle(t *testing.T, db *DB, wall time.Time) []lifecycle.ChunkRef {
	t.Helper()
	refs, err := db.IdleChunks(ctx, wall, wall.Add(-5*time.Second), 10)
	require.NoError(t, err)
	return refs
}

func TestChunkIsInOneHand(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		ref := aChunk(t, db, 1)
		var won atomic.Int32
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				_, _, ok, err := db.ClaimChunk(ctx, ref, start, start.Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				if ok {
					won.Add(1)
				}
			})
		}
		wait.Wait()
		require.EqualValues(t, 1, won.Load())
	})
}

func TestLeaseThatEndedIsTakenOver(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		ref := aChunk(t, db, 2)
		first := claim(t, db, ref, start)
		require.Equal(t, 1, first.Claim)
		require.Zero(t, first.After)
		require.Equal(t, lifecycle.Position{At: start, Key: 2}, first.UpTo)
		_, _, ok, err := db.ClaimChunk(ctx, first.ChunkRef, start.Add(59*time.Second), start.Add(time.Hour))
		require.NoError(t, err)
		require.False(t, ok, "its lease still runs")
		kept, err := db.KeepChunk(ctx, first.ChunkRef, start.Add(2*time.Minute))
		require.NoError(t, err)
		require.True(t, kept)
		require.Empty(t, idle(t, db, start.Add(time.Minute)))
		require.Equal(t, []lifecycle.ChunkRef{first.ChunkRef}, idle(t, db, start.Add(2*time.Minute)))

		_, _, ok, err = db.ClaimChunk(ctx, ref, start.Add(time.Hour), start.Add(2*time.Hour))
		require.NoError(t, err)
		require.False(t, ok, "rung for an earlier claim")
		second := claim(t, db, first.ChunkRef, start.Add(2*time.Minute))
		require.Equal(t, 2, second.Claim)
		kept, err = db.KeepChunk(ctx, first.ChunkRef, start.Add(time.Hour))
		require.NoError(t, err)
		require.False(t, kept, "lost to the second")

		records, _, err := db.DueRecords(ctx, first, nil, start)
		require.NoError(t, err)
		decided := decide(start, records...)
		tally, err := db.ApplyChunk(ctx, first.ChunkRef, decided, lifecycle.Tally{Found: 2}, nil, start)
		require.NoError(t, err)
		require.Zero(t, tally, "the first writes nothing any more")
		tally, err = db.ApplyChunk(ctx, second.ChunkRef, decided, lifecycle.Tally{Found: 2}, nil, start)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Found: 2, Changed: 2}, tally)
		tally, err = db.ApplyChunk(ctx, second.ChunkRef, decided, lifecycle.Tally{Found: 2}, nil, start)
		require.NoError(t, err)
		require.Zero(t, tally, "it is closed")
		require.Empty(t, idle(t, db, start.Add(time.Hour)))
		require.NoError(t, db.FailChunk(ctx, second.ChunkRef, "too late", start))
		require.Empty(t, idle(t, db, start.Add(time.Hour)))
	})
}

// The transaction that writes a chunk holds its row. Who prolongs its lease meanwhile would wait for all of it, with a connection in hand.
func TestLeaseIsKeptWhileTheChunkIsWritten(t *testing.T) {
	db := migrated(t, testenv.Postgres(t), Live)
	chunk := claim(t, db, aChunk(t, db, 1), start)
	err := db.once(ctx, func(s session) error {
		_, held, err := holdsChunk(ctx, s, chunk.ChunkRef)
		require.NoError(t, err)
		require.True(t, held)
		impatient, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		kept, err := db.KeepChunk(impatient, chunk.ChunkRef, start.Add(time.Hour))
		require.NoError(t, err)
		require.True(t, kept)
		return closeChunk(ctx, s, chunk.ChunkRef, &lifecycle.Tally{}, nil, start)
	})
	require.NoError(t, err)
	kept, err := db.KeepChunk(ctx, chunk.ChunkRef, start.Add(time.Hour))
	require.NoError(t, err)
	require.False(t, kept, "it is closed")
}

func TestChunkThatFailedWaits(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		chunk := claim(t, db, aChunk(t, db, 1), start)
		retryAt := start.Add(time.Second)
		require.NoError(t, db.FailChunk(ctx, chunk.ChunkRef, "no luck\x00", retryAt))
		_, _, ok, err := db.ClaimChunk(ctx, chunk.ChunkRef, retryAt.Add(-time.Microsecond), retryAt)
		require.NoError(t, err)
		require.False(t, ok)
		require.Empty(t, idle(t, db, retryAt.Add(-time.Microsecond)))
		require.Equal(t, []lifecycle.ChunkRef{chunk.ChunkRef}, idle(t, db, retryAt))
		again := claim(t, db, chunk.ChunkRef, retryAt)
		require.Equal(t, 1, again.Attempts)
	})
}

func TestIdleChunkIsRungForNowAndThen(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		ref := aChunk(t, db, 1)
		require.Equal(t, []lifecycle.ChunkRef{ref}, idle(t, db, start))
		require.Empty(t, idle(t, db, start.Add(5*time.Second)), "it was rung for a moment ago")
		require.Equal(t, []lifecycle.ChunkRef{ref}, idle(t, db, start.Add(6*time.Second)))
		claim(t, db, ref, start.Add(7*time.Second))
		require.Empty(t, idle(t, db, start.Add(30*time.Second)), "somebody works on it")
	})
}

func TestChunkThatStandsInLineIsNotIdle(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start), active(2, start), active(3, start), active(4, start))
		refs := cutAll(t, db, opened(t, db, start).ID, 1, 10)
		claim(t, db, refs[0], start)
		require.Empty(t, idle(t, db, start), "somebody works, and comes to them")
		claim(t, db, refs[2], start)
		require.Equal(t, []lifecycle.ChunkRef{refs[1]}, idle(t, db, start), "it was passed over")
		require.Empty(t, idle(t, db, start.Add(time.Second)))
		later := start.Add(2 * time.Minute)
		require.Len(t, idle(t, db, later), 4, "nobody works any more")
	})
}

func TestCancelledSweepDropsWhatNobodyWorksOn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start), active(2, start), active(3, start))
		sweep := opened(t, db, start)
		refs := cutAll(t, db, sweep.ID, 1, 10)
		atWork, failing := claim(t, db, refs[0], start), claim(t, db, refs[1], start)
		require.NoError(t, db.CancelSweep(ctx, sweep.ID, start))
		require.Empty(t, idle(t, db, start.Add(time.Hour)))
		_, _, ok, err := db.ClaimChunk(ctx, refs[2], start, start.Add(time.Minute))
		require.NoError(t, err)
		require.False(t, ok)

		records, _, err := db.DueRecords(ctx, atWork, nil, start)
		require.NoError(t, err)
		tally, err := db.ApplyChunk(ctx, atWork.ChunkRef, decide(start, records...), lifecycle.Tally{Found: 1}, nil, start)
		require.NoError(t, err)
		require.EqualValues(t, 1, tally.Changed, "what is at work finishes")
		require.NoError(t, db.FailChunk(ctx, failing.ChunkRef, "no luck", start))
		require.Equal(t, 2, count(t, db, "SELECT count(*) FROM chunks WHERE state = 'cancelled'"))
		_, cut, err := db.CutChunks(ctx, sweep.ID, 1, 1)
		require.NoError(t, err)
		require.True(t, cut)
	})
}

func TestRecordThatCannotBeReadIsAFailureAndTheOthersGoOn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		ref := aChunk(t, db, 3)
		for _, spoil := range []string{"UPDATE agreements SET duration = 'a while' WHERE key = 1", "UPDATE agreements SET roles = '' WHERE key = 2"} {
			_, err := db.pool.ExecContext(ctx, spoil)
			require.NoError(t, err)
		}
		chunk := claim(t, db, ref, start)
		records, failures, err := db.DueRecords(ctx, chunk, nil, start)
		require.NoError(t, err)
		require.Len(t, records, 1)
		require.Len(t, failures, 2)
		require.Contains(t, failures[0].Reason, "duration")

		tally, err := db.ApplyChunk(ctx, chunk.ChunkRef, decide(start, records...), lifecycle.Tally{Found: 3, Failed: 2}, failures, start)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Found: 3, Changed: 1, Failed: 2}, tally)
		listed, err := db.SweepFailures(ctx, chunk.Sweep, 1)
		require.NoError(t, err)
		failures[0].At = start
		require.Equal(t, failures[:1], listed)
		_, err = db.Relationship(ctx, id(1))
		require.ErrorContains(t, err, "column duration")
	})
}

func TestChunkThatTheDatabaseRefusesIsLeftAsItWas(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		chunk := claim(t, db, aChunk(t, db, 3), start)
		records, _, err := db.DueRecords(ctx, chunk, nil, start)
		require.NoError(t, err)
		decided := decide(start, records...)
		decided[2].Record.DisplayName = decided[1].Record.DisplayName
		decided[2].Changes[0].Rule = "" // as if somebody had asked for it: timers rename nothing
		_, err = db.ApplyChunk(ctx, chunk.ChunkRef, decided, lifecycle.Tally{Found: 3}, nil, start)
		require.ErrorIs(t, err, lifecycle.ErrRefusedByDatabase)
		require.Equal(t, records[0], mustRead(t, db, id(1)))
		require.Equal(t, 3, count(t, db, "SELECT count(*) FROM events"))

		tally, err := db.ApplyChunk(ctx, chunk.ChunkRef, decided[:2], lifecycle.Tally{Found: 3, Failed: 1}, nil, start)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Found: 3, Changed: 2, Failed: 1}, tally, "the others go through")
	})
}

func TestSpoiltInstantOnSQLiteIsAFailure(t *testing.T) {
	db := migrated(t, "sqlite::memory:", Live)
	chunk := claim(t, db, aChunk(t, db, 2), start)
	_, err := db.pool.ExecContext(ctx, "UPDATE clocks SET end_at = 'tomorrow' WHERE key = 1")
	require.NoError(t, err)
	records, failures, err := db.DueRecords(ctx, chunk, nil, start)
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Len(t, failures, 1)
	require.Contains(t, failures[0].Reason, "end_at")
}
