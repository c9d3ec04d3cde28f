package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type relationshipsCmd struct {
	List   relationshipsListCmd   `cmd:"" help:"List relationships as they are stored."`
	Show   relationshipsShowCmd   `cmd:"" help:"Show one as it is now, timers that are due included. Why it is so: tenure explain ID."`
	Events relationshipsEventsCmd `cmd:"" help:"Everything that happened to one."`

	Create     relationshipsCreateCmd     `cmd:"" help:"Create one, or with --file many; prints the id."`
	Lock       relationshipsLockCmd       `cmd:"" help:"Lock drafts for approval: their content is frozen, and the time for approval runs."`
	Approve    relationshipsApproveCmd    `cmd:"" help:"Approve requests, as the customer does."`
	Reject     relationshipsRejectCmd     `cmd:"" help:"Reject requests, as the customer does."`
	Terminate  relationshipsTerminateCmd  `cmd:"" help:"Terminate active ones."`
	AutoExtend relationshipsAutoExtendCmd `cmd:"" help:"Say whether terms are extended at their end."`
	Bulk       bulkCmd                    `cmd:"" help:"What was done to many at once, with a result for each."`
}

type relationshipsListCmd struct {
	Status     []string `placeholder:"STATUS" help:"Only this status; may be given again."`
	Partner    string   `placeholder:"TENANT" help:"Only those of this partner."`
	Customer   string   `placeholder:"TENANT" help:"Only those with this customer."`
	Name       string   `placeholder:"TEXT" help:"Only those whose name holds this text, in whatever case."`
	EndsBefore string   `placeholder:"INSTANT" help:"Only those that end, or ended, before this instant."`
	EndsFrom   string   `placeholder:"INSTANT" help:"Only those that end, or ended, at this instant or later."`
	Filter     string   `placeholder:"FILTER" help:"Only those that this $filter of OData wants, e.g. \"startswith(displayName,'Contoso') and endDateTime lt 2027-01-01T00:00:00Z\"."`
	Limit      int      `short:"l" default:"100" help:"At most this many (default: ${default})."`
	After      string   `placeholder:"ID" help:"Go on after this one."`
	outputFlag
}

func (c *relationshipsListCmd) query(a *app, db *storage.DB, policy *lifecycle.Policy) (lifecycle.RelationshipQuery, error) {
	q := lifecycle.RelationshipQuery{Limit: c.Limit}
	if err := atLeastOne(c.Limit); err != nil {
		return q, err
	}
	filter, err := c.filter()
	if err != nil {
		return q, err
	}
	if c.Filter != "" {
		wanted, err := readFilter(c.Filter, policy)
		if err != nil {
			return q, err
		}
		filter = append(filter, wanted)
	}
	if len(filter) > 0 {
		q.Filter = filter
	}
	if c.After != "" {
		last, err := db.Relationship(a.ctx, c.After)
		if err != nil {
			return q, fmt.Errorf("--after %s: %w", c.After, err)
		}
		q.After = &lifecycle.Cursor{Key: last.Key}
	}
	return q, nil
}

// filter is what the flags leave, one condition each.
func (c *relationshipsListCmd) filter() (lifecycle.All, error) {
	var all lifecycle.All
	if len(c.Status) > 0 {
		statuses := lifecycle.Among{Field: lifecycle.FieldStatus}
		for _, s := range c.Status {
			if !lifecycle.Status(s).Known() {
				return nil, usageError("--status %q is no status; the statuses are %v", s, lifecycle.Statuses)
			}
			statuses.Values = append(statuses.Values, lifecycle.Value{Text: s})
		}
		all = append(all, statuses)
	}
	for _, flag := range []struct {
		text  string
		field lifecycle.Field
		by    lifecycle.Comparison
	}{
		{strings.ToLower(c.Partner), lifecycle.FieldPartner, lifecycle.Equal},
		{strings.ToLower(c.Customer), lifecycle.FieldCustomer, lifecycle.Equal},
		{c.Name, lifecycle.FieldName, lifecycle.Contains},
	} {
		if flag.text != "" {
			all = append(all, lifecycle.Compare{Field: flag.field, By: flag.by, Value: lifecycle.Value{Text: flag.text}})
		}
	}
	for _, flag := range []struct {
		name, text string
		by         lifecycle.Comparison
	}{{"--ends-before", c.EndsBefore, lifecycle.Less}, {"--ends-from", c.EndsFrom, lifecycle.GreaterOrEqual}} {
		if flag.text == "" {
			continue
		}
		at, err := parseInstant(flag.name, flag.text)
		if err != nil {
			return nil, err
		}
		all = append(all, lifecycle.Compare{Field: lifecycle.FieldEnd, By: flag.by, Value: lifecycle.Value{At: at}})
	}
	return all, nil
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
	query, err := c.query(a, db, policy)
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
			timerText(&r.Record, next), instant(next.At)}
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

