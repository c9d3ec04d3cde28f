package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An ActionKind names something that a person can ask for.
type ActionKind string

// The actions. Source: docs/domain.md, section 2.
const (
	LockForApproval           ActionKind = "lockForApproval"
	Approve                   ActionKind = "approve"
	Reject                    ActionKind = "reject"
	Terminate                 ActionKind = "terminate"
	SetAutoExtend             ActionKind = "setAutoExtend"
	RemoveGlobalAdministrator ActionKind = "removeGlobalAdministrator"
)

// ActionKinds lists them all.
var ActionKinds = []ActionKind{LockForApproval, Approve, Reject, Terminate, SetAutoExtend, RemoveGlobalAdministrator}

// An Action is what a person asks for.
type Action struct {
	Kind       ActionKind
	By         Actor
	AutoExtend bool // for SetAutoExtend: what it is to be
}

// ErrRefused is what every refused action is, for [errors.Is].
var ErrRefused = errors.New("refused")

// A Refusal says why an action was not taken. It changes nothing.
type Refusal struct {
	Action  Action
	Status  Status       // in which the record was met
	Why     string       // for people
	Allowed []ActionKind // what the same actor may ask for now
}

func (r *Refusal) Error() string {
	allowed := fmt.Sprintf("the %s can do nothing with it now", r.Action.By)
	switch {
	case r.Status.Ended():
		allowed = "nothing can be done with it any more"
	case len(r.Allowed) > 0:
		names := make([]string, len(r.Allowed))
		for i, a := range r.Allowed {
			names[i] = string(a)
		}
		allowed = "possible now: " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s by %s refused: %s; %s", r.Action.Kind, r.Action.By, r.Why, allowed)
}

// Is makes every Refusal an [ErrRefused].
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// Act says what an action taken at now does to r. It first settles the timers that are due by now, so the outcome never
// depends on how recently a sweep ran: whoever terminates at exactly the end meets an expired record. The error, if any, is a
// *[Refusal], and then nothing is to be written, not even what the timers called for: the next sweep finds that again.
func Act(r Record, p *Policy, a Action, now time.Time) (Decision, error) {
	d := Evaluate(r, p, now)
	if refusal := d.act(p, a); refusal != nil {
		return Decision{Record: r, Recorded: now}, refusal
	}
	d.settle(p, nil)
	return d, nil
}

// AllowedActions lists what by may ask for while the record is as it is, in the order of [Transitions].
func AllowedActions(r *Record, by Actor) []ActionKind {
	var allowed []ActionKind
	for _, t := range Transitions {
		a := Action{Kind: t.Action, By: by}
		if t.Action != "" && t.From == r.Status && slices.Contains(t.By, by) && contentForbids(r, a) == "" {
			allowed = append(allowed, t.Action)
		}
	}
	return allowed
}

// contentForbids says why the record's content, its status apart, forbids a; empty where it does not.
func contentForbids(r *Record, a Action) string {
	switch holds := r.HoldsGlobalAdministrator(); {
	case a.Kind == SetAutoExtend && holds && r.Status.Locked(): // while it is drafted, any field may be changed
		return "it holds Global Administrator, and such a relationship is never extended; remove that role first"
	case a.Kind == RemoveGlobalAdministrator && !holds:
		return "it does not hold Global Administrator"
	}
	return ""
}

// act takes the action on a record whose timers are settled.
func (d *Decision) act(p *Policy, a Action) *Refusal {
	r := &d.Record
	refuse := func(format string, args ...any) *Refusal {
		return &Refusal{Action: a, Status: r.Status, Why: fmt.Sprintf(format, args...), Allowed: AllowedActions(r, a.By)}
	}
	t := transition(func(t *Transition) bool { return t.Action == a.Kind && t.From == r.Status })
	switch {
	case !slices.Contains(ActionKinds, a.Kind):
		return refuse("the action %q is unknown", a.Kind)
	case t == nil:
		return refuse("the relationship is %s", r.Status)
	case !slices.Contains(t.By, a.By):
		return refuse("while the relationship is %s, this is not for the %s", r.Status, a.By)
	}
	if why := contentForbids(r, a); why != "" {
		return refuse("%s", why)
	}
	d.carryOut(p, a, t)
	return nil
}

// carryOut does what the lawful action a asks for.
func (d *Decision) carryOut(p *Policy, a Action, t *Transition) {
	r, now := &d.Record, d.Recorded
	switch a.Kind {
	case LockForApproval:
		r.Locked = now
		d.take(t, a.By, now)
	case Approve:
		r.Activated, r.End, r.WarnAfter = now, r.Duration.After(now), now
		d.take(t, a.By, now)
		d.tell(p, KindApproved, now, r.partnerSide(), r.customerSide())
	case Reject:
		r.End = now
		d.take(t, a.By, now)
		d.tell(p, KindTerminated, now, r.partnerSide())
	case Terminate:
		r.End = now
		d.take(t, a.By, now)
		d.tell(p, KindTerminated, now, r.partnerSide(), r.customerSide())
	case SetAutoExtend:
		if r.AutoExtend == a.AutoExtend {
			return // it is so already: nothing changes, and no end has become certain just now
		}
		r.AutoExtend = a.AutoExtend
		if !a.AutoExtend {
			r.WarnAfter = latest(r.WarnAfter, now)
		}
		d.take(t, a.By, now)
	case RemoveGlobalAdministrator:
		r.Roles = slices.DeleteFunc(slices.Clone(r.Roles), func(role string) bool { return role == GlobalAdministrator })
		d.take(t, a.By, now)
	}
}
