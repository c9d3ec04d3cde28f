package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A HoldStore is what the page of holds reads.
type HoldStore interface {
	// Holds lists those that the query wants, the latest first.
	Holds(ctx context.Context, q lifecycle.HoldQuery) ([]lifecycle.Hold, error)

	// Hold reads one, released or not; [lifecycle.ErrNotFound].
	Hold(ctx context.Context, id int64) (lifecycle.Hold, error)

	// ListedByID lists the relationships with these ids, in no order. Those that there are not are left out.
	ListedByID(ctx context.Context, ids []string) ([]lifecycle.Listed, error)

	TenantStore
}

const (
	holdsPath   = "/console/holds"
	holdsOnPage = 50
)

func (c *Console) addHolds() {
	c.get(holdsPath, showHolds)
	c.addAct(holdsPath+"/place", lifecycle.Manage, askHoldOfTenant, func(v *visit, reason string) (next, told string, err error) {
		tenant := v.askedTenant()
		err = v.ask(http.MethodPost, "/v1/holds", map[string]string{"kind": string(lifecycle.HoldTenant), "subject": tenant, "note": reason}, nil)
		return holdsPath, v.T("holds.placed", "tenant", tenant), err
	})
	c.addAct(holdsPath+"/{id}/release", lifecycle.Manage, askReleaseOfHold, func(v *visit, reason string) (next, told string, err error) {
		err = v.ask(http.MethodPost, "/v1/holds/"+v.Request.PathValue("id")+"/release", map[string]string{"note": reason}, nil)
		return holdsPath, v.T("holds.released", "id", v.Request.PathValue("id")), err
	})
}

// holds are what the page shows.
type holds struct {
	Show     string     // tenant or relationship: those in force; all: the released ones, too; empty: what is in force in short
	Stops    []heldRow  // everything, and rules
	Tenants  []heldRow  // the latest first, as all that follow
	Single   []heldRow  // relationships
	All      []heldRow  // of every kind
	Partners []standing // who may not do everything
	Tenant   string     // as it was typed

	First, TenantsNext, SingleNext, AllNext string
}

// holdShows are the parts of the page, as the address has them.
var holdShows = []string{"", "tenant", "relationship", "all"}

// Shows are the parts of the page.
func (*holds) Shows() []string { return holdShows }

// A heldRow is a hold, and what there is to know of what it is about.
type heldRow struct {
	lifecycle.Hold
	Of     *lifecycle.Listed // the relationship; nil: it is about something else, or about one that is gone
	Tenant *tenant           // nil: it is about something else
}

// Path is where the hold is released.
func (h *heldRow) Path() string {
	switch h.Kind {
	case lifecycle.HoldEverything:
		return sweepsPath + "/everything/release"
	case lifecycle.HoldRule:
		return rulePath(lifecycle.RuleName(h.Subject), "resume")
	}
	return holdsPath + "/" + strconv.FormatInt(h.ID, 10) + "/release"
}

func showHolds(v *visit) (err error) {
	asked := v.Request.URL.Query()
	page := holds{Show: asked.Get("show"), Tenant: strings.TrimSpace(asked.Get("tenant"))}
	if !slices.Contains(holdShows, page.Show) {
		page.Show = ""
	}
	before := number(asked, "before")
	if before > 0 {
		page.First = holdsPath + "?show=" + page.Show
	}
	switch page.Show {
	case "all":
		page.All, page.AllNext, err = v.heldRows(lifecycle.HoldQuery{Before: before}, "all")
	case string(lifecycle.HoldTenant):
		page.Tenants, page.TenantsNext, err = v.heldRows(lifecycle.HoldQuery{Kind: lifecycle.HoldTenant, Active: true, Before: before}, page.Show)
	case string(lifecycle.HoldRelationship):
		page.Single, page.SingleNext, err = v.heldRows(lifecycle.HoldQuery{Kind: lifecycle.HoldRelationship, Active: true, Before: before}, page.Show)
	default:
		err = page.inShort(v)
	}
	if err != nil {
		return err
	}
	return v.show("holds", &page)
}

// inShort reads the beginning of all that is in force.
func (page *holds) inShort(v *visit) (err error) {
	for _, kind := range []lifecycle.HoldKind{lifecycle.HoldEverything, lifecycle.HoldRule} { // there are as many as rules, at most
		rows, _, err := v.heldRows(lifecycle.HoldQuery{Kind: kind, Active: true}, "")
		if err != nil {
			return err
		}
		page.Stops = append(page.Stops, rows...)
	}
	for _, part := range []struct {
		kind lifecycle.HoldKind
		rows *[]heldRow
		next *string
	}{{lifecycle.HoldTenant, &page.Tenants, &page.TenantsNext}, {lifecycle.HoldRelationship, &page.Single, &page.SingleNext}} {
		if *part.rows, *part.next, err = v.heldRows(lifecycle.HoldQuery{Kind: part.kind, Active: true}, string(part.kind)); err != nil {
			return err
		}
	}
	page.Partners, err = v.limitedPartners()
	return err
}

