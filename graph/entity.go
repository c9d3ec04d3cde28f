package graph

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/lifecycle"
)

// An entityType is how one kind of thing is written. Lists are long and asked for often, so what is written is appended to the
// answer as it is found, without a value in between.
type entityType[T any] struct {
	name       string // after microsoft.graph.
	version    func(*T) int64
	properties []property[T]
}

// A property of an entity.
type property[T any] struct {
	name  string
	write func(b []byte, x *exchange, v *T) []byte
	ours  bool // Graph has none of this name: shown to those who select it
}

// selected are the properties that the request wants to see.
func (e *entityType[T]) selected(x *exchange) ([]property[T], error) {
	var chosen []property[T]
	text, ok := x.options.values["$select"]
	if !ok {
		for _, p := range e.properties {
			if !p.ours {
				chosen = append(chosen, p)
			}
		}
		return chosen, nil
	}
	known := make([]string, len(e.properties))
	for i, p := range e.properties {
		known[i] = p.name
	}
	names, err := odata.ParseSelect(text, known)
	if err != nil {
		return nil, badOption("$select", codeInvalid, sentence("$select: "+err.Error()))
	}
	for _, p := range e.properties { // in their own order, whatever was asked
		if slices.Contains(names, p.name) {
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}

// append writes v. context is empty in a list, which says it once.
func (e *entityType[T]) append(b []byte, x *exchange, context string, chosen []property[T], v *T) []byte {
	b = append(b, '{')
	if context != "" {
		b = append(b, `"@odata.context":`...)
		b = append(appendText(b, context), ',')
	}
	b = append(append(append(b, `"@odata.type":"#microsoft.graph.`...), e.name...), '"')
	if e.version != nil {
		b = strconv.AppendInt(append(b, `,"@odata.etag":"W/\"`...), e.version(v), 10)
		b = append(b, `\""`...)
	}
	for _, p := range chosen {
		b = append(append(append(b, ',', '"'), p.name...), '"', ':')
		b = p.write(b, x, v)
	}
	return append(b, '}')
}

// one answers with a single entity, whose set the context names.
func (e *entityType[T]) one(x *exchange, status int, set string, v *T) (answer, error) {
	chosen, err := e.selected(x)
	if err != nil {
		return answer{}, err
	}
	if e.version != nil {
		x.header.Set("ETag", etag(e.version(v)))
	}
	return answer{status, e.append(nil, x, x.describedBy(set+"/$entity"), chosen, v)}, nil
}

// A page is a part of a list.
type page[T any] struct {
	set      string
	entities []T
	count    int64  // of the whole list, where the request wants to know
	next     string // address of the next page; empty on the last
}

// page answers with a part of a list.
func (e *entityType[T]) page(x *exchange, chosen []property[T], p page[T]) (answer, error) {
	const each = 768 // bytes of one entity, about
	b := make([]byte, 0, 512+each*len(p.entities))
	b = appendText(append(b, `{"@odata.context":`...), x.describedBy(p.set))
	if x.options.count {
		b = strconv.AppendInt(append(b, `,"@odata.count":`...), p.count, 10)
	}
	if p.next != "" {
		b = appendText(append(b, `,"@odata.nextLink":`...), p.next)
	}
	b = append(b, `,"value":[`...)
	for i := range p.entities {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.append(b, x, "", chosen, &p.entities[i])
	}
	return answer{http.StatusOK, append(b, `]}`...)}, nil
}

// appendText writes s as JSON.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return append(b, asJSON(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendInstant writes an instant, and null for one that there is not.
func appendInstant(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	return append(append(append(b, '"'), lifecycle.FormatInstant(t)...), '"')
}

// asJSON writes what can always be written.
func asJSON(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return text
}
