package odata

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An operand is a field or a value.
type operand struct {
	field  lifecycle.Field // empty for a value
	tok    token
	column int
}

func (o operand) isField() bool { return o.field != "" }

// operand reads a field or a value.
func (p *parser) operand(expected string) (operand, error) {
	o := operand{tok: p.tok, column: p.tok.column}
	switch {
	case p.tok.kind == literal, p.tok.kind == bare, p.tok.is("null"), p.tok.is("true"), p.tok.is("false"):
	case p.tok.kind == word:
		field, err := p.fieldNamed(p.tok)
		if err != nil {
			return o, err
		}
		o.field = field
	default:
		return o, p.unexpected(expected)
	}
	return o, p.advance()
}

// fieldNamed finds a field by its path.
func (p *parser) fieldNamed(t token) (lifecycle.Field, error) {
	if f, known := p.words.named(t.text); known {
		return f, nil
	}
	last := t.text[strings.LastIndexByte(t.text, '/')+1:]
	switch called := strings.HasPrefix(strings.TrimLeft(p.rest, " \t"), "("); {
	case strings.EqualFold(last, "any"), strings.EqualFold(last, "all"):
		return "", &Fault{t.column, "any and all are not supported; roles cannot be filtered by"}
	case called:
		return "", &Fault{t.column, fmt.Sprintf("the function %s is not supported; the functions are startswith and contains", quoted(t.text))}
	case lifecycle.IsGUID(t.text):
		return "", &Fault{t.column, "ids are written in single quotes; put this one in quotes"}
	case strings.HasPrefix(t.text, "P"):
		if _, err := lifecycle.ParsePeriod(t.text); err == nil {
			return "", &Fault{t.column, fmt.Sprintf("periods are written in single quotes; write '%s'", t.text)}
		}
	}
	return "", &Fault{t.column, fmt.Sprintf("%s is no field that can be filtered by; the fields are %s", quoted(t.text), p.words.fieldNames())}
}

// An operator compares, and stands somewhere.
type operator struct {
	comparison lifecycle.Comparison
	column     int
}

// among is the operator in, which makes a [lifecycle.Among].
const among lifecycle.Comparison = "in"

var operators = []lifecycle.Comparison{lifecycle.Equal, lifecycle.NotEqual, lifecycle.Less, lifecycle.LessOrEqual, lifecycle.Greater,
	lifecycle.GreaterOrEqual, among}

// operator is the comparison that the next token is, if it is one.
func (p *parser) operator() (operator, bool) {
	for _, c := range operators {
		if p.tok.is(string(c)) {
			return operator{c, p.tok.column}, true
		}
	}
	return operator{}, false
}

// What goes with the kinds of fields beside eq, ne and in.
var (
	ordered = []lifecycle.FieldKind{lifecycle.KindID, lifecycle.KindName, lifecycle.KindText, lifecycle.KindInstant}
	texts   = []lifecycle.FieldKind{lifecycle.KindID, lifecycle.KindName, lifecycle.KindText}
)

// valueOf is what o says as a value of the field, for this comparison.
func (p *parser) valueOf(f lifecycle.Field, by operator, o operand) (lifecycle.Value, error) {
	kind := p.words.Kinds[f]
	switch c := by.comparison; {
	case c == lifecycle.StartsWith || c == lifecycle.Contains:
		if !slices.Contains(texts, kind) {
			return lifecycle.Value{}, &Fault{by.column, fmt.Sprintf("%s goes with names and ids, not with %s", c, f)}
		}
	case c != lifecycle.Equal && c != lifecycle.NotEqual && c != among:
		if !slices.Contains(ordered, kind) {
			return lifecycle.Value{}, &Fault{by.column, fmt.Sprintf("%s has no order; use eq, ne or in", f)}
		}
	}
	switch {
	case o.isField():
		return lifecycle.Value{}, &Fault{o.column, fmt.Sprintf("%s is a field, expected a value", quoted(string(o.field)))}
	case o.tok.is("null"):
		return lifecycle.Value{}, p.nullable(f, by, o)
	}
	v, reason := p.readValue(f, kind, by, o.tok)
	if reason != "" {
		return lifecycle.Value{}, &Fault{o.column, reason}
	}
	return v, nil
}

