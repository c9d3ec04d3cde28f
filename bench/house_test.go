package bench

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/lib/pq" // the driver that the product uses
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/testenv"
)

// A house has what measurements need: a PostgreSQL that keeps its word, a Redis, and the program as it is shipped.
type house struct {
	t       *testing.T
	server  *testenv.PostgresServer
	redis   *testenv.RedisServer
	binary  string // of tenure
	policy  string // file
	worlds  map[world]string
	narrows map[world]bool // worlds in narrow tables that are filled
	clones  *int
}

// The server is set up the way a careful operator would: with memory, and room for its log, so that checkpoints come by time and
// not in the middle of one contender. Everything else is PostgreSQL's default; durability is on.
const serverSettings = `shared_buffers = '1GB'
max_wal_size = '8GB'
checkpoint_timeout = '15min'
`

// worldPolicy lets a sweep do at once what it finds: a world in which a tenth is due would otherwise be held for an operator's word.
const worldPolicy = "breakers: off\nquarantine: off\nnotices:\n  staleAfter: P700D\n"

func openHouse(t *testing.T) *house {
	dir := t.TempDir()
	h := &house{t: t, binary: filepath.Join(dir, "tenure"), policy: filepath.Join(dir, "policy.yaml"), worlds: map[world]string{}, narrows: map[world]bool{}, clones: new(int)}
	if given := os.Getenv("BENCH_TENURE"); given != "" {
		h.binary = given
	} else {
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", h.binary, "./cmd/tenure")
		build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	require.NoError(t, os.WriteFile(h.policy, []byte(worldPolicy), 0o600))
	h.server = testenv.StartDurablePostgres(t, serverSettings)
	h.redis = testenv.StartRedis(t)
	return h
}

// of is the same house for a subtest, so that failures are its own.
func (h *house) of(t *testing.T) *house {
	mine := *h
	mine.t = t
	return &mine
}

// url is that of a database on the house's server.
func (h *house) url(name string) string {
	u, err := url.Parse(h.server.URL())
	require.NoError(h.t, err)
	u.Path = "/" + name
	return u.String()
}

// environment is what a process of tenure's finds that works on a database.
func (h *house) environment(database string) []string {
	env := append(os.Environ(), "TENURE_DB="+database, "TENURE_POLICY="+h.policy,
		"TENURE_MAIL_DIR="+filepath.Join(filepath.Dir(h.policy), "mail"), "TENURE_LOG_LEVEL=warn", "TENURE_WITNESS=off")
	if strings.HasPrefix(database, "sqlite:") {
		return env
	}
	return append(env, "TENURE_REDIS="+h.redis.URL())
}

// run runs a command of tenure's to its end.
func (h *house) run(database string, args ...string) string {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), h.binary, args...)
	cmd.Env = h.environment(database)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	require.NoError(h.t, err, "tenure %s: %s", strings.Join(args, " "), &errors)
	return string(out)
}

// emptyQueue forgets what an earlier contender may have left in Redis.
func (h *house) emptyQueue() {
	h.t.Helper()
	options, err := redis.ParseURL(h.redis.URL())
	require.NoError(h.t, err)
	client := redis.NewClient(options)
	defer client.Close()
	require.NoError(h.t, client.FlushAll(context.Background()).Err())
}

// A database is one contender's, for one round.
type database struct {
	*sql.DB
	h    *house
	Name string
	URL  string
	of   world
	file string // of SQLite; empty: it is on the server
}

// connect opens a database of the house's server that is there.
func (h *house) connect(name string) *database { return h.connectTo(h.url(name)) }

// connectTo opens a database by its URL.
func (h *house) connectTo(address string) *database {
	u, err := url.Parse(address)
	require.NoError(h.t, err)
	db, err := sql.Open("postgres", address)
	require.NoError(h.t, err)
	db.SetMaxOpenConns(4)
	return &database{DB: db, h: h, Name: strings.TrimPrefix(u.Path, "/"), URL: address}
}

// admin runs a statement about databases.
func (h *house) admin(statement string) {
	h.t.Helper()
	db := h.connect("postgres")
	defer db.Close()
	db.must(statement)
}

// fresh is a copy of a world, just as it was filled, its pages in memory, and a checkpoint just behind it: so everybody begins alike,
// and pays for the first change of each page. It is dropped by [database.drop], or at the end.
func (h *house) fresh(w world) *database {
	h.t.Helper()
	return h.clone(h.template(w), w)
}

// clone copies a template.
func (h *house) clone(template string, w world) *database {
	h.t.Helper()
	*h.clones++
	name := fmt.Sprintf("clone_%d", *h.clones)
	h.admin("CREATE DATABASE " + name + " TEMPLATE " + template + h.copying())
	db := h.connect(name)
	db.of = w
	h.t.Cleanup(db.drop)
	db.warm()
	db.must("CHECKPOINT")
	return db
}

// copying has PostgreSQL copy files, as it always did before version 15, instead of writing all of the copy to its log.
func (h *house) copying() string {
	db := h.connect("postgres")
	defer db.Close()
	if db.number("SELECT current_setting('server_version_num')::int") >= 150000 {
		return " STRATEGY FILE_COPY"
	}
	return ""
}

// warm reads the whole database into the server's memory, where the server knows how to.
func (db *database) warm() {
	if db.number("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_prewarm'") == 0 {
		return
	}
	db.must(`CREATE SCHEMA warm; CREATE EXTENSION pg_prewarm SCHEMA warm`)
	db.must(`SELECT sum(warm.pg_prewarm(c.oid)) FROM pg_class c WHERE c.relkind IN ('r', 'i') AND c.relnamespace = 'public'::regnamespace`)
	db.must(`DROP SCHEMA warm CASCADE`)
}

// drop ends the database; doing it twice does nothing.
func (db *database) drop() {
	if db.DB == nil {
		return
	}
	db.Close()
	db.DB = nil
	if db.file != "" {
		for _, end := range []string{"", "-wal", "-shm", ".lock"} {
			_ = os.Remove(db.file + end)
		}
		return
	}
	db.h.admin("DROP DATABASE IF EXISTS " + db.Name + " WITH (FORCE)")
}

// must runs a statement, or several without parameters.
func (db *database) must(statement string, args ...any) int64 {
	db.h.t.Helper()
	result, err := db.ExecContext(context.Background(), statement, args...)
	require.NoError(db.h.t, err, statement)
	n, err := result.RowsAffected()
	require.NoError(db.h.t, err)
	return n
}

// number asks for a single one.
func (db *database) number(query string, args ...any) (n int64) {
	db.h.t.Helper()
	require.NoError(db.h.t, db.QueryRowContext(context.Background(), query, args...).Scan(&n), query)
	return n
}
