package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/lib/pq"
	driver "modernc.org/sqlite"

	"github.com/tenure-dev/tenure/lifecycle"
)

// What storage may answer beside the errors of package lifecycle, for [errors.Is].
var (
	ErrNewer        = errors.New("the database is newer than this program")
	ErrNotMigrated  = errors.New("the database is not migrated")
	ErrOtherKind    = errors.New("the database is of another kind")
	ErrInUse        = errors.New("another process writes to this database")
	ErrReadOnly     = errors.New("the database was opened for reading only")
	ErrDiskFull     = errors.New("the disk is full")
	ErrLive         = errors.New("a live deployment has no test clock")
	ErrClockBack    = errors.New("a test clock is never moved back")
	ErrClockMoved   = errors.New("somebody else has moved the test clock in between")
	ErrTokenExists  = errors.New("a token of this name exists")
	ErrImportIsOver = errors.New("the import is over")
	ErrTorn         = errors.New("what failed cannot be undone here, so that this scratch database is of no use any more; begin again")
	ErrNotNarrow    = errors.New("nothing is left out, and everything at once is more likely a mistake than a wish; say which are meant")
)

// Codes of SQLite that mean something to us. Source: https://sqlite.org/rescode.html
const (
	sqliteBusy       = 5
	sqliteReadOnly   = 8
	sqliteFull       = 13
	sqliteTooBig     = 18
	sqliteConstraint = 19
	sqliteMismatch   = 20
	sqliteUnique     = 2067 // SQLITE_CONSTRAINT_UNIQUE
)

// said puts what was being done before an error, and the next step behind one that people can do something about.
func said(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, explained(err))
}

func explained(err error) error {
	switch code, state := codes(err); {
	case errors.Is(err, sql.ErrNoRows):
		return lifecycle.ErrNotFound
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing listens there; start PostgreSQL, or name the database's address with --db", err)
	case code == sqliteFull, state == "53100":
		return fmt.Errorf("%w: nothing was written; make room on the database's disk and run it again (%w)", ErrDiskFull, err)
	case code == sqliteBusy:
		return fmt.Errorf("another program keeps the database locked; close it, e.g. an open sqlite3 shell (%w)", err)
	case code == sqliteReadOnly, state == "25006":
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case code == sqliteConstraint, code == sqliteTooBig, code == sqliteMismatch, strings.HasPrefix(state, "22"), strings.HasPrefix(state, "23"):
		return fmt.Errorf("%w (%w)", lifecycle.ErrRefusedByDatabase, err)
	}
	return err
}

// unlessNone is err, unless it says that there is no row.
func unlessNone(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// codes are SQLite's primary result code or PostgreSQL's SQLSTATE; nothing where err is from elsewhere.
func codes(err error) (sqlite int, state string) {
	var ofSQLite *driver.Error
	if errors.As(err, &ofSQLite) {
		return ofSQLite.Code() & 0xff, ""
	}
	var ofPostgres *pq.Error
	if errors.As(err, &ofPostgres) {
		return 0, string(ofPostgres.Code)
	}
	return 0, ""
}

// isUnique says whether err is about a unique key that exists already.
func isUnique(err error) bool {
	var ofSQLite *driver.Error
	if errors.As(err, &ofSQLite) {
		return ofSQLite.Code() == sqliteUnique
	}
	_, state := codes(err)
	return state == "23505"
}

// passes says whether a transaction that failed with err may go through when it is run again: a deadlock, two that were
// serialized the wrong way, or one that took a name between the other's look and its writing.
func passes(err error) bool {
	_, state := codes(err)
	return state == "40P01" || state == "40001" || state == "23505"
}

// clean makes any text fit for a text column: PostgreSQL takes neither NUL nor bad UTF-8.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// How much of a text is kept that somebody from outside has written, in characters.
const (
	mostSubject = 200
	mostDetail  = 500
)

// cut makes a text fit for a text column, and shortens one that is longer than most characters.
func cut(s string, most int) string {
	s = clean(s)
	if len(s) <= most {
		return s
	}
	if characters := []rune(s); len(characters) > most {
		return string(characters[:most-1]) + "…"
	}
	return s
}

// rollback undoes what is open; that it was committed already is no fault.
func rollback(tx interface{ Rollback() error }) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}
