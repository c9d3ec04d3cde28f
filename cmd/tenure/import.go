package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/transfer"
)

type importCmd struct {
	Files   []string `arg:"" name:"file" help:"Relationships (a Graph list response, a JSON array, or one JSON object a line) or contacts (the same, or CSV); - reads standard input."`
	Partner string   `env:"TENURE_PARTNER" placeholder:"TENANT" help:"Whose the relationships are, where a record does not say."`
	Partial bool     `help:"Take a file that is one page of several as it is."`
	Strict  bool     `help:"All or nothing: where one record cannot be taken, none is."`
	Kind    string   `enum:"auto,relationships,contacts" default:"auto" help:"What the files hold: relationships, contacts, or auto: judge by what is in them (default: ${default})."`
}

func (c *importCmd) Run(a *app) error {
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	if c.Partner != "" && !lifecycle.IsGUID(c.Partner) {
		return usageError("--partner %q is not a GUID; give the partner's tenant id", c.Partner)
	}
	into := &lateIntake{open: func() (transfer.Store, error) { return a.openIntake(policy, c.Strict) }}
	now := wall
	if a.thereIsAFile() == nil { // else the first record that is fit makes the database, a live one
		if now, err = into.clock(a); err != nil {
			return err
		}
	}
	report, err := a.importFiles(into, importOptions{policy: policy, now: now(), partner: c.Partner, partial: c.Partial, strict: c.Strict, kind: c.Kind}, c.Files)
	if err := errors.Join(err, report.WriteText(a.stdout), into.keepDeed(a, c.Files, &report)); err != nil {
		return err
	}
	taken := report.Total.Created + report.Total.Updated + report.Total.Unchanged + report.Total.Repeated
	switch {
	case report.RolledBack:
		return errors.New("nothing was imported: with --strict it is all or nothing")
	case !report.OK():
		return partial("%d of %d records were taken; what was wrong with the others stands above", taken, report.Total.Records)
	}
	return nil
}

// openIntake opens the database for an import.
func (a *app) openIntake(policy *lifecycle.Policy, strict bool) (transfer.Store, error) {
	db, err := a.openForWriting(true)
	if err != nil {
		return nil, err
	}
	if err := a.goBy(db, policy, a.embedded()); err != nil {
		return nil, err
	}
	into, err := db.BeginImport(a.ctx, strict)
	return intake{into, db}, err
}

// A lateIntake opens the database when the first records come, so that a mistyped name or a file that cannot be used leaves
// none behind.
type lateIntake struct {
	open  func() (transfer.Store, error)
	store transfer.Store
}

// clock opens the database at once, and answers with its clock.
func (in *lateIntake) clock(a *app) (func() time.Time, error) {
	if err := in.ready(); err != nil {
		return nil, err
	}
	return a.clock(in.store.(intake).db)
}

// keepDeed keeps that something was imported; what became of each relationship, its events tell.
func (in *lateIntake) keepDeed(a *app, files []string, report *transfer.Report) error {
	taken := report.Total.Created + report.Total.Updated
	if in.store == nil || report.RolledBack || taken == 0 {
		return nil
	}
	return a.did(in.store.(intake).db, "tenure import", strings.Join(files, " "), fmt.Sprintf("%d created, %d updated", report.Total.Created, report.Total.Updated))
}

func (in *lateIntake) ready() (err error) {
	if in.store == nil {
		in.store, err = in.open()
	}
	return err
}

func (in *lateIntake) Relationships(ctx context.Context, batch []lifecycle.Incoming, p *lifecycle.Policy, now time.Time) ([]lifecycle.Intake, error) {
	if err := in.ready(); err != nil {
		return nil, err
	}
	return in.store.Relationships(ctx, batch, p, now)
}

func (in *lateIntake) Contacts(ctx context.Context, batch []lifecycle.Contact, p *lifecycle.NoticePolicy, now time.Time) (lifecycle.ContactCounts, error) {
	if err := in.ready(); err != nil {
		return lifecycle.ContactCounts{}, err
	}
	return in.store.Contacts(ctx, batch, p, now)
}

func (in *lateIntake) Commit() error {
	if in.store == nil {
		return nil
	}
	return in.store.Commit()
}

func (in *lateIntake) Rollback() error {
	if in.store == nil {
		return nil
	}
	return in.store.Rollback()
}

type importOptions struct {
	policy          *lifecycle.Policy
	now             time.Time
	partner         string
	partial, strict bool
	kind            string
}

// importFiles reads files into the database, reports each bad record as it comes, and shows how far it is.
func (a *app) importFiles(into transfer.Store, o importOptions, files []string) (transfer.Report, error) {
	onFault := func(f transfer.FileFault) { a.say("%s", f.Error()) }
	bar := newProgress(a.stderr, "importing")
	defer bar.end()
	kind := transfer.Kind(o.kind)
	if o.kind == "auto" {
		kind = ""
	}
	return transfer.Import(a.ctx, into, transfer.Options{
		Partner: o.partner, Partial: o.partial, Strict: o.strict, Kind: kind, Policy: o.policy, Now: o.now, Stdin: os.Stdin,
		OnFault: onFault, KeepFaults: -1, // each is told as it comes, and need not be told again at the end
		Progress: func(done, total int64, records int) {
			bar.at(done>>10, total>>10, fmt.Sprintf("KiB, %d records", records))
		},
	}, files...)
}

// intake is an import, and the database that it goes into.
type intake struct {
	*storage.Import
	db *storage.DB
}
