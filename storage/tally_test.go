package storage

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestTimersAndEndsAreCountedByStretches(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		extends := active(4, start.Add(50*time.Hour))
		extends.AutoExtend = true
		pending := active(5, start)
		pending.Status, pending.Activated, pending.End, pending.WarnAfter = lifecycle.ApprovalPending, time.Time{}, time.Time{}, time.Time{}
		pending.Locked = start.Add(-89 * lifecycle.Day)
		load(t, db, active(1, start.Add(-time.Hour)), active(2, start.Add(24*time.Hour)), active(3, start.Add(24*time.Hour-time.Microsecond)), extends, pending,
			ended(6, start.Add(-30*time.Hour)))
		days := []time.Time{{}, start, start.Add(24 * time.Hour), start.Add(48 * time.Hour), start.Add(72 * time.Hour)}

		timers, err := db.CountTimers(ctx, days)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.TimerCount{
			{Rule: lifecycle.EndTerm, N: 1}, {From: days[1], Rule: lifecycle.EndTerm, N: 1},
			{From: days[2], Rule: lifecycle.EndTerm, N: 1}, {From: days[2], Rule: lifecycle.ExpirePending, N: 1},
			{From: days[3], Rule: lifecycle.AutoExtend, N: 1},
		}, timers, "an instant belongs to the stretch that begins with it; that of the ended one lies far ahead")
		ends, err := db.CountEnds(ctx, days)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.EndCount{{Active: 1, Ended: 1}, {From: days[1], Active: 1}, {From: days[2], Active: 1}, {From: days[3], Active: 1}}, ends)

		for _, count := range [][]time.Time{nil, days[:1]} {
			timers, err = db.CountTimers(ctx, count)
			require.NoError(t, err)
			require.Empty(t, timers)
			ends, err = db.CountEnds(ctx, count)
			require.NoError(t, err)
			require.Empty(t, ends)
		}

		_, err = db.PlaceHold(ctx, lifecycle.Hold{Kind: lifecycle.HoldRelationship, Subject: id(2), Note: "asked for"}, lifecycle.Caller{}, start)
		require.NoError(t, err)
		timers, err = db.CountTimers(ctx, days[2:4])
		require.NoError(t, err)
		require.Equal(t, []lifecycle.TimerCount{{From: days[2], Rule: lifecycle.ExpirePending, N: 1}}, timers, "what is on hold does not happen")
	})
}

func TestRolesAndCustomersAreCounted(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		counts, err := db.CountRoles(ctx)
		require.NoError(t, err)
		require.Equal(t, lifecycle.RoleCounts{Roles: map[string]int64{}}, counts)
		both := active(1, start.Add(time.Hour))
		both.Roles = []string{lifecycle.GlobalAdministrator, role, role}
		other := active(3, start.Add(time.Hour))
		other.Customer.TenantID = "bbbbbbbb-0000-4000-8000-000000000002"
		over := ended(4, start)
		over.Customer.TenantID, over.Roles = "", []string{lifecycle.GlobalAdministrator}
		load(t, db, both, active(2, start.Add(time.Hour)), other, over)

		counts, err = db.CountRoles(ctx)
		require.NoError(t, err)
		require.Equal(t, lifecycle.RoleCounts{Relationships: 3, GlobalAdministrator: 1, Roles: map[string]int64{lifecycle.GlobalAdministrator: 1, role: 3}}, counts)
		for _, c := range []struct {
			role  string
			after int64
			ids   []string
		}{{role, 0, []string{id(1), id(2)}}, {role, 2, []string{id(3)}}, {lifecycle.GlobalAdministrator, 0, []string{id(1)}}, {role[1:], 0, nil}} {
			q := lifecycle.Listing{By: lifecycle.ByArrival, Role: c.role, Limit: 2, After: &lifecycle.Listed{Stored: lifecycle.Stored{Key: c.after}},
				Filter: lifecycle.Compare{Field: lifecycle.FieldStatus, By: lifecycle.Equal, Value: lifecycle.Value{Text: string(lifecycle.Active)}}}
			holders, _, err := db.Listed(ctx, q)
			require.NoError(t, err)
			var ids []string
			for i := range holders {
				ids = append(ids, holders[i].ID)
			}
			require.Equal(t, c.ids, ids, "%+v", c)
		}
		customers, err := db.CountCustomers(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, customers)

		byCustomer, err := db.CountByCustomer(ctx, "", 10)
		require.NoError(t, err)
		of := func(tenant lifecycle.Tenant, relationships, active int64) lifecycle.CustomerCount {
			return lifecycle.CustomerCount{Tenant: tenant, Relationships: relationships, Active: active}
		}
		want := []lifecycle.CustomerCount{of(both.Customer, 2, 2), of(other.Customer, 1, 1)}
		if other.Customer.TenantID < both.Customer.TenantID {
			slices.Reverse(want)
		}
		require.Equal(t, want, byCustomer)
		page, err := db.CountByCustomer(ctx, "", 1)
		require.NoError(t, err)
		require.Equal(t, want[:1], page)
		page, err = db.CountByCustomer(ctx, want[0].TenantID, 2)
		require.NoError(t, err)
		require.Equal(t, want[1:], page)
	})
}

// Of a million relationships one page is read, wherever in the list it is.
func TestListsByEndGoAlongTheirIndex(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		var records []lifecycle.Record
		for n := range 4000 {
			records = append(records, active(n, start.Add(time.Duration(n)*time.Hour)))
		}
		load(t, db, records...)
		_, err := db.pool.ExecContext(ctx, "ANALYZE")
		require.NoError(t, err)
		from := lifecycle.Value{At: start.Add(1000 * time.Hour)}
		for _, descending := range []bool{false, true} {
			by := lifecycle.GreaterOrEqual
			if descending {
				by = lifecycle.LessOrEqual
			}
			q := lifecycle.RelationshipQuery{Limit: 50, Order: []lifecycle.Order{{Field: lifecycle.FieldEnd, Descending: descending}},
				After: &lifecycle.Cursor{Values: []lifecycle.Value{from}, Key: 1001},
				Filter: lifecycle.All{lifecycle.Compare{Field: lifecycle.FieldStatus, By: lifecycle.Equal, Value: lifecycle.Value{Text: string(lifecycle.Active)}},
					lifecycle.Compare{Field: lifecycle.FieldEnd, By: by, Value: from}}}
			where, a, err := sifted(&q)
			require.NoError(t, err)
			p := plan(t, db, selectRecords+where, a)
			require.Regexp(t, map[*dialect]string{sqlite: `SEARCH c USING INDEX clocks_ends \(end_at`, postgres: `Index Scan (Backward )?using clocks_ends`}[db.dialect], p)
			require.NotContains(t, p, "TEMP B-TREE FOR ORDER BY", p)
			require.NotContains(t, p, "Hash Join", p)
			found, err := db.Relationships(ctx, q)
			require.NoError(t, err)
			require.Len(t, found, 50)
		}
		p := plan(t, db, selectTimers, args{"rows": stretches([]time.Time{start, start.Add(time.Hour)})})
		require.Contains(t, p, map[*dialect]string{sqlite: "COVERING INDEX clocks_timers", postgres: "Index Only Scan using clocks_timers"}[db.dialect])
		p = plan(t, db, selectEnds, args{"rows": stretches([]time.Time{start, start.Add(time.Hour)})})
		require.Regexp(t, `(?s)clocks_ends.*clocks_ended`, p)
	})
}
