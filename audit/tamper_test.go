package audit_test

import (
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/audit"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// small is a world in which everything has happened once.
func small(t *testing.T, url string) *world {
	w := newWorld(t, url, 1)
	p := *w.policy
	p.Notices.TellExtended = true
	w.policy = &p
	w.later(1)
	w.goBy()
	w.later(1)
	_, err := w.db.AddSubscription(t.Context(), lifecycle.Subscription{Tenant: fabrikam, URL: "https://fabrikam.example/hook", Secrets: []string{"whsec_x"}, Created: w.now})
	require.NoError(t, err)
	w.later(1)
	month, customer := lifecycle.Days(40), lifecycle.Tenant{TenantID: contoso, DisplayName: "Contoso"}
	make := func(name string, extend bool, duration lifecycle.Period) string {
		id := w.newID()
		_, err := w.db.CreateRelationship(t.Context(), fabrikam, w.policy, func(s lifecycle.Standing) (lifecycle.Decision, error) {
			return lifecycle.Create(id, fabrikam, lifecycle.Draft{DisplayName: &name, Duration: &duration, AutoExtend: &extend, Customer: &customer,
				Roles: []string{helpdesk, reader}}, w.policy, s, nil, w.now)
		})
		require.NoError(t, err)
		return id
	}
	lapsing, ending, extending, lasting, stopped, gone, held, moved := make("lapsing", false, month), make("ending", false, month), make("extending", true, month),
		make("lasting", false, lifecycle.Days(600)), make("stopped", false, lifecycle.Days(600)), make("gone", false, month),
		make("held", false, lifecycle.Days(60)), make("moved", true, lifecycle.Days(700))
	require.True(t, w.do(gone, lifecycle.Action{Kind: lifecycle.Delete, By: lifecycle.Partner}))
	w.later(1)
	for _, id := range []string{lapsing, ending, extending, lasting, stopped, held, moved} {
		require.True(t, w.lock(id))
		if id != lapsing {
			w.later(1)
			require.True(t, w.approve(id), id)
		}
	}
	require.True(t, w.act(lasting, func(c lifecycle.Case) (lifecycle.Decision, error) {
		d, _, err := c.AssignTo("55555555-5555-4555-8555-555555555555", group, []string{helpdesk}, w.policy, lifecycle.Action{By: lifecycle.Partner}, w.now)
		return d, err
	}))
	require.True(t, w.do(moved, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner}))
	_, err = w.db.PlaceHold(t.Context(), lifecycle.Hold{Kind: lifecycle.HoldRelationship, Subject: held, Note: "in dispute"}, lifecycle.Caller{Name: "operator"}, w.now)
	require.NoError(t, err)
	require.NoError(t, w.db.RecordRefusal(t.Context(), lifecycle.RefusedRequest{RelationshipID: lasting, Action: "terminate", Code: "wrongStatus", At: w.now}))
	w.later(2)
	require.True(t, w.do(stopped, lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Customer}))
	for range 120 {
		w.later(4)
		w.sweep()
	}
	return w
}

// later lets days pass.
func (w *world) later(days int) { w.now = w.now.AddDate(0, 0, days) }

// A tampering is what somebody does to the database behind tenure's back, and what has to be found then. Texts in angle brackets are
// the keys of the relationships with these names.
type tampering struct {
	name string
	does string
	kind audit.Kind
	on   string // the one database that lets it be done; empty: both do
}

const (
	sqliteAlone   = "SQLite"
	postgresAlone = "PostgreSQL"
)

