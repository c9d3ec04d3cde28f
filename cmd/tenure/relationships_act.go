package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// namedRelationships are those that an operator names.
type namedRelationships struct {
	IDs    []string `arg:"" name:"id" help:"Ids of relationships."`
	DryRun bool     `short:"n" help:"Say what would become of each, and change nothing."`
}

// manyRelationships are those that an operator names, or describes.
type manyRelationships struct {
	IDs    []string `arg:"" optional:"" name:"id" help:"Ids of relationships."`
	Filter string   `placeholder:"FILTER" help:"Instead of ids: those that this $filter of OData wants, e.g. \"status eq 'active' and endDateTime lt 2027-01-01T00:00:00Z\"."`
	All    bool     `help:"Really all of them, where the filter leaves nothing out."`
	DryRun bool     `short:"n" help:"Say what would become of each, and change nothing."`
}

// sideFlag says on whose behalf something is done that either side may do.
type sideFlag struct {
	By string `enum:"partner,customer" default:"partner" help:"On whose behalf: partner or customer (default: ${default})."`
}

type relationshipsLockCmd struct{ namedRelationships }

func (c *relationshipsLockCmd) Run(a *app) error {
	return a.actOnEach(lifecycle.Action{Kind: lifecycle.LockForApproval, By: lifecycle.Partner}, c.IDs, c.DryRun)
}

type relationshipsApproveCmd struct {
	Customer string `placeholder:"TENANT[=NAME]" help:"Who approves. Needed for a request that names no customer."`
	manyRelationships
}

func (c *relationshipsApproveCmd) Run(a *app) error {
	customer, err := parseCustomer(c.Customer)
	if err == nil && c.Customer != "" && (c.Filter != "" || c.All) {
		err = usageError("--customer goes with ids; --filter and --all approve for the customers that the requests name")
	}
	if err != nil {
		return err
	}
	return a.act(lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer, Customer: customer}, &c.manyRelationships)
}

type relationshipsRejectCmd struct{ namedRelationships }

func (c *relationshipsRejectCmd) Run(a *app) error {
	return a.actOnEach(lifecycle.Action{Kind: lifecycle.Reject, By: lifecycle.Customer}, c.IDs, c.DryRun)
}

type relationshipsTerminateCmd struct {
	sideFlag
	manyRelationships
}

func (c *relationshipsTerminateCmd) Run(a *app) error {
	return a.act(lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Actor(c.By)}, &c.manyRelationships)
}

type relationshipsAutoExtendCmd struct {
	State string `arg:"" enum:"on,off" help:"on: at its end the term is extended; off: it ends."`
	sideFlag
	manyRelationships
}

func (c *relationshipsAutoExtendCmd) Run(a *app) error {
	return a.act(lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Actor(c.By), AutoExtend: c.State == "on"}, &c.manyRelationships)
}

// parseCustomer reads a tenant and, behind a =, what it is called. Nothing is nobody.
func parseCustomer(s string) (lifecycle.Tenant, error) {
	id, name, _ := strings.Cut(s, "=")
	if s != "" && !lifecycle.IsGUID(id) {
		return lifecycle.Tenant{}, usageError("--customer %q is not a GUID; give the customer's tenant id, and its name behind a = if you like", id)
	}
	return lifecycle.Tenant{TenantID: strings.ToLower(id), DisplayName: strings.TrimSpace(name)}, nil
}

// act does to relationships what was asked for: to each that is named, or in bulk to those that the filter wants.
func (a *app) act(action lifecycle.Action, of *manyRelationships) error {
	switch filtered := of.Filter != "" || of.All; {
	case len(of.IDs) > 0 && filtered:
		return usageError("ids and a filter together are ambiguous; give ids, or --filter")
	case len(of.IDs) > 0:
		return a.actOnEach(action, of.IDs, of.DryRun)
	case !filtered:
		return usageError("say which relationships: their ids, or --filter \"status eq 'active'\"; see `tenure relationships list`")
	}
	return a.actInBulk(action, of)
}

