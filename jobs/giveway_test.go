package jobs_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// sweepLeftLying is a deployment with ten letters to be sent and a sweep of ten more records that is cut, and that nobody works on.
func sweepLeftLying(t *testing.T, dryRun bool) (*deployment, lifecycle.ChunkRef) {
	d := deploy(t)
	wall := func() time.Time { return time.Now().UTC() }
	d.courier.Wall, d.sweeper.Wall = wall, wall
	d.agents("agent@partner.example")
	d.load(many(10, start)...)
	d.sweep()
	d.load(many(20, start)[10:]...)
	sweep, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{DryRun: dryRun})
	require.NoError(t, err)
	chunks, cut, err := d.db.CutChunks(t.Context(), sweep.ID, 100, 10)
	require.NoError(t, err)
	require.True(t, cut)
	require.Len(t, chunks, 1)
	return d, chunks[0]
}

func TestLettersGiveWayToSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, chunk := sweepLeftLying(t, false)
		var delivering sync.WaitGroup
		delivering.Go(func() { d.deliver() })
		time.Sleep(40 * time.Second)
		require.Zero(t, d.letters()[lifecycle.NoticeSent])

		require.NoError(t, d.sweeper.DoChunk(t.Context(), chunk))
		time.Sleep(2 * time.Second)
		require.Equal(t, 20, d.letters()[lifecycle.NoticeSent])
		delivering.Wait()
		require.Len(t, d.outbox.handed, 20)
	})
}

func TestLettersGiveWayForAMinuteAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := sweepLeftLying(t, false)
		began := time.Now()
		d.deliver()
		require.Len(t, d.outbox.handed, 10)
		require.Greater(t, time.Since(began), time.Minute-time.Second)
		require.Less(t, time.Since(began), time.Minute+5*time.Second)
	})
}

func TestLettersDoNotWaitForALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := sweepLeftLying(t, true)
		began := time.Now()
		d.deliver()
		require.Len(t, d.outbox.handed, 10)
		require.Less(t, time.Since(began), 5*time.Second, "a dry run changes nothing")
	})
}

func TestLettersThatAreClaimedDoNotTurnBackForASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, chunk := sweepLeftLying(t, false)
		require.NoError(t, d.sweeper.DoChunk(t.Context(), chunk))
		d.load(many(400, start)[20:]...)
		d.sweep()
		d.outbox.answer = func(lifecycle.Letter) error { time.Sleep(100 * time.Millisecond); return nil }
		var delivering sync.WaitGroup
		delivering.Go(func() { d.deliver() })
		time.Sleep(50 * time.Millisecond)
		_, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{})
		require.NoError(t, err)
		time.Sleep(30 * time.Second) // enough for all
		sent := d.letters()[lifecycle.NoticeSent]
		require.Positive(t, sent)
		require.Less(t, sent, 400)
		time.Sleep(time.Second)
		require.Equal(t, sent, d.letters()[lifecycle.NoticeSent])
		delivering.Wait()
		require.Equal(t, 400, d.letters()[lifecycle.NoticeSent])
	})
}
