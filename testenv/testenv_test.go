package testenv

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func openPostgres(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func openRedis(t *testing.T, address string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(address)
	require.NoError(t, err)
	options.MaxRetries = -1
	options.DialerRetries = 1
	client := redis.NewClient(options)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	for range 2 {
		t.Run("test", func(t *testing.T) {
			t.Parallel()
			db := openPostgres(t, Postgres(t))
			_, err := db.ExecContext(t.Context(), "CREATE TABLE only_here (n integer)")
			require.NoError(t, err, "the table is there already: the database was not fresh")
		})
	}
}

func TestDatabaseIsGoneAfterItsTestEvenIfConnectionsWereLeftOpen(t *testing.T) {
	var address string
	t.Run("test", func(t *testing.T) {
		address = Postgres(t)
		left, err := sql.Open("postgres", address)
		require.NoError(t, err)
		require.NoError(t, left.PingContext(t.Context()))
	})
	require.ErrorContains(t, openPostgres(t, address).PingContext(t.Context()), "does not exist")
}

func TestNamedPostgresServerIsUsed(t *testing.T) {
	named := Postgres(t)
	t.Setenv(postgresVariable, strings.TrimSuffix(named, "?sslmode=disable"))
	given := Postgres(t)
	require.NotEqual(t, named, given)
	require.Equal(t, hostOf(t, named), hostOf(t, given))
	require.NoError(t, openPostgres(t, given).PingContext(t.Context()), "sslmode must have been added")
}

func TestNamedPostgresThatIsNoURLFailsWithoutShowingThePassword(t *testing.T) {
	t.Setenv(postgresVariable, "host=db password=hunter2")
	message := failure(t, func(tb testing.TB) { Postgres(tb) })
	require.Contains(t, message, postgresVariable)
	require.Contains(t, message, "Next:")
	require.NotContains(t, message, "hunter2")
}

func TestUnreachableNamedServersFailTheTest(t *testing.T) {
	port, err := freePort()
	require.NoError(t, err)
	t.Setenv(postgresVariable, fmt.Sprintf("postgres://postgres:hunter2@127.0.0.1:%d/postgres", port))
	t.Setenv(redisVariable, fmt.Sprintf("redis://:hunter2@127.0.0.1:%d", port))
	for _, ask := range []func(testing.TB){
		func(tb testing.TB) { Postgres(tb) },
		func(tb testing.TB) { Redis(tb) },
	} {
		message := failure(t, ask)
		require.Contains(t, message, "refused")
		require.Contains(t, message, "Next:")
		require.NotContains(t, message, "hunter2")
	}
}

func TestPostgresIsFoundOnThePathOrInTheNewestDebianDirectory(t *testing.T) {
	root := t.TempDir()
	install := func(dir string) string {
		bin := filepath.Join(root, dir)
		require.NoError(t, os.MkdirAll(bin, 0o755))
		for _, program := range []string{"initdb", "postgres"} {
			require.NoError(t, os.WriteFile(filepath.Join(bin, program), nil, 0o755))
		}
		return bin
	}
	debian := filepath.Join(root, "lib", "*", "bin")

	_, err := findPostgres("", debian)
	require.ErrorContains(t, err, "initdb and postgres")

	install("lib/9.6/bin")
	newest := install("lib/17/bin")
	install("lib/15/bin")
	found, err := findPostgres("", debian)
	require.NoError(t, err)
	require.Equal(t, newest, found)

	onPath := install("path")
	found, err = findPostgres(onPath, debian)
	require.NoError(t, err)
	require.Equal(t, onPath, found)
}

func TestRedisIsEmptyAndRefusesToEvict(t *testing.T) {
	client := openRedis(t, StartRedis(t).URL())
	require.Zero(t, client.DBSize(t.Context()).Val())
	require.Equal(t, "noeviction", client.ConfigGet(t.Context(), "maxmemory-policy").Val()["maxmemory-policy"])
}

func TestRedisArgumentsWinOverOurs(t *testing.T) {
	server := StartRedis(t, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb")
	client := openRedis(t, server.URL())
	require.Equal(t, "allkeys-lru", client.ConfigGet(t.Context(), "maxmemory-policy").Val()["maxmemory-policy"])
}

func TestRedisThatDoesNotStartFailsWithItsOwnWords(t *testing.T) {
	message := failure(t, func(tb testing.TB) { StartRedis(tb, "--no-such-directive", "1") })
	require.Contains(t, message, "no-such-directive")
	require.Contains(t, message, "Bad directive")
	require.Contains(t, message, "Next:")
}

func TestMissingRedisFailsWithTheNextStep(t *testing.T) {
	only := t.TempDir() // a PATH that holds sh and its needs, and no redis-server
	for _, program := range []string{"sh", "sleep", "cat", "rm"} {
		path, err := exec.LookPath(program)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(only, program)))
	}
	t.Setenv("PATH", only)
	message := failure(t, func(tb testing.TB) { StartRedis(tb) })
	require.Contains(t, message, "redis-server")
	require.Contains(t, message, "Next: run scripts/test-deps")
}

