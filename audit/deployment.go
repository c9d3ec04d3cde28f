package audit

import (
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// Clocks of machines differ, and what is written a moment later was decided on a moment before. Within this time after a hold
	// is placed, or before it is released, nobody can say which came first.
	skew = time.Minute

	// After a policy is set some workers go by the one before for a while; and the timers are set anew before it counts as set.
	changeover = 15 * time.Minute

	// A clock that was set back by so little is no reason for alarm: it is what quarantine allows too.
	clockBack = 5 * time.Minute
)

// A deployment is what accounts are judged by.
type deployment struct {
	lifecycle.Books
	opts      Options
	objective lifecycle.LatenessPolicy
}

func newDeployment(books lifecycle.Books, opts Options) deployment {
	d := deployment{books, opts, opts.Objective}
	if policies, _ := d.policiesAt(opts.Now); len(policies) > 0 && d.objective == (lifecycle.LatenessPolicy{}) {
		d.objective = policies[0].Lateness
	}
	return d
}

// policiesAt are the policies by which something that was recorded at an instant may have been decided on: the one in force
// then, and around a change its neighbours. known is false where none was kept yet: then they are a guess.
func (d *deployment) policiesAt(at time.Time) (policies []*lifecycle.Policy, known bool) {
	n := len(d.Policies)
	if n == 0 {
		if d.opts.Policy == nil {
			return nil, false
		}
		return []*lifecycle.Policy{d.opts.Policy}, false
	}
	current := -1
	for i := range d.Policies {
		if !d.Policies[i].SetAt.After(at) {
			current = i
		}
	}
	if current < 0 {
		return []*lifecycle.Policy{&d.Policies[0].Policy}, d.Policies[0].SetAt.Sub(at) < changeover
	}
	policies = append(policies, &d.Policies[current].Policy)
	for i := current; i > 0 && at.Sub(d.Policies[i].SetAt) < changeover; i-- {
		policies = append(policies, &d.Policies[i-1].Policy)
	}
	for i := current + 1; i < n && d.Policies[i].SetAt.Sub(at) < changeover; i++ {
		policies = append(policies, &d.Policies[i].Policy)
	}
	return policies, true
}

// A sureness is how sure it is that something was so.
type sureness int

const (
	no sureness = iota
	maybe
	surely
)

// heldAt says whether a timer of rule was on hold at an instant for a relationship; an empty rule asks for holds of the
// relationship alone. In a sandbox it is never sure: whoever read its clock before a hold was placed or released may write after
// that, when the clock has been moved by months.
func (d *deployment) heldAt(at time.Time, rule lifecycle.RuleName, who *subject) sureness {
	sure := no
	for i := range d.Holds {
		h := &d.Holds[i]
		if !concerns(h, rule, who) {
			continue
		}
		switch {
		case at.After(h.PlacedAt.Add(skew)) && (h.ReleasedAt.IsZero() || at.Before(h.ReleasedAt.Add(-skew))):
			if d.Live {
				return surely
			}
			sure = maybe
		case !at.Before(h.PlacedAt.Add(-skew)) && (h.ReleasedAt.IsZero() || !at.After(h.ReleasedAt.Add(skew))):
			sure = maybe
		}
	}
	return sure
}

// A subject is whom a hold may be about.
type subject struct{ id, partner, customer string }

func concerns(h *lifecycle.Hold, rule lifecycle.RuleName, who *subject) bool {
	switch h.Kind {
	case lifecycle.HoldEverything:
		return rule != ""
	case lifecycle.HoldRule:
		return rule != "" && h.Subject == string(rule)
	case lifecycle.HoldRelationship:
		return h.Subject == who.id
	case lifecycle.HoldTenant:
		return h.Subject != "" && (h.Subject == who.partner || h.Subject == who.customer)
	}
	return false
}

// releasedAfter is the last instant at which a timer that fell due at due was let go of, by the release of a hold, by the ruling
// about a sweep, or by the policy that made it due; zero where nothing kept it.
func (d *deployment) releasedAfter(due time.Time, rule lifecycle.RuleName, who *subject, until time.Time) (last time.Time) {
	later := func(at time.Time) {
		if at.After(due) && !at.After(until) && at.After(last) {
			last = at
		}
	}
	for i := range d.Holds {
		if h := &d.Holds[i]; concerns(h, rule, who) && !h.ReleasedAt.IsZero() && h.PlacedAt.Before(until) {
			later(h.ReleasedAt)
		}
	}
	for i := range d.Sweeps {
		if s := &d.Sweeps[i]; s.Ruling != nil && fires(s, rule) && !s.AsOf.Before(due) {
			later(s.Ruling.At)
		}
	}
	return last
}

func fires(s *lifecycle.Sweep, rule lifecycle.RuleName) bool {
	return !s.DryRun && (len(s.Rules) == 0 || slices.Contains(s.Rules, rule))
}

// waitsFor says why a timer that fell due is still to fire; false where there is no reason.
func (d *deployment) waitsFor(due, since time.Time, rule lifecycle.RuleName, who *subject) (Wait, bool) {
	if d.heldAt(d.opts.Now, rule, who) != no {
		return WaitsForHold, true
	}
	for i := range d.Sweeps {
		s := &d.Sweeps[i]
		if !fires(s, rule) {
			continue
		}
		switch {
		case s.State == lifecycle.SweepHeld: // ticks join it, so no other sweep of the rule begins meanwhile
			return WaitsForRule, true
		case s.State == lifecycle.SweepRunning && !s.AsOf.Before(due):
			return WaitsForSweep, true
		}
	}
	if !d.opts.Now.After(since.Add(d.within(rule))) {
		return WaitsOnTime, true
	}
	return "", false
}
