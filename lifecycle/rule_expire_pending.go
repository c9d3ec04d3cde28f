package lifecycle

import "time"

// ExpirePending ends a request that nobody approved: 90 days after it was locked for approval, not after it was made.
const ExpirePending RuleName = "expire-pending"

var expirePending = Rule{
	Name:    ExpirePending,
	Summary: "a request that nobody approved lapses",
	In:      []Status{ApprovalPending},
	Due:     func(r Record, p *Policy) time.Time { return dueAfter(r.Locked, p.Requests.LapseAfter) },
	Fire: func(d *Decision, p *Policy, due time.Time) {
		d.Record.End = due
		d.change(p, ExpirePending, due)
		d.tell(p, KindRequestLapsed, due, d.Record.partnerSide())
	},
}
