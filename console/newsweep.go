package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// newSweep is a sweep that somebody is about to ask for. First they choose, then they see what it would do, then it is opened.
type newSweep struct {
	Rules      []lifecycle.RuleName // chosen; in the order of all rules
	All        []lifecycle.RuleName
	DryRun     bool
	Fault      string // why it was not opened, or cannot be
	Standstill *lifecycle.Hold

	Planned    bool // what it would do is shown
	Plan       *duePlan
	PlanFault  string // why nobody can say what it would do
	Population int64
	Tripped    []lifecycle.RuleName // that would change more than their breakers let through
	Limits     map[lifecycle.RuleName]int64
	Key        string // names the request, so that a second click is the same one
}

// duePlan is what the HTTP interface says of what is due.
type duePlan struct {
	dueSum
	Overdue int64     `json:"overdue"`
	Rules   []dueRule `json:"rules"`
	Held    []dueHeld `json:"held"`
	Failed  int64     `json:"failed"`
}

type dueSum struct {
	Relationships int64 `json:"relationships"`
	Told          int64 `json:"told"`
	Unsaid        int64 `json:"unsaid"`
}

type dueRule struct {
	Rule lifecycle.RuleName `json:"rule"`
	dueSum
}

type dueHeld struct {
	Rule          lifecycle.RuleName `json:"rule"`
	Relationships int64              `json:"relationships"`
}

// Chosen says whether the rule is among those that were chosen.
func (n *newSweep) Chosen(rule lifecycle.RuleName) bool { return slices.Contains(n.Rules, rule) }

// Trips says whether the rule would change more than its breaker lets through.
func (n *newSweep) Trips(rule lifecycle.RuleName) bool { return slices.Contains(n.Tripped, rule) }

// Again is where the choice can be changed.
func (n *newSweep) Again() string {
	query := url.Values{"mode": {n.mode()}}
	for _, rule := range n.Rules {
		query.Add("rule", string(rule))
	}
	return withQuery(sweepsPath+"/new", query)
}

func (n *newSweep) mode() string {
	if n.DryRun {
		return "dry"
	}
	return "real"
}

const scopeSweep = "sweep"

func (c *Console) addNewSweep() {
	c.form(sweepsPath+"/new", scopeSweep, func(v *visit) error {
		n := readNewSweep(v.Request.URL.Query())
		if len(n.Rules) == 0 && n.Planned {
			n.Planned, n.Fault = false, v.T("newsweep.none")
		}
		if len(n.Rules) == 0 {
			n.Rules = n.All
		}
		return c.showNewSweep(v, http.StatusOK, n)
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
	condition := c.glance.look(v.Request.Context(), c.Wall(), c.Condition)
	n.Standstill = condition.Standstill()
	if n.Planned {
		if err := c.planSweep(v, n); err != nil {
			return err
		}
	}
	return v.showAs(status, "newsweep", n)
}

// planSweep finds out what the sweep would do. Where that cannot be told in time, the page says so; it is no reason not to sweep.
func (c *Console) planSweep(v *visit, n *newSweep) error {
	names := make([]string, len(n.Rules))
	for i, rule := range n.Rules {
		names[i] = string(rule)
	}
	var plan duePlan
	var refused *refusal
	switch err := v.ask(http.MethodGet, "/v1/plan?"+url.Values{"rule": {strings.Join(names, ",")}}.Encode(), nil, &plan); {
	case errors.As(err, &refused):
		n.PlanFault = refused.Detail
		return nil
	case err != nil:
		return err
	}
	n.Plan = &plan
	if n.DryRun || len(c.Policy.Breakers) == 0 {
		return nil
	}
	counts, err := c.Store.Counts(v.Request.Context())
	if err != nil {
		return err
	}
	for _, of := range counts {
		n.Population += of
	}
	planned := map[lifecycle.RuleName]int64{}
	n.Limits = map[lifecycle.RuleName]int64{}
	for _, rule := range plan.Rules {
		planned[rule.Rule] = rule.Relationships
		if most, limited := c.Policy.Breakers[rule.Rule].Limit(n.Population); limited {
			n.Limits[rule.Rule] = most
		}
	}
	n.Tripped = c.Policy.Tripped(planned, n.Population)
	return nil
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
