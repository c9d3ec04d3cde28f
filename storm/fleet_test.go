//go:build unix

package storm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A fleet is the processes of one deployment, each with somebody who starts it again when it ends, as systemd or Kubernetes
// do.
type fleet struct {
	t       *testing.T
	binary  string
	env     []string
	logs    string // folder
	members []*member
	stopped context.CancelFunc // nobody is started again
	over    sync.WaitGroup
}

// A member is one place in the fleet, whoever holds it at the moment.
type member struct {
	name string // e.g. worker-2
	args []string
	env  []string

	mu      sync.Mutex
	process *os.Process // nil while there is none
	starts  int
	last    error // how the latest one ended
}

func newFleet(t *testing.T, env ...string) *fleet {
	t.Helper()
	dir := t.TempDir()
	f := &fleet{t: t, binary: filepath.Join(dir, "tenure"), logs: filepath.Join(dir, "logs"), env: append(os.Environ(), env...)}
	require.NoError(t, os.Mkdir(f.logs, 0o750))
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", f.binary, "../cmd/tenure")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return f
}

// run runs a command to its end. args may end with settings of the environment (NAME=value).
func (f *fleet) run(ctx context.Context, args ...string) (stdout string, err error) {
	cmd := exec.CommandContext(ctx, f.binary, args...)
	cmd.Env = f.env
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("tenure %s: %w\n%s%s", strings.Join(args, " "), err, tail(out.String()), tail(complaints.String()))
	}
	return strings.TrimSpace(out.String()), err
}

func (f *fleet) must(args ...string) string {
	f.t.Helper()
	out, err := f.run(f.t.Context(), args...)
	require.NoError(f.t, err)
	return out
}

// start starts members and keeps them running until stop.
func (f *fleet) start(members ...*member) {
	ctx, cancel := context.WithCancel(context.Background())
	f.members, f.stopped = members, cancel
	f.t.Cleanup(func() {
		cancel()
		for _, m := range members {
			m.signal(syscall.SIGKILL)
		}
		f.over.Wait()
		if f.t.Failed() {
			f.showLogs()
		}
	})
	for _, m := range members {
		f.over.Go(func() { f.keepRunning(ctx, m) })
	}
}

// keepRunning starts a member again and again. One that ends by itself while its database is away is no failure: it says so and
// is started again.
func (f *fleet) keepRunning(ctx context.Context, m *member) {
	log, err := os.OpenFile(filepath.Join(f.logs, m.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer log.Close()
	for ctx.Err() == nil {
		cmd := exec.Command(f.binary, m.args...)
		cmd.Env = append(append([]string{}, f.env...), m.env...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			f.t.Error(err)
			return
		}
		m.mu.Lock()
		m.process = cmd.Process
		m.starts++
		m.mu.Unlock()
		if ctx.Err() != nil { // stop has not seen it
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
		err := cmd.Wait()
		m.mu.Lock()
		m.process, m.last = nil, err
		m.mu.Unlock()
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// signal sends a signal to whoever holds the place now.
func (m *member) signal(s syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil {
		_ = m.process.Signal(s)
	}
}

// stop stops all of them in an orderly way, and requires that they can: 0 is what each ends with, within a bound.
func (f *fleet) stop() {
	f.t.Helper()
	f.stopped()
	for _, m := range f.members {
		m.signal(syscall.SIGCONT)
		m.signal(syscall.SIGTERM)
	}
	ended := make(chan struct{})
	go func() { f.over.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(14 * time.Second): // a second before requests are given up
		f.t.Error("14 s after SIGTERM some process is still there; its log tells what each of its goroutines was doing")
		for _, m := range f.members {
			m.signal(syscall.SIGQUIT)
		}
		<-ended
	}
	for _, m := range f.members {
		var exit *exec.ExitError
		if errors.As(m.last, &exit) {
			f.t.Errorf("%s did not end with 0 after the storm: %v", m.name, m.last)
		}
	}
}

// complaints are lines in the logs that must not be there, whatever breaks.
func (f *fleet) complaints() (lines []string) {
	for _, m := range f.members {
		text, err := os.ReadFile(filepath.Join(f.logs, m.name+".log"))
		require.NoError(f.t, err)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "panic") || strings.Contains(line, "DATA RACE") {
				lines = append(lines, m.name+": "+strings.TrimSpace(line))
			}
		}
	}
	return lines
}

// showLogs is for whoever has to find out what went wrong.
func (f *fleet) showLogs() {
	for _, m := range f.members {
		text, err := os.ReadFile(filepath.Join(f.logs, m.name+".log"))
		if err == nil {
			f.t.Logf("the last words of %s:\n%s", m.name, tail(string(text)))
		}
	}
}

func tail(text string) string {
	if begins := strings.Index(text, "SIGQUIT: "); begins >= 0 {
		return text[begins:]
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n") + "\n"
}
