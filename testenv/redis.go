package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

const redisNextStep = "run scripts/test-deps to install redis-server"

// Redis returns the URL (redis://127.0.0.1:port/0) of an empty Redis for this test alone. It is a process of its own,
// set up the way the product wants it (noeviction, nothing on disk), or, where TENURE_TEST_REDIS_URL names a server, an empty
// database of that one, with whatever settings it has.
func Redis(t testing.TB) string {
	t.Helper()
	if named := os.Getenv(redisVariable); named != "" {
		return borrowRedis(t, named)
	}
	return StartRedis(t).URL()
}

// A RedisServer is a redis-server process that one test may stop, pause and start as it likes, to see what an outage
// does. It is not for use from several goroutines at once.
type RedisServer struct {
	t       testing.TB
	process *process
	port    int
}

// StartRedis starts a Redis for this test alone, and ends it with the test. Further arguments go to redis-server
// after ours, so they win: StartRedis(t, "--maxmemory-policy", "allkeys-lru"). It is always a process of our own, whatever
// the environment names, since nobody else's server may be stopped.
func StartRedis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	process, port, err := startRedis(args)
	if err != nil {
		t.Fatalf("testenv: start a Redis: %v\nNext: %s, or mend the arguments %q.", err, redisNextStep, args)
	}
	t.Cleanup(func() {
		if err := process.end(); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	return &RedisServer{t: t, process: process, port: port}
}

func startRedis(args []string) (*process, int, error) {
	return startConfigured("Redis", "Ready to accept connections", func(port int) (string, error) { return redisConf(port), nil }, args)
}

// startConfigured starts a redis-server, as whatever it is configured to be, on a free port that its configuration names.
func startConfigured(name, ready string, conf func(port int) (string, error), args []string) (*process, int, error) {
	dir, err := makeDir("tenure-redis-", account{})
	if err != nil {
		return nil, 0, err
	}
	file := filepath.Join(dir, "redis.conf")
	process, err := own(name, dir, ready, "KILL", account{}, append([]string{"redis-server", file}, args...)...)
	if err != nil {
		return nil, 0, errors.Join(err, os.RemoveAll(dir))
	}
	port, err := process.startOnFreePort(func(port int) error {
		text, err := conf(port)
		if err != nil {
			return err
		}
		return os.WriteFile(file, []byte(text), 0o600)
	})
	if err != nil {
		return nil, 0, errors.Join(err, process.end())
	}
	return process, port, nil
}

// redisConf names no directory: the process already works in one of its own.
func redisConf(port int) string {
	return "port " + strconv.Itoa(port) + `
bind 127.0.0.1
save ""
appendonly no
maxmemory-policy noeviction
`
}

// URL is where the server answers, or would if it were running: redis://127.0.0.1:port/0. It stays the same across
// stops and starts.
func (r *RedisServer) URL() string { return "redis://" + r.Addr() + "/0" }

// Addr is the host:port of URL.
func (r *RedisServer) Addr() string { return fmt.Sprintf("127.0.0.1:%d", r.port) }

// Stop shuts the server down in an orderly way; from then on connections are refused. What it held is lost, unless the
// server was started with persistence. Stopping a stopped server does nothing.
func (r *RedisServer) Stop() { r.t.Helper(); r.must("stop", r.process.stop("TERM")) }

// Kill ends the server as a crash would, without a last word to disk or clients.
func (r *RedisServer) Kill() { r.t.Helper(); r.must("kill", r.process.stop("KILL")) }

// Restart starts the server at its old address, after stopping it if it runs, and returns once it answers.
func (r *RedisServer) Restart() {
	r.t.Helper()
	r.Stop()
	r.must("restart", r.process.start())
}

// Pause freezes the server: it accepts connections and never answers, which is the outage that only a timeout ends.
func (r *RedisServer) Pause() { r.t.Helper(); r.must("pause", r.process.order("STOP")) }

// Resume lets a paused server go on where it was.
func (r *RedisServer) Resume() { r.t.Helper(); r.must("resume", r.process.order("CONT")) }

func (r *RedisServer) must(do string, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("testenv: %s the Redis at %s: %v", do, r.Addr(), err)
	}
}
