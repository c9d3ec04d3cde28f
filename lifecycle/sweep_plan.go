package lifecycle

import (
	"fmt"
	"strings"
)

// Text says in a line, for people, what the sweep would do under the rules, and what lets less through.
func (p *SweepPlan) Text(rules []RuleName) string {
	var parts []string
	for _, rule := range rules {
		part := fmt.Sprintf("%s %d", rule, p.Records[rule])
		if most, limited := p.Limits[rule]; limited {
			part += fmt.Sprintf(" (its breaker lets %d through)", most)
		}
		if p.Records[rule] > 0 {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	return fmt.Sprintf("relationships that would change, of %d: %s; notices that would be sent: %d", p.Population, strings.Join(parts, ", "), p.Notices)
}

// Why says in a few words why a sweep is held.
func (p *SweepPlan) Why() string {
	switch p.Cause {
	case BreakerTripped:
		return "more would change than the breaker of a rule lets through"
	case ByOperator:
		return "an operator has put everything on hold"
	}
	return "everything is in quarantine: " + string(p.Cause)
}
