package testenv

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	_ "github.com/lib/pq" // the driver that the product uses
)

const postgresNextStep = "run scripts/test-deps to install PostgreSQL, or set " + postgresVariable + " to the URL of a running server whose user may create databases"

// Postgres returns the URL (postgres://…?sslmode=disable) of a fresh, empty database for this test alone; it is
// dropped, with whatever is still connected to it, when the test ends. All tests of one binary share one server.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := postgresServer()
	if err != nil {
		t.Fatalf("testenv: no PostgreSQL to test against: %v\nNext: %s.", err, postgresNextStep)
	}
	name := "tenure_test_" + strings.ToLower(rand.Text())
	// From template0, because creating from template1 fails while anybody is connected to that.
	if err := runSQL(server, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		t.Fatalf("testenv: create a database on %s: %v\nNext: %s.", server.Redacted(), err, postgresNextStep)
	}
	t.Cleanup(func() {
		if err := runSQL(server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("testenv: drop database %s on %s: %v", name, server.Redacted(), err)
		}
	})
	database := *server
	database.Path = "/" + name
	return database.String()
}

// postgresServer is the administrator's URL of the server to use: the one named in the environment, or our own.
func postgresServer() (*url.URL, error) {
	if named := os.Getenv(postgresVariable); named != "" {
		return parsePostgresURL(named)
	}
	own, err := ownPostgres()
	if err != nil {
		return nil, err
	}
	return own.url, nil
}

func parsePostgresURL(named string) (*url.URL, error) {
	server, err := url.Parse(named)
	if err != nil || (server.Scheme != "postgres" && server.Scheme != "postgresql") {
		// The text itself stays out of the message: it may hold a password.
		return nil, fmt.Errorf("%s is not a URL like postgres://user:password@host:5432/postgres", postgresVariable)
	}
	query := server.Query()
	if !query.Has("sslmode") { // lib/pq would insist on TLS
		query.Set("sslmode", "disable")
		server.RawQuery = query.Encode()
	}
	return server, nil
}

// ownPostgres starts this test binary's server on first use. One that failed to start is not tried again: every test
// that needs it says why. What it returns stays reachable here, and has to: the pipe to the server's owner, collected as
// garbage, would be closed.
var ownPostgres = sync.OnceValues(func() (*postgres, error) { return startPostgres("") })

type postgres struct {
	url     *url.URL
	process *process
}

// startPostgres starts a server of our own. More lines of configuration win over ours; arguments are for initdb.
func startPostgres(lines string, arguments ...string) (*postgres, error) {
	bin, err := findPostgres(os.Getenv("PATH"), "/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	as, err := postgresAccount()
	if err != nil {
		return nil, err
	}
	dir, err := makeDir("tenure-postgres-", as)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	// QUIT is PostgreSQL's "immediate shutdown": at once, but its shared memory is still returned.
	process, err := own("PostgreSQL", dir, "database system is ready to accept connections", "QUIT", as,
		filepath.Join(bin, "postgres"), "-D", data)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := initdb(bin, dir, data, as, arguments...); err != nil {
		return nil, errors.Join(err, process.end())
	}
	port, err := process.startOnFreePort(func(port int) error {
		return os.WriteFile(filepath.Join(data, "postgresql.auto.conf"), []byte(postgresConf(port)+lines), 0o600)
	})
	if err != nil {
		return nil, errors.Join(err, process.end())
	}
	return &postgres{process: process, url: &url.URL{
		Scheme: "postgres", User: url.User("postgres"), Host: "127.0.0.1:" + strconv.Itoa(port),
		Path: "/postgres", RawQuery: "sslmode=disable",
	}}, nil
}

func initdb(bin, dir, data string, as account, arguments ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), append([]string{"-D", data, "-U", "postgres", //nolint:gosec // the path was found by us
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"}, arguments...)...)
	command.Dir = dir
	command.Env = serverEnv()
	command.SysProcAttr = as.attributes()
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", dir, err, lastLines(string(out)))
	}
	return nil
}

// postgresConf trades what a throwaway server does not need, surviving a power cut, for speed. There is no Unix socket:
// its directory might be shared with a real server, and its path be too long in some temporary directories.
func postgresConf(port int) string {
	return "port = " + strconv.Itoa(port) + `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = '64MB'
dynamic_shared_memory_type = 'mmap'
fsync = off
synchronous_commit = off
full_page_writes = off
timezone = 'UTC'
`
}

// findPostgres looks for a directory that holds both initdb and postgres: along path, then in the newest of Debian's,
// which keeps them off the PATH.
func findPostgres(path, debian string) (string, error) {
	dirs := filepath.SplitList(path)
	versions, err := filepath.Glob(debian)
	if err != nil {
		return "", fmt.Errorf("look for PostgreSQL in %s: %w", debian, err)
	}
	slices.SortFunc(versions, func(a, b string) int { return postgresVersion(b) - postgresVersion(a) })
	for _, dir := range append(dirs, versions...) {
		if filepath.IsAbs(dir) && isProgram(filepath.Join(dir, "initdb")) && isProgram(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("initdb and postgres are neither on the PATH nor in %s", debian)
}

// postgresVersion reads the number in /usr/lib/postgresql/15/bin; as text, 9 would beat 15.
func postgresVersion(bin string) int {
	version, err := strconv.ParseFloat(filepath.Base(filepath.Dir(bin)), 64)
	if err != nil {
		return 0
	}
	return int(version * 10)
}

func isProgram(path string) bool {
	found, err := os.Stat(path)
	return err == nil && found.Mode().IsRegular() && found.Mode().Perm()&0o111 != 0
}

// runSQL runs one statement on a connection of its own. It takes no context from the test: the one it would get is
// already cancelled when the test cleans up.
func runSQL(server *url.URL, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	db, err := sql.Open("postgres", server.String())
	if err != nil {
		return fmt.Errorf("open %s: %w", server.Redacted(), err)
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}
