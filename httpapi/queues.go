package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Queues are the lines in which tasks wait for workers. They may be asked from many goroutines. Their errors are [lifecycle.ErrNotFound] or
// [lifecycle.ErrQueueAway].
type Queues interface {
	// Queues reports on all of them, and on the workers.
	Queues(ctx context.Context) (lifecycle.QueueReport, error)

	// Tasks lists a page of the tasks that are in a state; the first page is 1.
	Tasks(ctx context.Context, queue string, state lifecycle.TaskState, page, size int) ([]lifecycle.Task, error)

	// Order carries an order out, and says how many tasks it was about.
	Order(ctx context.Context, queue string, order lifecycle.QueueOrder) (tasks int, err error)
}

// A QueueReport is what the queues hold, as it is shown.
type QueueReport struct {
	Queues  []Queue       `json:"queues" nullable:"false" doc:"In the order in which workers like them best"`
	Workers []QueueWorker `json:"workers" nullable:"false" doc:"Processes that take tasks, and were alive a moment ago"`
	Server  QueueServer   `json:"server"`
}

// A Queue is one of them.
type Queue struct {
	Name           string  `json:"name" example:"tenure-sweeps"`
	Paused         bool    `json:"paused" doc:"No worker takes anything off it"`
	Pending        int64   `json:"pending" doc:"Tasks that wait for a worker"`
	Active         int64   `json:"active" doc:"That a worker has"`
	Scheduled      int64   `json:"scheduled" doc:"That are not to be begun yet"`
	Retry          int64   `json:"retry" doc:"That failed, or lost their worker, and are begun again"`
	Archived       int64   `json:"archived" doc:"That failed too often"`
	WaitSeconds    float64 `json:"waitSeconds" minimum:"0" doc:"For how long the task at the front has been waiting"`
	ProcessedToday int64   `json:"processedToday" doc:"UTC; those that failed included"`
	FailedToday    int64   `json:"failedToday"`
}

// A QueueWorker is a process that takes tasks.
type QueueWorker struct {
	Host            string `json:"host"`
	PID             int    `json:"pid"`
	Concurrency     int    `json:"concurrency" doc:"Tasks at a time"`
	Busy            int    `json:"busy" doc:"Tasks that it has now"`
	State           string `json:"state" example:"active"`
	StartedDateTime string `json:"startedDateTime" format:"date-time"`
}

// A QueueServer is the Redis behind the queues.
type QueueServer struct {
	Version        *string `json:"version" doc:"null where it does not say, as the queue inside of a process"`
	MemoryBytes    *int64  `json:"memoryBytes"`
	EvictionPolicy *string `json:"evictionPolicy" doc:"What it does when its memory is full; anything but noeviction may lose tasks, which makes work late"`
}

// A TaskList is a page of tasks.
type TaskList struct {
	Tasks []Task `json:"tasks" nullable:"false"`
}

// A Task says to a worker where to look.
type Task struct {
	ID                 string  `json:"id"`
	What               string  `json:"what" example:"chunk" doc:"cut, chunk or deliver; anything else is another version's"`
	Sweep              *int64  `json:"sweep" doc:"That it is about; null: none"`
	Chunk              *int    `json:"chunk" doc:"Of that sweep"`
	Tried              int     `json:"tried" doc:"Times that it failed"`
	LastError          *string `json:"lastError"`
	LastFailedDateTime *string `json:"lastFailedDateTime" format:"date-time"`
	NextDateTime       *string `json:"nextDateTime" format:"date-time" doc:"When it is begun; null where that is not known"`
	Orphaned           bool    `json:"orphaned" doc:"The worker that has it is gone"`
}

// A QueueOrdered is the answer to an order.
type QueueOrdered struct {
	Tasks int `json:"tasks" doc:"That it was about"`
}

const (
	queuesPath = "/v1/queues"
	queueTag   = "Queues"
)

func (s *Server) addQueues() {
	if s.queues == nil {
		return
	}
	register(s, ScopeRead, huma.Operation{
		OperationID: "listQueues", Method: http.MethodGet, Path: queuesPath, Tags: []string{queueTag},
		Summary:     "Show what the queues hold, and who works on it",
		Description: "Tasks only say where to look: what is to be done stands in the database.",
		Responses:   s.answers(queueAway),
	}, s.listQueues)
	register(s, ScopeRead, huma.Operation{
		OperationID: "listTasks", Method: http.MethodGet, Path: queuesPath + "/{name}/tasks", Tags: []string{queueTag},
		Summary:   "List the tasks of a queue that are in one state",
		Responses: s.answers(unknownQueue, badValue, queueAway),
	}, s.listTasks)
	for _, o := range []struct {
		order                lifecycle.QueueOrder
		summary, description string
	}{
		{lifecycle.QueuePause, "Pause a queue", "Workers leave it alone, and what is rung for there becomes late. That is no hold: chunks that nobody works on are rung for by another queue. To stop timers, place a hold."},
		{lifecycle.QueueResume, "Resume a queue", "Workers take it up again."},
		{lifecycle.QueueDrain, "Drain a queue", "Drops the tasks that wait: pending, scheduled, and to be tried again. Nothing is lost: the database remembers what is to be done, and the watchdog rings anew within seconds."},
		{lifecycle.QueueClear, "Clear a queue's archive", "Drops the tasks that failed too often. Nothing is lost, as with draining."},
		{lifecycle.QueueRun, "Run a queue's tasks now", "What is scheduled, waits to be tried again or is archived is begun as soon as a worker is free."},
	} {
		path := queuesPath + "/{name}/" + string(o.order)
		register(s, ScopeManage, huma.Operation{
			OperationID: string(o.order) + "Queue", Method: http.MethodPost, Path: path, Tags: []string{queueTag},
			Summary: o.summary, Description: o.description,
			Responses: s.answers(append(bodyProblems, unknownQueue, queueAway)...),
		}, func(ctx context.Context, in *orderQueueInput) (*orderQueueOutput, error) {
			return s.orderQueue(ctx, in, o.order)
		})
		s.describeBody(s.api.OpenAPI().Paths[path].Post, schemaOf[Word](s), true)
	}
}

