package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type sweepCmd struct {
	Rules   []string `name:"rule" short:"r" placeholder:"RULE" help:"Only this rule; may be given again (default: all)."`
	DryRun  bool     `short:"n" help:"Look and count, change nothing."`
	Approve string   `placeholder:"REASON" help:"Do what is due whatever the breakers say; the reason is kept."`
	outputFlag
	sendingSettings
	tracingSettings
}

func (c *sweepCmd) Run(a *app) (err error) {
	rules, err := ruleNames(c.Rules)
	if err != nil {
		return err
	}
	if c.DryRun && c.Approve != "" {
		return usageError("--approve lets a sweep change what it finds, and a dry run changes nothing; leave one of them out")
	}
	mail, err := a.mailing(&c.sendingSettings)
	if err = errors.Join(append(c.faults(), err)...); err != nil {
		return err
	}
	traces, err := a.startTracing(&c.tracingSettings, "sweep")
	if err != nil {
		return err
	}
	a.opened = append(a.opened, traces)
	ctx, span := traces.begin(a.ctx, "tenure sweep")
	a.ctx = ctx // of all that follows
	defer func() { endSpan(span, err) }()
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	if c.DryRun {
		if err := a.sameTimers(db, mail.policy); err != nil {
			return err
		}
	}
	w, err := a.handWorks(db, mail)
	if err != nil {
		return err
	}
	w.trace(traces.tracer)
	sent, err := a.beginSending(db, mail)
	if err != nil {
		return err
	}
	request := lifecycle.SweepRequest{Rules: rules, DryRun: c.DryRun, Trigger: lifecycle.TriggerRequest}
	if c.Approve != "" {
		request.Ruling = &lifecycle.Ruling{By: operator(), Note: c.Approve, At: w.sweeper.Now()}
	}
	if !c.DryRun {
		if err := w.guard.Look(a.ctx, false); err != nil {
			return err
		}
	}
	sweep, err := w.sweepByHand(a, request)
	if err != nil {
		return err
	}
	err = a.reportSweep(db, sweep, c.Output)
	if held := a.reportHeld(db, rules); !c.DryRun && held != nil {
		err = held
	}
	return errors.Join(err, sent.report(a))
}

// sweepByHand sweeps in this process, and sends what there is to say.
func (w *works) sweepByHand(a *app, request lifecycle.SweepRequest) (lifecycle.Sweep, error) {
	bar := newProgress(a.stderr, "sweeping")
	sweep, err := w.sweeper.Run(a.ctx, request, bar.sweep)
	bar.end()
	if err != nil || request.DryRun {
		return sweep, err
	}
	return sweep, w.afterSweep(a)
}

// afterSweep sends what there is to say, and does what a scheduler does by itself: who sweeps by hand has none.
func (w *works) afterSweep(a *app) error {
	err := w.deliver(a.ctx)
	_, erasing := w.courier.Erase(a.ctx)
	_, logging := w.sequencer.Sequence(a.ctx)
	return errors.Join(err, erasing, logging, w.guard.Look(a.ctx, false))
}

// sameTimers refuses a policy that the stored timers were not set by: to sweep by another one they have to be set anew, and a
// dry run changes nothing.
func (a *app) sameTimers(db *storage.DB, policy *lifecycle.Policy) error {
	other, err := db.TimedByAnother(a.ctx, policy)
	if err == nil && other {
		err = usageError("the timers in this database were set by another policy, and a dry run changes nothing; " +
			"`tenure plan --policy FILE` shows what this one would do")
	}
	return err
}

// handWorks are the parts for a command that does the work itself, beside whatever workers there are.
func (a *app) handWorks(db *storage.DB, mail mailing) (*works, error) {
	now, err := a.clock(db)
	if err != nil {
		return nil, err
	}
	notifier, err := mail.open(a, db)
	if err != nil {
		return nil, err
	}
	var bell jobs.Bell = jobs.Silence{}
	var client redis.UniversalClient
	if a.Redis != "" {
		if client, err = a.openQueue(a.ctx); err != nil {
			return nil, err
		}
		bell = jobs.NewQueue(client, wall)
	}
	w, err := a.assemble(db, mail.policy, a.embedded(), bell, notifier, now, nil)
	if err == nil {
		w.guard = a.guard(w, client)
		w.provisioning.Provisioner, err = mail.provisioner(a, db)
	}
	return w, err
}

// deliver has another system do what waits for it, and sends what there is to say, of that too.
func (w *works) deliver(ctx context.Context) error {
	return errors.Join(w.provisioning.Once(ctx), w.courier.Deliver(ctx))
}

// reportSweep prints a finished sweep, and fails where some of its records did.
func (a *app) reportSweep(db *storage.DB, sweep lifecycle.Sweep, format string) error {
	if err := printSweep(a, db, sweep, format); err != nil {
		return err
	}
	switch {
	case sweep.State == lifecycle.SweepCancelled:
		return partial("sweep %d was cancelled; what was done before stays done", sweep.ID)
	case sweep.Failed > 0:
		return partial("%d records failed; each is listed by `tenure sweeps show %d`, and the next sweep tries them again", sweep.Failed, sweep.ID)
	}
	return nil
}

