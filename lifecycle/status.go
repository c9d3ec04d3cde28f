package lifecycle

import "slices"

// A Status is where a relationship stands, in the words of Microsoft Graph (delegatedAdminRelationshipStatus).
type Status string

// The statuses, in the order of a life. Expiring means that the end has passed and access is being taken away; it does not
// mean "ends soon".
const (
	Created              Status = "created"
	ApprovalPending      Status = "approvalPending"
	Approved             Status = "approved"
	Activating           Status = "activating"
	Active               Status = "active"
	Expiring             Status = "expiring"
	Expired              Status = "expired"
	TerminationRequested Status = "terminationRequested"
	Terminating          Status = "terminating"
	Terminated           Status = "terminated"
)

// Statuses lists them all.
var Statuses = []Status{Created, ApprovalPending, Approved, Activating, Active, Expiring, Expired,
	TerminationRequested, Terminating, Terminated}

// Known says whether s is one of [Statuses].
func (s Status) Known() bool { return slices.Contains(Statuses, s) }

// Ended says whether the relationship is over: there is no way back from here.
func (s Status) Ended() bool { return s == Expired || s == Terminated }

// Passing says whether the relationship is on its way to another status, which another system has to complete: access is being
// given or taken away.
func (s Status) Passing() bool { return passing[s] != "" }

// passing are the events of reaching a status that is left by itself.
var passing = map[Status]EventType{
	Approved: EventApproved, Activating: EventActivating, Expiring: EventExpiring,
	TerminationRequested: EventTerminationRequested, Terminating: EventTerminating,
}

// Locked says whether the content is frozen: what was asked for can no longer be edited.
func (s Status) Locked() bool { return s != Created }

// An Actor is who made a change.
type Actor string

// Who moves a relationship.
const (
	Partner  Actor = "partner"  // an Admin agent of the partner
	Customer Actor = "customer" // a Global administrator of the customer
	System   Actor = "system"   // a timer
	Import   Actor = "import"   // records read from a file

	Provisioner Actor = "provisioner" // the system that gives access and takes it away
)

// Actors lists them all.
var Actors = []Actor{Partner, Customer, System, Import, Provisioner}

// A Reason says in a word why something happened or did not.
type Reason string

// Why a relationship ended.
const (
	RequestLapsed Reason = "requestLapsed" // nobody approved it in time
	Rejected      Reason = "rejected"      // the customer said no
	TermEnded     Reason = "termEnded"     // the agreed time is over
)

// A Transition is one lawful way from a status to another, or to itself where only the content changes. Either a timer
// takes it (Rule) or a person asks for it (Action).
type Transition struct {
	From   Status
	Via    []Status // on the way; how far it comes at once, [Decision.pass] says
	To     Status
	Rule   RuleName
	Action ActionKind
	By     []Actor
	Event  EventType
	Reason Reason
}

// Transitions is the whole status machine. What is not in this table cannot happen; nothing in it leads out of expired or
// terminated. Source: docs/domain.md, section 2.
var Transitions = []Transition{
	{From: Created, To: ApprovalPending, Action: LockForApproval, By: []Actor{Partner}, Event: EventLocked},
	{From: Created, To: Created, Action: Edit, By: []Actor{Partner}, Event: EventEdited},
	{From: Created, To: Created, Action: Delete, By: []Actor{Partner}, Event: EventDeleted},
	{From: Created, To: Created, Action: SetAutoExtend, By: []Actor{Partner}, Event: EventAutoExtendChanged},
	{From: Created, To: Created, Action: RemoveGlobalAdministrator, By: []Actor{Partner}, Event: EventGlobalAdministratorRemoved},

	{From: ApprovalPending, Via: []Status{Approved, Activating}, To: Active, Action: Approve, By: []Actor{Customer}, Event: EventApproved},
	{From: ApprovalPending, To: Terminated, Action: Reject, By: []Actor{Customer}, Event: EventRejected, Reason: Rejected},
	{From: ApprovalPending, To: Expired, Rule: ExpirePending, By: []Actor{System}, Event: EventLapsed, Reason: RequestLapsed},

	{From: Active, To: Active, Action: SetAutoExtend, By: []Actor{Partner, Customer}, Event: EventAutoExtendChanged},
	{From: Active, To: Active, Action: RemoveGlobalAdministrator, By: []Actor{Partner}, Event: EventGlobalAdministratorRemoved},
	{From: Active, To: Active, Rule: AutoExtend, By: []Actor{System}, Event: EventExtended},
	{From: Active, Via: []Status{Expiring}, To: Expired, Rule: EndTerm, By: []Actor{System}, Event: EventTermEnded, Reason: TermEnded},
	{From: Active, Via: []Status{TerminationRequested, Terminating}, To: Terminated, Action: Terminate, By: []Actor{Partner, Customer}, Event: EventTerminated},

	{From: Active, To: Active, Action: Assign, By: []Actor{Partner}, Event: EventAssigned},
	{From: Active, To: Active, Action: Reassign, By: []Actor{Partner}, Event: EventReassigned},
	{From: Active, To: Active, Action: Unassign, By: []Actor{Partner}, Event: EventUnassigned},

	{From: Approved, To: Activating, Action: BeginProvisioning, By: []Actor{Provisioner}, Event: EventActivating},
	{From: Approved, To: Active, Action: CompleteProvisioning, By: []Actor{Provisioner}, Event: EventActivated},
	{From: Activating, To: Active, Action: CompleteProvisioning, By: []Actor{Provisioner}, Event: EventActivated},
	{From: Expiring, To: Expired, Action: CompleteProvisioning, By: []Actor{Provisioner}, Event: EventTermEnded, Reason: TermEnded},
	{From: TerminationRequested, To: Terminating, Action: BeginProvisioning, By: []Actor{Provisioner}, Event: EventTerminating},
	{From: TerminationRequested, To: Terminated, Action: CompleteProvisioning, By: []Actor{Provisioner}, Event: EventTerminated},
	{From: Terminating, To: Terminated, Action: CompleteProvisioning, By: []Actor{Provisioner}, Event: EventTerminated},

	{From: Expired, To: Expired, Rule: ReleaseName, By: []Actor{System}, Event: EventNameReleased},
	{From: Terminated, To: Terminated, Rule: ReleaseName, By: []Actor{System}, Event: EventNameReleased},
}

// transitionBy is the way that a rule takes from a status; nil where there is none.
func transitionBy(rule RuleName, from Status) *Transition {
	for i := range Transitions {
		if t := &Transitions[i]; t.Rule == rule && t.From == from {
			return t
		}
	}
	return nil
}

func transition(found func(t *Transition) bool) *Transition {
	for i := range Transitions {
		if found(&Transitions[i]) {
			return &Transitions[i]
		}
	}
	return nil
}
