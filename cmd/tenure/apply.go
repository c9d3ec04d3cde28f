package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
	"github.com/tenure-dev/tenure/storage"
)

type applyCmd struct {
	File   string `arg:"" type:"path" help:"The plan, as \"tenure plan --save\" wrote it."`
	Note   string `aliases:"reason" placeholder:"TEXT" help:"Why; it is kept."`
	DryRun bool   `short:"n" help:"Hold the plan against reality, change nothing."`
	Output string `short:"o" env:"TENURE_OUTPUT" enum:"table,json,ndjson,csv" default:"table" help:"table (the first 20 that differ), json, ndjson or csv (default: ${default})."`
	sendingSettings
}

func (c *applyCmd) Run(a *app) error {
	file, err := os.Open(c.File)
	if err != nil {
		return usageError("reading the plan: %w", err)
	}
	defer file.Close()
	reader, err := outlook.NewReader(file)
	if err != nil {
		return usageError("%s: %w", c.File, err)
	}
	db, mail, err := c.open(a)
	if err != nil {
		return err
	}
	application, err := a.beginApplication(db, mail.policy, &reader.Header, file)
	if err != nil {
		return err
	}
	drifts, err := application.checkAll()
	switch {
	case errors.Is(err, outlook.ErrNoPlan):
		return usageError("%s: %w", c.File, err)
	case err != nil:
		return err
	case len(drifts) > 0:
		if err := c.printDrifts(a.stdout, drifts); err != nil {
			return err
		}
		return fmt.Errorf("reality has drifted from the plan: %d of %s differ, and nothing was changed; "+
			"look at what happened to them, and make the plan anew", len(drifts), plural(reader.Header.Relationships, "relationship"))
	}
	if c.DryRun || application.open == 0 {
		return c.report(a, application)
	}
	return c.carryOut(a, db, mail, application)
}

// open opens the database, by the policy that is in force where none is named: a plan never changes it.
func (c *applyCmd) open(a *app) (*storage.DB, mailing, error) {
	mail, err := a.mailing(&c.sendingSettings)
	if err != nil {
		return nil, mail, err
	}
	var db *storage.DB
	if c.DryRun {
		db, err = a.openForReading()
	} else {
		db, err = a.openForWriting(false)
	}
	if err != nil {
		return nil, mail, err
	}
	in, err := a.policyInForce(db)
	switch {
	case err != nil:
		return nil, mail, err
	case in.then != nil:
		return nil, mail, usageError("--policy %s differs from the policy in force, and applying a plan changes no policy; leave it out", a.Policy)
	case !in.timed:
		return nil, mail, errors.New("the timers in this database were set by another policy than the one that is kept; let the schedulers, or `tenure sweep`, set them first")
	}
	mail.policy = in.policy
	return db, mail, nil
}

// carryOut does what the plan says, and sends what there is to say.
func (c *applyCmd) carryOut(a *app, db *storage.DB, mail mailing, application *application) error {
	w, err := a.handWorks(db, mail)
	if err != nil {
		return err
	}
	if err := w.guard.Look(a.ctx, false); err != nil {
		return err
	}
	if err := a.goesOn(db); err != nil {
		return err
	}
	sent, err := a.beginSending(db, mail)
	if err != nil {
		return err
	}
	if err := application.applyAll(); err != nil {
		return err
	}
	h := application.header
	err = db.RecordPlanApplied(a.ctx, h.Digest, fmt.Sprintf("%s, %d skipped; %s", plural(application.tally.Changed, "relationship"), application.tally.Skipped,
		orDash(c.Note)), *a.caller(), application.now)
	err = errors.Join(err, w.afterSweep(a), c.report(a, application), sent.report(a))
	if n := application.tally.Skipped; err == nil && n > 0 {
		err = partial("%s changed while the plan was being applied, and was left alone; `tenure apply` again says which", plural(n, "relationship"))
	}
	return err
}

