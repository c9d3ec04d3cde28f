package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	if err := c.filesAreThere(); err != nil {
		return err
	}
	db, err := a.openForWriting(true)
	if err != nil {
		return err
	}
	if _, err := db.Retime(a.ctx, policy); err != nil {
		return err
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	report, err := a.importFiles(db, importOptions{policy: policy, now: now(), partner: c.Partner, partial: c.Partial, strict: c.Strict, kind: c.Kind}, c.Files)
	if err != nil {
		return errors.Join(report.WriteText(a.stdout), err)
	}
	if err := report.WriteText(a.stdout); err != nil {
		return err
	}
	switch {
	case report.RolledBack:
		return errors.New("nothing was imported: with --strict it is all or nothing")
	case !report.OK():
		return partial("not every record could be taken; what was wrong stands above, and the others are in")
	}
	return nil
}

// filesAreThere looks before a database is made for nothing.
func (c *importCmd) filesAreThere() error {
	var faults []error
	for _, file := range c.Files {
		if _, err := os.Stat(file); file != transfer.Stdin && errors.Is(err, os.ErrNotExist) {
			faults = append(faults, fmt.Errorf("%s: does not exist; check the name", file))
		}
	}
	return errors.Join(faults...)
}

type importOptions struct {
	policy          *lifecycle.Policy
	now             time.Time
	partner         string
	partial, strict bool
	kind            string
}

// importFiles reads files into the database, reports each bad record as it comes, and shows how far it is.
func (a *app) importFiles(db *storage.DB, o importOptions, files []string) (transfer.Report, error) {
	into, err := db.BeginImport(a.ctx, o.strict)
	if err != nil {
		return transfer.Report{}, err
	}
	onFault := func(f transfer.FileFault) { a.say("%s", f.Error()) }
	bar := newProgress(a.stderr, "importing")
	defer bar.end()
	kind := transfer.Kind(o.kind)
	if o.kind == "auto" {
		kind = ""
	}
	return transfer.Import(a.ctx, intake{into}, transfer.Options{
		Partner: o.partner, Partial: o.partial, Strict: o.strict, Kind: kind, Policy: o.policy, Now: o.now, Stdin: os.Stdin,
		OnFault: onFault,
		Progress: func(done, total int64, records int) {
			bar.at(done>>10, total>>10, fmt.Sprintf("KiB, %d records", records))
		},
	}, files...)
}

// intake is a database's import in the words of package transfer.
type intake struct{ *storage.Import }

func (in intake) Contacts(ctx context.Context, batch []lifecycle.Contact) (created, updated, unchanged int, err error) {
	counts, err := in.Import.Contacts(ctx, batch)
	return counts.Created, counts.Updated, counts.Unchanged, err
}