// nullable says whether the field can be without a value, and null be compared so.
func (p *parser) nullable(f lifecycle.Field, by operator, o operand) error {
	kind := p.words.Kinds[f]
	if !slices.Contains(ordered, kind) && f != lifecycle.FieldNext {
		return &Fault{o.column, fmt.Sprintf("%s is never null", f)}
	}
	if c := by.comparison; c != lifecycle.Equal && c != lifecycle.NotEqual && c != among {
		return &Fault{o.column, "null is neither before nor after anything, and no part of a text; use eq null or ne null"}
	}
	return nil
}

// readValue reads a value that is not null; the reason says what is wrong with it.
func (p *parser) readValue(f lifecycle.Field, kind lifecycle.FieldKind, by operator, t token) (v lifecycle.Value, reason string) {
	if reason := p.written(f, kind, t); reason != "" {
		return v, reason
	}
	switch kind {
	case lifecycle.KindID:
		v.Text = idText(f, t.text)
	case lifecycle.KindName, lifecycle.KindText:
		v.Text = t.text
	case lifecycle.KindEnum:
		v.Text = t.text
		reason = p.words.unknownWord(f, t.text)
	case lifecycle.KindPeriod:
		period, err := lifecycle.ParsePeriod(t.text)
		v.Text, reason = period.String(), because(f, t, err)
	case lifecycle.KindSwitch:
		on, err := p.policy.ParseAutoExtend(t.text)
		v.Flag, reason = on, because(f, t, err)
	case lifecycle.KindInstant:
		at, err := lifecycle.ParseInstant(t.text)
		v.At, reason = microseconds(at, by.comparison), because(f, t, err)
	case lifecycle.KindFlag:
		v.Flag = t.is("true")
	}
	return v, reason
}

// because names what could not be read, and why.
func because(f lifecycle.Field, t token, err error) string {
	if err == nil {
		return ""
	}
	reason := strings.TrimPrefix(err.Error(), fmt.Sprintf("%q ", t.text))
	return fmt.Sprintf("%s %s %s", f, quoted(t.text), reason)
}

// statusPrefix may stand before a status, as before any value of an enumeration. Source: OData 4.01, ABNF, enum.
const statusPrefix = "microsoft.graph.delegatedAdminRelationshipStatus"

// written says what is wrong with how a value of this kind is written.
func (p *parser) written(f lifecycle.Field, kind lifecycle.FieldKind, t token) string {
	like, ok := "", false
	switch kind {
	case lifecycle.KindInstant:
		like, ok = "an instant without quotes, like 2026-01-31T09:00:00Z", t.kind == bare
	case lifecycle.KindFlag:
		like, ok = "true or false", t.is("true") || t.is("false")
	case lifecycle.KindPeriod, lifecycle.KindSwitch:
		like, ok = "a period in single quotes, like 'P180D'", t.kind == literal && (t.prefix == "" || strings.EqualFold(t.prefix, "duration"))
	case lifecycle.KindEnum:
		like, ok = "a word in single quotes, like '"+p.words.Words[f][0]+"'", t.kind == literal && (t.prefix == "" || p.words == ofRelationships && f == lifecycle.FieldStatus && t.prefix == statusPrefix)
	default:
		like, ok = "a text in single quotes", t.kind == literal && t.prefix == ""
	}
	if ok {
		return ""
	}
	return fmt.Sprintf("found %s, but %s is compared with %s", t, f, like)
}

// idText is an id as it is kept.
func idText(f lifecycle.Field, text string) string {
	if f == lifecycle.FieldID {
		return lifecycle.CanonicalID(text)
	}
	return strings.ToLower(text)
}

// microseconds is an instant as finely as instants are kept. What lies in between is moved so that the comparison finds the
// same records as before.
func microseconds(at time.Time, by lifecycle.Comparison) time.Time {
	kept := lifecycle.Instant(at)
	if kept.Before(at) && (by == lifecycle.Less || by == lifecycle.GreaterOrEqual) {
		kept = kept.Add(time.Microsecond)
	}
	return kept
}
