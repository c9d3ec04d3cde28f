package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/lifecycle"
)

// inspectTimeout is how long a Redis that is away keeps anybody who wants to look.
const inspectTimeout = 2 * time.Second

// An Inspector shows what the queues hold, and carries out what operators order. Its errors are [lifecycle.ErrNotFound], where there is
// no such queue, or [lifecycle.ErrQueueAway].
type Inspector struct {
	client redis.UniversalClient
	asynq  *asynq.Inspector
}

// NewInspector makes one over a connection, which stays the caller's to close.
func NewInspector(client redis.UniversalClient) *Inspector {
	return &Inspector{client, asynq.NewInspectorFromRedisClient(client)}
}

// queues are those that there are, in the order in which workers like them best.
var queues = []string{queueAgain, queueSweeps, queueNotices}

// Queues reports on all queues, and on the workers that serve any of them.
func (i *Inspector) Queues(ctx context.Context) (report lifecycle.QueueReport, err error) {
	used, err := i.used(ctx)
	if err != nil {
		return report, err
	}
	for _, name := range queues {
		queue := lifecycle.Queue{Name: name, Unused: true}
		if slices.Contains(used, name) {
			if queue, err = i.queue(name); err != nil {
				return report, err
			}
		}
		report.Queues = append(report.Queues, queue)
	}
	if report.Workers, err = i.workers(); err != nil {
		return report, err
	}
	report.Server = i.server(ctx)
	return report, nil
}

// used lists the queues through which a task has gone. It is asked first, under a deadline: asynq's own questions have none.
func (i *Inspector) used(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	if err := i.client.Ping(ctx).Err(); err != nil {
		return nil, away(err)
	}
	used, err := i.asynq.Queues()
	return used, away(err)
}

func away(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", lifecycle.ErrQueueAway, err)
}

func (i *Inspector) queue(name string) (lifecycle.Queue, error) {
	held, err := i.asynq.GetQueueInfo(name)
	if err != nil {
		return lifecycle.Queue{}, away(err)
	}
	return lifecycle.Queue{Name: name, Paused: held.Paused, Waits: held.Latency, Processed: int64(held.Processed), Failed: int64(held.Failed),
		Tasks: map[lifecycle.TaskState]int64{lifecycle.TaskPending: int64(held.Pending), lifecycle.TaskActive: int64(held.Active),
			lifecycle.TaskScheduled: int64(held.Scheduled), lifecycle.TaskRetry: int64(held.Retry), lifecycle.TaskArchived: int64(held.Archived)}}, nil
}

// workers lists those that serve a queue of ours: a Redis may have other users.
func (i *Inspector) workers() (workers []lifecycle.QueueWorker, err error) {
	servers, err := i.asynq.Servers()
	if err != nil {
		return nil, away(err)
	}
	for _, s := range servers {
		if slices.ContainsFunc(slices.Collect(maps.Keys(s.Queues)), func(q string) bool { return slices.Contains(queues, q) }) {
			workers = append(workers, lifecycle.QueueWorker{Host: s.Host, PID: s.PID, Concurrency: s.Concurrency, Busy: len(s.ActiveWorkers),
				State: s.Status, Started: s.Started.UTC()})
		}
	}
	slices.SortFunc(workers, func(a, b lifecycle.QueueWorker) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.PID, b.PID), a.Started.Compare(b.Started))
	})
	return workers, nil
}

// server is what Redis says of itself. The one inside this process has little to say.
func (i *Inspector) server(ctx context.Context) lifecycle.QueueServer {
	fields, err := askRedis(ctx, i.client)
	if err != nil {
		return lifecycle.QueueServer{}
	}
	memory, _ := strconv.ParseInt(fields["used_memory"], 10, 64) // 0: not said
	return lifecycle.QueueServer{Version: fields["redis_version"], Memory: memory, Policy: fields["maxmemory_policy"]}
}

// Days says what was done with the tasks of a queue on the days up to today, the oldest first; Redis knows of the last ninety.
func (i *Inspector) Days(ctx context.Context, queue string, n int) (days []lifecycle.QueueDay, err error) {
	used, err := i.find(ctx, queue)
	if err != nil || !used {
		return nil, err
	}
	stats, err := i.asynq.History(queue, n)
	if err != nil {
		return nil, away(err)
	}
	for _, s := range slices.Backward(stats) {
		days = append(days, lifecycle.QueueDay{Day: s.Date.UTC().Truncate(lifecycle.Day), Processed: int64(s.Processed), Failed: int64(s.Failed)})
	}
	return days, nil
}

