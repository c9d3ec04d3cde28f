package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
)

type partnersCmd struct {
	List partnersListCmd `cmd:"" help:"List the partners whose standing was set; all others are authorized."`
	Set  partnersSetCmd  `cmd:"" help:"Set what a partner may do. Timers and terminations go on in every standing."`
}

type partnersListCmd struct{ outputFlag }

func (c *partnersListCmd) Run(a *app) error {
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	partners, err := db.Partnerships(a.ctx)
	if err != nil {
		return err
	}
	return printRecords(a, c.Output, table.Row{"tenant", "standing", "note"}, partners, func(p lifecycle.Partnership) table.Row {
		return table.Row{p.TenantID, p.Standing, orDash(p.Note)}
	}, func(p lifecycle.Partnership) any { return httpapi.ShowPartner(&p, policy) })
}

type partnersSetCmd struct {
	Tenant   string  `arg:"" help:"The partner's tenant."`
	Standing string  `required:"" placeholder:"STANDING" help:"authorized, restricted (nothing new) or suspended (nothing new, and nothing is changed)."`
	Note     *string `placeholder:"TEXT" help:"Why; it is kept with the partner (default: what stands there already)."`
}

func (c *partnersSetCmd) Run(a *app) error {
	p, err := c.partnership()
	if err != nil {
		return err
	}
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	if c.Note == nil {
		stored, err := db.Partnership(a.ctx, p.TenantID)
		if err != nil {
			return err
		}
		p.Note = stored.Note
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	if err := db.SetPartnership(a.ctx, p, operator(), now()); err != nil {
		return fmt.Errorf("partner %s: %w", p.TenantID, err)
	}
	_, err = fmt.Fprintf(a.stdout, "partner %s is %s: %s\n", p.TenantID, p.Standing, mayText(p.Standing))
	return err
}

// longestNote is how much of a note is kept.
const longestNote = 500

// partnership is what the flags say, checked all at once.
func (c *partnersSetCmd) partnership() (lifecycle.Partnership, error) {
	p := lifecycle.Partnership{TenantID: strings.ToLower(c.Tenant), Standing: lifecycle.Standing(c.Standing)}
	var faults []error
	if !lifecycle.IsGUID(c.Tenant) {
		faults = append(faults, usageError("the tenant %q is not a GUID", c.Tenant))
	}
	if !slices.Contains(lifecycle.Standings, p.Standing) {
		faults = append(faults, usageError("--standing %q: there is no such standing; it is %s", c.Standing, choice(lifecycle.Standings)))
	}
	if c.Note != nil {
		if p.Note = *c.Note; len([]rune(p.Note)) > longestNote {
			faults = append(faults, usageError("--note has %d characters; at most %d are kept", len([]rune(p.Note)), longestNote))
		}
	}
	return p, errors.Join(faults...)
}

// mayText is what a partner of this standing may do.
func mayText(s lifecycle.Standing) string {
	switch s {
	case lifecycle.Restricted:
		return "it may change and terminate what it has, and ask for nothing new"
	case lifecycle.Suspended:
		return "it may delete drafts, take access away and terminate, and nothing else"
	}
	return "it may do everything"
}
