package outlook

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Question is what somebody wants to know of the time ahead.
type Question struct {
	Policy *lifecycle.Policy
	Now    time.Time
	Until  time.Time            // inclusive
	Only   []lifecycle.RuleName // these fire and no others; empty: all
	Show   []lifecycle.RuleName // of what happens, only what these rules do; empty: all

	// Late has what falls due by Until done in one go, as of Now: what `tenure apply` would do, rather than what happens day by day.
	Late bool
}

// A Sum counts what happens.
type Sum struct {
	Relationships int64 // that it happens to
	Times         int64 // that the rule does something: more than one for a relationship that is extended twice
	Told          int64 // letters: one for each person, on each channel, and for each endpoint
	Unsaid        int64 // audiences that are not told, since it is old news, or there is nobody, or the policy says so
}

func (s *Sum) add(other Sum) {
	s.Relationships += other.Relationships
	s.Times += other.Times
	s.Told += other.Told
	s.Unsaid += other.Unsaid
}

// A Day is what a rule does on one day.
type Day struct {
	Date time.Time // midnight, UTC
	Rule lifecycle.RuleName
}

// A Plan is what happens from now until an instant, if nobody acts meanwhile and nothing is late.
type Plan struct {
	Now, Until time.Time

	Looked int64 // relationships looked at
	All    Sum
	Rules  map[lifecycle.RuleName]*Sum
	Days   map[Day]*Sum
	Unsaid map[lifecycle.Reason]int64 // audiences that are not told

	Overdue int64                        // times of All that fell due before now
	Held    map[lifecycle.RuleName]int64 // relationships of which the timer would be due by then, and is on hold
	Other   int64                        // relationships that wait for a rule that is not asked for
	Waiting int64                        // relationships that wait for another system to give access or to take it away
	Failed  int64                        // relationships on which nobody can decide
	Faults  []lifecycle.Failure          // the first of them

	latest struct { // day that was counted on
		day Day
		sum *Sum
	}
}

// mostFaults is how many of them are kept.
const mostFaults = 20

func newPlan(q *Question) *Plan {
	return &Plan{Now: q.Now, Until: q.Until, Rules: map[lifecycle.RuleName]*Sum{}, Days: map[Day]*Sum{}, Unsaid: map[lifecycle.Reason]int64{},
		Held: map[lifecycle.RuleName]int64{}}
}

// An Item is what happens to one relationship.
type Item struct {
	lifecycle.Stored
	Steps   []Step
	Decided *lifecycle.Decision // what is called for in one go, where the question is Late; nil: nothing is
	After   lifecycle.Record    // as all of it leaves the record
	Stopped lifecycle.Timer     // that is due by the end, and does not take effect; the zero Timer: none
	Held    bool                // since it is on hold; otherwise its rule is not asked for
	Waiting bool                // another system has to act before the relationship goes on
}

// Look answers a question, and hands over what happens to each relationship in the order of their keys; each may be nil.
func Look(ctx context.Context, records Records, q Question, each func(*Item) error) (*Plan, error) {
	type seen struct {
		plan  *Plan
		items []*Item
	}
	sum, known, sheets := newPlan(&q), newPeople(records), newSheets(each == nil)
	err := eachPage(ctx, records, func(ctx context.Context, decode Decode) (seen, error) {
		part := seen{plan: newPlan(&q)}
		err := inStretches(decode, known.stretch, func(stretch []lifecycle.Stored, failures []lifecycle.Failure) error {
			s := sheets.take(len(stretch))
			defer sheets.giveBack(s)
			items, failed := q.items(s, stretch)
			part.plan.Looked += int64(len(stretch) + len(failures))
			part.plan.fail(append(failures, failed...))
			if err := known.tell(ctx, items); err != nil {
				return err
			}
			for _, item := range items {
				part.plan.count(item)
			}
			if each != nil {
				part.items = append(part.items, items...)
			}
			return nil
		})
		return part, err
	}, func(part seen) error {
		sum.add(part.plan)
		for _, item := range part.items {
			if err := each(item); err != nil {
				return err
			}
		}
		return nil
	})
	return sum, err
}

// items are those of a page about which there is something to say.
func (q *Question) items(s *sheet, page []lifecycle.Stored) (items []*Item, failures []lifecycle.Failure) {
	items = make([]*Item, 0, len(page))
	for i := range page {
		var item *Item
		failure := decided(&page[i], func() { item = q.item(s, &page[i]) })
		switch {
		case failure != nil:
			failures = append(failures, *failure)
		case len(item.Steps) > 0 || item.Stopped.Rule != "" || item.Waiting:
			items = append(items, item)
		default:
			s.drop()
		}
	}
	return items, failures
}

