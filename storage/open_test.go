package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestFreshDatabaseAsksToBeMigrated(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		_, err := OpenReadOnly(ctx, url)
		require.ErrorIs(t, err, ErrNotMigrated)
		db, err := Open(ctx, url)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		for _, err := range []error{
			db.Ping(ctx), errOf(db.Kind(ctx)), errOf(db.Relationship(ctx, "x")), errOf(db.Apply(ctx, make([]lifecycle.Decided, 1))),
			errOf(db.BeginImport(ctx, true)), errOf(db.Snapshot(ctx)),
		} {
			require.ErrorIs(t, err, ErrNotMigrated)
			require.ErrorContains(t, err, fmt.Sprintf("version 0, this program needs %d;", db.dialect.latest()))
			require.ErrorContains(t, err, "tenure migrate")
		}
		require.NoError(t, db.Migrate(ctx, Live, start))
		require.NoError(t, db.Ping(ctx))
	})
}

func errOf[T any](_ T, err error) error { return err }

func TestKindIsFixedAtCreation(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db := migrated(t, url, Sandbox)
		require.NoError(t, db.Migrate(ctx, Sandbox, start.Add(time.Hour)), "again")
		require.NoError(t, db.Migrate(ctx, "", start.Add(time.Hour)), "whatever it is")
		err := db.Migrate(ctx, Live, start)
		require.ErrorIs(t, err, ErrOtherKind)
		require.ErrorContains(t, err, "it is sandbox")
		kind, err := db.Kind(ctx)
		require.NoError(t, err)
		require.Equal(t, Sandbox, kind)
		now, err := db.TestClock(ctx)
		require.NoError(t, err)
		require.Equal(t, start, now, "migrating again does not set the clock")
		require.ErrorContains(t, db.Migrate(ctx, "test", start), `"test" is not a kind`)
	})
}

func TestDatabaseOfANewerProgramIsLeftAlone(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db, err := Open(ctx, url)
		require.NoError(t, err)
		require.NoError(t, db.Migrate(ctx, Live, start))
		_, err = db.pool.ExecContext(ctx, "INSERT INTO schema_versions (version_id, is_applied) VALUES (99, TRUE)")
		require.NoError(t, err)
		require.ErrorIs(t, db.Ping(ctx), ErrNewer)
		require.NoError(t, db.Close())

		for _, open := range []func(context.Context, string) (*DB, error){Open, OpenReadOnly} {
			_, err = open(ctx, url)
			require.ErrorIs(t, err, ErrNewer)
			require.ErrorContains(t, err, fmt.Sprintf("its tables have version 99, this program knows up to %d; install the newer program", db.dialect.latest()))
		}
	})
}

func TestManyMayMigrateAtOnce(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		shared, err := Open(ctx, url)
		require.NoError(t, err)
		defer shared.Close()
		var wait sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wait.Go(func() {
				db := shared
				if db.dialect == postgres { // as processes of their own would
					var err error
					if db, err = Open(ctx, url); err != nil {
						errs[i] = err
						return
					}
					defer db.Close()
				}
				errs[i] = db.Migrate(ctx, Live, start)
			})
		}
		wait.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, len(shared.dialect.files()), count(t, shared, "SELECT count(*) FROM schema_versions WHERE version_id > 0"))
	})
}

// openedBy is how TestSecondWriterIsToldWhoTheFirstIs runs itself as another process.
const openedBy = "TENURE_TEST_OPEN"

func TestSecondWriterIsToldWhoTheFirstIs(t *testing.T) {
	if url := os.Getenv(openedBy); url != "" {
		db, err := Open(ctx, url)
		if err == nil {
			err = db.Close()
		}
		fmt.Println("opened:", err)
		return
	}
	url := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	another := func() string {
		process := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		process.Env = append(os.Environ(), openedBy+"="+url)
		out, err := process.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	db := migrated(t, url, Live)
	load(t, db, active(1, start))
	require.Contains(t, another(), fmt.Sprintf("%s: process %d; stop it first", ErrInUse, os.Getpid()))

	reader, err := OpenReadOnly(ctx, url)
	require.NoError(t, err, "readers are welcome")
	defer reader.Close()
	_, err = reader.Relationship(ctx, id(1))
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.Contains(t, another(), "opened: <nil>")
}

func TestReaderCannotWrite(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db := migrated(t, url, Live)
		load(t, db, active(1, start))
		reader, err := OpenReadOnly(ctx, url)
		require.NoError(t, err)
		defer reader.Close()
		require.ErrorIs(t, reader.Migrate(ctx, Live, start), ErrReadOnly)
		require.ErrorIs(t, reader.CancelSweep(ctx, 1, start), ErrReadOnly)
		_, err = reader.ImportRelationships(ctx, incoming(active(2, start)), policy, start)
		require.ErrorIs(t, err, ErrReadOnly)
		_, err = reader.pool.ExecContext(ctx, "DELETE FROM agreements")
		require.ErrorIs(t, explained(err), ErrReadOnly, "the database itself refuses")
		load(t, db, active(3, start))
		mustRead(t, reader, id(3))
	})
}

