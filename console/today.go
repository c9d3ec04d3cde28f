package console

import (
	"context"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	liveEvery = 2 * time.Second // so often a page that is looked at is brought up to date
	lookEvery = time.Second     // so often the deployment is looked at, for however many who look
)

// today is what the first page shows.
type today struct {
	lifecycle.Condition
	Policy   *lifecycle.Policy
	Concerns []lifecycle.Concern
	Due      int64
	Held     int64
	Overdue  int64 // due for longer than it takes from one look to the next
}

// A glance keeps the condition of the deployment for a moment, so that many who look cost as much as one.
type glance struct {
	mu    sync.Mutex
	taken time.Time
	seen  lifecycle.Condition
}

func (g *glance) look(ctx context.Context, wall time.Time, condition func(context.Context) lifecycle.Condition) lifecycle.Condition {
	g.mu.Lock()
	defer g.mu.Unlock()
	if age := wall.Sub(g.taken); age < 0 || age >= lookEvery {
		g.seen, g.taken = condition(context.WithoutCancel(ctx)), wall // it is for the others, too, when whoever asked first has left
	}
	return g.seen
}

// forget has the next look see what was just changed.
func (g *glance) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken = time.Time{}
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
	for i := range t.Rules {
		rule := &t.Rules[i]
		t.Due, t.Held = t.Due+rule.Due, t.Held+rule.Held
		if rule.Overdue(t.At) > rule.Interval {
			t.Overdue += rule.Due
		}
	}
	return t
}

// OnTime is the share of a rule's changes in the last day that were on time.
func (t today) OnTime(r lifecycle.RuleCondition) string {
	return lifecycle.Share(r.OnTime(t.Policy, lifecycle.LastDay))
}

// Met says whether the rule keeps its objective.
func (t today) Met(r lifecycle.RuleCondition) bool {
	objective := r.Objective(t.Policy)
	onTime, all := r.OnTime(t.Policy, lifecycle.LastDay)
	return objective.Met(onTime, all)
}

// Late is how late the oldest timer of a rule is.
func (t today) Late(r lifecycle.RuleCondition) time.Duration { return r.Overdue(t.At) }

// Unsaid counts the notices of a status.
func (t today) Unsaid(status string) int64 { return t.Notices[lifecycle.NoticeStatus(status)] }
