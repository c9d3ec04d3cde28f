package console

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A FindStore is what is looked through for what somebody is looking for.
type FindStore interface {
	// SearchCustomers finds customers by their names. next is where whoever wants more goes on; nil: everything was looked at.
	SearchCustomers(ctx context.Context, q lifecycle.CustomerSearch) (found []lifecycle.FoundCustomer, next *lifecycle.FoundCustomer, err error)

	// SearchMail finds contacts by how their address, or its domain, begins.
	SearchMail(ctx context.Context, q lifecycle.MailSearch) ([]lifecycle.Contact, error)

	// Customers lists those who have a relationship that the query wants, by tenant id.
	Customers(ctx context.Context, q lifecycle.CustomerQuery) ([]lifecycle.Tenant, error)
}

const (
	findPath  = relationshipsPath + "/find"
	foundMost = 20 // of each kind on a page
)

// findings are what a search found, where it is not one relationship or one tenant.
type findings struct {
	Text      string
	Names     []listedRow               // relationships whose name begins so
	NamesMore string                    // where all of them are listed; empty: these are all
	Customers []lifecycle.FoundCustomer // first those whose name begins so, then those who have it somewhere in it
	Pager     pager                     // where more customers are
	UpTo      string                    // the last of the names in which it was looked for, where that is not the last of all
	Onward    bool                      // it is not the first page: of that only the customers go on
	Tenants   []mailTenant              // in which somebody has an address that begins so
	More      bool                      // there are more of those
	TooLong   bool                      // customers and addresses could not be looked for in the time that there is
}

// A mailTenant is a tenant, and one of those in it whose address was looked for.
type mailTenant struct {
	lifecycle.Tenant
	Mail    string
	Partner bool // it is one of a partner
}

