package lifecycle

import "time"

// ReleaseName lets the name of a relationship be taken again, 365 days after it ended. The record itself stays.
const ReleaseName RuleName = "release-name"

var releaseName = Rule{
	Name:    ReleaseName,
	Summary: "the name of an ended relationship comes free",
	In:      []Status{Expired, Terminated},
	Due: func(r Record, p *Policy) time.Time {
		if !r.NameReleased.IsZero() {
			return time.Time{}
		}
		return dueAfter(r.End, p.Names.HoldFor)
	},
	Fire: func(d *Decision, p *Policy, due time.Time) {
		d.Record.NameReleased = due
		d.change(p, ReleaseName, due)
	},
}
