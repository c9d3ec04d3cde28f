package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var program string // that is tested

// TestMain builds the program once for all tests, unless TENURE_INTEROP_PROGRAM names one that is built.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		if program = os.Getenv("TENURE_INTEROP_PROGRAM"); program != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "tenure-interop-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "tenure")
		build := exec.Command("go", "build", "-o", program, "./cmd/tenure")
		build.Dir, build.Stdout, build.Stderr = "..", os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building the program:", err)
			return 1
		}
		return m.Run()
	}())
}

// Everybody there is.
const (
	partner  = "99999999-9999-4999-8999-999999999999"
	rival    = "88888888-8888-4888-8888-888888888888"
	customer = "11111111-1111-4111-8111-111111111111"
)

// A deployment is a sandbox of its own, with an embedded database, in a process that is really started and stopped.
type deployment struct {
	t       *testing.T
	dir     string
	url     string   // where it listens, once it does
	flags   []string // of tenure serve
	process *exec.Cmd
	ended   chan error

	agents, reading, rivals, admins, operator string // tokens
}

// deploy makes a deployment and starts it; its callers may ask as often as they like, unless the flags say otherwise. It stops with
// the test.
func deploy(t *testing.T, flags ...string) *deployment {
	t.Helper()
	d := &deployment{t: t, dir: t.TempDir(), flags: append([]string{"serve", "--rate-limit", "0"}, flags...)}
	d.run("migrate", "--sandbox", "--at", "2026-01-05T09:00:00Z")
	d.agents = d.token("agents", "--role", "adminAgent", "--tenant", partner)
	d.reading = d.token("reading", "--role", "reader", "--tenant", partner)
	d.rivals = d.token("rivals", "--role", "adminAgent", "--tenant", rival)
	d.admins = d.token("admins", "--role", "globalAdministrator", "--tenant", customer)
	d.operator = d.token("operator", "--scope", "manage")
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *deployment) token(name string, flags ...string) string {
	d.t.Helper()
	return strings.TrimSpace(d.run(append([]string{"token", "create", name}, flags...)...))
}

func (d *deployment) command(args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = d.dir
	c.Env = append(os.Environ(), "TENURE_DB=sqlite:"+filepath.Join(d.dir, "tenure.db"), "TENURE_LISTEN=127.0.0.1:0")
	return c
}

// run runs a command to its end and gives what it writes.
func (d *deployment) run(args ...string) string {
	d.t.Helper()
	c := d.command(args...)
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.Output()
	require.NoError(d.t, err, "tenure %s: %s", strings.Join(args, " "), &complaints)
	return string(out)
}

var listening = regexp.MustCompile(`listening.*?(127\.0\.0\.1:[0-9]+)`)

// start starts the server and waits until it says where it listens.
func (d *deployment) start() {
	d.t.Helper()
	c := d.command(d.flags...)
	log, err := c.StderrPipe()
	require.NoError(d.t, err)
	require.NoError(d.t, c.Start())
	where, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		lines, said := bufio.NewScanner(log), strings.Builder{}
		for lines.Scan() {
			if found := listening.FindStringSubmatch(lines.Text()); found != nil {
				where <- found[1]
			}
			fmt.Fprintln(&said, lines.Text())
		}
		if err := c.Wait(); err != nil {
			ended <- fmt.Errorf("%w; it said:\n%s", err, &said)
		}
		close(ended)
	}()
	d.process, d.ended = c, ended
	select {
	case address := <-where:
		d.url = "http://" + address
	case err := <-ended:
		d.process = nil
		d.t.Fatalf("tenure serve ended at once: %v", err)
	case <-time.After(time.Minute):
		_ = c.Process.Kill()
		d.t.Fatal("tenure serve does not listen after a minute")
	}
}

// stop ends the server in good order.
func (d *deployment) stop() {
	if d.process == nil {
		return
	}
	require.NoError(d.t, d.process.Process.Signal(os.Interrupt))
	select {
	case err := <-d.ended:
		require.NoError(d.t, err)
	case <-time.After(time.Minute):
		_ = d.process.Process.Kill()
		d.t.Error("tenure serve does not end after a minute")
	}
	d.process = nil
}

// advance lets the sandbox's time pass. The server is started anew, perhaps on another port: clients are to be made anew.
func (d *deployment) advance(period string) {
	d.t.Helper()
	d.stop()
	d.run("clock", "advance", "--by", period)
	d.start()
}

// ask asks without any SDK.
func (d *deployment) ask(token, method, path, body string) (status int, answer string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, d.url+path, strings.NewReader(body))
	require.NoError(d.t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(d.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(d.t, err)
	return response.StatusCode, string(text)
}
