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
	"github.com/tenure-dev/tenure/storage"
)

type channelsCmd struct {
	List channelsListCmd `cmd:"" default:"withargs" help:"List the channels, how each fares, and what waits for it."`
	On   channelsOnCmd   `cmd:"" help:"Send on a channel again, at once."`
	Off  channelsOffCmd  `cmd:"" help:"Send nothing on a channel until it is switched on again. Its notices wait."`
}

type channelsListCmd struct{ outputFlag }

func (c *channelsListCmd) Run(a *app) error {
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	reports, err := a.channelReports(db, policy)
	if err != nil {
		return err
	}
	header := table.Row{"name", "state", "failures", "queued", "failed", "waiting", "dead", "unknown", "last error"}
	return printRecords(a, c.Output, header, reports, func(r lifecycle.ChannelReport) table.Row {
		return table.Row{r.Name, channelText(r), r.Failures, r.Statuses[lifecycle.NoticeQueued], r.Statuses[lifecycle.NoticeFailed],
			r.Statuses[lifecycle.NoticeWaiting], r.Statuses[lifecycle.NoticeDead], r.Unknown, orDash(r.LastError)}
	}, func(r lifecycle.ChannelReport) any { return httpapi.ShowChannel(&r) })
}

// channelReports are how all channels fare that have failed or have letters, those that the policy names, and those of subscriptions.
func (a *app) channelReports(db *storage.DB, policy *lifecycle.Policy) ([]lifecycle.ChannelReport, error) {
	reports, err := db.Channels(a.ctx)
	if err != nil {
		return nil, err
	}
	names := routedChannels(&policy.Notices)
	subscriptions, err := db.Subscriptions(a.ctx)
	if err != nil {
		return nil, err
	}
	for i := range subscriptions {
		names = append(names, subscriptions[i].Channel())
	}
	for _, name := range names {
		if !slices.ContainsFunc(reports, func(r lifecycle.ChannelReport) bool { return r.Name == name }) {
			reports = append(reports, lifecycle.ChannelReport{ChannelState: lifecycle.ChannelState{Name: name}})
		}
	}
	slices.SortFunc(reports, func(x, y lifecycle.ChannelReport) int { return strings.Compare(x.Name, y.Name) })
	return reports, nil
}

// channelText says whether anything is sent on a channel. The instant is of the machine's clock.
func channelText(r lifecycle.ChannelReport) string {
	switch {
	case r.Off:
		return "off"
	case r.ReadyAt.After(wall()):
		return "failing until " + instant(r.ReadyAt.Truncate(time.Second))
	case r.Failures > 0:
		return "failing"
	}
	return "on"
}

// channelSwitch is what an operator wants done to a channel, and why.
type channelSwitch struct {
	Name   string `arg:"" help:"Name of the channel."`
	Reason string `required:"" placeholder:"TEXT" help:"Why. It is kept with the channel, or goes into the log."`
}

type (
	channelsOnCmd  struct{ channelSwitch }
	channelsOffCmd struct{ channelSwitch }
)

func (c *channelsOnCmd) Run(a *app) error  { return c.turn(a, true) }
func (c *channelsOffCmd) Run(a *app) error { return c.turn(a, false) }

func (c *channelSwitch) turn(a *app, on bool) error {
	if c.Reason == "" {
		return usageError("--reason is empty; say why, for whoever looks at the channel later")
	}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	reports, err := a.channelReports(db, policy)
	if err != nil {
		return err
	}
	var names []string
	for _, r := range reports {
		names = append(names, r.Name)
	}
	if !slices.Contains(names, c.Name) {
		return fmt.Errorf("nothing is known of a channel %q; there are: %s", c.Name, strings.Join(names, ", "))
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	if err := db.SwitchChannel(a.ctx, c.Name, on, fmt.Sprintf("%s (%s)", c.Reason, operator()), now()); err != nil {
		return err
	}
	to := map[bool]string{true: "on", false: "off"}[on]
	_, err = fmt.Fprintf(a.stdout, "channel %q is %s\n", c.Name, to)
	return errors.Join(err, a.did(db, "tenure notices channels "+to, c.Name, c.Reason))
}
