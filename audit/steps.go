package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// fired judges what a timer did: it was the one that was due, took effect when it fell due, and was not on hold.
func (h *history) fired(i int) {
	e := h.steps[i].event
	if h.follows(i) { // the second half of an end: access was taken away first
		h.same(e, e.Effective, h.steps[i-1].event.Effective)
		h.endIs(e, h.at.end)
		return
	}
	if e.Effective.After(e.Recorded) {
		h.find(e.Version, wrong(WrongInstant, "it took effect before it was due", "not after "+say(e.Recorded), e.Effective))
	}
	before := h.before(i)
	policies, _ := h.policiesAt(e.Recorded)
	if e.Type == lifecycle.EventLapsed && h.at.locked.IsZero() {
		h.summary.Unchecked[BeforeAnImport]++
		policies = nil
	}
	h.wasDue(e, before, policies)
	h.endAfter(e, policies)
	if h.heldAt(e.Recorded, e.Rule, &h.who) == surely {
		h.find(e.Version, Finding{Kind: OnHold, Text: fmt.Sprintf("%s fired while it was on hold", e.Rule), Found: say(e.Recorded)})
	}
	h.lateness(e.Rule, e.Effective, e.Recorded)
}

// follows says whether the step ends what the one before began, in the same decision.
func (h *history) follows(i int) bool {
	if i == 0 || h.steps[i-1].event == nil {
		return false
	}
	was, is := h.steps[i-1].event, h.steps[i].event
	return was.Recorded.Equal(is.Recorded) && was.Actor == is.Actor && is.From == was.To &&
		(is.Type == lifecycle.EventTermEnded && was.Type == lifecycle.EventExpiring ||
			is.Type == lifecycle.EventTerminated && was.Type == lifecycle.EventTerminating)
}

// before is the content that a step met.
func (h *history) before(i int) *content {
	if i == 0 {
		return &content{}
	}
	return &h.after[i-1]
}

// wasDue holds that the timer was the one to fire, at the instant at which it fell due.
func (h *history) wasDue(e *lifecycle.Event, c *content, policies []*lifecycle.Policy) {
	if len(policies) == 0 {
		return
	}
	var first due
	for i, p := range policies {
		d := h.at.next(c, p)
		if fits(d.rule, e.Rule) && d.at.Equal(e.Effective) {
			return
		}
		if i == 0 {
			first = d
		}
	}
	switch {
	case first.at.IsZero():
		h.judge(e.Version, Finding{Kind: Unasked, Text: fmt.Sprintf("%s fired, and no timer was set", e.Rule), Found: say(e.Effective)})
	case !fits(first.rule, e.Rule):
		h.judge(e.Version, wrong(Unasked, "another timer fired than the one that was set", fmt.Sprintf("%s at %s", first.rule, say(first.at)), e.Rule))
	default:
		h.judge(e.Version, wrong(WrongInstant, fmt.Sprintf("%s took effect at another instant than the one at which it fell due", e.Rule), first.at, e.Effective))
	}
}

// fits says whether a timer is of a rule; of one of which nobody knows which it is, both that look at the end will do.
func fits(timer, rule lifecycle.RuleName) bool {
	return timer == rule || timer == "" && (rule == lifecycle.EndTerm || rule == lifecycle.AutoExtend)
}

// endAfter holds that the end of the term is what the timer makes of it.
func (h *history) endAfter(e *lifecycle.Event, policies []*lifecycle.Policy) {
	switch e.Type {
	case lifecycle.EventExtended:
		if len(policies) == 0 || slices.ContainsFunc(policies, func(p *lifecycle.Policy) bool { return p.AutoExtend.By.After(h.at.end).Equal(e.End) }) {
			return
		}
		h.judge(e.Version, wrong(WrongEnd, "an extension counts from the old end", policies[0].AutoExtend.By.After(h.at.end), e.End))
	case lifecycle.EventLapsed:
		h.endIs(e, e.Effective)
	default:
		h.endIs(e, h.at.end)
	}
}

func (h *history) endIs(e *lifecycle.Event, want time.Time) {
	if !e.End.Equal(want) {
		h.find(e.Version, wrong(WrongEnd, fmt.Sprintf("after %s the end is another than it has to be", e.Type), orNone(say(want)), orNone(say(e.End))))
	}
}

