package storage

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUniqueKeysAreThoseOfTheMigrations(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		require.NoError(t, db.read(ctx, "list the keys", func(s session) error {
			want, have, err := uniqueKeys, keysOfSQLite, error(nil)
			if db.dialect == postgres {
				want, have = slices.Sorted(slices.Values(slices.Concat(uniqueKeys, postgresKeys))), keysOfPostgres
			}
			keys, err := have(ctx, s)
			slices.Sort(keys)
			keys = slices.DeleteFunc(slices.Compact(keys), func(key string) bool {
				return strings.HasPrefix(key, versionTable) || strings.HasPrefix(key, "sqlite_")
			})
			require.Equal(t, want, keys)
			return err
		}))
		snapshot, err := db.Snapshot(ctx)
		require.NoError(t, err)
		defer snapshot.Close()
		books, err := snapshot.Books(ctx)
		require.NoError(t, err)
		require.Empty(t, books.MissingGuards)
	})
}

func TestGuardsThatAreTakenAwayAreMissed(t *testing.T) {
	missing := func(t *testing.T, db *DB, statements ...string) (missing []string) {
		t.Helper()
		require.NoError(t, db.write(ctx, "take guards away", func(s session) error {
			for _, statement := range statements {
				_, err := s.exec(ctx, statement, nil)
				require.NoError(t, err)
			}
			return nil
		}))
		require.NoError(t, db.read(ctx, "look at the guards", func(s session) (err error) {
			missing, err = missingGuards(ctx, s)
			return err
		}))
		return missing
	}
	const names, kept = "the unique key agreements (partner_id, name_key) WHERE name_released_at IS NULL", "the trigger that keeps events from being changed"
	eachDatabase(t, func(t *testing.T, db *DB) {
		require.Empty(t, missing(t, db))
		require.Equal(t, []string{names}, missing(t, db, `DROP INDEX agreements_names`))
		require.Equal(t, []string{names}, missing(t, db, `CREATE INDEX agreements_names ON agreements (partner_id, name_key) WHERE name_released_at IS NULL`), "it is not unique")
		require.Equal(t, []string{names}, missing(t, db, `DROP INDEX agreements_names`,
			`CREATE UNIQUE INDEX agreements_names ON agreements (partner_id, name_key) WHERE name_released_at IS NULL AND key < 5`), "it is of some only")
		require.Empty(t, missing(t, db, `DROP INDEX agreements_names`,
			`CREATE UNIQUE INDEX agreements_names ON agreements (partner_id, name_key) WHERE name_released_at IS NULL`))
		if db.dialect == sqlite {
			require.Equal(t, []string{kept}, missing(t, db, `DROP TRIGGER events_not_deleted`))
			require.Equal(t, []string{kept}, missing(t, db, `CREATE TRIGGER events_not_deleted BEFORE DELETE ON events BEGIN SELECT 1; END`), "it lets all pass")
			return
		}
		require.Equal(t, []string{kept}, missing(t, db, `ALTER TABLE events DISABLE TRIGGER events_are_kept`))
		require.Empty(t, missing(t, db, `ALTER TABLE events ENABLE TRIGGER events_are_kept`))
		require.Equal(t, []string{"the trigger that tells of early timers of new relationships"}, missing(t, db, `DROP TRIGGER early_timers_inserted ON clocks`))
		require.Empty(t, missing(t, db, `CREATE TRIGGER early_timers_inserted AFTER INSERT ON clocks REFERENCING NEW TABLE AS written
			FOR EACH STATEMENT EXECUTE FUNCTION early_timers_are_told()`))
		require.Equal(t, []string{"the trigger that tells of early timers of relationships that change"}, missing(t, db, `ALTER TABLE clocks DISABLE TRIGGER early_timers_updated`))
		require.Empty(t, missing(t, db, `ALTER TABLE clocks ENABLE TRIGGER early_timers_updated`))
		require.Equal(t, []string{kept}, missing(t, db, `CREATE OR REPLACE FUNCTION events_are_kept() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`), "it lets all pass")
		require.Equal(t, []string{"the unique key events (relationship_key, version)", kept}, missing(t, db, `ALTER TABLE events DROP CONSTRAINT events_pkey`))
	})
}
