package storage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// calling is a relationship with a customer that goes by a name.
func calling(n int, tenant, name string) lifecycle.Record {
	r := active(n, start.AddDate(1, 0, 0))
	r.Customer = lifecycle.Tenant{TenantID: tenant, DisplayName: name}
	return r
}

func tenantNumber(n int) string { return fmt.Sprintf("bbbbbbbb-0000-4000-8000-%012d", n) }

// walked are all pages of a search, one after the other.
func walked(t require.TestingT, db *DB, q lifecycle.CustomerSearch) (all []lifecycle.FoundCustomer) {
	for pages := 0; ; pages++ {
		require.LessOrEqual(t, pages, 500, "it does not come to an end")
		found, next, err := db.SearchCustomers(ctx, q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(found), q.Limit)
		all = append(all, found...)
		if q.After = next; next == nil {
			return all
		}
	}
}

func TestSearchFindsEveryNameOfACustomerOnceThoseThatBeginSoFirst(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		defer func(was int) { stride = was }(stride)
		names := []string{"", "Contoso", "CONTOSO", "contoso ltd", "conToso", "Con", "A Contoso", "the contoso", "Éclair", "e\u0301clair", "株式会社 Contoso", "株式会社", "Zürich", "\U0010FFFF"}
		var records []lifecycle.Record
		for n := range 90 {
			tenant := tenantNumber(n % 7)
			if n%11 == 0 {
				tenant = ""
			}
			records = append(records, calling(n, tenant, names[(n*n+n/3)%len(names)]))
		}
		load(t, db, records...)
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.SampledFrom([]string{"contoso", "con", "éclair", "clair", "株", "nobody", "\U0010FFFF", "o"}).Draw(t, "text")
			q := lifecycle.CustomerSearch{Begins: []string{strings.ToUpper(text), text, "Con", text + text}, Has: text,
				Limit: rapid.IntRange(1, 12).Draw(t, "limit"), Look: rapid.SampledFrom([]int{0, 1, 5, 40}).Draw(t, "look")}
			if rapid.IntRange(0, 3).Draw(t, "only those that begin so") == 0 {
				q.Has = ""
			}
			stride = rapid.SampledFrom([]int{1, 2, 7, 2000}).Draw(t, "stride")
			require.Equal(t, foundOf(&q, records), walked(t, db, q))
		})
	})
}

// foundOf is what a search is to find.
func foundOf(q *lifecycle.CustomerSearch, records []lifecycle.Record) (all []lifecycle.FoundCustomer) {
	for i := range records {
		c := lifecycle.FoundCustomer{Tenant: records[i].Customer}
		c.Begins = slices.ContainsFunc(q.Begins, func(text string) bool { return strings.HasPrefix(c.DisplayName, text) })
		has := q.Has != "" && strings.Contains(nameKey(c.DisplayName), nameKey(q.Has))
		if c.TenantID != "" && c.DisplayName != "" && (c.Begins || has) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b lifecycle.FoundCustomer) int {
		first := map[bool]int{true: 0, false: 1}
		return cmp.Or(first[a.Begins]-first[b.Begins], strings.Compare(a.DisplayName, b.DisplayName), strings.Compare(a.TenantID, b.TenantID))
	})
	return slices.Compact(all)
}

func TestSearchForNamesGoesNoFartherThanItIsBounded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		defer func(was int) { stride = was }(stride)
		stride = 10
		var records []lifecycle.Record
		for n := range 100 {
			records = append(records, calling(n, tenantNumber(n), fmt.Sprintf("Customer %03d", n)))
		}
		load(t, db, records...)
		q := lifecycle.CustomerSearch{Begins: []string{"nobody"}, Has: "nobody", Limit: 10, Look: 30}
		for _, upTo := range []int{29, 59, 89} {
			found, next, err := db.SearchCustomers(ctx, q)
			require.NoError(t, err)
			require.Empty(t, found)
			require.Equal(t, &lifecycle.FoundCustomer{Tenant: records[upTo].Customer}, next)
			q.After = next
		}
		_, next, err := db.SearchCustomers(ctx, q)
		require.NoError(t, err)
		require.Nil(t, next, "there is nothing behind the last one")

		q = lifecycle.CustomerSearch{Begins: []string{"Customer 09"}, Has: "customer 09", Limit: 10, Look: 30}
		found, next, err := db.SearchCustomers(ctx, q)
		require.NoError(t, err)
		require.Len(t, found, 10, "what begins so is found wherever it stands")
		require.Equal(t, &lifecycle.FoundCustomer{Tenant: records[29].Customer}, next, "there may be others")
		q.Limit = 4
		found, next, err = db.SearchCustomers(ctx, q)
		require.NoError(t, err)
		require.Len(t, found, 4)
		require.Equal(t, &found[3], next)
	})
}

