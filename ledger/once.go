package ledger

import (
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A keyedSet tells two sets of events apart without remembering either: the sum of two hashes of each member, keyed with secrets
// of this process, so that nobody can choose members whose sums agree.
type keyedSet struct {
	n    int64
	sums [2]uint64
}

var setSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func (s *keyedSet) add(id lifecycle.EventID) {
	s.n++
	for i, seed := range setSeeds {
		s.sums[i] += maphash.Comparable(seed, id)
	}
}

// mostInMemory is how many events are looked at at a time, of each side, to find those on which the sides differ: 32 bytes for each.
const mostInMemory = 2_000_000

// everyEventOnce compares the events that are there with those that are logged or wait.
func (v *verification) everyEventOnce() error {
	err := v.source.EachWaiting(v.ctx, func(id lifecycle.EventID) error {
		v.summary.Waiting++
		v.set.add(id)
		return nil
	})
	if err != nil {
		return err
	}
	var there keyedSet
	err = v.source.EachEventID(v.ctx, func(id lifecycle.EventID) error {
		there.add(id)
		return nil
	})
	if v.summary.Events = there.n; err != nil || there == v.set {
		return err
	}
	parts := max(v.set.n, there.n)/mostInMemory + 1
	for part := range parts {
		if err := v.comparePart(uint64(part), uint64(parts)); err != nil { //nolint:gosec // neither is negative
			return err
		}
	}
	return nil
}

// comparePart finds the events on which the two sides differ, among one part of all events.
func (v *verification) comparePart(part, parts uint64) error {
	mine := func(id lifecycle.EventID) bool { return maphash.Comparable(setSeeds[0], id)%parts == part }
	var known, there []lifecycle.EventID
	keep := func(into *[]lifecycle.EventID) func(lifecycle.EventID) error {
		return func(id lifecycle.EventID) error {
			if mine(id) {
				*into = append(*into, id)
			}
			return nil
		}
	}
	keepKnown := keep(&known)
	err := v.source.EachLogged(v.ctx, func(l lifecycle.Logged) error {
		if l.Event == nil {
			return nil // that was found already
		}
		return keepKnown(l.ID)
	})
	if err == nil {
		err = v.source.EachWaiting(v.ctx, keepKnown)
	}
	if err == nil {
		err = v.source.EachEventID(v.ctx, keep(&there))
	}
	if err != nil {
		return err
	}
	slices.SortFunc(known, byID)
	slices.SortFunc(there, byID)
	return v.compareSides(known, there)
}

func byID(a, b lifecycle.EventID) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Version, b.Version))
}

// compareSides goes along both sides, which are sorted.
func (v *verification) compareSides(known, there []lifecycle.EventID) error {
	for len(known) > 0 || len(there) > 0 {
		id, times := next(known, there)
		f := Finding{Leaf: -1, ID: id}
		switch isThere := len(there) > 0 && there[0] == id; {
		case times == 0:
			f.Kind, f.Detail = InsertedEvent, "is there and was never logged"
		case !isThere:
			f.Kind, f.Detail = RemovedEvent, "waits for the ledger and is not there"
		case times > 1:
			f.Kind, f.Detail = RepeatedEvent, "was logged more than once, or is logged and waits for that again"
		}
		if f.Kind != "" {
			if err := v.find(f); err != nil {
				return err
			}
		}
		known = known[times:]
		if len(there) > 0 && there[0] == id {
			there = there[1:]
		}
	}
	return nil
}

// next is the first event on either side, and how many times it is known.
func next(known, there []lifecycle.EventID) (id lifecycle.EventID, times int) {
	switch {
	case len(known) == 0, len(there) > 0 && byID(there[0], known[0]) < 0:
		return there[0], 0
	default:
		id = known[0]
	}
	for times < len(known) && known[times] == id {
		times++
	}
	return id, times
}