// openToAct opens the database for changes to relationships, or for a dry run of them.
func (a *app) openToAct(dryRun bool) (*storage.DB, *lifecycle.Policy, func() time.Time, error) {
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return nil, nil, nil, err
	}
	db, err := a.openForWriting(false)
	if err != nil {
		return nil, nil, nil, err
	}
	if dryRun {
		err = a.sameTimers(db, policy)
	} else {
		err = a.goBy(db, policy, a.embedded())
	}
	if err != nil {
		return nil, nil, nil, err
	}
	now, err := a.clock(db)
	return db, policy, now, err
}

// An actor does one thing to relationships, one at a time.
type actor struct {
	db     *storage.DB
	policy *lifecycle.Policy
	now    func() time.Time
	action lifecycle.Action
	dryRun bool
}

// actOnEach does the same to each relationship that is named, and says of each that is left as it was why.
func (a *app) actOnEach(action lifecycle.Action, ids []string, dryRun bool) error {
	db, policy, now, err := a.openToAct(dryRun)
	if err != nil {
		return err
	}
	action.Caller = a.caller()
	does := actor{db, policy, now, action, dryRun}
	var sum tally
	var refused []error
	for _, id := range named(ids) {
		changed, err := does.one(a.ctx, id)
		switch {
		case errors.Is(err, lifecycle.ErrRefused), errors.Is(err, lifecycle.ErrNotFound):
			if err := a.keepRefusal(&does, id, id, err); err != nil {
				return errors.Join(append(refused, err)...)
			}
			refused = append(refused, fmt.Errorf("relationship %s: %w", id, plainly(err)))
			sum.refused++
		case err != nil:
			return errors.Join(append(refused, err)...)
		case changed:
			sum.changed++
		default:
			sum.same++
		}
	}
	if len(refused) > 0 && sum.changed+sum.same == 0 {
		return errors.Join(refused...)
	}
	if err := sum.print(a, dryRun); err != nil || len(refused) == 0 {
		return err
	}
	return partial("%w", errors.Join(refused...))
}

// keepRefusal notes in the log of activities that somebody here asked for something and did not get it. A dry run asks for nothing.
func (a *app) keepRefusal(x *actor, id, subject string, why error) error {
	if x.dryRun {
		return nil
	}
	kept := lifecycle.RefusedRequest{RelationshipID: id, Subject: subject, Action: string(x.action.Kind), Code: "notFound", Detail: plainly(why).Error(),
		By: *a.caller(), At: x.now()}
	var refusal *lifecycle.Refusal
	switch {
	case errors.As(why, &refusal):
		kept.Code = refusal.Reason
	case errors.Is(why, lifecycle.ErrNameTaken):
		kept.Code = "nameAlreadyExists"
	}
	return x.db.RecordRefusal(a.ctx, kept)
}

// named are ids as they are kept, each once.
func named(ids []string) []string {
	var each []string
	for _, id := range ids {
		if id = lifecycle.CanonicalID(id); !slices.Contains(each, id) {
			each = append(each, id)
		}
	}
	return each
}

// plainly leaves out what the database was doing when it found nothing.
func plainly(err error) error {
	if errors.Is(err, lifecycle.ErrNotFound) {
		return fmt.Errorf("%w; `tenure relationships list` shows all there are", lifecycle.ErrNotFound)
	}
	return err
}

// one acts on one relationship, and says whether that changes anything.
func (x *actor) one(ctx context.Context, id string) (changed bool, err error) {
	var d lifecycle.Decision
	if x.dryRun {
		var c lifecycle.Case
		if c, err = x.db.Case(ctx, id); err == nil {
			d, err = x.decide(c)
		}
	} else {
		d, err = x.db.Act(ctx, id, x.policy, x.decide)
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(d.Changes, func(c lifecycle.Change) bool { return c.Actor == x.action.By }), nil
}

func (x *actor) decide(c lifecycle.Case) (lifecycle.Decision, error) {
	return c.Act(x.policy, x.now(), x.action)
}

// A tally says how many relationships were changed.
type tally struct{ changed, same, refused int64 }

func (t tally) print(a *app, dryRun bool) error {
	format := "%d changed, %d were so already, %d refused\n"
	if dryRun {
		format = "%d would change, %d are so already, %d would be refused\n"
	}
	_, err := fmt.Fprintf(a.stdout, format, t.changed, t.same, t.refused)
	return err
}
