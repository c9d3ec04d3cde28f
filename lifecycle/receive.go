package lifecycle

import (
	"fmt"
	"slices"
	"time"
)

// An Incoming is a record read from a file.
type Incoming struct {
	Record
	Digest string // of the text that it was read from: the same text twice is taken once
	Unsaid Unsaid
}

// Unsaid says of which fields a file said nothing, as an export of selected fields does.
type Unsaid struct {
	Customer, Roles, AutoExtend, Created, Modified, Locked, Activated bool
}

// Unsaid lists what w leaves out or null.
func (w *Wire) Unsaid() Unsaid {
	return Unsaid{Customer: w.Customer == nil, Roles: w.AccessDetails == nil, AutoExtend: w.AutoExtendDuration == "",
		Created: w.CreatedDateTime == nil, Modified: w.LastModifiedDateTime == nil, Locked: w.LockedDateTime == nil,
		Activated: w.ActivatedDateTime == nil}
}

// Over is the record as it updates stored, or as it is where there is none: what a file says nothing of stays as it was,
// since silence about the roles is no removal of Global Administrator. Only of a draft it is taken for what it is.
func (in *Incoming) Over(stored *Stored) Record {
	r := in.Record
	if stored == nil || !r.Status.Locked() {
		return r
	}
	was, unsaid := &stored.Record, in.Unsaid
	if unsaid.Customer {
		r.Customer = was.Customer
	}
	if unsaid.Roles {
		r.Roles = was.Roles
	}
	if unsaid.AutoExtend {
		r.AutoExtend = was.AutoExtend
	}
	keep := func(unsaid bool, at *time.Time, was time.Time) {
		if unsaid && !was.IsZero() {
			*at = was
		}
	}
	keep(unsaid.Created, &r.Created, was.Created)
	keep(unsaid.Modified, &r.Modified, was.Modified)
	keep(unsaid.Locked, &r.Locked, was.Locked)
	keep(unsaid.Activated, &r.Activated, was.Activated)
	return r
}

// A Taken says what became of an incoming record.
type Taken string

// What can become of it.
const (
	TakenNew     Taken = "created"
	TakenChanged Taken = "updated"
	TakenBefore  Taken = "unchanged"
	TakenNot     Taken = "refused"
)

// An Intake is the answer to an incoming record: what became of it and, where it was refused, why.
type Intake struct {
	Taken Taken
	Fault *Fault
}

// Receive decides on an incoming record, stored being the one with the same id, or nil. It mirrors what the file says and
// fires no timer: an export from elsewhere may know of an extension or an end that this database has not heard of. Two
// things a file cannot do: bring an ended relationship back, and give one to another partner.
func Receive(stored *Stored, sameDigest bool, in Record, p *Policy, now time.Time) (Decided, Intake) {
	if stored == nil {
		d := Decision{Record: in, Recorded: now}
		d.received(EventImported, "", p)
		return Decided{Decision: d}, Intake{Taken: TakenNew}
	}
	was := &stored.Record
	if in.Partner != was.Partner {
		return Decided{}, Intake{TakenNot, &Fault{"partner.tenantId", in.Partner, fmt.Sprintf(
			"the relationship is one of partner %s, and stays so; look at --partner", was.Partner), nil}}
	}
	if was.Status.Ended() && in.Status != was.Status {
		return Decided{}, Intake{TakenNot, &Fault{"status", string(in.Status), fmt.Sprintf(
			"the relationship %s on %s, and nothing leads out of that; if it runs elsewhere, find out why it ended here", was.Status, FormatInstant(was.End)), nil}}
	}
	in.Version = was.Version
	in.WarnAfter = was.WarnAfter
	in.Approved, in.Assigned, in.Stayed = was.Approved, was.Assigned, was.Stayed
	if !was.NameReleased.IsZero() {
		in.NameReleased = was.NameReleased
	}
	if sameDigest || sameContent(was, &in) {
		return Decided{}, Intake{Taken: TakenBefore}
	}
	if in.Status != was.Status || !in.End.Equal(was.End) || in.Extends() != was.Extends() {
		in.WarnAfter = now // the end has become known just now
	}
	d := Decision{Record: in, Recorded: now}
	d.received(EventUpdated, was.Status, p)
	return Decided{Key: stored.Key, Version: was.Version, Decision: d}, Intake{Taken: TakenChanged}
}

// received writes the arrival down and sets the next timer, without firing it.
func (d *Decision) received(event EventType, from Status, p *Policy) {
	r := &d.Record
	if r.Status.Ended() && r.Assigned > 0 {
		d.TakeAway, r.Assigned = AssignmentDeleted, 0
	}
	r.Version++
	d.Changes = append(d.Changes, Change{Version: r.Version, Type: event, Effective: d.Recorded, From: from, To: r.Status,
		End: r.End, Actor: Import})
	d.Next = NextTimer(r, p)
}

func sameContent(a, b *Record) bool {
	return a.DisplayName == b.DisplayName && a.Duration == b.Duration && a.AutoExtend == b.AutoExtend &&
		a.Status == b.Status && a.Customer == b.Customer && slices.Equal(a.Roles, b.Roles) && a.Created.Equal(b.Created) &&
		a.Modified.Equal(b.Modified) && a.Locked.Equal(b.Locked) && a.Activated.Equal(b.Activated) && a.End.Equal(b.End)
}
