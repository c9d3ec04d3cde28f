package console

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	liveEvery = 2 * time.Second // so often a page that is looked at is brought up to date
	lookEvery = time.Second     // so often the deployment is looked at, for however many who look
	lookWait  = 3 * time.Second // so long a page waits for that
)

// today is what the first page shows.
type today struct {
	lifecycle.Condition
	Policy   *lifecycle.Policy
	Concerns []lifecycle.Concern
	Due      int64
	Held     int64 // due, and on hold one by one
	Paused   int64 // due, and the rule is paused
	Overdue  int64 // due under rules whose oldest has been so for longer than it takes from one look to the next
}

// A glance keeps the condition of the deployment for a moment, so that many who look cost as much as one. Nobody waits long for it: a database
// that says nothing at all is what they came to hear of.
type glance struct {
	mu      sync.Mutex
	taken   time.Time // of what was seen; zero: the next look shall see anew
	seen    lifecycle.Condition
	looking *looking // nil: nobody looks
}

// A looking is a look that is under way.
type looking struct {
	begun time.Time
	done  chan struct{} // closed when it is over
	stale bool          // something was changed meanwhile
}

func (g *glance) look(ctx context.Context, wall time.Time, condition func(context.Context) lifecycle.Condition) lifecycle.Condition {
	seen, late := g.lookFor(ctx, lookWait, wall, condition)
	if late == nil {
		return seen
	}
	return lifecycle.Condition{At: wall, Wall: wall, Version: seen.Version, Sandbox: seen.Sandbox,
		Database: lifecycle.Dependency{Name: "database", Fault: "it has not answered for " + lifecycle.Spoken(max(lookWait, wall.Sub(late.begun)))}}
}

// lookFor is look for whoever does not wait longer than that. late is the look that is under way then, and seen is what was seen before it.
func (g *glance) lookFor(ctx context.Context, patience time.Duration, wall time.Time, condition func(context.Context) lifecycle.Condition) (seen lifecycle.Condition, late *looking) {
	g.mu.Lock()
	if age := wall.Sub(g.taken); age >= 0 && age < lookEvery {
		defer g.mu.Unlock()
		return g.seen, nil
	}
	if g.looking == nil || g.looking.stale {
		g.looking = &looking{begun: wall, done: make(chan struct{})}
		go g.see(context.WithoutCancel(ctx), g.looking, condition) // it is for the others, too, when whoever asked first has left
	}
	l := g.looking
	g.mu.Unlock()
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-l.done:
	case <-wait.C:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.looking != l {
		return g.seen, nil
	}
	return g.seen, l
}

// see looks, and keeps what it sees unless something was changed meanwhile, which it may not have seen.
func (g *glance) see(ctx context.Context, l *looking, condition func(context.Context) lifecycle.Condition) {
	seen := condition(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.looking == l:
		g.seen, g.taken, g.looking = seen, l.begun, nil
		if l.stale {
			g.taken = time.Time{}
		}
	case g.seen.Wall.IsZero(): // better than nothing for those who wait
		g.seen = seen
	}
	close(l.done)
}

// forget has the next look see what was just changed.
func (g *glance) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken = time.Time{}
	if g.looking != nil {
		g.looking.stale = true
	}
}

func (c *Console) addToday() {
	c.get("/{$}", func(v *visit) error { return v.show("today", c.today(v)) })
	c.get("/console/live/today", func(v *visit) error {
		return v.live("today", func() any { return c.today(v) })
	})
}

func (c *Console) today(v *visit) today {
	t := today{Condition: c.glance.look(v.Request.Context(), c.Wall(), c.Condition), Policy: c.Policy}
	t.Concerns = t.Condition.Concerns(c.Policy)
	overdue := overdueRules(&t.Condition)
	for i := range t.Rules {
		rule := &t.Rules[i]
		t.Held += rule.Held
		if rule.Paused || t.Standstill() != nil {
			t.Paused += rule.Due
			continue
		}
		t.Due += rule.Due
		if slices.Contains(overdue, rule.Rule) {
			t.Overdue += rule.Due
		}
	}
	return t
}

