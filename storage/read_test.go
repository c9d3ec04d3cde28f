package storage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestStreamsComeInOneOrderAndFromOneMoment(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "b@example.com", "a@example.com")
		var records []lifecycle.Record
		for n := range 20 {
			records = append(records, active(n, start.Add(-time.Duration(n*7%20)*time.Minute)))
		}
		stored := load(t, db, records...)
		_, err := db.Apply(ctx, decide(start, stored[10:]...))
		require.NoError(t, err)
		_, err = db.Apply(ctx, decide(start.Add(time.Second), stored[:10]...))
		require.NoError(t, err)

		moment, err := db.Snapshot(ctx)
		require.NoError(t, err)
		defer moment.Close()
		load(t, db, active(99, start)) // too late to be seen
		agents(t, db, "late@example.com")

		var keys []int64
		require.NoError(t, moment.EachRelationship(ctx, func(r lifecycle.Stored) error { keys = append(keys, r.Key); return nil }))
		require.Len(t, keys, 20)
		require.True(t, slices.IsSorted(keys))
		var events []lifecycle.Event
		require.NoError(t, moment.EachEvent(ctx, func(e lifecycle.Event) error { events = append(events, e); return nil }))
		require.Len(t, events, 40)
		require.True(t, slices.IsSortedFunc(events, func(a, b lifecycle.Event) int {
			return cmp.Or(a.Recorded.Compare(b.Recorded), a.Effective.Compare(b.Effective), strings.Compare(a.RelationshipID, b.RelationshipID))
		}))
		var letters []lifecycle.Letter
		require.NoError(t, moment.EachLetter(ctx, func(l lifecycle.Letter) error { letters = append(letters, l); return nil }))
		require.Len(t, letters, 60)
		require.True(t, slices.IsSortedFunc(letters, func(a, b lifecycle.Letter) int {
			return cmp.Or(a.Recorded.Compare(b.Recorded), a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Ordinal, b.Ordinal))
		}))
		n := 0
		require.NoError(t, moment.EachNotice(ctx, func(l lifecycle.Letter) error {
			all := &letters[n]
			to := lifecycle.Contact{TenantID: all.Recipient.TenantID, Role: all.Recipient.Role, Mail: all.Recipient.Mail, Language: all.Recipient.Language}
			require.Equal(t, lifecycle.Letter{NoticeID: all.NoticeID, Kind: all.Kind, Stage: all.Stage, End: all.End, Due: all.Due, Recorded: all.Recorded,
				Status: all.Status, Reason: all.Reason, Recipient: to, Channel: all.Channel, Endpoint: all.Endpoint,
				Relationship: lifecycle.Record{ID: all.Relationship.ID}}, l)
			n++
			return nil
		}))
		require.Len(t, letters, n)
		var mails []string
		require.NoError(t, moment.EachContact(ctx, func(c lifecycle.Contact) error { mails = append(mails, c.Mail); return nil }))
		require.Equal(t, []string{"a@example.com", "b@example.com"}, mails)

		enough := errors.New("enough")
		require.ErrorIs(t, db.EachRelationship(ctx, func(lifecycle.Stored) error { return enough }), enough)
		n = 0
		require.NoError(t, db.EachRelationship(ctx, func(lifecycle.Stored) error { n++; return nil }))
		require.Equal(t, 21, n)
	})
}

