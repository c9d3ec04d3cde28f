package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Queues are the lines in which tasks wait for workers. They may be asked from many goroutines. What is done to them goes through the
// HTTP interface.
type Queues interface {
	// Queues reports on all of them, and on the workers; [lifecycle.ErrQueueAway].
	Queues(ctx context.Context) (lifecycle.QueueReport, error)

	// Tasks lists a page of the tasks that are in a state; the first page is 1. Also [lifecycle.ErrNotFound].
	Tasks(ctx context.Context, queue string, state lifecycle.TaskState, page, size int) ([]lifecycle.Task, error)

	// Days says what was done with the tasks of a queue on so many days up to today, the oldest first. Also [lifecycle.ErrNotFound].
	Days(ctx context.Context, queue string, n int) ([]lifecycle.QueueDay, error)
}

const (
	queuePath   = "/console/queue"
	tasksOnPage = 50
	queueDays   = 30
)

// queuePage is all queues, and the workers.
type queuePage struct {
	lifecycle.QueueReport
	States []lifecycle.TaskState
	Away   bool   // Redis does not answer
	Fault  string // what it says instead
	Health lifecycle.Dependency
}

// Waiting is how many tasks wait in all queues.
func (p *queuePage) Waiting() (n int64) {
	for i := range p.Queues {
		of := p.Queues[i].Tasks
		n += of[lifecycle.TaskPending] + of[lifecycle.TaskScheduled] + of[lifecycle.TaskRetry]
	}
	return n
}

// Sum counts the tasks of all queues in a state.
func (p *queuePage) Sum(state lifecycle.TaskState) (n int64) {
	for i := range p.Queues {
		n += p.Queues[i].Tasks[state]
	}
	return n
}

// WorkerTone is how the number of workers is shown.
func (p *queuePage) WorkerTone() string {
	if len(p.Workers) == 0 {
		return "bad"
	}
	return ""
}

// Forgets says whether Redis may throw tasks away when its memory is full.
func (p *queuePage) Forgets() bool { return p.Server.Policy != "" && p.Server.Policy != "noeviction" }

// Bytes is an amount of memory.
func (v *visit) Bytes(n int64) string {
	const mebi = 1 << 20
	return v.T("queue.mib", "n", (n+mebi-1)/mebi)
}

// tasksPage is the tasks of one queue that are in one state.
type tasksPage struct {
	lifecycle.Queue
	State       lifecycle.TaskState
	States      []lifecycle.TaskState
	List        []lifecycle.Task
	First, Next string
	Orders      []lifecycle.QueueOrder // that make sense now
	Done        *chart                 // what workers did day by day; nil: nothing yet
}

func (c *Console) addQueue() {
	c.get(queuePath, func(v *visit) error {
		p, err := c.queuePage(v)
		if err != nil {
			return err
		}
		return v.show("queue", p)
	})
	c.get("/console/live/queue", func(v *visit) error {
		return v.liveOr("queue", func() (any, error) { return c.queuePage(v) })
	})
	c.get(queuePath+"/{name}", func(v *visit) error {
		p, err := c.tasksPage(v)
		if errors.Is(err, lifecycle.ErrQueueAway) {
			return &refusal{http.StatusServiceUnavailable, v.T("queue.away") + " " + v.T("queue.awayText")}
		}
		if err != nil {
			return err
		}
		return v.show("tasks", p)
	})
	for _, order := range lifecycle.QueueOrders {
		c.addAct(queuePath+"/{name}/"+string(order), "manage", func(v *visit) (confirmation, error) { return c.askOrder(v, order) },
			func(v *visit, reason string) (next, told string, err error) {
				queue, err := c.queueOfPath(v)
				if err != nil {
					return "", "", err
				}
				var done struct {
					Tasks int `json:"tasks"`
				}
				err = v.ask(http.MethodPost, "/v1/queues/"+queue.Name+"/"+string(order), map[string]string{"reason": reason}, &done)
				return queuePath + "/" + queue.Name, v.T("queue."+string(order)+".done", "queue", queue.Name, "n", done.Tasks), err
			})
	}
}

func (c *Console) queuePage(v *visit) (*queuePage, error) {
	condition := c.glance.look(v.Request.Context(), c.Wall(), c.Condition)
	p := &queuePage{States: lifecycle.TaskStates, Health: condition.Queue}
	if c.Queues == nil {
		p.Away = true
		return p, nil
	}
	var err error
	p.QueueReport, err = c.Queues.Queues(v.Request.Context())
	if errors.Is(err, lifecycle.ErrQueueAway) {
		p.Away, p.Fault, err = true, err.Error(), nil
	}
	return p, err
}

