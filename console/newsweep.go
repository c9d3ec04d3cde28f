package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// newSweep is a sweep that somebody is about to ask for. First they choose, then they see what it would do, then it is opened.
type newSweep struct {
	Rules      []lifecycle.RuleName // chosen; in the order of all rules
	All        []lifecycle.RuleName
	DryRun     bool
	Fault      string // why it was not opened, or cannot be
	Standstill *lifecycle.Hold

	Planned    bool      // what it would do is shown
	Plan       duePlan   // until it is counted, what is due by next timers
	Seen       bool      // that, at least, is known
	Counting   bool      // it is being counted
	At         time.Time // when it was; zero: it is not known yet
	PlanFault  string    // why nobody can say what it would do
	Population int64
	Tripped    []lifecycle.RuleName // that would change more than their breakers let through
	Limits     map[lifecycle.RuleName]int64
	Key        string // names the request, so that a second click is the same one
}

// Counted says whether the plan is there.
func (n *newSweep) Counted() bool { return !n.At.IsZero() }

// Chosen says whether the rule is among those that were chosen.
func (n *newSweep) Chosen(rule lifecycle.RuleName) bool { return slices.Contains(n.Rules, rule) }

// Trips says whether the rule would change more than its breaker lets through.
func (n *newSweep) Trips(rule lifecycle.RuleName) bool { return slices.Contains(n.Tripped, rule) }

// Stopped says whether it would be held for somebody's word.
func (n *newSweep) Stopped() bool { return !n.DryRun && (n.Standstill != nil || len(n.Tripped) > 0) }

// Held is how much is due under a rule, and on hold.
func (n *newSweep) Held(rule lifecycle.RuleName) (held int64) {
	for _, h := range n.Plan.Held {
		if h.Rule == rule {
			held += h.Relationships
		}
	}
	return held
}

// AllHeld is how much is due under all of them, and on hold.
func (n *newSweep) AllHeld() (held int64) {
	for _, h := range n.Plan.Held {
		held += h.Relationships
	}
	return held
}

// Again is where the choice can be changed.
func (n *newSweep) Again() string { return withQuery(newSweepPath, n.choice()) }

// Here is where what it would do is shown.
func (n *newSweep) Here() string { return n.plannedAt(newSweepPath) }

// Live is where that comes from while it is counted.
func (n *newSweep) Live() string { return n.plannedAt(newSweepLive) }

func (n *newSweep) plannedAt(path string) string {
	query := n.choice()
	query.Set("step", "plan")
	return withQuery(path, query)
}

// choice is what was chosen, for an address.
func (n *newSweep) choice() url.Values {
	query := url.Values{"mode": {n.mode()}}
	for _, rule := range n.Rules {
		query.Add("rule", string(rule))
	}
	return query
}

func (n *newSweep) mode() string {
	if n.DryRun {
		return "dry"
	}
	return "real"
}

const (
	scopeSweep   = "sweep"
	newSweepPath = sweepsPath + "/new"
	newSweepLive = "/console/live/sweeps/new"
)

func (c *Console) addNewSweep() {
	c.form(newSweepPath, scopeSweep, func(v *visit) error {
		n := readNewSweep(v.Request.URL.Query())
		if len(n.Rules) == 0 && n.Planned {
			n.Planned, n.Fault = false, v.T("newsweep.none")
		}
		if len(n.Rules) == 0 {
			n.Rules = n.All
		}
		return c.showNewSweep(v, http.StatusOK, n)
	})
	c.form(newSweepLive, scopeSweep, func(v *visit) error {
		n := readNewSweep(v.Request.URL.Query())
		if len(n.Rules) == 0 {
			n.Rules = n.All
		}
		return v.liveOr("newsweep", func() (any, error) {
			if n.Counted() { // what they read stays as it is
				return n, nil
			}
			return n, c.planSweep(v, n)
		})
	})
	c.post(sweepsPath, scopeSweep, c.openSweep)
}

