package testenv

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	startLimit = 30 * time.Second // a loaded machine may take seconds; a healthy one takes a tenth of one
	pollEvery  = 10 * time.Millisecond
	// Another process may take a port between our finding it free and the server's opening it.
	portAttempts = 5
)

//go:embed supervise.sh
var supervise string

// A process is a server and the shell that owns it (supervise.sh). The shell holds one end of a pipe and
// we the other. Whoever forgets to close ours, the kernel does not, be it after a clean end, a panic, a timeout or kill -9.
// That is why there is nothing for a test author to call, no goroutine for a leak detector to find, and no dependence on
// which operating system thread started what, as there would be with a parent-death signal.
type process struct {
	name   string // for people: "PostgreSQL"
	dir    string // its working directory; removed at the end
	ready  string // what its log says once it can be used
	shell  *exec.Cmd
	orders io.WriteCloser
	done   io.Reader // a byte for each order carried out
}

// own hands dir to a shell that will run command there and, at the end, stop it with the signal named last. The server
// itself is not started yet. From here on the directory is removed by the shell, even if we die the next moment.
func own(name, dir, ready, last string, as account, command ...string) (*process, error) {
	shell := exec.Command("sh", append([]string{"-c", supervise, "supervise", last}, command...)...) //nolint:gosec,noctx // must outlive every context; runs the command it was given
	shell.Dir = dir
	shell.Env = serverEnv()
	shell.SysProcAttr = as.attributes()
	orders, err := shell.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("open the pipe to the owner of %s: %w", name, err)
	}
	done, err := shell.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("open the pipe from the owner of %s: %w", name, err)
	}
	// Neither our standard output nor our standard error is handed down: whoever waits for their end, as go test does,
	// would wait for the server's too.
	if err := shell.Start(); err != nil {
		return nil, fmt.Errorf("run sh as the owner of %s in %s (TMPDIR chooses where; if you are root, user \"postgres\" must be able to get there): %w", name, dir, err)
	}
	return &process{name: name, dir: dir, ready: ready, shell: shell, orders: orders, done: done}, nil
}

// serverEnv is deliberately not ours: PGDATA, PGPORT or a locale of the person at the keyboard must not reach the server.
func serverEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
}

// startOnFreePort has configure write the server's configuration for a port and starts it there, trying further ports
// while they turn out to be taken.
func (p *process) startOnFreePort(configure func(port int) error) (int, error) {
	var failures error
	for range portAttempts {
		port, err := freePort()
		if err != nil {
			return 0, err
		}
		if err := configure(port); err != nil {
			return 0, fmt.Errorf("write the configuration of %s: %w", p.name, err)
		}
		err = p.start()
		if err == nil {
			return port, nil
		}
		failures = errors.Join(failures, err)
		if !strings.Contains(err.Error(), "in use") {
			break
		}
	}
	return 0, failures
}

// start starts the server and returns once its own log says that it can be used. It reads the log rather than
// knocking at the port, since a knock might be answered by somebody else's server.
func (p *process) start() error {
	if err := p.order("start"); err != nil {
		return err
	}
	for deadline := time.Now().Add(startLimit); ; time.Sleep(pollEvery) {
		log := p.log()
		switch {
		case strings.Contains(log, p.ready):
			return nil
		case p.exited():
			return fmt.Errorf("%s ended instead of starting; its last words:\n%s", p.name, lastLines(p.log()))
		case time.Now().After(deadline):
			return fmt.Errorf("%s was not ready within %v; its last words:\n%s", p.name, startLimit, lastLines(log))
		}
	}
}

// stop sends the running server a signal that ends it and returns when it has ended.
func (p *process) stop(signal string) error {
	if p.exited() {
		return nil
	}
	// A paused server only hears a KILL.
	for _, s := range []string{"CONT", signal} {
		if err := p.order(s); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(startLimit); !p.exited(); time.Sleep(pollEvery) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s was still running %v after signal %s; its last words:\n%s", p.name, startLimit, signal, lastLines(p.log()))
		}
	}
	return nil
}

// end stops the server if it runs, removes its directory and returns when both are done.
func (p *process) end() error {
	if err := p.orders.Close(); err != nil {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	if err := p.shell.Wait(); err != nil {
		return fmt.Errorf("end %s: its owner: %w", p.name, err)
	}
	return nil
}

// order has the owner do one thing and returns when it is done.
func (p *process) order(word string) error {
	if _, err := io.WriteString(p.orders, word+"\n"); err != nil {
		return fmt.Errorf("send %q to the owner of %s: %w", word, p.name, err)
	}
	if _, err := io.ReadFull(p.done, make([]byte, 1)); err != nil {
		return fmt.Errorf("wait for the owner of %s to do %q: %w", p.name, word, err)
	}
	return nil
}

func (p *process) exited() bool {
	_, err := os.Stat(filepath.Join(p.dir, "exited"))
	return err == nil
}

// log is what the server has said since its latest start; nothing if it has not been started yet.
func (p *process) log() string {
	text, err := os.ReadFile(filepath.Join(p.dir, "log"))
	if err != nil {
		return ""
	}
	return string(text)
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // answers at once
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// makeDir makes a directory of our own that the account may use, readable by nobody else.
func makeDir(pattern string, as account) (string, error) {
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", fmt.Errorf("make a directory for the server: %w", err)
	}
	if err := as.give(dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}
