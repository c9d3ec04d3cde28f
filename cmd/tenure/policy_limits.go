package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// limitsFile is what a policy file says of when tenure stops and waits for an operator, and of when it is late.
type limitsFile struct {
	Breakers   yaml.Node `yaml:"breakers"`
	Quarantine yaml.Node `yaml:"quarantine"`
	Lateness   struct {
		Within *string  `yaml:"within"`
		Share  *float64 `yaml:"share"`
	} `yaml:"lateness"`
}

// off is how a limit is written that does not limit.
const off = "off"

// everyRule is the key of breakers that is about all rules that have none of their own.
const everyRule = "default"

// limit fills in what a live deployment has beside what the policy file says: breakers, and a quarantine. In a sandbox the clock is
// moved on purpose, so it is never astray.
func (a *app) limit(db *storage.DB, policy *lifecycle.Policy) error {
	kind, err := db.Kind(a.ctx)
	if err != nil {
		return err
	}
	if kind != storage.Live {
		policy.Quarantine = lifecycle.QuarantinePolicy{}
		return nil
	}
	full, err := readPolicyOver(lifecycle.DefaultPolicy().WithDefaults(), a.Policy)
	if err != nil {
		return err
	}
	policy.Breakers, policy.Quarantine = full.Breakers, full.Quarantine
	return nil
}

// apply overwrites what the file says, and finds what cannot be read.
func (f *limitsFile) apply(p *lifecycle.Policy) []error {
	r := &limitsReader{}
	r.breakers(&f.Breakers, p)
	r.quarantine(&f.Quarantine, &p.Quarantine)
	if f.Lateness.Within != nil {
		r.period("lateness.within", *f.Lateness.Within, &p.Lateness.Within)
	}
	if f.Lateness.Share != nil {
		p.Lateness.Share = *f.Lateness.Share
	}
	return r.faults
}

// A limitsReader reads what may be off, a number or a group of keys, and collects what is wrong.
type limitsReader struct{ faults []error }

func (r *limitsReader) fault(key, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

func (r *limitsReader) breakers(node *yaml.Node, p *lifecycle.Policy) {
	if node.IsZero() {
		return
	}
	breakers := map[lifecycle.RuleName]lifecycle.Breaker{}
	if isOff(node) {
		p.Breakers = breakers
		return
	}
	for _, rule := range lifecycle.RuleNames() {
		breakers[rule] = p.Breakers[rule]
	}
	members := r.members("breakers", node, nil)
	if len(members) == 0 {
		return
	}
	if of, ok := members[everyRule]; ok {
		for _, rule := range lifecycle.RuleNames() {
			breakers[rule] = r.breaker("breakers."+everyRule, of, breakers[rule])
			if len(r.faults) > 0 {
				return // once is enough
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		rule, of := lifecycle.RuleName(name), members[name]
		switch {
		case name == everyRule:
		case !rule.Known():
			r.fault("breakers."+name, "there is no such rule; the rules are %s, and %s is for those that are not named", strings.Join(namesOf(lifecycle.RuleNames()), ", "), everyRule)
		default:
			breakers[rule] = r.breaker("breakers."+name, of, breakers[rule])
		}
	}
	p.Breakers = breakers
}

func namesOf(rules []lifecycle.RuleName) []string {
	names := make([]string, len(rules))
	for i, rule := range rules {
		names[i] = string(rule)
	}
	return names
}

// breaker reads a breaker; what it does not say stays as in b.
func (r *limitsReader) breaker(key string, node *yaml.Node, b lifecycle.Breaker) lifecycle.Breaker {
	if isOff(node) {
		return lifecycle.Breaker{}
	}
	members := r.members(key, node, []string{"records", "percent", "least"})
	r.number(key+".records", members["records"], &b.Records)
	r.number(key+".percent", members["percent"], &b.Percent)
	r.number(key+".least", members["least"], &b.Least)
	return b
}

func (r *limitsReader) quarantine(node *yaml.Node, q *lifecycle.QuarantinePolicy) {
	if node.IsZero() {
		return
	}
	if isOff(node) {
		*q = lifecycle.QuarantinePolicy{}
		return
	}
	members := r.members("quarantine", node, []string{"clockAhead", "clockBack", "backlog"})
	r.clock("quarantine.clockAhead", members["clockAhead"], &q.ClockAhead)
	r.clock("quarantine.clockBack", members["clockBack"], &q.ClockBack)
	if of := members["backlog"]; of != nil {
		q.Backlog = r.breaker("quarantine.backlog", of, q.Backlog)
	}
}

// clock reads how far a clock may be off, if there is a word about it.
func (r *limitsReader) clock(key string, node *yaml.Node, to *lifecycle.Period) {
	switch {
	case node == nil:
	case isOff(node):
		*to = lifecycle.Period{}
	default:
		r.period(key, node.Value, to)
	}
}

func (r *limitsReader) period(key, text string, to *lifecycle.Period) {
	parsed, err := lifecycle.ParsePeriod(text)
	if err != nil {
		r.fault(key, "%v", err)
		return
	}
	*to = parsed
}

// number reads an int64 or a float64, if there is one.
func (r *limitsReader) number(key string, node *yaml.Node, to any) {
	if node == nil {
		return
	}
	if err := node.Decode(to); err != nil {
		r.fault(key, "%q is no number", node.Value)
	}
}

// members are the values of a group of keys; known are the keys that there are, where they are fixed.
func (r *limitsReader) members(key string, node *yaml.Node, known []string) map[string]*yaml.Node {
	if node.Kind != yaml.MappingNode {
		r.fault(key, "%q will not do; write a group of keys, or %s", node.Value, off)
		return nil
	}
	members := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i].Value
		if known != nil && !slices.Contains(known, name) {
			r.fault(key, "the key %q is unknown; there are %s", name, strings.Join(known, ", "))
			continue
		}
		members[name] = node.Content[i+1]
	}
	return members
}

func isOff(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.Value == off
}