func TestAddressesAreFoundByTheirBeginningAndTheirDomain(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		contacts(t, db, customer, lifecycle.GlobalAdministrators, "IT@Contoso.example", "it.desk@contoso.example", "boss@fabrikam.example", "con@other.example")
		agents(t, db, "it@contoso.example", "agent@partner.example")
		for _, test := range []struct {
			q    lifecycle.MailSearch
			want []string
		}{
			{lifecycle.MailSearch{Begins: "IT@contoso", Limit: 9}, []string{partner + " it@contoso.example", customer + " IT@Contoso.example"}},
			{lifecycle.MailSearch{Begins: "it", Limit: 9}, []string{customer + " it.desk@contoso.example", partner + " it@contoso.example", customer + " IT@Contoso.example"}},
			{lifecycle.MailSearch{Begins: "it", Limit: 1}, []string{customer + " it.desk@contoso.example"}},
			{lifecycle.MailSearch{Begins: "Con", Domain: true, Limit: 9}, []string{customer + " it.desk@contoso.example", partner + " it@contoso.example", customer + " IT@Contoso.example"}},
			{lifecycle.MailSearch{Begins: "example", Domain: true, Limit: 9}, nil},
			{lifecycle.MailSearch{Begins: "%", Limit: 9}, nil},
		} {
			found, err := db.SearchMail(ctx, test.q)
			require.NoError(t, err)
			var got []string
			for i := range found {
				got = append(got, found[i].TenantID+" "+found[i].Mail)
			}
			require.Equal(t, test.want, got, "%+v", test.q)
		}
	})
}

func TestSearchesAreRangesOfIndexes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		count := map[*dialect]int{postgres: 8000, sqlite: 2000}[db.dialect] // PostgreSQL reads a small table from end to end
		var records []lifecycle.Record
		var people []lifecycle.Contact
		for n := range count {
			records = append(records, calling(n, tenantNumber(n/4), fmt.Sprintf("Contoso %06d", n/4)))
			people = append(people, lifecycle.Contact{TenantID: tenantNumber(n / 4), Role: lifecycle.GlobalAdministrators, Mail: fmt.Sprintf("it%d@contoso%d.example", n, n/4)})
		}
		load(t, db, records...)
		importContactsOf(t, db, people...)
		_, err := db.pool.ExecContext(ctx, map[*dialect]string{postgres: "VACUUM ANALYZE", sqlite: "ANALYZE"}[db.dialect])
		require.NoError(t, err)
		middle := &lifecycle.FoundCustomer{Tenant: records[count/2].Customer}
		defer func(was int) { stride = was }(stride)
		stride = 100
		for _, part := range []nameStretch{{}, {"Contoso 00012", "Contoso 00013", true}} {
			for _, after := range []*lifecycle.FoundCustomer{nil, middle} {
				text, a := namesOf(part, after)
				p := plan(t, db, text, a)
				require.Contains(t, p, map[*dialect]string{postgres: "Index Only Scan using agreements_of_customer_names", sqlite: "USING COVERING INDEX agreements_of_customer_names"}[db.dialect], p)
			}
		}
		for index, q := range map[string]lifecycle.MailSearch{"contacts_of_mail": {Begins: "it12", Limit: 100}, "contacts_of_domain": {Begins: "contoso12", Domain: true, Limit: 100}} {
			text, a := mailsOf(&q)
			p := plan(t, db, text, a)
			require.Contains(t, p, index, p)
			require.NotContains(t, p, "Sort", p)
			require.NotContains(t, p, "TEMP B-TREE", p)
		}
	})
}