// An application is a plan on its way into the database.
type application struct {
	app    *app
	db     *storage.DB
	policy *lifecycle.Policy
	header *outlook.Header
	file   io.ReadSeeker
	now    time.Time

	open, applied int64 // entries that are to be done, and that were done before
	tally         lifecycle.Tally
}

// beginApplication sees to it that the plan is one for this database, and that its time has come.
func (a *app) beginApplication(db *storage.DB, policy *lifecycle.Policy, h *outlook.Header, file io.ReadSeeker) (*application, error) {
	clock, err := a.clock(db)
	if err != nil {
		return nil, err
	}
	deployment, err := a.deployment(db)
	if err != nil {
		return nil, err
	}
	mark, err := storage.PolicyMark(policy)
	if err != nil {
		return nil, err
	}
	now := clock()
	if err := a.goesOn(db); err != nil {
		return nil, err
	}
	switch {
	case h.Deployment != deployment:
		return nil, fmt.Errorf("the plan was made for another database (%s), and this one is %s; name the right one with --db", h.Deployment, deployment)
	case h.PolicyMark != mark:
		return nil, errors.New("the policy has changed since the plan was made; make it anew with `tenure plan --save`")
	case h.Until.After(now):
		return nil, fmt.Errorf("the plan is for what is due by %s, and it is %s; wait until then", lifecycle.FormatInstant(h.Until), lifecycle.FormatInstant(now))
	}
	return &application{app: a, db: db, policy: policy, header: h, file: file, now: now}, nil
}

// goesOn is an error where everything is on hold.
func (a *app) goesOn(db *storage.DB) error {
	hold, still, err := db.Standstill(a.ctx)
	if err == nil && still {
		err = fmt.Errorf("everything is on hold since %s (%s), and nothing takes effect; see `tenure quarantine`", instant(hold.PlacedAt), hold.Note)
	}
	return err
}

// entriesAtOnce is how many relationships are checked, or written, together.
const entriesAtOnce = 1000

// eachPage reads the plan from its beginning and hands its entries over, page by page, with the records as they are now.
func (ap *application) eachPage(read func(ids []string) ([]lifecycle.Stored, error), page func([]outlook.Entry, map[string]*lifecycle.Stored) error) error {
	if _, err := ap.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	reader, err := outlook.NewReader(ap.file)
	for over := false; !over && err == nil; {
		var entries []outlook.Entry
		var ids []string
		for len(entries) < entriesAtOnce {
			entry, err := reader.Next()
			if errors.Is(err, io.EOF) {
				over = true
				break
			}
			if err != nil {
				return err
			}
			entries, ids = append(entries, entry), append(ids, entry.ID)
		}
		if len(entries) == 0 {
			break
		}
		stored, err := read(ids)
		if err != nil {
			return err
		}
		byID := make(map[string]*lifecycle.Stored, len(stored))
		for i := range stored {
			byID[stored[i].ID] = &stored[i]
		}
		if err := page(entries, byID); err != nil {
			return err
		}
	}
	return err
}

