package audit

import (
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A content is what a relationship says of itself, as far as timers depend on it. An event does not say what the content was:
// it is known from the row, backwards up to the last import that may have changed it.
type content struct {
	known    bool
	extends  bool // agreed, whatever its roles
	global   bool // Global Administrator is among the roles
	duration lifecycle.Period
	customer string
	named    bool // the customer was known for sure: a request need not say who is to approve it
}

func (c *content) reallyExtends() bool { return c.extends && !c.global }

// A standing is where a relationship stands after a step, as its history tells it.
type standing struct {
	status   lifecycle.Status
	end      time.Time
	locked   time.Time
	approved time.Time // by the customer, where another system carries it out
	active   time.Time
	released time.Time // its name
	version  int64

	recorded time.Time // of the last step
	since    time.Time // when what the timers go by was last changed by people, or from elsewhere

	// Warnings up to here are settled. After imports several instants are possible, since events do not say whether they have
	// changed whether the relationship extends itself: the first, and the latest, of them.
	warned   time.Time
	possible []time.Time // besides
}

// A due is a timer by one policy. A rule that is empty is end-term or auto-extend, and nobody knows which.
type due struct {
	rule lifecycle.RuleName
	at   time.Time
}

// next is the timer that moves the record, by one policy; the zero due where there is none.
func (s *standing) next(c *content, p *lifecycle.Policy) due {
	after := func(from time.Time, period lifecycle.Period) time.Time {
		if from.IsZero() || period.IsZero() {
			return time.Time{}
		}
		return period.After(from)
	}
	d := due{}
	switch s.status {
	case lifecycle.ApprovalPending:
		d = due{lifecycle.ExpirePending, after(s.locked, p.Requests.LapseAfter)}
	case lifecycle.Active:
		switch {
		case !c.known:
			d = due{"", s.end}
		case c.reallyExtends():
			d = due{lifecycle.AutoExtend, s.end}
		default:
			d = due{lifecycle.EndTerm, s.end}
		}
	case lifecycle.Expired, lifecycle.Terminated:
		if s.released.IsZero() {
			d = due{lifecycle.ReleaseName, after(s.end, p.Names.HoldFor)}
		}
	}
	if d.at.IsZero() {
		return due{}
	}
	return d
}

// warning is the first stage after an instant whose moment comes before the end, by one policy; false where there is none.
func (s *standing) warning(c *content, p *lifecycle.Policy, after time.Time) (stage lifecycle.Period, at time.Time, ok bool) {
	if s.status != lifecycle.Active || !c.known || c.reallyExtends() || s.end.IsZero() {
		return stage, at, false
	}
	for _, before := range p.Warnings.Before {
		moment := before.Before(s.end)
		if moment.After(after) && moment.Before(s.end) && (!ok || moment.Before(at)) {
			stage, at, ok = before, moment, true
		}
	}
	return stage, at, ok
}

// warnedAtMost is the latest instant up to which warnings may be settled.
func (s *standing) warnedAtMost() time.Time {
	most := s.warned
	for _, at := range s.possible {
		most = later(most, at)
	}
	return most
}

// certain notes that the end is certain since an instant, or that warnings up to it are settled, whatever was before.
func (s *standing) certain(at time.Time) { s.warned, s.possible = at, nil }

// certainAfter is certain, unless it was certain later already.
func (s *standing) certainAfter(at time.Time) {
	s.warned = later(s.warned, at)
	for i := range s.possible {
		s.possible[i] = later(s.possible[i], at)
	}
}