// overdueRules are those that are not paused, and whose oldest timer has been due for longer than it takes from one look to the next.
func overdueRules(c *lifecycle.Condition) (overdue []lifecycle.RuleName) {
	for i := range c.Rules {
		if r := &c.Rules[i]; !r.Paused && c.Standstill() == nil && r.Overdue(c.At) > r.Interval {
			overdue = append(overdue, r.Rule)
		}
	}
	return overdue
}

// Look is the page on which an operator sees what a concern is about; empty where there is none.
func (today) Look(c lifecycle.Concern) string {
	switch c.What {
	case lifecycle.QueueAway, lifecycle.NobodyWorks, lifecycle.WorkersAtLimit:
		return queuePath
	case lifecycle.StandsStill, lifecycle.SchedulerSilent:
		return sweepsPath
	case lifecycle.ObjectiveMissed:
		return rulesPath + "/" + c.Subject
	case lifecycle.SweepIsHeld:
		return sweepsPath + "/" + c.Subject
	case lifecycle.RuleOverdue:
		return relationshipsPath + "?due=now&rule=" + c.Subject
	case lifecycle.ChannelIsOff, lifecycle.ChannelFails:
		return channelsPath
	case lifecycle.LettersDead:
		return noticesPath + "?status=" + string(lifecycle.NoticeDead)
	case lifecycle.AccessStuck:
		return provisioningPath + "?stuck=yes"
	}
	return ""
}

// OverdueTone says how bad it is that something is overdue: as bad as the verdict above it has it.
func (t today) OverdueTone() string {
	late := func(c lifecycle.Concern) bool {
		return c.What == lifecycle.RuleOverdue || c.What == lifecycle.SchedulerSilent
	}
	switch {
	case t.Overdue == 0 || t.Sandbox: // whose clock moves in steps
		return ""
	case slices.ContainsFunc(t.Concerns, late):
		return "bad"
	}
	return "warn"
}

// DueLink lists what is due and not on hold in any way.
func (t today) DueLink() string {
	if t.Paused > 0 {
		return relationshipsPath + "?due=now&paused=no"
	}
	return relationshipsPath + "?due=now"
}

// OnHold is how much is due and on hold, in whatever way.
func (t today) OnHold() int64 { return t.Held + t.Paused }

// OnHoldLink lists it; where there is something of either kind, it leads to the rules, at which each is counted.
func (t today) OnHoldLink() string {
	switch {
	case t.Paused == 0:
		return relationshipsPath + "?due=now&held=yes"
	case t.Held == 0:
		return relationshipsPath + "?due=now&paused=only"
	}
	return sweepsPath + "#rules"
}

// Wanted is what is on time for a rule, in words; empty where nothing is.
func (v *visit) Wanted(r lifecycle.RuleCondition) string {
	objective := r.Objective(v.console.Policy)
	within := objective.Allowed()
	if within == 0 {
		return ""
	}
	return v.T("today.wanted", "share", strconv.FormatFloat(objective.Share, 'f', -1, 64), "span", v.console.pages[v.Lang].span(within))
}

// Latest is how late the latest of a rule's changes in the last day was.
func (today) Latest(r lifecycle.RuleCondition) time.Duration {
	return r.Late[lifecycle.LastDay].Greatest()
}

// Changes counts a rule's changes in the last day.
func (t today) Changes(r lifecycle.RuleCondition) int64 {
	_, all := r.OnTime(t.Policy, lifecycle.LastDay)
	return all
}

// OnTime is the share of a rule's changes in the last day that were on time.
func (t today) OnTime(r lifecycle.RuleCondition) string {
	return lifecycle.Share(r.OnTime(t.Policy, lifecycle.LastDay))
}

// Missed says whether the rule has missed its objective in the last day.
func (t today) Missed(r lifecycle.RuleCondition) bool {
	return t.Condition.Missed(&r, t.Policy, lifecycle.LastDay)
}

// Late is how late the oldest timer of a rule is.
func (t today) Late(r lifecycle.RuleCondition) time.Duration { return r.Overdue(t.At) }

// Unsaid counts the notices of a status.
func (t today) Unsaid(status string) int64 { return t.Notices[lifecycle.NoticeStatus(status)] }
