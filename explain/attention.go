package explain

import (
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// attention says what somebody should look at. Of most relationships that is nothing.
func (t *teller) attention(s *section) {
	if t.gone() {
		return
	}
	t.holds(s)
	t.overdue(s)
	t.waiting(s)
	r := &t.now.Record
	if r.Status == lifecycle.Active && r.AutoExtend && r.HoldsGlobalAdministrator() {
		s.say(r.End, "", "attention.never extended", facts{"end": t.when(r.End)})
	}
	if st := t.dossier.Standing; st != "" && st != lifecycle.Authorized && !r.Status.Ended() {
		s.say(time.Time{}, "", "attention.standing."+string(st), facts{"partner": t.partner()})
	}
	if t.knowsAll() {
		t.undelivered(s)
	}
	if t.given.Another && t.knowsAll() {
		s.say(time.Time{}, "", "attention.another policy", nil)
	}
}

// holds tells which of them are in force. A tenant learns that there is one, and not why.
func (t *teller) holds(s *section) {
	if !t.knowsAll() || len(t.dossier.Holds) == 0 {
		if rules := t.stayed(); len(rules) > 0 {
			s.say(time.Time{}, "", "attention.held", facts{"rules": t.list(rules)})
		}
		return
	}
	for i := range t.dossier.Holds {
		h := &t.dossier.Holds[i]
		if !h.Active() || h.Kind == lifecycle.HoldRule && !t.awaits(lifecycle.RuleName(h.Subject)) {
			continue
		}
		f := facts{"since": t.when(h.PlacedAt), "by": h.PlacedBy, "note": h.Note, "id": count64(h.ID), "subject": h.Subject,
			"cause": t.reason(h.Cause), "rule": t.rule(lifecycle.RuleName(h.Subject))}
		phrase := "attention.hold." + string(h.Kind)
		if h.PlacedBy == "" && h.Cause != "" {
			phrase += ".itself"
		}
		key := ""
		if slices.Contains([]lifecycle.Reason{lifecycle.ClockAhead, lifecycle.ClockBack, lifecycle.LargeBacklog}, h.Cause) {
			key = keyQuarantine
		}
		s.say(h.PlacedAt, key, phrase, f)
		if h.PlacedBy != "" && h.Cause != "" {
			s.say(time.Time{}, "", "attention.hold.cause", f)
		}
		if h.Note != "" {
			s.say(time.Time{}, "", "attention.hold.note", f)
		}
	}
}

// awaits says whether the rule is one that the record will meet, if nobody does anything.
func (t *teller) awaits(rule lifecycle.RuleName) bool {
	if t.now.Next.Rule == rule {
		return true
	}
	for i := range t.ahead {
		d := &t.ahead[i]
		if d.Next.Rule == rule || slices.ContainsFunc(d.Changes, func(c lifecycle.Change) bool { return c.Rule == rule }) {
			return true
		}
	}
	return false
}

// stayed are the rules that must not fire, in words.
func (t *teller) stayed() []string {
	rules := make([]string, 0, len(t.now.Record.Stayed))
	for _, rule := range t.now.Record.Stayed {
		if t.awaits(rule) {
			rules = append(rules, t.rule(rule))
		}
	}
	return rules
}

// overdue tells what has fallen due and is not recorded.
func (t *teller) overdue(s *section) {
	if held := t.withheld(); held.Rule != "" {
		s.say(held.At, "", "attention.withheld", facts{"rule": t.rule(held.Rule), "due": t.when(held.At), "distance": t.distance(t.given.Now, held.At)})
	}
	late := false
	for i := range t.now.Changes {
		c := &t.now.Changes[i]
		s.say(c.Effective, "", "attention.overdue", facts{"rule": t.rule(c.Rule), "due": t.when(c.Effective), "distance": t.distance(t.given.Now, c.Effective)})
		t.heldSweep(s, c)
		late = late || !t.policy.Lateness.OnTime(c.Effective, t.given.Now)
	}
	if late {
		s.say(time.Time{}, keyLateness, t.withCommand("attention.late"), facts{"period": t.period(t.policy.Lateness.Within)})
	}
}

// heldSweep tells that the sweep which would record a change waits for an operator's word. That is nothing for tenants.
func (t *teller) heldSweep(s *section, c *lifecycle.Change) {
	for i := range t.dossier.Sweeps {
		held := &t.dossier.Sweeps[i]
		if !t.knowsAll() || !held.Covers([]lifecycle.RuleName{c.Rule}) || held.AsOf.Before(c.Effective) {
			continue
		}
		f := facts{"sweep": count64(held.ID), "since": t.when(held.OpenedAt), "cause": t.reason("")}
		key := ""
		if held.Plan != nil {
			f["cause"] = t.reason(held.Plan.Cause)
			if held.Plan.Cause == lifecycle.BreakerTripped {
				key = keyBreakers + string(c.Rule)
			}
		}
		s.say(held.OpenedAt, key, "attention.sweep", f)
		return
	}
}

// waiting tells of another system that has yet to do something.
func (t *teller) waiting(s *section) {
	o := t.dossier.Order
	if o == nil || !t.now.Record.Status.Passing() {
		return
	}
	phrase := "attention.waits." + string(o.What())
	if o.Accepted {
		phrase += ".accepted"
	}
	s.say(o.Since, keyExternal, phrase, facts{"since": t.when(o.Since), "distance": t.distance(t.given.Now, o.Since), "attempts": t.count(o.Attempts, "attempts")})
	if o.Stuck(t.policy, t.given.Now) {
		s.say(time.Time{}, keyStuck, t.withCommand("attention.stuck"), facts{"period": t.period(t.policy.Provisioning.StuckAfter)})
	}
	if o.LastError != "" && t.knowsAll() {
		s.say(time.Time{}, "", "attention.stuck.error", facts{"error": t.errorText(o.LastError)})
	}
}

// undelivered counts the notices that nobody will get unless somebody acts.
func (t *teller) undelivered(s *section) {
	dead, nobody := 0, 0
	for i := range t.dossier.Letters {
		switch t.dossier.Letters[i].Status {
		case lifecycle.NoticeDead:
			dead++
		case lifecycle.NoticeNoRecipient:
			nobody++
		}
	}
	if dead > 0 {
		s.say(time.Time{}, "", "attention.dead", facts{"notices": t.count(dead, "notices")})
	}
	if nobody > 0 {
		s.say(time.Time{}, "", "attention.nobody", facts{"notices": t.count(nobody, "notices")})
	}
}
