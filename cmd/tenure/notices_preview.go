package main

import (
	"io"
	"slices"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
)

type noticesPreviewCmd struct {
	Kind                string `arg:"" help:"What the notice is about, e.g. warn-expiry."`
	Lang                string `placeholder:"LANGUAGE" help:"Language to write in, e.g. ja (default: that of --mail-language)."`
	Side                string `enum:"partner,customer" default:"partner" help:"Who reads it: partner or customer (default: ${default})."`
	TimeZone            string `placeholder:"ZONE" help:"The reader's time zone, e.g. Asia/Tokyo (default: not known)."`
	Stage               string `placeholder:"PERIOD" help:"Of a warning: how long before the end, e.g. P7D (default: P30D)."`
	GlobalAdministrator bool   `help:"The role Global Administrator is among the relationship's, so that it cannot be extended by itself."`
	Format              string `enum:"eml,text,html" default:"text" help:"eml, as it is sent; text, with its subject, or html: one of its two forms (default: ${default})."`
	messageSettings
}

func (c *noticesPreviewCmd) Run(a *app) error {
	o := notify.PreviewOptions{Language: c.Lang, Side: lifecycle.Side(c.Side), TimeZone: c.TimeZone, GlobalAdministrator: c.GlobalAdministrator}
	if !slices.Contains(notify.PreviewKinds(), lifecycle.NoticeKind(c.Kind)) {
		return usageError("%q is no kind of notice; they are %v", c.Kind, notify.PreviewKinds())
	}
	if c.Stage != "" {
		var err error
		if o.Stage, err = lifecycle.ParsePeriod(c.Stage); err != nil {
			return usageError("--stage: %w", err)
		}
		if o.Stage.IsZero() {
			return usageError("--stage %s: a warning 0 days before the end is none; write it like P7D", c.Stage)
		}
	}
	channels := map[string]notify.Channel{lifecycle.DefaultChannel: notify.NewDiscard(c.MailDomain)}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	notifier, err := notify.New(c.options(channels, policy, false))
	if err != nil {
		return codedError{exitUsage, err}
	}
	letter, err := notifier.Preview(lifecycle.NoticeKind(c.Kind), o)
	if err != nil {
		return codedError{exitUsage, err}
	}
	shown := string(letter.Message)
	if c.Format != "eml" {
		text, html, err := notify.Parts(letter.Message)
		if err != nil {
			return err
		}
		if shown = subjectLine(letter.Message) + "\n" + text; c.Format == "html" {
			shown = html
		}
	}
	_, err = io.WriteString(a.stdout, shown)
	return err
}
