package explain

import (
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// summary says in short what it is.
func (t *teller) summary(s *section) {
	r := &t.now.Record
	f := facts{"partner": t.partner(), "customer": t.customer(), "roles": t.count(len(r.Roles), "roles"), "status": string(r.Status)}
	if t.gone() {
		s.say(t.dossier.Gone, "", "summary.gone", f)
		return
	}
	s.say(t.since(), "", "summary."+t.standing(), f)
	ending := facts{"end": t.when(r.End), "distance": t.distance(t.given.Now, r.End), "period": t.period(t.policy.AutoExtend.By), "rule": t.rule(t.now.Next.Rule)}
	switch {
	case r.Status == lifecycle.Active && t.due(r.End):
		s.say(r.End, "", "summary.withheld", ending)
	case r.Status == lifecycle.Active && r.Extends():
		s.say(r.End, keyExtend, "summary.extends", ending)
	case r.Status == lifecycle.Active:
		s.say(r.End, "", "summary.ends", ending)
	}
}

// standing is the status, and of an ended one how it ended.
func (t *teller) standing() string {
	r := &t.now.Record
	switch {
	case r.Status == lifecycle.Expired && t.endedBy() == lifecycle.EventLapsed:
		return "expired.lapsed"
	case r.Status == lifecycle.Terminated && t.endedBy() == lifecycle.EventRejected:
		return "terminated.rejected"
	case r.Status.Ended() && r.Activated.IsZero() && t.endedBy() == "": // it came in from a file, which does not say how it ended
		return "ended.never active"
	}
	return string(r.Status)
}

// endedBy is the event with which it ended; empty where nobody noted one.
func (t *teller) endedBy() lifecycle.EventType {
	for i := len(t.now.Changes) - 1; i >= 0; i-- {
		if c := &t.now.Changes[i]; c.To.Ended() && !c.From.Ended() {
			return c.Type
		}
	}
	if e := t.finally(lifecycle.EventLapsed, lifecycle.EventRejected, lifecycle.EventTermEnded, lifecycle.EventTerminated); e != nil {
		return e.Type
	}
	return ""
}

// since is when it came into its status; zero where nobody noted it.
func (t *teller) since() time.Time {
	r := &t.now.Record
	for i := len(t.now.Changes) - 1; i >= 0; i-- {
		if c := &t.now.Changes[i]; c.To == r.Status && c.From != c.To {
			return c.Effective
		}
	}
	for i := len(t.events) - 1; i >= 0; i-- {
		if e := &t.events[i]; e.StepInLife() && e.To == r.Status && e.From != e.To && e.Actor != lifecycle.Import {
			return e.Effective
		}
	}
	switch r.Status {
	case lifecycle.ApprovalPending:
		return r.Locked
	case lifecycle.Active:
		return r.Activated
	case lifecycle.Expired, lifecycle.Terminated:
		return r.End
	}
	return time.Time{}
}
