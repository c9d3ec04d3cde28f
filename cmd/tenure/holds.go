package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type holdsCmd struct {
	List    holdsListCmd    `cmd:"" default:"withargs" help:"List what is on hold, and why."`
	Place   holdsPlaceCmd   `cmd:"" help:"Put a relationship, a tenant, a rule or everything on hold: timers take no effect until it is released."`
	Release holdsReleaseCmd `cmd:"" help:"Release a hold: what fell due meanwhile happens then, with its true effective time."`
}

type holdsListCmd struct {
	Kind    string `placeholder:"KIND" help:"Only these: relationship, tenant, rule or everything."`
	Subject string `placeholder:"SUBJECT" help:"Only those about this relationship, tenant or rule."`
	All     bool   `help:"The released ones too."`
	Limit   int    `short:"l" default:"100" help:"At most this many (default: ${default})."`
	outputFlag
}

func (c *holdsListCmd) Run(a *app) error {
	if err := atLeastOne(c.Limit); err != nil {
		return err
	}
	if c.Kind != "" && !slices.Contains(lifecycle.HoldKinds, lifecycle.HoldKind(c.Kind)) {
		return usageError("--kind %q: there is no such kind of hold; it is %s", c.Kind, choice(lifecycle.HoldKinds))
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	holds, err := db.Holds(a.ctx, lifecycle.HoldQuery{Kind: lifecycle.HoldKind(c.Kind), Subject: lifecycle.CanonicalID(c.Subject), Active: !c.All, Limit: c.Limit})
	if err != nil {
		return err
	}
	header := table.Row{"hold", "since", "by", "kind", "subject", "why"}
	if c.All {
		header = append(header, "released", "by", "why")
	}
	return printRecords(a, c.Output, header, holds, func(h lifecycle.Hold) table.Row {
		row := table.Row{h.ID, instant(h.PlacedAt), h.Who(), h.Kind, orDash(h.Subject), whyText(&h)}
		if c.All {
			row = append(row, instant(h.ReleasedAt), orDash(h.ReleasedBy), orDash(h.ReleaseNote))
		}
		return row
	}, func(h lifecycle.Hold) any { return httpapi.ShowHold(&h) })
}

// whyText is why something is on hold.
func whyText(h *lifecycle.Hold) string {
	if h.Cause == "" {
		return h.Note
	}
	return string(h.Cause) + ": " + h.Note
}

type holdsPlaceCmd struct {
	Kind    string `arg:"" help:"relationship, tenant, rule or everything."`
	Subject string `arg:"" optional:"" help:"The relationship's id, the tenant or the rule; left out for everything."`
	Note    string `aliases:"reason" required:"" placeholder:"TEXT" help:"Why, for whoever asks later."`
	outputFlag
}

func (c *holdsPlaceCmd) Run(a *app) error {
	return a.placeHold(lifecycle.Hold{Kind: lifecycle.HoldKind(c.Kind), Subject: c.Subject, Note: c.Note}, c.Output)
}

// placeHold places a hold as whoever sits at the terminal, and tells what comes of it.
func (a *app) placeHold(h lifecycle.Hold, output string) error {
	if err := h.Check(); err != nil {
		return codedError{exitUsage, err}
	}
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	placed, err := db.PlaceHold(a.ctx, h, *a.caller(), now())
	if err != nil {
		return plainHold(err)
	}
	if output != "table" {
		return printRecord(a, output, nil, httpapi.ShowHold(&placed))
	}
	told, err := a.coverage(db, &placed)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "hold %d: %s is on hold%s\n", placed.ID, placed.About(), told)
	return err
}

// coverage says, for people, what a hold comes to.
func (a *app) coverage(db *storage.DB, h *lifecycle.Hold) (string, error) {
	switch h.Kind {
	case lifecycle.HoldTenant:
		n, err := db.CountRelationships(a.ctx, tenantsOwn(h.Subject))
		covers := ", and so are its " + plural(n, "relationship")
		if n == 0 {
			covers = ""
			a.say("No relationship is of tenant %s. The hold covers those that come.", h.Subject)
		}
		return fmt.Sprintf("%s; release it with `tenure holds release %d --note TEXT`", covers, h.ID), err
	case lifecycle.HoldRule:
		return fmt.Sprintf(": it is paused until `tenure rules resume %s --note TEXT`", h.Subject), nil
	}
	return fmt.Sprintf("; release it with `tenure holds release %d --note TEXT`", h.ID), nil
}

// tenantsOwn are the relationships of a tenant, on either side.
func tenantsOwn(tenant string) lifecycle.Filter {
	is := func(f lifecycle.Field) lifecycle.Filter {
		return lifecycle.Compare{Field: f, By: lifecycle.Equal, Value: lifecycle.Value{Text: tenant}}
	}
	return lifecycle.Any{is(lifecycle.FieldPartner), is(lifecycle.FieldCustomer)}
}

type holdsReleaseCmd struct {
	ID   int64  `arg:"" help:"Number of the hold, as tenure holds lists it."`
	Note string `aliases:"reason" required:"" placeholder:"TEXT" help:"Why, for whoever asks later."`
	outputFlag
}

func (c *holdsReleaseCmd) Run(a *app) error {
	if err := lifecycle.CheckNote(c.Note); err != nil {
		return codedError{exitUsage, err}
	}
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	return a.releaseHold(db, c.ID, c.Note, c.Output)
}

