package main

import (
	"fmt"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type quarantineCmd struct {
	Show    quarantineShowCmd    `cmd:"" default:"withargs" help:"Show whether everything is on hold, why, and what would happen."`
	Release quarantineReleaseCmd `cmd:"" help:"Say that this clock and this database are right: what is due happens."`
	Place   quarantinePlaceCmd   `cmd:"" help:"Put everything on hold: no timer takes effect, and no notice is sent."`
}

type quarantineShowCmd struct{ outputFlag }

func (c *quarantineShowCmd) Run(a *app) error {
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	q, err := a.readQuarantine(db)
	if err != nil {
		return err
	}
	return printRecord(a, c.Output, quarantineLines(&q), httpapi.ShowQuarantine(&q))
}

func (a *app) readQuarantine(db *storage.DB) (q httpapi.QuarantineState, err error) {
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return q, err
	}
	if err := a.limit(db, policy); err != nil {
		return q, err
	}
	now, err := a.clock(db)
	if err != nil {
		return q, err
	}
	return httpapi.ReadQuarantine(a.ctx, db, policy.Quarantine, now())
}

func quarantineLines(q *httpapi.QuarantineState) [][2]string {
	lines := [][2]string{{"everything", "goes on"}}
	if q.Still {
		lines = [][2]string{{"everything", "is on hold"}, {"cause", orDash(string(q.Hold.Cause))}, {"why", q.Hold.Note},
			{"since", instant(q.Hold.PlacedAt)}, {"by", orDash(q.Hold.PlacedBy)}}
	}
	lines = append(lines, [2]string{"clock", instant(q.Now)}, [2]string{"last time seen", instant(q.Mark.Seen)})
	if q.Astray != "" {
		lines = append(lines, [2]string{"not believed", lifecycle.WhyAstray(q.Astray, q.Mark.Seen, q.Now)})
	}
	lines = append(lines, [2]string{"events", count(q.Mark.Events)}, [2]string{"due now", plural(q.Due, "relationship")},
		[2]string{"to be sent", plural(q.Unsent, "notice")})
	for i := range q.Held {
		if s := &q.Held[i]; s.Plan != nil {
			lines = append(lines, [2]string{fmt.Sprintf("sweep %d is held", s.ID), s.Plan.Text(s.Fires())})
		}
	}
	if q.Still || q.Astray != "" {
		lines = append(lines, [2]string{"if all is right", "tenure quarantine release --reason TEXT"})
	}
	return lines
}

type quarantineReleaseCmd struct {
	Reason string `aliases:"note" required:"" placeholder:"TEXT" help:"Why this clock and this database are right; it is kept."`
}

func (c *quarantineReleaseCmd) Run(a *app) error {
	if err := lifecycle.CheckNote(c.Reason); err != nil {
		return usageError("--reason: %w", err)
	}
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	released, err := db.ReleaseQuarantine(a.ctx, c.Reason, *a.caller(), now(), wall())
	if err != nil {
		return err
	}
	q, err := a.readQuarantine(db)
	if err != nil {
		return err
	}
	what := "Nothing was on hold."
	if released.ID != 0 {
		what = fmt.Sprintf("Hold %d is released.", released.ID)
	}
	_, err = fmt.Fprintf(a.stdout, "%s It is %s. Due now: %s, each with the instant at which it fell due.\n"+
		"The next ticks of the schedules see to them, or `tenure sweep`; what trips a breaker is held.\n", what, instant(q.Now), plural(q.Due, "relationship"))
	return err
}

type quarantinePlaceCmd struct {
	Reason string `aliases:"note" required:"" placeholder:"TEXT" help:"Why; it is kept."`
}

func (c *quarantinePlaceCmd) Run(a *app) error {
	if err := lifecycle.CheckNote(c.Reason); err != nil {
		return usageError("--reason: %w", err)
	}
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	hold, err := db.PlaceHold(a.ctx, lifecycle.Hold{Kind: lifecycle.HoldEverything, Note: c.Reason}, *a.caller(), now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "Everything is on hold (hold %d): no timer takes effect, and no notice is sent, until `tenure quarantine release --reason TEXT`.\n", hold.ID)
	return err
}
