package storage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A column is how table relationships, called t, keeps a field. Only instants are ever NULL.
type column struct {
	name  string
	kind  columnKind
	key   func(string) string // of a text: as what it is kept for comparing; nil: as it is
	field lifecycle.Field
}

type columnKind int

const (
	textColumn columnKind = iota // empty where there is no value
	instantColumn
	flagColumn
)

// columns are those of the fields.
var columns = map[lifecycle.Field]column{
	lifecycle.FieldID:           {name: "t.id"},
	lifecycle.FieldName:         {name: "t.name_key", key: nameKey},
	lifecycle.FieldDuration:     {name: "t.duration"},
	lifecycle.FieldAutoExtend:   {name: "t.auto_extend", kind: flagColumn},
	lifecycle.FieldStatus:       {name: "t.status"},
	lifecycle.FieldPartner:      {name: "t.partner_id"},
	lifecycle.FieldCustomer:     {name: "t.customer_id"},
	lifecycle.FieldCustomerName: {name: "t.customer_name"},
	lifecycle.FieldCreated:      {name: "t.created_at", kind: instantColumn},
	lifecycle.FieldModified:     {name: "t.modified_at", kind: instantColumn},
	lifecycle.FieldLocked:       {name: "t.locked_at", kind: instantColumn},
	lifecycle.FieldActivated:    {name: "t.activated_at", kind: instantColumn},
	lifecycle.FieldEnd:          {name: "t.end_at", kind: instantColumn},
	lifecycle.FieldNameReleased: {name: "(t.name_released_at IS NOT NULL)", kind: flagColumn},
	lifecycle.FieldNext:         {name: "t.next_rule"},
}

func columnOf(f lifecycle.Field) column {
	c, ok := columns[f]
	if !ok {
		panic("storage: no column keeps the field " + string(f)) // whoever parses what people ask for knows the fields
	}
	c.field = f
	return c
}

// text is a value as the column keeps it; empty: null.
func (c column) text(v lifecycle.Value) string {
	text := clean(v.Text)
	if c.key != nil {
		text = c.key(text)
	}
	return text
}

// isNull says whether the value is that of a record that has none.
func (c column) isNull(v lifecycle.Value) bool {
	switch c.kind {
	case instantColumn:
		return v.At.IsZero()
	case flagColumn:
		return false
	}
	return c.text(v) == ""
}

// Conditions that need no database.
const (
	always = "TRUE"
	never  = "FALSE"
)

// A sieve writes filters as conditions of SQL, and keeps their parameters. Each condition is true or false of every row, never
// NULL, so that its opposite is NOT. The text holds places for the dialect, and nothing that people wrote.
type sieve struct {
	args args
	of   string // what the table is called; empty: t
}

// column is that of a field, in the table that the sieve writes about.
func (s *sieve) column(f lifecycle.Field) column {
	c := columnOf(f)
	if s.of != "" {
		c.name = strings.Replace(c.name, "t.", s.of+".", 1)
	}
	return c
}

// value is the place of a text to compare a column with. Statuses stand as they are: indexes are of some of them, and a database that
// learns the values later than the query does not see which will do.
func (s *sieve) value(c column, text string) string {
	if c.field == lifecycle.FieldStatus && lifecycle.Status(text).Known() {
		return "'" + text + "'"
	}
	return s.parameter(text)
}

// parameter is the place of a value.
func (s *sieve) parameter(value any) string {
	name := "f" + strconv.Itoa(len(s.args))
	s.args[name] = value
	return ":" + name
}

// condition is true of the rows that the filter wants.
func (s *sieve) condition(f lifecycle.Filter) string {
	switch f := f.(type) {
	case nil:
		return always
	case lifecycle.All:
		return s.join(f, " AND ", always, never)
	case lifecycle.Any:
		return s.join(f, " OR ", never, always)
	case lifecycle.Not:
		return not(s.condition(f.Filter))
	case lifecycle.Compare:
		return s.compare(s.column(f.Field), f.By, f.Value)
	case lifecycle.Among:
		return s.among(s.column(f.Field), f.Values)
	}
	panic(fmt.Sprintf("storage: %T is no filter", f))
}