// item is what happens to one relationship.
func (q *Question) item(s *sheet, stored *lifecycle.Stored) *Item {
	item, from := s.item(stored), len(s.steps)
	item.After = stored.Record
	add := func(d *lifecycle.Decision) {
		n := len(s.steps)
		s.add(&item.After, d)
		if len(q.Show) > 0 {
			s.steps = append(s.steps[:n], slices.DeleteFunc(s.steps[n:], func(s Step) bool { return !slices.Contains(q.Show, s.Rule) })...)
		}
		item.After = d.Record
	}
	if q.Late {
		if d := lifecycle.EvaluateBy(stored.Record, q.Policy, q.Until, q.Now, q.Only...); !d.Empty() {
			add(&d)
			item.Decided = &d
		}
	} else {
		for d := range s.ahead.Ahead(&stored.Record, q.Policy, q.Now, q.Until, q.Only...) {
			add(d)
		}
	}
	if len(s.steps) > from {
		item.Steps = s.steps[from:len(s.steps):len(s.steps)]
	}
	item.Waiting = q.Policy.Provisioning.External && item.After.Status.Provision() != ""
	if len(item.After.Stayed) > 0 || len(q.Only) > 0 {
		item.stopped(q, item.After)
	}
	return item
}

// stopped notes the timer that keeps the record r from going on.
func (item *Item) stopped(q *Question, r lifecycle.Record) {
	next := lifecycle.Evaluate(r, q.Policy, q.Until, q.Only...).Next
	if next.At.IsZero() || next.At.After(q.Until) {
		return
	}
	held := slices.Contains(r.Stayed, next.Rule)
	if held && len(q.Show) > 0 && !slices.Contains(q.Show, next.Rule) {
		return
	}
	item.Stopped, item.Held = next, held
}

// count counts one relationship in.
func (p *Plan) count(item *Item) {
	switch {
	case item.Stopped.Rule != "" && item.Held:
		p.Held[item.Stopped.Rule]++
	case item.Stopped.Rule != "":
		p.Other++
	}
	if item.Waiting {
		p.Waiting++
	}
	for i := range item.Steps {
		step := &item.Steps[i]
		sum := step.sum(p.Unsaid)
		if sum.Times > 0 && step.Effective.Before(p.Now) {
			p.Overdue++
		}
		// A relationship counts once in each place, however many steps it takes there.
		again, againOnDay, day := false, false, step.day()
		for before := range i {
			earlier := &item.Steps[before]
			again = again || earlier.Rule == step.Rule
			againOnDay = againOnDay || earlier.Rule == step.Rule && earlier.day() == day
		}
		p.All.addStep(sum, i > 0)
		of(p.Rules, step.Rule).addStep(sum, again)
		p.onDay(day).addStep(sum, againOnDay)
	}
}

// addStep counts a step of a relationship that has been counted already, or not.
func (s *Sum) addStep(step Sum, again bool) {
	if !again {
		step.Relationships = 1
	}
	s.add(step)
}

func (s *Step) day() Day { return Day{s.At.UTC().Truncate(lifecycle.Day), s.Rule} }

// onDay is the sum of a day. What is due already, which may be all there is, falls on one and the same.
func (p *Plan) onDay(day Day) *Sum {
	if p.latest.sum == nil || p.latest.day != day {
		p.latest.day, p.latest.sum = day, of(p.Days, day)
	}
	return p.latest.sum
}

// sum counts a step, and by reason who is not told of it.
func (s *Step) sum(unsaid map[lifecycle.Reason]int64) (sum Sum) {
	if s.Ends {
		sum.Times = 1
	}
	for i := range s.Notices {
		n := &s.Notices[i]
		told, not := n.counts()
		sum.Told, sum.Unsaid = sum.Told+told, sum.Unsaid+not
		for j := range n.Tells {
			if reason := n.Tells[j].Unsaid; reason != "" {
				unsaid[reason]++
			}
		}
	}
	return sum
}

func of[K comparable, V any](all map[K]*V, key K) *V {
	if all[key] == nil {
		all[key] = new(V)
	}
	return all[key]
}

func (p *Plan) fail(failures []lifecycle.Failure) {
	p.Failed += int64(len(failures))
	for _, failure := range failures {
		if len(p.Faults) < mostFaults {
			p.Faults = append(p.Faults, failure)
		}
	}
}

// add counts what another part of the records has given in.
func (p *Plan) add(other *Plan) {
	p.Looked += other.Looked
	p.All.add(other.All)
	for rule, sum := range other.Rules {
		of(p.Rules, rule).add(*sum)
	}
	for day, sum := range other.Days {
		of(p.Days, day).add(*sum)
	}
	for reason, n := range other.Unsaid {
		p.Unsaid[reason] += n
	}
	for rule, n := range other.Held {
		p.Held[rule] += n
	}
	p.Overdue += other.Overdue
	p.Other += other.Other
	p.Waiting += other.Waiting
	faults := other.Faults
	p.fail(faults)
	p.Failed += other.Failed - int64(len(faults))
}

// InOrder lists the days on which something happens, each with its rules in the order of the table of rules.
func (p *Plan) InOrder() []Day {
	names := lifecycle.RuleNames()
	return slices.SortedFunc(maps.Keys(p.Days), func(a, b Day) int {
		return cmp.Or(a.Date.Compare(b.Date), cmp.Compare(slices.Index(names, a.Rule), slices.Index(names, b.Rule)))
	})
}
