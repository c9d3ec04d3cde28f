package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	wall   func() time.Time
}

// NewQueue makes a queue over a connection, which stays the caller's to close.
func NewQueue(client redis.UniversalClient, wall func() time.Time) *Queue {
	return &Queue{client: asynq.NewClientFromRedisClient(client), wall: wall}
}

// RingCut asks a worker to cut a sweep into chunks.
func (q *Queue) RingCut(ctx context.Context, sweep int64) error {
	return q.ring(ctx, taskCut, queueSweeps, fmt.Sprintf("cut-%d", sweep), 3*watchEvery, cutTask{sweep})
}

// RingChunks asks workers to take chunks up.
func (q *Queue) RingChunks(ctx context.Context, chunks []lifecycle.ChunkRef) error {
	return q.ringChunks(ctx, queueSweeps, chunks)
}

// RingAgain asks workers to take chunks up before all others.
func (q *Queue) RingAgain(ctx context.Context, chunks []lifecycle.ChunkRef) error {
	return q.ringChunks(ctx, queueAgain, chunks)
}

func (q *Queue) ringChunks(ctx context.Context, queue string, chunks []lifecycle.ChunkRef) error {
	for _, c := range chunks {
		// A worker that dies takes tasks with it, whose ids are taken until asynq notices: so the watchdog rings by another.
		if err := q.ring(ctx, taskChunk, queue, "chunk-"+c.String(), watchEvery, c); err != nil {
			return err
		}
	}
	return nil
}

// RingDelivery asks a worker to send what waits to be sent.
func (q *Queue) RingDelivery(ctx context.Context) error {
	return q.ring(ctx, taskDeliver, queueNotices, "deliver", time.Second, nil)
}

type cutTask struct {
	Sweep int64 `json:"sweep"`
}

// ring enqueues a task, at most once per slice of time.
func (q *Queue) ring(ctx context.Context, kind, queue, id string, slice time.Duration, payload any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("writing the task %s: %w", id, err)
	}
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	id = fmt.Sprintf("%s-%d", id, q.wall().UnixNano()/int64(slice))
	_, err = q.client.EnqueueContext(ctx, asynq.NewTaskWithHeaders(kind, body, headers(ctx)),
		asynq.TaskID(id), asynq.Queue(queue), asynq.Timeout(taskTimeout),
		asynq.MaxRetry(3), // of the bell, not of the work: with 0 a crash would archive the task for good
	)
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("ringing %s: %w", id, err)
	}
	return nil
}