func TestOutages(t *testing.T) {
	tests := map[string]func(*RedisServer){
		"stop": (*RedisServer).Stop,
		"kill": (*RedisServer).Kill,
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			server := StartRedis(t)
			address := server.Addr()
			client := openRedis(t, server.URL())
			require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())

			end(server)
			end(server) // once more is harmless
			require.ErrorContains(t, client.Ping(t.Context()).Err(), "refused")

			server.Restart()
			require.Equal(t, address, server.Addr())
			require.NoError(t, client.Ping(t.Context()).Err())
			require.Zero(t, client.DBSize(t.Context()).Val(), "an outage of a Redis without persistence loses everything")

			server.Restart() // of a running one
			require.NoError(t, client.Ping(t.Context()).Err())
		})
	}
}

func TestPersistentRedisKeepsItsKeysAcrossAStop(t *testing.T) {
	server := StartRedis(t, "--appendonly", "yes")
	client := openRedis(t, server.URL())
	require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
	server.Stop()
	server.Restart()
	require.Equal(t, "v", client.Get(t.Context(), "k").Val())
}

func TestPausedRedisIsSilentAndCanBeResumedOrEnded(t *testing.T) {
	server := StartRedis(t)
	client := openRedis(t, server.URL())
	require.NoError(t, client.Ping(t.Context()).Err())

	server.Pause()
	impatient := client.WithTimeout(200 * time.Millisecond) // only this answer is not to be waited for, on however busy a machine
	var timeout net.Error
	require.ErrorAs(t, impatient.Ping(t.Context()).Err(), &timeout)
	require.True(t, timeout.Timeout())

	server.Resume()
	require.NoError(t, client.Ping(t.Context()).Err())

	server.Pause()
	server.Restart()
	require.NoError(t, client.Ping(t.Context()).Err())

	server.Pause() // left so: the end of the test must not hang on it
}

func TestNamedRedisLendsAnEmptyDatabaseToEachTest(t *testing.T) {
	server := StartRedis(t, "--databases", "4")
	t.Setenv(redisVariable, server.URL())
	theirs := openRedis(t, "redis://"+server.Addr()+"/1")
	require.NoError(t, theirs.Set(t.Context(), "precious", "data", 0).Err())

	t.Run("tests", func(t *testing.T) {
		one, two := Redis(t), Redis(t)
		require.NotEqual(t, one, two)
		for _, address := range []string{one, two} {
			client := openRedis(t, address)
			require.Zero(t, client.DBSize(t.Context()).Val())
			require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
		}
	})
	require.Equal(t, "data", theirs.Get(t.Context(), "precious").Val())
	require.Zero(t, openRedis(t, server.URL()).DBSize(t.Context()).Val(), "all leases were given back")
	for number := range 2 {
		given := openRedis(t, fmt.Sprintf("redis://%s/%d", server.Addr(), number+2))
		require.Zero(t, given.DBSize(t.Context()).Val(), "what a test wrote was emptied")
	}
}

