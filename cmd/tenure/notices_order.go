package main

import (
	"errors"
	"fmt"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// letterOrder is what an operator wants done to notices, and why.
type letterOrder struct {
	IDs    []string `arg:"" optional:"" name:"id" help:"Ids of notices; without any, those that the filters leave."`
	Reason string   `required:"" placeholder:"TEXT" help:"Why. It is kept with the notices."`
	DryRun bool     `short:"n" help:"Count, and change nothing."`
	letterFilter
}

type (
	noticesRetryCmd    struct{ letterOrder }
	noticesReleaseCmd  struct{ letterOrder }
	noticesSuppressCmd struct{ letterOrder }
)

func (c *noticesRetryCmd) Run(a *app) error    { return c.carryOut(a, lifecycle.RetryNotice) }
func (c *noticesReleaseCmd) Run(a *app) error  { return c.carryOut(a, lifecycle.ReleaseNotice) }
func (c *noticesSuppressCmd) Run(a *app) error { return c.carryOut(a, lifecycle.SuppressNotice) }

func (c *letterOrder) carryOut(a *app, action lifecycle.NoticeAction) error {
	query, err := c.query()
	if err == nil {
		err = takesAll(action, query.Statuses)
	}
	if err != nil {
		return err
	}
	order := lifecycle.NoticeOrder{Action: action, Note: c.Reason, By: operator(), DryRun: c.DryRun}
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	order.At = now()
	if len(query.IDs) > 0 {
		return a.orderEach(db, order, query.IDs)
	}
	changed, err := db.OrderLetters(a.ctx, order, query)
	if err != nil {
		return err
	}
	return errors.Join(a.reportOrder(order, changed), a.keepOrder(db, order, changed))
}

// keepOrder keeps that somebody gave it.
func (a *app) keepOrder(db *storage.DB, order lifecycle.NoticeOrder, changed int64) error {
	if order.DryRun {
		return nil
	}
	return a.did(db, "tenure notices "+string(order.Action), plural(changed, "notice"), order.Note)
}

// takesAll refuses a filter that asks for what the action never takes, and so would find nothing.
func takesAll(action lifecycle.NoticeAction, statuses []lifecycle.NoticeStatus) error {
	way, err := action.Way()
	if err != nil {
		return err
	}
	var faults []error
	for _, s := range statuses {
		if way.Takes(s) != nil {
			faults = append(faults, usageError("--status %s: %s takes notices that are %s", s, action, choice(way.From)))
		}
	}
	return errors.Join(faults...)
}

// query reads ids or filters, whichever there are.
func (c *letterOrder) query() (lifecycle.LetterQuery, error) {
	q, err := c.letterFilter.query()
	if err != nil {
		return q, err
	}
	switch {
	case c.Reason == "":
		return q, usageError("--reason is empty; say why, for whoever looks at these notices later")
	case len(c.IDs) > 0 && q.Narrow():
		return q, usageError("ids and filters together are ambiguous; give ids, or filters")
	case len(c.IDs) == 0 && !q.Narrow():
		return q, usageError("say which notices: their ids, or a filter such as --status dead; see `tenure notices list`")
	}
	var faults []error
	for _, text := range c.IDs {
		id, err := lifecycle.ParseNoticeID(text)
		faults = append(faults, err)
		q.IDs = append(q.IDs, id)
	}
	if err := errors.Join(faults...); err != nil {
		return q, codedError{exitUsage, err}
	}
	return q, nil
}

// orderEach acts on notices by their ids, and says of each that cannot be changed why.
func (a *app) orderEach(db *storage.DB, order lifecycle.NoticeOrder, ids []lifecycle.NoticeID) error {
	done, err := httpapi.OrderNotices(a.ctx, db, order, ids)
	if err != nil {
		return err
	}
	var refused []error
	for _, r := range done.Refused {
		refused = append(refused, fmt.Errorf("notice %s: %s", r.ID, r.Reason))
	}
	if len(refused) > 0 && done.Changed == 0 {
		return errors.Join(refused...)
	}
	if err := errors.Join(a.reportOrder(order, done.Changed), a.keepOrder(db, order, done.Changed)); err != nil || len(refused) == 0 {
		return err
	}
	return partial("%w", errors.Join(refused...))
}

func (a *app) reportOrder(order lifecycle.NoticeOrder, changed int64) error {
	would, then := "", " for the next delivery, by a running tenure or by `tenure sweep`"
	if order.DryRun {
		would, then = "would be ", ""
	}
	what := "queued"
	if order.Action == lifecycle.SuppressNotice {
		what, then = "suppressed", ""
	}
	if changed == 0 {
		then = ""
	}
	_, err := fmt.Fprintf(a.stdout, "%s %s%s%s\n", plural(changed, "notice"), would, what, then)
	return err
}
