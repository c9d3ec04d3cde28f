package lifecycle

import (
	"errors"
	"fmt"
	"maps"
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

	Ask      ActionKind = "create"       // for a relationship; see [Create]
	Edit     ActionKind = "edit"         // a draft; see [Case.Edit]
	Delete   ActionKind = "delete"       // a draft
	Assign   ActionKind = "assignAccess" // see assignment.go
	Reassign ActionKind = "reassignAccess"
	Unassign ActionKind = "unassignAccess"

	BeginProvisioning    ActionKind = "beginProvisioning"    // the other system has taken the order on
	CompleteProvisioning ActionKind = "completeProvisioning" // it has carried the order out
)

// ActionKinds lists those that need nothing but their name, and for setAutoExtend a flag: what a file of actions may hold.
var ActionKinds = []ActionKind{LockForApproval, Approve, Reject, Terminate, SetAutoExtend, RemoveGlobalAdministrator}

// An Action is what a person asks for.
type Action struct {
	Kind       ActionKind
	By         Actor
	AutoExtend bool // for SetAutoExtend: what it is to be

	Customer Tenant   // for Approve and Reject: who answers; the zero Tenant: whoever the record names
	Standing Standing // of the partner; the zero Standing is a good one
	Caller   *Caller  // who asks, to be kept with the change; nil: not known
	Detail   string   // to be kept with the change

	access []Assignment // of the record, where [Case.Act] knows them
	named  bool         // Approve needs to know for which customer
}

// ErrRefused is what every refused action is, for [errors.Is].
var ErrRefused = errors.New("refused")

// A Refusal says why an action was not taken. It changes nothing.
type Refusal struct {
	Action  Action
	Reason  Reason       // in a word, for programs
	Status  Status       // in which the record was met
	Why     *Said        // for people
	Allowed []ActionKind // what the same actor may ask for now
}

