package lifecycle

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Hold says that timers must not take effect until somebody releases it. What falls due meanwhile is not lost: after the
// release it happens with the effective instants that it has anyway, as after an outage.
type Hold struct {
	ID      int64
	Kind    HoldKind
	Subject string // the relationship's id, the tenant, the rule; empty for everything
	Cause   Reason // why tenure itself has placed it; empty: a person did
	Note    string // why, for people

	PlacedAt    time.Time // by the deployment's clock
	PlacedBy    string    // the caller's name; empty where tenure itself did
	ReleasedAt  time.Time // zero while it is in force
	ReleasedBy  string
	ReleaseNote string
}

// A HoldKind says what a hold is about.
type HoldKind string

// The kinds of holds.
const (
	HoldRelationship HoldKind = "relationship" // all timers of one relationship, e.g. while lawyers look at it
	HoldTenant       HoldKind = "tenant"       // those of all relationships of a tenant, as partner or as customer
	HoldRule         HoldKind = "rule"         // one rule is paused
	HoldEverything   HoldKind = "everything"   // no timer takes effect, and no notice is sent: quarantine
)

// HoldKinds lists them all.
var HoldKinds = []HoldKind{HoldRelationship, HoldTenant, HoldRule, HoldEverything}

// Why tenure itself places a hold.
const (
	ClockAhead    Reason = "clockAhead"    // the clock shows a time too far after the last one seen
	ClockBack     Reason = "clockBack"     // it shows a time before the last one seen
	EventsMissing Reason = "eventsMissing" // there were more events once: an older copy of the database has been restored
	LargeBacklog  Reason = "largeBacklog"  // more has fallen due than a short outage explains
	SweepRejected Reason = "sweepRejected" // an operator has rejected a sweep of the rule
)

// What placing and releasing a hold may answer, for [errors.Is].
var (
	ErrHeldAlready = errors.New("it is on hold already")
	ErrReleased    = errors.New("the hold is released already")
)

// A HoldQuery says which holds are wanted, the latest first. The zero query wants all of them.
type HoldQuery struct {
	Kind    HoldKind // empty: every kind
	Subject string   // as [Hold] has it
	Active  bool     // only those that are in force
	Before  int64    // only those with a lower id, for the next page; 0: from the latest
	Limit   int      // at most so many; 0: no limit
}

// Active says whether the hold is in force.
func (h *Hold) Active() bool { return h.ReleasedAt.IsZero() }

// Covers says whether the hold is in force and keeps some timer of r from taking effect, or would if one were due.
func (h *Hold) Covers(r *Record) bool {
	switch {
	case !h.Active():
		return false
	case h.Kind == HoldRelationship:
		return h.Subject == r.ID
	case h.Kind == HoldTenant:
		return h.Subject == r.Partner || h.Subject == r.Customer.TenantID
	}
	return true // a rule's, and that of everything, are about every record
}

// Stayed lists the rules whose timers must not take effect on r while the holds are in force, in the order of [Rules].
func Stayed(holds []Hold, r *Record) []RuleName {
	whole := func(h Hold) bool { return h.Kind != HoldRule && h.Covers(r) }
	if slices.ContainsFunc(holds, whole) {
		return RuleNames()
	}
	return Paused(holds)
}

// mostNote is how long the reason of a hold may be, in characters.
const mostNote = 500

