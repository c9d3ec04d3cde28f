package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type relationshipsCreateCmd struct {
	Partner    string   `env:"TENURE_PARTNER" placeholder:"TENANT" help:"Whose the relationship is; of a file, whose those are that do not say."`
	Name       string   `placeholder:"NAME" help:"Its name, 1 to 50 characters, which no other one of the partner holds."`
	Duration   string   `placeholder:"PERIOD" help:"How long it is to last, e.g. P365D."`
	Role       []string `placeholder:"ID" help:"Template id of a directory role; may be given again."`
	Customer   string   `placeholder:"TENANT[=NAME]" help:"Whose administration is delegated (default: whoever approves)."`
	AutoExtend bool     `help:"Extend the term at its end."`
	Lock       bool     `help:"Lock it for approval at once: from here its content is frozen, and the time for approval runs."`
	File       string   `placeholder:"FILE" help:"Create many: one JSON object a line as Graph has it, or a CSV with the columns displayName, duration, autoExtendDuration, partner/tenantId, customer/tenantId, customer/displayName and roles (ids with a space between them); - reads standard input."`
	DryRun     bool     `short:"n" help:"Check, and create nothing."`
	outputFlag
}

func (c *relationshipsCreateCmd) Run(a *app) error {
	single := c.Name != "" || c.Duration != "" || len(c.Role) > 0 || c.Customer != "" || c.AutoExtend
	if c.File != "" {
		if single {
			return usageError("with --file each record says its own name, duration, roles, customer and auto-extend; leave those flags out")
		}
		if err := c.partnerFault(); err != nil {
			return err
		}
		return c.createFile(a)
	}
	wanted, err := c.wanted()
	if err != nil {
		return err
	}
	creates, err := c.creator(a)
	if err != nil {
		return err
	}
	id, err := creates.one(a, wanted)
	var faults lifecycle.Faults
	if errors.As(err, &faults) {
		return usageError("%w", faults)
	}
	if err != nil {
		return err
	}
	if c.AutoExtend && slices.Contains(wanted.Roles, lifecycle.GlobalAdministrator) {
		a.say("Mind: %s.", lifecycle.NeverExtends)
	}
	if c.DryRun {
		a.say("It would be created.")
		return nil
	}
	if c.Output != "table" {
		return printRecord(a, c.Output, nil, struct {
			ID string `json:"id"`
		}{id})
	}
	_, err = fmt.Fprintln(a.stdout, id)
	return err
}

// partnerFault says what is wrong with --partner, where it was given.
func (c *relationshipsCreateCmd) partnerFault() error {
	if c.Partner != "" && !lifecycle.IsGUID(c.Partner) {
		return usageError("--partner %q is not a GUID; give the partner's tenant id", c.Partner)
	}
	return nil
}

// A wantedRelationship is what somebody asks for.
type wantedRelationship struct {
	partner string // tenant id, lower case
	lifecycle.Draft
}

// wanted reads the flags, and finds every fault at once.
func (c *relationshipsCreateCmd) wanted() (wantedRelationship, error) {
	faults := []error{c.partnerFault()}
	for _, flag := range []struct{ name, value string }{{"--partner", c.Partner}, {"--name", c.Name}, {"--duration", c.Duration}, {"--role", strings.Join(c.Role, "")}} {
		if flag.value == "" {
			faults = append(faults, usageError("%s is missing", flag.name))
		}
	}
	duration, err := lifecycle.ParsePeriod(c.Duration)
	if err != nil && c.Duration != "" {
		faults = append(faults, usageError("--duration: %w", err))
	}
	customer, err := parseCustomer(c.Customer)
	faults = append(faults, err)
	roles := make([]string, len(c.Role))
	for i, r := range c.Role {
		roles[i] = strings.ToLower(r)
	}
	return wantedRelationship{strings.ToLower(c.Partner), lifecycle.Draft{DisplayName: &c.Name, Duration: &duration, AutoExtend: &c.AutoExtend,
		Customer: &customer, Roles: roles}}, errors.Join(faults...)
}

// A creator creates relationships.
type creator struct {
	db     *storage.DB
	policy *lifecycle.Policy
	now    func() time.Time
	lock   bool
	dryRun bool
}

func (c *relationshipsCreateCmd) creator(a *app) (*creator, error) {
	db, policy, now, err := a.openToAct(c.DryRun)
	return &creator{db, policy, now, c.Lock, c.DryRun}, err
}

// one creates a relationship and answers with its id. The error is [lifecycle.Faults], a *[lifecycle.Refusal] or a
// *[lifecycle.NameHeld] where it cannot be; with an id beside it, the relationship is there but could not be locked.
func (c *creator) one(a *app, w wantedRelationship) (string, error) {
	id, by, now := uuid.NewString()+"-"+uuid.NewString(), a.caller(), c.now()
	decide := func(standing lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(id, w.partner, w.Draft, c.policy, standing, by, now)
	}
	if c.dryRun {
		return "", c.foresee(a, decide, w.partner)
	}
	creates := actor{db: c.db, now: c.now, action: lifecycle.Action{Kind: "create"}}
	_, err := c.db.CreateRelationship(a.ctx, w.partner, c.policy, decide)
	if errors.Is(err, lifecycle.ErrRefused) || errors.Is(err, lifecycle.ErrNameTaken) {
		err = errors.Join(err, a.keepRefusal(&creates, "", *w.DisplayName, err))
	}
	if err != nil {
		return "", err
	}
	if !c.lock {
		return id, nil
	}
	locks := actor{c.db, c.policy, c.now, lifecycle.Action{Kind: lifecycle.LockForApproval, By: lifecycle.Partner, Caller: by}, false}
	if _, err := locks.one(a.ctx, id); err != nil {
		return id, fmt.Errorf("relationship %s was created, and is not locked: %w", id, err)
	}
	return id, nil
}

// foresee says what would keep a relationship from being created.
func (c *creator) foresee(a *app, decide func(lifecycle.Standing) (lifecycle.Decision, error), partner string) error {
	partnership, err := c.db.Partnership(a.ctx, partner)
	if err != nil {
		return err
	}
	d, err := decide(partnership.Standing)
	if err != nil {
		return err
	}
	return c.nameFree(a, &d.Record)
}

// nameFree says who holds the record's name, if anybody does.
func (c *creator) nameFree(a *app, r *lifecycle.Record) error {
	same := func(f lifecycle.Field, v lifecycle.Value) lifecycle.Filter {
		return lifecycle.Compare{Field: f, By: lifecycle.Equal, Value: v}
	}
	holders, err := c.db.Relationships(a.ctx, lifecycle.RelationshipQuery{Filter: lifecycle.All{same(lifecycle.FieldPartner, lifecycle.Value{Text: r.Partner}),
		same(lifecycle.FieldName, lifecycle.Value{Text: r.DisplayName}), same(lifecycle.FieldNameReleased, lifecycle.Value{})}, Limit: 1})
	if err != nil || len(holders) == 0 {
		return err
	}
	d := lifecycle.Evaluate(holders[0].Record, c.policy, c.now())
	held := lifecycle.NameHeld{Name: r.DisplayName, Holder: d.Record.ID, Status: d.Record.Status}
	switch {
	case !d.Record.NameReleased.IsZero():
		return nil // it is due to be
	case d.Next.Rule == lifecycle.ReleaseName:
		held.Until = d.Next.At
	}
	return &held
}
