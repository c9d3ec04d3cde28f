package explain

import (
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// access tells which groups use the relationship.
func (t *teller) access(s *section) {
	live := 0
	for i := range t.dossier.Assignments {
		a := t.dossier.Assignments[i]
		if t.now.TakeAway != "" && a.Status.Live() {
			a.Status = t.now.TakeAway
		}
		if a.Status.Live() {
			live++
		}
		s.say(a.Modified, "", "access."+string(a.Status), facts{"group": a.Group, "roles": t.count(len(a.Roles), "roles"), "since": t.when(latest(a.Created, a.Modified))})
	}
	if live == 0 && t.now.Record.Status == lifecycle.Active {
		s.say(time.Time{}, "", "access.nobody", nil)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// name tells who holds the display name, and until when.
func (t *teller) name(s *section) {
	r := &t.now.Record
	f := facts{"name": t.dossier.DisplayName, "hold": t.period(t.policy.Names.HoldFor), "end": t.when(r.End)}
	free := r.NameFreeAt(t.policy)
	f["free"] = t.when(free)
	switch {
	case t.gone():
		s.say(t.dossier.Gone, "", "name.deleted", f)
	case !r.NameReleased.IsZero():
		f["free"] = t.when(r.NameReleased)
		s.say(r.NameReleased, "", "name.released", f)
	case !free.IsZero():
		s.say(free, keyName, "name.until", f)
	case t.policy.Names.HoldFor.IsZero():
		s.say(time.Time{}, keyName, "name.for ever", f)
	case r.Status == lifecycle.Created:
		s.say(time.Time{}, keyName, "name.draft", f)
	default:
		s.say(time.Time{}, keyName, "name.held", f)
	}
}

// possible tells what people can do about it now.
func (t *teller) possible(s *section) {
	if t.gone() {
		return
	}
	if held := t.withheld(); held.Rule != "" && held.Rule != lifecycle.WarnExpiry && held.Rule != lifecycle.ReleaseName {
		s.say(time.Time{}, "", "possible.withheld", nil)
		return
	}
	none := true
	for _, side := range []lifecycle.Actor{lifecycle.Partner, lifecycle.Customer, lifecycle.Provisioner} {
		var actions []string
		for _, a := range lifecycle.AllowedActions(&t.now.Record, t.dossier.Standing, side) {
			if word := t.action(a); len(actions) == 0 || actions[len(actions)-1] != word {
				actions = append(actions, word)
			}
		}
		if len(actions) > 0 {
			none = false
			s.say(time.Time{}, "", "possible", facts{"who": t.actor(side), "actions": t.list(actions)})
		}
	}
	if none {
		s.say(time.Time{}, "", "possible.nothing", nil)
	}
}
