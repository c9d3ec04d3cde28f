package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// selectListed is selectRecords with the next timer.
var selectListed = strings.NewReplacer("t.name_key, ", "", "t.digest, ", "").Replace(selectRelationships)

// mostGathered is how many relationships are found by something other than the order, and sorted. Tests make it less.
var mostGathered = 4000

// Listed lists relationships for operators, as they are stored. Where q bounds the look, reached is the last one that was looked at, if there are
// more behind it and the page is not full: the list goes on there. Otherwise nothing is bounded but by the context.
func (db *DB) Listed(ctx context.Context, q lifecycle.Listing) (found []lifecycle.Listed, reached *lifecycle.Listed, err error) {
	const doing = "list relationships for operators"
	if _, ok := places[q.By]; !ok {
		return nil, nil, said(doing, fmt.Errorf("no list is sorted by %q", q.By))
	}
	if wantsNothing(q.Filter) {
		return nil, nil, nil
	}
	err = db.read(ctx, doing, func(s session) error {
		l := newLister(&q)
		gathered, err := l.gather(ctx, s)
		if err != nil {
			return err
		}
		if !gathered {
			if reached, err = l.bound(ctx, s); err != nil {
				return err
			}
		}
		found, err = readListed(ctx, s, l.list(), l.args)
		return err
	})
	if len(found) == q.Limit {
		reached = nil
	}
	return found, reached, err
}

func readListed(ctx context.Context, s session, text string, a args) (found []lifecycle.Listed, err error) {
	err = each(ctx, s, s.dialect.fill(text), a, func(row *relationshipRow) error {
		stored, err := row.stored()
		found = append(found, lifecycle.Listed{Stored: stored, Next: row.next()})
		return err
	})
	return found, err
}

// A lister makes the queries of one list. Its order is walked along, in one or more stretches of indexes, and what is not wanted is
// left out on the way; or, where something that is wanted is rare, all of that is gathered and sorted.
//
// What of a relationship stands in the other table than the order is looked up row by row. PostgreSQL would rather join the tables as
// wholes, and SQLite would rather begin with an index that is of no use.
type lister struct {
	sieve
	q         *lifecycle.Listing
	place     place
	wishes    []wish
	stretches []stretch
	few       string // what was gathered, as a query of keys; empty: nothing was
}

// The tables, and the view of both.
const (
	agreements    = "agreements"
	clocks        = "clocks"
	relationships = "relationships"
)

// A place is what a list is sorted by: a column of a table.
type place struct {
	table, column string
	plain         bool // a text
}

var places = map[lifecycle.ListingOrder]place{
	lifecycle.ByArrival:  {clocks, "key", false},
	lifecycle.ByNext:     {clocks, "next_at", false},
	lifecycle.ByEnd:      {clocks, "end_at", false},
	lifecycle.ByName:     {agreements, "name_key", true},
	lifecycle.ByModified: {clocks, "modified_at", false},
}

// A stretch is a range of an index in the order of the list. The conditions are those of the index, about table w.
type stretch struct {
	table      string
	conditions []string
}

func newLister(q *lifecycle.Listing) *lister {
	l := &lister{sieve: sieve{args: args{"limit": q.Limit, "look": q.Look - 1, "few": mostGathered}}, q: q, place: places[q.By]}
	l.wishes = l.allWishes()
	l.stretches = l.allStretches()
	return l
}

// allStretches hold every relationship that the list may show.
func (l *lister) allStretches() []stretch {
	sorted := l.sorted()
	walk := func(conditions ...string) stretch {
		return stretch{l.place.table, append(conditions, sorted...)}
	}
	switch l.q.By {
	case lifecycle.ByNext:
		return l.nexts(sorted)
	case lifecycle.ByEnd:
		return l.ends(sorted)
	case lifecycle.ByModified:
		return []stretch{walk("w.modified_at IS NOT NULL")}
	case lifecycle.ByName:
		return []stretch{walk()}
	}
	for i := range l.wishes { // by arrival there may be several, and one index is gone along
		if w := &l.wishes[i]; w.sorted == lifecycle.ByArrival {
			l.of = "w"
			l.place.table = w.table
			return []stretch{{w.table, []string{w.condition(&l.sieve)}}}
		}
	}
	if !l.onClocks() {
		l.place.table = agreements
	}
	return []stretch{{l.place.table, nil}}
}

// sorted are the conditions that the indexes of the order know of.
func (l *lister) sorted() (conditions []string) {
	l.of = "w"
	for _, w := range l.wishes {
		if w.sorted == l.q.By && l.q.By != lifecycle.ByArrival {
			conditions = append(conditions, w.condition(&l.sieve))
		}
	}
	return conditions
}

