package graph

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// overdueHeader says how many relationships of a page have a timer that is due and has not been swept yet. Graph has none.
const overdueHeader = "Tenure-Overdue"

// listRelationships lists what is stored; getRelationship shows one as it is now.
func (x *exchange) listRelationships() (answer, error) {
	chosen, err := theRelationship.selected(x)
	if err != nil {
		return answer{}, err
	}
	filter, err := x.filter()
	if err != nil {
		return answer{}, err
	}
	order, err := x.order()
	if err != nil {
		return answer{}, err
	}
	after, err := x.after(order)
	if err != nil {
		return answer{}, err
	}
	size := x.pageSize()
	q := lifecycle.RelationshipQuery{Filter: x.scoped(filter), Order: order, After: after, Limit: size + 1}
	stored, err := x.store.Relationships(x.r.Context(), q)
	if err != nil {
		return answer{}, err
	}
	p := page[lifecycle.Record]{set: relationshipsFolder}
	if x.options.count {
		if p.count, err = x.store.CountRelationships(x.r.Context(), q.Filter); err != nil {
			return answer{}, err
		}
	}
	if len(stored) > size {
		stored = stored[:size]
		p.next = x.nextLink(order, q.Cursor(&stored[size-1]))
	}
	p.entities = make([]lifecycle.Record, len(stored))
	overdue := 0
	for i := range stored {
		p.entities[i] = stored[i].Record
		if due := lifecycle.NextTimer(&stored[i].Record, x.policy).At; !due.IsZero() && !due.After(x.now) {
			overdue++
		}
	}
	if overdue > 0 {
		x.header.Set(overdueHeader, strconv.Itoa(overdue))
	}
	return theRelationship.page(x, chosen, p)
}

// countRelationships answers with a bare number.
func (x *exchange) countRelationships() (answer, error) {
	filter, err := x.filter()
	if err != nil {
		return answer{}, err
	}
	n, err := x.store.CountRelationships(x.r.Context(), x.scoped(filter))
	if err != nil {
		return answer{}, err
	}
	return x.number(n), nil
}

// number answers with a number.
func (x *exchange) number(n int64) answer {
	x.header.Set("Content-Type", "text/plain; charset=utf-8")
	return answer{http.StatusOK, strconv.AppendInt(nil, n, 10)}
}

// scoped leaves of a filter what the caller may see.
func (x *exchange) scoped(f lifecycle.Filter) lifecycle.Filter {
	scope := x.by.Scope()
	switch {
	case scope == nil:
		return f
	case f == nil:
		return scope
	}
	return lifecycle.All{scope, f}
}

func (x *exchange) getRelationship() (answer, error) {
	r, err := x.shown()
	if err != nil {
		return answer{}, err
	}
	return theRelationship.one(x, http.StatusOK, relationshipsFolder, r)
}

// shown reads the relationship that the path names, as it is now, for a caller who sees it.
func (x *exchange) shown() (*lifecycle.Record, error) {
	stored, err := x.store.Relationship(x.r.Context(), x.id())
	if err != nil {
		return nil, err
	}
	if !x.sees(&stored.Record) {
		return nil, lifecycle.ErrNotFound
	}
	d := lifecycle.Evaluate(stored.Record, x.policy, x.now)
	return &d.Record, nil
}

// id is that of the relationship in the path, and empty where that cannot be one.
func (x *exchange) id() string {
	if !idForm.MatchString(x.ids[0]) {
		return ""
	}
	return lifecycle.CanonicalID(x.ids[0])
}

var idForm = regexp.MustCompile(`^[0-9A-Za-z._-]{1,73}$`)

// sees says whether the caller may know of the relationship, and notes it for the record of refusals if so.
func (x *exchange) sees(r *lifecycle.Record) bool {
	if !x.by.Sees(r) {
		return false
	}
	x.relationship = r.ID
	return true
}

// mayAct says why the caller may not act for a side; nil if they may.
func (x *exchange) mayAct(side lifecycle.Actor) error {
	if x.by.Acts(side) {
		return nil
	}
	switch {
	case x.by.Role == lifecycle.Reader || x.by.ReadsOnly:
		return refused(http.StatusForbidden, "%s may look and change nothing.", x.by.Name)
	case side == lifecycle.Partner:
		return refused(http.StatusForbidden, "This is for the partner, and %s acts for the customer; what a customer may do is under /v1/customer/relationships.", x.by.Name)
	}
	return refused(http.StatusForbidden, "This is for the customer, and %s acts for the partner.", x.by.Name)
}

