package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// listingColumns are what lists are sorted by.
var listingColumns = map[lifecycle.ListingOrder]column{
	lifecycle.ByArrival:  {name: "t.key"},
	lifecycle.ByNext:     {name: "t.next_at", kind: instantColumn},
	lifecycle.ByEnd:      {name: "t.end_at", kind: instantColumn},
	lifecycle.ByName:     {name: "t.name_key {{plain}}"},
	lifecycle.ByModified: {name: "t.modified_at", kind: instantColumn},
}

// holdsGlobalAdministrator is the condition of an index, which has it in the same words.
const holdsGlobalAdministrator = "{{find}}(t.roles, '" + lifecycle.GlobalAdministrator + "') > 0"

// selectListed is selectRecords with the next timer.
var selectListed = strings.NewReplacer("t.name_key, ", "", "t.digest, ", "").Replace(selectRelationships)

// Listed lists relationships for operators, as they are stored. Some orders and filters go along no index; whoever asks bounds the
// time by the context.
func (db *DB) Listed(ctx context.Context, q lifecycle.Listing) (found []lifecycle.Listed, err error) {
	const doing = "list relationships for operators"
	text, a, err := listing(&q)
	if err != nil {
		return nil, said(doing, err)
	}
	err = db.read(ctx, doing, func(s session) error {
		found = make([]lifecycle.Listed, 0, min(q.Limit, mostAtOnce))
		return each(ctx, s, s.dialect.fill(text), a, func(row *relationshipRow) error {
			stored, err := row.stored()
			found = append(found, lifecycle.Listed{Stored: stored, Next: row.next()})
			return err
		})
	})
	return found, err
}

// listing is the query. In the order of timers it is two ranges of two indexes, of timers that run and of those on hold, put together.
func listing(q *lifecycle.Listing) (string, args, error) {
	s := sieve{args{"limit": q.Limit}}
	by, ok := listingColumns[q.By]
	if !ok {
		return "", nil, fmt.Errorf("no list is sorted by %q", q.By)
	}
	conditions := s.listed(q, by)
	order := " ORDER BY " + by.name + ", t.key LIMIT :limit"
	if q.Descending {
		order = " ORDER BY " + by.name + " DESC, t.key DESC LIMIT :limit"
	}
	part := func(more ...string) string {
		where := "WHERE " + strings.Join(append(more, conditions...), " AND ") + order
		if onClocks(q) {
			where = "WHERE t.key IN (SELECT t.key FROM clocks AS t " + where + ")" + order
		}
		return selectListed + where
	}
	const running, held = "t.stayed = FALSE", "t.stayed = TRUE"
	switch {
	case q.Held && !q.DueBy.IsZero():
		return part(never), s.args, nil
	case q.Held:
		return part(held), s.args, nil
	case !q.DueBy.IsZero():
		return part(running), s.args, nil
	case q.By != lifecycle.ByNext:
		return part(), s.args, nil
	}
	return "SELECT * FROM (SELECT * FROM (" + part(running) + ") AS running UNION ALL SELECT * FROM (" + part(held) + ") AS held) AS t" + order, s.args, nil
}

// onClocks says whether it is found and sorted by what clocks move alone. Those rows are narrow, and what people agreed on is then read
// of a page only.
func onClocks(q *lifecycle.Listing) bool {
	return q.By != lifecycle.ByName && q.GlobalAdministrator == lifecycle.Whichever && moved(q.Filter)
}

func moved(f lifecycle.Filter) bool {
	switch f := f.(type) {
	case nil:
		return true
	case lifecycle.All:
		return !slices.ContainsFunc(f, func(f lifecycle.Filter) bool { return !moved(f) })
	case lifecycle.Compare:
		return slices.Contains(movedFields, f.Field)
	case lifecycle.Among:
		return slices.Contains(movedFields, f.Field)
	}
	return false
}

var movedFields = []lifecycle.Field{lifecycle.FieldStatus, lifecycle.FieldEnd, lifecycle.FieldModified, lifecycle.FieldNext}

// listed is what holds of what the list shows.
func (s *sieve) listed(q *lifecycle.Listing, by column) []string {
	conditions := []string{s.condition(q.Filter)}
	if by.kind == instantColumn {
		conditions = append(conditions, by.name+" IS NOT NULL")
	}
	if !q.DueBy.IsZero() {
		conditions = append(conditions, "t.next_at IS NOT NULL AND t.next_at <= "+s.parameter(at(q.DueBy)))
	}
	if !q.NextFrom.IsZero() {
		conditions = append(conditions, "t.next_at IS NOT NULL AND t.next_at >= "+s.parameter(at(q.NextFrom)))
	}
	if !q.NextBefore.IsZero() {
		conditions = append(conditions, "t.next_at IS NOT NULL AND t.next_at < "+s.parameter(at(q.NextBefore)))
	}
	switch q.GlobalAdministrator {
	case lifecycle.With:
		conditions = append(conditions, holdsGlobalAdministrator)
	case lifecycle.Without:
		conditions = append(conditions, "NOT ("+holdsGlobalAdministrator+")")
	}
	if q.After != nil {
		conditions = append(conditions, s.behind(q, by))
	}
	return conditions
}

// behind is true of what follows the page before. That the first value is not before the last one seen follows from the rest, and lets
// an index begin there, which has its key from another table than the rest.
func (s *sieve) behind(q *lifecycle.Listing, by column) string {
	than := " >"
	if q.Descending {
		than = " <"
	}
	key := s.parameter(q.After.Key)
	if q.By == lifecycle.ByArrival {
		return "t.key" + than + " " + key
	}
	var place any = orDawn(q.After.Instant(q.By))
	if q.By == lifecycle.ByName {
		place = nameKey(q.After.DisplayName)
	}
	value := s.parameter(place)
	return by.name + than + "= " + value + " AND (" + by.name + ", t.key)" + than + " (" + value + ", " + key + ")"
}
