package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Worker takes tasks off the queue and does them.
type Worker struct {
	Sweeper     *Sweeper
	Courier     *Courier
	Concurrency int           // tasks at a time; 0: as many as there are processors
	Poll        time.Duration // how often an empty queue is asked; 0: 25 ms
	Log         *slog.Logger

	delivering sync.Mutex
}

// Run works until ctx ends, then lets running tasks finish: no task is broken off before shutdownTimeout.
func (w *Worker) Run(ctx context.Context, client redis.UniversalClient) error {
	poll := w.Poll
	if poll == 0 {
		poll = 25 * time.Millisecond
	}
	server := asynq.NewServerFromRedisClient(client, asynq.Config{
		Concurrency:       w.Concurrency,
		TaskCheckInterval: poll,
		ShutdownTimeout:   shutdownTimeout,
		Queues:            map[string]int{queueSweeps: 3, queueNotices: 1},
		Logger:            asynqLog{w.Log},
		LogLevel:          asynq.WarnLevel,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc(taskCut, w.cut)
	mux.HandleFunc(taskChunk, w.chunk)
	mux.HandleFunc(taskDeliver, w.deliver)
	if err := server.Start(mux); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	<-ctx.Done()
	w.Log.Info("worker is draining", "timeout", shutdownTimeout)
	server.Shutdown()
	return nil
}

func (w *Worker) cut(ctx context.Context, task *asynq.Task) error {
	var t cutTask
	if err := json.Unmarshal(task.Payload(), &t); err != nil {
		return w.unreadable(task, err)
	}
	return w.done(task, w.Sweeper.Cut(ctx, t.Sweep))
}

// done tells asynq that a task went well, whatever became of it. Trying again is the watchdog's: a task that asynq keeps for
// later, or for good, would keep its id too, and the watchdog could not ring.
func (w *Worker) done(task *asynq.Task, err error) error {
	if err != nil {
		w.Log.Warn("a task failed; the watchdog will ring again", "type", task.Type(), "payload", string(task.Payload()), "error", err)
	}
	return nil
}

func (w *Worker) chunk(ctx context.Context, task *asynq.Task) error {
	var ref lifecycle.ChunkRef
	if err := json.Unmarshal(task.Payload(), &ref); err != nil {
		return w.unreadable(task, err)
	}
	return w.done(task, w.Sweeper.DoChunk(ctx, ref))
}

// deliver sends what waits. One task at a time does so in each process, lest a flood of notices keep workers from sweeping.
func (w *Worker) deliver(ctx context.Context, task *asynq.Task) error {
	if !w.delivering.TryLock() {
		return nil
	}
	defer w.delivering.Unlock()

	// A task's time is limited: stop well before it is over, and ring for the rest.
	rest, err := w.Courier.DeliverFor(ctx, taskTimeout/3)
	if err == nil && rest {
		err = w.Sweeper.Bell.RingDelivery(ctx)
	}
	return w.done(task, err)
}

// unreadable drops a task of another version of tenure: trying again would not mend it, and the watchdog rings anew.
func (w *Worker) unreadable(task *asynq.Task, err error) error {
	w.Log.Error("cannot read a task; dropping it", "type", task.Type(), "error", err)
	return nil
}

// asynqLog lets asynq write to our log. Fatal may not end the process there.
type asynqLog struct{ log *slog.Logger }

// Debug satisfies [asynq.Logger], as do the others.
func (l asynqLog) Debug(args ...any) { l.write(slog.LevelDebug, args) }

// Info is for what goes well.
func (l asynqLog) Info(args ...any) { l.write(slog.LevelInfo, args) }

// Warn is for what asynq tries again.
func (l asynqLog) Warn(args ...any) { l.write(slog.LevelWarn, args) }

// Error is for what it gives up.
func (l asynqLog) Error(args ...any) { l.write(slog.LevelError, args) }

// Fatal is for what it would end the process for.
func (l asynqLog) Fatal(args ...any) { l.write(slog.LevelError, args) }

func (l asynqLog) write(level slog.Level, args []any) {
	l.log.Log(context.Background(), level, fmt.Sprint(args...), "from", "asynq")
}