var tamperings = []tampering{
	{"an event is taken away", `DELETE FROM events WHERE relationship_key = <ending> AND type = 'termEnded'`, audit.MissingStep, ""},
	{"the last event is taken away", `DELETE FROM events WHERE relationship_key = <stopped> AND type = 'nameReleased'`, audit.RowDiffers, ""},
	{"all events are taken away", `DELETE FROM events WHERE relationship_key = <held>`, audit.RowMissing, ""},
	{"a step took effect earlier", `UPDATE events SET effective_at = '2026-02-01T00:00:00.000000Z' WHERE relationship_key = <lapsing> AND type = 'requestLapsed'`, audit.WrongInstant, ""},
	{"an extension took effect later", `UPDATE events SET effective_at = '2026-03-01T00:00:00.000000Z' WHERE relationship_key = <extending> AND type = 'extended'`, audit.WrongInstant, ""},
	{"an action took effect before it was recorded", `UPDATE events SET effective_at = '2026-01-01T00:00:00.000000Z' WHERE relationship_key = <lasting> AND type = 'lockedForApproval'`, audit.WrongInstant, ""},
	{"the end is another", `UPDATE events SET end_at = '2027-12-31T00:00:00.000000Z' WHERE relationship_key = <extending> AND type = 'extended'`, audit.WrongEnd, ""},
	{"the term is another", `UPDATE events SET end_at = '2027-12-31T00:00:00.000000Z' WHERE relationship_key = <lasting> AND type = 'approved'`, audit.WrongEnd, ""},
	{"the wrong one approves", `UPDATE events SET actor = 'partner' WHERE relationship_key = <lasting> AND type = 'approved'`, audit.WrongTransition, ""},
	{"another status", `UPDATE events SET to_status = 'terminated' WHERE relationship_key = <ending> AND type = 'termEnded'`, audit.WrongTransition, ""},
	{"another rule", `UPDATE events SET rule = 'release-name' WHERE relationship_key = <ending> AND type = 'termEnded'`, audit.WrongTransition, ""},
	{"another reason", `UPDATE events SET reason = 'rejected' WHERE relationship_key = <ending> AND type = 'termEnded'`, audit.WrongTransition, ""},
	{"a history without a beginning", `DELETE FROM events WHERE relationship_key = <lasting> AND version = 1`, audit.WrongTransition, ""},
	{"recorded before the step before it", `UPDATE events SET recorded_at = '2026-01-01T00:00:00.000000Z' WHERE relationship_key = <lapsing> AND type = 'nameReleased'`, audit.OutOfOrder, ""},
	{"recorded in the future", `UPDATE events SET recorded_at = '2031-01-01T00:00:00.000000Z' WHERE relationship_key = <lapsing> AND type = 'nameReleased'`, audit.OutOfOrder, ""},
	{"a fingerprint is gone", `UPDATE events SET fingerprint = '' WHERE relationship_key = <lapsing> AND type = 'nameReleased'`, audit.Fingerprint, ""},

	{"the row has another status", `UPDATE clocks SET status = 'active' WHERE key = <stopped>`, audit.RowDiffers, ""},
	{"the row has another end", `UPDATE clocks SET end_at = '2029-01-01T00:00:00.000000Z' WHERE key = <lasting>`, audit.RowDiffers, ""},
	{"the row has another version", `UPDATE clocks SET version = version + 1 WHERE key = <lasting>`, audit.RowDiffers, ""},
	{"the row forgets that it was locked", `UPDATE agreements SET locked_at = NULL WHERE key = <lasting>`, audit.RowDiffers, ""},
	{"warnings are silenced", `UPDATE clocks SET warn_after = '2031-01-01T00:00:00.000000Z' WHERE key = <lasting>`, audit.RowDiffers, ""},
	{"another role is slipped in", `UPDATE agreements SET roles = '["62e90394-69f5-4237-9190-012177145e10"]' WHERE key = <lasting>`, audit.Fingerprint, ""},
	{"another customer", `UPDATE agreements SET customer_name = 'Litware' WHERE key = <lasting>`, audit.Fingerprint, ""},
	{"the row is gone", `DELETE FROM agreements WHERE key = <stopped>; DELETE FROM clocks WHERE key = <stopped>`, audit.RowMissing, ""},
	{"its clock is gone", `DELETE FROM clocks WHERE key = <lasting>`, audit.RowMissing, ""},
	{"what was agreed on is gone", `DELETE FROM agreements WHERE key = <lasting>`, audit.RowMissing, ""},
	{"the tombstone is gone", `DELETE FROM tombstones`, audit.RowMissing, ""},
	{"no next timer", `UPDATE clocks SET next_rule = '', next_at = NULL WHERE key = <lasting>`, audit.WrongTimer, ""},
	{"another next timer", `UPDATE clocks SET next_at = '2031-01-01T00:00:00.000000Z' WHERE key = <extending>`, audit.WrongTimer, ""},
	{"a hold that is not marked", `UPDATE clocks SET stayed = FALSE WHERE key = <held>`, audit.WrongStay, ""},
	{"a mark without a hold", `UPDATE clocks SET stayed = TRUE WHERE key = <extending>`, audit.WrongStay, ""},
	{"nothing happened since", `DELETE FROM holds`, audit.Missing, ""},
	{"it happened while it was on hold", `INSERT INTO holds (id, kind, subject, cause, note, placed_at, placed_by) VALUES (900, 'rule', 'auto-extend', '', 'x', '2026-01-01T00:00:00.000000Z', 'x')`, audit.OnHold, ""},
	{"a pause that nothing is noted of", `INSERT INTO holds (id, kind, subject, cause, note, placed_at, placed_by) VALUES (901, 'rule', 'end-term', '', 'x', '2027-06-01T00:00:00.000000Z', 'x')`, audit.Holds, ""},
	{"a name is let go of", `UPDATE agreements SET name_released_at = '2026-03-01T00:00:00.000000Z' WHERE key = <lasting>`, audit.NameWrong, ""},
	{"a name is taken back", `UPDATE agreements SET name_released_at = NULL WHERE key = <stopped>`, audit.NameWrong, ""},
	{"a name is compared by another key", `UPDATE agreements SET name_key = 'elsewhere' WHERE key = <lasting>`, audit.NameWrong, ""},
	{"a group loses its access", `UPDATE assignments SET status = 'deleted'`, audit.Access, ""},
	{"another group has the access", `UPDATE assignments SET group_id = '55555555-5555-4555-8555-000000000000'`, audit.Access, ""},
	{"a group has a role that the relationship has not", `UPDATE assignments SET roles = '["62e90394-69f5-4237-9190-012177145e10"]'`, audit.Access, ""},
	{"a group has had its access for longer", `UPDATE assignments SET created_at = '2026-01-01T00:00:00.000000Z'`, audit.Access, ""},
	{"access was changed at another time", `UPDATE assignments SET modified_at = '2026-01-01T00:00:00.000000Z'`, audit.Access, ""},
	{"access was changed by another step", `UPDATE assignments SET version = version + 1`, audit.Access, ""},
	{"a group gets access past tenure", `INSERT INTO assignments (relationship_key, id, group_id, roles, status, created_at, modified_at, version)
		SELECT relationship_key, 'another', group_id, roles, 'deleted', created_at, modified_at, version FROM assignments`, audit.Access, ""},

	{"nobody was told", `DELETE FROM notices WHERE relationship_key = <ending> AND kind = 'term-ended'`, audit.NoticeMissing, ""},
	{"one side was not told", `DELETE FROM notices WHERE relationship_key = <ending> AND kind = 'term-ended' AND role = 'globalAdministrator'`, audit.NoticeMissing, ""},
	{"nobody was told of an extension", `DELETE FROM notices WHERE relationship_key = <extending> AND kind = 'extended'`, audit.NoticeMissing, ""},
	{"a warning is gone", `DELETE FROM notices WHERE relationship_key = <ending> AND kind = 'warn-expiry'`, audit.MissingStep, ""},
	{"told twice", `INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason, tenant_id, role, mail, recipient_name, language, ready_at)
		SELECT relationship_key, version, ordinal + 50, kind, stage, end_at, due_at, recorded_at, status, reason, tenant_id, role, mail, recipient_name, language, ready_at
		FROM notices WHERE relationship_key = <ending> AND kind = 'term-ended' AND ordinal = 1`, audit.NoticeTwice, ""},
	{"a stranger is told", `UPDATE notices SET tenant_id = 'somebody' WHERE relationship_key = <lapsing> AND kind = 'request-lapsed'`, audit.NoticeAstray, ""},
	{"the notice names another end", `UPDATE notices SET end_at = '2029-01-01T00:00:00.000000Z' WHERE relationship_key = <lapsing> AND kind = 'request-lapsed'`, audit.NoticeWrong, ""},
	{"a notice of nothing", `UPDATE notices SET kind = 'terminated' WHERE relationship_key = <lapsing> AND kind = 'request-lapsed'`, audit.NoticeUncalled, ""},
	{"a warning of a stage that there is not", `UPDATE notices SET stage = 'P3D' WHERE relationship_key = <ending> AND kind = 'warn-expiry'`, audit.Unasked, ""},
	{"a warning after the end", `UPDATE notices SET status = 'sent', sent_at = '2027-01-01T00:00:00.000000Z' WHERE relationship_key = <ending> AND kind = 'warn-expiry'`, audit.WarnedLate, ""},
	{"old news is sent", `UPDATE notices SET due_at = '2026-03-01T00:00:00.000000Z', recorded_at = '2026-04-20T00:00:00.000000Z' WHERE relationship_key = <ending> AND kind = 'term-ended'`, audit.OldNews, ""},
	{"one of two people was not told", `DELETE FROM notices WHERE relationship_key = <ending> AND kind = 'term-ended' AND ordinal = 1`, audit.NoticeMissing, ""},
	{"sent, and nobody tried", `UPDATE notices SET status = 'sent', sent_at = recorded_at WHERE relationship_key = <ending> AND kind = 'term-ended'`, audit.NoticeWrong, ""},
	{"a notice that will never be sent", `UPDATE notices SET status = 'sometime' WHERE relationship_key = <ending> AND kind = 'term-ended'`, audit.NoticeWrong, ""},
	{"kept back for no reason", `UPDATE notices SET status = 'suppressed', settled_at = recorded_at WHERE relationship_key = <ending> AND kind = 'term-ended'`, audit.NoticeWrong, ""},
	{"kept back by nobody", `UPDATE notices SET status = 'suppressed', reason = 'byOperator', settled_at = recorded_at WHERE relationship_key = <ending> AND kind = 'term-ended'`, audit.NoticeWrong, ""},
	{"kept back by a route that there is not", `UPDATE notices SET status = 'suppressed', reason = 'notRouted', settled_at = recorded_at WHERE relationship_key = <ending> AND kind = 'term-ended'`, audit.NoticeWrong, ""},
	{"withdrawn, and since when nobody knows", `UPDATE notices SET status = 'withdrawn', reason = 'endMoved', settled_at = NULL WHERE relationship_key = <ending> AND kind = 'warn-expiry'`, audit.NoticeWrong, ""},
	{"a program is never told", `UPDATE notices SET status = 'sometime' WHERE relationship_key = <ending> AND kind = 'relationship.expired'`, audit.NoticeWrong, ""},
	{"a program was told at another time", `UPDATE notices SET recorded_at = '2026-01-01T00:00:00.000000Z' WHERE relationship_key = <ending> AND kind = 'relationship.expired'`, audit.NoticeWrong, ""},
	{"a program was not told", `DELETE FROM notices WHERE relationship_key = <ending> AND kind = 'relationship.expired'`, audit.NoticeMissing, ""},
	{"a program was told of nothing", `UPDATE notices SET kind = 'relationship.rejected' WHERE relationship_key = <ending> AND kind = 'relationship.locked'`, audit.NoticeUncalled, ""},
	{"a hold that nobody has placed", `INSERT INTO holds (id, kind, subject, cause, note, placed_at, placed_by) VALUES (902, 'tenant', 'somebody', '', 'x', '2027-06-01T00:00:00.000000Z', 'x')`, audit.Holds, ""},
	{"a hold for another reason", `UPDATE holds SET note = 'nobody knows'`, audit.Holds, ""},
	{"a hold that somebody else has placed", `UPDATE holds SET placed_by = 'nobody'`, audit.Holds, ""},
	{"a hold that tenure itself has placed", `UPDATE holds SET cause = 'clockAhead'`, audit.Holds, ""},
	{"a hold that was another", `UPDATE holds SET placed_at = '2026-01-01T00:00:00.000000Z'`, audit.Holds, ""},
	{"a policy that nobody has set", `INSERT INTO policies (id, mark, policy, set_at) SELECT id + 90, mark, policy, '2027-01-01T00:00:00.000000Z' FROM policies WHERE id = 1`, audit.Holds, ""},
	{"a sweep that is held by nobody", `INSERT INTO sweeps (id, rules, dry_run, opened_by, as_of, state, cut, cut_at, cut_key, next_chunk, opened_at)
		VALUES (78, '["release-name"]', FALSE, 'request', '2026-02-01T00:00:00.000000Z', 'held', FALSE, '2026-02-01T00:00:00.000000Z', 5, 3, '2026-02-01T00:00:00.000000Z')`, audit.Holds, ""},
	{"a sweep that nobody has approved", `INSERT INTO sweeps (id, rules, dry_run, opened_by, as_of, state, cut, cut_at, cut_key, next_chunk, opened_at, ruled_at)
		VALUES (79, '["release-name"]', FALSE, 'request', '2026-02-01T00:00:00.000000Z', 'done', TRUE, '2026-02-01T00:00:00.000000Z', 5, 3, '2026-02-01T00:00:00.000000Z', '2026-02-02T00:00:00.000000Z')`, audit.Holds, ""},
	{"a policy is taken away", `DELETE FROM policies WHERE id = 1`, audit.Holds, ""},
	{"a word of a policy is changed", `UPDATE policies SET policy = replace(policy, 'P7D', 'P8D') WHERE id = 1`, audit.Holds, ""},
	{"another policy than was set", `UPDATE policies SET policy = '{}' WHERE id = 2`, audit.Unasked, ""},
	{"a refusal is taken away", `DELETE FROM events WHERE type = 'refused'`, audit.OrderMissing, ""},
	{"two hold one name", `DROP INDEX agreements_names; UPDATE agreements SET display_name = 'lasting', name_key = 'lasting' WHERE key = <extending>`, audit.NameTwice, ""},
	{"a chunk is missing", `INSERT INTO sweeps (id, rules, dry_run, opened_by, as_of, state, cut, cut_at, cut_key, next_chunk, opened_at)
		VALUES (77, '[]', FALSE, 'request', '2026-02-01T00:00:00.000000Z', 'done', TRUE, '2026-02-01T00:00:00.000000Z', 5, 3, '2026-02-01T00:00:00.000000Z');
		INSERT INTO chunks (sweep_id, n, after_at, after_key, upto_at, upto_key, state, ready_at, found) VALUES
		(77, 1, '2026-01-01T00:00:00.000000Z', 0, '2026-01-02T00:00:00.000000Z', 1, 'done', '2026-01-01T00:00:00.000000Z', 1),
		(77, 2, '2026-01-03T00:00:00.000000Z', 3, '2026-01-04T00:00:00.000000Z', 5, 'done', '2026-01-01T00:00:00.000000Z', 1)`, audit.Sweeps, ""},

	{"an instant that is none", `UPDATE clocks SET end_at = 'soon' WHERE key = <lasting>`, audit.Unreadable, sqliteAlone},
	{"an event at no time", `UPDATE events SET effective_at = 'whenever' WHERE relationship_key = <lasting> AND version = 2`, audit.Unreadable, sqliteAlone},
	{"a step is there twice", `ALTER TABLE events DROP CONSTRAINT events_pkey; INSERT INTO events SELECT * FROM events WHERE relationship_key = <lasting> AND version = 2`, audit.Duplicate, postgresAlone},
	{"a notice is there twice", `ALTER TABLE notices DROP CONSTRAINT notices_pkey; INSERT INTO notices SELECT * FROM notices WHERE relationship_key = <ending>`, audit.NoticeTwice, postgresAlone},
	{"an id is there twice", `ALTER TABLE agreements DROP CONSTRAINT agreements_id_key; UPDATE agreements SET id = (SELECT id FROM agreements WHERE key = <ending>) WHERE key = <lapsing>`, audit.Duplicate, postgresAlone},
	{"a tick is there twice", `ALTER TABLE ticks DROP CONSTRAINT ticks_pkey; INSERT INTO ticks (rule, nominal_at, sweep_id) VALUES ('end-term', '2026-01-01Z', 1), ('end-term', '2026-01-01Z', 2)`, audit.Sweeps, postgresAlone},
}

