package httpapi

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// lined are queues as the reference shows them; it remembers what was ordered.
type lined struct {
	away    error
	ordered []string
}

func (l *lined) Queues(context.Context) (lifecycle.QueueReport, error) {
	return lifecycle.QueueReport{
		Queues: []lifecycle.Queue{{Name: "tenure-again", Unused: true},
			{Name: "tenure-sweeps", Tasks: map[lifecycle.TaskState]int64{lifecycle.TaskPending: 1}, Waits: 1500 * time.Millisecond, Processed: 412}},
		Workers: []lifecycle.QueueWorker{{Host: "worker-1", PID: 7, Concurrency: 2, Busy: 1, State: "active", Started: noon.Add(-time.Hour)}},
		Server:  lifecycle.QueueServer{Version: "7.0.15", Memory: 1 << 20, Policy: "noeviction"},
	}, l.away
}

func (l *lined) Tasks(_ context.Context, queue string, state lifecycle.TaskState, page, _ int) ([]lifecycle.Task, error) {
	switch {
	case l.away != nil:
		return nil, l.away
	case queue != "tenure-sweeps" && queue != "tenure-again":
		return nil, lifecycle.ErrNotFound
	case state != lifecycle.TaskPending || page > 1:
		return nil, nil
	}
	return []lifecycle.Task{{ID: "chunk-17-3-0-1772452799", What: lifecycle.TaskChunk, Sweep: 17, Chunk: 3}}, nil
}

func (l *lined) Order(_ context.Context, queue string, order lifecycle.QueueOrder) (int, error) {
	if l.away != nil {
		return 0, l.away
	}
	l.ordered = append(l.ordered, fmt.Sprintf("%s %s", order, queue))
	return 1, nil
}

// queuesAway lets Redis be away.
func queuesAway(w *world) {
	w.server.queues.(*lined).away = fmt.Errorf("%w: dial tcp: connection refused", lifecycle.ErrQueueAway)
}

func queueExchanges() []exchange {
	all := []exchange{
		{operation: "listQueues", want: 200, method: "GET", path: queuesPath},
		{operation: "listQueues", want: 503, method: "GET", path: queuesPath, before: queuesAway},
		{operation: "listTasks", want: 200, method: "GET", path: queuesPath + "/tenure-sweeps/tasks"},
		{operation: "listTasks", want: 404, method: "GET", path: queuesPath + "/x/tasks"},
		{operation: "listTasks", want: 422, method: "GET", path: queuesPath + "/tenure-sweeps/tasks?state=lost"},
		{operation: "listTasks", want: 503, method: "GET", path: queuesPath + "/tenure-sweeps/tasks", before: queuesAway},
	}
	for _, order := range lifecycle.QueueOrders {
		operation, path := string(order)+"Queue", queuesPath+"/tenure-sweeps/"+string(order)
		all = append(all, bodies(exchange{operation: operation, method: "POST", path: path, body: `{"reason":"x"}`})...)
		all = append(all, exchange{operation: operation, want: 404, method: "POST", path: queuesPath + "/x/" + string(order), body: `{"reason":"x"}`},
			exchange{operation: operation, want: 503, method: "POST", path: path, body: `{"reason":"x"}`, before: queuesAway})
	}
	return all
}

func TestQueueIsOrderedAboutAndItIsWrittenDown(t *testing.T) {
	w := recordsWorld(t)
	for _, order := range lifecycle.QueueOrders {
		var done QueueOrdered
		w.do("POST", queuesPath+"/tenure-sweeps/"+string(order), `{"reason":"Redis is being moved"}`).read(&done)
		require.Equal(t, 1, done.Tasks)
	}
	queues := w.server.queues.(*lined)
	require.Equal(t, []string{"pause tenure-sweeps", "resume tenure-sweeps", "drain tenure-sweeps", "clear tenure-sweeps", "run tenure-sweeps"}, queues.ordered)

	w.do("POST", queuesPath+"/tenure-again/drain", `{"reason":"x"}`).problem(unknownQueue)
	require.Contains(t, w.do("POST", queuesPath+"/tenure-sweeps/drain", "").problem(badValue).Detail, "body.reason: is missing")
	w.token = w.newToken("looks", ScopeRead)
	w.do("POST", queuesPath+"/tenure-sweeps/drain", `{"reason":"x"}`).problem(scopeMissing)
	require.Len(t, queues.ordered, 5, "what is refused is not done")

	w.token = w.newToken("manages", ScopeManage)
	deeds := w.deeds("").Deeds
	require.Len(t, deeds, 8, "those that were refused, too")
	for i, order := range lifecycle.QueueOrders {
		d := deeds[len(deeds)-1-i]
		require.Equal(t, "POST /v1/queues/{name}/"+string(order), d.What)
		require.Equal(t, "/v1/queues/tenure-sweeps/"+string(order), *d.Subject)
		require.Equal(t, "Redis is being moved", *d.Detail)
		require.Equal(t, "operator", *d.Caller.Name)
	}
	events, err := w.fake.Activity(t.Context(), lifecycle.ActivityQuery{Types: []lifecycle.EventType{lifecycle.EventQueueOrdered, lifecycle.EventRefused}})
	require.NoError(t, err)
	require.Empty(t, events, "it is about no relationship and no timer")
}

func TestQueueThatIsAwayIsSaidToBe(t *testing.T) {
	w := newWorld(t)
	queuesAway(w)
	p := w.do("GET", queuesPath, "").problem(queueAway)
	require.Contains(t, p.Detail, "Nothing is lost")
	require.NotContains(t, p.Detail, "dial tcp", "that is for the log")
	require.Contains(t, w.log.String(), "connection refused")
	w.server.queues.(*lined).away = errors.New("wrong")
	w.do("GET", queuesPath, "").problem(internal)
}
