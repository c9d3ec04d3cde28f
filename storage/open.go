package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/jmoiron/sqlx"
	"github.com/jmoiron/sqlx/reflectx"
	_ "github.com/lib/pq" // the driver "postgres"
)

// A DB is a database that is open. It may be used from many goroutines.
type DB struct {
	pool     *sqlx.DB
	writing  *sqlx.DB // what writes goes over: the pool, or on a file of SQLite a connection of its own
	lines    *lines   // PostgreSQL: what connections run over; nil on SQLite
	dialect  *dialect
	readOnly bool
	writer   chan struct{} // SQLite: holds whoever writes; nil on PostgreSQL
	lock     *flock.Flock  // SQLite: keeps other processes from writing
	migrated atomic.Bool
	keys     keyBlock
	mark     atomic.Pointer[time.Time] // the high-water mark as this process left it; nil: it does not know
	late     lateLog
	known    atomic.Pointer[acquaintances]
	nowhere  []string // channels that lead nowhere; see PassAtOnce
	solitary bool     // SQLite: a scratch file with one connection
	tears    bool     // nothing that fails is undone; see ForgoUndoing
	underway bool     // the same: the transaction that all share is open
	torn     atomic.Pointer[error]
}

// Open opens a database for reading and writing. The URL is one of
//
//	sqlite:PATH                 a file; it and its folder are created, for their owner alone
//	sqlite:PATH?scratch         the same, quicker, and lost with a power cut: for trying things out
//	sqlite:PATH?solitary        quicker still: a scratch file with one connection, so one query at a time, as in memory
//	sqlite::memory:             gone with Close; one query at a time
//	postgres://user:password@host:5432/name?sslmode=verify-full
//
// Where a postgres URL says no sslmode it is require, which encrypts without checking who the server is; for a server on
// the same machine it is disable. No error ever holds the password.
//
// Open does not migrate: until [DB.Migrate] has been called once, here or elsewhere, every other method answers
// [ErrNotMigrated]. A database that a newer program has migrated is [ErrNewer]. One file of SQLite has one writing process;
// a second one is told so with [ErrInUse] and the other's process id.
func Open(ctx context.Context, url string) (*DB, error) { return open(ctx, url, false) }

// OpenReadOnly opens a database that is migrated, beside whoever writes to it. The database refuses every change.
// [ErrNotMigrated] where there is nothing to read yet.
func OpenReadOnly(ctx context.Context, url string) (*DB, error) { return open(ctx, url, true) }

func open(ctx context.Context, url string, readOnly bool) (*DB, error) {
	db := &DB{readOnly: readOnly}
	var err error
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		err = db.openSQLite(rest)
	case "postgres", "postgresql":
		err = db.openPostgres(ctx, url)
	default:
		// The text itself stays out of the message: it may hold a password.
		err = errors.New("a database URL begins with sqlite: or postgres://, e.g. sqlite:/var/lib/tenure/tenure.db")
	}
	if err == nil && readOnly {
		err = db.current(ctx)
	} else if err == nil {
		err = db.notNewer(ctx)
	}
	if err != nil {
		return nil, said("open the database", errors.Join(err, db.Close()))
	}
	return db, nil
}

// Close closes the database, and lets another process write to it.
func (db *DB) Close() error {
	var err error
	if db.pool != nil {
		err = db.pool.Close()
		if db.writing != db.pool {
			err = errors.Join(err, db.writing.Close())
		}
		if db.dialect == postgres {
			err = nil // it is of a connection that was broken already: nothing is lost with it
		}
	}
	if db.lock != nil {
		err = errors.Join(err, db.lock.Close())
	}
	return said("close the database", err)
}

// Ping says whether the database answers, and with the tables that this program knows.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.PingContext(ctx); err != nil {
		return said("ask the database whether it is there", err)
	}
	return said("look at the database's version", db.current(ctx))
}