// Tasks lists a page of the tasks that are in a state; the first page is 1.
func (i *Inspector) Tasks(ctx context.Context, queue string, state lifecycle.TaskState, page, size int) ([]lifecycle.Task, error) {
	used, err := i.find(ctx, queue)
	if err != nil || !used {
		return nil, err
	}
	list := map[lifecycle.TaskState]func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		lifecycle.TaskPending: i.asynq.ListPendingTasks, lifecycle.TaskActive: i.asynq.ListActiveTasks, lifecycle.TaskScheduled: i.asynq.ListScheduledTasks,
		lifecycle.TaskRetry: i.asynq.ListRetryTasks, lifecycle.TaskArchived: i.asynq.ListArchivedTasks,
	}[state]
	if list == nil {
		return nil, fmt.Errorf("tasks in state %q: %w", state, lifecycle.ErrNotFound)
	}
	found, err := list(queue, asynq.Page(page), asynq.PageSize(size))
	if err != nil {
		return nil, away(err)
	}
	tasks := make([]lifecycle.Task, len(found))
	for n, task := range found {
		tasks[n] = readTask(task)
	}
	return tasks, nil
}

// find says whether a queue of ours has been used.
func (i *Inspector) find(ctx context.Context, queue string) (used bool, err error) {
	if !slices.Contains(queues, queue) {
		return false, fmt.Errorf("queue %q: %w", queue, lifecycle.ErrNotFound)
	}
	all, err := i.used(ctx)
	return slices.Contains(all, queue), err
}

// readTask reads what is said to a worker. A payload that cannot be read is another version's, and says nothing.
func readTask(t *asynq.TaskInfo) lifecycle.Task {
	task := lifecycle.Task{ID: t.ID, What: lifecycle.TaskKind(strings.TrimPrefix(t.Type, taskPrefix)), Tried: t.Retried, LastError: t.LastErr, Orphaned: t.IsOrphaned}
	if !t.LastFailedAt.IsZero() {
		task.LastFailed = t.LastFailedAt.UTC()
	}
	if !t.NextProcessAt.IsZero() && t.State != asynq.TaskStatePending {
		task.Next = t.NextProcessAt.UTC()
	}
	switch t.Type {
	case taskCut:
		var cut cutTask
		_ = json.Unmarshal(t.Payload, &cut)
		task.Sweep = cut.Sweep
	case taskChunk:
		var chunk lifecycle.ChunkRef
		_ = json.Unmarshal(t.Payload, &chunk)
		task.Sweep, task.Chunk = chunk.Sweep, chunk.N
	}
	return task
}

// Order carries an order out, and says how many tasks it was about. Doing it twice is doing it once.
func (i *Inspector) Order(ctx context.Context, queue string, order lifecycle.QueueOrder) (tasks int, err error) {
	used, err := i.find(ctx, queue)
	switch {
	case err != nil:
		return 0, err
	case !used:
		return 0, fmt.Errorf("queue %q has never been used: %w", queue, lifecycle.ErrNotFound)
	}
	each := func(all ...func(string) (int, error)) error {
		for _, do := range all {
			n, err := do(queue)
			if err != nil {
				return away(err)
			}
			tasks += n
		}
		return nil
	}
	switch order {
	case lifecycle.QueuePause:
		return 0, i.pause(queue, true, i.asynq.PauseQueue)
	case lifecycle.QueueResume:
		return 0, i.pause(queue, false, i.asynq.UnpauseQueue)
	case lifecycle.QueueDrain:
		err = each(i.asynq.DeleteAllPendingTasks, i.asynq.DeleteAllScheduledTasks, i.asynq.DeleteAllRetryTasks)
	case lifecycle.QueueClear:
		err = each(i.asynq.DeleteAllArchivedTasks)
	case lifecycle.QueueRun:
		err = each(i.asynq.RunAllScheduledTasks, i.asynq.RunAllRetryTasks, i.asynq.RunAllArchivedTasks)
	default:
		err = fmt.Errorf("order %q: %w", order, lifecycle.ErrNotFound)
	}
	return tasks, err
}

// pause has workers leave a queue alone, or take it up again. asynq calls it an error where that is so already.
func (i *Inspector) pause(name string, wanted bool, do func(string) error) error {
	failed := do(name)
	if failed == nil {
		return nil
	}
	if queue, err := i.queue(name); err == nil && queue.Paused == wanted {
		return nil
	}
	return away(failed)
}
