package outlook

import (
	"slices"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A sheet is what happens to the relationships of one page, in a few large pieces of memory rather than in many small ones for each
// relationship: where a million fall due, to make and tidy up those takes longer than all the thinking.
type sheet struct {
	ahead   lifecycle.Lookout
	items   []Item // never more than there is room for, so that they stay where they are
	steps   []Step
	notices []Notice
	tells   []Tell
}

// sheets are used again where nobody keeps what is on them.
type sheets struct {
	again bool
	blank sync.Pool
}

func newSheets(again bool) *sheets { return &sheets{again: again} }

// take is an empty sheet with room for so many items.
func (all *sheets) take(items int) *sheet {
	s, ok := all.blank.Get().(*sheet)
	if !ok {
		s = &sheet{}
	}
	s.items = slices.Grow(s.items[:0], items)
	s.steps, s.notices, s.tells = s.steps[:0], s.notices[:0], s.tells[:0]
	return s
}

func (all *sheets) giveBack(s *sheet) {
	if all.again {
		all.blank.Put(s)
	}
}

// item begins one.
func (s *sheet) item(stored *lifecycle.Stored) *Item {
	s.items = append(s.items, Item{Stored: *stored})
	return &s.items[len(s.items)-1]
}

// drop takes the latest item away, of which nothing else has been noted.
func (s *sheet) drop() { s.items = s.items[:len(s.items)-1] }

// add notes the steps of a decision about a record, in the order in which they happen. It is not known yet to how many people they
// are told.
func (s *sheet) add(was *lifecycle.Record, d *lifecycle.Decision) {
	status, end, notices := was.Status, was.End, d.Notices
	for i := range d.Changes {
		c := &d.Changes[i]
		for ; len(notices) > 0 && notices[0].Version < c.Version; notices = notices[1:] {
			s.warn(d, notices[0], status, end)
		}
		told := 0
		for told < len(notices) && notices[told].Version == c.Version {
			told++
		}
		s.steps = append(s.steps, Step{Rule: c.Rule, At: d.Recorded, Effective: c.Effective, Version: c.Version, Type: c.Type, Reason: c.Reason,
			From: c.From, To: c.To, EndBefore: end, End: c.End,
			Ends:    i+1 == len(d.Changes) || d.Changes[i+1].Rule != c.Rule || !d.Changes[i+1].Effective.Equal(c.Effective),
			Notices: s.toTell(notices[:told]...)})
		notices = notices[told:]
		status, end = c.To, c.End
	}
	for i := range notices {
		s.warn(d, notices[i], status, end)
	}
}

// warn notes the step of a warning, which changes nothing that an event would tell of.
func (s *sheet) warn(d *lifecycle.Decision, n lifecycle.Notice, status lifecycle.Status, end time.Time) {
	s.steps = append(s.steps, Step{Rule: lifecycle.WarnExpiry, At: d.Recorded, Effective: n.Due, Version: n.Version, From: status, To: status,
		EndBefore: end, End: end, Ends: n.Status != lifecycle.NoticeSuperseded, Notices: s.toTell(n)})
}

// toTell notes the notices of a step, and to whom they go.
func (s *sheet) toTell(notices ...lifecycle.Notice) []Notice {
	if len(notices) == 0 {
		return nil
	}
	from := len(s.notices)
	for i := range notices {
		n, first := &notices[i], len(s.tells)
		for _, to := range n.To {
			s.tells = append(s.tells, Tell{Addressee: to})
		}
		notice := Notice{Notice: *n, Tells: s.tells[first:len(s.tells):len(s.tells)]}
		notice.To = nil // the decision may take its memory back
		s.notices = append(s.notices, notice)
	}
	return s.notices[from:len(s.notices):len(s.notices)]
}
