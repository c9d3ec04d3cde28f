package lifecycle

import (
	"cmp"
	"slices"
	"time"
)

// A Firing is one timer that takes effect in a decision, and when it fell due.
type Firing struct {
	Rule RuleName
	Due  time.Time
}

// Firings lists the timers that take effect in the decision, each once: one that takes several steps is one, and a warning that a
// later stage of it supersedes is none, since nobody is told.
func (d *Decision) Firings() []Firing {
	var firings []Firing
	add := func(f Firing) {
		if f.Rule != "" && !slices.Contains(firings, f) {
			firings = append(firings, f)
		}
	}
	for i := range d.Changes {
		add(Firing{d.Changes[i].Rule, d.Changes[i].Effective})
	}
	for i := range d.Notices {
		if n := &d.Notices[i]; n.Kind == KindWarnExpiry && n.Status != NoticeSuperseded {
			add(Firing{WarnExpiry, n.Due})
		}
	}
	return firings
}

// A Wait is a time in which a timer could not take effect, and nobody was late: it was on hold, or did not stand as it does now.
// The zero From is the beginning of time.
type Wait struct{ From, Until time.Time }

// Waited is how long something took from when it fell due until it was recorded, without the waits.
func Waited(due, recorded time.Time, waits []Wait) time.Duration {
	waits = slices.Clone(waits)
	slices.SortFunc(waits, func(a, b Wait) int { return cmp.Compare(a.From.UnixNano(), b.From.UnixNano()) })
	var late time.Duration
	for _, w := range waits {
		if !w.Until.After(due) {
			continue
		}
		if w.From.After(due) {
			late += earlier(w.From, recorded).Sub(due)
		}
		if due = w.Until; !due.Before(recorded) {
			return late
		}
	}
	return late + max(0, recorded.Sub(due))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// LatenessCounts says how many changes were how late: whole seconds, rounded up as [RoundLateness] does, and a number of changes.
type LatenessCounts map[int64]int64

// Latenesses are the counts of each rule.
type Latenesses map[RuleName]LatenessCounts

// Add counts so many changes under a rule that were so late.
func (l Latenesses) Add(rule RuleName, late time.Duration, changes int64) {
	if l[rule] == nil {
		l[rule] = LatenessCounts{}
	}
	l[rule][int64(RoundLateness(late)/time.Second)] += changes
}

// AddAll counts other in.
func (l Latenesses) AddAll(other Latenesses) {
	for rule, counts := range other {
		for seconds, n := range counts {
			l.Add(rule, time.Duration(seconds)*time.Second, n)
		}
	}
}

// RoundLateness rounds up to what is kept of a lateness: to the second up to a minute, to the minute up to an hour, to five
// minutes up to 25 hours, to the hour up to 30 days, and to the day beyond. So the table stays small however late something is, and an
// objective of so many seconds, minutes, hours or days is counted exactly.
func RoundLateness(late time.Duration) time.Duration {
	step := Day
	switch {
	case late <= time.Second:
		return time.Second
	case late <= time.Minute:
		step = time.Second
	case late <= time.Hour:
		step = time.Minute
	case late <= 25*time.Hour:
		step = 5 * time.Minute
	case late <= 30*Day:
		step = time.Hour
	}
	return (late + step - 1) / step * step
}

// Within counts the changes that were at most so late, an objective between two steps of [RoundLateness] being the upper one, and
// all of them.
func (c LatenessCounts) Within(within time.Duration) (onTime, all int64) {
	most := int64(RoundLateness(within) / time.Second)
	for seconds, n := range c {
		all += n
		if seconds <= most {
			onTime += n
		}
	}
	return onTime, all
}

// Greatest is how late the latest change was, rounded up.
func (c LatenessCounts) Greatest() time.Duration {
	var most int64
	for seconds := range c {
		most = max(most, seconds)
	}
	return time.Duration(most) * time.Second
}

// For is the objective of a rule that is looked at once in an interval. A rule that is looked at less often than what is on time
// cannot keep the objective as it is written; it gets the interval on top.
func (l LatenessPolicy) For(interval time.Duration) LatenessPolicy {
	if within := l.Allowed(); within > 0 && interval >= within {
		l.Within = Period{Span: within + interval}
	}
	return l
}

// Allowed is Within as a span of time; 0: there is no objective. A month has 30 days here.
func (l LatenessPolicy) Allowed() time.Duration {
	const month = 30 * Day
	return l.Within.Span + time.Duration(l.Within.Months)*month
}

// Met says whether so many changes of all were enough to be on time.
func (l LatenessPolicy) Met(onTime, all int64) bool {
	const hundred = 100
	return l.Within.IsZero() || all == 0 || float64(onTime)*hundred >= l.Share*float64(all)
}
