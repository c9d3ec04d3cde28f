package lifecycle

import (
	"maps"
	"math"
	"slices"
	"time"
)

// A Breaker says how many records one sweep may change under a rule before it is held for an operator to look at. The zero
// Breaker lets everything through.
type Breaker struct {
	Records int64   // more than so many; 0: no such limit
	Percent float64 // more than this share of all relationships; 0: no such limit
	Least   int64   // Percent says nothing where no more than so many are due: a small deployment is no suspicious one
}

// Limit is how many records pass, of a population; false where any number does.
func (b Breaker) Limit(population int64) (most int64, limited bool) {
	most = math.MaxInt64
	if b.Records > 0 {
		most = b.Records
	}
	if b.Percent > 0 {
		share := int64(float64(population) * b.Percent / 100)
		most = min(most, max(b.Least, share))
	}
	return most, most != math.MaxInt64
}

// Floor is how many records pass, whatever the population; false where any number does.
func (b Breaker) Floor() (most int64, limited bool) { return b.Limit(0) }

// DefaultBreaker is that of every rule in a live deployment whose policy says nothing.
var DefaultBreaker = Breaker{Records: 1000, Percent: 10, Least: 50}

// DefaultBreakers is [DefaultBreaker] for every rule.
func DefaultBreakers() map[RuleName]Breaker {
	breakers := map[RuleName]Breaker{}
	for _, rule := range RuleNames() {
		breakers[rule] = DefaultBreaker
	}
	return breakers
}

// QuarantinePolicy says what is suspicious enough for tenure to change nothing until an operator has looked. Zero values look at
// nothing.
type QuarantinePolicy struct {
	ClockAhead Period  // the clock is further than this after the last time seen
	ClockBack  Period  // it is further than this before it
	Backlog    Breaker // so much is due when a scheduler starts
}

// DefaultQuarantine is that of a live deployment whose policy says nothing.
func DefaultQuarantine() QuarantinePolicy {
	return QuarantinePolicy{ClockAhead: Days(7), ClockBack: Period{Span: 5 * time.Minute}, Backlog: Breaker{Records: 10_000, Percent: 25, Least: 100}}
}

// Astray says why a clock that shows now is not to be believed, seen being the latest time at which tenure is known to have
// run; empty where it may be.
func (q QuarantinePolicy) Astray(seen, now time.Time) Reason {
	switch {
	case seen.IsZero():
		return ""
	case !q.ClockAhead.IsZero() && now.After(q.ClockAhead.After(seen)):
		return ClockAhead
	case !q.ClockBack.IsZero() && now.Before(q.ClockBack.Before(seen)):
		return ClockBack
	}
	return ""
}

// A LatenessPolicy is the objective for lateness, which is the time between when a change fell due and when it was recorded.
type LatenessPolicy struct {
	Within Period  // on time is what is recorded at most so long after it fell due
	Share  float64 // percent of changes that are to be on time
}

// OnTime says whether a change that fell due and was recorded at these instants is on time.
func (l LatenessPolicy) OnTime(effective, recorded time.Time) bool {
	return l.Within.IsZero() || !recorded.After(l.Within.After(effective))
}

// Tripped lists the rules under which more records would change than their breakers let through, in the order of [Rules].
func (p *Policy) Tripped(planned map[RuleName]int64, population int64) []RuleName {
	var tripped []RuleName
	for _, rule := range RuleNames() {
		if most, limited := p.Breakers[rule].Limit(population); limited && planned[rule] > most {
			tripped = append(tripped, rule)
		}
	}
	return tripped
}

// WithDefaults is p with the breakers and the quarantine of a live deployment, where p says nothing of them.
func (p *Policy) WithDefaults() *Policy {
	full := *p
	full.Breakers = DefaultBreakers()
	maps.Copy(full.Breakers, p.Breakers)
	if full.Quarantine == (QuarantinePolicy{}) {
		full.Quarantine = DefaultQuarantine()
	}
	return &full
}

func (p *Policy) validateLimits(fault func(key, format string, args ...any)) {
	check := func(key string, b Breaker) {
		if b.Records < 0 || b.Least < 0 || b.Percent < 0 || b.Percent > 100 || math.IsNaN(b.Percent) {
			fault(key, "records %d, percent %v, least %d: numbers are not below 0, and a share is at most 100", b.Records, b.Percent, b.Least)
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(p.Breakers)) {
		key := "breakers." + string(rule)
		if !rule.Known() {
			fault(key, "there is no such rule; the rules are %v", RuleNames())
		}
		check(key, p.Breakers[rule])
	}
	check("quarantine.backlog", p.Quarantine.Backlog)
	if l := p.Lateness; l.Share < 0 || l.Share > 100 || math.IsNaN(l.Share) {
		fault("lateness.share", "%v: must be from 0 to 100", l.Share)
	}
}
