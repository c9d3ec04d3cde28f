package storage

import (
	"time"

	"slices"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A wish is one of the things that a list for operators is filtered by. All of them have to come true.
type wish struct {
	table     string                 // that knows it; the view where it takes both tables
	sorted    lifecycle.ListingOrder // in which an index has what comes true; empty: no index knows of it
	condition func(s *sieve) string  // true or false of every row of the table, which the sieve knows by its name
	statuses  []lifecycle.Status     // that it leaves, if it is about them
}

// allWishes are those of the query; what is likely to be rare comes first.
func (l *lister) allWishes() (wishes []wish) {
	for _, f := range conjuncts(l.q.Filter) {
		wishes = append(wishes, wishOf(f))
	}
	if l.q.Role != "" {
		wishes = append(wishes, holdsRole(l.q.Role))
	}
	switch l.q.GlobalAdministrator {
	case lifecycle.With:
		wishes = append(wishes, wish{table: agreements, sorted: lifecycle.ByArrival, condition: holdsGlobalAdministrator})
	case lifecycle.Without:
		wishes = append(wishes, wish{table: agreements, condition: func(s *sieve) string { return not(holdsGlobalAdministrator(s)) }})
	}
	if l.q.Held {
		wishes = append(wishes, wish{table: clocks, sorted: lifecycle.ByNext, condition: func(s *sieve) string { return s.in("stayed") + " = TRUE" }})
	}
	if !l.q.DueBy.IsZero() {
		wishes = append(wishes, wish{table: clocks, sorted: lifecycle.ByNext, condition: func(s *sieve) string {
			return s.in("stayed") + " = FALSE AND " + s.in("next_at") + " IS NOT NULL AND " + s.in("next_at") + " <= " + s.parameter(at(l.q.DueBy))
		}})
	}
	for _, end := range []struct {
		at   time.Time
		sign string
	}{{l.q.NextFrom, " >= "}, {l.q.NextBefore, " < "}} {
		if !end.at.IsZero() {
			wishes = append(wishes, wish{table: clocks, sorted: lifecycle.ByNext, condition: func(s *sieve) string {
				return s.in("next_at") + " IS NOT NULL AND " + s.in("next_at") + end.sign + s.parameter(at(end.at))
			}})
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int { return a.rank() - b.rank() })
	return wishes
}

// in is a column of the table that the sieve writes about.
func (s *sieve) in(column string) string {
	if s.of == "" {
		return "t." + column
	}
	return s.of + "." + column
}

// holdsGlobalAdministrator is the condition of an index, which has it in the same words.
func holdsGlobalAdministrator(s *sieve) string {
	return "{{find}}(" + s.in("roles") + ", '" + lifecycle.GlobalAdministrator + "') > 0"
}

func holdsRole(role string) wish {
	return wish{table: agreements, condition: func(s *sieve) string {
		return "{{find}}(" + s.in("roles") + ", " + s.parameter(`"`+clean(role)+`"`) + ") > 0"
	}}
}

// conjuncts are the filters that a filter is made of, all of which have to come true.
func conjuncts(f lifecycle.Filter) (all []lifecycle.Filter) {
	switch f := f.(type) {
	case nil:
		return nil
	case lifecycle.All:
		for _, part := range f {
			all = append(all, conjuncts(part)...)
		}
		return all
	}
	return []lifecycle.Filter{f}
}

// wantsNothing says whether a filter is true of no record, whatever there is: nobody need look for that.
func wantsNothing(f lifecycle.Filter) bool {
	return slices.ContainsFunc(conjuncts(f), func(part lifecycle.Filter) bool {
		s := sieve{args: args{}}
		return s.condition(part) == never
	})
}

// The conditions of indexes, which SQLite does not use without them.
const (
	unapproved = " IN ('created', 'approvalPending')"
	onTheirWay = " IN ('approved', 'activating', 'expiring', 'terminationRequested', 'terminating')"
)

// wishOf is a filter as a wish.
func wishOf(f lifecycle.Filter) wish {
	w := wish{table: tableOf(f), condition: func(s *sieve) string { return s.condition(f) }}
	switch f := f.(type) {
	case lifecycle.Among:
		if f.Field == lifecycle.FieldStatus {
			w.statuses = []lifecycle.Status{}
			for _, v := range f.Values {
				w.statuses = append(w.statuses, lifecycle.Status(v.Text))
			}
		}
	case lifecycle.Compare:
		w.sorted = sortedBy(&f)
		if f.Field == lifecycle.FieldStatus && f.By == lifecycle.Equal {
			status := lifecycle.Status(f.Value.Text)
			w.statuses = []lifecycle.Status{status}
			for _, index := range []struct {
				condition string
				of        []lifecycle.Status
			}{
				{unapproved, []lifecycle.Status{lifecycle.Created, lifecycle.ApprovalPending}},
				{onTheirWay, []lifecycle.Status{lifecycle.Approved, lifecycle.Activating, lifecycle.Expiring, lifecycle.TerminationRequested, lifecycle.Terminating}},
			} {
				if slices.Contains(index.of, status) {
					w.sorted = lifecycle.ByArrival
					w.condition = func(s *sieve) string { return s.condition(f) + " AND " + s.in("status") + index.condition }
				}
			}
		}
	}
	return w
}

// sortedBy is the order in which an index has what comes true of a comparison; empty where none has.
func sortedBy(f *lifecycle.Compare) lifecycle.ListingOrder {
	switch f.Field {
	case lifecycle.FieldID, lifecycle.FieldPartner, lifecycle.FieldCustomer:
		if f.By == lifecycle.Equal && f.Value.Text != "" {
			return lifecycle.ByArrival
		}
	case lifecycle.FieldName:
		if (f.By == lifecycle.StartsWith || f.By == lifecycle.Equal) && f.Value.Text != "" {
			return lifecycle.ByName
		}
	case lifecycle.FieldEnd:
		if f.By != lifecycle.NotEqual && !f.Value.At.IsZero() {
			return lifecycle.ByEnd
		}
	}
	return ""
}

// rank is lower for what is likely to be rarer.
func (w *wish) rank() int {
	switch {
	case w.sorted == lifecycle.ByNext: // due, or on hold
		return 0
	case w.sorted == lifecycle.ByArrival && w.table == agreements:
		return 1
	case w.sorted != "":
		return 2
	}
	return 3
}

// tableOf is the table that has the fields of a filter, or the view of both.
func tableOf(f lifecycle.Filter) string {
	var table string
	for _, field := range fieldsIn(f) {
		of := agreements
		if slices.Contains(movedFields, field) {
			of = clocks
		}
		if table != "" && table != of {
			return relationships
		}
		table = of
	}
	if table == "" {
		return clocks // it asks nothing
	}
	return table
}

// movedFields are those that clocks move.
var movedFields = []lifecycle.Field{lifecycle.FieldStatus, lifecycle.FieldEnd, lifecycle.FieldModified, lifecycle.FieldNext}

func fieldsIn(f lifecycle.Filter) (fields []lifecycle.Field) {
	switch f := f.(type) {
	case lifecycle.All:
		for _, part := range f {
			fields = append(fields, fieldsIn(part)...)
		}
	case lifecycle.Any:
		for _, part := range f {
			fields = append(fields, fieldsIn(part)...)
		}
	case lifecycle.Not:
		return fieldsIn(f.Filter)
	case lifecycle.Compare:
		return []lifecycle.Field{f.Field}
	case lifecycle.Among:
		return []lifecycle.Field{f.Field}
	}
	return fields
}

// statuses are those that the wishes leave; any: nothing is said of them.
func (l *lister) statuses() (wanted []lifecycle.Status, any bool) {
	any = true
	for _, w := range l.wishes {
		switch {
		case w.statuses == nil:
		case any:
			wanted, any = w.statuses, false
		default:
			wanted = slices.DeleteFunc(slices.Clone(wanted), func(s lifecycle.Status) bool { return !slices.Contains(w.statuses, s) })
		}
	}
	return wanted, any
}
