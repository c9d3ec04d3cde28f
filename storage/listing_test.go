package storage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// listedOf is what a list for operators is to show, by an order of its own making.
func listedOf(q *lifecycle.Listing, records []kept, next map[int64]time.Time, held map[int64]bool) (keys []int64) {
	place := func(k *kept) (string, bool) {
		switch q.By {
		case lifecycle.ByNext:
			return at(next[k.Key]).String(), !next[k.Key].IsZero()
		case lifecycle.ByEnd:
			return at(k.End).String(), !k.End.IsZero()
		case lifecycle.ByModified:
			return at(k.Modified).String(), !k.Modified.IsZero()
		case lifecycle.ByName:
			return nameKey(k.DisplayName), true
		}
		return "", true
	}
	var found []*kept
	for i := range records {
		k := &records[i]
		_, there := place(k)
		due := q.DueBy.IsZero() || !next[k.Key].IsZero() && !next[k.Key].After(q.DueBy) && !held[k.Key]
		powerful := q.GlobalAdministrator == lifecycle.Whichever || (q.GlobalAdministrator == lifecycle.With) == k.HoldsGlobalAdministrator()
		between := (q.NextFrom.IsZero() || !next[k.Key].IsZero() && !next[k.Key].Before(q.NextFrom)) &&
			(q.NextBefore.IsZero() || !next[k.Key].IsZero() && next[k.Key].Before(q.NextBefore))
		if there && due && between && powerful && (q.Role == "" || slices.Contains(k.Roles, q.Role)) && (!q.Held || held[k.Key]) && wants(q.Filter, k) {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(a, b *kept) int {
		x, _ := place(a)
		y, _ := place(b)
		c := cmp.Or(strings.Compare(x, y), cmp.Compare(a.Key, b.Key))
		if q.Descending {
			return -c
		}
		return c
	})
	for _, k := range found {
		keys = append(keys, k.Key)
	}
	return keys
}

func TestListsForOperatorsGoBothWaysPageByPage(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		records := motley(60)
		next, held := map[int64]time.Time{}, map[int64]bool{}
		for i := range records {
			k := &records[i]
			if i%3 == 0 {
				k.Roles = []string{role, lifecycle.GlobalAdministrator}
			}
			if i%4 > 0 {
				next[k.Key] = start.Add(time.Duration(i%7) * time.Hour)
			}
			held[k.Key] = i%6 == 1
		}
		keep(t, db, records)
		for _, k := range records {
			_, err := db.pool.ExecContext(ctx, db.pool.Rebind("UPDATE clocks SET next_at = ?, stayed = ? WHERE key = ?"), at(next[k.Key]), held[k.Key], k.Key)
			require.NoError(t, err)
		}
		defer func(most int) { mostGathered = most }(mostGathered)
		rapid.Check(t, func(t *rapid.T) {
			q := lifecycle.Listing{By: rapid.SampledFrom(lifecycle.ListingOrders).Draw(t, "by"), Descending: rapid.Bool().Draw(t, "descending"),
				Held: rapid.IntRange(0, 3).Draw(t, "held") == 0, GlobalAdministrator: lifecycle.Wish(rapid.IntRange(0, 2).Draw(t, "global administrator")),
				Limit: rapid.IntRange(1, 40).Draw(t, "limit")}
			if rapid.Bool().Draw(t, "due") {
				q.DueBy = start.Add(time.Duration(rapid.IntRange(-1, 8).Draw(t, "by when")) * time.Hour)
			}
			for _, end := range []*time.Time{&q.NextFrom, &q.NextBefore} {
				if rapid.IntRange(0, 2).Draw(t, "between") == 0 {
					*end = start.Add(time.Duration(rapid.IntRange(-1, 8).Draw(t, "when")) * time.Hour)
				}
			}
			if rapid.Bool().Draw(t, "filtered") {
				q.Filter = someFilter(records, 2).Draw(t, "filter")
			}
			if rapid.Bool().Draw(t, "as on the page") { // where indexes lead to what is wanted
				q.Filter = lifecycle.All(rapid.SliceOfN(someLead(records), 1, 3).Draw(t, "leads"))
			}
			if rapid.IntRange(0, 3).Draw(t, "of a role") == 0 {
				q.Role = rapid.SampledFrom([]string{role, lifecycle.GlobalAdministrator, partner}).Draw(t, "role")
			}
			mostGathered = rapid.SampledFrom([]int{0, 5, 4000}).Draw(t, "gathered")
			q.Look = rapid.SampledFrom([]int{0, 1, 2, 7, 1000}).Draw(t, "look")
			want := listedOf(&q, records, next, held)
			var keys []int64
			for looks := 0; ; looks++ {
				require.LessOrEqual(t, looks, 2*len(records), "it does not come to an end")
				page, reached, err := db.Listed(ctx, q)
				require.NoError(t, err)
				for i := range page {
					keys = append(keys, page[i].Key)
					require.True(t, page[i].Next.At.Equal(next[page[i].Key]))
				}
				if q.After = reached; len(page) == q.Limit {
					require.Nil(t, reached)
					q.After = &page[len(page)-1]
				}
				if q.After == nil {
					break
				}
			}
			require.Equal(t, want, keys)
		})
	})
}

