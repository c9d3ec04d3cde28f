package jobs_test

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

const (
	again   = "tenure-again"
	sweeps  = "tenure-sweeps"
	notices = "tenure-notices"
)

// report asks what the queues hold, by their names.
func report(t *testing.T, i *jobs.Inspector) map[string]lifecycle.Queue {
	t.Helper()
	all, err := i.Queues(t.Context())
	require.NoError(t, err)
	named := map[string]lifecycle.Queue{}
	for _, q := range all.Queues {
		named[q.Name] = q
	}
	require.Len(t, named, 3)
	return named
}

func TestQueuesShowTheirTasks(t *testing.T) {
	eachQueue(t, func(t *testing.T, client redis.UniversalClient) {
		i := jobs.NewInspector(client)
		require.True(t, report(t, i)[sweeps].Unused)
		none, err := i.Tasks(t.Context(), sweeps, lifecycle.TaskPending, 1, 10)
		require.NoError(t, err)
		require.Empty(t, none)

		queue := jobs.NewQueue(client, func() time.Time { return start })
		require.NoError(t, queue.RingCut(t.Context(), 17))
		require.NoError(t, queue.RingChunks(t.Context(), []lifecycle.ChunkRef{{Sweep: 17, N: 3, Claim: 1}, {Sweep: 17, N: 4}}))
		require.NoError(t, queue.RingDelivery(t.Context()))
		shown := report(t, i)
		require.EqualValues(t, 3, shown[sweeps].Tasks[lifecycle.TaskPending])
		require.EqualValues(t, 1, shown[notices].Tasks[lifecycle.TaskPending])
		require.True(t, shown[again].Unused)

		first, err := i.Tasks(t.Context(), sweeps, lifecycle.TaskPending, 1, 2)
		require.NoError(t, err)
		second, err := i.Tasks(t.Context(), sweeps, lifecycle.TaskPending, 2, 2)
		require.NoError(t, err)
		var found []lifecycle.Task
		for _, task := range append(first, second...) {
			require.NotEmpty(t, task.ID)
			found = append(found, lifecycle.Task{What: task.What, Sweep: task.Sweep, Chunk: task.Chunk})
		}
		require.ElementsMatch(t, []lifecycle.Task{{What: lifecycle.TaskCut, Sweep: 17}, {What: lifecycle.TaskChunk, Sweep: 17, Chunk: 3}, {What: lifecycle.TaskChunk, Sweep: 17, Chunk: 4}}, found)
		delivery, err := i.Tasks(t.Context(), notices, lifecycle.TaskPending, 1, 10)
		require.NoError(t, err)
		require.Equal(t, lifecycle.TaskDeliver, delivery[0].What)

		_, err = i.Tasks(t.Context(), "somebody-else's", lifecycle.TaskPending, 1, 10)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		_, err = i.Tasks(t.Context(), sweeps, "lost", 1, 10)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
	})
}

func TestDrainedQueueLosesNothing(t *testing.T) {
	eachQueue(t, func(t *testing.T, client redis.UniversalClient) {
		d := deploy(t)
		d.load(many(50, start)...)
		d.realTime()
		d.sweeper.Bell = jobs.NewQueue(client, d.sweeper.Wall)
		sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
		require.NoError(t, err)
		require.NoError(t, d.sweeper.Cut(t.Context(), sweep.ID))

		i := jobs.NewInspector(client)
		n, err := i.Order(t.Context(), sweeps, lifecycle.QueueDrain)
		require.NoError(t, err)
		require.Equal(t, 6, n, "one to cut it, one for each chunk")
		require.Zero(t, report(t, i)[sweeps].Tasks[lifecycle.TaskPending])

		d.employ(client, 1)
		later := *d.sweeper
		later.Wall = func() time.Time { return time.Now().UTC().Add(10 * time.Second) } // the rings were long ago
		d.watchdog.Sweeper = &later
		require.NoError(t, d.watchdog.Look(t.Context()))
		eventually(t, func() bool { return d.changes() == 50 })
		eventually(t, func() bool {
			all, err := i.Queues(t.Context())
			return err == nil && len(all.Workers) == 1 && all.Workers[0].Concurrency == 2
		})
	})
}

