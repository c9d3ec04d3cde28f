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

// A kept is a record with all that filters may ask about.
type kept struct {
	lifecycle.Stored
	next lifecycle.RuleName
}

// motley are records in which every field has some equal and some different values, and none where there may be none.
func motley(n int) []kept {
	names := []string{"Contoso", "CONTOSO 2", "Éclair", "E\u0301clair 2", "100%", "100_", "straße", "STRASSE B", "zebra", "Zebra c", "日本", "a'b", "\U0001F600 x"}
	customers := []lifecycle.Tenant{{}, {TenantID: customer, DisplayName: "Contoso"}, {TenantID: customer, DisplayName: "contoso"},
		{TenantID: partner, DisplayName: ""}, {TenantID: "cccccccc-0000-4000-8000-000000000001", DisplayName: "Ärzte_%"}}
	partners := []string{partner, customer, "dddddddd-0000-4000-8000-000000000001"}
	when := func(i int) time.Time {
		if i%4 == 0 {
			return time.Time{}
		}
		return start.AddDate(0, 0, i%4).Add(time.Duration(i%2) * time.Microsecond)
	}
	rules := append(lifecycle.RuleNames(), "")
	var all []kept
	for i := range n {
		r := lifecycle.Record{ID: id(n - i), Partner: partners[i%len(partners)], DisplayName: fmt.Sprint(names[i%len(names)], strings.Repeat("!", i/len(names))),
			Duration: lifecycle.Days(1 + i%3), AutoExtend: i%2 == 0, Status: lifecycle.Statuses[i%len(lifecycle.Statuses)], Customer: customers[i%len(customers)],
			Roles: []string{role}, Created: when(i / 2), Modified: when(i / 3), Locked: when(i), Activated: when(i + 1), End: when(i / 5),
			NameReleased: when(i / 7), Version: 1}
		all = append(all, kept{lifecycle.Stored{Key: int64(i + 1), Record: r}, rules[i%len(rules)]})
	}
	return all
}

// keep writes the records as they are, whether or not a life could have led there.
func keep(t *testing.T, db *DB, records []kept) {
	t.Helper()
	entries := make([]*entry, len(records))
	for i := range records {
		entries[i] = &entry{Decision: lifecycle.Decision{Record: records[i].Record, Recorded: start, Next: lifecycle.Timer{Rule: records[i].next, At: start}}}
	}
	require.NoError(t, db.write(ctx, "keep", func(s session) error { return insertEntries(ctx, s, entries) }))
}

// wants says what a filter means, without a database.
func wants(f lifecycle.Filter, k *kept) bool {
	switch f := f.(type) {
	case nil:
		return true
	case lifecycle.All:
		return !slices.ContainsFunc(f, func(f lifecycle.Filter) bool { return !wants(f, k) })
	case lifecycle.Any:
		return slices.ContainsFunc(f, func(f lifecycle.Filter) bool { return wants(f, k) })
	case lifecycle.Not:
		return !wants(f.Filter, k)
	case lifecycle.Among:
		return slices.ContainsFunc(f.Values, func(v lifecycle.Value) bool { return compares(f.Field, lifecycle.Equal, k, v) })
	case lifecycle.Compare:
		return compares(f.Field, f.By, k, f.Value)
	}
	panic("no filter")
}

func compares(f lifecycle.Field, by lifecycle.Comparison, k *kept, v lifecycle.Value) bool {
	have, haveNull := sortKey(f, valueOf(f, k))
	want, wantNull := sortKey(f, v)
	switch by {
	case lifecycle.NotEqual:
		return !compares(f, lifecycle.Equal, k, v)
	case lifecycle.LessOrEqual:
		return compares(f, lifecycle.Equal, k, v) || compares(f, lifecycle.Less, k, v)
	case lifecycle.GreaterOrEqual:
		return compares(f, lifecycle.Equal, k, v) || compares(f, lifecycle.Greater, k, v)
	case lifecycle.Equal:
		return have == want
	case lifecycle.Less:
		return !haveNull && !wantNull && have < want
	case lifecycle.Greater:
		return !haveNull && !wantNull && have > want
	case lifecycle.StartsWith:
		return !haveNull && strings.HasPrefix(have, want)
	case lifecycle.Contains:
		return !haveNull && strings.Contains(have, want)
	}
	panic("no comparison")
}

