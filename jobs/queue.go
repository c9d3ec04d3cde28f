package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/lifecycle"
)

// The tasks. Each says only where to look; what to do stands in the database.
const (
	taskPrefix = "tenure:"

	taskCut     = taskPrefix + string(lifecycle.TaskCut)
	taskChunk   = taskPrefix + string(lifecycle.TaskChunk)
	taskDeliver = taskPrefix + string(lifecycle.TaskDeliver)
)

// The queues. Chunks come before notices: what is not recorded cannot be told. What somebody died over comes before what nobody has begun:
// at the end of the line it would wait for a whole sweep.
const (
	queueAgain   = "tenure-again"
	queueSweeps  = "tenure-sweeps"
	queueNotices = "tenure-notices"
)

const (
	// taskTimeout ends a handler that hangs. It is shorter than shutdownTimeout, so that no task runs twice at a shutdown.
	taskTimeout     = 20 * time.Second
	shutdownTimeout = 25 * time.Second

	// ringTimeout is how long anybody waits for the bell.
	ringTimeout = 3 * time.Second
)

// A Queue rings workers through asynq.
//
// Nothing depends on what asynq remembers. A task's id holds what it is about and a slice of time, so that ringing often does
// not pile tasks up, and a task that asynq has kept or archived cannot block a later one for long. Its headers carry the span of whoever
// rings, so that what the worker does is seen as part of it.
type Queue struct {
	client *asynq.Client
	redis  redis.UniversalClient
	wall   func() time.Time
}

// mostWaiting is how many tasks may wait in a queue before each thing is rung for there once only: workers have not heard the others yet.
const mostWaiting = 1000

// NewQueue makes a queue over a connection, which stays the caller's to close.
func NewQueue(client redis.UniversalClient, wall func() time.Time) *Queue {
	return &Queue{client: asynq.NewClientFromRedisClient(client), redis: client, wall: wall}
}

// RingCut asks a worker to cut a sweep into chunks.
func (q *Queue) RingCut(ctx context.Context, sweep int64) error {
	during, err := q.during(ctx, queueSweeps, 3*watchEvery)
	if err != nil {
		return err
	}
	return q.ring(ctx, taskCut, queueSweeps, fmt.Sprintf("cut-%d-%s", sweep, during), cutTask{sweep})
}

// RingChunks asks workers to take chunks up.
func (q *Queue) RingChunks(ctx context.Context, chunks []lifecycle.ChunkRef) error {
	return q.ringChunks(ctx, queueSweeps, q.slice(watchEvery), chunks)
}

// RingAgain asks workers to take chunks up before all others.
func (q *Queue) RingAgain(ctx context.Context, chunks []lifecycle.ChunkRef) error {
	during, err := q.during(ctx, queueAgain, watchEvery)
	if err != nil {
		return err
	}
	return q.ringChunks(ctx, queueAgain, during, chunks)
}

func (q *Queue) ringChunks(ctx context.Context, queue, during string, chunks []lifecycle.ChunkRef) error {
	for _, c := range chunks {
		// A worker that dies takes tasks with it, whose ids are taken until asynq notices: so the watchdog rings by another.
		if err := q.ring(ctx, taskChunk, queue, "chunk-"+c.String()+"-"+during, c); err != nil {
			return err
		}
	}
	return nil
}

// RingDelivery asks a worker to send what waits to be sent.
func (q *Queue) RingDelivery(ctx context.Context) error {
	during, err := q.during(ctx, queueNotices, watchEvery)
	if err != nil {
		return err
	}
	return q.ring(ctx, taskDeliver, queueNotices, "deliver-"+during, nil)
}

type cutTask struct {
	Sweep int64 `json:"sweep"`
}

// slice is the time now, in slices of so long.
func (q *Queue) slice(length time.Duration) string {
	return strconv.FormatInt(q.wall().UnixNano()/int64(length), 10)
}

// during is what makes ringing anew another task: the slice of time. Where a queue is paused, or nobody serves it, it is always the
// same, or else what rings each second would lengthen the line for as long as that goes on.
func (q *Queue) during(ctx context.Context, queue string, length time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	// asynq's inspector answers that too, but looks at the size of tasks to do so. A test holds that these are its keys.
	prefix := "asynq:{" + queue + "}:"
	asked := q.redis.Pipeline()
	paused, waiting := asked.Exists(ctx, prefix+"paused"), asked.LLen(ctx, prefix+"pending")
	if _, err := asked.Exec(ctx); err != nil {
		return "", fmt.Errorf("looking at the queue %s: %w", queue, err)
	}
	if paused.Val() > 0 || waiting.Val() >= mostWaiting {
		return "waits", nil
	}
	return q.slice(length), nil
}

// ring enqueues a task, unless there is one of this id.
func (q *Queue) ring(ctx context.Context, kind, queue, id string, payload any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("writing the task %s: %w", id, err)
	}
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	_, err = q.client.EnqueueContext(ctx, asynq.NewTaskWithHeaders(kind, body, headers(ctx)),
		asynq.TaskID(id), asynq.Queue(queue), asynq.Timeout(taskTimeout),
		asynq.MaxRetry(3), // of the bell, not of the work: with 0 a crash would archive the task for good
	)
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("ringing %s: %w", id, err)
	}
	return nil
}
