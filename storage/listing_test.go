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
		if there && due && powerful && (!q.Held || held[k.Key]) && wants(q.Filter, k) {
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
		rapid.Check(t, func(t *rapid.T) {
			q := lifecycle.Listing{By: rapid.SampledFrom(lifecycle.ListingOrders).Draw(t, "by"), Descending: rapid.Bool().Draw(t, "descending"),
				Held: rapid.IntRange(0, 3).Draw(t, "held") == 0, GlobalAdministrator: lifecycle.Wish(rapid.IntRange(0, 2).Draw(t, "global administrator")),
				Limit: rapid.IntRange(1, 40).Draw(t, "limit")}
			if rapid.Bool().Draw(t, "due") {
				q.DueBy = start.Add(time.Duration(rapid.IntRange(-1, 8).Draw(t, "by when")) * time.Hour)
			}
			if rapid.Bool().Draw(t, "filtered") {
				q.Filter = someFilter(records, 2).Draw(t, "filter")
			}
			want := listedOf(&q, records, next, held)
			var keys []int64
			for range len(records) + 1 {
				page, err := db.Listed(ctx, q)
				require.NoError(t, err)
				for i := range page {
					keys = append(keys, page[i].Key)
					require.True(t, page[i].Next.At.Equal(next[page[i].Key]))
				}
				if len(page) < q.Limit {
					break
				}
				q.After = &page[len(page)-1]
			}
			require.Equal(t, want, keys)
		})
	})
}

func TestTextsBehindAllThatBeginSo(t *testing.T) {
	for text, want := range map[string]string{"a": "b", "日": "\u65e6", "\uD7FF": "\uE000", "a\U0010FFFF": "b", "\U0010FFFF": ""} {
		require.Equal(t, want, afterAll(text), "%q", text)
	}
}

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
			records = append(records, r)
		}
		load(t, db, records...)
		_, err := db.pool.ExecContext(ctx, "ANALYZE")
		require.NoError(t, err)
		last := &lifecycle.Listed{Stored: lifecycle.Stored{Key: int64(count / 2), Record: records[count/2]}, Next: lifecycle.Timer{At: records[count/2].End}}
		begins := lifecycle.Compare{Field: lifecycle.FieldName, By: lifecycle.StartsWith, Value: lifecycle.Value{Text: "Contoso 0012"}}
		for _, test := range []struct {
			q     lifecycle.Listing
			index string
		}{
			{lifecycle.Listing{By: lifecycle.ByNext}, "clocks_timers"},
			{lifecycle.Listing{By: lifecycle.ByNext, After: last}, "clocks_timers"},
			{lifecycle.Listing{By: lifecycle.ByNext, Descending: true, After: last}, "clocks_timers"},
			{lifecycle.Listing{By: lifecycle.ByNext, DueBy: start.Add(time.Hour)}, "clocks_timers"},
			{lifecycle.Listing{By: lifecycle.ByName}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByName, Descending: true, After: last}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByName, Filter: begins}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByArrival, Filter: begins}, "agreements_by_name"},
			{lifecycle.Listing{By: lifecycle.ByArrival, GlobalAdministrator: lifecycle.With}, "agreements_global_admin"},
		} {
			test.q.Limit = 51
			text, a, err := listing(&test.q)
			require.NoError(t, err)
			p := plan(t, db, db.dialect.fill(text), a)
			require.Contains(t, p, test.index, "%+v\n%s", test.q, p)
			require.NotContains(t, p, "Seq Scan on clocks", "%+v\n%s", test.q, p)
			require.NotContains(t, p, "SCAN clocks USING INTEGER PRIMARY KEY", "%+v\n%s", test.q, p)
		}
	})
}