// queueOfPath is the queue that the path names.
func (c *Console) queueOfPath(v *visit) (lifecycle.Queue, error) {
	if c.Queues == nil {
		return lifecycle.Queue{}, v.notFound()
	}
	report, err := c.Queues.Queues(v.Request.Context())
	if err != nil {
		return lifecycle.Queue{}, err
	}
	name := v.Request.PathValue("name")
	i := slices.IndexFunc(report.Queues, func(q lifecycle.Queue) bool { return q.Name == name })
	if i < 0 {
		return lifecycle.Queue{}, v.notFound()
	}
	return report.Queues[i], nil
}

func (c *Console) tasksPage(v *visit) (*tasksPage, error) {
	queue, err := c.queueOfPath(v)
	if err != nil {
		return nil, err
	}
	query := v.Request.URL.Query()
	p := &tasksPage{Queue: queue, State: lifecycle.TaskState(query.Get("state")), States: lifecycle.TaskStates}
	if !slices.Contains(p.States, p.State) {
		p.State = lifecycle.TaskPending
	}
	page := max(1, int(min(number(query, "page"), 1_000_000)))
	if p.List, err = c.Queues.Tasks(v.Request.Context(), queue.Name, p.State, page, tasksOnPage); err != nil {
		return nil, err
	}
	at := func(page int) string {
		return queuePath + "/" + queue.Name + "?" + url.Values{"state": {string(p.State)}, "page": {strconv.Itoa(page)}}.Encode()
	}
	if page > 1 {
		p.First = at(1)
	}
	if queue.Tasks[p.State] > int64(page)*tasksOnPage {
		p.Next = at(page + 1)
	}
	p.Orders = ordersFor(&queue)
	days, err := c.Queues.Days(v.Request.Context(), queue.Name, queueDays)
	p.Done = v.doneChart(days)
	return p, err
}

// doneChart draws what workers did.
func (v *visit) doneChart(days []lifecycle.QueueDay) *chart {
	if len(days) == 0 {
		return nil
	}
	c := chart{Title: v.T("queue.done"), Head: v.T("ahead.day"), Series: []string{v.T("queue.succeeded"), v.T("queue.failedTasks")}}
	for _, d := range days {
		c.Columns = append(c.Columns, v.dayColumn(d.Day, []int64{d.Processed - d.Failed, d.Failed}))
	}
	return &c
}

// ordersFor are the orders that make sense while the queue is as it is.
func ordersFor(q *lifecycle.Queue) (orders []lifecycle.QueueOrder) {
	wait, later, archived := q.Tasks[lifecycle.TaskPending], q.Tasks[lifecycle.TaskScheduled]+q.Tasks[lifecycle.TaskRetry], q.Tasks[lifecycle.TaskArchived]
	for order, sensible := range map[lifecycle.QueueOrder]bool{
		lifecycle.QueuePause: !q.Paused, lifecycle.QueueResume: q.Paused, lifecycle.QueueDrain: wait+later > 0,
		lifecycle.QueueClear: archived > 0, lifecycle.QueueRun: later+archived > 0,
	} {
		if sensible && !q.Unused {
			orders = append(orders, order)
		}
	}
	slices.SortFunc(orders, func(a, b lifecycle.QueueOrder) int {
		return slices.Index(lifecycle.QueueOrders, a) - slices.Index(lifecycle.QueueOrders, b)
	})
	return orders
}

func (c *Console) askOrder(v *visit, order lifecycle.QueueOrder) (confirmation, error) {
	queue, err := c.queueOfPath(v)
	if errors.Is(err, lifecycle.ErrQueueAway) {
		return confirmation{}, &refusal{http.StatusServiceUnavailable, v.T("queue.away") + " " + v.T("queue.awayText")}
	}
	if err != nil {
		return confirmation{}, err
	}
	pages, path := c.pages[v.Lang], queuePath+"/"+queue.Name
	q := confirmation{Title: v.T("queue."+string(order)+".title", "queue", queue.Name), Text: v.T("queue." + string(order) + ".text"),
		Path: path + "/" + string(order), Back: path, Reason: true, Button: v.T("queue." + string(order)),
		Danger: order == lifecycle.QueueDrain || order == lifecycle.QueueClear}
	for _, state := range lifecycle.TaskStates {
		q.Facts = append(q.Facts, fact{pages.word("task", state), pages.words.write(queue.Tasks[state])})
	}
	return q, nil
}
