package explain

import (
	"slices"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

func count64(n int64) string { return strconv.FormatInt(n, 10) }

// Of a long history its beginning and its latest part are told.
const firstSteps, latestSteps = 4, 30

// mostAlike is how many events of one type, one after the other, are told one by one.
const mostAlike = 3

// why tells the steps that led here, the latest last.
func (t *teller) why(s *section) {
	steps := section{teller: t}
	for i := 0; i < len(t.events); {
		alike := i + 1
		for alike < len(t.events) && t.events[alike].Type == t.events[i].Type {
			alike++
		}
		t.step(&steps, &t.events[i])
		if i == 0 {
			t.fromFile(&steps)
		}
		switch n := alike - i; {
		case n > mostAlike:
			steps.say(time.Time{}, "", "why.alike", facts{"events": t.count(n-2, "events")})
			t.step(&steps, &t.events[alike-1])
		default:
			for j := i + 1; j < alike; j++ {
				t.step(&steps, &t.events[j])
			}
		}
		i = alike
	}
	if left := len(steps.sentences) - firstSteps - latestSteps; left > 0 {
		s.sentences = append(s.sentences, steps.sentences[:firstSteps]...)
		s.say(time.Time{}, "", t.withCommand("why.left out"), facts{"events": t.count(left, "events"), "id": t.dossier.ID})
		steps.sentences = steps.sentences[firstSteps+left:]
	}
	s.sentences = append(s.sentences, steps.sentences...)
	for i := range t.now.Changes {
		e := lifecycle.Event{Change: t.now.Changes[i]}
		t.stepWith(s, &e, "why.not recorded")
	}
	if held := t.withheld(); held.Rule != "" {
		s.say(held.At, "", "why.withheld", facts{"rule": t.rule(held.Rule), "due": t.when(held.At)})
	}
}

// step tells one event, and how late it was recorded where that was late.
func (t *teller) step(s *section, e *lifecycle.Event) {
	behind := ""
	if e.Rule != "" && !t.policy.Lateness.OnTime(e.Effective, e.Recorded) && e.Recorded.Sub(e.Effective) >= time.Minute {
		behind = "why.late"
	}
	t.stepWith(s, e, behind)
}

func (t *teller) stepWith(s *section, e *lifecycle.Event, behind string) {
	phrase, key := t.event(e)
	s.say(e.Effective, key, phrase, t.factsOf(e))
	if behind != "" {
		last := &s.sentences[len(s.sentences)-1]
		last.Text += t.phrase("joint", nil) + t.phrase(behind, facts{"recorded": t.when(e.Recorded), "span": t.span(e.Recorded.Sub(e.Effective))})
	}
}

// factsOf are what the phrases about events may speak of.
func (t *teller) factsOf(e *lifecycle.Event) facts {
	r := &t.now.Record
	return facts{
		"who": t.who(e), "when": t.when(e.Effective), "detail": e.Detail, "subject": e.Subject, "reason": t.reason(e.Reason), "end": t.when(e.End),
		"action": t.action(lifecycle.ActionKind(e.Action)), "from": t.status(e.From), "to": t.status(e.To), "duration": t.period(r.Duration),
		"locked": t.when(r.Locked), "waited": t.span(e.Effective.Sub(r.Locked)), "lapse": t.period(t.policy.Requests.LapseAfter),
		"extension": t.period(t.policy.AutoExtend.By), "hold": t.period(t.policy.Names.HoldFor),
	}
}

// event is the phrase of an event, and the line of the policy that called for it. What the policy says today explains what
// happened then only where it leads to the same.
func (t *teller) event(e *lifecycle.Event) (phrase, key string) {
	phrase = "event." + string(e.Type)
	r := &t.now.Record
	switch e.Type {
	case lifecycle.EventLapsed:
		return t.asPolicySays(phrase, keyLapse, t.policy.Requests.LapseAfter, r.Locked, e.Effective)
	case lifecycle.EventExtended:
		return t.asPolicySays(phrase, keyExtend, t.policy.AutoExtend.By, e.Effective, e.End)
	case lifecycle.EventNameReleased:
		return t.asPolicySays(phrase, keyName, t.policy.Names.HoldFor, e.End, e.Effective)
	case lifecycle.EventApproved:
		if e.To != lifecycle.Active {
			return phrase + ".waits", keyExternal
		}
	case lifecycle.EventActivating, lifecycle.EventActivated, lifecycle.EventTerminating:
		return phrase, keyExternal
	case lifecycle.EventTermEnded, lifecycle.EventExpiring:
		if e.Actor != lifecycle.System {
			return phrase + ".provisioned", keyExternal
		}
		if r.AutoExtend && r.HoldsGlobalAdministrator() {
			return phrase + ".never extended", ""
		}
	case lifecycle.EventTerminated:
		if e.Actor == lifecycle.Provisioner {
			return phrase + ".provisioned", keyExternal
		}
	case lifecycle.EventAutoExtendChanged:
		switch {
		case e.Detail == "off" && e.End.IsZero(): // of a draft: it has no end yet
			return phrase + ".off.draft", ""
		case e.Detail == "on" || e.Detail == "off":
			return phrase + "." + e.Detail, ""
		}
	case lifecycle.EventEdited, lifecycle.EventAssigned, lifecycle.EventReassigned, lifecycle.EventUnassigned:
		if e.Detail == "" { // it is not for this viewer
			return phrase + ".bare", ""
		}
	case lifecycle.EventHoldPlaced, lifecycle.EventHoldReleased:
		if e.Actor == lifecycle.System { // no timer, but tenure itself
			return phrase + ".itself", ""
		}
	case lifecycle.EventUpdated:
		if e.From != e.To {
			return phrase + ".status", ""
		}
	}
	return phrase, ""
}

// asPolicySays tells what a period of the policy led to from one instant to another, and where it was another period then, that.
func (t *teller) asPolicySays(phrase, key string, p lifecycle.Period, from, to time.Time) (string, string) {
	if from.IsZero() || p.IsZero() || !p.After(from).Equal(to) {
		return phrase + ".otherwise", key
	}
	return phrase, key
}

// fromFile tells what a record that came in from a file brought along.
func (t *teller) fromFile(s *section) {
	r := &t.dossier.Record
	if t.events[0].Type != lifecycle.EventImported {
		return
	}
	acted := func(types ...lifecycle.EventType) bool {
		return slices.ContainsFunc(t.events, func(e lifecycle.Event) bool { return slices.Contains(types, e.Type) })
	}
	if !r.Locked.IsZero() && !acted(lifecycle.EventLocked) {
		s.say(r.Locked, "", "file.locked", facts{"locked": t.when(r.Locked)})
	}
	if !r.Activated.IsZero() && !acted(lifecycle.EventApproved, lifecycle.EventActivated) {
		s.say(r.Activated, "", "file.activated", facts{"activated": t.when(r.Activated)})
	}
}