func TestRelationshipsAreFound(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		other := named(active(2, start.AddDate(0, 2, 0)), "100%_Größe!")
		other.Customer.TenantID = "cccccccc-0000-4000-8000-000000000001"
		elsewhere := named(active(3, start.AddDate(0, 3, 0)), "Contoso 2026")
		elsewhere.Partner = customer
		load(t, db, active(1, start.AddDate(0, 1, 0)), other, elsewhere, ended(4, start.AddDate(0, -1, 0)))
		field := func(f lifecycle.Field, by lifecycle.Comparison, text string) lifecycle.Filter {
			return lifecycle.Compare{Field: f, By: by, Value: lifecycle.Value{Text: text}}
		}
		ends := func(by lifecycle.Comparison, at time.Time) lifecycle.Filter {
			return lifecycle.Compare{Field: lifecycle.FieldEnd, By: by, Value: lifecycle.Value{At: at}}
		}
		after := func(key int64) *lifecycle.Cursor { return &lifecycle.Cursor{Key: key} }
		for _, test := range []struct {
			query lifecycle.RelationshipQuery
			want  []int64
		}{
			{lifecycle.RelationshipQuery{}, []int64{1, 2, 3, 4}},
			{lifecycle.RelationshipQuery{Limit: 2}, []int64{1, 2}},
			{lifecycle.RelationshipQuery{After: after(2)}, []int64{3, 4}},
			{lifecycle.RelationshipQuery{After: after(2), Limit: 1}, []int64{3}},
			{lifecycle.RelationshipQuery{Filter: lifecycle.Among{Field: lifecycle.FieldStatus, Values: []lifecycle.Value{{Text: "terminated"}, {Text: "expired"}}}}, []int64{4}},
			{lifecycle.RelationshipQuery{Filter: field(lifecycle.FieldPartner, lifecycle.Equal, customer)}, []int64{3}},
			{lifecycle.RelationshipQuery{Filter: field(lifecycle.FieldCustomer, lifecycle.Equal, other.Customer.TenantID)}, []int64{2}},
			{lifecycle.RelationshipQuery{Filter: field(lifecycle.FieldName, lifecycle.Contains, "GRÖSSE!")}, []int64{2}},
			{lifecycle.RelationshipQuery{Filter: field(lifecycle.FieldName, lifecycle.Contains, "0%_G")}, []int64{2}},
			{lifecycle.RelationshipQuery{Filter: field(lifecycle.FieldName, lifecycle.Contains, "_______")}, nil},
			{lifecycle.RelationshipQuery{Filter: field(lifecycle.FieldName, lifecycle.StartsWith, "contoso")}, []int64{3}},
			{lifecycle.RelationshipQuery{Filter: field(lifecycle.FieldName, lifecycle.StartsWith, "2026")}, nil},
			{lifecycle.RelationshipQuery{Filter: ends(lifecycle.GreaterOrEqual, other.End)}, []int64{2, 3}},
			{lifecycle.RelationshipQuery{Filter: ends(lifecycle.Less, other.End)}, []int64{1, 4}},
			{lifecycle.RelationshipQuery{Filter: field(lifecycle.FieldNext, lifecycle.Equal, string(lifecycle.EndTerm))}, []int64{1, 2, 3}},
			{lifecycle.RelationshipQuery{Filter: lifecycle.All{field(lifecycle.FieldNext, lifecycle.Equal, string(lifecycle.EndTerm)),
				field(lifecycle.FieldPartner, lifecycle.Equal, partner), ends(lifecycle.GreaterOrEqual, start), ends(lifecycle.Less, other.End)}}, []int64{1}},
		} {
			found, err := db.Relationships(ctx, test.query)
			require.NoError(t, err)
			var keys []int64
			for _, r := range found {
				keys = append(keys, r.Key)
			}
			require.Equal(t, test.want, keys, "%+v", test.query)
		}
		_, err := db.Relationships(ctx, lifecycle.RelationshipQuery{Order: []lifecycle.Order{{Field: lifecycle.FieldEnd}}, After: after(2)})
		require.ErrorContains(t, err, "does not fit")
		_, err = db.Relationship(ctx, "nobody\x00")
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		_, err = db.Relationship(ctx, "nobody")
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		require.EqualError(t, err, "read relationship nobody: not found")
	})
}

func TestBacklogNamesEveryRule(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start), active(2, start.Add(-time.Hour)), active(3, start.Add(time.Microsecond)))
		backlogs, err := db.Backlogs(ctx, start)
		require.NoError(t, err)
		require.Len(t, backlogs, len(lifecycle.Rules))
		for i, b := range backlogs {
			require.Equal(t, lifecycle.Rules[i].Name, b.Rule)
			if b.Rule == lifecycle.EndTerm {
				require.Equal(t, lifecycle.Backlog{Rule: b.Rule, Due: 2, Oldest: start.Add(-time.Hour)}, b)
			} else {
				require.Zero(t, b.Due)
				require.Zero(t, b.Oldest)
			}
		}
	})
}

func TestTimersFollowThePolicy(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, ended(1, start), ended(2, start), active(3, start))
		moved, err := db.Retime(ctx, policy, start)
		require.NoError(t, err)
		require.Zero(t, moved)
		other := lifecycle.DefaultPolicy()
		other.Names.HoldFor = lifecycle.Days(10)
		moved, err = db.Retime(ctx, other, start)
		require.NoError(t, err)
		require.EqualValues(t, 2, moved)
		backlogs, err := db.Backlogs(ctx, start.Add(10*lifecycle.Day))
		require.NoError(t, err)
		require.Contains(t, backlogs, lifecycle.Backlog{Rule: lifecycle.ReleaseName, Due: 2, Oldest: start.Add(10 * lifecycle.Day)})
		moved, err = db.Retime(ctx, other, start)
		require.NoError(t, err)
		require.Zero(t, moved)
	})
}

