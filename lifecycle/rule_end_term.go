package lifecycle

import "time"

// EndTerm ends an active relationship whose agreed time is over. Groups lose their access; subscriptions and the reseller
// relationship are untouched.
const EndTerm RuleName = "end-term"

var endTerm = Rule{
	Name:    EndTerm,
	Summary: "a term that is over ends the relationship",
	In:      []Status{Active},
	Due: func(r Record, _ *Policy) time.Time {
		if r.Extends() {
			return time.Time{}
		}
		return r.End
	},
	Fire: func(d *Decision, p *Policy, due time.Time) {
		d.change(p, EndTerm, due)
		d.tell(p, KindTermEnded, due, d.Record.partnerSide(), d.Record.customerSide())
	},
}
