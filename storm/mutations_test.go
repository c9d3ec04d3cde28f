//go:build unix

package storm

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// A mutation takes one thing away that keeps tenure from losing or doubling something. With any of them the races, the storm or
// `tenure verify` must fail: else either the thing is not needed, or nobody would notice if it were gone.
type mutation struct {
	name  string
	key   string // a unique key, by its name in PostgreSQL
	table string // of the key
	file  string // else a text in a file of the program
	old   string
	new   string
}

// guards are what the program itself compares before it writes.
var guards = []mutation{
	{name: "a sweep's decision: the record's version", file: "storage/apply.go", old: "clocks.version = r.was AND (", new: "("},
	{name: "a sweep's decision: the record is on hold", file: "storage/apply.go", old: " AND (clocks.stayed = FALSE OR r.fires = FALSE)"},
	{name: "a sweep's decision: its rule is paused", file: "storage/apply.go", old: "err != nil || len(rules) == 0 {\n\t\treturn decided", new: "err != nil || len(rules) >= 0 {\n\t\treturn decided"},
	{name: "what a person does: the record is locked", file: "storage/cases.go", old: `lockedRowOfID(ctx, s, id)`, new: `rowOfID(ctx, s, id)`},
	{name: "a chunk's end: the claim", file: "storage/chunks.go", old: "n = :n AND claim = :claim AND state = 'claimed' `", new: "n = :n AND state = 'claimed' `"},
	{name: "a chunk's claim: the claim before", file: "storage/chunks.go", old: "AND claim = :claim AND state IN ('open', 'claimed')", new: "AND state IN ('open', 'claimed')"},
	{name: "a chunk's claim: the lease", file: "storage/chunks.go", old: "state IN ('open', 'claimed') AND ready_at <= :wall\n\t\tAND EXISTS", new: "state IN ('open', 'claimed')\n\t\tAND EXISTS"},
	{name: "a tick: who wrote it has won", file: "storage/open_sweep.go", old: "return n > 0, err", new: "return n >= 0, err"},
	{name: "a sweep's key: what it was used for", file: "storage/open_sweep.go", old: "err != nil || before.ID != 0 {", new: "err != nil {"},
	{name: "a notice: the claim, before an attempt", file: "storage/outbox.go", old: "\n\tAND notices.claim = r.claim AND", new: "\n\tAND"},
	{name: "a notice: the claim, after an attempt", file: "storage/outbox.go", old: "(n.claim = r.claim AND n.status IN", new: "(n.status IN"},
	{name: "a notice: the lease", file: "storage/outbox.go", old: "AND status IN ('queued', 'failed') AND ready_at <= :wall\n\t\t\t", new: "AND status IN ('queued', 'failed')\n\t\t\t"},
	{name: "a bulk job: the claim", file: "storage/bulk.go", old: "WHERE id = :id AND claim = :claim AND state", new: "WHERE id = :id AND state"},
	{name: "provisioning: the claim", file: "storage/provisioning.go", old: "AND version = :version AND claim = :claim`", new: "AND version = :version`"},
	{name: "the gate: who writes relationships enters it", file: "storage/gate.go", old: "SELECT pg_advisory_xact_lock_shared(1952804469, hashtext(current_schema()))", new: "SELECT 1"},
	{name: "the gate: who places a hold shuts it", file: "storage/gate.go", old: "SELECT pg_advisory_xact_lock(1952804469, hashtext(current_schema()))", new: "SELECT 1"},
	{name: "a hold: it is released once", file: "storage/holds.go", old: "case !h.Active():\n\t\treturn h, fmt.Errorf(\"%w: on", new: "case h.ID < 0:\n\t\treturn h, fmt.Errorf(\"%w: on"},
	{name: "quarantine: nothing leaves", file: "storage/outbox.go", old: "WHERE `+stillMine+` AND`+goesOn+`", new: "WHERE `+stillMine+`"},
	{name: "the high-water mark: a database restored beneath", file: "storage/highwater.go", old: "seen < at(*known).String() {", new: "seen < \"\" {"},
	{name: "the high-water mark: one moves it at a time", file: "storage/highwater.go", old: "WHERE name = 'kind' {{lock}}`", new: "WHERE name = 'kind'`"},
	{name: "the test clock: from where it is moved", file: "storage/sandbox.go", old: "WHERE name = :name AND value = :from`", new: "WHERE name = :name`"},
	{name: "the ledger: every event waits for it", file: "storage/apply.go", old: "return queueForLedger(ctx, s, rows)", new: "return queueForLedger(ctx, s, nil)"},
	{name: "the ledger: what is logged waits no more", file: "storage/ledger.go", old: "DELETE FROM event_batches WHERE id IN", new: "DELETE FROM event_batches WHERE 1 = 0 AND id IN"},
	{name: "the ledger: from where it grows", file: "storage/ledger.go", old: "WHERE one = 1 AND size = :was`", new: "WHERE one = 1`"},
}

