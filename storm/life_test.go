//go:build unix

package storm

import (
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// What docs/domain.md says, written once more and as plainly as possible: a life is walked from one step to the next, and never
// looks at what tenure computes.

const (
	day        = 24 * time.Hour
	lapseAfter = 90 * day
	extension  = 180 * day
	nameHeld   = 365 * day
)

// A life is one relationship, as far as it has come.
type life struct {
	draft
	status   string
	locked   time.Time
	end      time.Time
	released bool
	steps    []lived
}

// A lived is a step in a life.
type lived struct {
	what string // as the history calls it
	at   time.Time
	end  time.Time // afterwards
}

func (s lived) String() string {
	return fmt.Sprintf("%s at %s, end %s", s.what, lifecycle.FormatInstant(s.at), lifecycle.FormatInstant(s.end))
}

func (l *life) step(what string, at time.Time) { l.steps = append(l.steps, lived{what, at, l.end}) }

func (l *life) extends() bool {
	for _, role := range l.roles {
		if role == globalAdministrator {
			return false
		}
	}
	return l.autoExtend
}

// until has every timer fire that is due by now.
func (l *life) until(now time.Time) {
	due := func(at time.Time) bool { return !at.After(now) }
	for {
		switch {
		case l.status == "approvalPending" && due(l.locked.Add(lapseAfter)):
			l.status, l.end = "expired", l.locked.Add(lapseAfter)
			l.step("requestLapsed", l.end)
		case l.status == "active" && due(l.end) && l.extends():
			at := l.end
			l.end = at.Add(extension)
			l.step("extended", at)
		case l.status == "active" && due(l.end):
			l.status = "expired"
			l.step("termEnded", l.end)
		case (l.status == "expired" || l.status == "terminated") && !l.released && due(l.end.Add(nameHeld)):
			l.released = true
			l.step("nameReleased", l.end.Add(nameHeld))
		default:
			return
		}
	}
}

// act has somebody do something at an instant, once the timers that are due by then have fired. The error says why it cannot be.
func (l *life) act(what string, at time.Time, e *lifecycle.Event) error {
	l.until(at)
	from := l.status
	want := ""
	switch what {
	case "created":
		l.status = "created"
	case "edited", "deleted":
		want = "created"
	case "lockedForApproval":
		want, l.status, l.locked = "created", "approvalPending", at
	case "approved":
		want, l.status, l.end = "approvalPending", "active", at.Add(time.Duration(l.days)*day)
	case "rejected":
		want, l.status, l.end = "approvalPending", "terminated", at
	case "terminated":
		want, l.status, l.end = "active", "terminated", at
	case "autoExtendChanged":
		want, l.autoExtend = "active", !l.autoExtend
		if !l.extends() && l.autoExtend {
			return fmt.Errorf("autoExtend was switched on while Global Administrator is held")
		}
	case "globalAdministratorRemoved":
		want, l.roles = "active", someRoles[:1]
	case "accessAssigned", "accessReassigned", "accessUnassigned":
		want = "active"
	default:
		return fmt.Errorf("nobody can ask for %s", what)
	}
	if from != want {
		return fmt.Errorf("%s by request %s, of one that is %q by then", what, requestOf(e), from)
	}
	l.step(what, at)
	return nil
}

func requestOf(e *lifecycle.Event) string {
	if e.By == nil {
		return "of nobody"
	}
	return e.By.Request
}
