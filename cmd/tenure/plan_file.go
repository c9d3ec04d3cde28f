package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
	"github.com/tenure-dev/tenure/storage"
)

// save writes what is due by then to a file that can be applied.
func (c *planCmd) save(a *app, db *storage.DB, in *inForce, q outlook.Question, partner string) (err error) {
	if !in.timed {
		return usageError("the timers in this database were set by another policy than the one that is kept; let the schedulers, or `tenure sweep`, set them first")
	}
	deployment, err := a.deployment(db)
	if err != nil {
		return err
	}
	q.Only, q.Show, q.Late = q.Show, nil, true
	records, err := db.Outlook(a.ctx, in.query(&q, partner, true))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	header := outlook.Header{Deployment: deployment, AsOf: q.Now, Until: q.Until, Rules: q.Only, Partner: partner, PolicyMark: in.mark}
	plan, header, err := writePlan(a, c.Save, records, q, header)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.stdout, "%s holds what is due by %s: %s, %s, %d told.\n", c.Save, lifecycle.FormatInstant(q.Until),
		plural(header.Relationships, "relationship"), plural(header.Steps, "change"), plan.All.Told); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	a.sayRemarks(plan)
	return a.sayFailures(plan.Failed, plan.Faults)
}

// writePlan writes the entries beside the file first, since the header, which goes before them, says how many there are.
func writePlan(a *app, path string, records *storage.Outlook, q outlook.Question, header outlook.Header) (plan *outlook.Plan, _ outlook.Header, err error) {
	entries, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*.tmp")
	if err != nil {
		return nil, header, fmt.Errorf("writing the plan: %w", err)
	}
	defer func() { err = errors.Join(err, entries.Close(), os.Remove(entries.Name())) }()
	w := outlook.NewWriter(entries, header)
	plan, err = outlook.Look(a.ctx, records, q, func(item *outlook.Item) error {
		if item.Decided == nil {
			return nil
		}
		entry := outlook.EntryOf(&item.Stored, item.Decided)
		return w.Add(&entry)
	})
	if err != nil {
		return nil, header, err
	}
	if header, err = w.Header(); err != nil {
		return nil, header, err
	}
	if _, err = entries.Seek(0, io.SeekStart); err != nil {
		return nil, header, fmt.Errorf("writing the plan: %w", err)
	}
	err = writeFile(path, func(to io.Writer) error {
		if err := writeJSON(to, header, ""); err != nil {
			return err
		}
		_, err := io.Copy(to, entries)
		return err
	})
	return plan, header, err
}