type sweepsCmd struct {
	List    sweepsListCmd    `cmd:"" help:"List sweeps, newest first."`
	Show    sweepsShowCmd    `cmd:"" help:"Show one, and the records that failed."`
	Approve sweepsApproveCmd `cmd:"" help:"Let a held one do what it would."`
	Reject  sweepsRejectCmd  `cmd:"" help:"Drop a held one, and pause the rules that would do too much."`
	Cancel  sweepsCancelCmd  `cmd:"" help:"Stop a running one, whose chunks at work are finished; or drop a held one, so that the next tick looks anew."`
}

type sweepsListCmd struct {
	Limit  int   `short:"l" default:"20" help:"At most this many (default: ${default})."`
	Before int64 `placeholder:"ID" help:"Only sweeps opened before this one."`
	All    bool  `help:"Also those that found nothing due, such as most ticks."`
	outputFlag
}

func (c *sweepsListCmd) Run(a *app) error {
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	if err := atLeastOne(c.Limit); err != nil {
		return err
	}
	list := db.BusySweeps
	if c.All {
		list = db.Sweeps
	}
	sweeps, err := list(a.ctx, c.Before, c.Limit)
	if err == nil && c.Before == 0 {
		sweeps, err = heldFirst(a, db, sweeps, c.Limit)
	}
	if err != nil {
		return err
	}
	header := table.Row{"id", "opened", "trigger", "rules", "state", "found", "changed", "skipped", "failed", "chunks", "lateness"}
	return printRecords(a, c.Output, header, sweeps, func(s lifecycle.Sweep) table.Row {
		return table.Row{s.ID, instant(s.OpenedAt), s.Trigger, rulesText(s), stateText(s), s.Found, s.Changed, s.Skipped, s.Failed,
			fmt.Sprintf("%d/%d", s.ChunksDone, s.Chunks), s.Lateness.Round(time.Second)}
	}, func(s lifecycle.Sweep) any { return httpapi.Show(&s) })
}

// heldFirst puts the sweeps that wait for an operator before the others.
func heldFirst(a *app, db *storage.DB, sweeps []lifecycle.Sweep, limit int) ([]lifecycle.Sweep, error) {
	held, err := db.HeldSweeps(a.ctx)
	if err != nil {
		return nil, err
	}
	sweeps = slices.DeleteFunc(sweeps, func(s lifecycle.Sweep) bool { return s.State == lifecycle.SweepHeld })
	sweeps = append(held, sweeps...)
	return sweeps[:min(limit, len(sweeps))], nil
}

type sweepsShowCmd struct {
	ID int64 `arg:"" help:"Id of the sweep."`
	outputFlag
}

func (c *sweepsShowCmd) Run(a *app) error {
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	sweep, err := db.Sweep(a.ctx, c.ID)
	if err != nil {
		return fmt.Errorf("sweep %d: %w", c.ID, err)
	}
	return printSweep(a, db, sweep, c.Output)
}

type sweepsCancelCmd struct {
	ID int64 `arg:"" help:"Id of the sweep."`
}

func (c *sweepsCancelCmd) Run(a *app) error {
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	if err := db.CancelSweep(a.ctx, c.ID, wall()); err != nil {
		return fmt.Errorf("sweep %d: %w", c.ID, err)
	}
	_, err = fmt.Fprintf(a.stdout, "sweep %d is cancelled\n", c.ID)
	return errors.Join(err, a.did(db, "tenure sweeps cancel", strconv.FormatInt(c.ID, 10)))
}

// mostFailures is how many failed records are shown with a sweep.
const mostFailures = 100

func printSweep(a *app, db *storage.DB, s lifecycle.Sweep, format string) error {
	failures, err := db.SweepFailures(a.ctx, s.ID, mostFailures)
	if err != nil {
		return err
	}
	changed := "changed"
	if s.DryRun {
		changed = "would change"
	}
	lines := [][2]string{
		{"sweep", strconv.FormatInt(s.ID, 10)}, {"rules", rulesText(s)}, {"state", stateText(s)}, {"trigger", string(s.Trigger)},
		{"as of", instant(s.AsOf)},
	}
	lines = append(lines, heldLines(&s)...)
	if s.State != lifecycle.SweepHeld {
		lines = append(lines, [][2]string{
			{"found due", count(s.Found)}, {changed, count(s.Changed)}, {"skipped", count(s.Skipped)},
			{"failed", count(s.Failed)}, {"notices", count(s.Notices)}, {"chunks", fmt.Sprintf("%d of %d", s.ChunksDone, s.Chunks)},
			{"lateness", s.Lateness.String()},
		}...)
	}
	for _, f := range failures {
		lines = append(lines, [2]string{"failed " + f.RelationshipID, f.Reason})
	}
	return printRecord(a, format, lines, httpapi.ShowDetails(&s, failures))
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

func rulesText(s lifecycle.Sweep) string {
	if len(s.Rules) == 0 {
		return "all"
	}
	names := make([]string, len(s.Rules))
	for i, r := range s.Rules {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}

func stateText(s lifecycle.Sweep) string {
	if s.DryRun {
		return string(s.State) + " (dry run)"
	}
	return string(s.State)
}
