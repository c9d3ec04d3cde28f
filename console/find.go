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
	// Customers lists those who have a relationship that the query wants, by tenant id.
	Customers(ctx context.Context, q lifecycle.CustomerQuery) ([]lifecycle.Tenant, error)

	// Contacts lists contacts, by tenant, role and mail address.
	Contacts(ctx context.Context, q lifecycle.ContactQuery) ([]lifecycle.Contact, error)
}

// foundMost is how many of each kind are shown; whoever finds more has to say more.
const foundMost = 20

// findings are what a search found, where it is not one relationship or one tenant.
type findings struct {
	Text      string
	Names     []listedRow        // relationships whose name begins so
	NamesMore string             // where all of them are listed; empty: these are all
	Customers []lifecycle.Tenant // whose name has it
	Tenants   []mailTenant       // in which somebody has such a mail address
	More      bool               // there are more customers, or tenants
	TooLong   bool               // customers and addresses could not be looked through in the time that there is
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
	f := findings{Text: text}
	if err := f.names(v); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(v.Request.Context(), listPatience)
	defer cancel()
	err := f.customers(ctx, v)
	if err == nil {
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

// customers finds them by a part of their name.
func (f *findings) customers(ctx context.Context, v *visit) error {
	wanted := lifecycle.Any{}
	for _, name := range written(f.Text) {
		wanted = append(wanted, compare(lifecycle.FieldCustomerName, lifecycle.Contains, lifecycle.Value{Text: name}))
	}
	found, err := v.console.Store.Customers(ctx, lifecycle.CustomerQuery{Filter: wanted, Limit: foundMost + 1})
	f.More = len(found) > foundMost
	f.Customers = found[:min(foundMost, len(found))]
	return err
}

// addresses finds tenants by the mail address of somebody in it, or by the part behind the @. Addresses are for those who manage.
func (f *findings) addresses(ctx context.Context, v *visit) error {
	name, domain, whole := strings.Cut(f.Text, "@")
	switch {
	case !v.May(lifecycle.Manage) || strings.Contains(f.Text, " "):
		return nil
	case !whole && !strings.Contains(strings.Trim(f.Text, "."), "."):
		return nil
	case !whole:
		domain = f.Text
	}
	const people = 10 * foundMost // of whom many may be in one tenant
	q := lifecycle.ContactQuery{Domain: domain, Limit: people}
	if name != "" && whole {
		q = lifecycle.ContactQuery{Mail: f.Text, Limit: people}
	}
	found, err := v.console.Store.Contacts(ctx, q)
	for i := range found {
		c := &found[i]
		if slices.ContainsFunc(f.Tenants, func(t mailTenant) bool { return t.TenantID == c.TenantID }) {
			continue
		}
		if len(f.Tenants) == foundMost {
			f.More = true
			break
		}
		f.Tenants = append(f.Tenants, mailTenant{lifecycle.Tenant{TenantID: c.TenantID}, c.Mail, c.Role == lifecycle.AdminAgents})
	}
	if err != nil || len(f.Tenants) == 0 {
		return err
	}
	return f.nameTenants(ctx, v)
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
	if f.TooLong || f.More || len(f.Names)+len(f.Customers)+len(f.Tenants) != 1 {
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

// None says whether nothing was found.
func (f *findings) None() bool { return len(f.Names)+len(f.Customers)+len(f.Tenants) == 0 }

// Path is where what the tenant has is listed.
func (t *mailTenant) Path() string {
	if t.Partner {
		return withQuery(relationshipsPath, url.Values{"partner": {t.TenantID}})
	}
	return withQuery(relationshipsPath, url.Values{"customer": {t.TenantID}})
}
