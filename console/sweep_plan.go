package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// plansEvery is for how long a plan is shown, unless somebody does something. It is longer than the HTTP interface lets one take, lest it never be.
const plansEvery = 30 * time.Second

// duePlan is what the HTTP interface says of what is due.
type duePlan struct {
	dueSum
	Rules  []dueRule `json:"rules"`
	Held   []dueHeld `json:"held"`
	Failed int64     `json:"failed"`
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

// dueOf is what a condition knows of it: what is due by next timers. Who would be told it does not know.
func dueOf(c *lifecycle.Condition, rules []lifecycle.RuleName) duePlan {
	var plan duePlan
	paused := pausedRules(c)
	for _, rule := range rules {
		one := dueRule{Rule: rule}
		i := slices.IndexFunc(c.Rules, func(r lifecycle.RuleCondition) bool { return r.Rule == rule })
		if i >= 0 {
			due, held := c.Rules[i].Due, c.Rules[i].Held
			if slices.Contains(paused, rule) {
				due, held = 0, held+due
			}
			if one.Relationships = due; held > 0 {
				plan.Held = append(plan.Held, dueHeld{rule, held})
			}
		}
		plan.Relationships += one.Relationships
		plan.Rules = append(plan.Rules, one)
	}
	return plan
}

// A sweepPlan is what a sweep would do, and of how many relationships there are. Breakers go by both.
type sweepPlan struct {
	duePlan
	Population int64
}

// sweepPlans are kept for as many as ask for the same: by the rules, and by the language in which a refusal is said. There are not many of either.
// The zero value is ready.
type sweepPlans struct {
	mu   sync.Mutex
	kept map[string]*kept[sweepPlan]
}

func (p *sweepPlans) of(choice string) *kept[sweepPlan] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		p.kept = map[string]*kept[sweepPlan]{}
	}
	if p.kept[choice] == nil {
		p.kept[choice] = &kept[sweepPlan]{}
	}
	return p.kept[choice]
}

// forget has all of them found out anew, those too that are just being found out.
func (p *sweepPlans) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = nil
}

// sweepPlan is what a sweep of the rules would do, as far as it is known. It is found out in the name of the first who asks.
func (c *Console) sweepPlan(v *visit, rules []lifecycle.RuleName) (counted[sweepPlan], error) {
	names := make([]string, len(rules))
	for i, rule := range rules {
		names[i] = string(rule)
	}
	list := strings.Join(names, ",")
	r, err := v.request(http.MethodGet, "/v1/plan?"+url.Values{"rule": {list}}.Encode(), nil, nil)
	if err != nil {
		return counted[sweepPlan]{}, err
	}
	asking := *v // as they are now; the visit goes on
	return c.plans.of(string(v.Lang)+" "+list).look(v, "the plan of a sweep", plansEvery, func(ctx context.Context) (plan sweepPlan, err error) {
		if err := asking.put(r.WithContext(ctx), &plan.duePlan); err != nil {
			return plan, err
		}
		if len(c.Policy.Breakers) > 0 {
			plan.Population, err = c.Store.Population(ctx)
		}
		return plan, err
	}), nil
}
