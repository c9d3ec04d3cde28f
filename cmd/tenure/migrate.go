package main

import (
	"fmt"

	"github.com/tenure-dev/tenure/storage"
)

type migrateCmd struct {
	Sandbox bool   `help:"Make a new database a sandbox: its test clock is moved by hand. This cannot be changed later."`
	At      string `placeholder:"INSTANT" help:"For a new sandbox: where its clock begins (default: now)."`
}

func (c *migrateCmd) Run(a *app) error {
	kind, at := storage.Kind(""), wall()
	if c.Sandbox {
		kind = storage.Sandbox
	}
	if c.At != "" {
		if !c.Sandbox {
			return usageError("--at is for a new sandbox; add --sandbox")
		}
		var err error
		if at, err = parseInstant("--at", c.At); err != nil {
			return err
		}
	}
	address, err := a.databaseURL()
	if err != nil {
		return codedError{exitUsage, err}
	}
	db, err := storage.Open(a.ctx, address)
	if err != nil {
		return err
	}
	a.opened = append(a.opened, db)
	if err := db.Migrate(a.ctx, kind, at); err != nil {
		return err
	}
	if kind, err = db.Kind(a.ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s is ready, a %s database\n", maskPassword(a.DB), kind)
	return err
}
