package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type relationshipsCmd struct {
	List   relationshipsListCmd   `cmd:"" help:"List relationships as they are stored."`
	Show   relationshipsShowCmd   `cmd:"" help:"Show one as it is now, timers that are due included."`
	Events relationshipsEventsCmd `cmd:"" help:"Everything that happened to one."`
}

type relationshipsListCmd struct {
	Status     []string `placeholder:"STATUS" help:"Only this status; may be given again."`
	Partner    string   `placeholder:"TENANT" help:"Only those of this partner."`
	Customer   string   `placeholder:"TENANT" help:"Only those with this customer."`
	Name       string   `placeholder:"TEXT" help:"Only those whose name holds this text, in whatever case."`
	EndsBefore string   `placeholder:"INSTANT" help:"Only those that end, or ended, before this instant."`
	EndsFrom   string   `placeholder:"INSTANT" help:"Only those that end, or ended, at this instant or later."`
	Limit      int      `short:"l" default:"100" help:"At most this many (default: ${default})."`
	After      string   `placeholder:"ID" help:"Go on after this one."`
	outputFlag
}

func (c *relationshipsListCmd) query(a *app, db *storage.DB) (storage.RelationshipQuery, error) {
	q := storage.RelationshipQuery{Partner: strings.ToLower(c.Partner), Customer: strings.ToLower(c.Customer), Name: c.Name, Limit: c.Limit}
	if err := atLeastOne(c.Limit); err != nil {
		return q, err
	}
	for _, s := range c.Status {
		status := lifecycle.Status(s)
		if !status.Known() {
			return q, usageError("--status %q is no status; the statuses are %v", s, lifecycle.Statuses)
		}
		q.Statuses = append(q.Statuses, status)
	}
	var err error
	if c.EndsBefore != "" {
		if q.EndsBefore, err = parseInstant("--ends-before", c.EndsBefore); err != nil {
			return q, err
		}
	}
	if c.EndsFrom != "" {
		if q.EndsFrom, err = parseInstant("--ends-from", c.EndsFrom); err != nil {
			return q, err
		}
	}
	if c.After != "" {
		last, err := db.Relationship(a.ctx, c.After)
		if err != nil {
			return q, fmt.Errorf("--after %s: %w", c.After, err)
		}
		q.After = last.Key
	}
	return q, nil
}

func (c *relationshipsListCmd) Run(a *app) error {
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	query, err := c.query(a, db)
	if err != nil {
		return err
	}
	found, err := db.Relationships(a.ctx, query)
	if err != nil {
		return err
	}
	header := table.Row{"id", "name", "status", "customer", "ends", "auto-extend", "next timer", "due"}
	err = printRecords(a, c.Output, header, found, func(r lifecycle.Stored) table.Row {
		next := lifecycle.NextTimer(&r.Record, policy)
		return table.Row{r.ID, r.DisplayName, r.Status, customerText(r.Customer), instant(r.End), extendText(&r.Record),
			orDash(string(next.Rule)), instant(next.At)}
	}, func(r lifecycle.Stored) any { return r.Wire(policy) })
	if err != nil {
		return err
	}
	if len(found) == c.Limit {
		a.say("There may be more: --limit, or --after %s", found[len(found)-1].ID)
	}
	return a.sayHowFarBehind(db)
}

// sayHowFarBehind tells whoever reads a list that it shows what is stored, and what the sweeps have not come to yet.
func (a *app) sayHowFarBehind(db *storage.DB) error {
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	backlogs, err := db.Backlogs(a.ctx, now())
	if err != nil {
		return err
	}
	var due int64
	var oldest time.Time
	for _, b := range backlogs {
		due += b.Due
		if !b.Oldest.IsZero() && (oldest.IsZero() || b.Oldest.Before(oldest)) {
			oldest = b.Oldest
		}
	}
	if due > 0 {
		a.say("The list shows what is stored. Due and not swept yet: %d, the oldest since %s", due, instant(oldest))
	}
	return nil
}

