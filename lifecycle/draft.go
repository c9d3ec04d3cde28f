package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A Draft is what a partner may say of a relationship while it is created: a nil part is left as it is.
type Draft struct {
	DisplayName *string
	Duration    *Period
	AutoExtend  *bool
	Customer    *Tenant // the zero Tenant: not known (again)
	Roles       []string
}

// over is r with what the draft says.
func (w *Draft) over(r Record) Record {
	if w.DisplayName != nil {
		r.DisplayName = *w.DisplayName
	}
	if w.Duration != nil {
		r.Duration = *w.Duration
	}
	if w.AutoExtend != nil {
		r.AutoExtend = *w.AutoExtend
	}
	if w.Customer != nil {
		r.Customer = *w.Customer
	}
	if w.Roles != nil {
		r.Roles = w.Roles
	}
	return r
}

// says names the fields that the draft speaks of.
func (w *Draft) says() string {
	var fields []string
	for _, f := range []struct {
		name string
		said bool
	}{{"displayName", w.DisplayName != nil}, {"duration", w.Duration != nil}, {"autoExtendDuration", w.AutoExtend != nil},
		{"customer", w.Customer != nil}, {"accessDetails", w.Roles != nil}} {
		if f.said {
			fields = append(fields, f.name)
		}
	}
	return strings.Join(fields, ", ")
}

// Faults is every fault of what somebody asked for, at once.
type Faults []Fault

func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i := range f {
		texts[i] = f[i].Error()
	}
	return strings.Join(texts, "; ")
}

// Create begins a relationship: a draft that its partner may still change. id is a new one, in the form of Graph. The error is
// a *[Refusal], where the partner's standing allows nothing new, or [Faults]. Whether its name is free the database says.
func Create(id, partner string, w Draft, p *Policy, standing Standing, by *Caller, now time.Time) (Decision, error) {
	r := w.over(Record{ID: id, Partner: partner, Status: Created, Created: now, Modified: now})
	if !standing.MayCreate() {
		return Decision{}, &Refusal{Action: Action{Kind: Ask, By: Partner, Caller: by}, Reason: WrongStanding, Status: Created,
			Why: standingForbids.Say("standing", standing)}
	}
	if faults := r.draftFaults(p); len(faults) > 0 {
		return Decision{}, faults
	}
	d := Decision{Record: r, Recorded: now}
	d.step(Created, EventCreated, "", Change{Effective: now, Actor: Partner, By: by})
	d.Changes[0].From = ""
	d.settle(p, nil)
	return d, nil
}

// Edit changes a relationship that is still a draft. The error is a *[Refusal] or [Faults]. What changes nothing is no event.
func (c *Case) Edit(w Draft, p *Policy, a Action, now time.Time) (Decision, error) {
	a.Kind = Edit
	d, t, err := c.lawful(p, a, now)
	if err != nil {
		return d, err
	}
	edited := w.over(d.Record)
	if faults := edited.draftFaults(p); len(faults) > 0 {
		return c.unchanged(now), faults
	}
	if sameContent(&d.Record, &edited) {
		return d, nil
	}
	d.Record = edited
	d.pass(p, t, Change{Effective: now, Actor: a.By, By: a.Caller, Detail: w.says()})
	d.settle(p, nil)
	return d, nil
}

// draftFaults is what is wrong with a relationship that a partner asks for. An import takes one without roles, since an export
// of selected fields has none; who asks for one must say for what.
func (r *Record) draftFaults(p *Policy) Faults {
	faults := Faults(r.Validate(p))
	if r.Customer.TenantID != "" && r.Customer.TenantID == r.Partner {
		faults = append(faults, Fault{"customer.tenantId", r.Customer.TenantID, "is the partner itself; name the tenant whose administration is asked for", nil})
	}
	if why := unreadable(r.DisplayName); why != "" {
		faults = append(faults, Fault{"displayName", r.DisplayName, why, nil})
	}
	if len(r.Roles) == 0 {
		faults = append(faults, Fault{"accessDetails.unifiedRoles", "", "is missing; name at least one directory role", nil})
	}
	for i, role := range r.Roles {
		if slices.Contains(r.Roles[:i], role) {
			faults = append(faults, Fault{fmt.Sprintf("accessDetails.unifiedRoles[%d].roleDefinitionId", i), role, "is there twice; leave one out", nil})
		}
	}
	return faults
}

// unreadable says why people could not read a name for what it is; empty where they can. Names reach customers in mails.
func unreadable(name string) string {
	visible := name == ""
	for _, c := range name {
		switch {
		case c >= '\u202A' && c <= '\u202E', c >= '\u2066' && c <= '\u2069':
			return fmt.Sprintf("contains %U, which turns the direction of text; take it out", c)
		case c == unicode.ReplacementChar:
			return "contains U+FFFD, which stands for what could not be read; write the name anew"
		}
		visible = visible || unicode.IsGraphic(c) && !unicode.IsSpace(c)
	}
	if !visible {
		return "has no character that can be seen; choose another name"
	}
	return ""
}

// A NameHeld is the answer to a name that another relationship of the same partner holds. It is an [ErrNameTaken].
type NameHeld struct {
	Name   string
	Holder string    // id of the relationship
	Status Status    // of it
	Until  time.Time // when the name comes free; zero: not known, since the holder has not ended
}

func (h *NameHeld) Error() string {
	if h.Until.IsZero() {
		return fmt.Sprintf("the name %q is held by relationship %s, which is %s; choose another name", h.Name, h.Holder, h.Status)
	}
	return fmt.Sprintf("the name %q is held until %s by relationship %s, which is %s; wait until then or choose another name",
		h.Name, FormatInstant(h.Until), h.Holder, h.Status)
}

// Is makes every NameHeld an [ErrNameTaken].
func (h *NameHeld) Is(target error) bool { return target == ErrNameTaken }