// keys are all that testdata/keys.txt lists.
func keys(t *testing.T) (all []mutation) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "keys.txt"))
	require.NoError(t, err)
	named := map[string]string{ // those that PostgreSQL has not named after the table alone
		"agreements (id)": "agreements_id_key", "tokens (hash)": "tokens_hash_key", "tokens (name)": "tokens_names",
		"agreements (partner_id, name_key)": "agreements_names", "assignments (relationship_key, group_id)": "assignments_live",
		"holds (kind, subject)": "holds_active",
	}
	for key := range strings.Lines(strings.TrimSpace(string(text))) {
		key, _, _ = strings.Cut(strings.TrimSpace(key), " WHERE")
		table, _, _ := strings.Cut(key, " ")
		name := named[key]
		if name == "" {
			name = table + "_pkey"
		}
		all = append(all, mutation{name: "unique " + key, key: name, table: table})
	}
	return all
}

// taken is the setting that has tests take a key away from a database that they have just made.
const taken = "STORM_TAKEN"

// takeAway takes away what is asked for, if anything is.
func takeAway(t *testing.T, url string) {
	t.Helper()
	statement := os.Getenv(taken)
	if statement == "" {
		return
	}
	db, err := sql.Open("postgres", url)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// conflictTarget names a key in a statement that goes on where there is a row already. A statement that names none gets by
// without the key.
var conflictTarget = regexp.MustCompile(`ON CONFLICT \([a-z_, ]+\)( WHERE released_at IS NULL)? DO NOTHING`)

// apply changes a copy of the program, and undo brings it back.
func (m *mutation) apply(t *testing.T, root string) (undo func()) {
	t.Helper()
	if m.file == "" {
		return func() {}
	}
	path := filepath.Join(root, m.file)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), m.old), "%s: it is not in %s once; mend the mutation", m.name, m.file)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600))
	return func() { require.NoError(t, os.WriteFile(path, text, 0o600)) }
}

// withoutConflictTargets has a copy of the program get by without the keys that its statements name.
func withoutConflictTargets(t *testing.T, root string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "storage", "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, conflictTarget.ReplaceAll(text, []byte("ON CONFLICT DO NOTHING")), 0o600))
	}
}

// statement takes the key away.
func (m *mutation) statement() string {
	if m.key == "" {
		return ""
	}
	return fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s CASCADE; DROP INDEX IF EXISTS %s", m.table, m.key, m.key)
}

// TestEveryGuardThatIsToBeTakenAwayIsThere keeps the list from growing stale.
func TestEveryGuardThatIsToBeTakenAwayIsThere(t *testing.T) {
	for _, m := range guards {
		text, err := os.ReadFile(filepath.Join("..", m.file))
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), m.old), "%s: it is not in %s once; mend the mutation", m.name, m.file)
	}
}

// TestEveryGuardIsNeeded is scripts/mutations: it takes each away in a copy of the program and shows who notices.
func TestEveryGuardIsNeeded(t *testing.T) {
	wanted := os.Getenv("STORM_MUTATIONS")
	if wanted == "" {
		t.Skip("takes long; scripts/mutations does it")
	}
	pattern, err := regexp.Compile(wanted)
	require.NoError(t, err, "STORM_MUTATIONS")
	everything := os.Getenv("STORM_ALL") != ""
	list := append([]mutation{{name: "nothing"}}, guards...)
	list = append(list, keys(t)...)
	var table bytes.Buffer
	lines := tabwriter.NewWriter(&table, 0, 4, 2, ' ', 0)
	fmt.Fprintln(lines, "what is taken away\traces\tbooks\tverify\tseconds\t")
	root, withoutKeys := copyOfProgram(t), copyOfProgram(t)
	withoutConflictTargets(t, withoutKeys)
	compile(t, withoutKeys)
	for _, m := range list {
		if m.name != "nothing" && !pattern.MatchString(m.name) {
			continue
		}
		v := m.try(t, root, withoutKeys, everything)
		fmt.Fprintln(lines, m.name+"\t"+strings.Join(v.columns(), "\t")+"\t")
		t.Logf("%s: %v", m.name, v.columns())
		switch {
		case m.name == "nothing" && v.noticed():
			t.Errorf("the program as it is fails; nothing can be said of any mutation:\n%s", tail(v.said))
		case m.name != "nothing" && !v.noticed():
			t.Errorf("%s: nobody noticed", m.name)
		}
	}
	require.NoError(t, lines.Flush())
	fmt.Print(table.String())
}

