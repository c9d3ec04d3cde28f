package outlook

import (
	"context"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Shift says how another policy moves the next time that a rule acts on a relationship.
type Shift string

// The shifts.
const (
	AtOnce  Shift = "atOnce"  // it would act now, and by the old policy later or never
	Earlier Shift = "earlier" // than by the old policy, but not yet
	Later   Shift = "later"
	Never   Shift = "never" // and by the old policy it would
	Newly   Shift = "newly" // and by the old policy never
)

// Shifts lists them, the most alarming first.
var Shifts = []Shift{AtOnce, Earlier, Later, Newly, Never}

// A Span is from the first to the last of many instants; zero where there are none.
type Span struct{ First, Last time.Time }

func (s *Span) add(t time.Time) {
	if t.IsZero() {
		return
	}
	if s.First.IsZero() || t.Before(s.First) {
		s.First = t
	}
	if t.After(s.Last) {
		s.Last = t
	}
}

// Shifted counts the relationships that are shifted in one way.
type Shifted struct {
	Relationships int64
	Was, Is       Span // when the rule would act for the first time otherwise: by the old policy, and by the new one
}

// A RuleShift is a rule and a shift of it.
type RuleShift struct {
	Rule  lifecycle.RuleName
	Shift Shift
}

// Telling counts who is told, by the old policy and by the new one.
type Telling struct{ Told, ToldThen, Unsaid, UnsaidThen int64 }

// A Difference is what another policy would change about what happens.
type Difference struct {
	Now, Until time.Time

	Looked  int64
	Changed int64 // relationships for which something changes
	Shifts  map[RuleShift]*Shifted
	Telling map[lifecycle.NoticeKind]*Telling // by Until
	Failed  int64
	Faults  []lifecycle.Failure
}

// A Moved is a relationship for which something changes under one rule: the first time at which it acts otherwise.
type Moved struct {
	lifecycle.Stored
	RuleShift
	Was, Is time.Time // zero: never
}

// Compare says what happens otherwise if q.Policy is followed by another one. What differs after q.Until alone is left out. The
// relationships are handed over in the order of their keys; each may be nil.
func Compare(ctx context.Context, records Records, q Question, then *lifecycle.Policy, each func(*Moved) error) (*Difference, error) {
	type seen struct {
		difference *Difference
		moved      []Moved
	}
	sum, known, sheets := newDifference(&q), newPeople(records), newSheets(true) // of a Moved nothing is on one
	next := q
	next.Policy = then
	err := eachPage(ctx, records, func(ctx context.Context, decode Decode) (seen, error) {
		part := seen{difference: newDifference(&q)}
		err := inStretches(decode, known.stretch, func(stretch []lifecycle.Stored, failures []lifecycle.Failure) error {
			s := sheets.take(2 * len(stretch))
			defer sheets.giveBack(s)
			part.difference.fail(failures)
			part.difference.Looked += int64(len(stretch) + len(failures))
			var was, is []*Item
			for i := range stretch {
				var old, new *Item
				failure := decided(&stretch[i], func() {
					old, new = q.item(s, &stretch[i]), next.item(s, &stretch[i])
					moved := q.moved(old, new, then)
					part.difference.count(moved)
					if each != nil {
						part.moved = append(part.moved, moved...)
					}
				})
				if failure != nil {
					part.difference.fail([]lifecycle.Failure{*failure})
					continue
				}
				was, is = append(was, old), append(is, new)
			}
			if err := known.tell(ctx, append(was, is...)); err != nil {
				return err
			}
			part.difference.tell(was, is)
			return nil
		})
		return part, err
	}, func(part seen) error {
		sum.add(part.difference)
		for i := range part.moved {
			if err := each(&part.moved[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return sum, err
}

func newDifference(q *Question) *Difference {
	return &Difference{Now: q.Now, Until: q.Until, Shifts: map[RuleShift]*Shifted{}, Telling: map[lifecycle.NoticeKind]*Telling{}}
}

// moved compares, rule by rule, the times at which each acts on the relationship, and tells of the first that is another.
func (q *Question) moved(old, new *Item, then *lifecycle.Policy) (moved []Moved) {
	was, is := acts(old.Steps), acts(new.Steps)
	for _, rule := range lifecycle.RuleNames() {
		if shift, before, after := q.parting(old, new, then, rule, was[rule], is[rule]); shift != "" {
			moved = append(moved, Moved{old.Stored, RuleShift{rule, shift}, before, after})
		}
	}
	return moved
}

// parting is the first time at which a rule acts otherwise by the new policy than by the old one, of the steps that it takes by
// either; an extension by another period is one too, and shows at the next.
func (q *Question) parting(old, new *Item, then *lifecycle.Policy, rule lifecycle.RuleName, was, is []*Step) (_ Shift, before, after time.Time) {
	otherwise := false
	for i := range max(len(was), len(is)) {
		switch {
		case i >= len(was):
			before, after = q.beyond(old, q.Policy, rule), is[i].Effective
		case i >= len(is):
			before, after = was[i].Effective, q.beyond(new, then, rule)
		default:
			before, after = was[i].Effective, is[i].Effective
			otherwise = otherwise || was[i].Type == lifecycle.EventExtended && !was[i].End.Equal(is[i].End)
		}
		if shift := shiftOf(before, after, q.Now); shift != "" {
			return shift, before, after
		}
		if i >= len(was) || i >= len(is) {
			return "", before, after
		}
	}
	if otherwise {
		before, after = q.beyond(old, q.Policy, rule), q.beyond(new, then, rule)
		return shiftOf(before, after, q.Now), before, after
	}
	return "", before, after
}

// acts are the steps with which each rule has acted; a warning that a later one takes the place of is none.
func acts(steps []Step) map[lifecycle.RuleName][]*Step {
	acts := make(map[lifecycle.RuleName][]*Step, len(steps))
	for i := range steps {
		if step := &steps[i]; step.Ends {
			acts[step.Rule] = append(acts[step.Rule], step)
		}
	}
	return acts
}

// farAhead is how far is looked for what a policy puts off: longer than any term and the year in which its name is held.
var farAhead = lifecycle.Months(12 * 5)

// beyond is when a rule acts on the relationship after the time that was asked for; zero for never.
func (q *Question) beyond(item *Item, p *lifecycle.Policy, rule lifecycle.RuleName) time.Time {
	r := item.After
	for d := range lifecycle.Ahead(r, p, q.Until, farAhead.After(q.Until), q.Only...) {
		for _, step := range Steps(&r, &d) {
			if step.Rule == rule && step.Ends {
				return step.Effective
			}
		}
		r = d.Record
	}
	return time.Time{}
}

// shiftOf names what becomes of an instant; empty where nothing does.
func shiftOf(was, is, now time.Time) Shift {
	switch {
	case was.Equal(is):
		return ""
	case !is.IsZero() && !is.After(now):
		if !was.IsZero() && !was.After(now) {
			return "" // it is due already by either of them
		}
		return AtOnce
	case is.IsZero():
		return Never
	case was.IsZero():
		return Newly
	case is.Before(was):
		return Earlier
	}
	return Later
}

func (d *Difference) count(moved []Moved) {
	if len(moved) > 0 {
		d.Changed++
	}
	for i := range moved {
		shifted := of(d.Shifts, moved[i].RuleShift)
		shifted.Relationships++
		shifted.Was.add(moved[i].Was)
		shifted.Is.add(moved[i].Is)
	}
}

// tell counts who is told by either policy.
func (d *Difference) tell(was, is []*Item) {
	for i, items := range [][]*Item{was, is} {
		for _, item := range items {
			for _, step := range item.Steps {
				for n := range step.Notices {
					notice := &step.Notices[n]
					telling := of(d.Telling, notice.Kind)
					told, unsaid := notice.counts()
					if i == 0 {
						telling.Told, telling.Unsaid = telling.Told+told, telling.Unsaid+unsaid
					} else {
						telling.ToldThen, telling.UnsaidThen = telling.ToldThen+told, telling.UnsaidThen+unsaid
					}
				}
			}
		}
	}
}

func (d *Difference) fail(failures []lifecycle.Failure) {
	d.Failed += int64(len(failures))
	for _, failure := range failures {
		if len(d.Faults) < mostFaults {
			d.Faults = append(d.Faults, failure)
		}
	}
}

func (d *Difference) add(other *Difference) {
	d.Looked += other.Looked
	d.Changed += other.Changed
	for what, n := range other.Shifts {
		sum := of(d.Shifts, what)
		sum.Relationships += n.Relationships
		for _, span := range []struct{ to, from *Span }{{&sum.Was, &n.Was}, {&sum.Is, &n.Is}} {
			span.to.add(span.from.First)
			span.to.add(span.from.Last)
		}
	}
	for kind, n := range other.Telling {
		sum := of(d.Telling, kind)
		sum.Told, sum.ToldThen = sum.Told+n.Told, sum.ToldThen+n.ToldThen
		sum.Unsaid, sum.UnsaidThen = sum.Unsaid+n.Unsaid, sum.UnsaidThen+n.UnsaidThen
	}
	d.fail(other.Faults)
	d.Failed += other.Failed - int64(len(other.Faults))
}