type listQueuesOutput struct{ Body QueueReport }

func (s *Server) listQueues(ctx context.Context, _ *struct{}) (*listQueuesOutput, error) {
	report, err := s.queues.Queues(ctx)
	if err != nil {
		return nil, problemOfQueue("", err)
	}
	return &listQueuesOutput{showQueues(&report)}, nil
}

func showQueues(r *lifecycle.QueueReport) QueueReport {
	shown := QueueReport{Queues: []Queue{}, Workers: []QueueWorker{},
		Server: QueueServer{Version: textOrNull(r.Server.Version), EvictionPolicy: textOrNull(r.Server.Policy)}}
	if r.Server.Memory > 0 {
		shown.Server.MemoryBytes = &r.Server.Memory
	}
	for _, q := range r.Queues {
		shown.Queues = append(shown.Queues, Queue{Name: q.Name, Paused: q.Paused, Pending: q.Tasks[lifecycle.TaskPending], Active: q.Tasks[lifecycle.TaskActive],
			Scheduled: q.Tasks[lifecycle.TaskScheduled], Retry: q.Tasks[lifecycle.TaskRetry], Archived: q.Tasks[lifecycle.TaskArchived],
			WaitSeconds: max(0, q.Waits.Truncate(time.Millisecond).Seconds()), ProcessedToday: q.Processed, FailedToday: q.Failed})
	}
	for _, w := range r.Workers {
		shown.Workers = append(shown.Workers, QueueWorker{w.Host, w.PID, w.Concurrency, w.Busy, w.State, lifecycle.FormatInstant(w.Started)})
	}
	return shown
}

type listTasksInput struct {
	Asked
	Name  string `path:"name" example:"tenure-sweeps" doc:"The queue's name"`
	State string `query:"state" enum:"pending,active,scheduled,retry,archived" default:"pending" doc:"Where they are on their way"`
	Page  int    `query:"page" minimum:"1" maximum:"100000" default:"1" doc:"Of the list as it is now: tasks come and go"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most this many"`
}

type listTasksOutput struct{ Body TaskList }

func (s *Server) listTasks(ctx context.Context, in *listTasksInput) (*listTasksOutput, error) {
	tasks, err := s.queues.Tasks(ctx, in.Name, lifecycle.TaskState(in.State), in.Page, in.Limit)
	if err != nil {
		return nil, problemOfQueue(in.Name, err)
	}
	out := &listTasksOutput{TaskList{[]Task{}}}
	for i := range tasks {
		t := &tasks[i]
		shown := Task{ID: t.ID, What: string(t.What), Tried: t.Tried, LastError: maskedBy(textOrNull(t.LastError), in.maskText),
			LastFailedDateTime: instantOrNull(t.LastFailed), NextDateTime: instantOrNull(t.Next), Orphaned: t.Orphaned}
		if t.Sweep != 0 {
			shown.Sweep = &t.Sweep
		}
		if t.Chunk != 0 {
			shown.Chunk = &t.Chunk
		}
		out.Body.Tasks = append(out.Body.Tasks, shown)
	}
	return out, nil
}

type orderQueueInput struct {
	Asked
	Name string `path:"name" example:"tenure-sweeps" doc:"The queue's name"`
}

type orderQueueOutput struct{ Body QueueOrdered }

// orderQueue has done what is ordered.
func (s *Server) orderQueue(ctx context.Context, in *orderQueueInput, order lifecycle.QueueOrder) (*orderQueueOutput, error) {
	if _, p := s.readWord(in.request); p != nil { // why it is done is kept with the deed
		return nil, p
	}
	if err := s.findQueue(ctx, in.Name); err != nil {
		return nil, err
	}
	tasks, err := s.queues.Order(ctx, in.Name, order)
	if err != nil {
		return nil, problemOfQueue(in.Name, err)
	}
	return &orderQueueOutput{QueueOrdered{tasks}}, nil
}

// findQueue says why there is nothing to be ordered about a queue.
func (s *Server) findQueue(ctx context.Context, name string) error {
	report, err := s.queues.Queues(ctx)
	if err != nil {
		return problemOfQueue(name, err)
	}
	for i := range report.Queues {
		if q := &report.Queues[i]; q.Name == name && !q.Unused {
			return nil
		}
	}
	return problemOfQueue(name, lifecycle.ErrNotFound)
}

// problemOfQueue tells what went wrong with one queue.
func problemOfQueue(name string, err error) error {
	switch {
	case errors.Is(err, lifecycle.ErrNotFound):
		return unknownQueue.problem("There is no queue %s through which a task has gone; GET %s lists those that there are.", shorten(name), queuesPath)
	case errors.Is(err, lifecycle.ErrQueueAway):
		p := queueAway.problem("Redis does not answer. Nothing is lost, and schedulers do the work themselves meanwhile, more slowly. GET /readyz says when it is back.")
		p.cause = err
		return p
	}
	return fmt.Errorf("queue %s: %w", name, err)
}
