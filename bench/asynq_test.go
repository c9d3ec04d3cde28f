package bench

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"
)

// asynqPerRecord is one asynq task and one transaction for each record: from the look for what is due, over a task for each, to the last
// commit. poll is how often asynq asks an empty queue; 0 is its default, a second.
func (h *house) asynqPerRecord(w world, concurrency int, poll time.Duration) time.Duration {
	h.t.Helper()
	h.emptyQueue()
	db := h.fresh(w)
	defer db.drop()
	c := h.clerk(db, concurrency)
	defer c.pool.Close()
	redis, err := asynq.ParseRedisURI(h.redis.URL())
	require.NoError(h.t, err)
	client := asynq.NewClient(redis)
	defer client.Close()

	var done atomic.Int64
	all := make(chan struct{})
	server := asynq.NewServer(redis, asynq.Config{Concurrency: concurrency, TaskCheckInterval: poll, Queues: map[string]int{"bench": 1}, LogLevel: asynq.FatalLevel})
	require.NoError(h.t, server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		key, err := strconv.ParseInt(string(task.Payload()), 10, 64)
		if err == nil {
			err = c.do(ctx, key, time.Now().UTC())
		}
		if err != nil {
			slog.Error("a task failed", "error", err)
			return err
		}
		if done.Add(1) == int64(w.Due) {
			close(all)
		}
		return nil
	})))
	defer server.Shutdown()

	began := time.Now()
	keys, err := c.due(context.Background(), began.UTC())
	require.NoError(h.t, err)
	for _, key := range keys {
		_, err := client.Enqueue(asynq.NewTask("end", []byte(strconv.FormatInt(key, 10))), asynq.Queue("bench"))
		require.NoError(h.t, err)
	}
	h.wait(all)
	took := time.Since(began)
	db.check()
	return took
}

// wait waits for somebody else to be done.
func (h *house) wait(done <-chan struct{}) {
	h.t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		require.FailNow(h.t, "it did not come to an end")
	}
}