// heldRows reads a page of holds with what they are about, and says where the next page is.
func (v *visit) heldRows(q lifecycle.HoldQuery, show string) (rows []heldRow, next string, err error) {
	q.Limit = holdsOnPage + 1
	found, err := v.console.Store.Holds(v.Request.Context(), q)
	if err != nil {
		return nil, "", err
	}
	if len(found) > holdsOnPage {
		found = found[:holdsOnPage]
		next = holdsPath + "?show=" + show + "&before=" + strconv.FormatInt(found[holdsOnPage-1].ID, 10)
	}
	rows, err = v.about(found)
	return rows, next, err
}

// about looks up what holds are about.
func (v *visit) about(found []lifecycle.Hold) ([]heldRow, error) {
	var tenants, ids []string
	for i := range found {
		switch h := &found[i]; h.Kind {
		case lifecycle.HoldTenant:
			tenants = append(tenants, h.Subject)
		case lifecycle.HoldRelationship:
			ids = append(ids, h.Subject)
		}
	}
	known, err := v.tenants(tenants)
	if err != nil {
		return nil, err
	}
	of := map[string]*lifecycle.Listed{}
	if len(ids) > 0 {
		listed, err := v.console.Store.ListedByID(v.Request.Context(), ids)
		if err != nil {
			return nil, err
		}
		for i := range listed {
			of[listed[i].ID] = &listed[i]
		}
	}
	rows := make([]heldRow, len(found))
	for i := range found {
		rows[i] = heldRow{Hold: found[i]}
		switch subject := found[i].Subject; found[i].Kind {
		case lifecycle.HoldTenant:
			rows[i].Tenant = known[subject]
		case lifecycle.HoldRelationship:
			rows[i].Of = of[subject]
		}
	}
	return rows, nil
}

// askedTenant is the tenant that somebody wants to put on hold.
func (v *visit) askedTenant() string {
	return strings.ToLower(strings.TrimSpace(v.Request.FormValue("tenant")))
}

func askHoldOfTenant(v *visit) (confirmation, error) {
	id := v.askedTenant()
	if !lifecycle.IsGUID(id) {
		return confirmation{}, &overtaken{withQuery(holdsPath, url.Values{"tenant": {id}}), v.T("holds.noTenant", "text", id)}
	}
	t, err := v.tenant(id)
	if err != nil {
		return confirmation{}, err
	}
	if t.Hold != nil {
		return confirmation{}, &overtaken{holdsPath, v.T("holds.already", "tenant", id, "id", t.Hold.ID)}
	}
	return confirmation{Title: v.T("holds.place.title"), Text: v.T("holds.place.text"), Facts: v.tenantFacts(t), Path: holdsPath + "/place", Back: holdsPath,
		Reason: true, Button: v.T("holds.place.button"), Fields: map[string]string{"tenant": id}}, nil
}

func askReleaseOfHold(v *visit) (confirmation, error) {
	id, err := strconv.ParseInt(v.Request.PathValue("id"), 10, 64)
	if err != nil {
		return confirmation{}, v.notFound()
	}
	hold, err := v.console.Store.Hold(v.Request.Context(), id)
	if err != nil {
		return confirmation{}, err
	}
	if hold.Kind != lifecycle.HoldTenant && hold.Kind != lifecycle.HoldRelationship { // those of rules and of everything have pages of their own
		return confirmation{}, v.notFound()
	}
	if !hold.Active() {
		return confirmation{}, &overtaken{holdsPath, v.T("holds.releasedBefore", "id", id, "name", hold.ReleasedBy)}
	}
	rows, err := v.about([]lifecycle.Hold{hold})
	if err != nil {
		return confirmation{}, err
	}
	facts := []fact{{v.T("relationships.name"), data(hold.Subject)}}
	switch row := &rows[0]; {
	case row.Tenant != nil:
		facts = v.tenantFacts(row.Tenant)
	case row.Of != nil:
		facts = []fact{{v.T("relationships.name"), data(row.Of.DisplayName)}, {v.T("relationships.customer"), data(customerText(row.Of.Customer))}}
	}
	return confirmation{Title: v.T("holds.release.title", "id", id), Text: v.T("holds.release.text"), Facts: append(facts, v.holdFacts(&hold)...),
		Path: holdsPath + "/" + strconv.FormatInt(id, 10) + "/release", Back: holdsPath, Reason: true, Button: v.T("holds.release.button")}, nil
}
