package explain

import (
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// following tells what comes one after the other if nobody does anything.
func (t *teller) following(s *section) {
	if t.gone() {
		return
	}
	if len(t.ahead) == 0 {
		s.say(time.Time{}, "", "following.nothing", facts{"horizon": t.when(horizon.After(t.given.Now))})
		return
	}
	switch stayed := t.stayed(); {
	case len(t.now.Record.Stayed) == len(lifecycle.Rules):
		s.say(time.Time{}, "", "following.held", nil)
	case len(stayed) > 0:
		s.say(time.Time{}, "", "following.paused", facts{"rules": t.list(stayed)})
	}
	for i := range t.ahead {
		t.decision(s, &t.ahead[i])
	}
	if len(t.ahead) == mostAhead {
		s.say(time.Time{}, "", "following.and so on", nil)
	}
}

// decision tells the changes and the warnings that one look at the record calls for, in the order in which they fall due.
func (t *teller) decision(s *section, d *lifecycle.Decision) {
	for i := range d.Notices {
		n := &d.Notices[i]
		if n.Kind == lifecycle.KindWarnExpiry && n.Status != lifecycle.NoticeSuperseded {
			s.say(n.Due, keyWarnings, "following.warning", facts{"when": t.when(n.Due), "stage": t.period(n.Stage), "end": t.when(n.End)})
		}
	}
	for i := range d.Changes {
		c := &d.Changes[i]
		key := map[lifecycle.EventType]string{lifecycle.EventLapsed: keyLapse, lifecycle.EventExtended: keyExtend, lifecycle.EventNameReleased: keyName,
			lifecycle.EventExpiring: keyExternal}[c.Type]
		phrase := "following." + string(c.Type)
		if c.Type == lifecycle.EventExpiring && !t.policy.Provisioning.External {
			phrase, key = phrase+".at once", ""
		}
		if !t.has(phrase) {
			phrase = "following.other"
		}
		s.say(c.Effective, key, phrase, facts{"rule": t.rule(c.Rule), "when": t.when(c.Effective), "end": t.when(c.End), "lapse": t.period(t.policy.Requests.LapseAfter),
			"extension": t.period(t.policy.AutoExtend.By), "hold": t.period(t.policy.Names.HoldFor)})
	}
}