// unless answers with err, if it is one, to a caller who sees the relationship. Whoever does not is told that there is none,
// whatever else is wrong with the request.
func (x *exchange) unless(err error) error {
	if err == nil {
		return nil
	}
	if _, notSeen := x.shown(); notSeen != nil {
		return notSeen
	}
	return err
}

// mayChange says why the caller may not act for the partner, or of which version they have not said that it is meant.
func (x *exchange) mayChange() (match, error) {
	if err := x.mayAct(lifecycle.Partner); err != nil {
		return match{}, err
	}
	if err := x.readReason(); err != nil {
		return match{}, err
	}
	return x.ifMatch()
}

// action is what the caller asks for on behalf of a side.
func (x *exchange) action(kind lifecycle.ActionKind, side lifecycle.Actor) lifecycle.Action {
	return lifecycle.Action{Kind: kind, By: side, Caller: &x.by, Detail: x.reason}
}

// act decides on the relationship that the path names, which the caller sees.
func (x *exchange) act(decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.Decision, error) {
	return x.store.Act(x.r.Context(), x.id(), x.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		if !x.sees(&c.Record) {
			return lifecycle.Decision{}, lifecycle.ErrNotFound
		}
		return decide(c)
	})
}

func (x *exchange) createRelationship() (answer, error) {
	x.subject = ""
	if !x.by.Acts(lifecycle.Partner) {
		return answer{}, x.mayAct(lifecycle.Partner)
	}
	body, err := x.readBody()
	if err != nil {
		return answer{}, err
	}
	w := x.readWish(body)
	if w.draft.DisplayName != nil {
		x.subject = *w.draft.DisplayName
	}
	for _, name := range readOnlyFields {
		if value, ok := w.said[name]; ok {
			w.readOnly(name, value)
		}
	}
	partner, err := x.newOnesPartner(w)
	if err != nil {
		return answer{}, err
	}
	w.absent("displayName", w.draft.DisplayName == nil, "give the relationship a name that no other of the partner's has")
	w.absent("duration", w.draft.Duration == nil, "write it like P365D")
	w.absent("accessDetails", w.draft.Roles == nil, "name at least one directory role")
	id := uuid.NewString() + "-" + uuid.NewString()
	var faults lifecycle.Faults
	if _, err := lifecycle.Create(id, partner, w.draft, x.policy, lifecycle.Authorized, &x.by, x.now); errors.As(err, &faults) {
		w.merge(faults)
	}
	if err := w.problem(); err != nil {
		return answer{}, err
	}
	d, err := x.store.CreateRelationship(x.r.Context(), partner, x.policy, func(s lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(id, partner, w.draft, x.policy, s, &x.by, x.now)
	})
	if err != nil {
		return answer{}, err
	}
	x.header.Set("Location", x.at(id))
	return x.changed(http.StatusCreated, &d.Record)
}

// absent complains about a field that has to be there.
func (w *wish) absent(field string, is bool, next string) {
	if is && !w.refuses(field) {
		w.refuse(codeMissing, field, "is missing; %s", next)
	}
}

// newOnesPartner is the tenant for which a relationship is created: the caller's own; an operator, who has none, names it.
func (x *exchange) newOnesPartner(w *wish) (string, error) {
	switch {
	case x.by.Role == lifecycle.Operator:
		w.absent("partner", w.partner == "" && !w.refuses("partner.tenantId"), `an operator names the partner, like {"tenantId":"…"}`)
		return w.partner, nil
	case w.partner != "" && w.partner != x.by.Tenant:
		return "", refused(http.StatusForbidden, "partner: %s creates relationships of its own tenant only; leave partner out.", x.by.Name)
	}
	return x.by.Tenant, nil
}

// noContent answers a write without a body. Source: OData 4.01, part 1, section 8.3.4.
func (x *exchange) noContent() answer {
	if location := x.header.Get("Location"); location != "" {
		x.header.Set("OData-EntityId", location)
	}
	return answer{status: http.StatusNoContent}
}

// changed answers a write with the relationship as it stands after it, or with nothing, where that is preferred.
func (x *exchange) changed(status int, r *lifecycle.Record) (answer, error) {
	if x.prefer.minimal() {
		x.header.Set("ETag", etag(r.Version))
		return x.noContent(), nil
	}
	return theRelationship.one(x, status, relationshipsFolder, r)
}