func valueOf(f lifecycle.Field, k *kept) lifecycle.Value {
	if f == lifecycle.FieldNext {
		return lifecycle.Value{Text: string(k.next)}
	}
	return k.Value(f)
}

// sortKey is a value as a text that sorts as it does, what there is not before all others.
func sortKey(f lifecycle.Field, v lifecycle.Value) (text string, null bool) {
	switch lifecycle.FieldKinds[f] {
	case lifecycle.KindInstant:
		if v.At.IsZero() {
			return "", true
		}
		return at(v.At).String(), false
	case lifecycle.KindFlag, lifecycle.KindSwitch:
		return fmt.Sprint(v.Flag), false
	case lifecycle.KindName:
		return nameKey(v.Text), v.Text == ""
	}
	return v.Text, v.Text == ""
}

var fields = func() (all []lifecycle.Field) {
	for f := range lifecycle.FieldKinds {
		all = append(all, f)
	}
	slices.Sort(all)
	return all
}()

func someValue(f lifecycle.Field, records []kept) *rapid.Generator[lifecycle.Value] {
	return rapid.Custom(func(t *rapid.T) lifecycle.Value {
		v := valueOf(f, rapid.SampledFrom(ptrs(records)).Draw(t, "of"))
		switch lifecycle.FieldKinds[f] {
		case lifecycle.KindInstant:
			if !v.At.IsZero() {
				v.At = v.At.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "beside")) * time.Microsecond)
			}
		case lifecycle.KindName, lifecycle.KindText, lifecycle.KindID:
			runes := []rune(v.Text)
			from := rapid.IntRange(0, min(2, len(runes))).Draw(t, "from")
			v.Text = string(runes[from:rapid.IntRange(from, len(runes)).Draw(t, "to")])
			if rapid.Bool().Draw(t, "shouted") && lifecycle.FieldKinds[f] == lifecycle.KindName {
				v.Text = strings.ToUpper(v.Text)
			}
		}
		return v
	})
}

func ptrs(records []kept) (all []*kept) {
	for i := range records {
		all = append(all, &records[i])
	}
	return all
}

func someFilter(records []kept, depth int) *rapid.Generator[lifecycle.Filter] {
	return rapid.Custom(func(t *rapid.T) lifecycle.Filter {
		most := 5
		if depth == 0 {
			most = 2
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0, 1:
			f := rapid.SampledFrom(fields).Draw(t, "field")
			by := []lifecycle.Comparison{lifecycle.Equal, lifecycle.NotEqual}
			switch lifecycle.FieldKinds[f] {
			case lifecycle.KindID, lifecycle.KindName, lifecycle.KindText:
				by = append(by, lifecycle.StartsWith, lifecycle.Contains)
				fallthrough
			case lifecycle.KindInstant:
				by = append(by, lifecycle.Less, lifecycle.LessOrEqual, lifecycle.Greater, lifecycle.GreaterOrEqual)
			}
			return lifecycle.Compare{Field: f, By: rapid.SampledFrom(by).Draw(t, "by"), Value: someValue(f, records).Draw(t, "value")}
		case 2:
			f := rapid.SampledFrom(fields).Draw(t, "field")
			return lifecycle.Among{Field: f, Values: rapid.SliceOfN(someValue(f, records), 0, 4).Draw(t, "values")}
		case 3:
			return lifecycle.All(rapid.SliceOfN(someFilter(records, depth-1), 0, 4).Draw(t, "all"))
		case 4:
			return lifecycle.Any(rapid.SliceOfN(someFilter(records, depth-1), 0, 4).Draw(t, "any"))
		}
		return lifecycle.Not{Filter: someFilter(records, depth-1).Draw(t, "not")}
	})
}

