package lifecycle

import "time"

// A Provision is what another system is asked to do about the access that a relationship gives.
type Provision string

// What it is asked to do.
const (
	Grant  Provision = "grant"  // the customer has approved: make the roles available to the partner
	Revoke Provision = "revoke" // the relationship has come to its end: take all access away
)

// Provision is what another system has to do before a relationship of this status can go on; empty where it need not.
func (s Status) Provision() Provision {
	switch s {
	case Approved, Activating:
		return Grant
	case Expiring, TerminationRequested, Terminating:
		return Revoke
	}
	return ""
}

// provisioned notes how far another system has come. However long it takes, what it does counts from the instant at which it
// was called for: the term from the approval, the end from the end.
func (d *Decision) provisioned(p *Policy, t *Transition, step Change) {
	r := &d.Record
	step.Effective = r.calledFor(d.Recorded)
	if t.Action == CompleteProvisioning {
		switch t.To {
		case Active:
			r.activate(step.Effective)
			r.WarnAfter = d.Recorded // until now nobody could be warned: nothing had begun
		default:
			if r.Assigned > 0 {
				d.TakeAway, r.Assigned = AssignmentDeleted, 0
			}
			if r.End.IsZero() {
				r.End = step.Effective
			}
		}
	}
	d.pass(p, t, step)
}

// calledFor is the instant at which what is being provisioned took effect; now where nobody has noted it, as in a record that
// came in from elsewhere.
func (r *Record) calledFor(now time.Time) time.Time {
	at := r.End
	if r.Status.Provision() == Grant {
		at = r.Approved
	}
	if at.IsZero() || at.After(now) {
		return now
	}
	return at
}

// A ProvisioningOrder is what another system is asked to do about one relationship, and how far it has come. It is asked again
// until it is done, so it must take the same order twice.
type ProvisioningOrder struct {
	Relationship Record       // as it is stored
	Key          int64        // of the relationship
	Assignments  []Assignment // those that are to be taken away
	Version      int64        // of the record when it was called for: with the relationship's id, the id of the order
	Since        time.Time    // called for, by the deployment's clock
	Accepted     bool         // the other system has taken it on, and will call back
	Attempts     int
	ReadyAt      time.Time // by the machine's clock: when it is asked (again)
	LastError    string
	Claim        int // grows whenever somebody takes it up or settles it
}

// What is asked for.
func (o *ProvisioningOrder) What() Provision { return o.Relationship.Status.Provision() }

// Stuck says whether the order has waited longer than the policy thinks it should.
func (o *ProvisioningOrder) Stuck(p *Policy, now time.Time) bool {
	return isDue(dueAfter(o.Since, p.Provisioning.StuckAfter), now)
}

// StuckBefore is the instant such that an order that was called for before it is stuck by now; zero where none ever is.
func (p *Policy) StuckBefore(now time.Time) time.Time {
	if p.Provisioning.StuckAfter.IsZero() {
		return time.Time{}
	}
	return p.Provisioning.StuckAfter.Before(now).Add(time.Microsecond) // at exactly that age it is stuck
}

// A ProvisioningReply is what the other system says to an order that it does not fail at. The zero reply says that it is carried
// out.
type ProvisioningReply struct {
	Accepted bool          // taken on; it will call back when it is carried out
	Again    time.Duration // when to ask again if it does not call back; zero: it did not say
	Detail   string        // what it had to say, fit to be shown
}

// A ProvisioningAnswer is what became of asking.
type ProvisioningAnswer struct {
	Key, Version int64
	Claim        int
	Accepted     bool      // taken on: it is asked again only if it does not call back
	LastError    string    // empty where there was none
	ReadyAt      time.Time // when it is asked again, by the machine's clock
}

// A ProvisioningQuery says which orders are wanted. The zero query wants all of them.
type ProvisioningQuery struct {
	Relationship string    // id
	Before       time.Time // called for before this instant
	After        int64     // the key of the last one on the page before
	Limit        int       // 0: no limit
}
