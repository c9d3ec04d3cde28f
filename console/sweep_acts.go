package console

import (
	"net/http"
	"strconv"

	"github.com/tenure-dev/tenure/lifecycle"
)

// addSweepActs adds what people do about sweeps that there are, and about the rules that open them.
func (c *Console) addSweepActs() {
	c.addAct(sweepsPath+"/{id}/cancel", scopeSweep, c.askCancel, func(v *visit, _ string) (next, told string, err error) {
		id, err := v.askSweep("cancel", nil)
		return sweepPath(id), v.T("sweeps.cancelled", "id", id), err
	})
	for _, word := range []string{"approve", "reject"} {
		c.addAct(sweepsPath+"/{id}/"+word, "manage", func(v *visit) (confirmation, error) { return c.askWord(v, word) },
			func(v *visit, reason string) (next, told string, err error) {
				id, err := v.askSweep(word, map[string]string{"reason": reason})
				return sweepPath(id), v.T("sweeps."+word+".done", "id", id), err
			})
	}
	c.addAct(sweepsPath+"/rules/{rule}/pause", "manage", askPause, c.pauseRule)
	c.addAct(sweepsPath+"/rules/{rule}/resume", "manage", c.askResume, c.resumeRule)
	c.addAct(sweepsPath+"/everything/hold", "manage", askHold, func(v *visit, reason string) (next, told string, err error) {
		err = v.ask(http.MethodPost, "/v1/holds", map[string]string{"kind": string(lifecycle.HoldEverything), "note": reason}, nil)
		return sweepsPath, v.T("sweeps.hold.done"), err
	})
	c.addAct(sweepsPath+"/everything/release", "manage", c.askRelease, func(v *visit, reason string) (next, told string, err error) {
		err = v.ask(http.MethodPost, "/v1/quarantine/release", map[string]string{"reason": reason}, nil)
		return sweepsPath, v.T("sweeps.release.done"), err
	})
}

// askSweep asks the HTTP interface for something about the sweep that the path names.
func (v *visit) askSweep(what string, body any) (id int64, err error) {
	if id, err = v.sweepID(); err != nil {
		return 0, err
	}
	return id, v.ask(http.MethodPost, "/v1/sweeps/"+strconv.FormatInt(id, 10)+"/"+what, body, nil)
}

// sweepOfPath reads the sweep that the path names.
func (c *Console) sweepOfPath(v *visit) (sweep lifecycle.Sweep, err error) {
	id, err := v.sweepID()
	if err != nil {
		return sweep, err
	}
	return c.Store.Sweep(v.Request.Context(), id)
}

func (c *Console) askCancel(v *visit) (confirmation, error) {
	sweep, err := c.sweepOfPath(v)
	if err != nil {
		return confirmation{}, err
	}
	if sweep.State != lifecycle.SweepHeld && sweep.State != lifecycle.SweepRunning {
		return confirmation{}, v.settled(&sweep)
	}
	text := v.T("sweeps.cancel.text")
	if sweep.State == lifecycle.SweepHeld {
		text = v.T("sweeps.cancel.held")
	}
	return confirmation{Title: v.T("sweeps.cancel.title", "id", sweep.ID), Text: text, Facts: v.sweepFacts(&sweep), Path: sweepPath(sweep.ID) + "/cancel",
		Back: sweepPath(sweep.ID), Button: v.T("sweeps.cancel.button"), Danger: true}, nil
}

func (c *Console) askWord(v *visit, word string) (confirmation, error) {
	sweep, err := c.sweepOfPath(v)
	if err != nil {
		return confirmation{}, err
	}
	if sweep.State != lifecycle.SweepHeld {
		return confirmation{}, v.settled(&sweep)
	}
	return confirmation{Title: v.T("sweeps."+word+".title", "id", sweep.ID), Text: v.T("sweeps." + word + ".text"), Facts: v.sweepFacts(&sweep),
		Path: sweepPath(sweep.ID) + "/" + word, Back: sweepPath(sweep.ID), Reason: true, Button: v.T("sweeps." + word + ".button"), Danger: word == "approve"}, nil
}

// settled shows how a sweep stands to whoever comes too late to decide on it.
func (v *visit) settled(s *lifecycle.Sweep) error {
	return &overtaken{sweepPath(s.ID), v.T("sweeps.settled", "id", s.ID, "state", v.word("sweep", string(s.State)))}
}

// sweepFacts are what a sweep is about: of one that is held, what it would do.
func (v *visit) sweepFacts(s *lifecycle.Sweep) (facts []fact) {
	pages := v.console.pages[v.Lang]
	facts = append(facts, fact{v.T("sweeps.opened"), pages.instant(s.OpenedAt)})
	if s.Plan == nil {
		return append(facts, fact{v.T("sweeps.found"), pages.words.write(s.Found)}, fact{v.T("sweeps.changed"), pages.words.write(s.Changed)})
	}
	for _, rule := range s.Fires() {
		n := s.Plan.Records[rule]
		if n == 0 {
			continue
		}
		text := v.T("sweeps.records", "n", n)
		if most, limited := s.Plan.Limits[rule]; limited {
			text = v.T("sweeps.recordsLimited", "records", text, "most", most)
		}
		facts = append(facts, fact{pages.word("rule", rule), text})
	}
	return append(facts, fact{v.T("sweeps.notices"), pages.words.write(s.Plan.Notices)}, fact{v.T("sweeps.population"), pages.words.write(s.Plan.Population)})
}