// Check puts what somebody wants held into the form in which it is kept, and finds every fault of it. The error is [Faults].
func (h *Hold) Check() error {
	var faults Faults
	fault := func(field, value, reason string) {
		faults = append(faults, Fault{Field: field, Value: value, Reason: reason})
	}
	h.Subject = strings.TrimSpace(h.Subject)
	switch h.Kind {
	case HoldRelationship:
		if h.Subject = CanonicalID(h.Subject); h.Subject == "" {
			fault("subject", "", "is missing; give the id of the relationship")
		}
	case HoldTenant:
		if h.Subject = strings.ToLower(h.Subject); !IsGUID(h.Subject) {
			faults = append(faults, *faultOf("subject", h.Subject, noTenantID.Say()))
		}
	case HoldRule:
		if !RuleName(h.Subject).Known() {
			fault("subject", h.Subject, fmt.Sprintf("is no rule; there are %s", joined(RuleNames())))
		}
	case HoldEverything:
		if h.Subject != "" {
			fault("subject", h.Subject, "must be left out: everything is everything")
		}
	default:
		fault("kind", string(h.Kind), fmt.Sprintf("must be one of %s", joined(HoldKinds)))
	}
	h.Note = strings.TrimSpace(h.Note)
	if fault := noteFault(h.Note); fault != nil {
		faults = append(faults, *fault)
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

var (
	noteMissing    = NewSentence("reasonMissing", "is missing; say why, for whoever asks later")
	noteUnreadable = NewSentence("reasonUnreadable", "holds control characters or is not valid UTF-8; take them out")
	noteTooLong    = NewSentence("reasonTooLong", "has more than {most} characters; shorten it")
)

// noteFault says what is wrong with the words in which an operator gives a reason; nil where they may be kept.
func noteFault(note string) *Fault {
	switch {
	case note == "":
		return faultOf("note", "", noteMissing.Say())
	case !utf8.ValidString(note) || strings.ContainsFunc(note, func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' }):
		return faultOf("note", "", noteUnreadable.Say())
	case utf8.RuneCountInString(note) > mostNote:
		return faultOf("note", note, noteTooLong.Say("most", mostNote))
	}
	return nil
}

// CheckNote says what is wrong with the words in which an operator gives a reason, without the blanks around them. The error is
// [Faults].
func CheckNote(note string) error {
	if fault := noteFault(strings.TrimSpace(note)); fault != nil {
		return Faults{*fault}
	}
	return nil
}

func joined[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	return strings.Join(texts, ", ")
}

// About is what the hold is about, in a line: its kind and, where it has one, its subject.
func (h *Hold) About() string { return strings.TrimSpace(string(h.Kind) + " " + h.Subject) }

// Who is the caller who placed it or, where there is none, tenure itself.
func (h *Hold) Who() string { return cmp.Or(h.PlacedBy, "tenure") }

// Paused lists the rules that the holds stay for every relationship, in the order of [Rules].
func Paused(holds []Hold) []RuleName {
	var paused []RuleName
	for _, rule := range RuleNames() {
		if slices.ContainsFunc(holds, func(h Hold) bool {
			return h.Active() && (h.Kind == HoldEverything || h.Kind == HoldRule && h.Subject == string(rule))
		}) {
			paused = append(paused, rule)
		}
	}
	return paused
}

// HeldUp says whether the timer of r that comes next must not take effect, or whatever timer it has: a hold of the record or of one of
// its tenants is in force, or everything is on hold.
func (r *Record) HeldUp(p *Policy) bool {
	return len(r.Stayed) == len(Rules) || slices.Contains(r.Stayed, NextTimer(r, p).Rule)
}

// OnHold is why an action is refused on a relationship of which a timer that would change it is due, and on hold: what the action
// meets is not settled until somebody releases the hold.
const OnHold Reason = "onHold"

// withheld is the timer that is due, would change the record, and must not take effect; the zero Timer where there is none. A
// warning withheld changes nothing for whoever acts.
func (d *Decision) withheld() Timer {
	if isDue(d.Next.At, d.Recorded) && slices.Contains(d.Record.Stayed, d.Next.Rule) && transitionBy(d.Next.Rule, d.Record.Status) != nil {
		return d.Next
	}
	return Timer{}
}

// heldUp refuses an action on a record whose state waits for a hold to be released; nil where it does not.
func (d *Decision) heldUp(a Action) *Refusal {
	timer := d.withheld()
	if timer.Rule == "" {
		return nil
	}
	return &Refusal{Action: a, Reason: OnHold, Status: d.Record.Status,
		Why: withheldForbids.Say("rule", timer.Rule, "at", FormatInstant(timer.At))}
}
