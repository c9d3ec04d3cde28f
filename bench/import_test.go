package bench

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/testenv"
)

// TestImportBesideCopy measures tenure import of TENURE_BENCH_ROWS relationships from a file into PostgreSQL, beside a bare COPY of
// the rows that it leaves behind: into the same tables with their indexes, in one transaction, by psql, from files that are ready
// made. Nothing is read, checked, hashed or looked up there, so a ratio of 1 is the limit. The server waits for its disk.
func TestImportBesideCopy(t *testing.T) {
	const rounds = 3
	n := rowsToImport(t)
	dir := t.TempDir()
	file, program := filepath.Join(dir, "relationships.ndjson"), filepath.Join(dir, "tenure")
	writeRelationships(t, file, n)
	build(t, program)
	var rows []copied
	var imports, copies, ratios []float64
	for round := range rounds {
		t.Run(fmt.Sprint("round ", round+1), func(t *testing.T) {
			database := migrated(t)
			took := timeImport(t, program, database, file)
			if round == 0 {
				rows = copyOut(t, database, dir, n)
			} else {
				requireCounts(t, database, rows)
			}
			imports = append(imports, float64(n)/took.Seconds())
		})
		t.Run(fmt.Sprint("round ", round+1, ", bare"), func(t *testing.T) {
			database := migrated(t)
			took := timeCopy(t, database, rows)
			requireCounts(t, database, rows)
			copies = append(copies, float64(n)/took.Seconds())
		})
		if t.Failed() {
			return
		}
		ratios = append(ratios, imports[round]/copies[round])
	}
	fmt.Printf("Import on PostgreSQL, durable: %d relationships a round, %d rounds, taking turns\n\n", n, rounds)
	fmt.Printf("| | relationships/s, median | slowest – fastest | ratio |\n|---|---:|---:|---:|\n")
	fmt.Printf("| bare COPY of the same rows | %.0f | %.0f – %.0f | 1.00 |\n", median(copies), slices.Min(copies), slices.Max(copies))
	fmt.Printf("| tenure import | %.0f | %.0f – %.0f | %.2f |\n\n", median(imports), slices.Min(imports), slices.Max(imports), median(ratios))
}

func rowsToImport(t *testing.T) int {
	text := os.Getenv("TENURE_BENCH_ROWS")
	if text == "" {
		return 200_000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "TENURE_BENCH_ROWS")
	return n
}

func build(t *testing.T, program string) {
	command := exec.Command("go", "build", "-o", program, "./cmd/tenure")
	command.Dir, command.Stderr = "..", os.Stderr
	require.NoError(t, command.Run())
}

// writeRelationships writes a file as an export makes it, one relationship on each line, their ids in no order.
func writeRelationships(t *testing.T, name string, n int) {
	file, err := os.Create(name)
	require.NoError(t, err)
	out := bufio.NewWriterSize(file, 1<<20)
	lines, policy, at := json.NewEncoder(out), lifecycle.DefaultPolicy(), now()
	for i := range n {
		r := template(i, at).Record
		r.ID = uuid.NewString() + "-" + uuid.NewString()
		require.NoError(t, lines.Encode(r.Wire(policy)))
	}
	require.NoError(t, out.Flush())
	require.NoError(t, file.Close())
}

// migrated is a database of its own with empty tables, on a server that waits for its disk and has nothing left to write.
func migrated(t *testing.T) string {
	database := testenv.Postgres(t)
	durable(t, database)
	db, err := storage.Open(t.Context(), database)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), storage.Live, now()))
	require.NoError(t, db.Close())
	run(t, database, "CHECKPOINT")
	return database
}

// durable switches on what the throwaway server of the tests goes without. A server that somebody has named is left as it is.
func durable(t *testing.T, database string) {
	if os.Getenv("TENURE_TEST_POSTGRES_URL") == "" {
		run(t, database, "ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET synchronous_commit = on", "ALTER SYSTEM SET full_page_writes = on",
			"SELECT pg_reload_conf()", "SELECT pg_sleep(0.2)")
	}
	db := openBare(t, "postgres", database)
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT current_setting($1)", setting).Scan(&value))
		require.Equal(t, "on", value, setting)
	}
}

func run(t *testing.T, database string, statements ...string) {
	db, err := sql.Open("postgres", database)
	require.NoError(t, err)
	defer db.Close()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

func timeImport(t *testing.T, program, database, file string) time.Duration {
	command := exec.CommandContext(t.Context(), program, "import", file)
	command.Dir, command.Env = t.TempDir(), append(os.Environ(), "TENURE_DB="+database)
	began := time.Now()
	said, err := command.CombinedOutput()
	took := time.Since(began)
	require.NoError(t, err, "%s", said)
	return took
}

// copied is a table that holds something of each relationship, and the file that its rows stand in.
type copied struct {
	table, file string
	rows        int
}

// copyOut finds the tables that an import of n relationships has filled, and writes them out.
func copyOut(t *testing.T, database, dir string, n int) (all []copied) {
	db := openBare(t, "postgres", database)
	var tables []string
	rows, err := db.QueryContext(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
	require.NoError(t, err)
	for rows.Next() {
		var table string
		require.NoError(t, rows.Scan(&table))
		tables = append(tables, table)
	}
	require.NoError(t, rows.Err())
	for _, table := range tables {
		c := copied{table: table, file: filepath.Join(dir, table+".copy"), rows: count(t.Context(), t, db, table)}
		if c.rows >= n {
			psql(t, database, fmt.Sprintf(`\copy %s to '%s'`, table, c.file))
			all = append(all, c)
		}
	}
	require.GreaterOrEqual(t, len(all), 2, "relationships and their events at the least")
	require.Equal(t, n, count(t.Context(), t, db, "relationships"))
	require.Equal(t, n, count(t.Context(), t, db, "events WHERE type = 'imported'"))
	return all
}

func requireCounts(t *testing.T, database string, want []copied) {
	db := openBare(t, "postgres", database)
	for _, c := range want {
		require.Equal(t, c.rows, count(t.Context(), t, db, c.table), c.table)
	}
}

func count(ctx context.Context, t *testing.T, db *sql.DB, from string) (n int) {
	require.NoError(t, db.QueryRowContext(ctx, "SELECT count(*) FROM "+from).Scan(&n))
	return n
}

// timeCopy fills the tables, all in one transaction.
func timeCopy(t *testing.T, database string, all []copied) time.Duration {
	var commands []string
	for _, c := range all {
		commands = append(commands, fmt.Sprintf(`\copy %s from '%s'`, c.table, c.file))
	}
	began := time.Now()
	psql(t, database, commands...)
	return time.Since(began)
}

func psql(t *testing.T, database string, commands ...string) {
	program, err := exec.LookPath("psql")
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/psql")
		require.NotEmpty(t, found, "no psql: install the PostgreSQL client")
		program = found[len(found)-1]
	}
	args := []string{"--no-psqlrc", "--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1", "--dbname", database}
	for _, command := range commands {
		args = append(args, "--command", command)
	}
	said, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	require.NoError(t, err, "%s", said)
}