func customerText(t lifecycle.Tenant) string {
	if t.DisplayName != "" {
		return t.DisplayName
	}
	return orDash(t.TenantID)
}

func extendText(r *lifecycle.Record) string {
	switch {
	case r.Extends():
		return "on"
	case r.AutoExtend:
		return "never (Global Administrator)"
	}
	return "off"
}

type relationshipsShowCmd struct {
	ID string `arg:"" help:"Id of the relationship."`
	outputFlag
}

func (c *relationshipsShowCmd) Run(a *app) error {
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	stored, err := db.Relationship(a.ctx, c.ID)
	if err != nil {
		return fmt.Errorf("relationship %s: %w", c.ID, err)
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	d := lifecycle.Evaluate(stored.Record, policy, now())
	r := &d.Record
	lines := [][2]string{
		{"id", r.ID}, {"name", r.DisplayName}, {"status", string(r.Status)}, {"partner", r.Partner},
		{"customer", customerText(r.Customer)}, {"duration", r.Duration.String()}, {"auto-extend", extendText(r)},
		{"roles", fmt.Sprintf("%d", len(r.Roles))}, {"created", instant(r.Created)}, {"locked", instant(r.Locked)},
		{"activated", instant(r.Activated)}, {"ends or ended", instant(r.End)}, {"name released", instant(r.NameReleased)},
		{"next timer", orDash(string(d.Next.Rule))}, {"falls due", instant(d.Next.At)}, {"version", count(r.Version)},
	}
	for _, change := range d.Changes {
		lines = append(lines, [2]string{"due since " + instant(change.Effective), string(change.Type) + ", to be recorded by the next sweep"})
	}
	return printRecord(a, c.Output, lines, r.Wire(policy))
}

type relationshipsEventsCmd struct {
	ID string `arg:"" help:"Id of the relationship."`
	outputFlag
}

func (c *relationshipsEventsCmd) Run(a *app) error {
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	events, err := db.Events(a.ctx, c.ID)
	if err == nil && len(events) == 0 {
		err = lifecycle.ErrNotFound // there is no record without the event of its beginning
	}
	if err != nil {
		return fmt.Errorf("relationship %s: %w", c.ID, err)
	}
	header := table.Row{"effective", "recorded", "event", "by", "rule", "status", "ends", "reason"}
	return printRecords(a, c.Output, header, events, func(e lifecycle.Event) table.Row {
		return table.Row{instant(e.Effective), instant(e.Recorded), e.Type, e.Actor, orDash(string(e.Rule)), e.To, instant(e.End), orDash(string(e.Reason))}
	}, func(e lifecycle.Event) any { return eventJSON(e) })
}

// An eventLine is an event as every command writes it.
type eventLine struct {
	RelationshipID    string              `json:"relationshipId"`
	Type              lifecycle.EventType `json:"type"`
	Rule              *lifecycle.RuleName `json:"rule"`
	EffectiveDateTime *string             `json:"effectiveDateTime"`
	RecordedDateTime  *string             `json:"recordedDateTime"`
	FromStatus        *lifecycle.Status   `json:"fromStatus"`
	ToStatus          lifecycle.Status    `json:"toStatus"`
	EndDateTime       *string             `json:"endDateTime"`
	Reason            *lifecycle.Reason   `json:"reason"`
	Actor             lifecycle.Actor     `json:"actor"`
}

func eventJSON(e lifecycle.Event) eventLine {
	return eventLine{RelationshipID: e.RelationshipID, Type: e.Type, Rule: textOrNull(e.Rule), EffectiveDateTime: orNull(e.Effective),
		RecordedDateTime: orNull(e.Recorded), FromStatus: textOrNull(e.From), ToStatus: e.To, EndDateTime: orNull(e.End),
		Reason: textOrNull(e.Reason), Actor: e.Actor}
}
