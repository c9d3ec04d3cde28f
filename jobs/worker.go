package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Worker takes tasks off the queue and does them.
type Worker struct {
	Sweeper     *Sweeper
	Courier     *Courier
	Concurrency int           // chunks that are written at a time; 0: as many as there are processors
	Poll        time.Duration // how often an empty queue is asked; 0: 25 ms
	Log         *slog.Logger

	delivery delivery
	sweeper  *Sweeper // with the pens of this worker
	writing  sync.WaitGroup
}

// Run works until ctx ends, then lets running tasks finish: no task is broken off before shutdownTimeout, and no letter that is
// on its way before grace.
func (w *Worker) Run(ctx context.Context, client redis.UniversalClient) error {
	poll := w.Poll
	if poll == 0 {
		poll = 25 * time.Millisecond
	}
	concurrency := w.Concurrency
	if concurrency == 0 {
		concurrency = runtime.GOMAXPROCS(0)
	}
	sweeper := *w.Sweeper
	sweeper.Pens = NewPens(concurrency)
	w.sweeper = &sweeper
	server := asynq.NewServerFromRedisClient(client, asynq.Config{
		Concurrency:       concurrency,
		TaskCheckInterval: poll,
		ShutdownTimeout:   shutdownTimeout,
		Queues:            map[string]int{queueAgain: 12, queueSweeps: 3, queueNotices: 1},
		Logger:            newAsynqLog(w.Log),
		LogLevel:          asynq.WarnLevel,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc(taskCut, w.cut)
	mux.HandleFunc(taskChunk, w.chunk)
	mux.HandleFunc(taskDeliver, func(context.Context, *asynq.Task) error {
		w.delivery.start(ctx, w.Courier, w.Log) // longer than any task may take, and beside the sweeps, not in their place
		return nil
	})
	if err := server.Start(mux); err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	<-ctx.Done()
	w.Log.Info("worker is draining", "timeout", shutdownTimeout)
	server.Shutdown()
	w.writing.Wait()
	w.delivery.wait()
	return nil
}

func (w *Worker) cut(ctx context.Context, task *asynq.Task) error {
	var t cutTask
	if err := json.Unmarshal(task.Payload(), &t); err != nil {
		return w.unreadable(task, err)
	}
	ctx = heard(ctx, task.Headers())
	return w.done(ctx, task, w.sweeper.Cut(ctx, t.Sweep))
}

// done tells asynq that a task went well, whatever became of it. Trying again is the watchdog's: a task that asynq keeps for
// later, or for good, would keep its id too, and the watchdog could not ring.
func (w *Worker) done(ctx context.Context, task *asynq.Task, err error) error {
	if err != nil {
		w.Log.WarnContext(ctx, "a task failed; the watchdog will ring again", "type", task.Type(), "payload", string(task.Payload()), "error", err)
	}
	return nil
}

// chunk comes back when the chunk is being written, so that the worker takes the next one up meanwhile; and not before, since until then
// others can do so sooner. asynq need not know how it ends: the chunk's row does.
func (w *Worker) chunk(ctx context.Context, task *asynq.Task) error {
	var ref lifecycle.ChunkRef
	if err := json.Unmarshal(task.Payload(), &ref); err != nil {
		return w.unreadable(task, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(heard(ctx, task.Headers())), taskTimeout)
	writing, over := make(chan struct{}), make(chan struct{})
	w.writing.Go(func() {
		defer cancel()
		defer close(over)
		defer func() {
			if x := recover(); x != nil { // as asynq does for what it waits for
				w.Log.ErrorContext(ctx, "working on a chunk panicked; the watchdog will ring again", "chunk", ref, "panic", x, "stack", string(debug.Stack()))
			}
		}()
		_ = w.done(ctx, task, w.sweeper.doChunk(ctx, ref, func() { close(writing) }))
	})
	select {
	case <-writing:
	case <-over:
	}
	return nil
}

// unreadable drops a task of another version of tenure: trying again would not mend it, and the watchdog rings anew.
func (w *Worker) unreadable(task *asynq.Task, err error) error {
	w.Log.Error("cannot read a task; dropping it", "type", task.Type(), "error", err)
	return nil
}

// asynqLog lets asynq write to our log. Fatal may not end the process there. While Redis is away asynq has something to complain
// of each second; of that the log gets some lines, since nothing is lost, and the watchdog says the same once.
type asynqLog struct {
	log   *slog.Logger
	heard *rate.Sometimes
}

func newAsynqLog(log *slog.Logger) asynqLog {
	return asynqLog{log, &rate.Sometimes{First: 3, Interval: time.Minute}}
}

// Debug satisfies [asynq.Logger], as do the others.
func (l asynqLog) Debug(args ...any) { l.write(slog.LevelDebug, args) }

// Info is for what goes well.
func (l asynqLog) Info(args ...any) { l.write(slog.LevelInfo, args) }

// Warn is for what asynq tries again.
func (l asynqLog) Warn(args ...any) { l.write(slog.LevelWarn, args) }

// Error is what it tries again all the same, while Redis is away.
func (l asynqLog) Error(args ...any) { l.write(slog.LevelWarn, args) }

// Fatal is for what it would end the process for.
func (l asynqLog) Fatal(args ...any) { l.write(slog.LevelError, args) }

func (l asynqLog) write(level slog.Level, args []any) {
	as := level
	if level == slog.LevelWarn {
		as = slog.LevelDebug
		l.heard.Do(func() { as = level })
	}
	l.log.Log(context.Background(), as, fmt.Sprint(args...), "from", "asynq")
}
