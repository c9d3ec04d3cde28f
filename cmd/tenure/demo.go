package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
	"github.com/tenure-dev/tenure/storage"
)

type demoCmd struct {
	Seed uint64 `default:"1" help:"Another seed makes another portfolio (default: ${default})."`
	Dir  string `placeholder:"DIR" help:"Folder for the database and the mails; must be empty (default: a new one among the temporary files)."`
}

// demoStart is where the demonstration begins. It is fixed so that the same seed tells the same story.
var demoStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (c *demoCmd) Run(a *app) error {
	began := wall()
	a.LogLevel = "warn" // the story is on the screen already
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	policy.Notices.Routes = nil // here is one channel
	policy.Provisioning.External = false
	d, err := a.newDemo(c.Dir, policy)
	if err != nil {
		return err
	}
	made := makePortfolio(c.Seed, demoStart)
	if err := d.load(a.ctx, made); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "A made-up partner: %d relationships with %d customers, as they stand on %s.\nNow two years pass, a day at a time, through the real scanners, queue and workers.\n\n",
		len(made.records), demoCustomers, demoStart.Format("2 January 2006"))
	if err != nil {
		return err
	}
	report, err := d.run(a, made)
	if err != nil {
		return err
	}
	return report.print(a, d, wall().Sub(began))
}

// A demo is a sandbox in a folder of its own, with a queue and workers in this process.
type demo struct {
	*works
	dir, mail string
	queue     *jobs.Queue
	worker    *jobs.Worker
	connect   func(context.Context) error // runs the workers until the context ends
}

func (a *app) newDemo(dir string, policy *lifecycle.Policy) (*demo, error) {
	dir, err := emptyFolder(dir)
	if err != nil {
		return nil, err
	}
	d := &demo{dir: dir, mail: filepath.Join(dir, "mail")}
	db, err := storage.Open(a.ctx, "sqlite:"+filepath.Join(dir, "demo.db")+"?scratch")
	if err != nil {
		return nil, err
	}
	a.opened = append(a.opened, db)
	if err := db.Migrate(a.ctx, storage.Sandbox, demoStart); err != nil {
		return nil, err
	}
	files, err := notify.NewFiles(d.mail)
	if err != nil {
		return nil, err
	}
	notifier, err := notify.New(notify.Options{Channels: map[string]notify.Channel{lifecycle.DefaultChannel: files}, From: "tenure demo <tenure@partner.example>", Domain: "demo.tenure.localhost", DefaultLanguage: "en", Sandbox: true})
	if err != nil {
		return nil, err
	}
	return d, d.wire(a, db, policy, notifier)
}

// wire puts the parts together, with a queue in this process.
func (d *demo) wire(a *app, db *storage.DB, policy *lifecycle.Policy, notifier jobs.Notifier) error {
	client, err := jobs.InProcessRedis(context.WithoutCancel(a.ctx))
	if err != nil {
		return err
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	d.queue = jobs.NewQueue(client, wall)
	if d.works, err = a.assemble(db, policy, true, d.queue, notifier, now, nil); err != nil {
		return err
	}
	d.worker = &jobs.Worker{Sweeper: d.sweeper, Courier: d.courier, Concurrency: 2, Poll: 2 * time.Millisecond, Log: d.log}
	d.connect = func(ctx context.Context) error { return d.worker.Run(ctx, client) }
	return nil
}

func emptyFolder(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "tenure-demo-")
		if err != nil {
			return "", fmt.Errorf("making a folder for the demonstration: %w", err)
		}
		return made, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making a folder for the demonstration: %w", err)
	}
	inside, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("looking into the folder for the demonstration: %w", err)
	}
	if len(inside) > 0 {
		return "", usageError("--dir %s is not empty; name a new folder", dir)
	}
	return dir, nil
}

// load puts the portfolio into the database, as an import would.
func (d *demo) load(ctx context.Context, p *portfolio) error {
	into, err := d.db.BeginImport(ctx, false)
	if err != nil {
		return err
	}
	if _, err := into.Contacts(ctx, p.contacts, &d.policy.Notices, demoStart); err != nil {
		return errors.Join(err, into.Rollback())
	}
	batch := make([]lifecycle.Incoming, len(p.records))
	for i, r := range p.records {
		batch[i] = lifecycle.Incoming{Record: r, Digest: r.ID}
	}
	if _, err := into.Relationships(ctx, batch, d.policy, demoStart); err != nil {
		return errors.Join(err, into.Rollback())
	}
	return into.Commit()
}

// run lets the two years pass while the workers work.
func (d *demo) run(a *app, p *portfolio) (*demoReport, error) {
	working, stop := context.WithCancel(a.ctx)
	defer stop()
	var workers errgroup.Group
	workers.Go(func() error { return d.connect(working) })

	report := &demoReport{}
	bar := newProgress(a.stderr, "two years")
	err := d.pass(a, p.actions, report, bar)
	bar.end()
	stop()
	return report, errors.Join(err, workers.Wait())
}

func (d *demo) pass(a *app, actions []plannedAction, report *demoReport, bar *progress) error {
	until := demoStart.AddDate(demoYears, 0, 0)
	for at := range steps(demoStart, until, lifecycle.Days(1)) {
		for len(actions) > 0 && !actions[0].at.After(at) {
			if err := d.act(a.ctx, actions[0], report); err != nil {
				return err
			}
			actions = actions[1:]
		}
		sweep, err := d.day(a.ctx, at)
		if err != nil {
			return err
		}
		report.sweeps++
		report.Add(sweep.Tally)
		bar.at(int64(at.Sub(demoStart)/lifecycle.Day), int64(until.Sub(demoStart)/lifecycle.Day),
			fmt.Sprintf("days, %s: %d changes, %d notices", at.Format("2 Jan 2006"), report.Changed, report.Notices))
	}
	return nil
}

