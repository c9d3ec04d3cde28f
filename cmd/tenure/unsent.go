package main

import (
	"errors"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// A sending is what a command knows of the outbox before it delivers, so that it can say afterwards what has not left.
type sending struct {
	db        *storage.DB
	addresses map[string]string // of the channels that the command was given
	dead      int64             // letters that had been given up before
}

func (a *app) beginSending(db *storage.DB, mail mailing) (*sending, error) {
	channels, err := db.Channels(a.ctx)
	return &sending{db: db, addresses: mail.addresses(), dead: deadLetters(channels)}, err
}

func deadLetters(channels []lifecycle.ChannelReport) (dead int64) {
	for _, c := range channels {
		dead += c.Statuses[lifecycle.NoticeDead]
	}
	return dead
}

// report fails where notices could not be sent, or another system has not done what it was asked: without a tenure that serves
// nobody tries again until the next sweep.
func (s *sending) report(a *app) error {
	channels, err := s.db.Channels(a.ctx)
	if err != nil {
		return err
	}
	var faults []error
	var unsent int64
	for _, c := range channels {
		queued, failed := c.Statuses[lifecycle.NoticeQueued], c.Statuses[lifecycle.NoticeFailed]
		if _, given := s.addresses[c.Name]; !given && !lifecycle.IsSubscriptionChannel(c.Name) {
			faults = append(faults, withoutChannel(c.Name, queued+failed))
			continue
		}
		unsent += failed
		if c.Failures > 0 || c.Off {
			unsent += queued
		}
	}
	if unsent > 0 {
		faults = append(faults, partial("%s could not be sent yet; `tenure notices channels` and `tenure notices list --status queued "+
			"--status failed` say why, and `tenure serve` or the next sweep tries again", plural(unsent, "notice")))
	}
	return errors.Join(append(faults, givenUp(deadLetters(channels)-s.dead), s.unprovisioned(a))...)
}

// unprovisioned says of how many relationships another system did not take the order; it counts up to 1,000.
func (s *sending) unprovisioned(a *app) error {
	const most = 1000
	orders, err := s.db.ProvisioningOrders(a.ctx, lifecycle.ProvisioningQuery{Limit: most})
	if err != nil {
		return err
	}
	var failed int64
	for i := range orders {
		if orders[i].LastError != "" && !orders[i].Accepted {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return partial("%s could not be provisioned yet; `tenure provisioning list` says why, and `tenure serve` or a later sweep asks again", plural(failed, "relationship"))
}

// withoutChannel says what to do about letters that nobody will send as long as no process knows their channel.
func withoutChannel(name string, letters int64) error {
	if letters == 0 {
		return nil
	}
	waits, them := "waits", "it"
	if letters > 1 {
		waits, them = "wait", "them"
	}
	return partial("%s %s for channel %q; give --channel %s=ADDRESS, or suppress %s: `tenure notices suppress --channel %s "+
		"--status queued --status failed --reason TEXT`", plural(letters, "notice"), waits, name, name, them, name)
}

// givenUp is about letters that died meanwhile. Where others work on the same database, they may have been theirs.
func givenUp(letters int64) error {
	if letters <= 0 {
		return nil
	}
	was := "was"
	if letters > 1 {
		was = "were"
	}
	return partial("%s %s given up; `tenure notices list --status dead` and `tenure notices show ID` say why", plural(letters, "notice"), was)
}
