package console_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

// jobsQueue rings as schedulers do. Nobody works in this world.
func jobsQueue(w *world) *jobs.Queue { return jobs.NewQueue(w.queue, w.wall) }

func TestQueueSaysInWordsWhatWaits(t *testing.T) {
	w := newWorld(t)
	empty := wordsOf(w.get(w.anyone, "/console/queue"))
	require.Contains(t, empty, "tenure-sweeps Sweeps and their chunks Not used yet")
	require.Contains(t, empty, "No worker is alive.")
	for n := range 60 {
		require.NoError(t, jobsQueue(w).RingChunks(t.Context(), []lifecycle.ChunkRef{{Sweep: 17, N: n + 1}}))
	}
	require.NoError(t, jobsQueue(w).RingDelivery(t.Context()))

	all := wordsOf(w.get(w.anyone, "/console/queue"))
	require.Contains(t, all, "tenure-sweeps Sweeps and their chunks In use 60 0 0 0 0")
	page := w.get(w.anyone, "/console/queue/tenure-sweeps")
	require.Contains(t, page.body, `<a href="/console/sweeps/17">Chunk 3 of sweep 17</a>`)
	require.Contains(t, page.body, `?page=2&amp;state=pending" rel="next"`)
	second := wordsOf(w.get(w.anyone, "/console/queue/tenure-sweeps?state=pending&page=2"))
	require.Contains(t, second, "Chunk ")
	require.Contains(t, second, "First page")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/queue/tenure-sweeps?state=archived")), "There are none.")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/queue/tenure-notices")), "Send what waits to be sent")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/queue/tenure-notices", "Accept-Language", "ja")), "送信待ちの通知の送信")
	require.Equal(t, http.StatusNotFound, w.get(w.anyone, "/console/queue/somebody-else's").status)
	require.Contains(t, wordsOf(page), "Done in the last 30 days, by day")
	require.Contains(t, wordsOf(page), w.wall().Format("Mon 2 Jan 2006")+": 0")
}

func TestQueueIsPausedDrainedAndRun(t *testing.T) {
	w := newWorld(t)
	for n := range 3 {
		require.NoError(t, jobsQueue(w).RingChunks(t.Context(), []lifecycle.ChunkRef{{Sweep: 17, N: n + 1}}))
	}
	const path = "/console/queue/tenure-sweeps"
	tasks := func(state lifecycle.TaskState) int64 {
		report, err := w.queues.Queues(t.Context())
		require.NoError(t, err)
		return report.Queues[1].Tasks[state]
	}
	require.Contains(t, wordsOf(w.get(w.anyone, path+"/pause")), "That is no hold")
	require.NotContains(t, w.get(w.anyone, path).body, path+"/run", "there is nothing to be run")
	w.post(w.anyone, path+"/pause", "reason", "Redis is being moved")
	paused := w.get(w.anyone, path)
	require.Contains(t, wordsOf(paused), "tenure-sweeps is paused.")
	require.NotContains(t, paused.body, path+"/pause")
	w.post(w.anyone, path+"/resume", "reason", "it is moved")

	_, err := asynq.NewInspectorFromRedisClient(w.queue).ArchiveAllPendingTasks("tenure-sweeps")
	require.NoError(t, err)
	w.post(w.anyone, path+"/run", "reason", "try again")
	require.Contains(t, wordsOf(w.get(w.anyone, path)), "3 tasks of tenure-sweeps begin now.")
	require.EqualValues(t, 3, tasks(lifecycle.TaskPending))
	require.Contains(t, wordsOf(w.get(w.anyone, path+"/drain")), "Nothing is lost: the database remembers")
	refused := w.post(w.anyone, path+"/drain", "reason", "")
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.EqualValues(t, 3, tasks(lifecycle.TaskPending))
	w.post(w.anyone, path+"/drain", "reason", "too many")
	require.Contains(t, wordsOf(w.get(w.anyone, path)), "3 tasks dropped from tenure-sweeps.")
	require.Zero(t, tasks(lifecycle.TaskPending))
	deeds := wordsOf(w.get(w.anyone, "/console/activity/operators"))
	for _, said := range []string{"Paused a queue /v1/queues/tenure-sweeps/pause done local", "Redis is being moved", "it is moved", "try again", "too many"} {
		require.Contains(t, deeds, said)
	}
}

func TestQueueSaysThatRedisIsAway(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, jobsQueue(w).RingCut(t.Context(), 1))
	require.NoError(t, w.queue.Close())
	w.advance(time.Minute) // what was seen a moment ago is looked at anew
	page := w.get(w.anyone, "/console/queue")
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, wordsOf(page), "more slowly, never stopped")
	require.Contains(t, wordsOf(page), "client is closed", "what went wrong")
	for _, path := range []string{"/console/queue/tenure-sweeps", "/console/queue/tenure-sweeps/drain"} {
		p := w.get(w.anyone, path)
		require.Equal(t, http.StatusServiceUnavailable, p.status)
		require.Contains(t, wordsOf(p), "Redis is away")
	}
}