func TestPausedQueueIsLeftAloneUntilItIsResumed(t *testing.T) {
	eachQueue(t, func(t *testing.T, client redis.UniversalClient) {
		d := deploy(t)
		d.load(many(5, start)...)
		i := jobs.NewInspector(client)
		_, err := i.Order(t.Context(), sweeps, lifecycle.QueuePause)
		require.ErrorIs(t, err, lifecycle.ErrNotFound, "nothing has gone through it yet")
		require.NoError(t, jobs.NewQueue(client, time.Now).RingCut(t.Context(), 99))
		for range 2 {
			_, err = i.Order(t.Context(), sweeps, lifecycle.QueuePause)
			require.NoError(t, err)
			require.True(t, report(t, i)[sweeps].Paused)
		}
		d.employ(client, 1)
		sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
		require.NoError(t, err)
		require.NoError(t, d.sweeper.Bell.RingDelivery(t.Context()))
		eventually(t, func() bool { return report(t, i)[notices].Processed == 1 })
		require.EqualValues(t, 2, report(t, i)[sweeps].Tasks[lifecycle.TaskPending], "the worker takes what is not paused, and nothing else")
		for range 2 {
			_, err = i.Order(t.Context(), sweeps, lifecycle.QueueResume)
			require.NoError(t, err)
		}
		eventually(t, func() bool {
			over, err := d.db.Sweep(t.Context(), sweep.ID)
			return err == nil && over.State == lifecycle.SweepDone
		})
	})
}

// TestLineInWhichNobodyIsServedDoesNotGrow rings for minutes, as a watchdog does, while the queues are paused, and for longer while they are not and
// nobody works.
func TestLineInWhichNobodyIsServedDoesNotGrow(t *testing.T) {
	eachQueue(t, func(t *testing.T, client redis.UniversalClient) {
		wall := start
		queue, i := jobs.NewQueue(client, func() time.Time { return wall }), jobs.NewInspector(client)
		idle := []lifecycle.ChunkRef{{Sweep: 17, N: 1}, {Sweep: 17, N: 2}}
		ring := func(seconds int) {
			for range seconds {
				wall = wall.Add(time.Second)
				require.NoError(t, queue.RingCut(t.Context(), 17))
				require.NoError(t, queue.RingAgain(t.Context(), idle))
				require.NoError(t, queue.RingDelivery(t.Context()))
			}
		}
		pending := func(name string) int64 { return report(t, i)[name].Tasks[lifecycle.TaskPending] }
		ring(1)
		for _, name := range []string{again, sweeps, notices} {
			_, err := i.Order(t.Context(), name, lifecycle.QueuePause)
			require.NoError(t, err)
		}
		ring(300)
		require.EqualValues(t, 2, pending(sweeps), "one from before, and one")
		require.EqualValues(t, 4, pending(again), "two chunks, once before and once")
		require.EqualValues(t, 2, pending(notices))
		for _, name := range []string{again, sweeps, notices} {
			_, err := i.Order(t.Context(), name, lifecycle.QueueResume)
			require.NoError(t, err)
		}
		ring(1)
		require.EqualValues(t, 3, pending(notices), "who serves it again hears of it again")
		ring(1200)
		for _, name := range []string{again, sweeps, notices} {
			require.LessOrEqual(t, pending(name), int64(1003), name)
		}
	})
}

func TestArchivedTasksAreRunOrCleared(t *testing.T) {
	eachQueue(t, func(t *testing.T, client redis.UniversalClient) {
		i, queue := jobs.NewInspector(client), jobs.NewQueue(client, func() time.Time { return start })
		archive := func() {
			_, err := asynq.NewInspectorFromRedisClient(client).ArchiveAllPendingTasks(sweeps)
			require.NoError(t, err)
			require.EqualValues(t, 1, report(t, i)[sweeps].Tasks[lifecycle.TaskArchived])
		}
		require.NoError(t, queue.RingCut(t.Context(), 1))
		archive()
		n, err := i.Order(t.Context(), sweeps, lifecycle.QueueRun)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.EqualValues(t, 1, report(t, i)[sweeps].Tasks[lifecycle.TaskPending])
		archive()
		n, err = i.Order(t.Context(), sweeps, lifecycle.QueueClear)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Zero(t, report(t, i)[sweeps].Tasks[lifecycle.TaskArchived])
		_, err = i.Order(t.Context(), sweeps, "burn")
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
	})
}

func TestInspectorSaysWhenRedisIsAway(t *testing.T) {
	server := testenv.StartRedis(t)
	client, err := jobs.ConnectRedis(server.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	i := jobs.NewInspector(client)
	all, err := i.Queues(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, all.Server.Version)
	require.Positive(t, all.Server.Memory)
	server.Kill()
	_, err = i.Queues(t.Context())
	require.ErrorIs(t, err, lifecycle.ErrQueueAway)
	_, err = i.Tasks(t.Context(), sweeps, lifecycle.TaskPending, 1, 10)
	require.ErrorIs(t, err, lifecycle.ErrQueueAway)
	_, err = i.Order(t.Context(), sweeps, lifecycle.QueuePause)
	require.ErrorIs(t, err, lifecycle.ErrQueueAway)
}
