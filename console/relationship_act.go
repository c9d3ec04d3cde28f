package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An offer is something that the visitor may do about a relationship now.
type offer struct {
	Name   string // as the address and the phrases have it
	Path   string
	Danger bool
}

// relationshipActs are what can be done about a relationship, by the names that they have in addresses and phrases.
var relationshipActs = []struct {
	name   string
	kind   lifecycle.ActionKind
	by     lifecycle.Actor
	on     bool // of setAutoExtend
	danger bool
	reason bool // it is kept; that of a switch is not
}{
	{"lock", lifecycle.LockForApproval, lifecycle.Partner, false, false, true},
	{"approve", lifecycle.Approve, lifecycle.Customer, false, false, true},
	{"reject", lifecycle.Reject, lifecycle.Customer, false, true, true},
	{"extend", lifecycle.SetAutoExtend, lifecycle.Partner, true, false, false},
	{"extend-not", lifecycle.SetAutoExtend, lifecycle.Partner, false, false, false},
	{"remove-admin", lifecycle.RemoveGlobalAdministrator, lifecycle.Partner, false, true, true},
	{"terminate", lifecycle.Terminate, lifecycle.Partner, false, true, true},
	{"delete", lifecycle.Delete, lifecycle.Partner, false, true, true},
}

const (
	holdDeed    = "hold"
	releaseDeed = "release-" // and the number of the hold
)

// offers are what may be done while the relationship is as it is.
func (v *visit) offers(page *relationship) (all []offer) {
	r := page.Record()
	add := func(name string, danger bool) {
		all = append(all, offer{name, page.Path + "/do/" + name + "?seen=" + url.QueryEscape(page.ETag), danger})
	}
	for _, d := range relationshipActs {
		same := d.kind == lifecycle.SetAutoExtend && d.on == r.AutoExtend
		if !same && slices.Contains(lifecycle.AllowedActions(r, page.Standing, d.by), d.kind) {
			add(d.name, d.danger)
		}
	}
	if !slices.ContainsFunc(page.Of(), func(h lifecycle.Hold) bool { return h.Kind == lifecycle.HoldRelationship }) {
		add(holdDeed, false)
	}
	return all
}

// An asked action is what the path names, and what it is about.
type askedAction struct {
	name string
	page *relationship
	deed int   // of relationshipActs; -1: a hold
	hold int64 // to be released
}

// asked reads the action that the path names.
func (v *visit) asked() (*askedAction, error) {
	page, err := v.relationship()
	if err != nil {
		return nil, err
	}
	a := &askedAction{name: v.Request.PathValue("action"), page: page}
	if !page.Gone.IsZero() {
		return nil, v.notFound()
	}
	if number, ok := strings.CutPrefix(a.name, releaseDeed); ok {
		a.deed = -1
		a.hold, err = strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, v.notFound()
		}
		return a, nil
	}
	for i := range relationshipActs {
		if relationshipActs[i].name == a.name {
			a.deed = i
			return a, nil
		}
	}
	a.deed = -1
	if a.name != holdDeed {
		return nil, v.notFound()
	}
	return a, nil
}

// phrase is the key of something that is said of the action.
func (a *askedAction) phrase(of string) string {
	name := a.name
	if a.hold != 0 {
		name = strings.TrimSuffix(releaseDeed, "-")
	}
	return "relationship.do." + name + of
}

// confirmation says what will follow.
func (a *askedAction) confirmation(v *visit) confirmation {
	r := a.page.Record()
	c := confirmation{Title: v.T(a.phrase("")), Text: v.T(a.phrase(".text")), Path: a.page.Path + "/do/" + a.name, Back: a.page.Path, Reason: true,
		Button: v.T(a.phrase("")), Fields: map[string]string{"etag": a.page.ETag}}
	c.Facts = []fact{{v.T("relationships.name"), data(r.DisplayName)}, {v.T("relationships.customer"), data(customerText(r.Customer))},
		{v.T("relationships.status"), v.word("status", string(r.Status))}, {v.T("relationships.extend"), v.T(a.page.ExtendText())}}
	if a.deed < 0 {
		return c
	}
	d := relationshipActs[a.deed]
	c.Danger, c.Reason = d.danger, d.reason
	if seen := v.Request.URL.Query().Get("seen"); seen != "" && seen != a.page.ETag {
		c.Fault = v.T("relationship.changed")
	}
	wanted := lifecycle.Action{Kind: d.kind, By: d.by, AutoExtend: d.on}
	if d.kind == lifecycle.Approve && r.Customer.TenantID == "" {
		wanted.Customer.TenantID = "?" // whoever is named below
		c.Texts = []typed{{"tenant", v.T("relationship.approver"), v.Request.FormValue("tenant"), true},
			{"called", v.T("relationship.called"), v.Request.FormValue("called"), false}}
	}
	follows, err := a.page.Act(v.console.Policy, v.Now, wanted)
	if err != nil {
		c.Fault, c.Closed = v.console.pages[v.Lang].would(err), true
		return c
	}
	c.Facts = append(c.Facts, v.consequences(a.page, &follows)...)
	return c
}

