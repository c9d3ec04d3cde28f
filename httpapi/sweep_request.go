package httpapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A SweepRequest is the body of a request for a sweep. Its zero value asks for all rules.
type SweepRequest struct {
	Rules  []RuleName `json:"rules,omitempty" nullable:"false" doc:"The rules to sweep; all where none is named"`
	DryRun bool       `json:"dryRun,omitempty" default:"false" doc:"Look and count, change nothing"`
	_      struct{}   `additionalProperties:"false"`
}

// readSweepRequest reads the body of r, or says what is wrong with it: of its values, everything at once. An empty body is
// a zero request. Rules come out in the order of their table, each once, so that equal requests are the same request.
func (s *Server) readSweepRequest(r *http.Request) (rules []lifecycle.RuleName, dryRun bool, p *Problem) {
	body, p := s.readBody(r)
	if p != nil || body == nil {
		return nil, false, p
	}
	var bad badValues
	var named []lifecycle.RuleName
	bad.object("body", body, `write {"rules":["end-term"]}, or nothing for all rules`,
		member{"rules", func(location string, value json.RawMessage) { named = bad.readRules(location, value) }},
		member{"dryRun", bad.flag(&dryRun)})
	for _, name := range lifecycle.RuleNames() {
		if slices.Contains(named, name) {
			rules = append(rules, name)
		}
	}
	return rules, dryRun, bad.problem()
}

func (b *badValues) readRules(location string, value json.RawMessage) (named []lifecycle.RuleName) {
	b.list("rules; leave it out for all of them", func(location string, element json.RawMessage) {
		var name lifecycle.RuleName
		switch err := json.Unmarshal(element, &name); {
		case err != nil || isNull(element):
			b.refuse(badValue, location, element, "is not a string; the rules are "+ruleList())
		case !name.Known():
			b.refuse(unknownRule, location, element, "is not a rule; the rules are "+ruleList())
		default:
			named = append(named, name)
		}
	})(location, value)
	return named
}

func ruleList() string {
	var names []string
	for _, n := range lifecycle.RuleNames() {
		names = append(names, string(n))
	}
	return strings.Join(names, ", ")
}