// someLead is a filter that an index may know of.
func someLead(records []kept) *rapid.Generator[lifecycle.Filter] {
	return rapid.Custom(func(t *rapid.T) lifecycle.Filter {
		field := rapid.SampledFrom([]lifecycle.Field{lifecycle.FieldPartner, lifecycle.FieldCustomer, lifecycle.FieldStatus, lifecycle.FieldName, lifecycle.FieldEnd}).Draw(t, "field")
		by := lifecycle.Equal
		switch field {
		case lifecycle.FieldName:
			by = lifecycle.StartsWith
		case lifecycle.FieldEnd:
			by = rapid.SampledFrom([]lifecycle.Comparison{lifecycle.Less, lifecycle.GreaterOrEqual}).Draw(t, "by")
		}
		return lifecycle.Compare{Field: field, By: by, Value: someValue(field, records).Draw(t, "value")}
	})
}

func TestALookGoesNoFartherThanItIsBounded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		var records []lifecycle.Record
		for n := range 100 {
			records = append(records, active(n, start.Add(time.Duration(n)*time.Hour)))
		}
		load(t, db, records...)
		rare := lifecycle.Compare{Field: lifecycle.FieldDuration, By: lifecycle.Equal, Value: lifecycle.Value{Text: "P1D"}}
		for _, by := range []lifecycle.ListingOrder{lifecycle.ByArrival, lifecycle.ByNext, lifecycle.ByEnd, lifecycle.ByModified} {
			q := lifecycle.Listing{By: by, Filter: rare, Limit: 10, Look: 30}
			for _, key := range []int64{30, 60, 90} {
				found, reached, err := db.Listed(ctx, q)
				require.NoError(t, err)
				require.Empty(t, found)
				require.NotNil(t, reached, by)
				require.Equal(t, key, reached.Key, by)
				q.After = reached
			}
			found, reached, err := db.Listed(ctx, q)
			require.NoError(t, err)
			require.Empty(t, found)
			require.Nil(t, reached, "there is nothing behind the last one")
		}
		found, reached, err := db.Listed(ctx, lifecycle.Listing{By: lifecycle.ByNext, Filter: lifecycle.All{lifecycle.Among{Field: lifecycle.FieldNext}}, Limit: 10, Look: 30})
		require.NoError(t, err)
		require.Empty(t, found)
		require.Nil(t, reached, "what nobody can be is not looked for")
	})
}

func TestTextsBehindAllThatBeginSo(t *testing.T) {
	for text, want := range map[string]string{"a": "b", "日": "\u65e6", "\uD7FF": "\uE000", "a\U0010FFFF": "b", "\U0010FFFF": ""} {
		require.Equal(t, want, afterAll(text), "%q", text)
	}
}

// How the databases say that they read all of a table, or put the view together as a whole.
var wholeTables = []string{"Seq Scan on clocks", "Seq Scan on agreements", "SCAN clocks", "SCAN agreements", "SCAN c\n", "SCAN a\n", "MATERIALIZE relationships"}