func (r *Refusal) Error() string {
	allowed := fmt.Sprintf("the %s can do nothing with it now", r.Action.By)
	switch {
	case r.Action.Kind == Ask:
		allowed = "whoever runs this deployment can say why"
	case r.Reason == OnHold:
		return fmt.Sprintf("%s by %s refused: %s", r.Action.Kind, r.Action.By, r.Why)
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

// Told is why, with the facts that the whole refusal speaks of: the action, and what else is allowed.
func (r *Refusal) Told() *Said {
	told := &Said{Code: r.Why.Code, Facts: map[string]any{}, text: r.Why.text}
	maps.Copy(told.Facts, r.Why.Facts)
	told.Facts["action"], told.Facts["allowed"] = r.Action.Kind, append([]ActionKind{}, r.Allowed...)
	return told
}

// Is makes every Refusal an [ErrRefused].
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// Act says what an action taken at now does to r. It first settles the timers that are due by now, so the outcome never
// depends on how recently a sweep ran: whoever terminates at exactly the end meets an expired record. The error, if any, is a
// *[Refusal], and then nothing is to be written, not even what the timers called for: the next sweep finds that again.
func Act(r Record, p *Policy, a Action, now time.Time) (Decision, error) {
	return ActAll(r, p, []Action{a}, now)
}

// ActAll takes several actions at one instant, all of them or none.
func ActAll(r Record, p *Policy, actions []Action, now time.Time) (Decision, error) {
	d := Evaluate(r, p, now)
	for _, a := range actions {
		refusal := d.heldUp(a)
		if refusal == nil {
			refusal = d.act(p, a)
		}
		if refusal != nil {
			return Decision{Record: r, Recorded: now}, refusal
		}
	}
	d.settle(p, nil)
	return d, nil
}

// AllowedActions lists what by may ask for while the record, and the standing of its partner, are as they are, in the order of
// [Transitions].
func AllowedActions(r *Record, standing Standing, by Actor) []ActionKind {
	var allowed []ActionKind
	for _, t := range Transitions {
		a := Action{Kind: t.Action, By: by}
		if t.Action != "" && t.From == r.Status && slices.Contains(t.By, by) && standing.Allows(t.Action, by) && contentForbids(r, a) == nil {
			allowed = append(allowed, t.Action)
		}
	}
	return allowed
}

// contentForbids says why the record's content, its status apart, forbids a; nil where it does not.
func contentForbids(r *Record, a Action) *Said {
	switch holds := r.HoldsGlobalAdministrator(); {
	case a.Kind == SetAutoExtend && holds && r.Status.Locked(): // while it is drafted, any field may be changed
		return holdsAdministrator.Say()
	case a.Kind == Approve && a.Customer.TenantID != "" && a.Customer.TenantID == r.Partner:
		return ownRequest.Say()
	case a.Kind == Approve && a.named && r.Customer.TenantID == "" && a.Customer.TenantID == "":
		return namesNoCustomer.Say()
	case a.Kind == Approve && r.Customer.TenantID != "" && a.Customer.TenantID != "" && a.Customer.TenantID != r.Customer.TenantID:
		return otherCustomer.Say()
	case (a.Kind == Reassign || a.Kind == Unassign) && r.Assigned == 0:
		return noGroupHasAccess.Say()
	case a.Kind == RemoveGlobalAdministrator && !holds:
		return holdsNoAdministrator.Say()
	}
	return nil
}

// What an action is refused with.
var (
	holdsAdministrator   = NewSentence("holdsGlobalAdministrator", "it holds Global Administrator, and such a relationship is never extended; remove that role first")
	holdsNoAdministrator = NewSentence("holdsNoGlobalAdministrator", "it does not hold Global Administrator")
	ownRequest           = NewSentence("ownRequest", "a partner cannot approve what it asks for itself")
	namesNoCustomer      = NewSentence("namesNoCustomer", "it names no customer; say who approves")
	otherCustomer        = NewSentence("otherCustomer", "another customer was asked")
	noGroupHasAccess     = NewSentence("noGroupHasAccess", "no group has access to it")
	unknownAction        = NewSentence("unknownAction", `the action "{name}" is unknown`)
	statusForbids        = NewSentence("statusForbids", "the relationship is {status}")
	notForThisSide       = NewSentence("notForThisSide", "while the relationship is {status}, this is not for the {side}")
	standingForbids      = NewSentence("standingForbids", "the partner is {standing}")
	withheldForbids      = NewSentence("timerOnHold", "{rule} fell due at {at} and is on hold; whoever runs this deployment can release it")

	// OnlyAutoExtend is why nothing else of a relationship that is not a draft any more is changed.
	OnlyAutoExtend = NewSentence("onlyAutoExtend",
		"the relationship is {status}, and only autoExtendDuration may be changed then, and Global Administrator taken out of accessDetails")
)

// Why an action was refused, in a word.
const (
	WrongStatus   Reason = "wrongStatus"   // the status of the record does not allow it
	WrongActor    Reason = "wrongActor"    // this is for somebody else to do
	WrongContent  Reason = "wrongContent"  // what the record holds does not allow it
	WrongStanding Reason = "wrongStanding" // the partner's standing does not allow it
)

// act takes the action on a record whose timers are settled.
func (d *Decision) act(p *Policy, a Action) *Refusal {
	t, refusal := d.lawful(a)
	if refusal != nil {
		return refusal
	}
	d.carryOut(p, a, t)
	return nil
}

// lawful is the transition that the action takes, or why there is none.
func (d *Decision) lawful(a Action) (*Transition, *Refusal) {
	r := &d.Record
	refuse := func(reason Reason, why *Said) (*Transition, *Refusal) {
		return nil, &Refusal{Action: a, Reason: reason, Status: r.Status, Why: why, Allowed: AllowedActions(r, a.Standing, a.By)}
	}
	t := transition(func(t *Transition) bool { return t.Action == a.Kind && t.From == r.Status })
	switch {
	case a.Kind == "" || transition(func(t *Transition) bool { return t.Action == a.Kind }) == nil:
		return refuse(WrongContent, unknownAction.Say("name", string(a.Kind)))
	case t == nil:
		return refuse(WrongStatus, statusForbids.Say("status", r.Status))
	case !slices.Contains(t.By, a.By):
		return refuse(WrongActor, notForThisSide.Say("status", r.Status, "side", a.By))
	case !a.Standing.Allows(a.Kind, a.By):
		return refuse(WrongStanding, standingForbids.Say("standing", a.Standing))
	}
	if why := contentForbids(r, a); why != nil {
		return refuse(WrongContent, why)
	}
	return t, nil
}

// carryOut does what the lawful action a asks for.
func (d *Decision) carryOut(p *Policy, a Action, t *Transition) {
	r, now := &d.Record, d.Recorded
	step := Change{Effective: now, Actor: a.By, By: a.Caller, Detail: a.Detail}
	switch a.Kind {
	case LockForApproval:
		r.Locked = now
		d.pass(p, t, step)
	case Approve:
		if r.Customer.TenantID == "" {
			r.Customer = a.Customer
		}
		if p.Provisioning.External {
			r.Approved = now
		} else {
			r.activate(now)
		}
		d.pass(p, t, step)
		d.tell(p, KindApproved, now, r.partnerSide(), r.customerSide())
	case Reject:
		if r.Customer.TenantID == "" {
			r.Customer = a.Customer // so that whoever said no still finds what they said no to
		}
		r.End = now
		d.pass(p, t, step)
		d.tell(p, KindTerminated, now, r.partnerSide())
	case Terminate:
		r.End = now
		d.pass(p, t, step)
		d.tell(p, KindTerminated, now, r.partnerSide(), r.customerSide())
	case SetAutoExtend:
		if r.AutoExtend == a.AutoExtend {
			return // it is so already: nothing changes, and no end has become certain just now
		}
		r.AutoExtend = a.AutoExtend
		if !a.AutoExtend {
			r.WarnAfter = latest(r.WarnAfter, now)
		}
		step.Detail = "off"
		if a.AutoExtend {
			step.Detail = "on"
		}
		d.pass(p, t, step)
	case RemoveGlobalAdministrator:
		r.Roles = slices.DeleteFunc(slices.Clone(r.Roles), func(role string) bool { return role == GlobalAdministrator })
		d.pass(p, t, step)
		d.narrow(a.access)
	case BeginProvisioning, CompleteProvisioning:
		d.provisioned(p, t, step)
	case Delete:
		d.Gone = true
		d.pass(p, t, step)
	}
}

// activate begins the term at an instant.
func (r *Record) activate(at time.Time) {
	r.Activated, r.End, r.WarnAfter = at, r.Duration.After(at), at
}
