package lifecycle

import (
	"slices"
	"time"
)

// A RuleName is the name of a rule as the contract, the CLI, the HTTP interface and the metrics know it.
type RuleName string

// A Rule says when it wants something of a record, from facts alone: it never sees the clock. [Evaluate] compares.
type Rule struct {
	Name RuleName

	// Summary says in a line, for people, what the rule does.
	Summary string

	// In lists the statuses in which the rule may fall due; in any other Due is not asked.
	In []Status

	// Due is the instant at which the rule falls due for r; the zero time is never. It gets a copy: it can only look, and who asks
	// need not keep the record on the heap for it.
	Due func(r Record, p *Policy) time.Time

	// Fire changes d.Record as the rule wants it at the instant it fell due, and notes in d what there is to tell.
	// It must move what Due answers: a rule that has fired is not due again at the same instant.
	Fire func(d *Decision, p *Policy, due time.Time)

	// YieldsTo names a rule that makes this one pointless once both are due: nobody is warned of an end that has come.
	YieldsTo RuleName
}

// due is the instant at which the rule falls due for r, in whatever status; the zero time is never.
func (rule *Rule) due(r *Record, p *Policy) time.Time {
	if !slices.Contains(rule.In, r.Status) {
		return time.Time{}
	}
	return rule.Due(*r, p)
}

// Rules is everything that a clock may do to a relationship, one file each. Where two fall due at one instant, the earlier
// in this table goes first. To add a rule: a file rule_x.go, a line here, a line in [Transitions] if it changes the record, a
// template in notify if it speaks, and a diary in testdata.
var Rules = []Rule{
	expirePending,
	warnExpiry,
	autoExtend,
	endTerm,
	releaseName,
}

// RuleNames lists the names, in the order of the table.
func RuleNames() []RuleName {
	names := make([]RuleName, len(Rules))
	for i := range Rules {
		names[i] = Rules[i].Name
	}
	return names
}

// Known says whether n names one of [Rules].
func (n RuleName) Known() bool { return ruleNamed(n) != nil }

// ScanFor lists the rules under which a record may be stored as next while one of names is due: the names themselves, and
// the rules that yield to them. An empty list stands for every rule, as everywhere.
func ScanFor(names []RuleName) []RuleName {
	if len(names) == 0 {
		return RuleNames()
	}
	var scan []RuleName
	for i := range Rules {
		if slices.Contains(names, Rules[i].Name) || slices.Contains(names, Rules[i].YieldsTo) {
			scan = append(scan, Rules[i].Name)
		}
	}
	return scan
}

func ruleNamed(n RuleName) *Rule {
	for i := range Rules {
		if Rules[i].Name == n {
			return &Rules[i]
		}
	}
	return nil
}
