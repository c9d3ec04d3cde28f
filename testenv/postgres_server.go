package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A PostgresServer is a PostgreSQL that one test may stop, break and start as it likes, to see what an outage does. What it has
// said to be committed survives that, unlike with [Postgres], whose server is quicker. It is not for use from several
// goroutines at once.
type PostgresServer struct {
	t      testing.TB
	server *postgres
}

// StartPostgres starts a PostgreSQL for this test alone, and ends it with the test. It is always a process of our own, whatever
// the environment names, since nobody else's server may be stopped.
func StartPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	// Commits are handed to the operating system before they are answered, which is all that a killed server needs. Small files
	// of its log let a limit on files hit tables of a megabyte.
	server, err := startPostgres("synchronous_commit = on\nmax_connections = 400\n", "--wal-segsize=1")
	if err != nil {
		t.Fatalf("testenv: start a PostgreSQL: %v\nNext: %s.", err, postgresNextStep)
	}
	return endWith(t, server)
}

// StartDurablePostgres is StartPostgres for measurements: what this server says is committed survives a power cut as well. Further
// lines of configuration win over its own.
func StartDurablePostgres(t testing.TB, lines string) *PostgresServer {
	t.Helper()
	server, err := startPostgres("fsync = on\nsynchronous_commit = on\nfull_page_writes = on\n" + lines)
	if err != nil {
		t.Fatalf("testenv: start a PostgreSQL: %v\nNext: %s.", err, postgresNextStep)
	}
	return endWith(t, server)
}

func endWith(t testing.TB, server *postgres) *PostgresServer {
	t.Cleanup(func() {
		if err := server.process.end(); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	return &PostgresServer{t, server}
}

// URL is that of the database postgres, which is empty, as is its administrator's. It stays the same across stops and starts.
func (p *PostgresServer) URL() string { return p.server.url.String() }

// Addr is the host:port of URL.
func (p *PostgresServer) Addr() string { return p.server.url.Host }

// Stop shuts the server down as a deployment does, PostgreSQL's "fast shutdown": transactions are undone, what was committed is
// written to its tables. From then on connections are refused. Stopping a stopped server does nothing.
func (p *PostgresServer) Stop() { p.t.Helper(); p.must("stop", p.server.process.stop("INT")) }

// Crash ends the server at once, PostgreSQL's "immediate shutdown": the next start recovers what was committed from its log.
func (p *PostgresServer) Crash() { p.t.Helper(); p.must("crash", p.server.process.stop("QUIT")) }

// Start starts a stopped server at its old address, and returns once it answers.
func (p *PostgresServer) Start() { p.t.Helper(); p.must("start", p.server.process.start()) }

// Pause freezes the server's first process: whoever is connected is served, and nobody new.
func (p *PostgresServer) Pause() { p.t.Helper(); p.must("pause", p.server.process.order("STOP")) }

// Resume lets a paused server go on where it was.
func (p *PostgresServer) Resume() { p.t.Helper(); p.must("resume", p.server.process.order("CONT")) }

// CanFill says whether Fill works here: it needs prlimit, which Linux has.
func (p *PostgresServer) CanFill() bool {
	_, err := exec.LookPath("prlimit")
	return err == nil
}

// Fill lets connections that are made from now on extend no file beyond a megabyte, so that they are refused what a full disk
// would refuse them: PostgreSQL cannot extend a table, and says so. It takes no privileges, and touches nobody else's disk.
func (p *PostgresServer) Fill() {
	p.t.Helper()
	p.must("fill", p.server.process.order("files 1048576"))
}

// Clear takes the limit of Fill back, for connections that are made from now on.
func (p *PostgresServer) Clear() {
	p.t.Helper()
	p.must("clear", p.server.process.order("files unlimited"))
}

// Log is what the server has said since its latest start.
func (p *PostgresServer) Log() string {
	text, err := os.ReadFile(filepath.Join(p.server.process.dir, "log"))
	if err != nil {
		return ""
	}
	return string(text)
}

func (p *PostgresServer) must(do string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("testenv: %s the PostgreSQL at %s: %v", do, p.Addr(), err)
	}
}