// Whoever goes back to the policy before must not find timers of the one whose setting was cut short: they may be far too late.
func TestTimersThatWereSetHalfwayAreSetAgain(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, ended(1, start), ended(2, start))
		_, err := db.Retime(ctx, policy, start)
		require.NoError(t, err)
		other := lifecycle.DefaultPolicy()
		other.Names.HoldFor = lifecycle.Days(10)
		rename := func(from, to string) {
			require.NoError(t, db.write(ctx, "rename a counter", func(s session) error {
				_, err := s.exec(ctx, `UPDATE counters SET name = :to WHERE name = :from`, args{"from": from, "to": to})
				return err
			}))
		}
		rename(policyCounter, "elsewhere")
		_, err = db.Retime(ctx, other, start)
		require.Error(t, err, "it comes to grief at its end")
		rename("elsewhere", policyCounter)
		aside, err := db.TimedByAnother(ctx, policy)
		require.NoError(t, err)
		require.True(t, aside)
		moved, err := db.Retime(ctx, policy, start)
		require.NoError(t, err)
		require.EqualValues(t, 2, moved)
		aside, err = db.TimedByAnother(ctx, policy)
		require.NoError(t, err)
		require.False(t, aside)
	})
}

func TestTestClockGoesForwardOnly(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db := migrated(t, url, Sandbox)
		later := start.AddDate(2, 0, 0)
		require.NoError(t, db.SetTestClock(ctx, start, later))
		require.ErrorIs(t, db.SetTestClock(ctx, start, later), ErrClockMoved)
		require.ErrorIs(t, db.SetTestClock(ctx, later, start), ErrClockBack)
		now, err := db.TestClock(ctx)
		require.NoError(t, err)
		require.Equal(t, later, now)
	})
}

func TestLiveDatabaseHasNoTestClock(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		_, err := db.TestClock(ctx)
		require.ErrorIs(t, err, ErrLive)
		require.ErrorIs(t, db.SetTestClock(ctx, start, start.Add(1)), ErrLive)
		require.ErrorIs(t, db.Migrate(ctx, Sandbox, start), ErrOtherKind)
		_, err = db.TestClock(ctx)
		require.ErrorIs(t, err, ErrLive, "mistaking it for a sandbox did not give it one")
	})
}

// plan is how the database would run a query.
func plan(t *testing.T, db *DB, query string, a args) string {
	t.Helper()
	explain := "EXPLAIN "
	if db.dialect == sqlite {
		explain = "EXPLAIN QUERY PLAN "
	}
	text, values, err := session{q: db.pool, dialect: db.dialect}.bound(explain+query, a)
	require.NoError(t, err)
	rows, err := db.pool.QueryxContext(ctx, text, values...)
	require.NoError(t, err)
	defer rows.Close()
	var lines []string
	for rows.Next() {
		columns, err := rows.SliceScan()
		require.NoError(t, err)
		lines = append(lines, fmt.Sprint(columns[len(columns)-1]))
	}
	require.NoError(t, rows.Err())
	return strings.Join(lines, "\n")
}

func TestIndexesAreUsed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "a@example.com")
		var records []lifecycle.Record
		for n := range 4000 {
			records = append(records, active(n, start.Add(time.Duration(n)*time.Hour)))
		}
		load(t, db, records...)
		_, err := db.pool.ExecContext(ctx, "ANALYZE")
		require.NoError(t, err)
		rules := page[lifecycle.RuleName](lifecycle.RuleNames())
		asOf := at(start.Add(100 * time.Hour))
		scan := args{"after_at": dawn, "after_key": 0, "upto_at": asOf, "upto_key": 5000, "as_of": asOf, "rules": rules, "size": 10, "records": 50, "most": 50}

		for name, p := range map[string]string{"due": plan(t, db, selectDue, scan), "cut": plan(t, db, selectChunkEnds, scan)} {
			require.Contains(t, p, "clocks_timers", "%s: %s", name, p)
			require.NotContains(t, p, "Seq Scan on clocks", "%s: %s", name, p)
			if db.dialect == sqlite {
				require.NotContains(t, p, "SCAN clocks", "%s: %s", name, p)
				require.NotContains(t, p, "SCAN a", "%s: %s", name, p)
			}
		}
		require.Contains(t, plan(t, db, selectChunkEnds, scan), map[*dialect]string{sqlite: "COVERING INDEX clocks_timers", postgres: "Index Only Scan using clocks_timers"}[db.dialect])

		imports := plan(t, db, selectImports, args{"rows": page[keyRow]{{1}, {5}, {77}}})
		require.NotContains(t, imports, "events_recorded", imports)

		var updates []clockRow
		for _, d := range decide(start, mustRead(t, db, id(1)), mustRead(t, db, id(2))) {
			updates = append(updates, clockRowOf(&d))
		}
		p := plan(t, db, updateClocks, args{"rows": page[clockRow](updates)})
		require.Contains(t, p, map[*dialect]string{sqlite: "SEARCH clocks USING INTEGER PRIMARY KEY", postgres: "Index Scan using clocks_pkey"}[db.dialect], p)
	})
}
