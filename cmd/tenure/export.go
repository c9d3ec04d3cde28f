package main

import (
	"io"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/transfer"
)

type exportCmd struct {
	What   string `arg:"" enum:"relationships,contacts,history" default:"relationships" optional:"" help:"relationships, contacts, or history: all that tenure verify looks at (default: ${default})."`
	Format string `short:"f" enum:"list,ndjson,array,csv" default:"ndjson" help:"list (as Graph answers), ndjson, array, or csv (contacts only) (default: ${default})."`
	Out    string `placeholder:"FILE" help:"Write to this file, not to standard output."`
}

func (c *exportCmd) Run(a *app) error {
	if c.Format == "csv" && c.What == "relationships" {
		return usageError("--format csv is for contacts; relationships are written as list, ndjson or array")
	}
	if c.What == "history" {
		return c.history(a)
	}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	write := func(w io.Writer) error {
		if c.What == "contacts" {
			_, err := transfer.WriteContacts(w, transfer.Shape(c.Format), func(yield func(*lifecycle.Contact) error) error {
				return db.EachContact(a.ctx, func(contact lifecycle.Contact) error { return yield(&contact) })
			})
			return err
		}
		_, err := transfer.WriteRelationships(w, transfer.Shape(c.Format), policy, func(yield func(*lifecycle.Record) error) error {
			return db.EachRelationship(a.ctx, func(r lifecycle.Stored) error { return yield(&r.Record) })
		})
		return err
	}
	if c.Out != "" {
		return writeFile(c.Out, write)
	}
	return write(a.stdout)
}