func (x *exchange) patchRelationship() (answer, error) {
	match, w, err := x.readPatch()
	if err := x.unless(err); err != nil {
		return answer{}, err
	}
	d, err := x.act(func(c lifecycle.Case) (lifecycle.Decision, error) {
		settled := lifecycle.Evaluate(c.Record, x.policy, x.now).Record
		if !match.fits(settled.Version) {
			return lifecycle.Decision{}, lifecycle.ErrStaleVersion
		}
		again := *w // decide may be called again
		if err := again.contradictions(x, &settled); err != nil {
			return lifecycle.Decision{}, err
		}
		if settled.Status.Locked() {
			return x.changeLocked(&c, &settled, &w.draft)
		}
		return x.editDraft(&c, w)
	})
	if err != nil {
		return answer{}, err
	}
	if step := lastStep(&d, lifecycle.EventGlobalAdministratorRemoved); step != nil && d.Record.Status == lifecycle.Active {
		return x.accepted(&d.Record, step)
	}
	return x.changed(http.StatusOK, &d.Record)
}

// readPatch reads everything about a PATCH that does not depend on the relationship.
func (x *exchange) readPatch() (match, *wish, error) {
	m, err := x.mayChange()
	if err != nil {
		return match{}, nil, err
	}
	body, err := x.readBody()
	if err != nil {
		return match{}, nil, err
	}
	w := x.readWish(body)
	return m, w, w.problem()
}

// editDraft changes a relationship that is still a draft.
func (x *exchange) editDraft(c *lifecycle.Case, w *wish) (lifecycle.Decision, error) {
	d, err := c.Edit(w.draft, x.policy, x.action(lifecycle.Edit, lifecycle.Partner), x.now)
	var faults lifecycle.Faults
	if errors.As(err, &faults) {
		again := *w
		again.merge(faults)
		if told := again.problem(); told != nil {
			return d, told
		}
	}
	return d, err
}

// changeLocked changes what may be changed of a relationship whose content is frozen: whether it extends, and that it holds
// Global Administrator. What the body says of the rest must be so already.
func (x *exchange) changeLocked(c *lifecycle.Case, r *lifecycle.Record, w *lifecycle.Draft) (lifecycle.Decision, error) {
	frozen := w.DisplayName != nil && *w.DisplayName != r.DisplayName || w.Duration != nil && *w.Duration != r.Duration ||
		w.Customer != nil && !sameTenant(w.Customer, &r.Customer)
	var actions []lifecycle.Action
	if w.Roles != nil && !sameRoles(w.Roles, r.Roles) {
		without := slices.DeleteFunc(slices.Clone(r.Roles), func(role string) bool { return role == lifecycle.GlobalAdministrator })
		frozen = frozen || !sameRoles(w.Roles, without)
		actions = append(actions, x.action(lifecycle.RemoveGlobalAdministrator, lifecycle.Partner))
	}
	if w.AutoExtend != nil && (*w.AutoExtend != r.AutoExtend || r.Status != lifecycle.Active) {
		set := x.action(lifecycle.SetAutoExtend, lifecycle.Partner)
		set.AutoExtend = *w.AutoExtend
		actions = append(actions, set)
	}
	if frozen {
		return lifecycle.Decision{}, &lifecycle.Refusal{Action: x.action(lifecycle.Edit, lifecycle.Partner), Reason: lifecycle.WrongStatus, Status: r.Status,
			Why:     lifecycle.OnlyAutoExtend.Say("status", r.Status),
			Allowed: lifecycle.AllowedActions(r, c.Standing, lifecycle.Partner)}
	}
	return c.Act(x.policy, x.now, actions...)
}

// sameTenant says whether a tenant is said to be what it is; a body may leave its name out.
func sameTenant(said, is *lifecycle.Tenant) bool {
	return said.TenantID == is.TenantID && (said.DisplayName == "" || said.DisplayName == is.DisplayName)
}

// sameRoles compares roles in whatever order.
func sameRoles(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func (x *exchange) deleteRelationship() (answer, error) {
	m, err := x.mayChange()
	if err := x.unless(err); err != nil {
		return answer{}, err
	}
	_, err = x.act(func(c lifecycle.Case) (lifecycle.Decision, error) {
		if !m.fits(lifecycle.Evaluate(c.Record, x.policy, x.now).Record.Version) {
			return lifecycle.Decision{}, lifecycle.ErrStaleVersion
		}
		return c.Act(x.policy, x.now, x.action(lifecycle.Delete, lifecycle.Partner))
	})
	return answer{status: http.StatusNoContent}, err
}
