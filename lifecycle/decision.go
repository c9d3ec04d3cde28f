package lifecycle

import "time"

// A Decision is what has to happen to one record, and nothing has happened yet: the caller writes it, in one transaction, on
// the condition that the record is still at the version that was decided on. The zero Decision asks for nothing.
type Decision struct {
	Record   Record    // as it stands after the changes
	Recorded time.Time // the instant of the decision; the changes carry their own, earlier ones
	Changes  []Change  // in the order in which they took effect
	Notices  []Notice  // to be sent, and those left unsaid, with the reason
	Next     Timer     // what the clock will call for next
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
)

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
}

// Empty says whether there is nothing to write: no change, and no notice either.
func (d *Decision) Empty() bool { return len(d.Changes) == 0 && len(d.Notices) == 0 }

// change moves the record along the transition that rule takes from its status, with effect from due.
func (d *Decision) change(rule RuleName, due time.Time) {
	from := d.Record.Status
	t := transition(func(t *Transition) bool { return t.Rule == rule && t.From == from })
	d.take(t, System, due)
}

// take moves the record along t and writes the step down.
func (d *Decision) take(t *Transition, by Actor, effective time.Time) {
	r := &d.Record
	r.Status = t.To
	r.Modified = latest(r.Modified, effective)
	r.Version++
	d.Changes = append(d.Changes, Change{Version: r.Version, Type: t.Event, Rule: t.Rule, Effective: effective,
		From: t.From, To: t.To, End: r.End, Reason: t.Reason, Actor: by})
}
