package storage

import (
	"context"
	"io/fs"
	"slices"
	"strings"
)

// uniqueKeys are all unique keys of the tables: each keeps something from being there twice, and many a statement relies on its
// refusing the second. A test holds that they are those of the migrations.
var uniqueKeys = []string{
	"agreements (id)",
	"agreements (key)",
	"agreements (partner_id, name_key) WHERE name_released_at IS NULL",
	"assignments (relationship_key, group_id) WHERE status IN ('pending', 'active')",
	"assignments (relationship_key, id)",
	"bulk_jobs (id)",
	"bulk_results (job_id, relationship_key)",
	"channels (name)",
	"chunks (sweep_id, n)",
	"clocks (key)",
	"contacts (tenant_id, role, mail_key)",
	"counters (name)",
	"deeds (id)",
	"event_batches (id)",
	"events (relationship_key, version)",
	"holds (id)",
	"holds (kind, subject) WHERE released_at IS NULL",
	"idempotency_keys (name)",
	"ledger_bundles (n)",
	"ledger_head (one)",
	"ledger_tiles (level, n)",
	"messages (relationship_key, version, ordinal)",
	"meta (name)",
	"notices (relationship_key, version, ordinal)",
	"partners (tenant_id)",
	"policies (id)",
	"provisioning (relationship_key)",
	"rations (channel, mail_key)",
	"sessions (hash)",
	"subscriptions (id)",
	"sweep_failures (sweep_id, relationship_key)",
	"sweeps (id)",
	"ticks (rule, nominal_at)",
	"tokens (hash)",
	"tokens (id)",
	"tokens (name) WHERE revoked_at IS NULL",
	"tombstones (key)",
}

// postgresKeys are those of tables that only PostgreSQL has.
var postgresKeys = []string{
	"early_timers (id)",
	"timer_floor (one)",
}

// What keeps events from being changed is said by whichever database.
const (
	keptFile    = "migrations/00002_events_are_kept."
	keepsEvents = "the trigger that keeps events from being changed"
)

// A postgresTrigger does what the function in its migration does. kind says when.
// Source: PostgreSQL, catalog/pg_trigger.h.
type postgresTrigger struct {
	table, file, said string
	kind              int
}

const (
	afterInsert                    = 4
	afterUpdate                    = 16
	beforeUpdateOrDeleteOrTruncate = 58
)

var postgresTriggers = []postgresTrigger{
	{"events", keptFile + "postgres.sql", keepsEvents, beforeUpdateOrDeleteOrTruncate},
	{"clocks", "migrations/00017_timer_floor.postgres.sql", "the trigger that tells of early timers of new relationships", afterInsert},
	{"clocks", "migrations/00017_timer_floor.postgres.sql", "the trigger that tells of early timers of relationships that change", afterUpdate},
}

// missingGuards are the unique keys, what keeps the history from being changed, and what keeps timers from slipping below the floor, that the
// tables should have and have not: somebody has taken them away, or a copy of the tables was made without.
func missingGuards(ctx context.Context, s session) (missing []string, err error) {
	want, have, without := uniqueKeys, keysOfSQLite, missingInSQLite
	if s.dialect == postgres {
		want, have, without = slices.Concat(uniqueKeys, postgresKeys), keysOfPostgres, missingInPostgres
	}
	keys, err := have(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, key := range want {
		if !slices.Contains(keys, key) {
			missing = append(missing, "the unique key "+key)
		}
	}
	triggers, err := without(ctx, s)
	return append(missing, triggers...), err
}

// keysOfPostgres are the unique keys in force.
func keysOfPostgres(ctx context.Context, s session) (keys []string, err error) {
	var rows []struct {
		Table      string `json:"relname"`
		Definition string `json:"definition"`
	}
	err = s.list(ctx, &rows, `SELECT c.relname, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
		WHERE i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate
		AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())`, nil)
	conditions := strings.NewReplacer(" WHERE (status = ANY (ARRAY['pending'::text, 'active'::text]))", " WHERE status IN ('pending', 'active')",
		" WHERE (", " WHERE ", " IS NULL)", " IS NULL")
	for _, row := range rows {
		if _, columns, ok := strings.Cut(row.Definition, " USING btree "); ok {
			keys = append(keys, conditions.Replace(row.Table+" "+columns))
		}
	}
	return keys, err
}

// keysOfSQLite are primary keys, of which some are no index, and unique indexes.
func keysOfSQLite(ctx context.Context, s session) (keys []string, err error) {
	err = s.list(ctx, &keys, `SELECT m.name || ' (' || (SELECT group_concat(c.name, ', ' ORDER BY c.pk) FROM pragma_table_info(m.name) AS c WHERE c.pk > 0) || ')'
		FROM sqlite_master AS m WHERE m.type = 'table' AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) AS c WHERE c.pk > 0)
		UNION ALL
		SELECT m.name || ' (' || (SELECT group_concat(c.name, ', ' ORDER BY c.seqno) FROM pragma_index_info(i.name) AS c) || ')'
			|| COALESCE((SELECT substr(x.sql, instr(x.sql, ' WHERE ')) FROM sqlite_master AS x WHERE x.name = i.name AND i.partial = 1), '')
		FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS i WHERE m.type = 'table' AND i."unique" = 1`, nil)
	return keys, err
}

// missingInPostgres are the triggers that are not there, not switched on, or do not do what they should.
func missingInPostgres(ctx context.Context, s session) (missing []string, err error) {
	for _, trigger := range postgresTriggers {
		text, err := fs.ReadFile(migrationFiles, trigger.file)
		if err != nil {
			return nil, err
		}
		_, body, _ := strings.Cut(string(text), "$$")
		body, _, _ = strings.Cut(body, "$$")
		var is bool
		err = s.get(ctx, &is, `SELECT EXISTS (SELECT 1 FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
			WHERE c.relname = :table AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
			AND t.tgenabled IN ('O', 'A') AND t.tgtype = :kind AND t.tgqual IS NULL AND p.prosrc = :body)`,
			args{"table": trigger.table, "kind": trigger.kind, "body": body})
		if err != nil {
			return nil, err
		}
		if !is {
			missing = append(missing, trigger.said)
		}
	}
	return missing, nil
}

// missingInSQLite is the guard of events, unless both its triggers are there, word for word.
func missingInSQLite(ctx context.Context, s session) (missing []string, err error) {
	text, err := fs.ReadFile(migrationFiles, keptFile+"sqlite.sql")
	if err != nil {
		return nil, err
	}
	var have []string
	err = s.list(ctx, &have, `SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'`, nil)
	there := 0
	for _, trigger := range have {
		if strings.Contains(string(text), trigger+";") {
			there++
		}
	}
	if there < 2 {
		missing = append(missing, keepsEvents)
	}
	return missing, err
}