// readNewSweep reads what was chosen.
func readNewSweep(form url.Values) *newSweep {
	n := &newSweep{All: lifecycle.RuleNames(), DryRun: form.Get("mode") != "real", Planned: form.Get("step") == "plan", Key: form.Get("key")}
	for _, rule := range n.All {
		if slices.Contains(form["rule"], string(rule)) {
			n.Rules = append(n.Rules, rule)
		}
	}
	if n.Key == "" {
		n.Key = rand.Text()
	}
	return n
}

// showNewSweep shows the choice or, once it is made, what would follow from it.
func (c *Console) showNewSweep(v *visit, status int, n *newSweep) error {
	if n.Planned {
		if err := c.planSweep(v, n); err != nil {
			return err
		}
	}
	return v.showAs(status, "newsweep", n)
}

// planSweep finds out what the sweep would do. Nobody waits for long: until it is known the page says so, and shows what is due. That is no reason not to
// sweep, since holds and breakers do not go by this page.
func (c *Console) planSweep(v *visit, n *newSweep) error {
	condition, late := c.glance.lookFor(v.Request.Context(), keptWait, c.Wall(), c.Condition)
	if n.Seen = late == nil && condition.Database.Fault == ""; !n.Seen {
		condition = lifecycle.Condition{}
	}
	n.Plan, n.Standstill = dueOf(&condition, n.Rules), condition.Standstill()
	plan, err := c.sweepPlan(v, n.Rules)
	if err != nil {
		return err
	}
	var refused *refusal
	n.Counting, n.PlanFault = plan.Working || late != nil, ""
	switch {
	case n.Counting:
	case errors.As(plan.Fault, &refused):
		n.PlanFault = refused.Detail
	case plan.Failed:
		n.PlanFault = v.T("ahead.failed")
	default:
		n.Plan, n.At = plan.Value.duePlan, plan.At
		n.judge(c.Policy, plan.Value.Population)
	}
	return nil
}

// judge says what of the plan breakers would hold.
func (n *newSweep) judge(p *lifecycle.Policy, population int64) {
	if n.DryRun {
		return
	}
	planned := map[lifecycle.RuleName]int64{}
	n.Population, n.Limits = population, map[lifecycle.RuleName]int64{}
	for _, rule := range n.Plan.Rules {
		planned[rule.Rule] = rule.Relationships
		if most, limited := p.Breakers[rule.Rule].Limit(population); limited {
			n.Limits[rule.Rule] = most
		}
	}
	n.Tripped = p.Tripped(planned, population)
}

// openSweep asks for the sweep, under the name that the form got when it was made: asked for twice, it is opened once.
func (c *Console) openSweep(v *visit) error {
	if err := v.Request.ParseForm(); err != nil {
		return &refusal{http.StatusBadRequest, v.T("newsweep.unread")}
	}
	n := readNewSweep(v.Request.PostForm)
	n.Planned = true
	if len(n.Rules) == 0 {
		n.Planned, n.Rules, n.Fault = false, n.All, v.T("newsweep.none")
		return c.showNewSweep(v, http.StatusUnprocessableEntity, n)
	}
	wanted := map[string]any{"dryRun": n.DryRun}
	if len(n.Rules) < len(n.All) {
		wanted["rules"] = n.Rules
	}
	var opened struct {
		ID     int64  `json:"id"`
		Opened string `json:"opened"`
	}
	var refused *refusal
	switch err := v.ask(http.MethodPost, "/v1/sweeps", wanted, &opened, "Idempotency-Key", n.Key); {
	case errors.As(err, &refused):
		n.Fault = refused.Detail
		return c.showNewSweep(v, refused.Status, n)
	case err != nil:
		return err
	}
	c.glance.forget()
	return v.done(sweepPath(opened.ID), v.T("newsweep."+opened.Opened, "id", opened.ID))
}
