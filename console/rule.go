package console

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const rulesPath = "/console/rules"

// rulePage is what there is to know of one rule.
type rulePage struct {
	lifecycle.RuleCondition
	Policy  *lifecycle.Policy
	At      time.Time
	Sandbox bool
	Hold    *lifecycle.Hold // that pauses it; nil: none does
	Windows []ruleWindow
	List    []lifecycle.Sweep // of it, the latest first; those that found something

	First, Next, Live string
}

// A ruleWindow is how late a rule's changes of a time up to now were.
type ruleWindow struct {
	Days            int64
	Changes, OnTime int64
	Latest          time.Duration
	Missed          bool // its objective
}

// OnTimeShare is the share of changes that were on time.
func (w ruleWindow) OnTimeShare() string { return lifecycle.Share(w.OnTime, w.Changes) }

// Oldest is for how long the oldest timer of the rule has been due.
func (p *rulePage) Oldest() time.Duration { return p.Overdue(p.At) }

func (c *Console) addRule() {
	c.get(rulesPath+"/{rule}", func(v *visit) error {
		p, err := c.rulePage(v)
		if err != nil {
			return err
		}
		return v.show("rule", p)
	})
	c.get("/console/live/rules/{rule}", func(v *visit) error {
		return v.liveOr("rule", func() (any, error) { return c.rulePage(v) })
	})
}

func (c *Console) rulePage(v *visit) (*rulePage, error) {
	rule, err := v.ruleOfPath()
	if err != nil {
		return nil, err
	}
	ctx := v.Request.Context()
	condition := c.glance.look(ctx, c.Wall(), c.Condition)
	i := slices.IndexFunc(condition.Rules, func(r lifecycle.RuleCondition) bool { return r.Rule == rule })
	if i < 0 { // the database is away
		return nil, &refusal{http.StatusServiceUnavailable, v.T("rule.away")}
	}
	p := &rulePage{RuleCondition: condition.Rules[i], Policy: c.Policy, At: condition.At, Sandbox: condition.Sandbox, Hold: ruleHold(&condition, rule)}
	for w := range lifecycle.LatenessWindows {
		onTime, all := p.OnTime(c.Policy, w)
		p.Windows = append(p.Windows, ruleWindow{int64(w.Span() / lifecycle.Day), all, onTime, p.RuleCondition.Late[w].Greatest(), condition.Missed(&p.RuleCondition, c.Policy, w)})
	}
	before := number(v.Request.URL.Query(), "before")
	list, err := c.Store.ShownSweeps(ctx, lifecycle.ShowBusy, rule, before, sweepsOnPage+1)
	if err != nil {
		return nil, err
	}
	p.List = list[:min(len(list), sweepsOnPage)]
	path := rulesPath + "/" + string(rule)
	p.Live = withQuery("/console/live"+path[len("/console"):], v.Request.URL.Query())
	if before > 0 {
		p.First = path + "#list"
	}
	if len(list) > sweepsOnPage {
		p.Next = path + "?before=" + strconv.FormatInt(list[sweepsOnPage-1].ID, 10) + "#list"
	}
	return p, nil
}
