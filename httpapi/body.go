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
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A body is read here and not by huma, whose reader takes DRYRUN for dryRun and the last of two rules for the only one,
// does not say where the JSON goes wrong, and sends all of a megabyte back with each complaint about it.

// readBody reads the body of r, which is well-formed JSON, or says what is wrong with it. An empty one is nil.
func (s *Server) readBody(r *http.Request) (json.RawMessage, *Problem) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, s.unreadable(err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if p := sentAsJSON(r); p != nil {
		return nil, p
	}
	var checked json.RawMessage
	if err := json.Unmarshal(body, &checked); err != nil {
		return nil, notJSON(body, err)
	}
	return bytes.TrimSpace(body), nil
}

// bodyProblems are the problems that an operation with a body may answer with.
var bodyProblems = []kind{badJSON, unreadableBody, bodyTimeout, wrongContentType, badValue, unknownField}

// describeBody says in the description of the API what the body of an operation is.
func (s *Server) describeBody(of *huma.Operation, schema *huma.Schema, required bool) {
	of.RequestBody = &huma.RequestBody{Required: required, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
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

// badValues are the values of a request that will not do, all of them.
type badValues struct {
	kind kind // of the values, if all are of one, else badValue
	bad  []BadValue
}

func (b *badValues) refuse(k kind, location string, value json.RawMessage, detail string) {
	if len(b.bad) == 0 {
		b.kind = k
	} else if b.kind != k {
		b.kind = badValue
	}
	b.bad = append(b.bad, BadValue{location, shortenJSON(value), detail, Sentence{}})
}

// unfit refuses a value for an error, which may be a sentence.
func (b *badValues) unfit(location string, value json.RawMessage, why error) {
	b.refuse(badValue, location, value, why.Error())
	b.bad[len(b.bad)-1].Sentence = sentenceOf(lifecycle.SaidBy(why))
}

// enough says that more need not be looked for.
func (b *badValues) enough() bool { return len(b.bad) > mostBadValues }

// problem tells them; nil where there is none.
func (b *badValues) problem() *Problem {
	if len(b.bad) == 0 {
		return nil
	}
	return refused(b.kind, b.bad)
}

// A member is a part of an object, and what reads its value.
type member struct {
	name string
	read func(location string, value json.RawMessage)
}

// object goes through the members of text, which is well-formed JSON. Where it is no object, instead says what to write.
func (b *badValues) object(location string, text json.RawMessage, instead string, known ...member) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if start, _ := dec.Token(); start != json.Delim('{') {
		b.refuse(badValue, location, bytes.TrimSpace(text), "is not an object; "+instead)
		return
	}
	seen := map[string]bool{}
	for dec.More() && !b.enough() {
		token, _ := dec.Token()
		name, _ := token.(string)
		var value json.RawMessage
		_ = dec.Decode(&value)
		b.member(location+"."+shorten(name), name, value, seen[name], known)
		seen[name] = true
	}
}

// field is a member.
func field(name string, read func(location string, value json.RawMessage)) member {
	return member{name, read}
}

func (b *badValues) member(location, name string, value json.RawMessage, again bool, known []member) {
	if again {
		b.refuse(badValue, location, value, "is there twice")
		return
	}
	names := make([]string, len(known))
	for i, m := range known {
		if m.name == name {
			m.read(location, value)
			return
		}
		names[i] = m.name
	}
	last := len(names) - 1
	if last < 0 {
		b.refuse(unknownField, location, value, "is unknown; there are none")
		return
	}
	list := names[last]
	if last > 0 {
		list = strings.Join(names[:last], ", ") + " and " + list
	}
	b.refuse(unknownField, location, value, "is unknown; there are "+list)
}

// A null is refused rather than taken for nothing: whoever computes one does not mean to sweep everything, and for real.

// flag reads a truth value.
func (b *badValues) flag(into *bool) func(string, json.RawMessage) {
	return func(location string, value json.RawMessage) {
		if err := json.Unmarshal(value, into); err != nil || isNull(value) {
			b.refuse(badValue, location, value, "is not true or false; leave it out for false")
		}
	}
}

// text reads a text, which fit may refuse.
func (b *badValues) text(fit func(string) error) func(string, json.RawMessage) {
	return func(location string, value json.RawMessage) {
		var text string
		if err := json.Unmarshal(value, &text); err != nil || isNull(value) {
			b.refuse(badValue, location, value, "is not a string")
			return
		}
		if err := fit(text); err != nil {
			b.unfit(location, value, err)
		}
	}
}

// list reads a list, each element as one does. Where it is none, what says what it is to be a list of.
func (b *badValues) list(what string, one func(string, json.RawMessage)) func(string, json.RawMessage) {
	return func(location string, value json.RawMessage) {
		var elements []json.RawMessage
		if err := json.Unmarshal(value, &elements); err != nil || isNull(value) {
			b.refuse(badValue, location, value, "is not a list of "+what)
			return
		}
		for i, element := range elements {
			if b.enough() {
				return
			}
			one(fmt.Sprintf("%s[%d]", location, i), element)
		}
	}
}

func isNull(value json.RawMessage) bool { return string(bytes.TrimSpace(value)) == "null" }

// quoted is s as JSON.
func quoted(s string) json.RawMessage {
	text, _ := json.Marshal(s) // a string always has one
	return text
}

// shortenJSON is what is sent back of a bad value: itself, or the beginning of its text.
func shortenJSON(value json.RawMessage) any {
	var readable any // a number beyond what most can hold is well-formed JSON, too
	if len(value) <= longestValue && json.Unmarshal(value, &readable) == nil {
		return value
	}
	return shorten(string(value))
}