// A verdict is who noticed that something was taken away.
type verdict struct {
	races, books, verify string // what failed; "-": it was not asked
	seconds              float64
	said                 string
}

func (v *verdict) columns() []string {
	return []string{v.races, v.books, v.verify, fmt.Sprintf("%.0f", v.seconds)}
}

func (v *verdict) noticed() bool {
	return slices.Contains([]string{v.races, v.books, v.verify}, "FAIL")
}

// try asks one after the other until somebody notices, or all where everything is wanted: for a key `tenure verify`, for a guard the
// races, and then a short storm. A key is taken away from each database that they make.
func (m *mutation) try(t *testing.T, root, withoutKeys string, everything bool) *verdict {
	t.Helper()
	began := time.Now()
	asked := []string{"^(TestRace|TestVerify)"}
	if m.key != "" {
		root, asked = withoutKeys, []string{"^TestVerify", "^TestRace"}
	} else {
		defer m.apply(t, root)()
		compile(t, root)
	}
	v := &verdict{races: "-", books: "-", verify: "-"}
	for _, tests := range append(asked, "^TestNothingIsLostOrDoubledInAShortStorm$") {
		if v.noticed() && !everything {
			break
		}
		v.ask(t, root, m.statement(), tests)
	}
	v.seconds = time.Since(began).Seconds()
	return v
}

// ask runs tests, and notes who has noticed something.
func (v *verdict) ask(t *testing.T, root, statement, tests string) {
	t.Helper()
	out, failed := runTests(t, root, statement, tests)
	v.said = out
	note := func(who *string, noticed bool) {
		if noticed {
			*who = "FAIL"
		} else if *who == "-" {
			*who = "ok"
		}
	}
	if strings.Contains(out, "=== RUN   TestVerify") {
		note(&v.verify, strings.Contains(out, "--- FAIL: TestVerify"))
	}
	if strings.Contains(out, "=== RUN   TestRace") {
		note(&v.races, strings.Contains(out, "--- FAIL: TestRace") || failed && v.verify != "FAIL")
	}
	if strings.Contains(tests, "Storm") {
		note(&v.verify, strings.Contains(out, "tenure verify: tenure verify"))
		note(&v.books, strings.Contains(out, "the books: ") || failed && v.verify != "FAIL")
	}
}

// copyOfProgram copies the source, and nothing that was built of it.
func copyOfProgram(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	files, err := os.ReadDir("..")
	require.NoError(t, err)
	for _, f := range files {
		if f.IsDir() && !strings.HasPrefix(f.Name(), ".") && f.Name() != "bin" && f.Name() != "docs" {
			require.NoError(t, os.CopyFS(filepath.Join(root, f.Name()), os.DirFS(filepath.Join("..", f.Name()))))
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(root, name), text, 0o600))
	}
	return root
}

// compile makes the tests of a copy, which are run from its folder.
func compile(t *testing.T, root string) {
	t.Helper()
	// What is not changed is not compiled anew for being in another folder.
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-trimpath", "-o", filepath.Join(root, "storm.test"), "./storm")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "a mutation has to compile:\n%s", tail(string(out)))
}

// runTests runs tests of a copy until one fails.
func runTests(t *testing.T, root, statement, which string) (out string, failed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "storm.test"), "-test.timeout=5m", "-test.v", "-test.failfast", "-test.run", which)
	cmd.Dir = filepath.Join(root, "storm")
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "STORM_MUTATIONS=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, taken+"="+statement, "GOFLAGS="+os.Getenv("GOFLAGS")+" -trimpath")
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return string(text), err != nil
}
