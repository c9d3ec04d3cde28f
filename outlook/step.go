package outlook

import (
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Step is one thing that a timer is going to do to a record, or to tell of it.
type Step struct {
	Rule      lifecycle.RuleName
	At        time.Time           // when it will be recorded if nothing is late: when it falls due, or now where that is past
	Effective time.Time           // when it falls due
	Version   int64               // of the record, after it
	Type      lifecycle.EventType // of the event that will be written; empty for a warning, which only tells
	Reason    lifecycle.Reason

	From, To       lifecycle.Status
	EndBefore, End time.Time

	// Ends says that the rule is through with the record, for this time: where access has to be taken away, it takes two steps. A
	// warning that a later one takes the place of is none.
	Ends    bool
	Notices []Notice
}

// A Notice is something that is going to be told, or left unsaid.
type Notice struct {
	lifecycle.Notice
	Tells []Tell // one for each addressee
}

// A Tell says to how many a notice goes at one addressee.
type Tell struct {
	lifecycle.Addressee
	Recipients int64            // people, or the endpoint
	Unsaid     lifecycle.Reason // why nobody is told; empty where somebody is
}

// Steps are the steps of a decision about a record, in the order in which they happen. It is not known yet to how many people
// they are told.
func Steps(was *lifecycle.Record, d *lifecycle.Decision) []Step {
	return appendSteps(nil, was, d)
}

func appendSteps(steps []Step, was *lifecycle.Record, d *lifecycle.Decision) []Step {
	steps = slices.Grow(steps, len(d.Changes)+len(d.Notices))
	status, end := was.Status, was.End
	notices := d.Notices
	warn := func(n *lifecycle.Notice) {
		steps = append(steps, Step{Rule: lifecycle.WarnExpiry, At: d.Recorded, Effective: n.Due, Version: n.Version, From: status, To: status,
			EndBefore: end, End: end, Ends: n.Status != lifecycle.NoticeSuperseded, Notices: []Notice{{Notice: *n}}})
	}
	for i := range d.Changes {
		c := &d.Changes[i]
		for len(notices) > 0 && notices[0].Version < c.Version {
			warn(&notices[0])
			notices = notices[1:]
		}
		step := Step{Rule: c.Rule, At: d.Recorded, Effective: c.Effective, Version: c.Version, Type: c.Type, Reason: c.Reason,
			From: c.From, To: c.To, EndBefore: end, End: c.End,
			Ends: i+1 == len(d.Changes) || d.Changes[i+1].Rule != c.Rule || !d.Changes[i+1].Effective.Equal(c.Effective)}
		for len(notices) > 0 && notices[0].Version == c.Version {
			step.Notices = append(step.Notices, Notice{Notice: notices[0]})
			notices = notices[1:]
		}
		status, end = c.To, c.End
		steps = append(steps, step)
	}
	for i := range notices {
		warn(&notices[i])
	}
	return steps
}

// tell says to how many the notices go.
func (s *Step) tell(people map[lifecycle.Audience]int64) {
	for i := range s.Notices {
		n := &s.Notices[i]
		n.Tells = make([]Tell, len(n.To))
		for j, to := range n.To {
			tell := Tell{Addressee: to}
			switch {
			case n.Status != lifecycle.NoticeQueued:
				tell.Unsaid = n.Reason
			case to.Muted:
				tell.Unsaid = lifecycle.NotRouted
			case to.Endpoint:
				tell.Recipients = 1
			case people[to.Audience] == 0:
				tell.Unsaid = lifecycle.NobodyToTell
			default:
				tell.Recipients = people[to.Audience]
			}
			n.Tells[j] = tell
		}
	}
}

// counts says how many are told, and how many addressees are not.
func (n *Notice) counts() (told, unsaid int64) {
	for i := range n.Tells {
		told += n.Tells[i].Recipients
		if n.Tells[i].Unsaid != "" {
			unsaid++
		}
	}
	return told, unsaid
}
