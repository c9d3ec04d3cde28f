package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A SweepRequest is the body of a request for a sweep. Its zero value asks for all rules.
type SweepRequest struct {
	Rules  []RuleName `json:"rules,omitempty" nullable:"false" doc:"The rules to sweep; all where none is named"`
	DryRun bool       `json:"dryRun,omitempty" default:"false" doc:"Look and count, change nothing"`
	_      struct{}   `additionalProperties:"false"`
}

// The body is read here and not by huma, whose reader takes DRYRUN for dryRun and the last of two rules for the only one,
// does not say where the JSON goes wrong, and sends all of a megabyte back with each complaint about it.

// readSweepRequest reads the body of r, or says what is wrong with it: of its values, everything at once. An empty body is
// a zero request. Rules come out in the order of their table, each once, so that equal requests are the same request.
func (s *Server) readSweepRequest(r *http.Request) (rules []lifecycle.RuleName, dryRun bool, p *Problem) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false, s.unreadable(err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, false, nil
	}
	if p := sentAsJSON(r); p != nil {
		return nil, false, p
	}
	var checked json.RawMessage
	if err := json.Unmarshal(body, &checked); err != nil {
		return nil, false, notJSON(body, err)
	}
	var in sweepBody
	in.read(body)
	if len(in.bad) > 0 {
		return nil, false, refused(in.kind, in.bad)
	}
	for _, name := range lifecycle.RuleNames() {
		if slices.Contains(in.rules, name) {
			rules = append(rules, name)
		}
	}
	return rules, in.dryRun, nil
}

// unreadable says why a body did not arrive.
func (s *Server) unreadable(err error) *Problem {
	var tooLarge *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &tooLarge):
		return bodyTooLarge.problem("The body has more than the %d bytes that are allowed.", tooLarge.Limit)
	case errors.As(err, &network) && network.Timeout():
		p := bodyTimeout.problem("The request did not arrive within %s.", seconds(s.limits.read))
		p.header("Connection", "close")
		return p
	}
	return unreadableBody.problem("The body broke off before its end.")
}

// sentAsJSON says what is wrong with the headers that describe the body; nil where they say JSON, or nothing.
func sentAsJSON(r *http.Request) *Problem {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return wrongContentType.problem("The body is sent with Content-Encoding %s; send it as it is.", shorten(coding))
	}
	sent := r.Header.Get("Content-Type")
	if sent == "" {
		return nil
	}
	if media, _, err := mime.ParseMediaType(sent); err == nil && media == "application/json" {
		return nil
	}
	p := wrongContentType.problem("The body is sent as %s; send it as JSON, with the header `Content-Type: application/json`.", shorten(sent))
	p.header("Accept", "application/json")
	return p
}

// notJSON says where body stops being JSON.
func notJSON(body []byte, err error) *Problem {
	where := ""
	var wrong *json.SyntaxError
	if errors.As(err, &wrong) {
		before := body[:max(0, wrong.Offset-1)]
		line := bytes.Count(before, []byte("\n"))
		column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
		where = fmt.Sprintf("line %d, column %d: ", line+1, column+1)
	}
	return refused(badJSON, []BadValue{{Location: "body", Detail: where + shorten(err.Error())}})
}

// A sweepBody is what was found in a body, the bad values included.
type sweepBody struct {
	rules  []lifecycle.RuleName
	dryRun bool

	kind kind // of the bad values, if all are of one, else badValue
	bad  []BadValue
}

func (b *sweepBody) refuse(k kind, location string, value json.RawMessage, detail string) {
	if len(b.bad) == 0 {
		b.kind = k
	} else if b.kind != k {
		b.kind = badValue
	}
	b.bad = append(b.bad, BadValue{location, shortenJSON(value), detail})
}

// read goes through the members of body, which is well-formed JSON.
func (b *sweepBody) read(body []byte) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, _ := dec.Token(); start != json.Delim('{') {
		b.refuse(badValue, "body", bytes.TrimSpace(body), `is not an object; write {"rules":["end-term"]}, or nothing for all rules`)
		return
	}
	seen := map[string]bool{}
	for dec.More() && len(b.bad) <= mostBadValues {
		token, _ := dec.Token()
		name, _ := token.(string)
		var value json.RawMessage
		_ = dec.Decode(&value)
		location := "body." + shorten(name)
		switch {
		case seen[name]:
			b.refuse(badValue, location, value, "is there twice")
		case name == "rules":
			b.readRules(value)
		case name == "dryRun":
			b.readDryRun(value)
		default:
			b.refuse(unknownField, location, value, "is unknown; there are rules and dryRun")
		}
		seen[name] = true
	}
}

// A null is refused rather than taken for nothing: whoever computes one does not mean to sweep everything, and for real.

func (b *sweepBody) readDryRun(value json.RawMessage) {
	if err := json.Unmarshal(value, &b.dryRun); err != nil || isNull(value) {
		b.refuse(badValue, "body.dryRun", value, "is not true or false; leave it out for false")
	}
}

func (b *sweepBody) readRules(value json.RawMessage) {
	var elements []json.RawMessage
	if err := json.Unmarshal(value, &elements); err != nil || isNull(value) {
		b.refuse(badValue, "body.rules", value, "is not a list of rules; leave it out for all of them")
		return
	}
	for i, element := range elements {
		if len(b.bad) > mostBadValues {
			return
		}
		var name lifecycle.RuleName
		location := fmt.Sprintf("body.rules[%d]", i)
		switch err := json.Unmarshal(element, &name); {
		case err != nil || isNull(element):
			b.refuse(badValue, location, element, "is not a string; the rules are "+ruleList())
		case !name.Known():
			b.refuse(unknownRule, location, element, "is not a rule; the rules are "+ruleList())
		default:
			b.rules = append(b.rules, name)
		}
	}
}

func isNull(value json.RawMessage) bool { return string(bytes.TrimSpace(value)) == "null" }

func ruleList() string {
	var names []string
	for _, n := range lifecycle.RuleNames() {
		names = append(names, string(n))
	}
	return strings.Join(names, ", ")
}

// shortenJSON is what is sent back of a bad value: itself, or the beginning of its text.
func shortenJSON(value json.RawMessage) any {
	var readable any // a number beyond what most can hold is well-formed JSON, too
	if len(value) <= longestValue && json.Unmarshal(value, &readable) == nil {
		return value
	}
	return shorten(string(value))
}
