package lifecycle

import "time"

// WarnExpiry tells both sides 30, 7 and 1 days ahead that a relationship is really going to end.
//
// A stage exists only if its moment lies strictly after WarnAfter: after the end became certain and after the last stage
// sent. Of several stages that are due, only the latest is sent; once the end itself has come, none is.
const WarnExpiry RuleName = "warn-expiry"

var warnExpiry = Rule{
	Name:     WarnExpiry,
	Summary:  "both sides are warned of an end that is coming",
	YieldsTo: EndTerm,
	In:       []Status{Active},
	Due: func(r Record, p *Policy) time.Time {
		_, moment := nextStage(&r, p)
		return moment
	},
	Fire: func(d *Decision, p *Policy, due time.Time) {
		stage, _ := nextStage(&d.Record, p)
		for i := range d.Notices {
			if d.Notices[i].Kind == KindWarnExpiry && d.Notices[i].End.Equal(d.Record.End) {
				d.Notices[i].Status, d.Notices[i].Reason = NoticeSuperseded, LaterStageDue
			}
		}
		d.Record.WarnAfter = due
		d.Record.Version++
		d.warn(p, stage, due)
	},
}

// nextStage is the first stage of a warning that is not settled, and its moment; the zero time where there is none.
func nextStage(r *Record, p *Policy) (stage Period, moment time.Time) {
	if !r.ReallyEnds() || r.End.IsZero() {
		return Period{}, time.Time{}
	}
	for _, before := range p.Warnings.Before {
		at := before.Before(r.End)
		if at.After(r.WarnAfter) && (moment.IsZero() || at.Before(moment)) {
			stage, moment = before, at
		}
	}
	return stage, moment
}
