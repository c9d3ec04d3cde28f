package storage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// shown are the ids of the sweeps that are shown.
func shown(t *testing.T, db *DB, show lifecycle.SweepShow, before int64, limit int) (ids []int64) {
	t.Helper()
	sweeps, err := db.ShownSweeps(ctx, show, "", before, limit)
	require.NoError(t, err)
	for _, s := range sweeps {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestSweepsAreShownByWhatBecameOfThem(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		chunk := claim(t, db, aChunk(t, db, 2), start)
		failures := []lifecycle.Failure{{Key: 2, Reason: "it is odd"}, {Key: 99, Reason: "it is gone"}}
		_, err := db.ApplyChunk(ctx, chunk.ChunkRef, nil, lifecycle.Tally{Found: 2, Failed: 2}, failures, start)
		require.NoError(t, err)
		_, _, err = db.FinishSweep(ctx, 1, start)
		require.NoError(t, err)
		early := start.AddDate(-1, 0, 0)
		for range 2 { // they find nothing
			sweep := opened(t, db, early)
			cutAll(t, db, sweep.ID, 10, 10)
			_, _, err = db.FinishSweep(ctx, sweep.ID, start)
			require.NoError(t, err)
		}
		running := opened(t, db, early).ID
		require.EqualValues(t, 4, running)

		require.Equal(t, []int64{4, 3, 2, 1}, shown(t, db, lifecycle.ShowAll, 0, 10))
		require.Equal(t, []int64{3, 2}, shown(t, db, lifecycle.ShowAll, 4, 2))
		require.Equal(t, []int64{4, 1}, shown(t, db, lifecycle.ShowBusy, 0, 10))
		require.Equal(t, []int64{1}, shown(t, db, lifecycle.ShowBusy, 4, 10))
		require.Equal(t, []int64{4}, shown(t, db, lifecycle.ShowOpen, 0, 10))
		require.Equal(t, []int64{1}, shown(t, db, lifecycle.ShowFailed, 0, 10))
		require.Empty(t, shown(t, db, "odd", 0, 10))

		failed, err := db.FailedRecords(ctx, 1, 0, 1)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.FailedRecord{{Name: mustRead(t, db, id(2)).DisplayName,
			Failure: lifecycle.Failure{Sweep: 1, RelationshipID: id(2), Key: 2, Reason: "it is odd", At: start}}}, failed)
		failed, err = db.FailedRecords(ctx, 1, 2, 10)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.FailedRecord{{Failure: lifecycle.Failure{Sweep: 1, Key: 99, Reason: "it is gone", At: start}}}, failed)
	})
}

func TestChunksAreListed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start), active(2, start), active(3, start))
		sweep := opened(t, db, start)
		refs := cutAll(t, db, sweep.ID, 1, 10)
		require.Len(t, refs, 3)
		retry := start.Add(time.Minute)
		require.NoError(t, db.FailChunk(ctx, claim(t, db, refs[0], start).ChunkRef, "the disk is full", retry))
		done := claim(t, db, refs[1], start)
		_, err := db.ApplyChunk(ctx, done.ChunkRef, nil, lifecycle.Tally{Found: 1, Skipped: 1, Lateness: time.Second}, nil, start)
		require.NoError(t, err)
		claim(t, db, refs[2], start)

		chunks, err := db.Chunks(ctx, sweep.ID, lifecycle.ChunkQuery{})
		require.NoError(t, err)
		require.Len(t, chunks, 3)
		require.Equal(t, []lifecycle.ChunkState{lifecycle.ChunkOpen, lifecycle.ChunkDone, lifecycle.ChunkClaimed},
			[]lifecycle.ChunkState{chunks[0].State, chunks[1].State, chunks[2].State})
		require.Equal(t, "the disk is full", chunks[0].LastError)
		require.Equal(t, 1, chunks[0].Attempts)
		require.Equal(t, retry, chunks[0].ReadyAt)
		require.Equal(t, done.UpTo, chunks[1].UpTo)
		require.Equal(t, lifecycle.Tally{Found: 1, Skipped: 1, Lateness: time.Second}, chunks[1].Tally)

		troubled, err := db.Chunks(ctx, sweep.ID, lifecycle.ChunkQuery{Troubled: true})
		require.NoError(t, err)
		require.Equal(t, chunks[:1], troubled)
		second, err := db.Chunks(ctx, sweep.ID, lifecycle.ChunkQuery{After: chunks[0].N, Limit: 1})
		require.NoError(t, err)
		require.Equal(t, chunks[1:2], second)
	})
}
