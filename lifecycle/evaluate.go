package lifecycle

import (
	"slices"
	"time"
)

// Evaluate says what the timers of r call for by now: everything that is due, in the order in which it fell due, until
// nothing more is; and the timer that comes next. An instant is due when due <= now.
//
// A worker that comes late gets the same changes with the same effective instants as one that looked every minute: a
// relationship that extends itself and was forgotten for 400 days is extended three times. Evaluating the result again at
// the same instant finds nothing.
//
// Only the rules named in only fire, all where none is named; a due timer of another rule stops the record there, and so does
// one that is on hold.
func Evaluate(r Record, p *Policy, now time.Time, only ...RuleName) Decision {
	rule, next := firing(&r, p, now, only)
	if rule == nil { // what most looks find; it must cost nothing
		return Decision{Record: r, Recorded: now, Next: next}
	}
	d := Decision{Record: r, Recorded: now}
	rule.Fire(&d, p, next.At)
	d.settle(p, only)
	return d
}

// Evaluate makes d what the function [Evaluate] answers with. It takes the memory that d has: what d said before is gone, and so are the
// changes and notices of it. That is for whoever asks about very many records, and keeps nothing of the decisions.
func (d *Decision) Evaluate(r *Record, p *Policy, now time.Time, only ...RuleName) {
	*d = Decision{Record: *r, Recorded: now, Changes: d.Changes[:0], Notices: d.Notices[:0]}
	d.settle(p, only)
}

// settle fires what is due at d.Recorded, and sets d.Next to what is not.
func (d *Decision) settle(p *Policy, only []RuleName) {
	for {
		rule, next := firing(&d.Record, p, d.Recorded, only)
		if rule == nil {
			d.Next = next
			return
		}
		rule.Fire(d, p, next.At)
	}
}

// firing is the rule that fires now, and its timer; nil where none does, and the timer that comes next or is not let through.
func firing(r *Record, p *Policy, now time.Time, only []RuleName) (*Rule, Timer) {
	rule, due := firstDue(r, p, now)
	switch {
	case rule == nil:
		return nil, Timer{}
	case due.After(now) || len(only) > 0 && !slices.Contains(only, rule.Name) || slices.Contains(r.Stayed, rule.Name):
		return nil, Timer{Rule: rule.Name, At: due}
	}
	return rule, Timer{Rule: rule.Name, At: due}
}

// firstDue is the rule that falls due first, and when; nil where none ever does. A rule whose better is due too stays silent.
func firstDue(r *Record, p *Policy, now time.Time) (first *Rule, at time.Time) {
	for i := range Rules {
		rule := &Rules[i]
		due := rule.due(r, p)
		if due.IsZero() || (first != nil && !due.Before(at)) {
			continue
		}
		if rule.YieldsTo != "" && isDue(ruleNamed(rule.YieldsTo).due(r, p), now) {
			continue
		}
		first, at = rule, due
	}
	return first, at
}

func isDue(due, now time.Time) bool { return !due.IsZero() && !due.After(now) }

// dueAfter is the instant p after from; never where there is no instant to count from, or no period: a zero period in the
// policy switches its rule off.
func dueAfter(from time.Time, p Period) time.Time {
	if from.IsZero() || p.IsZero() {
		return time.Time{}
	}
	return p.After(from)
}

// NextTimer is what the clock will call for next, or has called for already: it does not look at the time.
func NextTimer(r *Record, p *Policy) Timer {
	rule, due := firstDue(r, p, time.Time{})
	if rule == nil {
		return Timer{}
	}
	return Timer{Rule: rule.Name, At: due}
}
