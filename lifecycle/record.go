package lifecycle

import (
	"slices"
	"time"
)

// GlobalAdministrator is the template id of the directory role that no relationship may be extended with.
// Source: Microsoft Entra built-in roles.
const GlobalAdministrator = "62e90394-69f5-4237-9190-012177145e10"

// A Record is one relationship: what a partner and a customer agreed on, and where it stands. Its zero times mean "not yet"
// or "never"; all others are UTC with microseconds. The rules of each field are in docs/domain.md, section 1.
type Record struct {
	ID          string // two GUIDs joined by "-"
	Partner     string // tenant id of the partner, whose names must differ
	DisplayName string // 1 to 50 characters
	Duration    Period // of the term, from activation; fixed once locked
	AutoExtend  bool   // extend at the end of the term rather than end; by how much is policy
	Status      Status
	Customer    Tenant   // whose administration is delegated; the zero Tenant: not known yet
	Roles       []string // template ids of directory roles

	Created   time.Time
	Modified  time.Time
	Locked    time.Time // the request was locked for approval; its 90 days run from here
	Approved  time.Time // the customer said yes; the term counts from here, however long another system takes; zero where none does
	Activated time.Time
	End       time.Time // active: when the term will end; ended: the instant it did; before activation: zero

	// WarnAfter is the instant up to which warnings of this End are settled: a stage whose moment lies at or before it is not
	// sent (any more). It is the moment since when the end has been certain, or the moment of the last stage sent.
	WarnAfter time.Time

	NameReleased time.Time // the display name is free since then; zero while it is held

	Assigned int   // access assignments that are live: what there is to take away when it ends
	Version  int64 // grows by one with every change; the etag

	Stayed []RuleName // timers that must not take effect at present, since they are on hold; see [Hold]
}

// A Tenant is an organisation in the directory.
type Tenant struct {
	TenantID    string
	DisplayName string
}

// HoldsGlobalAdministrator says whether Global Administrator is among the roles. Such a relationship is never extended,
// whatever its AutoExtend says.
func (r *Record) HoldsGlobalAdministrator() bool {
	return slices.Contains(r.Roles, GlobalAdministrator)
}

// Extends says whether the term will be extended at its end.
func (r *Record) Extends() bool { return r.AutoExtend && !r.HoldsGlobalAdministrator() }

// ReallyEnds says whether the relationship is active and going to end at End: the state of things that a warning tells of.
func (r *Record) ReallyEnds() bool { return r.Status == Active && !r.Extends() }

// NameFreeAt is the instant at which the display name comes free, once the end of the relationship is certain and past; zero while
// it is not, and where the name never does.
func (r *Record) NameFreeAt(p *Policy) time.Time {
	if r.Status.Ended() || r.Status.Provision() == Revoke {
		return dueAfter(r.End, p.Names.HoldFor)
	}
	return time.Time{}
}

// Ended is the instant at which the relationship ended, and zero while it has not.
func (r *Record) Ended() time.Time {
	if r.Status.Ended() {
		return r.End
	}
	return time.Time{}
}