func TestNamedRedisTakesBackWhatAKilledTestLeft(t *testing.T) {
	server := StartRedis(t, "--databases", "2")
	t.Setenv(redisVariable, server.URL())
	desk := openRedis(t, server.URL())
	left := openRedis(t, "redis://"+server.Addr()+"/1")
	require.NoError(t, left.Set(t.Context(), "k", "v", 0).Err())
	require.NoError(t, desk.SAdd(t.Context(), oursKey, 1).Err()) // its lease has run out

	require.Zero(t, openRedis(t, Redis(t)).DBSize(t.Context()).Val())
}

func TestNothingIsLeftRunningInTheTestBinary(t *testing.T) {
	unrelated := goleak.IgnoreCurrent()
	Postgres(t)
	StartRedis(t)
	goleak.VerifyNone(t, unrelated)
}

// The promise that test authors rely on without knowing: however a test binary ends, its servers end with it.
func TestServersEndWithTheTestBinary(t *testing.T) {
	ends := map[string]func(*testing.T, *exec.Cmd){
		"when it returns": func(*testing.T, *exec.Cmd) {},
		"when it panics":  func(*testing.T, *exec.Cmd) {},
		"when it is killed": func(t *testing.T, child *exec.Cmd) {
			require.NoError(t, child.Process.Signal(syscall.SIGKILL))
		},
		"when it is interrupted": func(t *testing.T, child *exec.Cmd) {
			require.NoError(t, child.Process.Signal(os.Interrupt))
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temp := t.TempDir()
			openToAll(t, temp)
			child, addresses := startChild(t, temp, name)
			require.Len(t, addresses, 3)
			end(t, child)
			_ = child.Wait() // how it ended is not the point

			require.Eventually(t, func() bool {
				return !anyAnswers(t.Context(), addresses) && isEmpty(t, temp)
			}, 20*time.Second, 20*time.Millisecond, "still there: a server at one of %v or a file in %s", addresses, temp)
		})
	}
}

const childVariable = "TENURE_TESTENV_CHILD"

// startChild runs this test binary again, as one that only uses servers, and returns when it does.
func startChild(t *testing.T, temp, end string) (*exec.Cmd, []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
	child.Env = append(os.Environ(), childVariable+"="+end, "TMPDIR="+temp, postgresVariable+"=", redisVariable+"=")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var addresses []string
	for lines := bufio.NewScanner(out); len(addresses) < 3 && lines.Scan(); {
		if address, is := strings.CutPrefix(lines.Text(), "server at "); is {
			addresses = append(addresses, address)
		}
	}
	return child, addresses
}

// TestChild is the other side of startChild; by itself it does nothing.
func TestChild(t *testing.T) {
	end := os.Getenv(childVariable)
	if end == "" {
		return
	}
	paused := StartRedis(t)
	paused.Pause()
	for _, address := range []string{hostOf(t, Postgres(t)), StartRedis(t).Addr(), paused.Addr()} {
		fmt.Println("server at " + address)
	}
	switch end {
	case "when it returns":
	case "when it panics":
		panic("as asked")
	default:
		select {} // until the parent ends us
	}
}

func anyAnswers(ctx context.Context, addresses []string) bool {
	for _, address := range addresses {
		var dialer net.Dialer
		if connection, err := dialer.DialContext(ctx, "tcp", address); err == nil {
			connection.Close()
			return true
		}
	}
	return false
}

func isEmpty(t *testing.T, dir string) bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	return len(entries) == 0
}

// openToAll makes a test's directory usable by the user that PostgreSQL runs as, as /tmp itself is.
func openToAll(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return parsed.Host
}

// failure runs what should fail its test, and returns the message that it failed with.
func failure(t *testing.T, what func(testing.TB)) string {
	t.Helper()
	recorder := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		what(recorder)
	}()
	<-done
	require.NotEmpty(t, recorder.message, "it did not fail")
	return recorder.message
}

// failing is a test that may fail without failing ours.
type failing struct {
	testing.TB
	message string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
