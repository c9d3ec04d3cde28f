package odata

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Vocabulary is what can be asked of one kind of thing: its fields, what they are, and what they can be sorted by.
type Vocabulary struct {
	Kinds    map[lifecycle.Field]lifecycle.FieldKind
	Words    map[lifecycle.Field][]string // the values of each enumeration
	Sortable []lifecycle.Field
}

// ofRelationships is what can be asked of relationships.
var ofRelationships = func() *Vocabulary {
	v := &Vocabulary{Kinds: lifecycle.FieldKinds, Words: map[lifecycle.Field][]string{}, Sortable: sortable}
	for _, s := range lifecycle.Statuses {
		v.Words[lifecycle.FieldStatus] = append(v.Words[lifecycle.FieldStatus], string(s))
	}
	for _, r := range lifecycle.RuleNames() {
		v.Words[lifecycle.FieldNext] = append(v.Words[lifecycle.FieldNext], string(r))
	}
	return v
}()

// ParseFilter reads a $filter over the fields of the vocabulary, as the function [ParseFilter] does over those of relationships.
func (v *Vocabulary) ParseFilter(text string, p *lifecycle.Policy) (lifecycle.Filter, error) {
	return usual.parse(text, p, v)
}

// named finds a field by its path. Upper and lower case do not matter, since people write paths as their shells show them.
func (v *Vocabulary) named(path string) (lifecycle.Field, bool) {
	if _, known := v.Kinds[lifecycle.Field(path)]; known {
		return lifecycle.Field(path), true
	}
	for f := range v.Kinds {
		if strings.EqualFold(string(f), path) {
			return f, true
		}
	}
	return "", false
}

func (v *Vocabulary) fieldNames() string {
	var names []string
	for f := range v.Kinds {
		names = append(names, string(f))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (v *Vocabulary) unknownWord(f lifecycle.Field, text string) string {
	if all := v.Words[f]; !slices.Contains(all, text) {
		return fmt.Sprintf("%s is no %s; it is one of %s", quoted(text), f, strings.Join(all, ", "))
	}
	return ""
}
