package lifecycle

import (
	"errors"
	"fmt"
	"time"
)

// A Policy holds every number of the contract. A zero period switches its rule off; [DefaultPolicy] is the contract as it is
// written. Where it comes from (a YAML file) is not lifecycle's concern; docs/policy.md lists the keys.
type Policy struct {
	Requests   RequestPolicy
	Terms      TermPolicy
	Warnings   WarningPolicy
	AutoExtend AutoExtendPolicy
	Names      NamePolicy
	Notices    NoticePolicy

	Provisioning ProvisioningPolicy

	Breakers   map[RuleName]Breaker // a rule that is missing has none
	Quarantine QuarantinePolicy
	Lateness   LatenessPolicy
}

// RequestPolicy is about relationships that wait for approval.
type RequestPolicy struct {
	LapseAfter Period // from the lock; zero: never
}

// TermPolicy is about the length of a relationship.
type TermPolicy struct {
	Shortest, Longest Period
}

// WarningPolicy is about the warnings ahead of an end.
type WarningPolicy struct {
	Before []Period // how long before the end each stage comes; none: no warnings
}

// AutoExtendPolicy is about terms that extend themselves.
type AutoExtendPolicy struct {
	By Period // at each end; at least a day
}

// NamePolicy is about display names.
type NamePolicy struct {
	HoldFor Period // after the end; zero: for ever
}

// ProvisioningPolicy is about giving access and taking it away.
type ProvisioningPolicy struct {
	External   bool   // another system does it, and is asked to; otherwise what tenure records is all there is to it, at once
	StuckAfter Period // a relationship that waits for it longer is an alert; zero: none ever is
}

// NoticePolicy is about what people are told.
type NoticePolicy struct {
	StaleAfter   Period            // older news is kept back until somebody releases it; zero: nothing is ever stale
	TellExtended bool              // tell the Admin agents of each extension
	Routes       []Route           // the first that fits a notice says where it goes; none: people are told on DefaultChannel
	Partners     map[string]string // what a partner is called, by its tenant in lower case: records do not say
	MostPerDay   int               // letters that one recipient gets in 24 hours, the rest being told in one digest; zero: no limit
	Digests      DigestPolicy
	EraseAfter   Period // how long after a notice was settled its recipient's name and address are kept; zero: for ever
}

// DefaultPolicy is the contract as it is written in docs/domain.md. It has no breakers and no quarantine: those that a live
// deployment begins with are in [Policy.WithDefaults].
func DefaultPolicy() *Policy {
	return &Policy{
		Requests:   RequestPolicy{LapseAfter: Days(90)},
		Terms:      TermPolicy{Shortest: Days(1), Longest: Months(24)},
		Warnings:   WarningPolicy{Before: []Period{Days(30), Days(7), Days(1)}},
		AutoExtend: AutoExtendPolicy{By: Days(180)},
		Names:      NamePolicy{HoldFor: Days(365)},
		Notices:    NoticePolicy{StaleAfter: Days(7), Digests: DigestPolicy{At: 7 * time.Hour, On: time.Monday}, EraseAfter: Days(90)},

		Provisioning: ProvisioningPolicy{StuckAfter: Days(1)},
		Lateness:     LatenessPolicy{Within: Period{Span: 5 * time.Minute}, Share: 99.9},
	}
}

// Validate finds every fault of the policy at once: the error joins one message per fault, each naming the key as the
// policy file spells it.
func (p *Policy) Validate() error {
	var faults []error
	fault := func(key, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if p.Terms.Shortest.IsZero() {
		fault("terms.shortest", "must be longer than nothing, e.g. P1D")
	}
	if p.Terms.Longest.IsZero() || !p.Terms.Shortest.within(p.Terms.Longest) {
		fault("terms.longest", "%s is shorter than terms.shortest, %s", p.Terms.Longest, p.Terms.Shortest)
	}
	seen := map[Period]bool{}
	for i, stage := range p.Warnings.Before {
		key := fmt.Sprintf("warnings.before[%d]", i)
		switch {
		case stage.IsZero():
			fault(key, "a warning 0 days before the end is none; leave it out")
		case seen[stage]:
			fault(key, "%s is there twice; leave one out", stage)
		}
		seen[stage] = true
	}
	if by := p.AutoExtend.By; !Days(1).within(by) {
		fault("autoExtend.by", "%s is shorter than a day; write at least P1D", by) // with none, who agreed to be extended would never end
	}
	p.Notices.validate(fault)
	p.validateLimits(fault)
	return errors.Join(faults...)
}

// AllowsDuration says whether a relationship may last for d; the error says why not.
func (p *Policy) AllowsDuration(d Period) error {
	if !p.Terms.Shortest.within(d) || !d.within(p.Terms.Longest) {
		return fmt.Errorf("must be from %s to %s", p.Terms.Shortest, p.Terms.Longest)
	}
	return nil
}

// AutoExtendDuration is how a record's AutoExtend is written: the period of an extension, or PT0S.
func (p *Policy) AutoExtendDuration(on bool) Period {
	if !on {
		return Period{}
	}
	return p.AutoExtend.By
}

// ParseAutoExtend reads an autoExtendDuration: zero is off, the policy's period on. Nothing else is accepted; the error leaves
// the value out.
func (p *Policy) ParseAutoExtend(s string) (on bool, err error) {
	d, err := readPeriod(s)
	switch {
	case err != nil:
		return false, err
	case d.IsZero():
		return false, nil
	case d == p.AutoExtendDuration(true):
		return true, nil
	}
	return false, fmt.Errorf("must be %s (on) or PT0S (off)", p.AutoExtendDuration(true))
}
