package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
	"github.com/tenure-dev/tenure/storage"
)

// channelAddresses are the addresses of channels by name. What has no name stands under the empty one, and an address that is not
// the first of its name under the name and givenTwice.
type channelAddresses map[string]string

// givenTwice stands behind no name that anybody can give.
const givenTwice = "="

// Decode reads NAME=ADDRESS, several of them parted by semicolons. It takes whatever comes, since an error here would be shown
// with the address, which may hold a password; tryChannels complains.
func (c *channelAddresses) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("NAME=ADDRESS", &text); err != nil {
		return err
	}
	if *c == nil {
		*c = channelAddresses{}
	}
	for pair := range strings.SplitSeq(text, ";") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, address, ok := strings.Cut(pair, "=")
		if !ok || strings.ContainsAny(name, ":/@#") {
			name, address = "", pair
		}
		if _, ok := (*c)[name]; ok && name != "" {
			name += givenTwice
		}
		(*c)[name] = address
	}
	return nil
}

// String lists the channels, with addresses as they may be shown.
func (c channelAddresses) String() string {
	parts := make([]string, 0, len(c))
	for _, name := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, strings.TrimSuffix(name, givenTwice)+"="+notify.MaskAddress(c[name]))
	}
	return strings.Join(parts, "; ")
}

// LogValue keeps passwords out of logs.
func (c channelAddresses) LogValue() slog.Value { return slog.StringValue(c.String()) }

// addresses are those of all channels that a process sends on.
func (m *mailSettings) addresses() map[string]string {
	all := map[string]string{lifecycle.DefaultChannel: "file:" + m.MailDir}
	maps.Copy(all, m.Channel)
	return all
}

// routeFaults finds routes that lead to channels that are not there, or that cannot tell whom they should.
func routeFaults(routes []lifecycle.Route, addresses map[string]string) (faults []error) {
	if len(routes) == 0 {
		return compactErrors(routeFault(addresses, lifecycle.DefaultChannel, "without notices.routes people are told on \"mail\"", "endpoints"))
	}
	for i, r := range routes {
		for _, name := range r.People {
			faults = append(faults, routeFault(addresses, name, fmt.Sprintf("notices.routes[%d].people", i), "endpoints"))
		}
		for _, name := range r.Endpoints {
			faults = append(faults, routeFault(addresses, name, fmt.Sprintf("notices.routes[%d].endpoints", i), "people"))
		}
	}
	return compactErrors(faults...)
}

func compactErrors(errs ...error) []error {
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// routeFault says what is wrong with one name of a route; other is the key under which a channel of the other reach belongs.
func routeFault(addresses map[string]string, name, key, other string) error {
	address, ok := addresses[name]
	if !ok {
		return fmt.Errorf("%s: there is no channel %q; give its address with --channel %s=ADDRESS", key, name, name)
	}
	people, endpoints, err := notify.Reaches(address)
	switch {
	case err != nil:
		return nil // whoever opens it complains
	case other == "endpoints" && !people:
		return fmt.Errorf("%s: %q cannot write to people; name it under the endpoints of a route", key, name)
	case other == "people" && !endpoints:
		return fmt.Errorf("%s: %q writes to people and cannot be told itself; name it under people", key, name)
	}
	return nil
}

// A mailing is what the notices of a command are written and sent with, and what it asks to give access.
type mailing struct {
	*sendingSettings
	policy *lifecycle.Policy
}

// mailing reads the policy, and finds every fault in it, in the channels and templates, and in the address of what gives access,
// before anything is opened.
func (a *app) mailing(m *sendingSettings) (mailing, error) {
	policy, err := readPolicy(a.Policy)
	faults := []error{err}
	if err == nil {
		faults = append(faults, routeFaults(policy.Notices.Routes, m.addresses())...)
	}
	faults = append(faults, a.tryChannels(&m.mailSettings, policy), a.tryProvisioner(m.Provisioner, policy))
	if err := errors.Join(faults...); err != nil {
		return mailing{}, codedError{exitUsage, err}
	}
	return mailing{m, policy}, nil
}

// names are those of all channels that notices may leave on, here or in another process of the deployment, sorted.
func (m mailing) names() []string {
	names := routedChannels(&m.policy.Notices)
	if m.sendingSettings != nil {
		names = slices.AppendSeq(names, maps.Keys(m.addresses()))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// shown are the channels of this process, with addresses as they may be shown.
func (m mailing) shown() string {
	if m.sendingSettings == nil {
		return "none"
	}
	return channelAddresses(m.addresses()).String()
}

// tryChannels opens all channels but those that would make a folder, and tries the templates.
func (a *app) tryChannels(m *mailSettings, policy *lifecycle.Policy) error {
	addresses := m.addresses()
	misnamed := errors.Join(nameFaults(addresses)...)
	maps.DeleteFunc(addresses, func(name, address string) bool {
		return name == "" || strings.HasSuffix(name, givenTwice) || strings.HasPrefix(strings.ToLower(address), "file:")
	})
	channels, err := notify.OpenChannels(addresses, notify.Setting{Domain: m.MailDomain, Policy: policy, Log: a.log(), Wall: wall})
	if channels == nil {
		channels = map[string]notify.Channel{}
	}
	channels[lifecycle.DefaultChannel+" to try"] = notify.NewDiscard(m.MailDomain) // so that there is one
	notifier, notSetUp := notify.New(m.options(channels, policy, false))
	if notSetUp != nil {
		return errors.Join(misnamed, err, notSetUp)
	}
	return errors.Join(misnamed, err, notifier.Close())
}

// nameFaults finds addresses without a name, and names with two addresses.
func nameFaults(addresses map[string]string) (faults []error) {
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		twice, isTwice := strings.CutSuffix(name, givenTwice)
		switch {
		case name == "":
			faults = append(faults, errors.New("--channel: an address needs a name before it; write it like mail=smtp://mail.example.com:587"))
		case isTwice:
			faults = append(faults, fmt.Errorf("--channel: %q has two addresses, and a channel has one; servers to be tried in turn are "+
				"written in one address, like mail=smtp://one.example.com,two.example.com", twice))
		}
	}
	return faults
}

func (m *messageSettings) options(channels map[string]notify.Channel, policy *lifecycle.Policy, sandbox bool) notify.Options {
	o := notify.Options{Channels: channels, From: m.MailFrom, Domain: m.MailDomain, DefaultLanguage: m.MailLanguage,
		TemplateDir: m.MailTemplates, Sandbox: sandbox}
	if policy != nil { // nil: it cannot be read, which is told elsewhere
		o.Partners = policy.Notices.Partners
	}
	return o
}

// open opens the channels for good. They are closed with the command.
func (m mailing) open(a *app, db *storage.DB) (*notify.Notifier, error) {
	kind, err := db.Kind(a.ctx)
	if err != nil {
		return nil, err
	}
	sandbox := kind == storage.Sandbox
	setting := notify.Setting{Domain: m.MailDomain, Sandbox: sandbox, Policy: m.policy, Log: a.log(), Wall: wall}
	channels, err := notify.OpenChannels(m.addresses(), setting)
	if err != nil {
		return nil, err
	}
	o := m.options(channels, m.policy, sandbox)
	o.Subscriptions = notify.NewSubscriptions(db, setting, m.AllowPrivateSubscriptions)
	notifier, err := notify.New(o)
	if err != nil {
		return nil, codedError{exitUsage, err}
	}
	a.opened = append(a.opened, notifier)
	return notifier, nil
}