// join leaves out the conditions that say nothing, and all the others where one of them settles it.
func (s *sieve) join(filters []lifecycle.Filter, by, neutral, settles string) string {
	var parts []string
	for _, f := range filters {
		switch part := s.condition(f); part {
		case neutral:
		case settles:
			return settles
		default:
			parts = append(parts, part)
		}
	}
	switch len(parts) {
	case 0:
		return neutral
	case 1:
		return parts[0]
	}
	return "(" + strings.Join(parts, by) + ")"
}

func not(condition string) string {
	switch condition {
	case always:
		return never
	case never:
		return always
	}
	return "NOT (" + condition + ")"
}

func (s *sieve) compare(c column, by lifecycle.Comparison, v lifecycle.Value) string {
	switch {
	case by == lifecycle.NotEqual:
		return not(s.compare(c, lifecycle.Equal, v))
	case c.kind == flagColumn:
		return isFlag(c, by, v.Flag)
	case c.isNull(v):
		return comparedToNull(c, by)
	case c.kind == instantColumn:
		sign, ok := signs[by]
		if !ok {
			return never
		}
		return "(" + c.name + " IS NOT NULL AND " + c.name + sign + s.parameter(at(v.At)) + ")"
	}
	return s.compareText(c, by, c.text(v))
}

var signs = map[lifecycle.Comparison]string{
	lifecycle.Equal: " = ", lifecycle.Less: " < ", lifecycle.LessOrEqual: " <= ", lifecycle.Greater: " > ", lifecycle.GreaterOrEqual: " >= ",
}

func isFlag(c column, by lifecycle.Comparison, flag bool) string {
	switch {
	case by != lifecycle.Equal:
		return never
	case flag:
		return c.name
	}
	return not(c.name)
}

// comparedToNull is about what is null itself, since nothing else compares to null. Every text that there is begins with, and
// contains, the empty one.
func comparedToNull(c column, by lifecycle.Comparison) string {
	switch by {
	case lifecycle.Equal, lifecycle.LessOrEqual, lifecycle.GreaterOrEqual:
		return isNull(c)
	case lifecycle.StartsWith, lifecycle.Contains:
		return not(isNull(c))
	}
	return never
}

func isNull(c column) string {
	if c.kind == instantColumn {
		return c.name + " IS NULL"
	}
	return c.name + " = ''"
}

// compareText compares to a text that is not empty.
func (s *sieve) compareText(c column, by lifecycle.Comparison, text string) string {
	value := s.value(c, text)
	switch by {
	case lifecycle.Equal:
		return indexable(c, c.name+" = "+value)
	case lifecycle.Less, lifecycle.LessOrEqual:
		return "(" + c.name + " <> '' AND " + c.name + " {{plain}}" + signs[by] + value + ")"
	case lifecycle.Greater, lifecycle.GreaterOrEqual:
		return c.name + " {{plain}}" + signs[by] + value
	case lifecycle.StartsWith:
		return s.startsWith(c, text, value)
	case lifecycle.Contains:
		return "{{find}}(" + c.name + ", " + value + ") > 0"
	}
	return never
}

// startsWith is a range as well, since an index knows nothing of the beginnings of texts.
func (s *sieve) startsWith(c column, text, value string) string {
	condition := "substr(" + c.name + ", 1, " + strconv.Itoa(utf8.RuneCountInString(text)) + ") = " + value + " AND " + c.name + " {{plain}} >= " + value
	if above := afterAll(text); above != "" {
		condition += " AND " + c.name + " {{plain}} < " + s.parameter(above)
	}
	return "(" + condition + ")"
}

// afterAll is the first text behind all that begin with a text, byte by byte; empty where there is none.
func afterAll(text string) string {
	runes := []rune(text)
	for i := len(runes) - 1; i >= 0; i-- {
		if runes[i] == utf8.MaxRune {
			continue
		}
		next := runes[i] + 1
		if !utf8.ValidRune(next) {
			next = 0xE000 // behind the surrogates, which are no characters
		}
		return string(runes[:i]) + string(next)
	}
	return ""
}

// indexable repeats the condition of the index relationships_of_customer, without which SQLite does not use it.
func indexable(c column, condition string) string {
	if c.field != lifecycle.FieldCustomer {
		return condition
	}
	return "(" + condition + " AND " + c.name + " <> '')"
}

