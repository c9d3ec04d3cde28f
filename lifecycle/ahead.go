package lifecycle

import (
	"iter"
	"time"
)

// Ahead says what the timers of r will call for from now until an instant, the instant included: one decision for each moment at
// which there is something to do, each about the record that the one before leaves, as workers that are never late would record
// it. What is due already comes first, as of now. Nothing that people do meanwhile is foreseen, and what another system has to
// carry out is not taken as done.
//
// Only the rules named in only fire, all where none is named; a timer of another rule stops the record there, and so does one
// that is on hold. A timer that yields to another one stops it no longer than until that one is due.
func Ahead(r Record, p *Policy, now, until time.Time, only ...RuleName) iter.Seq[Decision] {
	return func(yield func(Decision) bool) {
		var l Lookout
		for d := range l.Ahead(&r, p, now, until, only...) {
			if !yield(*d) {
				return
			}
			d.Changes, d.Notices = nil, nil // they are somebody else's now
		}
	}
}

// A Lookout looks ahead for very many records, one after the other, in the same memory. The zero Lookout is ready. It is for one goroutine.
type Lookout struct{ d Decision }

// Ahead is the function [Ahead]. A decision is the caller's until the next one is asked for.
func (l *Lookout) Ahead(r *Record, p *Policy, now, until time.Time, only ...RuleName) iter.Seq[*Decision] {
	return func(yield func(*Decision) bool) {
		d := &l.d
		for at := now; !at.After(until); {
			d.Evaluate(r, p, at, only...)
			next := d.Next.At
			if isDue(next, at) { // it is not let through
				next = overtaken(&d.Record, p, d.Next.Rule, at)
			}
			if !d.Empty() && !yield(d) || next.IsZero() {
				return
			}
			r, at = &d.Record, next
		}
	}
}

// overtaken is when the rule that a timer yields to falls due, and so lets the record go on; zero where none does after now.
func overtaken(r *Record, p *Policy, name RuleName, now time.Time) time.Time {
	rule := ruleNamed(name)
	if rule == nil || rule.YieldsTo == "" {
		return time.Time{}
	}
	due := ruleNamed(rule.YieldsTo).due(r, p)
	if !due.After(now) {
		return time.Time{}
	}
	return due
}

// EvaluateBy is [Evaluate] for what fell due by an instant, recorded at a later one: what has fallen due since is left for the
// next sweep, and what is old news by now is kept back.
func EvaluateBy(r Record, p *Policy, by, now time.Time, only ...RuleName) Decision {
	d := Evaluate(r, p, by, only...)
	d.Recorded = now
	for i := range d.Notices {
		n := &d.Notices[i]
		if n.Status == NoticeQueued && n.Kind != KindWarnExpiry && p.Notices.Stale(n.Due, now) {
			n.Status, n.Reason = NoticeSuppressed, Stale
		}
		n.DailyAt = p.Notices.Digests.WaitsUntil(DailyDigest, n, now)
		n.WeeklyAt = p.Notices.Digests.WaitsUntil(WeeklyDigest, n, now)
	}
	return d
}
