package audit

import (
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// warning judges a step that only told people of a coming end.
func (h *history) warning(i int) {
	s := &h.steps[i]
	w, c := s.letters[0], h.before(i)
	h.summary.Warnings++
	if i == 0 {
		h.find(s.version, Finding{Kind: WrongTransition, Text: "a history begins with the record's being created or imported", Found: string(w.Kind)})
	}
	switch {
	case h.at.status != lifecycle.Active:
		h.find(s.version, wrong(Unasked, "only an active relationship is warned of its end", lifecycle.Active, h.at.status))
	case c.known && c.reallyExtends():
		h.find(s.version, Finding{Kind: Unasked, Text: "people were warned of an end, and the relationship extends itself"})
	}
	if !w.End.Equal(h.at.end) {
		h.find(s.version, wrong(NoticeWrong, "the warning names another end than the relationship has", h.at.end, w.End))
	}
	if !w.Due.Before(h.at.end) || !w.Recorded.Before(h.at.end) {
		h.find(s.version, wrong(Unasked, "once the end has come nobody is warned of it", "before "+say(h.at.end), w.Recorded))
	}
	if w.Due.After(w.Recorded) {
		h.find(s.version, wrong(WrongInstant, "the warning came before it was due", w.Due, w.Recorded))
	}
	if !w.Due.After(h.at.warned) {
		h.find(s.version, wrong(Unasked, "the stage was settled already: its moment lies before the end was certain, or a later stage was sent", "after "+say(h.at.warned), w.Due))
	}
	h.stage(s, w)
	if h.heldAt(w.Recorded, lifecycle.WarnExpiry, &h.who) == surely {
		h.find(s.version, Finding{Kind: OnHold, Text: "a warning was written while warnings were on hold", Found: say(w.Recorded)})
	}
	h.superseded(i)
	h.at.certain(w.Due)
}

// stage holds that the stage is one of the policy's, comes at its moment, and that none before it was left out.
func (h *history) stage(s *step, w *lifecycle.Letter) {
	policies, _ := h.policiesAt(w.Recorded)
	if len(policies) == 0 {
		return
	}
	if !slices.ContainsFunc(policies, func(p *lifecycle.Policy) bool { return slices.Contains(p.Warnings.Before, w.Stage) }) {
		h.judge(s.version, wrong(Unasked, "the policy has no such stage", policies[0].Warnings.Before, w.Stage))
	}
	if moment := w.Stage.Before(w.End); !moment.Equal(w.Due) {
		h.judge(s.version, wrong(WrongInstant, "the warning fell due at another instant than its stage says", moment, w.Due))
	}
	left := func(p *lifecycle.Policy) bool {
		_, at, ok := h.at.warning(&content{known: true}, p, h.at.warnedAtMost())
		return ok && at.Before(w.Due)
	}
	if !slices.ContainsFunc(policies, func(p *lifecycle.Policy) bool { return !left(p) }) {
		h.judge(s.version, Finding{Kind: Missing, Text: "an earlier stage of the warning was neither sent nor recorded as superseded", Found: w.Stage.String()})
	}
}

// superseded holds that of several stages that are due at once only the latest is sent; and counts how late it was.
func (h *history) superseded(i int) {
	s := &h.steps[i]
	if i+1 < len(h.steps) && h.steps[i+1].event == nil {
		next := h.steps[i+1].letters[0]
		if next.Recorded.Equal(s.recorded()) && next.End.Equal(s.letters[0].End) {
			for _, l := range s.letters {
				if l.Status != lifecycle.NoticeSuperseded {
					h.find(s.version, wrong(NoticeTwice, "of several stages that are due at once only the latest is sent", lifecycle.NoticeSuperseded, l.Status))
				}
			}
			return
		}
	}
	h.lateness(lifecycle.WarnExpiry, s.letters[0].Due, s.recorded())
}

// lateness counts how late a change was recorded, from when tenure could have known of it. In a sandbox the clock jumps, so there
// it counts only where somebody has named an objective.
func (h *history) lateness(rule lifecycle.RuleName, fell, recorded time.Time) {
	if recorded.Before(h.opts.Since) || !h.Live && h.opts.Objective == (lifecycle.LatenessPolicy{}) {
		return
	}
	late := recorded.Sub(h.knowable(due{rule, fell}, recorded))
	l := h.summary.Lateness[rule]
	if l == nil {
		l = &RuleLateness{}
		h.summary.Lateness[rule] = l
	}
	l.All++
	if late <= h.within(rule) {
		l.OnTime++
	}
	if late > l.Worst {
		l.Worst, l.WorstID = late, h.account.ID
	}
}

// knowable is when a timer could have fired at the earliest: it had fallen due, what it goes by had been said, nothing kept it,
// and the policy called for it.
func (h *history) knowable(d due, until time.Time) time.Time {
	from := later(d.at, h.at.since)
	from = later(from, h.releasedAfter(d.at, d.rule, &h.who, until))
	for i := 1; i < len(h.Policies); i++ {
		set := &h.Policies[i]
		if set.SetAt.After(from) && !set.SetAt.After(until) && set.Mark != h.Policies[i-1].Mark {
			from = set.SetAt
		}
	}
	return from
}