func TestListsForOperatorsAreRangesOfIndexes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		count := map[*dialect]int{postgres: 8000, sqlite: 2000}[db.dialect]
		var records []lifecycle.Record
		for n := range count {
			r := active(n, start.Add(time.Duration(n)*time.Hour))
			r.DisplayName = fmt.Sprintf("Contoso %06d", n)
			if n%500 == 0 {
				r.Roles = []string{lifecycle.GlobalAdministrator}
			}
			if n%700 == 0 {
				r.Customer.TenantID = partner
			}
			if n%1000 == 0 {
				r.Status = lifecycle.Terminating
			}
			records = append(records, r)
		}
		load(t, db, records...)
		_, err := db.pool.ExecContext(ctx, "ANALYZE")
		require.NoError(t, err)
		defer func(most int) { mostGathered = most }(mostGathered)
		mostGathered = 1000
		last := &lifecycle.Listed{Stored: lifecycle.Stored{Key: int64(count / 2), Record: records[count/2]}, Next: lifecycle.Timer{At: records[count/2].End}}
		is := func(field lifecycle.Field, by lifecycle.Comparison, text string) lifecycle.Filter {
			return lifecycle.Compare{Field: field, By: by, Value: lifecycle.Value{Text: text}}
		}
		begins := is(lifecycle.FieldName, lifecycle.StartsWith, "Contoso 0012")
		status := func(status lifecycle.Status) lifecycle.Filter {
			return is(lifecycle.FieldStatus, lifecycle.Equal, string(status))
		}
		customerIs, partnerIs := is(lifecycle.FieldCustomer, lifecycle.Equal, partner), is(lifecycle.FieldPartner, lifecycle.Equal, partner)
		for _, test := range []struct {
			q     lifecycle.Listing
			index string
		}{
			{lifecycle.Listing{By: lifecycle.ByNext}, "clocks_timers"},
			{lifecycle.Listing{By: lifecycle.ByNext, After: last}, "clocks_timers"},
			{lifecycle.Listing{By: lifecycle.ByNext, Descending: true, After: last}, "clocks_timers"},
			{lifecycle.Listing{By: lifecycle.ByNext, DueBy: start.Add(time.Hour)}, "clocks_timers"},
			{lifecycle.Listing{By: lifecycle.ByNext, Filter: partnerIs, After: last}, "clocks_timers"}, // they are too many to be gathered
			{lifecycle.Listing{By: lifecycle.ByName}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByName, Descending: true, After: last}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByName, Filter: begins}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByName, Filter: status(lifecycle.Active)}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByName, Filter: status(lifecycle.Terminated), After: last}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByName, Filter: status(lifecycle.Terminating)}, "clocks_passing"},
			{lifecycle.Listing{By: lifecycle.ByName, Filter: customerIs}, "agreements_of_customer"},
			{lifecycle.Listing{By: lifecycle.ByArrival, Filter: begins}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByArrival, GlobalAdministrator: lifecycle.With}, "agreements_global_admin"},
			{lifecycle.Listing{By: lifecycle.ByArrival, Filter: customerIs}, "agreements_of_customer"},
			{lifecycle.Listing{By: lifecycle.ByArrival, Filter: status(lifecycle.Terminating)}, "clocks_passing"},
			{lifecycle.Listing{By: lifecycle.ByArrival, Filter: status(lifecycle.Created)}, "clocks_unapproved"},
			{lifecycle.Listing{By: lifecycle.ByEnd}, "clocks_ends"},
			{lifecycle.Listing{By: lifecycle.ByEnd}, "clocks_ended"},
			{lifecycle.Listing{By: lifecycle.ByEnd}, "clocks_ends_of_others"},
			{lifecycle.Listing{By: lifecycle.ByEnd, Descending: true, After: last, Filter: partnerIs}, "clocks_ends"},
			{lifecycle.Listing{By: lifecycle.ByEnd, Filter: customerIs}, "agreements_of_customer"},
			{lifecycle.Listing{By: lifecycle.ByModified, Descending: true, Filter: status(lifecycle.Active)}, "clocks_modified"},
			{lifecycle.Listing{By: lifecycle.ByModified, After: last}, "clocks_modified"},
			{lifecycle.Listing{By: lifecycle.ByModified, Filter: customerIs}, "agreements_of_customer"},
			{lifecycle.Listing{By: lifecycle.ByModified, Held: true}, "clocks_stayed"},
		} {
			test.q.Limit, test.q.Look = 51, 500
			p := listedPlan(t, db, &test.q)
			require.Contains(t, p, test.index, "%+v\n%s", test.q, p)
			for _, whole := range wholeTables {
				require.NotContains(t, p, whole, "%+v\n%s", test.q, p)
			}
		}
	})
}

// A database that does not know how many there are would look for what is wanted again for each of the few: 4,000 times 4,000 rows.
func TestWhatWasGatheredIsNotLookedForAgain(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		named := func(from, to int, name string) (records []lifecycle.Record) {
			for n := from; n < to; n++ {
				r := active(n+1, start.Add(time.Duration(n)*time.Minute))
				r.DisplayName = fmt.Sprintf("%s %05d", name, n)
				records = append(records, r)
			}
			return records
		}
		load(t, db, named(0, 2000, "Contoso")...)
		_, err := db.pool.ExecContext(ctx, "ANALYZE")
		require.NoError(t, err)
		load(t, db, named(2000, 2300, "Zeta")...)
		_, err = db.pool.ExecContext(ctx, "VACUUM")
		require.NoError(t, err)
		q := lifecycle.Listing{By: lifecycle.ByArrival, Limit: 51, Look: 500,
			Filter: lifecycle.Compare{Field: lifecycle.FieldName, By: lifecycle.StartsWith, Value: lifecycle.Value{Text: "Zeta 02"}}}
		p := listedPlan(t, db, &q)
		require.Equal(t, 1, strings.Count(p, "agreements_by_name"), p)
	})
}

// listedPlan is how the database goes about a list.
func listedPlan(t *testing.T, db *DB, q *lifecycle.Listing) (text string) {
	t.Helper()
	require.NoError(t, db.read(ctx, "plan", func(s session) error {
		l := newLister(q)
		gathered, err := l.gather(ctx, s)
		if err == nil && !gathered {
			_, err = l.bound(ctx, s)
		}
		text = plan(t, db, db.dialect.fill(l.list()), l.args)
		return err
	}))
	return text
}
