package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// readFilter reads what stands behind --filter. What is wrong with it is shown below the place where it is.
func readFilter(text string, policy *lifecycle.Policy) (lifecycle.Filter, error) {
	filter, err := odata.ParseFilter(text, policy)
	var fault *odata.Fault
	if errors.As(err, &fault) {
		return nil, usageError("--filter: %w\n%s", err, pointedAt(text, fault.Column))
	}
	return filter, err
}

// bulkFilter reads the filter of a bulk job that is asked for over HTTP. One that happens to leave nothing out is refused, since a
// variable that is unset must not mean everything; "true" says that everything is meant.
func (w *works) bulkFilter(text string) (lifecycle.Filter, error) {
	filter, err := w.parseFilter(text)
	if err == nil && wantsAll(filter) && strings.TrimSpace(text) != "true" {
		return nil, fmt.Errorf("%w; if all are, write true", storage.ErrNotNarrow)
	}
	return filter, err
}

// pointedAt is the part of a text around a column, and below it a sign at the place.
func pointedAt(text string, column int) string {
	const before, behind = 50, 25
	characters := []rune(strings.ToValidUTF8(text, "?"))
	for i, c := range characters {
		if !unicode.IsPrint(c) {
			characters[i] = ' '
		}
	}
	place := min(column-1, len(characters))
	from, to := max(0, place-before), min(len(characters), place+behind)
	return "  " + string(characters[from:to]) + "\n  " + strings.Repeat(" ", place-from) + "^"
}

// wantsAll says whether a filter leaves nothing out, as far as that can be seen without looking at any record.
func wantsAll(f lifecycle.Filter) bool {
	switch f := f.(type) {
	case nil:
		return true
	case lifecycle.All:
		for _, part := range f {
			if !wantsAll(part) {
				return false
			}
		}
		return true
	case lifecycle.Any:
		for _, part := range f {
			if wantsAll(part) {
				return true
			}
		}
		return false
	case lifecycle.Not:
		return wantsNone(f.Filter)
	case lifecycle.Compare:
		inText := f.By == lifecycle.StartsWith || f.By == lifecycle.Contains
		return inText && f.Value.Text == "" && (f.Field == lifecycle.FieldID || f.Field == lifecycle.FieldName || f.Field == lifecycle.FieldPartner)
	}
	return false
}

// wantsNone says whether a filter leaves everything out.
func wantsNone(f lifecycle.Filter) bool {
	switch f := f.(type) {
	case lifecycle.All:
		for _, part := range f {
			if wantsNone(part) {
				return true
			}
		}
	case lifecycle.Any:
		for _, part := range f {
			if !wantsNone(part) {
				return false
			}
		}
		return true
	case lifecycle.Not:
		return wantsAll(f.Filter)
	}
	return false
}