// keys puts keys where names stand in angle brackets.
func keys(does string) string {
	for {
		before, rest, ok := strings.Cut(does, "<")
		name, after, closed := strings.Cut(rest, ">")
		if !ok || !closed {
			return does
		}
		does = before + "(SELECT k.relationship_key FROM known_keys AS k WHERE k.name = '" + name + "')" + after
	}
}

// open gives up what keeps the history from being changed, and notes the keys by name, since rows are going to go.
func open(t *testing.T, driver, dsn string, statements ...string) *sql.DB {
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	statements = append(statements, `CREATE TABLE known_keys AS SELECT display_name AS name, key AS relationship_key FROM relationships`)
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	return db
}

func tamper(t *testing.T, db *sql.DB, does string) {
	for statement := range strings.SplitSeq(keys(does), "; ") {
		result, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
		if n, err := result.RowsAffected(); err == nil && !strings.Contains(statement, "DROP") {
			require.NotZero(t, n, "nothing was tampered with: %s", statement)
		}
	}
}

func TestWhatSomebodyChangesIsFound(t *testing.T) {
	whole := onSQLite(t)
	w := small(t, whole)
	requireNone(t, w)
	path := strings.TrimSuffix(strings.TrimPrefix(whole, "sqlite:"), "?scratch")
	_, err := open(t, "sqlite", path).ExecContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`)
	require.NoError(t, err)
	for i, change := range tamperings {
		if change.on == postgresAlone {
			continue
		}
		t.Run(change.name, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), fmt.Sprint(i, ".db"))
			copyFile(t, path, copied)
			raw := open(t, "sqlite", copied, `DROP TRIGGER events_not_altered`, `DROP TRIGGER events_not_deleted`, `DROP TABLE known_keys`)
			tamper(t, raw, change.does)
			requireFound(t, w.on("sqlite:"+copied+"?scratch", t), change)
		})
	}
}

// On PostgreSQL all of it is done to one database: what has to be found is found beside all else.
func TestWhatSomebodyChangesIsFoundOnPostgreSQL(t *testing.T) {
	url := testenv.Postgres(t)
	w := small(t, url)
	requireNone(t, w)
	raw := open(t, "postgres", url, `DROP TRIGGER events_are_kept ON events`)
	for _, change := range tamperings {
		if change.on != sqliteAlone && !strings.Contains(change.does, "DELETE FROM") {
			tamper(t, raw, change.does)
		}
	}
	for _, change := range tamperings {
		if change.on == postgresAlone {
			requireFound(t, w, change)
		}
	}
	found, summary := w.verify()
	require.Len(t, found, int(summary.Total()))
}

func requireFound(t *testing.T, w *world, change tampering) {
	t.Helper()
	found, summary := w.verify()
	require.NotZero(t, summary.Findings[change.kind], "%s: found %v instead: %v", change.name, summary.Findings, found)
}

// on is the same world in another database.
func (w *world) on(url string, t *testing.T) *world {
	other := *w
	other.t = t
	other.db = opened(t, url)
	return &other
}

func copyFile(t *testing.T, from, to string) {
	in, err := os.Open(from)
	require.NoError(t, err)
	out, err := os.Create(to)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, out.Close())
}

// In a sandbox whoever has read the clock may write months later: an instant does not tell whether it was before a hold or after it.
func TestASandboxsClockDoesNotTellWhatWasOnHold(t *testing.T) {
	url := onSQLite(t)
	w := small(t, url)
	raw := open(t, "sqlite", strings.TrimSuffix(strings.TrimPrefix(url, "sqlite:"), "?scratch"))
	tamper(t, raw, `INSERT INTO holds (id, kind, subject, cause, note, placed_at, placed_by) VALUES (900, 'rule', 'auto-extend', '', 'x', '2026-01-01T00:00:00.000000Z', 'x')`)
	_, summary := w.verify()
	require.NotZero(t, summary.Findings[audit.OnHold])
	tamper(t, raw, `UPDATE meta SET value = 'sandbox' WHERE name = 'kind'`)
	_, summary = w.verify()
	require.Zero(t, summary.Findings[audit.OnHold])
}

func TestAUniqueKeyThatIsGoneIsFound(t *testing.T) {
	url := onSQLite(t)
	w := newWorld(t, url, 1)
	path := filepath.Join(t.TempDir(), "history.ndjson")
	raw := open(t, "sqlite", strings.TrimSuffix(strings.TrimPrefix(url, "sqlite:"), "?scratch"), `DROP INDEX holds_active`, `DROP TRIGGER events_not_deleted`)
	require.NoError(t, raw.Close())
	_, summary := w.verify()
	require.Equal(t, int64(2), summary.Findings[audit.MissingKey])
	w.export(path)
	export, err := audit.OpenExport(path)
	require.NoError(t, err)
	_, summary = verifySource(t, export, w.options())
	require.Equal(t, int64(2), summary.Findings[audit.MissingKey])
}

// Without the triggers a timer may be set where sweeps do not look any more; then the floor has to be lowered, as docs/verify.md says.
func TestATimerBelowTheFloorIsFound(t *testing.T) {
	url := testenv.Postgres(t)
	w := small(t, url)
	raw := open(t, "postgres", url)
	tamper(t, raw, `UPDATE timer_floor SET at = '2026-01-01Z', heard_until = '2026-01-01Z'`)
	requireNone(t, w)
	tamper(t, raw, `DROP TRIGGER early_timers_updated ON clocks; UPDATE clocks SET next_at = '2025-12-31Z' WHERE key = <lasting>`)
	_, summary := w.verify()
	require.Equal(t, int64(1), summary.Findings[audit.BelowFloor])

	path := filepath.Join(t.TempDir(), "history.ndjson")
	w.export(path)
	export, err := audit.OpenExport(path)
	require.NoError(t, err)
	_, summary = verifySource(t, export, w.options())
	require.Equal(t, int64(1), summary.Findings[audit.BelowFloor])

	tamper(t, raw, `UPDATE timer_floor SET at = '0001-01-02Z', round = round + 1`)
	_, summary = w.verify()
	require.Zero(t, summary.Findings[audit.BelowFloor])
}
