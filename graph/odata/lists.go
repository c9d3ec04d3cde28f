package odata

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// mostOrders is by how many fields a list may be sorted.
const mostOrders = 5

// sortable are the fields that lists are sorted by: what has an order, and the status, by its letters.
var sortable = []lifecycle.Field{lifecycle.FieldID, lifecycle.FieldName, lifecycle.FieldStatus, lifecycle.FieldPartner, lifecycle.FieldCustomer,
	lifecycle.FieldCustomerName, lifecycle.FieldCreated, lifecycle.FieldModified, lifecycle.FieldLocked, lifecycle.FieldActivated, lifecycle.FieldEnd}

// ParseOrderBy reads an $orderby of relationships: fields with a comma between them, each with asc or desc behind it or nothing,
// which is asc. The error is a *[Fault].
func ParseOrderBy(text string) ([]lifecycle.Order, error) { return ofRelationships.ParseOrderBy(text) }

// ParseOrderBy reads an $orderby over the fields of the vocabulary.
func (v *Vocabulary) ParseOrderBy(text string) ([]lifecycle.Order, error) {
	var orders []lifecycle.Order
	err := eachPart(text, func(column int, part string) error {
		name, direction := part, ""
		if i := strings.IndexAny(part, " \t"); i > 0 {
			name, direction = part[:i], strings.TrimSpace(part[i:])
		}
		o := lifecycle.Order{}
		o.Field, _ = v.named(name)
		twice := func(other lifecycle.Order) bool { return other.Field == o.Field }
		switch {
		case !slices.Contains(v.Sortable, o.Field):
			return &Fault{column, fmt.Sprintf("%s is no field that can be sorted by; the fields are %s", quoted(name), listed(v.Sortable))}
		case slices.ContainsFunc(orders, twice):
			return &Fault{column, fmt.Sprintf("%s is there twice; leave one out", name)}
		case len(orders) == mostOrders:
			return &Fault{column, fmt.Sprintf("sorts by more than %d fields; leave some out", mostOrders)}
		case strings.EqualFold(direction, "desc"):
			o.Descending = true
		case direction != "" && !strings.EqualFold(direction, "asc"):
			return &Fault{column + len(part) - len(direction), fmt.Sprintf("found %s, expected asc, desc or a comma", quoted(direction))}
		}
		orders = append(orders, o)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return orders, nil
}

// ParseSelect reads a $select: names out of known, in upper or lower case, with a comma between them, or * for all of them. It answers with each once,
// in the order in which they are asked for. The error is a *[Fault].
func ParseSelect(text string, known []string) ([]string, error) {
	var names []string
	everything := false
	err := eachPart(text, func(column int, name string) error {
		if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
			name = known[i]
		}
		switch {
		case name == "*":
			everything = true
		case strings.Contains(name, "/"):
			return &Fault{column, fmt.Sprintf("%s lies inside another property, which is selected as a whole; write %s", quoted(name), quoted(name[:strings.IndexByte(name, '/')]))}
		case !slices.Contains(known, name):
			return &Fault{column, fmt.Sprintf("%s is no property that can be selected; the properties are %s", quoted(name), strings.Join(known, ", "))}
		case !slices.Contains(names, name):
			names = append(names, name)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case everything:
		return slices.Clone(known), nil
	}
	return names, nil
}

// eachPart goes through the parts of a list with commas between them. Spaces around them count for nothing.
func eachPart(text string, do func(column int, part string) error) error {
	if err := fit(text); err != nil {
		return err
	}
	column := 1
	for part := range strings.SplitSeq(text, ",") {
		trimmed := strings.TrimLeft(part, " \t")
		at := column + len(part) - len(trimmed)
		if trimmed = strings.TrimRight(trimmed, " \t"); trimmed == "" {
			return &Fault{at, "there is nothing between two commas, or before or behind one; leave the comma out"}
		}
		if err := do(at, trimmed); err != nil {
			return err
		}
		column += utf8.RuneCountInString(part) + 1
	}
	return nil
}

func listed[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, s := range all {
		texts[i] = string(s)
	}
	return strings.Join(texts, ", ")
}
