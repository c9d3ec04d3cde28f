package storage

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

const inMemory = ":memory:"

// openSQLite opens what follows "sqlite:".
func (db *DB) openSQLite(rest string) error {
	db.dialect, db.writer = sqlite, make(chan struct{}, 1)
	path, option, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "?")
	switch {
	case path == "":
		return errors.New("a SQLite URL names a file, e.g. sqlite:/var/lib/tenure/tenure.db")
	case option != "" && option != "scratch" && option != "solitary":
		return fmt.Errorf("the option %q is unknown; a SQLite URL takes ?scratch or ?solitary", option)
	case path == inMemory:
		return db.openMemory()
	}
	path, err := db.sqliteFile(path)
	if err != nil {
		return err
	}
	if !db.readOnly {
		if err := db.lockFile(path + ".lock"); err != nil {
			return err
		}
	}
	if option == "solitary" {
		return db.openSolitary(path)
	}
	return db.openFile(path, option == "scratch")
}

// openFile has one connection write and the others read. Whenever something is written, all others forget what they have read of the file; so
// the one that writes knows it still when it writes again.
func (db *DB) openFile(path string, scratch bool) error {
	reading, err := openPool(sqliteSource(path, scratch, db.readOnly, readingCache), 8)
	if err != nil {
		return err
	}
	db.use(reading)
	if db.readOnly {
		return nil
	}
	writing, err := openPool(sqliteSource(path, scratch, false, writingCache), 1)
	if err != nil {
		return err
	}
	db.writing = mapped(writing, db.dialect)
	return nil
}

// openPool keeps its connections for as long as it is open.
func openPool(source string, connections int) (*sql.DB, error) {
	pool, err := sql.Open(sqliteDriver, source)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, nil
}

// How much of the file a connection keeps in memory, in KiB: the one that writes so much that a chunk is not written out in the middle of its
// transaction; those that read, which forget it soon, what one look needs.
const (
	writingCache = 16 << 10
	readingCache = 4 << 10
)

// openMemory keeps to one connection, since each would be a database of its own. (The shared cache of SQLite would let
// several in, but locks whole tables against readers and answers at once instead of waiting.)
func (db *DB) openMemory() error {
	if db.readOnly {
		return errors.New("a database in memory is empty, there is nothing to read; open it for writing")
	}
	pool, err := openPool("file::memory:?"+pragmas(true, false, writingCache).Encode(), 1)
	if err != nil {
		return err
	}
	db.use(pool)
	return nil
}

// openSolitary keeps to one connection, to which the file belongs alone. What it has read stays known to it: with several, each forgets
// all of it whenever another one has written. Nor is anything written twice, as it is where readers must be left in peace, so that pages may be
// large: fewer of them are looked up and split.
func (db *DB) openSolitary(path string) error {
	if db.readOnly {
		return errors.New("a solitary database has no readers beside its one connection; open it for writing")
	}
	source, err := url.Parse(sqliteSource(path, true, false, writingCache))
	if err != nil {
		return err
	}
	query := source.Query()
	query["_pragma"] = []string{"foreign_keys(1)", "cache_size(-262144)", // KiB
		"page_size(16384)", "locking_mode(EXCLUSIVE)", "journal_mode(MEMORY)", "synchronous(OFF)", "temp_store(MEMORY)"}
	source.RawQuery = query.Encode()
	pool, err := openPool(source.String(), 1)
	if err != nil {
		return err
	}
	db.use(pool)
	db.solitary = true
	return nil
}

// sqliteFile makes sure that the file is there, for its owner alone, and gives the one name under which every process
// knows it.
func (db *DB) sqliteFile(path string) (string, error) {
	if !db.readOnly {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", fmt.Errorf("create the folder of the database: %w", err)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return "", fmt.Errorf("create the database: %w", err)
		}
		if err := f.Close(); err != nil {
			return "", fmt.Errorf("create the database: %w", err)
		}
	}
	path, err := filepath.EvalSymlinks(path)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w; create it with `tenure migrate`", ErrNotMigrated, err)
	}
	return path, nil
}

// sqliteSource is the data source name for modernc.org/sqlite.
func sqliteSource(path string, scratch, readOnly bool, cache int) string {
	query := pragmas(scratch, readOnly, cache)
	query.Set("mode", "rw") // the file is there; one that has been removed in between is not made anew
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// pragmas are set on every connection. Without _txlock=immediate a transaction that reads first and writes later fails
// whenever another one has written in between.
func pragmas(scratch, readOnly bool, cache int) url.Values {
	settings := []string{"busy_timeout(10000)", "foreign_keys(1)", fmt.Sprintf("cache_size(-%d)", cache)}
	if scratch {
		settings = append(settings, "journal_mode(WAL)", "synchronous(OFF)")
	} else {
		settings = append(settings, "journal_mode(WAL)", "synchronous(FULL)") // what we said is done survives a power cut
	}
	if readOnly {
		settings = []string{"busy_timeout(10000)", onlyReads}
	}
	return url.Values{"_txlock": {"immediate"}, "_pragma": settings}
}

// lockFile keeps every other process from writing, until Close or until this process is gone, however it went.
func (db *DB) lockFile(path string) error {
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	if !locked {
		return fmt.Errorf("%w: %s; stop it first, or if it is a tenure that serves, ask it over HTTP", ErrInUse, holder(path))
	}
	db.lock = lock
	// On Windows nobody else can read a locked file, nor write to it by another handle: then the message above names no
	// process, and that is all.
	_ = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	return nil
}

func holder(path string) string {
	text, err := os.ReadFile(path)
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return "its process id is not known"
	}
	return "process " + pid
}