// consequences are what a decision changes, and whom it tells.
func (v *visit) consequences(page *relationship, d *lifecycle.Decision) (all []fact) {
	was, is := page.Record(), &d.Record
	if d.Gone {
		return []fact{{v.T("relationship.after"), v.T("relationship.gone")}}
	}
	if is.Status != was.Status {
		all = append(all, fact{v.T("relationship.after"), v.word("status", string(is.Status))})
	}
	if !is.End.Equal(was.End) {
		all = append(all, fact{v.T("relationship.endAfter"), v.console.pages[v.Lang].instant(is.End)})
	}
	live := 0
	for _, a := range page.Assignments {
		if a.Status.Live() {
			live++
		}
	}
	if d.TakeAway != "" && live > 0 {
		all = append(all, fact{v.T("relationship.access"), v.T("relationship.takenAway", "n", live)})
	}
	if next := d.Next; next != page.Now.Next && !next.At.IsZero() {
		all = append(all, fact{v.T("relationships.next"), v.word("rule", string(next.Rule)) + " · " + v.dayText(next.At)})
	}
	return append(all, fact{v.T("relationship.told"), v.toldText(page, d)})
}

// toldText says whom a decision tells, and how many those are by the contacts of today.
func (v *visit) toldText(page *relationship, d *lifecycle.Decision) string {
	var texts []string
	for i := range d.Notices {
		for _, to := range d.Notices[i].To {
			if to.Muted || d.Notices[i].Status != lifecycle.NoticeQueued {
				continue
			}
			n := 0
			for _, c := range page.Contacts {
				if c.TenantID == to.TenantID && c.Role == to.Role {
					n++
				}
			}
			text := v.T("relationship.audience", "role", v.word("audience", string(to.Role)), "count", n)
			if to.Endpoint {
				text = to.Channel
			}
			if !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	if len(texts) == 0 {
		return v.T("relationship.nobody")
	}
	return strings.Join(texts, v.T("relationship.joint"))
}

// customerText is a customer in a line.
func customerText(t lifecycle.Tenant) string {
	switch {
	case t.TenantID == "":
		return "–"
	case t.DisplayName == "":
		return t.TenantID
	}
	return t.DisplayName + " (" + t.TenantID + ")"
}

// act does what was confirmed.
func act(v *visit) error {
	a, err := v.asked()
	if err != nil {
		return err
	}
	reason := ""
	if a.deed < 0 || relationshipActs[a.deed].reason {
		if reason, err = v.reason(); err != nil {
			return v.confirmAgain(a.confirmation(v), err)
		}
	}
	if err := a.do(v, reason); err != nil {
		var refused *refusal
		if errors.As(err, &refused) && refused.Status == http.StatusPreconditionFailed {
			refused.Detail = v.T("relationship.changed")
		}
		again, gone := v.asked() // as it is by now
		if gone != nil {
			return err
		}
		return v.confirmAgain(again.confirmation(v), err)
	}
	back := a.page.Path
	if a.deed >= 0 && relationshipActs[a.deed].kind == lifecycle.Delete {
		back = relationshipsPath
	}
	return v.done(back, v.T(a.phrase(".done"), "name", a.page.Name()))
}

// do asks the HTTP interface for it.
func (a *askedAction) do(v *visit, reason string) error {
	switch {
	case a.hold != 0:
		return v.ask(http.MethodPost, fmt.Sprintf("/v1/holds/%d/release", a.hold), map[string]string{"note": reason}, nil)
	case a.deed < 0:
		return v.ask(http.MethodPost, "/v1/holds", map[string]string{"kind": string(lifecycle.HoldRelationship), "subject": a.page.ID, "note": reason}, nil)
	}
	path, r := graphPath(a.page.ID), a.page.Record()
	headers := []string{"If-Match", v.Request.PostFormValue("etag")}
	if reason != "" {
		headers = append(headers, "Tenure-Reason", url.PathEscape(reason))
	}
	switch d := relationshipActs[a.deed]; d.kind {
	case lifecycle.SetAutoExtend:
		return v.ask(http.MethodPatch, path, map[string]string{"autoExtendDuration": v.console.Policy.AutoExtendDuration(d.on).String()}, nil, headers...)
	case lifecycle.RemoveGlobalAdministrator:
		access := lifecycle.WireAccess{UnifiedRoles: []lifecycle.WireRole{}}
		for _, role := range r.Roles {
			if role != lifecycle.GlobalAdministrator {
				access.UnifiedRoles = append(access.UnifiedRoles, lifecycle.WireRole{RoleDefinitionID: role})
			}
		}
		return v.ask(http.MethodPatch, path, map[string]any{"accessDetails": access}, nil, headers...)
	case lifecycle.Delete:
		return v.ask(http.MethodDelete, path, nil, nil, headers...)
	case lifecycle.Approve:
		if r.Customer.TenantID == "" {
			customer := map[string]string{"tenantId": strings.TrimSpace(v.Request.PostFormValue("tenant")), "displayName": strings.TrimSpace(v.Request.PostFormValue("called"))}
			return v.ask(http.MethodPost, "/v1/customer/relationships/"+url.PathEscape(a.page.ID)+"/approve", map[string]any{"customer": customer}, nil, headers...)
		}
		fallthrough
	default:
		return v.ask(http.MethodPost, path+"/requests", map[string]string{"action": string(d.kind)}, nil, headers...)
	}
}

// etag is how the HTTP interface writes a version.
func etag(version int64) string { return fmt.Sprintf(`W/"%d"`, version) }