// ruleOfPath is the rule that the path names.
func (v *visit) ruleOfPath() (lifecycle.RuleName, error) {
	rule := lifecycle.RuleName(v.Request.PathValue("rule"))
	if !rule.Known() {
		return "", v.notFound()
	}
	return rule, nil
}

func askPause(v *visit) (confirmation, error) {
	rule, err := v.ruleOfPath()
	if err != nil {
		return confirmation{}, err
	}
	return confirmation{Title: v.T("sweeps.pause.title", "rule", v.console.pages[v.Lang].word("rule", rule)), Text: v.T("sweeps.pause.text"),
		Path: rulePath(rule, "pause"), Back: sweepsPath, Reason: true, Button: v.T("sweeps.pause.button")}, nil
}

func rulePath(rule lifecycle.RuleName, what string) string {
	return sweepsPath + "/rules/" + string(rule) + "/" + what
}

func (c *Console) pauseRule(v *visit, reason string) (next, told string, err error) {
	rule, err := v.ruleOfPath()
	if err != nil {
		return "", "", err
	}
	err = v.ask(http.MethodPost, "/v1/holds", map[string]string{"kind": string(lifecycle.HoldRule), "subject": string(rule), "note": reason}, nil)
	return sweepsPath, v.T("sweeps.pause.done", "rule", c.pages[v.Lang].word("rule", rule)), err
}

// holdOfRule is the hold that keeps the rule of the path from being fired.
func (c *Console) holdOfRule(v *visit) (rule lifecycle.RuleName, hold *lifecycle.Hold, err error) {
	if rule, err = v.ruleOfPath(); err != nil {
		return "", nil, err
	}
	c.glance.forget() // somebody else may have resumed it
	condition := c.glance.look(v.Request.Context(), c.Wall(), c.Condition)
	if hold = ruleHold(&condition, rule); hold == nil {
		err = &refusal{http.StatusConflict, v.T("sweeps.resume.already", "rule", c.pages[v.Lang].word("rule", rule))}
	}
	return rule, hold, err
}

func (c *Console) askResume(v *visit) (confirmation, error) {
	rule, hold, err := c.holdOfRule(v)
	if err != nil {
		return confirmation{}, err
	}
	return confirmation{Title: v.T("sweeps.resume.title", "rule", c.pages[v.Lang].word("rule", rule)), Text: v.T("sweeps.resume.text"), Facts: v.holdFacts(hold),
		Path: rulePath(rule, "resume"), Back: sweepsPath, Reason: true, Button: v.T("sweeps.resume.button")}, nil
}

func (c *Console) resumeRule(v *visit, reason string) (next, told string, err error) {
	rule, hold, err := c.holdOfRule(v)
	if err != nil {
		return "", "", err
	}
	err = v.ask(http.MethodPost, "/v1/holds/"+strconv.FormatInt(hold.ID, 10)+"/release", map[string]string{"note": reason}, nil)
	return sweepsPath, v.T("sweeps.resume.done", "rule", c.pages[v.Lang].word("rule", rule)), err
}

func askHold(v *visit) (confirmation, error) {
	return confirmation{Title: v.T("sweeps.hold.title"), Text: v.T("sweeps.hold.text"), Path: sweepsPath + "/everything/hold", Back: sweepsPath,
		Reason: true, Button: v.T("sweeps.hold.button"), Danger: true}, nil
}

func (c *Console) askRelease(v *visit) (confirmation, error) {
	condition := c.glance.look(v.Request.Context(), c.Wall(), c.Condition)
	q := confirmation{Title: v.T("sweeps.release.title"), Text: v.T("sweeps.release.text"), Path: sweepsPath + "/everything/release", Back: sweepsPath,
		Reason: true, Button: v.T("sweeps.release.button"), Danger: true}
	var due int64
	for i := range condition.Rules {
		due += condition.Rules[i].Due + condition.Rules[i].Held
	}
	if hold := condition.Standstill(); hold != nil {
		q.Facts = append(v.holdFacts(hold), fact{v.T("sweeps.due"), v.T("sweeps.records", "n", due)})
	}
	return q, nil
}

// holdFacts say who has placed a hold, when, and why.
func (v *visit) holdFacts(h *lifecycle.Hold) []fact {
	pages := v.console.pages[v.Lang]
	facts := []fact{{v.T("sweeps.since"), pages.instant(h.PlacedAt)}, {v.T("sweeps.by"), data(h.Who())}}
	if h.Cause != "" {
		facts = append(facts, fact{v.T("sweeps.cause"), pages.word("cause", h.Cause)})
	}
	if h.Note != "" {
		facts = append(facts, fact{v.T("sweeps.note"), data(h.Note)})
	}
	return facts
}
