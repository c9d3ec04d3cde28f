package graph

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/lifecycle"
)

// Short lists are at hand as a whole, so they are filtered and sorted here; what relationships are filtered and sorted by is the
// database's.

// A field is what a short list can be filtered and sorted by.
type field[T any] struct {
	name  lifecycle.Field
	kind  lifecycle.FieldKind
	words []string // of an enumeration
	value func(*T) lifecycle.Value
}

// A shortList is all there is of a kind of thing, sorted by key: a text that each has for itself.
type shortList[T any] struct {
	kind   *entityType[T]
	set    string
	all    []T
	key    func(*T) string
	fields []field[T]
}

func (l *shortList[T]) vocabulary() *odata.Vocabulary {
	v := &odata.Vocabulary{Kinds: map[lifecycle.Field]lifecycle.FieldKind{}, Words: map[lifecycle.Field][]string{}}
	for _, f := range l.fields {
		v.Kinds[f.name], v.Words[f.name] = f.kind, f.words
		v.Sortable = append(v.Sortable, f.name)
	}
	return v
}

func (l *shortList[T]) field(name lifecycle.Field) *field[T] {
	return &l.fields[slices.IndexFunc(l.fields, func(f field[T]) bool { return f.name == name })] // the vocabulary knows no others
}

// asked is what of the list the request wants, in the order in which it wants it.
func (l *shortList[T]) asked(x *exchange) (wanted []T, order []lifecycle.Order, err error) {
	wanted = l.all
	if text, ok := x.options.values["$filter"]; ok {
		filter, err := l.vocabulary().ParseFilter(text, x.policy)
		if err != nil {
			return nil, nil, badOption("$filter", codeInvalid, sentence("$filter: "+err.Error()))
		}
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(v T) bool { return !l.wants(filter, &v) })
	}
	if text, ok := x.options.values["$orderby"]; ok {
		if order, err = l.vocabulary().ParseOrderBy(text); err != nil {
			return nil, nil, badOption("$orderby", codeInvalid, sentence("$orderby: "+err.Error()))
		}
	}
	order = append(order, byKey...)
	if len(order) > 1 {
		wanted = slices.Clone(wanted)
		slices.SortFunc(wanted, func(a, b T) int { return compare(order, l.place(order, &a), l.place(order, &b)) })
	}
	return wanted, order, nil
}

// byKey is the order of a short list, or what decides in it last.
var byKey = []lifecycle.Order{{Field: lifecycle.FieldID}}

// place is where something stands in the list: its values of what the list is sorted by, of which its key is the last.
func (l *shortList[T]) place(order []lifecycle.Order, v *T) []lifecycle.Value {
	var values []lifecycle.Value
	for _, o := range order[:len(order)-1] {
		values = append(values, l.field(o.Field).value(v))
	}
	return append(values, lifecycle.Value{Text: l.key(v)})
}

// compare compares two places.
func compare(order []lifecycle.Order, a, b []lifecycle.Value) int {
	for i, o := range order {
		way := compareValues(a[i], b[i])
		if o.Descending {
			way = -way
		}
		if way != 0 {
			return way
		}
	}
	return 0
}

// compareValues compares two values of one field, of which only one part is ever in use. What there is not comes first.
func compareValues(a, b lifecycle.Value) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Text, b.Text))
}

// wants says whether a filter wants something; what that means is said at [lifecycle.Filter].
func (l *shortList[T]) wants(f lifecycle.Filter, v *T) bool {
	switch f := f.(type) {
	case lifecycle.All:
		return !slices.ContainsFunc(f, func(f lifecycle.Filter) bool { return !l.wants(f, v) })
	case lifecycle.Any:
		return slices.ContainsFunc(f, func(f lifecycle.Filter) bool { return l.wants(f, v) })
	case lifecycle.Not:
		return !l.wants(f.Filter, v)
	case lifecycle.Among:
		return slices.ContainsFunc(f.Values, func(want lifecycle.Value) bool {
			return compares(l.field(f.Field).value(v), lifecycle.Equal, want)
		})
	case lifecycle.Compare:
		return compares(l.field(f.Field).value(v), f.By, f.Value)
	}
	return true
}

func isNone(v lifecycle.Value) bool { return v.Text == "" && v.At.IsZero() }

func compares(have lifecycle.Value, by lifecycle.Comparison, want lifecycle.Value) bool {
	way, null := compareValues(have, want), isNone(have) || isNone(want)
	switch by {
	case lifecycle.Equal:
		return way == 0
	case lifecycle.NotEqual:
		return way != 0
	case lifecycle.Less:
		return way < 0 && !null
	case lifecycle.LessOrEqual:
		return way == 0 || way < 0 && !null
	case lifecycle.Greater:
		return way > 0 && !null
	case lifecycle.GreaterOrEqual:
		return way == 0 || way > 0 && !null
	case lifecycle.StartsWith:
		return have.Text != "" && strings.HasPrefix(have.Text, want.Text)
	case lifecycle.Contains:
		return have.Text != "" && strings.Contains(have.Text, want.Text)
	}
	return false
}

// shown answers with the part of a list that the request wants.
func shown[T any](list func(*exchange) (*shortList[T], error)) func(*exchange) (answer, error) {
	return func(x *exchange) (answer, error) {
		l, err := list(x)
		if err != nil {
			return answer{}, err
		}
		return l.page(x)
	}
}

// counted answers with the number of those that the request wants.
func counted[T any](list func(*exchange) (*shortList[T], error)) func(*exchange) (answer, error) {
	return func(x *exchange) (answer, error) {
		l, err := list(x)
		if err != nil {
			return answer{}, err
		}
		wanted, _, err := l.asked(x)
		if err != nil {
			return answer{}, err
		}
		return x.number(int64(len(wanted))), nil
	}
}

func (l *shortList[T]) page(x *exchange) (answer, error) {
	chosen, err := l.kind.selected(x)
	if err != nil {
		return answer{}, err
	}
	wanted, order, err := l.asked(x)
	if err != nil {
		return answer{}, err
	}
	after, err := x.after(order)
	if err != nil {
		return answer{}, err
	}
	p := page[T]{set: l.set, entities: wanted, count: int64(len(wanted))}
	if after != nil {
		first := slices.IndexFunc(wanted, func(v T) bool { return compare(order, l.place(order, &v), after.Values) > 0 })
		if first < 0 {
			first = len(wanted)
		}
		p.entities = wanted[first:]
	}
	if size := x.pageSize(); len(p.entities) > size {
		p.entities = p.entities[:size]
		p.next = x.nextLink(order, &lifecycle.Cursor{Values: l.place(order, &p.entities[size-1])})
	}
	return l.kind.page(x, chosen, p)
}
