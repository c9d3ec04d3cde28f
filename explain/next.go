package explain

import (
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// keyOfRule is the line of the policy that says when a rule falls due, or what it does.
var keyOfRule = map[lifecycle.RuleName]string{lifecycle.ExpirePending: keyLapse, lifecycle.WarnExpiry: keyWarnings, lifecycle.AutoExtend: keyExtend,
	lifecycle.ReleaseName: keyName}

// next tells what the clock will call for, and when; or why it calls for nothing.
func (t *teller) next(s *section) {
	r, n := &t.now.Record, t.now.Next
	switch {
	case t.gone():
		s.say(time.Time{}, "", "next.none.gone", nil)
		return
	case n.At.IsZero():
		phrase, key := t.noTimer()
		s.say(time.Time{}, key, phrase, nil)
		return
	}
	if held := t.withheld(); held.Rule != "" {
		s.say(held.At, keyOfRule[held.Rule], "next.withheld", facts{"rule": t.rule(held.Rule), "when": t.when(held.At), "distance": t.distance(t.given.Now, held.At)})
		return
	}
	phrase := "next." + string(n.Rule)
	if n.Rule == lifecycle.EndTerm && t.policy.Provisioning.External {
		phrase += ".external"
	}
	f := facts{"rule": string(n.Rule), "when": t.when(n.At), "distance": t.distance(t.given.Now, n.At), "end": t.when(r.End), "ahead": t.span(r.End.Sub(n.At)),
		"lapse": t.period(t.policy.Requests.LapseAfter), "locked": t.when(r.Locked), "extension": t.period(t.policy.AutoExtend.By),
		"extended": t.when(t.policy.AutoExtend.By.After(r.End)), "hold": t.period(t.policy.Names.HoldFor)}
	if !t.has(phrase) {
		phrase = "next.other"
	}
	s.say(n.At, keyOfRule[n.Rule], phrase, f)
}

// noTimer is why the clock calls for nothing.
func (t *teller) noTimer() (phrase, key string) {
	r := &t.now.Record
	switch {
	case r.Status == lifecycle.Created:
		return "next.none.created", ""
	case r.Status == lifecycle.ApprovalPending:
		return "next.none.approvalPending", keyLapse
	case r.Status.Passing():
		return "next.none.passing", ""
	case r.Status.Ended() && r.NameReleased.IsZero():
		return "next.none.ended", keyName
	case r.Status.Ended():
		return "next.none.released", ""
	}
	return "next.none", ""
}

// otherwise tells why what one might expect does not happen.
func (t *teller) otherwise(s *section) {
	r := &t.now.Record
	never := time.Time{}
	switch {
	case t.gone():
	case r.Status == lifecycle.Created:
		s.say(never, "", "otherwise.created", nil)
	case r.Status == lifecycle.ApprovalPending:
		s.say(never, "", "otherwise.approvalPending", facts{"locked": t.when(r.Locked)})
	case r.Status.Ended():
		phrase := "otherwise.ended"
		switch {
		case !r.NameReleased.IsZero():
			phrase += ".released"
		case t.policy.Names.HoldFor.IsZero():
			phrase += ".for ever"
		}
		s.say(never, "", phrase, nil)
	case r.Status == lifecycle.Active && r.Extends():
		s.say(never, "", "otherwise.no warning", nil)
		if !t.policy.Notices.TellExtended {
			s.say(never, keyExtended, "otherwise.extended in silence", nil)
		}
	case r.Status == lifecycle.Active:
		switch {
		case r.HoldsGlobalAdministrator():
			s.say(never, "", "otherwise.never extended", nil)
		case t.due(r.End): // and on hold, so that nobody can switch it on either
			s.say(never, "", "otherwise.not extended.now", nil)
		default:
			s.say(never, "", "otherwise.not extended", facts{"end": t.when(r.End)})
		}
		t.unwarned(s)
	}
}

// unwarned tells which warnings do not come, or did not, and why.
func (t *teller) unwarned(s *section) {
	r := &t.now.Record
	if len(t.policy.Warnings.Before) == 0 {
		s.say(time.Time{}, keyWarnings, "otherwise.no warnings", nil)
		return
	}
	for _, stage := range t.policy.Warnings.Before {
		moment := stage.Before(r.End)
		if moment.After(r.WarnAfter) || t.warned(stage) {
			continue
		}
		s.say(moment, keyWarnings, "otherwise.unwarned", facts{"stage": t.period(stage), "moment": t.when(moment), "certain": t.when(t.certain())})
	}
}

// certain is since when the end has been certain, as far as it is known: warnings move the instant along that the record keeps.
func (t *teller) certain() time.Time {
	e := t.finally(lifecycle.EventImported, lifecycle.EventUpdated, lifecycle.EventApproved, lifecycle.EventActivated, lifecycle.EventExtended, lifecycle.EventAutoExtendChanged)
	if e == nil || e.Effective.After(t.now.Record.WarnAfter) {
		return t.now.Record.WarnAfter
	}
	if e.Type == lifecycle.EventActivated {
		return e.Recorded // nobody could be warned before
	}
	return e.Effective
}

// warned says whether the warning of a stage of the present end has been dealt with.
func (t *teller) warned(stage lifecycle.Period) bool {
	about := func(kind lifecycle.NoticeKind, of lifecycle.Period, end time.Time) bool {
		return kind == lifecycle.KindWarnExpiry && of == stage && end.Equal(t.now.Record.End)
	}
	for i := range t.dossier.Letters {
		if l := &t.dossier.Letters[i]; about(l.Kind, l.Stage, l.End) {
			return true
		}
	}
	for i := range t.now.Notices { // due, and not recorded yet
		if n := &t.now.Notices[i]; about(n.Kind, n.Stage, n.End) {
			return true
		}
	}
	return false
}
