package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A crew is how many workers there are: processes, each with so many tasks at a time.
type crew struct{ Processes, Concurrency int }

// A deployment is tenure as operations teams run it, on one database: processes of their own for HTTP, schedule and work.
type deployment struct {
	h       *house
	db      *database
	address string // of HTTP
	API     *exec.Cmd
	Workers []*exec.Cmd
	all     []*exec.Cmd

	CPU map[string]time.Duration // that processes have had, by role, once they are stopped
}

// deploy starts an API, a scheduler that watches and logs but opens no sweeps of its own, and workers; it returns once all of them can
// be used. They end by [deployment.stop], or at the end.
func (h *house) deploy(db *database, crew crew) *deployment {
	h.t.Helper()
	h.emptyQueue()
	d := &deployment{h: h, db: db, address: freeAddress(h), CPU: map[string]time.Duration{}}
	h.t.Cleanup(d.stop)
	d.API = d.Start("api", "--listen", d.address)
	d.Start(append([]string{"scheduler"}, noSchedule()...)...)
	for range crew.Processes {
		d.Workers = append(d.Workers, d.StartWorker(crew.Concurrency))
	}
	d.await("the interface", func() bool { return d.get("/readyz", nil) == nil })
	d.AwaitWorkers(crew.Processes)
	return d
}

// noSchedule keeps a scheduler from opening sweeps of its own.
func noSchedule() (args []string) {
	for _, rule := range lifecycle.RuleNames() {
		args = append(args, "--schedule", string(rule)+"=off")
	}
	return args
}

// StartWorker starts one more, without waiting for it.
func (d *deployment) StartWorker(concurrency int) *exec.Cmd {
	return d.Start("worker", "--concurrency", fmt.Sprint(concurrency))
}

// Start starts a process of this deployment.
func (d *deployment) Start(args ...string) *exec.Cmd {
	d.h.t.Helper()
	cmd := exec.Command(d.h.binary, args...)
	cmd.Env = d.h.environment(d.db.URL)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(d.h.t, cmd.Start())
	d.all = append(d.all, cmd)
	return cmd
}

// AwaitWorkers returns once so many worker processes have said in Redis that they are there.
func (d *deployment) AwaitWorkers(n int) {
	d.h.t.Helper()
	redis, err := asynq.ParseRedisURI(d.h.redis.URL())
	require.NoError(d.h.t, err)
	inspector := asynq.NewInspector(redis)
	defer inspector.Close()
	d.await("the workers", func() bool {
		servers, err := inspector.Servers()
		return err == nil && len(servers) == n
	})
}

// stop ends the processes as a deployment does; doing it twice does nothing.
func (d *deployment) stop() {
	var ending sync.WaitGroup
	for _, cmd := range d.all {
		ending.Go(func() {
			_ = cmd.Process.Signal(os.Interrupt)
			kill := time.AfterFunc(40*time.Second, func() { _ = cmd.Process.Kill() })
			defer kill.Stop()
			_ = cmd.Wait()
		})
	}
	ending.Wait()
	for _, cmd := range d.all {
		if p := cmd.ProcessState; p != nil {
			d.CPU[cmd.Args[1]] += p.UserTime() + p.SystemTime()
		}
	}
	d.all = nil
}

// A sweepReport is what the interface says of a sweep.
type sweepReport struct {
	ID       int64     `json:"id"`
	State    string    `json:"state"`
	Opened   time.Time `json:"openedDateTime"`
	Finished time.Time `json:"finishedDateTime"`
}

// Sweep asks over HTTP for a sweep of all rules, and answers with its number at once.
func (d *deployment) Sweep() int64 {
	d.h.t.Helper()
	response, err := http.Post("http://"+d.address+"/v1/sweeps", "application/json", strings.NewReader("{}")) //nolint:noctx // of this machine
	require.NoError(d.h.t, err)
	defer response.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	require.NoError(d.h.t, err)
	require.Equal(d.h.t, http.StatusAccepted, response.StatusCode, "%s", &body)
	var sweep sweepReport
	require.NoError(d.h.t, json.Unmarshal(body.Bytes(), &sweep))
	return sweep.ID
}

// AwaitSweep waits until a sweep is over, and answers with how long it took: from its being opened to when its last chunk was
// committed and it was closed, as its row says.
func (d *deployment) AwaitSweep(id int64) time.Duration {
	d.h.t.Helper()
	var sweep sweepReport
	d.await(fmt.Sprintf("sweep %d", id), func() bool {
		return d.get(fmt.Sprintf("/v1/sweeps/%d", id), &sweep) == nil && sweep.State == "done"
	})
	return sweep.Finished.Sub(sweep.Opened)
}

// patience is how long anything may take here.
const patience = 10 * time.Minute

func (d *deployment) await(what string, there func() bool) {
	d.h.t.Helper()
	for deadline := time.Now().Add(patience); !there(); time.Sleep(50 * time.Millisecond) {
		require.True(d.h.t, time.Now().Before(deadline), "%s did not come", what)
	}
}

func (d *deployment) get(path string, into any) error {
	response, err := http.Get("http://" + d.address + path) //nolint:noctx // of this machine
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

func freeAddress(h *house) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // answers at once
	require.NoError(h.t, err)
	defer listener.Close()
	return listener.Addr().String()
}
