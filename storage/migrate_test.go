package storage

import (
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// migratedTo opens a database with the tables of an earlier program.
func migratedTo(t *testing.T, url string, version int64) *DB {
	t.Helper()
	db, err := Open(ctx, url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	dialect := goose.DialectSQLite3
	if db.dialect == postgres {
		dialect = goose.DialectPostgres
	}
	provider, err := goose.NewProvider(dialect, db.pool.DB, nil, goose.WithGoMigrations(db.dialect.migrations()...),
		goose.WithDisableGlobalRegistry(true), goose.WithTableName(versionTable))
	require.NoError(t, err)
	_, err = provider.UpTo(ctx, version)
	require.NoError(t, err)
	return db
}

func TestDatabaseOfVersionThreeKeepsEverything(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db := migratedTo(t, url, 3)
		end := start.AddDate(0, 1, 0)
		s := session{q: db.pool, dialect: db.dialect}
		a := args{"id": id(1), "partner": partner, "customer": customer, "roles": jsonList([]string{role}), "now": at(start), "end": at(end),
			"hash": []byte{1, 2, 3}, "dawn": dawn}
		for _, statement := range []string{
			`INSERT INTO meta (name, value) VALUES ('kind', 'live')`,
			`UPDATE counters SET next = 2 WHERE name IN ('relationship', 'token')`,
			`INSERT INTO relationships (key, id, partner_id, display_name, name_key, duration, auto_extend, status, customer_id, customer_name, roles,
					created_at, modified_at, locked_at, activated_at, end_at, warn_after, digest, version, next_rule, next_at)
				VALUES (1, :id, :partner, 'First', 'first', 'P90D', FALSE, 'active', :customer, 'Contoso', :roles, :now, :now, :now, :now, :end, :end,
					'digest', 1, 'end-term', :end)`,
			`INSERT INTO events (relationship_key, version, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor)
				VALUES (1, 1, 'imported', '', :now, :now, '', 'active', :end, '', 'import')`,
			`INSERT INTO tokens (id, name, hash, scopes, created_at) VALUES (1, 'ci', :hash, '["read"]', :now)`,
			`INSERT INTO notices (relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason, tenant_id, role, mail,
					recipient_name, language, ready_at)
				VALUES (1, 1, 1, 'terminated', 'PT0S', :end, :now, :now, 'queued', '', :partner, 'adminAgent', 'a@example.com', 'A', 'en', :dawn)`,
		} {
			_, err := s.exec(ctx, statement, a)
			require.NoError(t, err, statement)
		}
		require.ErrorIs(t, db.Ping(ctx), ErrNotMigrated)
		require.NoError(t, db.Migrate(ctx, Live, start))

		r := mustRead(t, db, id(1))
		require.Equal(t, lifecycle.Active, r.Status)
		require.Zero(t, r.Approved)
		require.Zero(t, r.Assigned)
		events, err := db.Events(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, []lifecycle.Event{{RelationshipID: id(1), Key: 1, Recorded: start, Change: lifecycle.Change{Version: 1, Type: lifecycle.EventImported,
			Effective: start, To: lifecycle.Active, End: end, Actor: lifecycle.Import}}}, events)
		require.Equal(t, events, activity(t, db, lifecycle.ActivityQuery{Viewer: anna}))
		_, err = db.pool.ExecContext(ctx, "DELETE FROM events")
		require.ErrorContains(t, err, "events are kept as they were written")
		token, err := db.TokenByHash(ctx, []byte{1, 2, 3})
		require.NoError(t, err)
		require.Equal(t, lifecycle.Token{ID: 1, Name: "ci", Scopes: []string{"read"}, Created: start}, token)
		letter := one(t, db, start)
		require.Equal(t, "a@example.com", letter.Recipient.Mail)
		require.Equal(t, id(1), letter.Relationship.ID)

		sub := subscribed(t, db, partner)
		actsOn(t, db, id(1), start.Add(time.Minute), lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Customer, Caller: carl})
		require.Equal(t, []lifecycle.NoticeKind{lifecycle.AnnounceTerminated}, toldOn(t, db, sub))
		require.NoError(t, db.RecordRefusal(ctx, lifecycle.RefusedRequest{RelationshipID: id(1), Action: "terminate", Code: lifecycle.WrongStatus, By: *anna, At: start}))
		require.Len(t, activity(t, db, lifecycle.ActivityQuery{Relationship: id(1)}), 3)
	})
}