// releaseHold releases a hold as whoever sits at the terminal, and tells what comes of it.
func (a *app) releaseHold(db *storage.DB, id int64, note, output string) error {
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	released, err := db.ReleaseHold(a.ctx, id, note, *a.caller(), now(), wall())
	if err != nil {
		return plainHold(err)
	}
	if output != "table" {
		return printRecord(a, output, nil, httpapi.ShowHold(&released))
	}
	_, err = fmt.Fprintf(a.stdout, "hold %d: %s is released; what fell due meanwhile happens at the next tick, or with `tenure sweep`\n", released.ID, released.About())
	return err
}

// plainHold leaves out what was being done where the error says itself what is the matter.
func plainHold(err error) error {
	for _, known := range []error{lifecycle.ErrHeldAlready, lifecycle.ErrReleased, lifecycle.ErrNotFound} {
		if !errors.Is(err, known) {
			continue
		}
		for inner := err; inner != nil; inner = errors.Unwrap(inner) {
			if errors.Unwrap(inner) == known { //nolint:errorlint // the innermost that says more is wanted, and not any that holds it
				return inner
			}
		}
	}
	return err
}

type rulesCmd struct {
	List   rulesListCmd   `cmd:"" default:"withargs" help:"List the rules: whether each is paused, and what is due under it."`
	Pause  rulesPauseCmd  `cmd:"" help:"Pause a rule: its timers take no effect until it is resumed."`
	Resume rulesResumeCmd `cmd:"" help:"Resume a rule that is paused."`
}

type rulesListCmd struct{ outputFlag }

// A ruleLine is a rule as it is listed.
type ruleLine struct {
	Rule    lifecycle.RuleName `json:"rule"`
	Summary string             `json:"summary"`
	Paused  bool               `json:"paused"`
	Hold    *httpapi.Hold      `json:"hold"` // that pauses it; null where none does
	Due     int64              `json:"due"`  // records, those on hold by themselves or their tenants left out
	Held    int64              `json:"held"` // those
	Oldest  *string            `json:"oldestDueDateTime"`
}

func (c *rulesListCmd) Run(a *app) error {
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	lines, err := a.ruleLines(db)
	if err != nil {
		return err
	}
	return printRecords(a, c.Output, table.Row{"rule", "what it does", "due", "on hold", "oldest due", "paused"}, lines, func(l ruleLine) table.Row {
		paused, oldest := "-", "-"
		if l.Hold != nil {
			paused = fmt.Sprintf("hold %d: %s", l.Hold.ID, l.Hold.Note)
		}
		if l.Oldest != nil {
			oldest = *l.Oldest
		}
		return table.Row{l.Rule, l.Summary, l.Due, l.Held, oldest, paused}
	}, func(l ruleLine) any { return l })
}

func (a *app) ruleLines(db *storage.DB) ([]ruleLine, error) {
	now, err := a.clock(db)
	if err != nil {
		return nil, err
	}
	backlogs, err := db.Backlogs(a.ctx, now())
	if err != nil {
		return nil, err
	}
	holds, err := db.Holds(a.ctx, lifecycle.HoldQuery{Active: true})
	if err != nil {
		return nil, err
	}
	lines := make([]ruleLine, len(lifecycle.Rules))
	for i := range lifecycle.Rules {
		rule := &lifecycle.Rules[i]
		lines[i] = ruleLine{Rule: rule.Name, Summary: rule.Summary}
		for _, b := range backlogs {
			if b.Rule == rule.Name {
				lines[i].Due, lines[i].Held, lines[i].Oldest = b.Due, b.Held, orNull(b.Oldest)
			}
		}
		if h := pausing(holds, rule.Name); h != nil {
			shown := httpapi.ShowHold(h)
			lines[i].Paused, lines[i].Hold = true, &shown
		}
	}
	return lines, nil
}

// pausing is the hold that keeps a rule from taking effect at all; nil where none does.
func pausing(holds []lifecycle.Hold, rule lifecycle.RuleName) *lifecycle.Hold {
	for i := range holds {
		if slices.Contains(lifecycle.Paused(holds[i:i+1]), rule) {
			return &holds[i]
		}
	}
	return nil
}

type rulesPauseCmd struct {
	Rule string `arg:"" help:"Name of the rule."`
	Note string `aliases:"reason" required:"" placeholder:"TEXT" help:"Why, for whoever asks later."`
	outputFlag
}

func (c *rulesPauseCmd) Run(a *app) error {
	return a.placeHold(lifecycle.Hold{Kind: lifecycle.HoldRule, Subject: c.Rule, Note: c.Note}, c.Output)
}

type rulesResumeCmd struct {
	Rule string `arg:"" help:"Name of the rule."`
	Note string `aliases:"reason" required:"" placeholder:"TEXT" help:"Why, for whoever asks later."`
	outputFlag
}

func (c *rulesResumeCmd) Run(a *app) error {
	if _, err := ruleNames([]string{c.Rule}); err != nil {
		return err
	}
	if err := lifecycle.CheckNote(c.Note); err != nil {
		return codedError{exitUsage, err}
	}
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	holds, err := db.Holds(a.ctx, lifecycle.HoldQuery{Kind: lifecycle.HoldRule, Subject: c.Rule, Active: true})
	if err != nil {
		return err
	}
	if len(holds) == 0 {
		return fmt.Errorf("the rule %s is not paused; tenure rules lists those that are", c.Rule)
	}
	return a.releaseHold(db, holds[0].ID, c.Note, c.Output)
}
