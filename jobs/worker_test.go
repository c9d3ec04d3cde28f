package jobs_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// realTime gives d the machine's clock for leases, as a queue that really runs needs it.
func (d *deployment) realTime() {
	wall := func() time.Time { return time.Now().UTC() }
	d.sweeper.Wall, d.courier.Wall = wall, wall
}

// employ starts workers on a queue, and ends them with the test. It rings them, too.
func (d *deployment) employ(client redis.UniversalClient, workers int) {
	d.realTime()
	d.sweeper.Bell = jobs.NewQueue(client, d.sweeper.Wall)
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	for range workers {
		w := &jobs.Worker{Sweeper: d.sweeper, Courier: d.courier, Concurrency: 2, Poll: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
		working.Go(func() { require.NoError(d.t, w.Run(ctx, client)) })
	}
	d.t.Cleanup(func() { stop(); working.Wait() })
}

// eventually waits for something that workers do.
func eventually(t *testing.T, what func() bool) {
	t.Helper()
	require.Eventually(t, what, 30*time.Second, 5*time.Millisecond)
}

// eachQueue runs a test on the queue inside this process and on a real Redis.
func eachQueue(t *testing.T, test func(t *testing.T, client redis.UniversalClient)) {
	t.Run("in-process", func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		client, err := jobs.InProcessRedis(ctx)
		require.NoError(t, err)
		t.Cleanup(stop)
		test(t, client)
	})
	t.Run("redis", func(t *testing.T) {
		client, err := jobs.ConnectRedis(testenv.Redis(t))
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		test(t, client)
	})
}

func TestRequestIsSweptByWorkersAndToldToPeople(t *testing.T) {
	eachQueue(t, func(t *testing.T, client redis.UniversalClient) {
		d := deploy(t)
		d.agents("agent@partner.example")
		d.load(many(200, start)...)
		d.employ(client, 3)
		sweep, opened, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedNew, opened)
		eventually(t, func() bool {
			over, err := d.db.Sweep(t.Context(), sweep.ID)
			return err == nil && over.State == lifecycle.SweepDone
		})
		require.Equal(t, 200, d.changes())
		eventually(t, func() bool { return d.letters()[lifecycle.NoticeSent] == 200 })
		require.Len(t, d.outbox.handed, 200)
	})
}

func TestRedisFlushedInMidSweepLosesAndDoublesNothing(t *testing.T) {
	d := deploy(t)
	d.agents("agent@partner.example")
	d.load(many(300, start)...)
	client, err := jobs.ConnectRedis(testenv.Redis(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	d.realTime()
	d.sweeper.Bell = jobs.NewQueue(client, d.sweeper.Wall)

	// The tasks are there, and nobody has taken one up. Then all is gone.
	sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
	require.NoError(t, err)
	require.NoError(t, d.sweeper.Cut(t.Context(), sweep.ID))
	require.NoError(t, client.FlushAll(t.Context()).Err())

	d.employ(client, 2)
	later := *d.sweeper
	later.Wall = func() time.Time { return time.Now().UTC().Add(10 * time.Second) } // the rings were long ago
	d.watchdog.Sweeper = &later
	require.NoError(t, d.watchdog.Look(t.Context()))
	eventually(t, func() bool { return d.letters()[lifecycle.NoticeSent] == 300 })
	require.Equal(t, 300, d.changes())
	require.Len(t, d.outbox.handed, 300)
}

func TestQueueSaysWhenRedisIsAway(t *testing.T) {
	server := testenv.StartRedis(t)
	client, err := jobs.ConnectRedis(server.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	queue := jobs.NewQueue(client, func() time.Time { return start })
	require.NoError(t, queue.RingCut(t.Context(), 1))
	require.NoError(t, queue.RingCut(t.Context(), 1), "ringing twice is no fault")
	server.Kill()
	require.Error(t, queue.RingCut(t.Context(), 2))
	server.Restart()
	eventually(t, func() bool { return queue.RingCut(t.Context(), 3) == nil })
}
