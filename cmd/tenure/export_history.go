package main

import (
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/tenure-dev/tenure/audit"
)

// history writes all that verify looks at; compressed where the name of the file ends in .gz.
func (c *exportCmd) history(a *app) error {
	if c.Format != "ndjson" {
		return usageError("--format %s: the history is written as ndjson", c.Format)
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	taken := now()
	snapshot, err := db.Snapshot(a.ctx)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error {
		_, err := audit.WriteExport(a.ctx, w, snapshot, taken)
		return err
	}
	if c.Out == "" {
		return errors.Join(write(a.stdout), snapshot.Close())
	}
	return errors.Join(writeFile(c.Out, compressedAs(c.Out, write)), snapshot.Close())
}

// compressedAs compresses what write writes, where the name says so.
func compressedAs(name string, write func(io.Writer) error) func(io.Writer) error {
	if !strings.HasSuffix(name, ".gz") {
		return write
	}
	return func(w io.Writer) error {
		compressed := gzip.NewWriter(w)
		return errors.Join(write(compressed), compressed.Close())
	}
}