// checkAll holds the whole plan against reality, as it is at one moment.
func (ap *application) checkAll() (drifts []outlook.Drift, err error) {
	snapshot, err := ap.db.Outlook(ap.app.ctx, storage.OutlookQuery{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	err = ap.eachPage(func(ids []string) ([]lifecycle.Stored, error) { return snapshot.Named(ap.app.ctx, ids) },
		func(entries []outlook.Entry, stored map[string]*lifecycle.Stored) error {
			for i := range entries {
				checked := ap.header.Check(&entries[i], stored[entries[i].ID], ap.policy, ap.now)
				switch {
				case checked.Drift != nil:
					drifts = append(drifts, *checked.Drift)
				case checked.Applied:
					ap.applied++
				default:
					ap.open++
				}
			}
			return nil
		})
	return drifts, err
}

// applyAll writes page by page what still is as the plan says. What has changed since it was checked is skipped.
func (ap *application) applyAll() error {
	bar := newProgress(ap.app.stderr, "applying")
	defer bar.end()
	return ap.eachPage(func(ids []string) ([]lifecycle.Stored, error) { return ap.db.RelationshipsNamed(ap.app.ctx, ids) },
		func(entries []outlook.Entry, stored map[string]*lifecycle.Stored) error {
			var decided []lifecycle.Decided
			var drifted int64
			for i := range entries {
				checked := ap.header.Check(&entries[i], stored[entries[i].ID], ap.policy, ap.now)
				switch {
				case checked.Drift != nil:
					drifted++
				case !checked.Applied:
					decided = append(decided, checked.Decided)
				}
			}
			tally, err := ap.db.Apply(ap.app.ctx, decided)
			tally.Skipped += drifted
			ap.tally.Add(tally)
			bar.at(ap.tally.Changed, ap.open, "relationships")
			return err
		})
}

// An applyReport is what became of a plan.
type applyReport struct {
	Digest        string `json:"digest"`
	UntilDateTime string `json:"untilDateTime"`
	Relationships int64  `json:"relationships"`
	DryRun        bool   `json:"dryRun"`
	Open          int64  `json:"open"`    // that were as the plan says, when it was held against them
	Applied       int64  `json:"applied"` // now
	Before        int64  `json:"appliedBefore"`
	Skipped       int64  `json:"skipped"` // changed in between
	Notices       int64  `json:"notices"` // to be sent
}

// report says what became of the plan.
func (c *applyCmd) report(a *app, ap *application) error {
	r := applyReport{ap.header.Digest, lifecycle.FormatInstant(ap.header.Until), ap.header.Relationships, c.DryRun, ap.open, ap.tally.Changed, ap.applied,
		ap.tally.Skipped, ap.tally.Notices}
	switch c.Output {
	case "json":
		return writeJSON(a.stdout, r, "  ")
	case "ndjson":
		return writeJSON(a.stdout, r, "")
	}
	text := fmt.Sprintf("Applied: %s, %s to be sent; %d applied before, %d skipped.", plural(r.Applied, "relationship"), plural(r.Notices, "notice"), r.Before, r.Skipped)
	switch {
	case r.Open == 0 && r.Before > 0:
		text = fmt.Sprintf("This plan was applied before: %s as it leaves them. Nothing was changed.", areThere(r.Before))
	case r.Open == 0:
		text = "There is nothing in this plan. Nothing was changed."
	case c.DryRun:
		text = fmt.Sprintf("The plan can be applied: %s as it says, %d applied before. Nothing was changed.", areThere(r.Open), r.Before)
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}

func areThere(n int64) string {
	if n == 1 {
		return "1 relationship is"
	}
	return plural(n, "relationship") + " are"
}

// mostDrifts is how many relationships that differ a table shows.
const mostDrifts = 20

type driftLine struct {
	RelationshipID string `json:"relationshipId"`
	Planned        string `json:"planned"`
	Found          string `json:"found"`
}

// printDrifts lists the relationships that differ.
func (c *applyCmd) printDrifts(w io.Writer, drifts []outlook.Drift) error {
	lines := make([]driftLine, len(drifts))
	for i, d := range drifts {
		lines[i] = driftLine{d.ID, d.Planned, d.Found}
	}
	switch c.Output {
	case "json":
		return writeJSON(w, lines, "  ")
	case "ndjson":
		for _, line := range lines {
			if err := writeJSON(w, line, ""); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		rows := [][]string{{"relationshipId", "planned", "found"}}
		for _, line := range lines {
			rows = append(rows, []string{line.RelationshipID, line.Planned, line.Found})
		}
		return csv.NewWriter(w).WriteAll(rows)
	}
	t := newTable()
	t.AppendHeader(table.Row{"relationship", "the plan says", "and there is"})
	for i, line := range lines {
		if i == mostDrifts {
			break
		}
		t.AppendRow(table.Row{line.RelationshipID, line.Planned, line.Found})
	}
	if err := t.writeTo(w); err != nil {
		return err
	}
	if more := len(lines) - mostDrifts; more > 0 {
		_, err := fmt.Fprintf(w, "and %d more; all of them with -o csv\n", more)
		return err
	}
	return nil
}
