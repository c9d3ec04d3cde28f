package outlook

import (
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

// A Notice is something that is going to be told, or left unsaid. To is empty: Tells say it.
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
	var s sheet
	s.add(was, d)
	return s.steps
}

// tell says to how many the notices go, as far as their audiences are known; those that are not are missing.
func (s *Step) tell(known lifecycle.Headcount, missing []lifecycle.Audience) []lifecycle.Audience {
	for i := range s.Notices {
		n := &s.Notices[i]
		for j := range n.Tells {
			to := &n.Tells[j]
			to.Recipients, to.Unsaid = 0, ""
			switch {
			case n.Status != lifecycle.NoticeQueued:
				to.Unsaid = n.Reason
			case to.Muted:
				to.Unsaid = lifecycle.NotRouted
			case to.Endpoint:
				to.Recipients = 1
			default:
				people, ok := known.Of(to.Audience)
				if to.Recipients = people; people == 0 {
					to.Unsaid = lifecycle.NobodyToTell
				}
				if !ok {
					missing = append(missing, to.Audience)
				}
			}
		}
	}
	return missing
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