// sorted is what a list is to show, by an order of its own making.
func sorted(q *lifecycle.RelationshipQuery, records []kept) (keys []int64) {
	var found []*kept
	for i := range records {
		if wants(q.Filter, &records[i]) {
			found = append(found, &records[i])
		}
	}
	slices.SortFunc(found, func(a, b *kept) int {
		for _, o := range q.Order {
			x, _ := sortKey(o.Field, valueOf(o.Field, a))
			y, _ := sortKey(o.Field, valueOf(o.Field, b))
			if c := strings.Compare(x, y); c != 0 && o.Descending {
				return -c
			} else if c != 0 {
				return c
			}
		}
		return cmp.Compare(a.Key, b.Key)
	})
	for _, k := range found {
		keys = append(keys, k.Key)
	}
	return keys
}

func TestListsShowWhatTheFilterWantsInOrderPageByPage(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		records := motley(60)
		keep(t, db, records)
		sortable := slices.DeleteFunc(slices.Clone(fields), func(f lifecycle.Field) bool { return f == lifecycle.FieldNext })
		someOrder := rapid.Custom(func(t *rapid.T) lifecycle.Order {
			return lifecycle.Order{Field: rapid.SampledFrom(sortable).Draw(t, "by"), Descending: rapid.Bool().Draw(t, "descending")}
		})
		rapid.Check(t, func(t *rapid.T) {
			q := lifecycle.RelationshipQuery{Limit: rapid.IntRange(1, 40).Draw(t, "limit"), Order: rapid.SliceOfN(someOrder, 0, 3).Draw(t, "order")}
			if rapid.Bool().Draw(t, "filtered") {
				q.Filter = someFilter(records, 3).Draw(t, "filter")
			}
			want := sorted(&q, records)
			n, err := db.CountRelationships(ctx, q.Filter)
			require.NoError(t, err)
			require.EqualValues(t, len(want), n)
			var keys []int64
			for range len(records) + 1 {
				page, err := db.Relationships(ctx, q)
				require.NoError(t, err)
				for i := range page {
					keys = append(keys, page[i].Key)
				}
				if len(page) < q.Limit {
					break
				}
				q.After = q.Cursor(&page[len(page)-1])
			}
			require.Equal(t, want, keys)
		})
	})
}

