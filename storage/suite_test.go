package storage

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// eachDatabase runs a test on either database: what holds on one has to hold on the other.
func eachDatabase(t *testing.T, what func(t *testing.T, db *DB)) {
	t.Helper()
	eachURL(t, func(t *testing.T, url string) { what(t, migrated(t, url, Live)) })
}

// eachURL is for tests that open the database themselves. It does not exist yet, or is empty.
func eachURL(t *testing.T, what func(t *testing.T, url string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { what(t, "sqlite:"+filepath.Join(t.TempDir(), "deep", "down", "test.db")) })
	t.Run("PostgreSQL", func(t *testing.T) { what(t, testenv.Postgres(t)) })
}

func migrated(t *testing.T, url string, kind Kind) *DB {
	t.Helper()
	db, err := Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Migrate(t.Context(), kind, start))
	return db
}

const (
	partner  = "aaaaaaaa-0000-4000-8000-000000000001"
	customer = "bbbbbbbb-0000-4000-8000-000000000001"
	role     = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
)

var (
	start  = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)
	policy = lifecycle.DefaultPolicy()
	ctx    = context.Background()
)

// active is a relationship that ends at end; all warnings of that are settled.
func active(n int, end time.Time) lifecycle.Record {
	return lifecycle.Record{ID: id(n), Partner: partner, DisplayName: fmt.Sprintf("Relationship %d", n), Duration: lifecycle.Days(90),
		Status: lifecycle.Active, Customer: lifecycle.Tenant{TenantID: customer, DisplayName: "Contoso"}, Roles: []string{role},
		Created: end.Add(-91 * lifecycle.Day), Modified: end.Add(-90 * lifecycle.Day), Locked: end.Add(-91 * lifecycle.Day),
		Activated: end.Add(-90 * lifecycle.Day), End: end, WarnAfter: end}
}

// ended is a relationship that ended at end, and whose name is held.
func ended(n int, end time.Time) lifecycle.Record {
	r := active(n, end)
	r.Status = lifecycle.Terminated
	return r
}

func named(r lifecycle.Record, name string) lifecycle.Record {
	r.DisplayName = name
	return r
}

func id(n int) string { return fmt.Sprintf("r-%06d", n) }

func incoming(records ...lifecycle.Record) []lifecycle.Incoming {
	batch := make([]lifecycle.Incoming, len(records))
	for i, r := range records {
		batch[i] = lifecycle.Incoming{Record: r, Digest: fmt.Sprintf("%+v", r)}
	}
	return batch
}

// load imports records, all of which have to be new, and reads them back.
func load(t *testing.T, db *DB, records ...lifecycle.Record) []lifecycle.Stored {
	t.Helper()
	const batch = 1000
	stored := make([]lifecycle.Stored, len(records))
	for from := 0; from < len(records); from += batch {
		intakes, err := db.ImportRelationships(ctx, incoming(records[from:min(from+batch, len(records))]...), policy, start)
		require.NoError(t, err)
		for _, in := range intakes {
			require.Equal(t, lifecycle.TakenNew, in.Taken, in.Fault)
		}
	}
	for i := range records {
		if len(records) > 100 {
			return nil // whoever loads that many reads them in another way
		}
		var err error
		stored[i], err = db.Relationship(ctx, records[i].ID)
		require.NoError(t, err)
	}
	return stored
}

func agents(t *testing.T, db *DB, mails ...string) {
	t.Helper()
	contacts(t, db, partner, lifecycle.AdminAgents, mails...)
}

func contacts(t *testing.T, db *DB, tenant string, role lifecycle.Role, mails ...string) {
	t.Helper()
	batch := make([]lifecycle.Contact, len(mails))
	for i, mail := range mails {
		batch[i] = lifecycle.Contact{TenantID: tenant, Role: role, Mail: mail, DisplayName: "Name of " + mail, Language: "ja"}
	}
	importContactsOf(t, db, batch...)
}

func importContactsOf(t *testing.T, db *DB, batch ...lifecycle.Contact) lifecycle.ContactCounts {
	t.Helper()
	counts, err := db.ImportContacts(ctx, batch, &policy.Notices, start)
	require.NoError(t, err)
	return counts
}

// decide is what the timers of stored records call for.
func decide(now time.Time, records ...lifecycle.Stored) []lifecycle.Decided {
	decided := make([]lifecycle.Decided, len(records))
	for i, r := range records {
		decided[i] = lifecycle.Decided{Key: r.Key, Version: r.Version, Decision: lifecycle.Evaluate(r.Record, policy, now)}
	}
	return decided
}

// opened is a sweep that nothing stands in the way of.
func opened(t *testing.T, db *DB, asOf time.Time, rules ...lifecycle.RuleName) lifecycle.Sweep {
	t.Helper()
	sweep, how, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Rules: rules, Trigger: lifecycle.TriggerRequest, AsOf: asOf, OpenedAt: asOf})
	require.NoError(t, err)
	require.Equal(t, lifecycle.OpenedNew, how)
	return sweep
}

// cutAll cuts a sweep to the end.
func cutAll(t *testing.T, db *DB, sweep int64, size, most int) (refs []lifecycle.ChunkRef) {
	t.Helper()
	for cut := false; !cut; {
		var chunks []lifecycle.ChunkRef
		var err error
		chunks, cut, err = db.CutChunks(ctx, sweep, size, most)
		require.NoError(t, err)
		refs = append(refs, chunks...)
	}
	return refs
}

func claim(t *testing.T, db *DB, ref lifecycle.ChunkRef, wall time.Time) lifecycle.Chunk {
	t.Helper()
	chunk, _, ok, err := db.ClaimChunk(ctx, ref, wall, wall.Add(time.Minute))
	require.NoError(t, err)
	require.True(t, ok, "chunk %s is to be had", ref)
	return chunk
}

func count(t *testing.T, db *DB, query string) (n int) {
	t.Helper()
	require.NoError(t, db.pool.GetContext(ctx, &n, query))
	return n
}