// find goes to the relationship with an id, or to those of a tenant. Any other text is looked for in names, and in addresses where it may be
// one; what is found alone is gone to.
func find(v *visit) error {
	text := strings.Join(strings.Fields(v.Request.URL.Query().Get("q")), " ")
	if text == "" {
		return v.goTo(relationshipsPath, nil)
	}
	id := lifecycle.CanonicalID(text)
	if _, err := v.console.Store.Dossier(v.Request.Context(), id); err == nil {
		return v.goTo(relationshipsPath+"/"+url.PathEscape(id), nil)
	}
	if tenant := strings.ToLower(text); lifecycle.IsGUID(tenant) {
		return v.findTenant(tenant)
	}
	f := findings{Text: text, Onward: v.Request.URL.Query().Get("after") != ""}
	if !f.Onward {
		if err := f.names(v); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(v.Request.Context(), listPatience)
	defer cancel()
	err := f.customers(ctx, v)
	if err == nil && !f.Onward {
		err = f.addresses(ctx, v)
	}
	if f.TooLong = err != nil && ctx.Err() != nil && v.Request.Context().Err() == nil; err != nil && !f.TooLong {
		return err
	}
	if only := f.only(); only != "" {
		return v.goTo(only, nil)
	}
	return v.show("find", &f)
}

// findTenant goes to what a partner or customer has.
func (v *visit) findTenant(tenant string) error {
	partner := lifecycle.Listing{By: lifecycle.ByArrival, Limit: 1,
		Filter: lifecycle.Compare{Field: lifecycle.FieldPartner, By: lifecycle.Equal, Value: lifecycle.Value{Text: tenant}}}
	found, _, err := v.console.Store.Listed(v.Request.Context(), partner)
	if err != nil {
		return err
	}
	s := &sifter{Customer: tenant, By: lifecycle.ByArrival, Descending: true}
	if len(found) > 0 {
		s.Customer, s.Partner = "", tenant
	}
	return v.goTo(s.link(), nil)
}

// names finds relationships along the index of names.
func (f *findings) names(v *visit) error {
	s := &sifter{Name: f.Text, By: lifecycle.ByName}
	q := s.listing(v.Now)
	q.Limit = foundMost + 1
	found, _, err := v.lookOnce(q)
	if len(found) > foundMost {
		found, f.NamesMore = found[:foundMost], s.link()
	}
	for i := range found {
		f.Names = append(f.Names, v.row(found[i]))
	}
	return err
}

// customers finds them by their names.
func (f *findings) customers(ctx context.Context, v *visit) error {
	q := lifecycle.CustomerSearch{Begins: written(f.Text), Has: f.Text}
	began := v.Request.URL.Query().Get("after")
	next, further, err := v.lookAmong(began, foundMost, func(place string, limit, among int) (int, string, error) {
		q.After, q.Limit, q.Look = customerAt(place), limit, among
		found, next, err := v.console.Store.SearchCustomers(ctx, q)
		f.Customers = append(f.Customers, found...)
		return len(found), placeOfCustomer(next), err
	})
	if err != nil {
		return err
	}
	f.Pager = v.pager(findPath, url.Values{"q": {f.Text}}, began, next, further)
	if last := customerAt(further); last != nil {
		f.UpTo = last.DisplayName
	}
	return nil
}

// What a place begins with among customers whose name begins as it should, and among the others.
const (
	amongBeginnings = "begins"
	amongOthers     = "has"
)

// placeOfCustomer is where a search goes on, for an address; empty: nowhere.
func placeOfCustomer(c *lifecycle.FoundCustomer) string {
	switch {
	case c == nil:
		return ""
	case c.Begins:
		return amongBeginnings + "~" + c.TenantID + "~" + c.DisplayName
	}
	return amongOthers + "~" + c.TenantID + "~" + c.DisplayName
}

// customerAt reads what placeOfCustomer writes; nil, which is the beginning, where it cannot be.
func customerAt(place string) *lifecycle.FoundCustomer {
	const parts = 3
	part := strings.SplitN(place, "~", parts)
	if len(part) < parts || part[0] != amongBeginnings && part[0] != amongOthers {
		return nil
	}
	return &lifecycle.FoundCustomer{Tenant: lifecycle.Tenant{TenantID: part[1], DisplayName: part[2]}, Begins: part[0] == amongBeginnings}
}

// addresses finds tenants by the mail address of somebody in it, or by the part behind the @. Addresses are for those who manage.
func (f *findings) addresses(ctx context.Context, v *visit) error {
	if !v.May(lifecycle.Manage) {
		return nil
	}
	var people []lifecycle.Contact
	for _, q := range mailSearches(f.Text) {
		found, err := v.console.Store.SearchMail(ctx, q)
		if err != nil {
			return err
		}
		people, f.More = append(people, found...), f.More || len(found) == q.Limit
	}
	for i := range people {
		c := &people[i]
		if slices.ContainsFunc(f.Tenants, func(t mailTenant) bool { return t.TenantID == c.TenantID }) {
			continue
		}
		if len(f.Tenants) == foundMost {
			f.More = true
			break
		}
		f.Tenants = append(f.Tenants, mailTenant{lifecycle.Tenant{TenantID: c.TenantID}, c.Mail, c.Role == lifecycle.AdminAgents})
	}
	if len(f.Tenants) == 0 {
		return nil
	}
	return f.nameTenants(ctx, v)
}

// mailSearches are for what a text may be the beginning of: an address, or the part of one behind the @. Words without a dot are neither.
func mailSearches(text string) []lifecycle.MailSearch {
	const people = 25 * foundMost // of whom many may be in one tenant
	name, domain, whole := strings.Cut(text, "@")
	byAddress := lifecycle.MailSearch{Begins: text, Limit: people}
	switch {
	case strings.Contains(text, " ") || text == "@":
		return nil
	case whole && name != "":
		return []lifecycle.MailSearch{byAddress}
	case whole:
		return []lifecycle.MailSearch{{Begins: domain, Domain: true, Limit: people}}
	case strings.Contains(strings.Trim(text, "."), "."):
		return []lifecycle.MailSearch{byAddress, {Begins: text, Domain: true, Limit: people}}
	}
	return nil
}

// nameTenants adds what people know tenants by.
func (f *findings) nameTenants(ctx context.Context, v *visit) error {
	wanted := lifecycle.Among{Field: lifecycle.FieldCustomer}
	for i := range f.Tenants {
		wanted.Values = append(wanted.Values, lifecycle.Value{Text: f.Tenants[i].TenantID})
	}
	named, err := v.console.Store.Customers(ctx, lifecycle.CustomerQuery{Filter: wanted})
	for i := range f.Tenants {
		t := &f.Tenants[i]
		for _, n := range named {
			if n.TenantID == t.TenantID {
				t.DisplayName = n.DisplayName
			}
		}
		if t.Partner {
			t.DisplayName = v.console.Policy.Notices.Partners[t.TenantID]
		}
	}
	return err
}

// only is where the one thing is that was found; empty where there are more, or none, or nobody knows.
func (f *findings) only() string {
	if f.TooLong || f.More || f.Pager != (pager{}) || len(f.Names)+len(f.Customers)+len(f.Tenants) != 1 {
		return ""
	}
	switch {
	case len(f.Names) == 1:
		return relationshipsPath + "/" + url.PathEscape(f.Names[0].ID)
	case len(f.Customers) == 1:
		return withQuery(relationshipsPath, url.Values{"customer": {f.Customers[0].TenantID}})
	}
	return f.Tenants[0].Path()
}

// None says whether nothing was found, and there is nowhere else to look.
func (f *findings) None() bool {
	return len(f.Names)+len(f.Customers)+len(f.Tenants) == 0 && f.Pager == (pager{})
}

// Path is where what the tenant has is listed.
func (t *mailTenant) Path() string {
	if t.Partner {
		return withQuery(relationshipsPath, url.Values{"partner": {t.TenantID}})
	}
	return withQuery(relationshipsPath, url.Values{"customer": {t.TenantID}})
}
