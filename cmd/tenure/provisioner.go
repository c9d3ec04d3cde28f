package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
	"github.com/tenure-dev/tenure/storage"
)

// A provisionerAddress is where another system is asked to give access and to take it away. Most of it is a secret.
type provisionerAddress string

// String is the address as it may be shown.
func (p provisionerAddress) String() string {
	if p == "" {
		return ""
	}
	return notify.MaskAddress(string(p))
}

// LogValue keeps what is secret of it out of logs.
func (p provisionerAddress) LogValue() slog.Value { return slog.StringValue(p.String()) }

// tryProvisioner finds what is wrong with the address, by itself and beside the policy; without a policy, which is told of elsewhere,
// only by itself.
func (a *app) tryProvisioner(address provisionerAddress, policy *lifecycle.Policy) error {
	var faults []error
	switch {
	case policy == nil:
	case policy.Provisioning.External && address == "":
		faults = append(faults, errors.New("the policy says provisioning.external, and nobody is named who could be asked: give the address of the system "+
			"that gives access, like --provisioner 'https://access.example.com/tenure#secretFile=FILE', or take provisioning.external out of the policy"))
	case !policy.Provisioning.External && address != "":
		faults = append(faults, fmt.Errorf("--provisioner %s would never be asked, since tenure provisions by itself: say `provisioning: {external: true}` in the "+
			"policy (--policy), or leave --provisioner out", address))
	}
	if address != "" {
		if _, err := a.openProvisioner(address, notify.Setting{Policy: policy}); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// openProvisioner opens the way to who is asked. It is closed with the command.
func (a *app) openProvisioner(address provisionerAddress, s notify.Setting) (jobs.Provisioner, error) {
	s.Log, s.Wall, s.Version = a.log(), wall, version
	p, err := notify.NewProvisioner(string(address), s)
	if err != nil {
		return nil, codedError{exitUsage, fmt.Errorf("--provisioner: %w", err)}
	}
	a.opened = append(a.opened, p)
	return p, nil
}

// provisioner is who is asked in this deployment. It is closed with the command.
func (m mailing) provisioner(a *app, db *storage.DB) (jobs.Provisioner, error) {
	kind, err := db.Kind(a.ctx)
	if err != nil || m.Provisioner == "" {
		return nil, err
	}
	return a.openProvisioner(m.Provisioner, notify.Setting{Domain: m.MailDomain, Sandbox: kind == storage.Sandbox, Policy: m.policy})
}
