package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/transfer"
)

// A createdLine is what became of one record of a file.
type createdLine struct {
	Line        int     `json:"line"`
	ID          *string `json:"id"` // null where there is none
	DisplayName string  `json:"displayName"`
	Result      string  `json:"result"` // created, createdNotLocked, wouldBeCreated or refused
	Reason      *string `json:"reason"`
}

// createFile creates what a file asks for, record by record, and prints what became of each. It may be run again: what was
// created holds its name, and is refused the second time.
func (c *relationshipsCreateCmd) createFile(a *app) error {
	in := io.ReadCloser(os.Stdin)
	if c.File != transfer.Stdin {
		var err error
		if in, err = os.Open(c.File); err != nil {
			return usageError("--file: %w", err)
		}
	}
	defer in.Close() //nolint:errcheck // it is only read
	records, err := newWantedReader(in)
	if err != nil {
		return usageError("--file %s: %w", c.File, err)
	}
	creates, err := c.creator(a)
	if err != nil {
		return err
	}
	lines, failure := creates.all(a, records, c.Partner)
	header := table.Row{"line", "name", "result", "id or reason"}
	err = printRecords(a, c.Output, header, lines, func(l createdLine) table.Row {
		what := l.Reason
		if what == nil {
			what = l.ID
		}
		return table.Row{l.Line, orDash(l.DisplayName), l.Result, orDash(textOf(what))}
	}, func(l createdLine) any { return l })
	if err := errors.Join(err, failure); err != nil {
		return err
	}
	refused := 0
	for _, l := range lines {
		if l.Reason != nil {
			refused++
		}
	}
	if refused > 0 {
		return partial("%d of %d could not be created, or not be locked; the reasons stand above", refused, len(lines))
	}
	return nil
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// all creates record after record. The error is of the file or of the database; what was done before stays done.
func (c *creator) all(a *app, records *wantedReader, partner string) ([]createdLine, error) {
	bar := newProgress(a.stderr, "creating")
	defer bar.end()
	var lines []createdLine
	taken := map[string]int{} // in a dry run: names of partners, and the line that takes each
	for {
		wire, line, err := records.next()
		switch {
		case errors.Is(err, io.EOF):
			return lines, nil
		case a.ctx.Err() != nil:
			return lines, a.ctx.Err()
		case err != nil && !isRefused(err):
			return lines, err
		}
		id := ""
		if err == nil {
			id, err = c.fromFile(a, wire, partner, line, taken)
		}
		if err != nil && !isRefused(err) {
			return lines, fmt.Errorf("line %d: %w", line, err)
		}
		lines = append(lines, c.result(line, wire.DisplayName, id, err))
		bar.at(int64(len(lines)), 0, "records")
	}
}

// fromFile creates what a record asks for.
func (c *creator) fromFile(a *app, wire lifecycle.Wire, partner string, line int, taken map[string]int) (string, error) {
	w, err := c.read(wire, partner)
	if err != nil {
		return "", err
	}
	id, err := c.one(a, w)
	if err != nil || !c.dryRun {
		return id, err
	}
	key := w.partner + norm.NFC.String(cases.Fold().String(norm.NFD.String(wire.DisplayName)))
	if earlier, twice := taken[key]; twice {
		return "", lifecycle.Faults{{Field: "displayName", Value: wire.DisplayName, Reason: fmt.Sprintf("is that of line %d too; choose another name", earlier)}}
	}
	taken[key] = line
	return "", nil
}

// read understands a record, and finds every fault that the relationship itself does not show.
func (c *creator) read(wire lifecycle.Wire, partner string) (wantedRelationship, error) {
	var faults lifecycle.Faults
	w := wantedRelationship{partner: strings.ToLower(partner), Draft: lifecycle.Draft{DisplayName: &wire.DisplayName}}
	if wire.Partner != nil && wire.Partner.TenantID != "" {
		w.partner = strings.ToLower(wire.Partner.TenantID)
	}
	if w.partner == "" {
		faults = append(faults, lifecycle.Fault{Field: "partner.tenantId", Reason: "is missing; say whose the relationships are with --partner TENANT, or in the record"})
	}
	duration, err := lifecycle.ParsePeriod(wire.Duration)
	if err != nil {
		faults = append(faults, lifecycle.Fault{Field: "duration", Reason: err.Error()})
	}
	w.Duration = &duration
	if wire.AutoExtendDuration != "" {
		on, err := c.policy.ParseAutoExtend(wire.AutoExtendDuration)
		if err != nil {
			faults = append(faults, lifecycle.Fault{Field: "autoExtendDuration", Value: wire.AutoExtendDuration, Reason: err.Error()})
		}
		w.AutoExtend = &on
	}
	if wire.Customer != nil {
		if wire.Customer.TenantID == "" && wire.Customer.DisplayName != "" {
			faults = append(faults, lifecycle.Fault{Field: "customer.tenantId", Reason: "is missing; a name alone says nothing of who it is"})
		}
		w.Customer = &lifecycle.Tenant{TenantID: strings.ToLower(wire.Customer.TenantID), DisplayName: wire.Customer.DisplayName}
	}
	if wire.AccessDetails != nil {
		for _, role := range wire.AccessDetails.UnifiedRoles {
			w.Roles = append(w.Roles, strings.ToLower(role.RoleDefinitionID))
		}
	}
	if len(faults) > 0 {
		return w, faults
	}
	return w, nil
}

// isRefused says whether err is about one record only.
func isRefused(err error) bool {
	var faults lifecycle.Faults
	return errors.As(err, &faults) || errors.Is(err, lifecycle.ErrRefused) || errors.Is(err, lifecycle.ErrNameTaken)
}

func (c *creator) result(line int, name, id string, err error) createdLine {
	l := createdLine{Line: line, ID: textOrNull(id), DisplayName: name, Result: "created"}
	if err != nil {
		reason := err.Error()
		l.Reason = &reason
	}
	switch {
	case err != nil && id != "":
		l.Result = "createdNotLocked"
	case err != nil:
		l.Result = "refused"
	case c.dryRun:
		l.Result, l.ID = "wouldBeCreated", nil
	}
	return l
}
