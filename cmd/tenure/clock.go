package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

type clockCmd struct {
	Show    clockShowCmd    `cmd:"" help:"Show what time it is."`
	Advance clockAdvanceCmd `cmd:"" help:"Move a sandbox's clock forward, and do what falls due at each step."`
}

type clockShowCmd struct{}

func (clockShowCmd) Run(a *app) error {
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	kind, err := db.Kind(a.ctx)
	if err != nil {
		return err
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s (%s)\n", lifecycle.FormatInstant(now()), kind)
	return err
}

type clockAdvanceCmd struct {
	By   string `placeholder:"PERIOD" xor:"target" required:"" help:"How far, e.g. P90D."`
	To   string `placeholder:"INSTANT" xor:"target" required:"" help:"How far, as an instant."`
	Step string `placeholder:"PERIOD" default:"P1D" help:"Sweep after each step of this length (default: ${default})."`
	sendingSettings
}

func (c *clockAdvanceCmd) Run(a *app) error {
	step, err := parseStep(c.Step)
	if err != nil {
		return err
	}
	mail, err := a.mailing(&c.sendingSettings)
	if err != nil {
		return err
	}
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	from, err := db.TestClock(a.ctx)
	if err != nil {
		return err
	}
	to, err := c.target(from)
	if err != nil {
		return err
	}
	w, err := a.handWorks(db, mail)
	if err != nil {
		return err
	}
	sent, err := a.beginSending(db, mail)
	if err != nil {
		return err
	}
	bar := newProgress(a.stderr, "advancing")
	defer bar.end()
	var sum lifecycle.Tally
	for at := range steps(from, to, step) {
		if at.Equal(from) {
			continue
		}
		tally, err := w.advance(a, at)
		if err != nil {
			return err
		}
		sum.Add(tally)
		bar.at(int64(at.Sub(from)/time.Second), int64(to.Sub(from)/time.Second), fmt.Sprintf("%s, %d changes", at.Format(time.DateOnly), sum.Changed))
	}
	bar.end()
	if _, err := w.courier.Erase(a.ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "The clock says %s. Found due %d, changed %d, failed %d, notices %d.\n",
		lifecycle.FormatInstant(to), sum.Found, sum.Changed, sum.Failed, sum.Notices)
	if err == nil && sum.Failed > 0 {
		err = partial("%s failed; `tenure sweeps list` and `tenure sweeps show ID` say why", plural(sum.Failed, "record"))
	}
	return errors.Join(err, sent.report(a))
}

func (c *clockAdvanceCmd) target(from time.Time) (time.Time, error) {
	if c.To != "" {
		to, err := parseInstant("--to", c.To)
		if err == nil && to.Before(from) {
			err = usageError("--to %s lies before the clock's %s, and it only moves forward", c.To, lifecycle.FormatInstant(from))
		}
		return to, err
	}
	by, err := lifecycle.ParsePeriod(c.By)
	if err != nil {
		return time.Time{}, usageError("--by: %w", err)
	}
	return by.After(from), nil
}

// advance moves the test clock to at, sweeps all that is due then, and sends what there is to say.
func (w *works) advance(a *app, at time.Time) (lifecycle.Tally, error) {
	from, err := w.db.TestClock(a.ctx)
	if err != nil {
		return lifecycle.Tally{}, err
	}
	if err := w.db.SetTestClock(a.ctx, from, at); err != nil {
		return lifecycle.Tally{}, err
	}
	sweep, err := w.sweeper.Run(a.ctx, lifecycle.SweepRequest{Trigger: lifecycle.TriggerClock}, nil)
	if err == nil {
		err = w.deliver(a.ctx)
	}
	if err == nil {
		err = a.reportHeld(w.db, nil)
	}
	return sweep.Tally, err
}

func parseStep(s string) (lifecycle.Period, error) {
	step, err := lifecycle.ParsePeriod(s)
	switch {
	case err != nil:
		return step, usageError("--step: %w", err)
	case step.IsZero():
		return step, usageError("--step %s: time has to move on; write at least PT1S", s)
	}
	return step, nil
}

// steps are the instants from, from + step, from + 2 steps, … before to, and then to itself. Each is counted from the first,
// so that P1M from 31 January comes by 31 March.
func steps(from, to time.Time, step lifecycle.Period) func(yield func(time.Time) bool) {
	return func(yield func(time.Time) bool) {
		for n := 0; ; n++ {
			at := lifecycle.Period{Months: n * step.Months, Span: time.Duration(n) * step.Span}.After(from)
			if !at.Before(to) {
				yield(to)
				return
			}
			if !yield(at) {
				return
			}
		}
	}
}
