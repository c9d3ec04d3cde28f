package lifecycle

import (
	"slices"
	"time"
)

// A Decision is what has to happen to one record, and nothing has happened yet: the caller writes it, in one transaction, on
// the condition that the record is still at the version that was decided on. The zero Decision asks for nothing.
type Decision struct {
	Record   Record    // as it stands after the changes
	Recorded time.Time // the instant of the decision; the changes carry their own, earlier ones
	Changes  []Change  // in the order in which they took effect
	Notices  []Notice  // to be sent, and those left unsaid, with the reason
	Next     Timer     // what the clock will call for next

	Assignments []Assignment     // to be written as they stand here
	TakeAway    AssignmentStatus // what becomes of all live assignments, since the relationship ends; empty: they stay
	Gone        bool             // the record is deleted, and its name free; its history stays
}

// A Timer is a rule and the instant at which it falls due. The zero Timer never does.
type Timer struct {
	Rule RuleName
	At   time.Time
}

// An EventType names a change in the history of a record.
type EventType string

// The events.
const (
	EventImported                   EventType = "imported"        // the record came in from a file
	EventUpdated                    EventType = "updatedByImport" // a file brought other content for it
	EventLocked                     EventType = "lockedForApproval"
	EventApproved                   EventType = "approved"
	EventRejected                   EventType = "rejected"
	EventLapsed                     EventType = "requestLapsed"
	EventAutoExtendChanged          EventType = "autoExtendChanged"
	EventGlobalAdministratorRemoved EventType = "globalAdministratorRemoved"
	EventExtended                   EventType = "extended"
	EventTermEnded                  EventType = "termEnded"
	EventTerminated                 EventType = "terminated"
	EventNameReleased               EventType = "nameReleased"

	EventCreated EventType = "created" // by a partner; a file's are imported
	EventEdited  EventType = "edited"  // while it was a draft
	EventDeleted EventType = "deleted" // while it was a draft

	EventAssigned   EventType = "accessAssigned"
	EventReassigned EventType = "accessReassigned" // other roles for the same group
	EventUnassigned EventType = "accessUnassigned"

	// Reached where another system provisions access, or where there is access to take away.
	EventActivating           EventType = "activating"
	EventActivated            EventType = "activated"
	EventExpiring             EventType = "expiring"
	EventTerminationRequested EventType = "terminationRequested"
	EventTerminating          EventType = "terminating"

	// EventRefused is something that somebody asked for and did not get. It is no step in the life of a record, and neither are
	// those below, in which operators, or tenure itself, order something about timers: their Version is below zero, and counts
	// such events of the deployment downward.
	EventRefused EventType = "refused"

	EventHoldPlaced    EventType = "holdPlaced"    // Subject: kind and subject of the hold; Action: its number
	EventHoldReleased  EventType = "holdReleased"  // the same
	EventSweepHeld     EventType = "sweepHeld"     // Subject: the number of the sweep; Detail: what it would do
	EventSweepApproved EventType = "sweepApproved" // Subject: the number of the sweep; Detail: why
	EventSweepRejected EventType = "sweepRejected" // the same
	EventPolicySet     EventType = "policySet"     // the stored timers go by another policy from now on; Subject: its mark; Action: its digest
	EventPlanApplied   EventType = "planApplied"   // Subject: the digest of the plan; Detail: how many records
	EventQueueOrdered  EventType = "queueOrdered"  // of before it was a [Deed]. Subject: the queue; Action: what is done to it; Detail: why
)

// EventTypes lists them all.
var EventTypes = []EventType{EventCreated, EventEdited, EventDeleted, EventImported, EventUpdated, EventLocked, EventApproved, EventActivating,
	EventActivated, EventRejected, EventLapsed, EventAutoExtendChanged, EventGlobalAdministratorRemoved, EventAssigned, EventReassigned,
	EventUnassigned, EventExtended, EventExpiring, EventTermEnded, EventTerminationRequested, EventTerminating, EventTerminated,
	EventNameReleased, EventRefused, EventHoldPlaced, EventHoldReleased, EventSweepHeld, EventSweepApproved, EventSweepRejected,
	EventPolicySet, EventPlanApplied, EventQueueOrdered}

// A Change is one step in the life of a record; written down, it is an event. Version is the record's version after the
// step and, with the record, its unique key: the same step cannot be written twice.
type Change struct {
	Version   int64
	Type      EventType
	Rule      RuleName  // the timer that did it; empty for an action
	Effective time.Time // when it fell due, or was asked for
	From, To  Status
	End       time.Time // the record's End after the step
	Reason    Reason
	Actor     Actor
	By        *Caller // the person or program that asked; nil for a timer, and where nobody knows
	Detail    string  // what exactly, for people; e.g. which group was assigned
	Action    string  // of a refusal: what was asked for
	Subject   string  // of a refusal: what it was about
}

// Empty says whether there is nothing to write: no change, and no notice either.
func (d *Decision) Empty() bool { return len(d.Changes) == 0 && len(d.Notices) == 0 }

// Fired lists the rules whose timers take effect in the decision, each once.
func (d *Decision) Fired() []RuleName {
	var fired []RuleName
	add := func(rule RuleName) {
		if rule != "" && !slices.Contains(fired, rule) {
			fired = append(fired, rule)
		}
	}
	for i := range d.Changes {
		add(d.Changes[i].Rule)
	}
	for i := range d.Notices {
		if d.Notices[i].Kind == KindWarnExpiry { // which changes nothing that an event would tell of
			add(WarnExpiry)
		}
	}
	return fired
}

// change moves the record along the transition that rule takes from its status, with effect from due.
func (d *Decision) change(p *Policy, rule RuleName, due time.Time) {
	d.pass(p, transitionBy(rule, d.Record.Status), Change{Effective: due, Actor: System})
}

// pass moves the record along t. Where another system gives access and takes it away, it comes as far as the first status on the
// way, and [CompleteProvisioning] brings it to its goal. Where nothing but tenure keeps the books of access, it comes there at
// once; access that there is to take away is taken in a step of its own, so that it is recorded before the status says ended.
func (d *Decision) pass(p *Policy, t *Transition, step Change) {
	ends := t.To.Ended() && len(t.Via) > 0
	step.Rule = t.Rule
	switch {
	case len(t.Via) > 0 && p.Provisioning.External:
		if ends && d.Record.Assigned > 0 {
			d.TakeAway = AssignmentDeleting
		}
		d.step(t.Via[0], passing[t.Via[0]], t.Reason, step)
		return
	case ends && d.Record.Assigned > 0:
		d.TakeAway, d.Record.Assigned = AssignmentDeleted, 0
		last := t.Via[len(t.Via)-1]
		d.step(last, passing[last], t.Reason, step)
	}
	d.step(t.To, t.Event, t.Reason, step)
}

// step brings the record to a status and writes that down, as c says.
func (d *Decision) step(to Status, event EventType, reason Reason, c Change) {
	r := &d.Record
	c.From, c.To, c.Type, c.Reason = r.Status, to, event, reason
	r.Status = to
	r.Modified = latest(r.Modified, c.Effective)
	r.Version++
	c.Version, c.End = r.Version, r.End
	d.Changes = append(d.Changes, c)
}