// timerText is the next timer of a record, and whether it is kept from taking effect.
func timerText(r *lifecycle.Record, next lifecycle.Timer) string {
	if slices.Contains(r.Stayed, next.Rule) {
		return string(next.Rule) + " (on hold)"
	}
	return orDash(string(next.Rule))
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
	found, err := db.Case(a.ctx, lifecycle.CanonicalID(c.ID))
	if err != nil {
		return fmt.Errorf("relationship %s: %w", c.ID, plainly(err))
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	d := lifecycle.Evaluate(found.Record, policy, now())
	assignments := settledAssignments(found.Assignments, &d)
	holds, err := db.HoldsOn(a.ctx, &d.Record)
	if err != nil {
		return err
	}
	holds = slices.DeleteFunc(holds, func(h lifecycle.Hold) bool { return h.Kind == lifecycle.HoldRule && h.Subject != string(d.Next.Rule) })
	return printRecord(a, c.Output, append(relationshipLines(&d, assignments), holdLines(holds)...), shownRelationship{d.Record.Wire(policy),
		orNull(d.Record.Approved), shownAssignments(assignments), shownTimer(d.Next), shownHolds(holds)})
}

// holdLines are the holds on a relationship for people.
func holdLines(holds []lifecycle.Hold) (lines [][2]string) {
	for i := range holds {
		h := &holds[i]
		about := "this " + string(h.Kind)
		if h.Kind != lifecycle.HoldRelationship {
			about = h.About()
		}
		lines = append(lines, [2]string{"on hold since " + instant(h.PlacedAt), fmt.Sprintf("hold %d on %s, by %s: %s", h.ID, about, h.Who(), whyText(h))})
	}
	return lines
}

func shownHolds(holds []lifecycle.Hold) []httpapi.Hold {
	shown := make([]httpapi.Hold, len(holds))
	for i := range holds {
		shown[i] = httpapi.ShowHold(&holds[i])
	}
	return shown
}

// relationshipLines are a relationship for people. What only some relationships have is left out of the others.
func relationshipLines(d *lifecycle.Decision, assignments []lifecycle.Assignment) [][2]string {
	r := &d.Record
	lines := [][2]string{
		{"id", r.ID}, {"name", r.DisplayName}, {"status", string(r.Status)}, {"partner", r.Partner},
		{"customer", customerText(r.Customer)}, {"duration", r.Duration.String()}, {"auto-extend", extendText(r)},
		{"roles", fmt.Sprintf("%d", len(r.Roles))}, {"created", instant(r.Created)}, {"locked", instant(r.Locked)},
	}
	if !r.Approved.IsZero() {
		lines = append(lines, [2]string{"approved", instant(r.Approved)})
	}
	lines = append(lines, [][2]string{
		{"activated", instant(r.Activated)}, {"ends or ended", instant(r.End)}, {"name released", instant(r.NameReleased)},
		{"next timer", orDash(string(d.Next.Rule))}, {"falls due", instant(d.Next.At)}, {"version", count(r.Version)},
	}...)
	for _, assigned := range assignments {
		lines = append(lines, [2]string{"access of group " + assigned.Group, fmt.Sprintf("%s: %s", assigned.Status, strings.Join(assigned.Roles, " "))})
	}
	for _, change := range d.Changes {
		lines = append(lines, [2]string{"due since " + instant(change.Effective), string(change.Type) + ", to be recorded by the next sweep"})
	}
	return lines
}

// settledAssignments are the assignments as they stand when the timers that are due are settled.
func settledAssignments(all []lifecycle.Assignment, d *lifecycle.Decision) []lifecycle.Assignment {
	settled := slices.Clone(all)
	for i := range settled {
		if d.TakeAway != "" && settled[i].Status.Live() {
			settled[i].Status = d.TakeAway
		}
	}
	return settled
}

// A shownRelationship is a relationship in JSON, with what else there is to know of it.
type shownRelationship struct {
	*lifecycle.Wire
	ApprovedDateTime  *string           `json:"approvedDateTime"`
	AccessAssignments []shownAssignment `json:"accessAssignments"`
	NextTimer         *timerLine        `json:"nextTimer"`
	Holds             []httpapi.Hold    `json:"holds"`
}

type shownAssignment struct {
	ID      string                     `json:"id"`
	GroupID string                     `json:"groupId"`
	Status  lifecycle.AssignmentStatus `json:"status"`
	Roles   []string                   `json:"roles"`
}

func shownAssignments(all []lifecycle.Assignment) []shownAssignment {
	shown := make([]shownAssignment, len(all))
	for i, assigned := range all {
		shown[i] = shownAssignment{assigned.ID, assigned.Group, assigned.Status, assigned.Roles}
	}
	return shown
}

type timerLine struct {
	Rule        lifecycle.RuleName `json:"rule"`
	DueDateTime string             `json:"dueDateTime"`
}

// shownTimer is a timer in JSON, null where there is none.
func shownTimer(t lifecycle.Timer) *timerLine {
	if t.At.IsZero() {
		return nil
	}
	return &timerLine{t.Rule, lifecycle.FormatInstant(t.At)}
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
	events, err := db.Events(a.ctx, lifecycle.CanonicalID(c.ID))
	if err == nil && len(events) == 0 {
		err = lifecycle.ErrNotFound // there is no record without the event of its beginning
	}
	if err != nil {
		return fmt.Errorf("relationship %s: %w", c.ID, plainly(err))
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
