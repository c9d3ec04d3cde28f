package console_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/console"
	"github.com/tenure-dev/tenure/lifecycle"
)

func TestQuickFindGoesToWhatIsMeant(t *testing.T) {
	w := newWorld(t)
	w.load(active(1, start.AddDate(1, 0, 0)))
	for typed, want := range map[string]string{
		" " + strings.ToUpper(relationshipID(1)): list + "/" + relationshipID(1),
		contoso:                                  list + "?customer=" + contoso + "&sort=-arrival",
		strings.ToUpper(partner):                 list + "?partner=" + partner + "&sort=-arrival",
		"contoso desk":                           list + "/" + relationshipID(1),
		"ontos":                                  list + "?customer=" + contoso,
		"":                                       list,
	} {
		p := w.get(w.anyone, list+"/find?q="+url.QueryEscape(typed))
		require.Equal(t, http.StatusSeeOther, p.status)
		require.Equal(t, want, p.header.Get("Location"), typed)
	}
}

func TestSearchFindsByCustomersNameAndAddress(t *testing.T) {
	w := newWorld(t)
	other := active(2, start.AddDate(1, 0, 0))
	other.DisplayName, other.Customer = "Fabrikam desk", lifecycle.Tenant{TenantID: "bbbbbbbb-0000-4000-8000-000000000002", DisplayName: "Fabrikam <b>"}
	w.load(active(1, start.AddDate(1, 0, 0)), other)
	_, err := w.db.ImportContacts(t.Context(), []lifecycle.Contact{
		{TenantID: contoso, Role: lifecycle.GlobalAdministrators, Mail: "IT@contoso.example"}, {TenantID: contoso, Role: lifecycle.GlobalAdministrators, Mail: "b@contoso.example"},
		{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "agent@partner.example"}}, &w.policy.Notices, start)
	require.NoError(t, err)
	ops, reader := w.signedIn("ops", "manage"), w.signedIn("reader", "read")
	find := func(browser *http.Client, text string) seen {
		return w.get(browser, list+"/find?q="+url.QueryEscape(text))
	}

	p := find(ops, "FABRIKAM")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, "Fabrikam desk</a>")
	require.Contains(t, p.body, "Fabrikam &lt;b&gt;</a>")
	for typed, want := range map[string]string{"it@CONTOSO.example": "customer=" + contoso, "@contoso.example": "customer=" + contoso, "partner.example": "partner=" + partner} {
		require.Equal(t, list+"?"+want, find(ops, typed).header.Get("Location"), typed)
	}
	for _, typed := range []string{"it@contoso.example", "contoso.example", "Nobody & co"} {
		p = find(reader, typed)
		require.Equal(t, http.StatusOK, p.status)
		require.Contains(t, wordsOf(p), "Nothing has this name or id", "%s: addresses are for those who manage", typed)
	}
}

var (
	customerName = regexp.MustCompile(`<a class="name" dir="auto" translate="no" href="/console/relationships\?customer=[^"]+">([^<]*)</a>`)
	goesOn       = regexp.MustCompile(`href="([^"]+)" rel="next"( data-look)?`)
)

// customersOn are the names of the customers on a page, and where the next page is.
func customersOn(body string) (names []string, next string, further bool) {
	for _, m := range customerName.FindAllStringSubmatch(body, -1) {
		names = append(names, html.UnescapeString(m[1]))
	}
	if m := goesOn.FindStringSubmatch(body); m != nil {
		return names, html.UnescapeString(m[1]), m[2] != ""
	}
	return names, "", false
}

func TestMoreCustomersAreFoundPageByPage(t *testing.T) {
	w := newWorld(t)
	var records []lifecycle.Record
	var want []string
	for n := range 70 { // those whose name begins so come first, and each comes once
		r := active(n, start.AddDate(1, 0, 0))
		r.DisplayName = fmt.Sprintf("desk %d", n)
		r.Customer = lifecycle.Tenant{TenantID: fmt.Sprintf("bbbbbbbb-0000-4000-8000-%012d", n/2), DisplayName: fmt.Sprintf("Litware ~ %02d", n/2)}
		if n >= 60 {
			r.Customer.DisplayName = fmt.Sprintf("A&B liTWare %02d", n/2)
		}
		if n%2 == 0 {
			want = append(want, r.Customer.DisplayName)
		}
		records = append(records, r)
	}
	w.load(records...)
	var all []string
	path, first := list+"/find?q=litware", 20
	for pages := 0; path != ""; pages++ {
		require.Less(t, pages, 3)
		p := w.get(w.anyone, path)
		require.Equal(t, http.StatusOK, p.status)
		names, next, further := customersOn(p.body)
		require.False(t, further, "so few are looked through to the end")
		require.Equal(t, pages > 0, strings.Contains(p.body, "First page"))
		if pages == 0 {
			require.Len(t, names, first)
		}
		all, path = append(all, names...), next
	}
	require.Equal(t, want, all)

	p := w.get(w.anyone, list+"/find?q=litware&after=has~x~Z")
	require.Contains(t, wordsOf(p), "No other customer has this in their name.")
	require.Equal(t, http.StatusSeeOther, w.get(w.anyone, list+"/find?q="+url.QueryEscape("desk 69")).status)
}