func TestFilterOfTheGreatestSizeIsAnswered(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		keep(t, db, motley(20))
		var wide lifecycle.Any
		for i := range 100 {
			among := lifecycle.Among{Field: lifecycle.FieldCustomerName}
			for n := range 200 {
				among.Values = append(among.Values, lifecycle.Value{Text: fmt.Sprintf("somebody %d %d", i, n)})
			}
			wide = append(wide, among)
		}
		var deep lifecycle.Filter = wide
		for range 20 {
			deep = lifecycle.Not{Filter: lifecycle.All{deep, lifecycle.Compare{Field: lifecycle.FieldName, By: lifecycle.Contains, Value: lifecycle.Value{Text: "o"}}}}
		}
		_, err := db.CountRelationships(ctx, deep)
		require.NoError(t, err)
		shapes := 0
		db.dialect.texts.Range(func(query, _ any) bool {
			if strings.Contains(query.(string), ":f1") {
				shapes++
			}
			return true
		})
		require.Zero(t, shapes, "what people put together is not remembered")

		hostile := lifecycle.Compare{Field: lifecycle.FieldName, By: lifecycle.Equal, Value: lifecycle.Value{Text: "x' OR 1=1 --\x00\xff{{lock}}:f0"}}
		n, err := db.CountRelationships(ctx, hostile)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestCustomersAreListedOnceUnderTheirLatestName(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		with := func(n int, of, tenant, name string, modified time.Time) lifecycle.Record {
			r := active(n, start.AddDate(1, 0, 0))
			r.Partner, r.Customer, r.Modified = of, lifecycle.Tenant{TenantID: tenant, DisplayName: name}, modified
			return r
		}
		a, b, c := "aaaaaaaa-0000-4000-8000-00000000000a", "bbbbbbbb-0000-4000-8000-00000000000b", "cccccccc-0000-4000-8000-00000000000c"
		load(t, db, with(1, partner, b, "Old", start.Add(-2)), with(2, partner, b, "New", start.Add(-time.Hour)), with(3, partner, b, "", start),
			with(4, partner, a, "A", start), with(5, customer, c, "C", start), with(6, customer, b, "What another calls it", start), with(7, partner, "", "", start))
		_, err := db.pool.ExecContext(ctx, "UPDATE clocks SET modified_at = NULL WHERE key = 1")
		require.NoError(t, err)
		of := lifecycle.Compare{Field: lifecycle.FieldPartner, By: lifecycle.Equal, Value: lifecycle.Value{Text: partner}}
		for _, test := range []struct {
			query lifecycle.CustomerQuery
			want  []lifecycle.Tenant
		}{
			{lifecycle.CustomerQuery{Filter: of}, []lifecycle.Tenant{{TenantID: a, DisplayName: "A"}, {TenantID: b, DisplayName: "New"}}},
			{lifecycle.CustomerQuery{Filter: of, Limit: 1}, []lifecycle.Tenant{{TenantID: a, DisplayName: "A"}}},
			{lifecycle.CustomerQuery{Filter: of, Limit: 1, After: strings.ToUpper(a)}, []lifecycle.Tenant{{TenantID: b, DisplayName: "New"}}},
			{lifecycle.CustomerQuery{After: a}, []lifecycle.Tenant{{TenantID: b, DisplayName: "What another calls it"}, {TenantID: c, DisplayName: "C"}}},
			{lifecycle.CustomerQuery{Filter: lifecycle.Any{}}, nil},
		} {
			customers, err := db.Customers(ctx, test.query)
			require.NoError(t, err)
			require.Equal(t, test.want, customers, "%+v", test.query)
		}
	})
}

func TestListOfATenantIsARangeOfAnIndex(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		count := map[*dialect]int{postgres: 8000, sqlite: 2000}[db.dialect] // PostgreSQL reads a small table from end to end
		const partners = 20
		var records []lifecycle.Record
		for n := range count {
			r := active(n, start.AddDate(1, 0, 0))
			r.Partner = fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n*partners/count)
			r.Customer.TenantID = fmt.Sprintf("bbbbbbbb-0000-4000-8000-%012d", n/5)
			records = append(records, r)
		}
		load(t, db, records...)
		_, err := db.pool.ExecContext(ctx, "ANALYZE")
		require.NoError(t, err)
		explained := func(role lifecycle.Role, tenant string, after *lifecycle.Cursor) string {
			caller := lifecycle.Caller{Tenant: tenant, Role: role}
			text, a, err := sifted(&lifecycle.RelationshipQuery{Filter: caller.Scope(), After: after, Limit: 101})
			require.NoError(t, err)
			return plan(t, db, db.dialect.fill(selectRelationships+text), a)
		}
		for _, after := range []*lifecycle.Cursor{nil, {Key: int64(count/2 + 50)}} {
			p := explained(lifecycle.AdminAgents, records[count/2].Partner, after)
			require.Contains(t, p, "agreements_of_partner", p)
			require.NotContains(t, p, "Sort", p)
			require.NotContains(t, p, "TEMP B-TREE", p)
			p = explained(lifecycle.GlobalAdministrators, records[count/2].Customer.TenantID, after)
			require.Contains(t, p, "agreements_of_customer", p)
			require.NotContains(t, p, "Seq Scan on relationships", p)
			require.NotContains(t, p, "TEMP B-TREE", p)
		}

		text, a := customersOf(&lifecycle.CustomerQuery{Limit: 101})
		p := plan(t, db, db.dialect.fill(text), a)
		require.Contains(t, p, map[*dialect]string{sqlite: "agreements_of_customer (customer_id=?)", postgres: "Index Cond: (customer_id = c.customer_id)"}[db.dialect], p)
	})
}
