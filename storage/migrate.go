package storage

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// A Kind says what a database is for. It is fixed when the database is created.
type Kind string

// The kinds.
const (
	Live    Kind = "live"    // goes by the clock of the machine
	Sandbox Kind = "sandbox" // goes by a test clock of its own, which people move
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const versionTable = "schema_versions"

// Migrate brings the tables up to the version that this program knows, creating them where there are none. A new database
// becomes one of this kind, a sandbox's test clock beginning at now; one that is of another kind already is [ErrOtherKind].
// The empty kind leaves it as it is, and a new one becomes live.
// Several processes may migrate at once: one does it, the others wait.
func (db *DB) Migrate(ctx context.Context, kind Kind, now time.Time) error {
	const doing = "migrate the database"
	if db.readOnly {
		return said(doing, ErrReadOnly)
	}
	if kind != "" && kind != Live && kind != Sandbox {
		return fmt.Errorf("%s: %q is not a kind of deployment; it is %s or %s", doing, kind, Live, Sandbox)
	}
	if err := db.notNewer(ctx); err != nil {
		return said(doing, err)
	}
	if err := db.up(ctx); err != nil {
		return said(doing, err)
	}
	return db.write(ctx, doing, func(s session) error { return settleKind(ctx, s, kind, now) })
}

// up runs the migrations that are missing, each in a transaction.
func (db *DB) up(ctx context.Context) error {
	if db.migrated.Load() {
		return nil
	}
	if err := db.turn(ctx); err != nil {
		return err
	}
	defer db.yield()
	options := []goose.ProviderOption{
		goose.WithGoMigrations(db.dialect.migrations()...), goose.WithDisableGlobalRegistry(true), goose.WithTableName(versionTable),
	}
	dialect := goose.DialectSQLite3
	if db.dialect == postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // look every second, for five minutes
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db.pool.DB, nil, options...)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// settleKind fixes the kind of a new database, or compares it with the one that it has.
func settleKind(ctx context.Context, s session, kind Kind, now time.Time) error {
	values := []metaValue{{"kind", string(cmp.Or(kind, Live))}, {"createdAt", at(now).String()}}
	if kind == Sandbox {
		values = append(values, metaValue{testClock, at(now).String()})
	}
	// Together or not at all: a live database must not get a test clock from somebody who took it for a sandbox.
	_, err := s.exec(ctx, `INSERT INTO meta (name, value) SELECT r.name, r.value FROM {{rows name TEXT, value TEXT}}
		WHERE NOT EXISTS (SELECT 1 FROM meta WHERE name = 'kind') ON CONFLICT (name) DO NOTHING`, args{"rows": page[metaValue](values)})
	if err != nil {
		return err
	}
	has, err := meta(ctx, s, "kind")
	if err == nil && kind != "" && has != string(kind) {
		err = fmt.Errorf("%w: it is %s and stays so; for a %s one, name another database", ErrOtherKind, has, kind)
	}
	return err
}

// Kind is what the database is for.
func (db *DB) Kind(ctx context.Context) (kind Kind, err error) {
	err = db.read(ctx, "read the kind of the database", func(s session) error {
		value, err := meta(ctx, s, "kind")
		if errors.Is(err, sql.ErrNoRows) { // somebody is migrating it just now, or was stopped in the middle
			err = fmt.Errorf("%w: its kind is not settled; run `tenure migrate`", ErrNotMigrated)
		}
		kind = Kind(value)
		return err
	})
	return kind, err
}

type metaValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func meta(ctx context.Context, s session, name string) (value string, err error) {
	err = s.get(ctx, &value, `SELECT value FROM meta WHERE name = :name`, args{"name": name})
	return value, err
}

// version is that of the tables; 0 where there are none.
func (db *DB) version(ctx context.Context) (version int64, err error) {
	s := session{q: db.pool, dialect: db.dialect}
	var tables int
	if err := s.get(ctx, &tables, db.dialect.hasTable, args{"name": versionTable}); err != nil || tables == 0 {
		return 0, err
	}
	err = s.get(ctx, &version, `SELECT COALESCE(max(version_id), 0) FROM `+versionTable+` WHERE is_applied = TRUE`, nil)
	return version, err
}

// A migrationFile is called 00007_what_it_does.sql or, where the two databases have no words in common,
// 00007_what_it_does.postgres.sql and 00007_what_it_does.sqlite.sql.
type migrationFile struct {
	version int64
	text    string
}

// files are the migrations for this database, in order. What is wrong with them is wrong with the program, so it panics.
func (d *dialect) files() []migrationFile {
	entries, err := fs.ReadDir(migrationFiles, "migrations")
	if err != nil {
		panic(err)
	}
	var files []migrationFile
	for _, entry := range entries {
		parts := strings.Split(entry.Name(), ".")
		if len(parts) == 3 && parts[1] != d.name {
			continue
		}
		version, err := goose.NumericComponent(entry.Name())
		if err != nil {
			panic(err)
		}
		text, err := fs.ReadFile(migrationFiles, "migrations/"+entry.Name())
		if err != nil {
			panic(err)
		}
		files = append(files, migrationFile{version, d.fill(string(text))})
	}
	slices.SortFunc(files, func(a, b migrationFile) int { return cmp.Compare(a.version, b.version) })
	return files
}

func (d *dialect) latest() int64 {
	files := d.files()
	return files[len(files)-1].version
}

func (d *dialect) migrations() []*goose.Migration {
	var migrations []*goose.Migration
	for _, file := range d.files() {
		run := func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, file.text)
			return err
		}
		migrations = append(migrations, goose.NewGoMigration(file.version, &goose.GoFunc{RunTx: run}, nil))
	}
	return migrations
}
