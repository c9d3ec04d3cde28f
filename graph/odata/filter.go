package odata

import (
	"fmt"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// How much a filter may ask for: what people and programs write is far below it.
const (
	deepest         = 20  // levels of parentheses and not
	mostComparisons = 100 // an in is one
	mostValues      = 200 // of an in
)

var usual = limits{deepest, mostComparisons, mostValues}

// ParseFilter reads a $filter: eq, ne, lt, le, gt, ge, in, and, or, not, startswith and contains over the fields of
// [lifecycle.FieldKinds], in upper or lower case, with the precedence of OData 4.01, part 2, section 5.1.1.17. A value may stand on either side, and
// what is true or false may stand alone. Texts of ids come back in lower case, periods in their canonical form, instants in
// microseconds. The error is a *[Fault].
func ParseFilter(text string, p *lifecycle.Policy) (lifecycle.Filter, error) {
	return usual.parse(text, p, ofRelationships)
}

// limits are how much a filter may ask for.
type limits struct{ depth, comparisons, values int }

func (l limits) parse(text string, policy *lifecycle.Policy, words *Vocabulary) (lifecycle.Filter, error) {
	if err := fit(text); err != nil {
		return nil, err
	}
	p := &parser{scanner: scanner{rest: text, column: 1}, policy: policy, limits: l, words: words}
	if err := p.advance(); err != nil {
		return nil, err
	}
	f, err := p.either()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != end {
		return nil, p.unexpected("and, or, or the end")
	}
	return f, nil
}

// A parser reads a filter by recursive descent, one token ahead.
type parser struct {
	scanner
	policy      *lifecycle.Policy
	words       *Vocabulary
	limits      limits
	tok         token // the next one
	depth       int
	comparisons int
}

func (p *parser) advance() (err error) {
	p.tok, err = p.next()
	return err
}

// past is what was read, and the parser beyond its last token.
func (p *parser) past(f lifecycle.Filter) (lifecycle.Filter, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	return f, nil
}

// unexpected is the fault of a token that is not what should stand there.
func (p *parser) unexpected(expected string) error {
	if p.tok.kind == stray && strings.HasPrefix(p.tok.text, `"`) {
		return &Fault{p.tok.column, "found a double quote; texts are written in single quotes, like 'active'"}
	}
	return &Fault{p.tok.column, fmt.Sprintf("found %s, expected %s", p.tok, expected)}
}

// either reads conditions joined by or.
func (p *parser) either() (lifecycle.Filter, error) {
	all, err := p.joined("or", p.both)
	switch {
	case err != nil:
		return nil, err
	case len(all) == 1:
		return all[0], nil
	}
	return lifecycle.Any(all), nil
}

// both reads conditions joined by and, which binds tighter.
func (p *parser) both() (lifecycle.Filter, error) {
	all, err := p.joined("and", p.condition)
	switch {
	case err != nil:
		return nil, err
	case len(all) == 1:
		return all[0], nil
	}
	return lifecycle.All(all), nil
}

func (p *parser) joined(by string, read func() (lifecycle.Filter, error)) ([]lifecycle.Filter, error) {
	var all []lifecycle.Filter
	for {
		f, err := read()
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		if !p.tok.is(by) {
			return all, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// condition reads what and and or go between.
func (p *parser) condition() (lifecycle.Filter, error) {
	if f, err := p.closed(); f != nil || err != nil {
		return f, err
	}
	left, err := p.operand("a condition")
	if err != nil {
		return nil, err
	}
	if by, ok := p.operator(); ok {
		return p.compared(left, by)
	}
	return p.alone(left)
}

// closed reads a condition that is one piece whatever stands beside it; nil where none begins here.
func (p *parser) closed() (lifecycle.Filter, error) {
	switch {
	case p.tok.kind == open:
		return p.deeper(p.parentheses)
	case p.tok.is("not"):
		return p.deeper(p.negation)
	case p.tok.is(string(lifecycle.StartsWith)):
		return p.call(lifecycle.StartsWith)
	case p.tok.is(string(lifecycle.Contains)):
		return p.call(lifecycle.Contains)
	}
	return nil, nil
}

// deeper reads what lies a level down.
func (p *parser) deeper(read func() (lifecycle.Filter, error)) (lifecycle.Filter, error) {
	if p.depth++; p.depth > p.limits.depth {
		return nil, &Fault{p.tok.column, fmt.Sprintf("is nested deeper than %d levels; write it flatter, e.g. with in", p.limits.depth)}
	}
	defer func() { p.depth-- }()
	if err := p.advance(); err != nil {
		return nil, err
	}
	return read()
}

func (p *parser) parentheses() (lifecycle.Filter, error) {
	f, err := p.either()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != closing {
		return nil, p.unexpected("and, or, or )")
	}
	return p.past(f)
}

// negation reads what stands behind not, which binds tighter than a comparison does.
func (p *parser) negation() (lifecycle.Filter, error) {
	f, err := p.closed()
	if f == nil && err == nil {
		var left operand
		if left, err = p.operand("a condition"); err != nil {
			return nil, err
		}
		if _, compared := p.operator(); compared {
			return nil, &Fault{left.column, "not goes before the comparison as a whole; put that in parentheses, like not (status eq 'active')"}
		}
		f, err = p.alone(left)
	}
	if err != nil {
		return nil, err
	}
	return lifecycle.Not{Filter: f}, nil
}

// call reads startswith or contains.
func (p *parser) call(by lifecycle.Comparison) (lifecycle.Filter, error) {
	name := p.tok
	if err := p.wanted(open, "("); err != nil {
		return nil, err
	}
	field, err := p.operand("a field")
	if err != nil {
		return nil, err
	}
	if !field.isField() {
		return nil, &Fault{field.column, fmt.Sprintf("%s has the field first, like %[1]s(displayName,'Contoso')", by)}
	}
	if p.tok.kind != comma {
		return nil, p.unexpected("a comma")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	text, err := p.operand("a text in single quotes")
	if err != nil {
		return nil, err
	}
	if p.tok.kind != closing {
		return nil, p.unexpected(")")
	}
	c, err := p.compare(field, operator{by, name.column}, text)
	if err != nil {
		return nil, err
	}
	return p.past(c)
}

// wanted passes over a token to one of this kind, and beyond that.
func (p *parser) wanted(kind tokenKind, expected string) error {
	if err := p.advance(); err != nil {
		return err
	}
	if p.tok.kind != kind {
		return p.unexpected(expected)
	}
	return p.advance()
}

// compared reads the rest of a comparison, from its operator on.
func (p *parser) compared(left operand, by operator) (lifecycle.Filter, error) {
	if by.comparison == among {
		return p.among(left, by)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	right, err := p.operand("a field or a value")
	switch {
	case err != nil:
		return nil, err
	case left.isField() && right.isField():
		return nil, &Fault{right.column, "compares two fields with each other, which is not supported; compare each with a value"}
	case !left.isField() && !right.isField():
		return nil, &Fault{left.column, "compares two values with each other; name a field, like status"}
	case right.isField():
		by.comparison = turned(by.comparison)
		left, right = right, left
	}
	return p.compare(left, by, right)
}

// turned is the comparison with its sides exchanged.
func turned(c lifecycle.Comparison) lifecycle.Comparison {
	switch c {
	case lifecycle.Less:
		return lifecycle.Greater
	case lifecycle.LessOrEqual:
		return lifecycle.GreaterOrEqual
	case lifecycle.Greater:
		return lifecycle.Less
	case lifecycle.GreaterOrEqual:
		return lifecycle.LessOrEqual
	}
	return c
}

// among reads the values behind in.
func (p *parser) among(field operand, by operator) (lifecycle.Filter, error) {
	if !field.isField() {
		return nil, &Fault{field.column, "in has the field first, like status in ('active','expired')"}
	}
	if err := p.wanted(open, "( and the values"); err != nil {
		return nil, err
	}
	found := lifecycle.Among{Field: field.field}
	for {
		value, err := p.operand("a value")
		if err != nil {
			return nil, err
		}
		if len(found.Values) == p.limits.values {
			return nil, &Fault{value.column, fmt.Sprintf("in has more than %d values; ask several times", p.limits.values)}
		}
		v, err := p.valueOf(field.field, by, value)
		if err != nil {
			return nil, err
		}
		found.Values = append(found.Values, v)
		if p.tok.kind == closing {
			break
		}
		if p.tok.kind != comma {
			return nil, p.unexpected("a comma or )")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if err := p.counted(by.column); err != nil {
		return nil, err
	}
	return p.past(found)
}

// alone is the condition of something that is true or false by itself.
func (p *parser) alone(left operand) (lifecycle.Filter, error) {
	switch {
	case left.tok.is("true"):
		return lifecycle.All{}, nil
	case left.tok.is("false"):
		return lifecycle.Any{}, nil
	case p.words.Kinds[left.field] == lifecycle.KindFlag && left.isField():
		return lifecycle.Compare{Field: left.field, By: lifecycle.Equal, Value: lifecycle.Value{Flag: true}}, p.counted(left.column)
	}
	return nil, p.unexpected("a comparison: eq, ne, lt, le, gt, ge or in")
}

func (p *parser) compare(field operand, by operator, value operand) (lifecycle.Filter, error) {
	v, err := p.valueOf(field.field, by, value)
	if err != nil {
		return nil, err
	}
	if err := p.counted(by.column); err != nil {
		return nil, err
	}
	return lifecycle.Compare{Field: field.field, By: by.comparison, Value: v}, nil
}

// counted counts a comparison.
func (p *parser) counted(column int) error {
	if p.comparisons++; p.comparisons > p.limits.comparisons {
		return &Fault{column, fmt.Sprintf("there are more than %d comparisons; use in, or ask several times", p.limits.comparisons)}
	}
	return nil
}
