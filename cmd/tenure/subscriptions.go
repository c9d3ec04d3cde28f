package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
)

type subscriptionsCmd struct {
	List   subscriptionsListCmd   `cmd:"" help:"List the programs that are told of what happens to relationships."`
	Add    subscriptionsAddCmd    `cmd:"" help:"Tell one more. The secret that its messages are signed with is shown once."`
	Remove subscriptionsRemoveCmd `cmd:"" help:"Tell one no more. What was not sent to it yet is not going to be."`
	Renew  subscriptionsRenewCmd  `cmd:"" name:"renew-secret" help:"Make a new secret. The one before it goes on signing too, until the next is made."`
}

type subscriptionsListCmd struct{ outputFlag }

func (c *subscriptionsListCmd) Run(a *app) error {
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	subscriptions, err := db.Subscriptions(a.ctx)
	if err != nil {
		return err
	}
	header := table.Row{"id", "tenant", "told at", "of", "by", "since"}
	return printRecords(a, c.Output, header, subscriptions, func(s lifecycle.Subscription) table.Row {
		return table.Row{s.ID, orAll(s.Tenant), notify.MaskAddress(s.URL), kindsText(s.Kinds), s.By, instant(s.Created.Truncate(time.Second))}
	}, func(s lifecycle.Subscription) any { return httpapi.ShowSubscription(&s) })
}

const announcementPrefix = "relationship."

// kindsText names kinds without what all of them begin with.
func kindsText(kinds []lifecycle.NoticeKind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = strings.TrimPrefix(string(k), announcementPrefix)
	}
	return orAll(strings.Join(names, ","))
}

func orAll(s string) string {
	if s == "" {
		return "all"
	}
	return s
}

type subscriptionsAddCmd struct {
	URL    string   `arg:"" name:"url" help:"Where the program is told, https://…."`
	Tenant string   `placeholder:"ID" help:"Tell it of this tenant's relationships only, be it their partner or their customer (default: of all)."`
	Kinds  []string `name:"kind" placeholder:"KIND" help:"Tell it of this only, e.g. extended; may be given again (default: of everything)."`
	outputFlag
	subscriptionSettings
}

func (c *subscriptionsAddCmd) Run(a *app) error {
	s, err := c.subscription()
	if err != nil {
		return err
	}
	secret := httpapi.NewSecret()
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	s.Secrets, s.Created = []string{secret}, now()
	if s.ID, err = db.AddSubscription(a.ctx, s); err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	a.say("Subscription %d tells %s of %s, for %s. Give the program this secret now: it cannot be shown again.",
		s.ID, notify.MaskAddress(s.URL), kindsText(s.Kinds), tenantText(s.Tenant))
	return a.handOver(c.Output, s, secret)
}

// subscription is what the flags say, checked all at once.
func (c *subscriptionsAddCmd) subscription() (lifecycle.Subscription, error) {
	s := lifecycle.Subscription{Tenant: strings.ToLower(c.Tenant), URL: c.URL, By: operator()}
	var faults []error
	if err := notify.CheckSubscription(c.URL, c.AllowPrivateSubscriptions); err != nil {
		faults = append(faults, usageError("the address cannot be used: %w", err))
	}
	if c.Tenant != "" && !lifecycle.IsGUID(c.Tenant) {
		faults = append(faults, usageError("--tenant %q is not a GUID", c.Tenant))
	}
	for _, name := range c.Kinds {
		kind := lifecycle.NoticeKind(announcementPrefix + strings.TrimPrefix(name, announcementPrefix))
		switch {
		case !kind.IsAnnouncement():
			faults = append(faults, usageError("--kind %q: nobody is told of that; the kinds are %s", name, strings.ReplaceAll(kindsText(lifecycle.AnnouncementKinds), ",", ", ")))
		case !slices.Contains(s.Kinds, kind):
			s.Kinds = append(s.Kinds, kind)
		}
	}
	return s, errors.Join(faults...)
}

func tenantText(tenant string) string {
	if tenant == "" {
		return "all tenants"
	}
	return "tenant " + tenant
}

// handOver prints a secret that was just made: by itself, or within its subscription.
func (a *app) handOver(format string, s lifecycle.Subscription, secret string) error {
	if format == "table" {
		_, err := fmt.Fprintln(a.stdout, secret)
		return err
	}
	return printRecord(a, format, nil, httpapi.SubscriptionSecret{Subscription: httpapi.ShowSubscription(&s), Secret: secret})
}

// noSubscription adds where to look, if there is none with the number that was given.
func noSubscription(err error) error {
	if errors.Is(err, lifecycle.ErrNotFound) {
		return fmt.Errorf("%w; see `tenure subscriptions list`", err)
	}
	return err
}

type subscriptionsRemoveCmd struct {
	ID int64 `arg:"" help:"Id of the subscription."`
}

func (c *subscriptionsRemoveCmd) Run(a *app) error {
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	if err := db.RemoveSubscription(a.ctx, c.ID, now()); err != nil {
		return noSubscription(err)
	}
	_, err = fmt.Fprintf(a.stdout, "subscription %d is removed\n", c.ID)
	return err
}

type subscriptionsRenewCmd struct {
	ID int64 `arg:"" help:"Id of the subscription."`
	outputFlag
}

func (c *subscriptionsRenewCmd) Run(a *app) error {
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	secret := httpapi.NewSecret()
	if err := db.RenewSecret(a.ctx, c.ID, secret, now()); err != nil {
		return noSubscription(err)
	}
	s, err := db.Subscription(a.ctx, c.ID)
	if err != nil {
		return err
	}
	a.say("Messages of subscription %d are signed with this secret and the one before it. Give it to the program now: it cannot be shown again.", c.ID)
	return a.handOver(c.Output, s, secret)
}