// same holds that an instant is the one that it has to be.
func (h *history) same(e *lifecycle.Event, is, want time.Time) {
	if !is.Equal(want) {
		h.find(e.Version, wrong(WrongInstant, fmt.Sprintf("%s took effect at another instant than it had to", e.Type), want, is))
	}
}

// acted judges what people did, and what came in from files: it took effect at once, and whatever timer was due by then had fired
// before. Files alone fire no timer.
func (h *history) acted(i int) {
	e, c := h.steps[i].event, &h.after[i]
	h.same(e, e.Effective, e.Recorded)
	if e.Actor == lifecycle.Import || i == 0 {
		return
	}
	if !h.follows(i) {
		h.settled(i, e.Recorded)
	}
	switch e.Type {
	case lifecycle.EventApproved:
		if e.To != lifecycle.Active {
			h.endIs(e, h.at.end)
		} else if c.known {
			h.endIs(e, c.duration.After(e.Effective))
		} else {
			h.summary.Unchecked[BeforeAnImport]++
		}
	case lifecycle.EventRejected, lifecycle.EventTerminated, lifecycle.EventTerminating, lifecycle.EventTerminationRequested:
		h.endIs(e, e.Effective)
	default:
		h.endIs(e, h.at.end)
	}
}

// settled holds that no timer was due when somebody acted.
func (h *history) settled(i int, at time.Time) {
	c := h.before(i)
	policies, _ := h.policiesAt(at)
	if d, ok := h.agreed(c, policies); ok && !d.at.After(at) {
		switch h.heldAt(at, d.rule, &h.who) {
		case no:
			h.judge(h.steps[i].version, wrong(Missing, fmt.Sprintf("somebody acted, and %s, which was due, had not fired", ruleOf(d)), d.at, "nothing"))
		case surely:
			h.find(h.steps[i].version, Finding{Kind: OnHold, Text: fmt.Sprintf("somebody acted, although %s was due and on hold", ruleOf(d)), Found: say(at)})
		}
		return
	}
	if len(policies) != 1 {
		return
	}
	if _, moment, ok := h.at.warning(c, policies[0], h.at.warnedAtMost()); ok && !moment.After(at) && h.heldAt(at, lifecycle.WarnExpiry, &h.who) == no {
		h.judge(h.steps[i].version, wrong(Missing, "somebody acted, and the warning that was due had not been written", moment, "nothing"))
	}
}

func ruleOf(d due) string {
	if d.rule == "" {
		return "the end of the term"
	}
	return string(d.rule)
}

// agreed is the timer that is next by all policies that may count; the latest instant of them, so that no policy calls it early.
func (h *history) agreed(c *content, policies []*lifecycle.Policy) (last due, ok bool) {
	for _, p := range policies {
		d := h.at.next(c, p)
		if d.at.IsZero() {
			return due{}, false
		}
		if d.at.After(last.at) {
			last = d
		}
	}
	return last, len(policies) > 0
}

// provisioned judges how far another system has come: what it does counts from when it was called for.
func (h *history) provisioned(i int) {
	e, c := h.steps[i].event, &h.after[i]
	called := h.at.end
	if e.From == lifecycle.Approved || e.From == lifecycle.Activating {
		called = h.at.approved
	}
	if called.IsZero() || called.After(e.Recorded) {
		called = e.Recorded
	}
	h.same(e, e.Effective, called)
	switch {
	case e.Type == lifecycle.EventActivated && !c.known:
		h.summary.Unchecked[BeforeAnImport]++
	case e.Type == lifecycle.EventActivated:
		h.endIs(e, c.duration.After(e.Effective))
	case h.at.end.IsZero() && e.To.Ended():
		h.endIs(e, e.Effective)
	default:
		h.endIs(e, h.at.end)
	}
}

// fingerprints holds that every decision since the upgrade has left one: whoever takes one away wants to hide something.
func (h *history) fingerprints(i int) {
	e := h.steps[i].event
	switch {
	case e.Fingerprint != "":
		h.printed = true
	case e.Type == lifecycle.EventDeleted || h.goesOn(i):
	case h.printed:
		h.find(e.Version, Finding{Kind: Fingerprint, Text: "the event has no fingerprint, and an earlier one has"})
	default:
		h.summary.Unchecked[NoFingerprint]++
	}
}

// goesOn says whether another event follows in the same decision.
func (h *history) goesOn(i int) bool {
	for _, next := range h.steps[i+1:] {
		if next.event != nil {
			return next.event.Recorded.Equal(h.steps[i].event.Recorded)
		}
	}
	return false
}