func (db *DB) openPostgres(ctx context.Context, text string) error {
	db.dialect = postgres
	source, password, err := postgresSource(text, db.readOnly)
	if err != nil {
		return err
	}
	db.lines = &lines{source: source}
	db.use(sql.OpenDB(db.lines))
	const most, idle = 20, 10 // PostgreSQL allows 100 from the factory, and there may be several of us
	db.pool.SetMaxOpenConns(most)
	db.pool.SetMaxIdleConns(idle)
	db.pool.SetConnMaxIdleTime(5 * time.Minute)
	return withoutPassword(db.pool.PingContext(ctx), password)
}

// use takes a pool for everything.
func (db *DB) use(pool *sql.DB) {
	db.pool = mapped(pool, db.dialect)
	db.writing = db.pool
}

// mapped has columns go by the names that rows have in JSON, so that each is named once.
func mapped(pool *sql.DB, of *dialect) *sqlx.DB {
	mapped := sqlx.NewDb(pool, of.driver)
	mapped.Mapper = reflectx.NewMapperFunc("json", strings.ToLower)
	return mapped
}

// postgresSource completes a URL with what it leaves open.
func postgresSource(text string, readOnly bool) (source, password string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Path == "" || u.Path == "/" {
		return "", "", errors.New("a PostgreSQL URL looks like postgres://user:password@host:5432/name; signs such as @ or # in the password are written as %40 or %23")
	}
	password, _ = u.User.Password()
	query := u.Query()
	complete := func(key, value string) {
		if !query.Has(key) {
			query.Set(key, value)
		}
	}
	complete("application_name", "tenure")
	complete("connect_timeout", "10")
	complete("random_page_cost", "1.1")              // nobody keeps a million relationships on disks that spin
	complete("max_parallel_workers_per_gather", "0") // a chunk is read faster than a helper is started, and there are many chunks at once
	complete("jit", "off")                           // the same
	// A query and its values go in one, where the driver would first have it prepared and wait. Pages rely on it too.
	query.Set("binary_parameters", "yes")
	query.Set("default_transaction_isolation", "read committed") // table clocks is written at no other; see floor.go
	// A process whose machine vanished must not hold its locks until the system's two hours are over.
	complete("idle_in_transaction_session_timeout", "600000") // milliseconds
	complete("tcp_keepalives_idle", "30")
	complete("tcp_keepalives_interval", "10")
	complete("tcp_keepalives_count", "3")
	if isLoopback(u.Hostname()) || strings.HasPrefix(query.Get("host"), "/") {
		complete("sslmode", "disable")
	} else {
		complete("sslmode", "require")
	}
	if readOnly {
		query.Set("default_transaction_read_only", "on")
	}
	u.RawQuery = query.Encode()
	return u.String(), password, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip.IsLoopback()
}

// withoutPassword takes the password out of what a driver has to say.
func withoutPassword(err error, password string) error {
	if err == nil || password == "" {
		return err
	}
	text := err.Error()
	for _, secret := range []string{password, url.QueryEscape(password), url.PathEscape(password)} {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// usable says whether the tables are there. It asks until they are, then never again.
func (db *DB) usable(ctx context.Context) error {
	if torn := db.torn.Load(); torn != nil {
		return *torn
	}
	if db.migrated.Load() {
		return nil
	}
	return db.current(ctx)
}

func (db *DB) notNewer(ctx context.Context) error {
	if err := db.current(ctx); err != nil && !errors.Is(err, ErrNotMigrated) {
		return err
	}
	return nil
}

// current compares the version of the tables with the one that this program knows.
func (db *DB) current(ctx context.Context) error {
	have, err := db.version(ctx)
	want := db.dialect.latest()
	switch {
	case err != nil:
		return err
	case have > want:
		return fmt.Errorf("%w: its tables have version %d, this program knows up to %d; install the newer program, or restore the backup made before the upgrade", ErrNewer, have, want)
	case have < want:
		return fmt.Errorf("%w: its tables have version %d, this program needs %d; make a backup and run `tenure migrate`", ErrNotMigrated, have, want)
	}
	db.migrated.Store(true)
	return nil
}
