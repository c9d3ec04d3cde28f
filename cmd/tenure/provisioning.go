package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type provisioningCmd struct {
	List     provisioningListCmd     `cmd:"" help:"List the relationships that wait for another system to give access, or to take it away."`
	Retry    provisioningRetryCmd    `cmd:"" help:"Ask the other system again, at once."`
	Complete provisioningCompleteCmd `cmd:"" help:"Note that access was given, or taken away, though the other system has not said so."`
}

type provisioningListCmd struct {
	Stuck bool `help:"Only those that have waited longer than the policy says; exit code 3 if there are any."`
	Limit int  `short:"l" default:"100" help:"At most this many (default: ${default})."`
	outputFlag
}

func (c *provisioningListCmd) Run(a *app) error {
	if err := atLeastOne(c.Limit); err != nil {
		return err
	}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	clock, err := a.clock(db)
	if err != nil {
		return err
	}
	now := clock()
	orders, err := c.orders(a, db, policy, now)
	if err != nil {
		return err
	}
	header := table.Row{"id", "to do", "since", "state", "asked", "last error"}
	err = printRecords(a, c.Output, header, orders, func(o lifecycle.ProvisioningOrder) table.Row {
		return table.Row{o.Relationship.ID, o.What(), instant(o.Since.Truncate(time.Second)), orderText(&o, policy, now), o.Attempts, orDash(o.LastError)}
	}, func(o lifecycle.ProvisioningOrder) any { return httpapi.ShowProvisioning(&o, policy, now) })
	if err != nil {
		return err
	}
	if len(orders) == c.Limit {
		a.say("There may be more: --limit")
	}
	if c.Stuck && len(orders) > 0 {
		return partial("%s for longer than %s; `tenure provisioning retry ID` asks again, `tenure provisioning complete ID --reason TEXT` goes on without the other system",
			waitText(len(orders)), policy.Provisioning.StuckAfter)
	}
	return nil
}

func waitText(n int) string {
	if n == 1 {
		return "1 relationship waits"
	}
	return fmt.Sprintf("%d relationships wait", n)
}

// orders are those that were asked for, at most so many.
func (c *provisioningListCmd) orders(a *app, db *storage.DB, policy *lifecycle.Policy, now time.Time) ([]lifecycle.ProvisioningOrder, error) {
	q := lifecycle.ProvisioningQuery{Limit: c.Limit}
	if c.Stuck {
		if q.Before = policy.StuckBefore(now); q.Before.IsZero() {
			return nil, usageError("--stuck: by this policy none ever is; say in provisioning.stuckAfter how long is too long")
		}
	}
	return db.ProvisioningOrders(a.ctx, q)
}

// orderText says how far an order has come.
func orderText(o *lifecycle.ProvisioningOrder, policy *lifecycle.Policy, now time.Time) string {
	state := "waits"
	switch {
	case o.Accepted:
		state = "accepted"
	case o.LastError != "":
		state = "failed"
	}
	if o.Stuck(policy, now) {
		state += ", stuck"
	}
	return state
}

type provisioningRetryCmd struct {
	IDs []string `arg:"" name:"id" help:"Ids of relationships."`
}

func (c *provisioningRetryCmd) Run(a *app) error {
	return a.withEach(c.IDs, "waits for the next attempt, by a running tenure or by `tenure sweep`", func(db *storage.DB, now func() time.Time, id string) error {
		return db.RetryProvisioning(a.ctx, id, wall(), now())
	})
}

type provisioningCompleteCmd struct {
	IDs    []string `arg:"" name:"id" help:"Ids of relationships."`
	Reason string   `required:"" placeholder:"TEXT" help:"How you know. It is kept in the history of the relationship."`
}

func (c *provisioningCompleteCmd) Run(a *app) error {
	if c.Reason == "" {
		return usageError("--reason is empty; say how you know, for whoever looks at the relationship later")
	}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	return a.withEach(c.IDs, "is completed", func(db *storage.DB, now func() time.Time, id string) error {
		if err := a.limit(db, policy); err != nil {
			return err
		}
		_, err := db.Act(a.ctx, id, policy, func(found lifecycle.Case) (lifecycle.Decision, error) {
			return found.Act(policy,
				now(), lifecycle.Action{Kind: lifecycle.CompleteProvisioning, By: lifecycle.Provisioner,
					Standing: found.Standing, Caller: a.caller(), Detail: c.Reason})

		})
		return err
	})
}

// withEach does something with each relationship, and says of each whether it was done.
func (a *app) withEach(ids []string, done string, do func(db *storage.DB, now func() time.Time, id string) error) error {
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	var refused []error
	for _, id := range ids {
		err := do(db, now, id)
		switch {
		case errors.Is(err, lifecycle.ErrNotFound), errors.Is(err, lifecycle.ErrRefused), errors.Is(err, lifecycle.ErrWrongStatus):
			refused = append(refused, fmt.Errorf("relationship %s: %w", id, err))
			continue
		case err != nil:
			return errors.Join(append(refused, fmt.Errorf("relationship %s: %w", id, err))...)
		}
		if _, err := fmt.Fprintf(a.stdout, "relationship %s %s\n", id, done); err != nil {
			return err
		}
	}
	if err := errors.Join(refused...); err != nil && len(refused) < len(ids) {
		return partial("%w", err)
	}
	return errors.Join(refused...)
}