func (s *sieve) among(c column, values []lifecycle.Value) string {
	if c.kind != textColumn {
		filters := make([]string, 0, len(values))
		for _, v := range values {
			filters = append(filters, s.compare(c, lifecycle.Equal, v))
		}
		if len(filters) == 0 {
			return never
		}
		return "(" + strings.Join(filters, " OR ") + ")"
	}
	seen := make(map[string]bool, len(values))
	var places []string
	for _, v := range values {
		if text := c.text(v); !seen[text] {
			seen[text] = true
			places = append(places, s.value(c, text))
		}
	}
	if len(places) == 0 {
		return never
	}
	condition := c.name + " IN (" + strings.Join(places, ", ") + ")"
	if seen[""] {
		return condition
	}
	return indexable(c, condition)
}

// after is true of the rows that follow the cursor in the order.
func (s *sieve) after(order []lifecycle.Order, cursor *lifecycle.Cursor) (string, error) {
	if len(cursor.Values) != len(order) {
		return "", fmt.Errorf("a cursor of %d values does not fit an order of %d fields", len(cursor.Values), len(order))
	}
	follows := "t.key > " + s.parameter(cursor.Key)
	for i := len(order) - 1; i >= 0; i-- {
		c, v := columnOf(order[i].Field), cursor.Values[i]
		follows = "(" + s.compare(c, lifecycle.Equal, v) + " AND " + follows + ")"
		if beyond := s.beyond(c, order[i].Descending, v); beyond != never {
			follows = "(" + beyond + " OR " + follows + ")"
		}
	}
	return follows, nil
}

// beyond is true of the rows whose value follows v. What has no value comes first, or last where the order is descending.
func (s *sieve) beyond(c column, descending bool, v lifecycle.Value) string {
	switch {
	case c.kind == flagColumn && v.Flag != descending:
		return never
	case c.kind == flagColumn:
		return isFlag(c, lifecycle.Equal, !v.Flag)
	case c.isNull(v) && descending:
		return never
	case c.isNull(v):
		return not(isNull(c))
	case descending:
		return not(s.compare(c, lifecycle.GreaterOrEqual, v))
	}
	return s.compare(c, lifecycle.Greater, v)
}

// orderBy sorts alike on both databases, which by themselves disagree about NULL and about text. Where the filter leaves nothing that
// is NULL there is no word of it, so that an index will do.
func orderBy(order []lifecycle.Order, f lifecycle.Filter) string {
	var by strings.Builder
	for _, o := range order {
		c := columnOf(o.Field)
		by.WriteString(c.name)
		if c.kind == textColumn {
			by.WriteString(" {{plain}}")
		}
		if o.Descending {
			by.WriteString(" DESC")
		}
		switch {
		case c.kind == instantColumn && neverNull(f, o.Field):
		case c.kind == instantColumn && o.Descending:
			by.WriteString(" NULLS LAST")
		case c.kind == instantColumn:
			by.WriteString(" NULLS FIRST")
		}
		by.WriteString(", ")
	}
	return by.String() + "t.key"
}

// neverNull says whether a filter wants an instant to be before or after another one, which what has none is not.
func neverNull(f lifecycle.Filter, field lifecycle.Field) bool {
	switch f := f.(type) {
	case lifecycle.All:
		return slices.ContainsFunc(f, func(f lifecycle.Filter) bool { return neverNull(f, field) })
	case lifecycle.Compare:
		return f.Field == field && f.By != lifecycle.NotEqual && !f.Value.At.IsZero()
	}
	return false
}

// sifted is what follows SELECT … FROM relationships AS t in a query for what is wanted.
func sifted(q *lifecycle.RelationshipQuery) (string, args, error) {
	s := sieve{args: args{}}
	text := "WHERE " + s.condition(q.Filter)
	if q.After != nil {
		after, err := s.after(q.Order, q.After)
		if err != nil {
			return "", nil, err
		}
		text += " AND " + after
	}
	text += " ORDER BY " + orderBy(q.Order, q.Filter)
	if q.Limit > 0 {
		text += " LIMIT " + s.parameter(q.Limit)
	}
	return text, s.args, nil
}
