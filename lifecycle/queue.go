package lifecycle

import (
	"errors"
	"time"
)

// A QueueReport is what the queues hold, and who works on it. All of it is about the bell that calls workers: what is to be done,
// and what was, stands in the database.
type QueueReport struct {
	Queues  []Queue
	Workers []QueueWorker // that were alive a moment ago
	Server  QueueServer
}

// A Queue is a line in which tasks wait for workers. A task only says where to look.
type Queue struct {
	Name      string
	Unused    bool // no task has ever gone through it
	Paused    bool // no worker takes anything off it
	Tasks     map[TaskState]int64
	Waits     time.Duration // for how long the task at the front has been waiting
	Processed int64         // today, UTC, those that failed included
	Failed    int64
}

// A QueueDay is what workers did with the tasks of a queue on a day, UTC.
type QueueDay struct {
	Day       time.Time
	Processed int64 // those that failed included
	Failed    int64
}

// A TaskState is where a task is on its way through a queue.
type TaskState string

// The states of a task.
const (
	TaskPending   TaskState = "pending"   // waits for a worker
	TaskActive    TaskState = "active"    // a worker has it
	TaskScheduled TaskState = "scheduled" // is not to be begun before an instant
	TaskRetry     TaskState = "retry"     // failed, or lost its worker, and is begun again at an instant
	TaskArchived  TaskState = "archived"  // failed too often; nobody begins it by itself
)

// TaskStates lists them all.
var TaskStates = []TaskState{TaskPending, TaskActive, TaskScheduled, TaskRetry, TaskArchived}

// A Task says to a worker where to look.
type Task struct {
	ID         string
	What       TaskKind
	Sweep      int64 // that it is about; 0: none
	Chunk      int   // of that sweep; 0: none
	Tried      int   // times that it failed
	LastError  string
	LastFailed time.Time // zero: it never did
	Next       time.Time // when it is begun; zero where that is not known
	Orphaned   bool      // the worker that has it is gone
}

// A TaskKind is what a task asks a worker to look at. One that is none of these is another version's.
type TaskKind string

// The kinds of tasks.
const (
	TaskCut     TaskKind = "cut"     // a sweep that is to be cut into chunks
	TaskChunk   TaskKind = "chunk"   // a chunk of a sweep
	TaskDeliver TaskKind = "deliver" // notices that wait to be sent
)

// A QueueWorker is a process that takes tasks off queues.
type QueueWorker struct {
	Host        string
	PID         int
	Concurrency int // tasks at a time
	Busy        int // tasks that it has now
	State       string
	Started     time.Time
}

// A QueueServer is the Redis behind the queues, as far as it tells. What it does not is empty.
type QueueServer struct {
	Version string
	Memory  int64  // bytes in use
	Policy  string // what it does when its memory is full; anything but noeviction may lose tasks
}

// A QueueOrder is what an operator has done to a queue.
type QueueOrder string

// The orders. None of them changes what is to be done: the database remembers that, and whoever looks there rings again.
const (
	QueuePause  QueueOrder = "pause"  // workers leave the queue alone
	QueueResume QueueOrder = "resume" // and take it up again
	QueueDrain  QueueOrder = "drain"  // drop the tasks that wait: pending, scheduled, to be tried again
	QueueClear  QueueOrder = "clear"  // drop the archived ones
	QueueRun    QueueOrder = "run"    // begin what is scheduled, waits to be tried again or is archived, now
)

// QueueOrders lists them all.
var QueueOrders = []QueueOrder{QueuePause, QueueResume, QueueDrain, QueueClear, QueueRun}

// ErrQueueAway says that the queue does not answer. Work goes on all the same, more slowly.
var ErrQueueAway = errors.New("the queue does not answer")