// onClocks says whether all that is wanted is what clocks move. Those rows are narrow.
func (l *lister) onClocks() bool {
	for _, w := range l.wishes {
		if w.table != clocks {
			return false
		}
	}
	return true
}

// An endClass is an index of ends, of relationships of some statuses.
type endClass struct {
	condition string
	statuses  []lifecycle.Status // nil: all that no other class has
}

// endClasses are all of them. The last one is nearly empty.
var endClasses = []endClass{
	{"w.status = 'active'", []lifecycle.Status{lifecycle.Active}},
	{"w.status IN ('expired', 'terminated')", []lifecycle.Status{lifecycle.Expired, lifecycle.Terminated}},
	{"w.status NOT IN ('active', 'expired', 'terminated')", nil},
}

// among says whether the class has any of the statuses.
func (c *endClass) among(statuses []lifecycle.Status) bool {
	return slices.ContainsFunc(statuses, func(status lifecycle.Status) bool {
		if c.statuses != nil {
			return slices.Contains(c.statuses, status)
		}
		return !slices.ContainsFunc(endClasses[:len(endClasses)-1], func(other endClass) bool { return slices.Contains(other.statuses, status) })
	})
}

// ends are the stretches in the order of the ends, without those of statuses that are not wanted.
func (l *lister) ends(sorted []string) (stretches []stretch) {
	wanted, any := l.statuses()
	for _, class := range endClasses {
		if any || class.among(wanted) {
			stretches = append(stretches, stretch{clocks, append([]string{"w.end_at IS NOT NULL", class.condition}, sorted...)})
		}
	}
	return stretches
}

// nexts are the stretches in the order of the timers: of those that run, and of those on hold.
func (l *lister) nexts(sorted []string) (stretches []stretch) {
	for held, condition := range []string{"w.next_at IS NOT NULL AND w.stayed = FALSE", "w.next_at IS NOT NULL AND w.stayed = TRUE"} {
		if held == 0 && !l.q.Held || held == 1 && l.q.DueBy.IsZero() {
			stretches = append(stretches, stretch{clocks, append([]string{condition}, sorted...)})
		}
	}
	return stretches
}

// gather looks whether something that is wanted is so rare that all of it is read and sorted, which is quicker than to look for it along
// the order.
func (l *lister) gather(ctx context.Context, s session) (gathered bool, err error) {
	for _, lead := range l.leads() {
		var parts []string
		for i, part := range lead {
			parts = append(parts, fmt.Sprintf("SELECT * FROM (SELECT w.key FROM %s AS w WHERE %s LIMIT :few) AS part%d", part.table, strings.Join(part.conditions, " AND "), i))
		}
		keys := strings.Join(parts, " UNION ALL ")
		var n int
		if err := s.get(ctx, &n, s.dialect.fill("SELECT count(*) FROM (SELECT * FROM ("+keys+") AS every LIMIT :few) AS few"), l.args); err != nil {
			return false, err
		}
		if n < mostGathered {
			l.few = keys
			l.stretches = []stretch{{l.place.table, l.placed()}}
			return true, nil
		}
	}
	return false, nil
}

// placed is the condition that there is a place.
func (l *lister) placed() []string {
	if l.place.plain || l.q.By == lifecycle.ByArrival {
		return nil
	}
	return []string{"w." + l.place.column + " IS NOT NULL"}
}

// leads are the indexes, beside those of the order, in which there may be little of what is wanted.
func (l *lister) leads() (leads [][]stretch) {
	l.of = "w"
	var ends, nexts []string
	for _, w := range l.wishes {
		switch w.sorted {
		case "", l.q.By:
		case lifecycle.ByEnd:
			ends = append(ends, w.condition(&l.sieve))
		case lifecycle.ByNext:
			nexts = append(nexts, w.condition(&l.sieve))
		default:
			leads = append(leads, []stretch{{w.table, []string{w.condition(&l.sieve)}}})
		}
	}
	if len(ends) > 0 {
		if lead := l.ends(ends); len(lead) > 0 { // no status may be left
			leads = append(leads, lead)
		}
	}
	if len(nexts) > 0 {
		if lead := l.nexts(nexts); len(lead) > 0 { // nothing is both due and on hold
			leads = append(leads, lead)
		}
	}
	return leads
}