func TestASolitaryDatabaseDoesWhatOthersDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "50%# of it.db")
	db := migrated(t, "sqlite:"+path+"?solitary", Sandbox)
	stored := load(t, db, active(1, start), active(2, start))
	read, failures := lookAhead(t, db, OutlookQuery{DueBy: start})
	require.Empty(t, failures)
	require.Equal(t, stored, read)
	require.NoError(t, db.Close())

	_, err := OpenReadOnly(ctx, "sqlite:"+path+"?solitary")
	require.ErrorContains(t, err, "has no readers")
	other, err := OpenReadOnly(ctx, "sqlite:"+path)
	require.NoError(t, err, "what is in it stays, and is a database like any other")
	mustRead(t, other, id(2))
	require.NoError(t, other.Close())
}

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "50% of it?.db")
	_, err := Open(ctx, "sqlite:"+path)
	require.ErrorContains(t, err, "?scratch or ?solitary")
	path = strings.ReplaceAll(path, "?", "#")
	db := migrated(t, "sqlite:"+path, Live)
	load(t, db, active(1, start))
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 4, "the database, its log, the log's index, the lock")
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file.Name())
	}
	info, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	_, err = Open(ctx, "sqlite:"+link)
	require.ErrorIs(t, err, ErrInUse, "by another name it is the same file")
}

func TestDatabaseInMemoryKeepsWhatItIsGiven(t *testing.T) {
	db := migrated(t, "sqlite::memory:", Sandbox)
	agents(t, db, "a@example.com")
	var wait sync.WaitGroup
	for n := range 8 { // all of them through one connection
		wait.Go(func() {
			if _, err := db.ImportRelationships(ctx, incoming(active(n, start)), policy, start); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	counts, err := db.Counts(ctx)
	require.NoError(t, err)
	require.Equal(t, map[lifecycle.Status]int64{lifecycle.Active: 8}, counts)
	other := migrated(t, "sqlite::memory:", Live)
	counts, err = other.Counts(ctx)
	require.NoError(t, err)
	require.Empty(t, counts, "each is its own")
}

func TestNoErrorHoldsThePassword(t *testing.T) {
	const secret = "s3cr3t"
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, url := range []string{
		"postgres://me:" + secret + "@127.0.0.1:1/tenure", "postgres://me:" + secret + "@127.0.0.1:1/tenure?sslmode=" + secret,
		"postgres://me:" + secret + "#@host/tenure", "postgres://me:" + secret + "%zz@host/tenure", "postgres://me:" + secret + "@host",
		"mysql://me:" + secret + "@host/tenure", secret,
	} {
		_, err := Open(short, url)
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), secret)
	}
}

func TestConnectionsToOtherMachinesAreEncrypted(t *testing.T) {
	for url, mode := range map[string]string{
		"postgres://db.example.com/tenure":                     "require",
		"postgres://10.0.0.1/tenure":                           "require",
		"postgres://db.example.com/tenure?sslmode=verify-full": "verify-full",
		"postgres://localhost/tenure":                          "disable",
		"postgres://127.0.0.1:5432/tenure":                     "disable",
		"postgres://[::1]/tenure":                              "disable",
		"postgres://127.0.0.1/tenure?sslmode=require":          "require",
		"postgres:///tenure?host=/var/run/postgresql":          "disable",
	} {
		source, _, err := postgresSource(url, false)
		require.NoError(t, err)
		require.Contains(t, source, "sslmode="+mode, url)
	}
}

func TestFullDiskIsSaidAndHarmsNothing(t *testing.T) {
	db := migrated(t, "sqlite::memory:", Live)
	load(t, db, active(0, start))
	pages := count(t, db, "PRAGMA page_count")
	_, err := db.pool.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages+1))
	require.NoError(t, err)
	var batch []lifecycle.Record
	for n := range 500 {
		batch = append(batch, active(n+1, start))
	}
	_, err = db.ImportRelationships(ctx, incoming(batch...), policy, start)
	require.ErrorIs(t, err, ErrDiskFull)
	require.ErrorContains(t, err, "import relationships: the disk is full: nothing was written; make room")
	_, err = db.pool.ExecContext(ctx, "PRAGMA max_page_count = 1000000")
	require.NoError(t, err)
	require.Equal(t, 1, count(t, db, "SELECT count(*) FROM relationships"))
	load(t, db, batch...)
	var sound string
	require.NoError(t, db.pool.GetContext(ctx, &sound, "PRAGMA integrity_check"))
	require.Equal(t, "ok", sound)

	require.ErrorIs(t, explained(&pq.Error{Code: "53100", Message: "could not extend file"}), ErrDiskFull)
}
