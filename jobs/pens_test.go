package jobs_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

// A slow store lets nobody through who writes a chunk before it is told to.
type slow struct {
	jobs.Store
	goOn     chan struct{}
	read     atomic.Int32 // chunks
	prepared atomic.Int32 // chunks
	writing  atomic.Int32 // at this moment
}

func newSlow(store jobs.Store) *slow { return &slow{Store: store, goOn: make(chan struct{})} }

func (s *slow) DueRecords(ctx context.Context, c lifecycle.Chunk, rules []lifecycle.RuleName, asOf time.Time) ([]lifecycle.Stored, []lifecycle.Failure, error) {
	defer s.read.Add(1)
	return s.Store.DueRecords(ctx, c, rules, asOf)
}

func (s *slow) PrepareChunk(ctx context.Context, ref lifecycle.ChunkRef, decided []lifecycle.Decided) lifecycle.WriteChunk {
	write := s.Store.PrepareChunk(ctx, ref, decided)
	s.prepared.Add(1)
	return func(ctx context.Context, tally lifecycle.Tally, failures []lifecycle.Failure, at time.Time) (lifecycle.Tally, error) {
		s.writing.Add(1)
		defer s.writing.Add(-1)
		<-s.goOn
		return write(ctx, tally, failures, at)
	}
}

// twoSlowChunks is a deployment in which a sweep of two chunks is cut, by the machine's clock.
func twoSlowChunks(t *testing.T) (*deployment, *slow) {
	d := deploy(t)
	d.realTime()
	d.load(many(20, start)...)
	sweep, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{})
	require.NoError(t, err)
	d.cut(sweep.ID)
	require.Len(t, d.bell.chunks, 2)
	store := newSlow(d.db)
	d.sweeper.Store = store
	return d, store
}

func TestNextChunkIsDecidedOnWhileOneIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, store := twoSlowChunks(t)
		d.sweeper.Pens, d.sweeper.Parallel = jobs.NewPens(1), 2
		var working sync.WaitGroup
		working.Go(func() { require.NoError(t, d.sweeper.DoChunks(t.Context(), d.bell.chunks)) })
		synctest.Wait()
		require.EqualValues(t, 2, store.read.Load())
		require.EqualValues(t, 2, store.prepared.Load())
		require.EqualValues(t, 1, store.writing.Load(), "with one pen")
		close(store.goOn)
		working.Wait()
		require.Equal(t, 20, d.changes())
	})
}

func TestWhoHasWaitedLongForAPenGoesOnWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, store := twoSlowChunks(t)
		d.sweeper.Pens, d.sweeper.Parallel = jobs.NewPens(1), 2
		var working sync.WaitGroup
		working.Go(func() { require.NoError(t, d.sweeper.DoChunks(t.Context(), d.bell.chunks)) })
		time.Sleep(10 * time.Second)
		require.EqualValues(t, 2, store.writing.Load(), "the time of a task does not stand still while it waits")
		close(store.goOn)
		working.Wait()
		require.Equal(t, 20, d.changes())
	})
}

// begin has a worker write one chunk at a time, and rings for two. end tells it to stop; ended is closed when it has.
func (d *deployment) begin() (end func(), ended <-chan struct{}) {
	ctx, endQueue := context.WithCancel(context.Background())
	client, err := jobs.InProcessRedis(ctx)
	require.NoError(d.t, err)
	w := &jobs.Worker{Sweeper: d.sweeper, Courier: d.courier, Concurrency: 1, Poll: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	working, end := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer endQueue()
		require.NoError(d.t, w.Run(working, client))
	}()
	require.NoError(d.t, jobs.NewQueue(client, d.sweeper.Wall).RingChunks(ctx, d.bell.chunks))
	return end, over
}

func TestWorkerReadsAhead(t *testing.T) {
	d, store := twoSlowChunks(t)
	end, ended := d.begin()
	defer func() { end(); <-ended }()
	eventually(t, func() bool { return store.read.Load() == 2 && store.writing.Load() == 1 })
	close(store.goOn)
	eventually(t, func() bool { return d.changes() == 20 })
}

func TestWorkerThatEndsWaitsForWhatIsBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, store := twoSlowChunks(t)
		d.sweeper.Wall = func() time.Time { return time.Now().UTC() }
		end, ended := d.begin()
		time.Sleep(time.Second)
		require.EqualValues(t, 1, store.writing.Load())
		end()
		time.Sleep(10 * time.Second) // what waits for a pen goes on without, so that both are being written
		select {
		case <-ended:
			t.Fatal("it has left a chunk behind")
		default:
		}
		close(store.goOn)
		<-ended
		require.Equal(t, 20, d.changes())
	})
}

// A frail store panics the first time that a chunk is to be written.
type frail struct {
	jobs.Store
	panicked atomic.Bool
}

func (s *frail) PrepareChunk(ctx context.Context, ref lifecycle.ChunkRef, decided []lifecycle.Decided) lifecycle.WriteChunk {
	write := s.Store.PrepareChunk(ctx, ref, decided)
	return func(ctx context.Context, tally lifecycle.Tally, failures []lifecycle.Failure, at time.Time) (lifecycle.Tally, error) {
		if s.panicked.CompareAndSwap(false, true) {
			panic("a fault of ours")
		}
		return write(ctx, tally, failures, at)
	}
}

func TestWorkerOutlivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := twoSlowChunks(t)
		d.sweeper.Store = &frail{Store: d.db}
		end, ended := d.begin()
		time.Sleep(time.Second) // less than it would wait for a pen that is lost
		require.Equal(t, 10, d.changes(), "the other chunk")
		end()
		<-ended
	})
}
