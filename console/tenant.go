package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A TenantStore is what pages read of partners and customers.
type TenantStore interface {
	// TenantSizes says how many relationships tenants have, and what they are called. Of each side no more than most are counted.
	TenantSizes(ctx context.Context, tenants []string, most int) (map[string]lifecycle.TenantSize, error)

	// Partnership is a partner's standing; authorized where nobody has said anything of it.
	Partnership(ctx context.Context, tenant string) (lifecycle.Partnership, error)

	// Partnerships lists the partners that an operator has said something of, by tenant id.
	Partnerships(ctx context.Context) ([]lifecycle.Partnership, error)
}

const (
	partnersPath = "/console/partners"

	mostCounted  = 1000 // relationships of a tenant; beyond it there are more
	mostPartners = 100  // that may not do everything, and are shown
)

// A tenant is a partner or a customer, or both.
type tenant struct {
	lifecycle.TenantSize
	PartnerName string // as the policy has it
	Partnership lifecycle.Partnership
	Hold        *lifecycle.Hold // nil: it is not on hold
}

// Name is what it is called; empty: nobody has said so.
func (t *tenant) Name() string { return cmp.Or(t.PartnerName, t.CustomerName) }

// IsPartner says whether there is something to say of it as a partner.
func (t *tenant) IsPartner() bool {
	return t.AsPartner > 0 || t.PartnerName != "" || t.Limited()
}

// Limited says whether its standing keeps it from something.
func (t *tenant) Limited() bool {
	return t.Partnership.Standing != "" && t.Partnership.Standing != lifecycle.Authorized
}

// Standings are those that it may be given.
func (t *tenant) Standings() []lifecycle.Standing {
	has := cmp.Or(t.Partnership.Standing, lifecycle.Authorized)
	return slices.DeleteFunc(slices.Clone(lifecycle.Standings), func(s lifecycle.Standing) bool { return s == has })
}

// tenants looks up several, by their ids: how large they are and what they are called.
func (v *visit) tenants(ids []string) (map[string]*tenant, error) {
	known := map[string]*tenant{}
	if len(ids) == 0 {
		return known, nil
	}
	sizes, err := v.console.Store.TenantSizes(v.Request.Context(), ids, mostCounted+1)
	for id, size := range sizes {
		known[id] = &tenant{TenantSize: size, PartnerName: v.console.Policy.Notices.Partners[id]}
	}
	return known, err
}

// tenant looks up everything about one.
func (v *visit) tenant(id string) (*tenant, error) {
	ctx := v.Request.Context()
	known, err := v.tenants([]string{id})
	if err != nil {
		return nil, err
	}
	t := known[id]
	if t.Partnership, err = v.console.Store.Partnership(ctx, id); err != nil {
		return nil, err
	}
	holds, err := v.console.Store.Holds(ctx, lifecycle.HoldQuery{Kind: lifecycle.HoldTenant, Subject: id, Active: true})
	if len(holds) > 0 {
		t.Hold = &holds[0]
	}
	return t, err
}

// tenantsOf are the partner and the customer that a list is of.
func (v *visit) tenantsOf(s *sifter) (all []*tenant, err error) {
	for _, id := range []string{s.Partner, s.Customer} {
		if id == "" || len(all) > 0 && all[0].TenantID == id {
			continue
		}
		t, err := v.tenant(id)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// Counted is a number of relationships of a tenant, of which no more than so many were counted.
func (v *visit) Counted(n int64) string {
	if n > mostCounted {
		return v.T("tenant.moreThan", "n", int64(mostCounted))
	}
	return v.T("sweeps.records", "n", n)
}

// tenantFacts are what a tenant is called, and how many relationships it has.
func (v *visit) tenantFacts(t *tenant) []fact {
	facts := []fact{{v.T("notices.tenant"), t.TenantID}}
	if name := t.Name(); name != "" {
		facts = append(facts, fact{v.T("relationships.name"), data(name)})
	}
	return append(facts, fact{v.T("tenant.asPartner"), v.Counted(t.AsPartner)}, fact{v.T("tenant.asCustomer"), v.Counted(t.AsCustomer)})
}

// A standing is that of a partner who may not do everything.
type standing struct {
	lifecycle.Partnership
	Name string // as the policy has it
}

// limitedPartners are those who may not do everything.
func (v *visit) limitedPartners() (limited []standing, err error) {
	partners, err := v.console.Store.Partnerships(v.Request.Context())
	for _, p := range partners {
		if p.Standing != lifecycle.Authorized && len(limited) < mostPartners {
			limited = append(limited, standing{p, v.console.Policy.Notices.Partners[p.TenantID]})
		}
	}
	return limited, err
}

func (c *Console) addPartners() {
	c.addAct(partnersPath+"/{tenant}/{standing}", lifecycle.Manage, askStanding, func(v *visit, reason string) (next, told string, err error) {
		tenant, standing := v.Request.PathValue("tenant"), v.Request.PathValue("standing")
		err = v.ask(http.MethodPut, "/v1/partners/"+url.PathEscape(tenant), map[string]string{"standing": standing, "note": reason}, nil)
		return withQuery(relationshipsPath, url.Values{"partner": {tenant}}), v.T("standing.done."+standing, "tenant", tenant), err
	})
}

func askStanding(v *visit) (confirmation, error) {
	id, standing := strings.ToLower(v.Request.PathValue("tenant")), lifecycle.Standing(v.Request.PathValue("standing"))
	if !lifecycle.IsGUID(id) || !standing.Known() {
		return confirmation{}, v.notFound()
	}
	t, err := v.tenant(id)
	if err != nil {
		return confirmation{}, err
	}
	facts := append(v.tenantFacts(t), fact{v.T("standing.now"), v.word("standing", string(cmp.Or(t.Partnership.Standing, lifecycle.Authorized)))})
	return confirmation{Title: v.T("standing.title." + string(standing)), Text: v.T("standing.text." + string(standing)), Facts: facts,
		Path: partnersPath + "/" + id + "/" + string(standing), Back: withQuery(relationshipsPath, url.Values{"partner": {id}}), Reason: true,
		Button: v.T("standing.button." + string(standing)), Danger: standing != lifecycle.Authorized}, nil
}
