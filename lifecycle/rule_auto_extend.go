package lifecycle

import "time"

// AutoExtend lengthens a term at its end by 180 days, counted from the old end and not from the moment somebody noticed. It
// does so again and again until it is switched off. A relationship that holds Global Administrator is never extended.
const AutoExtend RuleName = "auto-extend"

var autoExtend = Rule{
	Name:    AutoExtend,
	Summary: "a term that extends itself is extended at its end",
	In:      []Status{Active},
	Due: func(r Record, p *Policy) time.Time {
		if !r.Extends() || p.AutoExtend.By.IsZero() {
			return time.Time{}
		}
		return r.End
	},
	Fire: func(d *Decision, p *Policy, due time.Time) {
		d.Record.End = p.AutoExtend.By.After(due)
		d.Record.WarnAfter = latest(d.Record.WarnAfter, due) // an import may have come later
		d.change(p, AutoExtend, due)
		if p.Notices.TellExtended {
			d.tell(p, KindExtended, due, d.Record.partnerSide())
		}
	},
}