// bound looks how far a bounded look goes, and answers with the last one that it looks at; nil where it goes to the end. Of several
// stretches each is looked along so far, and all as far as the first that is not at its end.
func (l *lister) bound(ctx context.Context, s session) (reached *lifecycle.Listed, err error) {
	if l.q.Look <= 0 {
		return nil, nil
	}
	for _, part := range l.stretches {
		// The index alone is gone along; of the last one the rest is read.
		text := selectListed + "WHERE t.key = (SELECT w.key FROM " + part.table + " AS w" + whereAll(append(part.conditions, l.behind()...)) + l.order("w.", "") + " LIMIT 1 OFFSET :look)"
		last, err := readListed(ctx, s, text, l.args)
		if err != nil {
			return nil, err
		}
		if len(last) > 0 && (reached == nil || l.before(&last[0], reached)) {
			reached = &last[0]
		}
	}
	if reached == nil {
		return nil, nil
	}
	upTo := l.compared(reached, map[bool]string{false: " <", true: " >"}[l.q.Descending], true)
	for i := range l.stretches {
		l.stretches[i].conditions = append(l.stretches[i].conditions, upTo)
	}
	return reached, nil
}

// before says whether one stands before another in the list.
func (l *lister) before(a, b *lifecycle.Listed) bool {
	c := a.Instant(l.q.By).Compare(b.Instant(l.q.By))
	if c == 0 {
		c = int(min(1, max(-1, a.Key-b.Key)))
	}
	return c < 0 != l.q.Descending
}

// list is the query: the keys first, from which what people agreed on is read for the page alone.
func (l *lister) list() string {
	var parts []string
	for i, part := range l.stretches {
		from := part.table + " AS w"
		if l.few != "" {
			// There are fewer than the limit. It keeps the database from going along the order, or for each of the few along an index of what is wanted.
			from = "(SELECT w.* FROM few CROSS JOIN " + from + " WHERE w.key = few.key LIMIT :few) AS w"
		}
		text := "SELECT w.key, w." + l.place.column + " AS place FROM " + from + whereAll(slices.Concat(part.conditions, l.behind(), l.filters(part.table)))
		if l.few == "" {
			text += l.order("w.", "") + " LIMIT :limit"
		}
		parts = append(parts, fmt.Sprintf("SELECT * FROM (%s) AS part%d", text, i))
	}
	with := ""
	if l.few != "" {
		with = "WITH few AS MATERIALIZED (" + l.few + ") "
	}
	if len(parts) == 0 {
		return selectListed + "WHERE " + never
	}
	keys := "SELECT every.key FROM (" + strings.Join(parts, " UNION ALL ") + ") AS every" + l.order("every.", "place") + " LIMIT :limit"
	return with + selectListed + "WHERE t.key IN (" + keys + ")" + l.order("t.", "")
}

func whereAll(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// order sorts by the place, which may be called so, and the key.
func (l *lister) order(table, called string) string {
	column := table + l.place.column
	if called != "" {
		column = table + called
	}
	if l.place.plain {
		column += " {{plain}}"
	}
	way := ""
	if l.q.Descending {
		way = " DESC"
	}
	if l.q.By == lifecycle.ByArrival {
		return " ORDER BY " + table + "key" + way
	}
	return " ORDER BY " + column + way + ", " + table + "key" + way
}

// filters are what is wanted of rows of a table: what stands there, and what is looked up in the other one.
func (l *lister) filters(table string) (conditions []string) {
	elsewhere := map[string][]string{}
	for _, w := range l.wishes {
		if w.table == table {
			l.of = "w"
			conditions = append(conditions, w.condition(&l.sieve))
			continue
		}
		l.of = ""
		elsewhere[w.table] = append(elsewhere[w.table], w.condition(&l.sieve))
	}
	for _, other := range []string{clocks, agreements, relationships} {
		if len(elsewhere[other]) > 0 {
			conditions = append(conditions, "(SELECT "+strings.Join(elsewhere[other], " AND ")+" FROM "+other+" AS t WHERE t.key = w.key)")
		}
	}
	return conditions
}

// behind is true of what follows the page before.
func (l *lister) behind() []string {
	if l.q.After == nil {
		return nil
	}
	return []string{l.compared(l.q.After, map[bool]string{false: " >", true: " <"}[l.q.Descending], false)}
}

// compared is true of what stands on one side of a place in the list, or there. That the first value does not stand on the other one follows
// from the rest, and lets an index begin there.
func (l *lister) compared(with *lifecycle.Listed, sign string, orThere bool) string {
	whole := sign
	if orThere {
		whole += "="
	}
	key := l.parameter(with.Key)
	if l.q.By == lifecycle.ByArrival {
		return "w.key" + whole + " " + key
	}
	var first any = orDawn(with.Instant(l.q.By))
	column := "w." + l.place.column
	if l.place.plain {
		first, column = nameKey(with.DisplayName), column+" {{plain}}"
	}
	value := l.parameter(first)
	return column + sign + "= " + value + " AND (" + column + ", w.key)" + whole + " (" + value + ", " + key + ")"
}