// manyNames is a store of so many customers, of whom every so many-th has what is looked for in the name.
type manyNames struct {
	console.Store
	holds, every int
	looks        []int
}

func (*manyNames) Dossier(context.Context, string) (lifecycle.Dossier, error) {
	return lifecycle.Dossier{}, lifecycle.ErrNotFound
}

func (*manyNames) Listed(context.Context, lifecycle.Listing) ([]lifecycle.Listed, *lifecycle.Listed, error) {
	return nil, nil, nil
}

func (s *manyNames) SearchCustomers(_ context.Context, q lifecycle.CustomerSearch) (found []lifecycle.FoundCustomer, next *lifecycle.FoundCustomer, err error) {
	s.looks = append(s.looks, q.Look)
	var n int
	if q.After != nil {
		_, err = fmt.Sscanf(q.After.DisplayName, "Customer %d", &n)
	}
	for last := n + q.Look; n < s.holds; {
		n++
		one := lifecycle.FoundCustomer{Tenant: lifecycle.Tenant{TenantID: contoso, DisplayName: fmt.Sprintf("Customer %07d", n)}}
		if n%s.every == 0 {
			found = append(found, one)
		}
		if n < s.holds && (len(found) == q.Limit || n == last) {
			return found, &one, err
		}
	}
	return found, nil, err
}

func TestNamesAreLookedThroughFurtherUntilAllAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &manyNames{holds: 1_000_000, every: 45_000}
		find := func(path string) string {
			t.Helper()
			c, err := console.New(console.Options{Store: store, Door: openDoor{}, Policy: lifecycle.DefaultPolicy(), Now: time.Now, Wall: time.Now,
				Condition: func(context.Context) lifecycle.Condition { return lifecycle.Condition{} }, Written: func(lifecycle.Filter) string { return "" }})
			require.NoError(t, err)
			answer := httptest.NewRecorder()
			c.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			require.Equal(t, http.StatusOK, answer.Code)
			return answer.Body.String()
		}
		body := find(list + "/find?q=zz")
		require.Len(t, store.looks, 1, "one look is enough for a page that has to come at once")
		for _, says := range []string{"Nothing found so far.", "begins with this are all found", "looked through, in their order, up to “Customer 0030000”"} {
			require.Contains(t, body, says)
		}
		require.NotContains(t, body, "Nothing has this name or id")

		var all []string
		for pages := 0; ; pages++ {
			require.Less(t, pages, 4)
			names, next, further := customersOn(body)
			require.Equal(t, pages == 0, further, "the first page comes at once, the others look until they are full")
			if all = append(all, names...); next == "" {
				break
			}
			body = find(next)
		}
		require.Len(t, all, 22)
		require.Equal(t, "Customer 0990000", all[21])
		require.Greater(t, store.looks[1], store.looks[0])
	})
}

func TestSearchSaysWhatItCouldNotLookThrough(t *testing.T) {
	w := newWorld(t)
	w.load(active(1, start.AddDate(1, 0, 0)))
	var people []lifecycle.Contact
	for n := range 25 {
		people = append(people, lifecycle.Contact{TenantID: fmt.Sprintf("bbbbbbbb-0000-4000-8000-%012d", n), Role: lifecycle.GlobalAdministrators, Mail: "help.desk@all.example"})
	}
	_, err := w.db.ImportContacts(t.Context(), people, &w.policy.Notices, start)
	require.NoError(t, err)
	ops := w.signedIn("ops", "manage")
	for _, typed := range []string{"help.desk", "help.desk@all", "all.ex", "@a"} {
		p := w.get(ops, list+"/find?q="+url.QueryEscape(typed))
		require.Equal(t, http.StatusOK, p.status, typed)
		require.Equal(t, 20, strings.Count(p.body, "<bdi>help.desk@all.example</bdi>"), typed)
		require.Contains(t, wordsOf(p), "There are more; type more of the address.", typed)
	}
	p := w.get(ops, list+"/find?q=%40")
	require.Contains(t, wordsOf(p), "Nothing has this name or id")
}