func (d *demo) act(ctx context.Context, planned plannedAction, report *demoReport) error {
	_, err := d.db.Act(ctx, planned.id, d.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return lifecycle.Act(c.Record, d.policy, planned.action, planned.at)
	})
	switch {
	case errors.Is(err, lifecycle.ErrRefused):
		report.refused++ // the portfolio plans without knowing what will have become of a relationship by then
	case err != nil:
		return err
	default:
		report.acted++
	}
	return nil
}

// day moves the clock, opens a sweep and waits until the workers have done it and sent what there was to say.
func (d *demo) day(ctx context.Context, at time.Time) (lifecycle.Sweep, error) {
	from, err := d.db.TestClock(ctx)
	if err != nil {
		return lifecycle.Sweep{}, err
	}
	if err := d.db.SetTestClock(ctx, from, at); err != nil {
		return lifecycle.Sweep{}, err
	}
	sweep, _, err := d.sweeper.Open(ctx, lifecycle.SweepRequest{Trigger: lifecycle.TriggerClock})
	if err != nil {
		return sweep, err
	}
	err = poll(ctx, func() (bool, error) {
		sweep, err = d.db.Sweep(ctx, sweep.ID)
		return err == nil && sweep.State == lifecycle.SweepDone, err
	})
	if err != nil {
		return sweep, err
	}
	return sweep, poll(ctx, func() (bool, error) {
		waiting, err := d.db.WaitingLetters(ctx, at, wall())
		if err == nil && len(waiting) > 0 {
			err = d.queue.RingDelivery(ctx)
		}
		return len(waiting) == 0, err
	})
}

// poll asks every few milliseconds, for a minute at most.
func poll(ctx context.Context, finished func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := finished(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the workers did not finish: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// A demoReport is what came of the two years.
type demoReport struct {
	lifecycle.Tally
	sweeps, acted, refused int
}

func (r *demoReport) print(a *app, d *demo, took time.Duration) error {
	events := map[lifecycle.EventType]int{}
	var freed []string
	err := d.db.EachEvent(a.ctx, func(e lifecycle.Event) error {
		events[e.Type]++
		if e.Type == lifecycle.EventNameReleased {
			freed = append(freed, e.RelationshipID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	notices := map[lifecycle.NoticeKind]map[lifecycle.NoticeStatus]int{}
	err = d.db.EachNotice(a.ctx, func(l lifecycle.Letter) error {
		if notices[l.Kind] == nil {
			notices[l.Kind] = map[lifecycle.NoticeStatus]int{}
		}
		notices[l.Kind][l.Status]++
		return nil
	})
	if err != nil {
		return err
	}
	names, err := r.names(a.ctx, d, freed)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, r.text(d, took, events, notices, names))
	return err
}

// names are the names that came free, a few of them.
func (r *demoReport) names(ctx context.Context, d *demo, ids []string) ([]string, error) {
	const most = 4
	var names []string
	for _, id := range ids[:min(most, len(ids))] {
		stored, err := d.db.Relationship(ctx, id)
		if err != nil {
			return nil, err
		}
		names = append(names, fmt.Sprintf("%q", stored.DisplayName))
	}
	if len(ids) > most {
		names = append(names, fmt.Sprintf("and %d more", len(ids)-most))
	}
	return names, nil
}

func (r *demoReport) text(d *demo, took time.Duration, events map[lifecycle.EventType]int,
	notices map[lifecycle.NoticeKind]map[lifecycle.NoticeStatus]int, names []string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Two years took %s: %d sweeps found %d records due and changed %d.", took.Round(100*time.Millisecond), r.sweeps, r.Found, r.Changed)
	line("People acted %d times, and %d times came too late: the relationship had ended, or the request had lapsed.", r.acted, r.refused)
	line("")
	line("%6d requests lapsed, since nobody approved them in 90 days", events[lifecycle.EventLapsed])
	line("%6d terms were extended by 180 days", events[lifecycle.EventExtended])
	line("%6d terms ended", events[lifecycle.EventTermEnded])
	line("%6d relationships were terminated before their end", events[lifecycle.EventTerminated])
	line("%6d requests were approved, %d declined", events[lifecycle.EventApproved], events[lifecycle.EventRejected])
	line("%6d names came free: %s", events[lifecycle.EventNameReleased], strings.Join(names, ", "))
	line("")
	line("Notices, by what became of them:")
	for _, kind := range lifecycle.NoticeKinds {
		var parts []string
		for _, status := range lifecycle.NoticeStatuses {
			if n := notices[kind][status]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, status))
			}
		}
		if len(parts) > 0 {
			line("  %-15s %s", kind, strings.Join(parts, ", "))
		}
	}
	line("")
	line("Worst lateness: %s, as the sweeps came once a day.", r.Lateness.Round(time.Minute))
	line("The mails are in %s", d.mail)
	line("Look further, in a browser at http://127.0.0.1:8080/ (in the folder of the source, `make build` makes bin/tenure):")
	line("  bin/tenure --db sqlite:%s serve", filepath.Join(d.dir, "demo.db"))
	line("or the same with relationships list rather than serve")
	return b.String()
}
