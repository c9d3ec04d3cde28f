package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// fill writes new rows into a table, in the quickest way that each database has: COPY on PostgreSQL, on SQLite a prepared INSERT of
// several rows. It asks nothing and answers nothing, so a row whose unique key is there already fails the statement: isUnique says so.
// The columns that are named take the fields that are, in this order; what is not named takes its default. Each row is read before
// the next one is asked for, so that they need not all be there at once.
//
// When ctx ends, so does fill, with ctx's error, once the server has taken in what it was given.
func fill[T any](ctx context.Context, s session, table, columns, fields string, rows iter.Seq[*T]) error {
	of, err := columnsOf[T](fields)
	if err != nil {
		return err
	}
	into := copyInto
	if s.dialect == sqlite {
		into = insertInto
	}
	err = into(ctx, s, table, columns, of, func(yield func(reflect.Value) bool) {
		for row := range rows {
			if !yield(reflect.ValueOf(row).Elem()) {
				return
			}
		}
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // the driver may say no more than that the connection is of no use any more
		return ctx.Err()
	}
	return fmt.Errorf("fill %s: %w", table, err)
}

// pointers are the rows of a slice, as fill takes them.
func pointers[T any](rows []T) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := range rows {
			if !yield(&rows[i]) {
				return
			}
		}
	}
}

// rowsPerInsert is how many rows go into a table of SQLite in one statement: to begin and end one, and to open the table and each of its indexes
// for it, takes longer than a row.
const rowsPerInsert = 16

func insertInto(ctx context.Context, s session, table, columns string, of []filledColumn, rows iter.Seq[reflect.Value]) (err error) {
	// What fails undoes nothing, since all of it is undone by the caller; else SQLite would keep what it takes to undo each statement by itself.
	insert, row := "INSERT OR FAIL INTO "+table+" ("+columns+") VALUES ", "(?"+strings.Repeat(", ?", len(of)-1)+")"
	unwatched := context.WithoutCancel(ctx) // there is a look at ctx for each row, which costs less
	several, err := s.q.(sqlx.PreparerContext).PrepareContext(unwatched, insert+row+strings.Repeat(", "+row, rowsPerInsert-1))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, several.Close()) }()
	values := make([]any, 0, rowsPerInsert*len(of))
	for row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range of {
			values = append(values, of[i].value(row.FieldByIndex(of[i].index)))
		}
		if len(values) < cap(values) {
			continue
		}
		if _, err := several.ExecContext(unwatched, values...); err != nil {
			return err
		}
		values = values[:0]
	}
	for ; len(values) > 0; values = values[len(of):] {
		if _, err := s.q.ExecContext(unwatched, insert+row, values[:len(of)]...); err != nil {
			return err
		}
	}
	return nil
}

// copyPiece is how much of a COPY is handed to the driver at a time, which has a buffer just a little larger.
const copyPiece = 60 << 10 // bytes

// copyInto writes the text of a COPY itself: the driver would take row by row and value by value, and look at the type of each.
func copyInto(ctx context.Context, s session, table, columns string, of []filledColumn, rows iter.Seq[reflect.Value]) error {
	if s.conn == nil {
		return errors.New("tables are filled in a transaction only") // a caller of ours is wrong
	}
	return raw(s.conn, func(driverConn any) (err error) {
		unwatched := context.WithoutCancel(ctx) // a cancelled COPY leaves the connection where nobody can go on
		prepared, err := driverConn.(driver.ConnPrepareContext).PrepareContext(unwatched, "COPY "+table+" ("+columns+") FROM STDIN")
		if err != nil {
			return err
		}
		to, ok := prepared.(interface {
			CopyData(ctx context.Context, line string) (driver.Result, error)
		})
		defer func() { // that is the end of the COPY, and hears what became of it
			if failed := prepared.Close(); err == nil { // else it says the same again
				err = failed
			}
		}()
		if !ok {
			return fmt.Errorf("the driver's %T takes no lines of a COPY", prepared)
		}
		text := make([]byte, 0, copyPiece+4<<10)
		hand := func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, err := to.CopyData(unwatched, string(text[:len(text)-1])) // it adds the end of the line itself
			text = text[:0]
			return err
		}
		for row := range rows {
			for i := range of {
				text = append(of[i].line(text, row.FieldByIndex(of[i].index)), '\t')
			}
			text[len(text)-1] = '\n'
			if len(text) >= copyPiece {
				if err := hand(); err != nil {
					return err
				}
			}
		}
		if len(text) > 0 {
			return hand()
		}
		return nil
	})
}

// raw lends out the driver's own connection, on which a transaction may be open. [sql.Conn.Raw] would see to it that a connection which is
// found to be bad is closed, and wait for that transaction to end, which waits for us: so it hears of no error. The transaction finds out by
// itself when it is rolled back.
func raw(conn *sqlx.Conn, use func(driverConn any) error) error {
	var failed error
	err := conn.Raw(func(driverConn any) error {
		failed = use(driverConn)
		return nil
	})
	return errors.Join(err, failed)
}

// A filledColumn is a column of a table while it is filled: the field that it takes, as a parameter, and as COPY reads it.
type filledColumn struct {
	index []int
	value func(field reflect.Value) any
	line  func(text []byte, field reflect.Value) []byte
}

var (
	typeOfDBTime    = reflect.TypeFor[dbTime]()
	typeOfTriedTime = reflect.TypeFor[triedTime]()
)

// columnsOf finds the fields of T by the names that they have in JSON.
func columnsOf[T any](names string) ([]filledColumn, error) {
	byName := map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			byName[name] = field
		}
	}
	var all []filledColumn
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		field, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("storage: %s has no field %q", reflect.TypeFor[T](), name) // a list of ours is wrong
		}
		column, ok := filledColumnOf(field)
		if !ok {
			return nil, fmt.Errorf("storage: no column is filled with %s, as field %q of %s is", field.Type, name, reflect.TypeFor[T]())
		}
		all = append(all, column)
	}
	return all, nil
}

func filledColumnOf(field reflect.StructField) (filledColumn, bool) {
	instant := func(of func(reflect.Value) *dbTime) filledColumn {
		var last dbTime // rows that follow each other often have the same
		written := []byte(null)
		return filledColumn{field.Index, func(v reflect.Value) any { return instantOf(of(v)) }, func(text []byte, v reflect.Value) []byte {
			switch t := of(v); {
			case t.IsZero():
				return append(text, null...)
			case *t != last:
				last, written = *t, t.append(written[:0])
			}
			return append(text, written...)
		}}
	}
	switch field.Type {
	case typeOfDBTime:
		return instant(func(v reflect.Value) *dbTime { return v.Addr().Interface().(*dbTime) }), true
	case typeOfTriedTime:
		return instant(func(v reflect.Value) *dbTime { return &v.Addr().Interface().(*triedTime).dbTime }), true
	}
	switch field.Type.Kind() {
	case reflect.String:
		return filledColumn{field.Index, func(v reflect.Value) any { return v.String() },
			func(text []byte, v reflect.Value) []byte { return appendTextLine(text, v.String()) }}, true
	case reflect.Bool:
		return filledColumn{field.Index, func(v reflect.Value) any { return v.Bool() },
			func(text []byte, v reflect.Value) []byte { return strconv.AppendBool(text, v.Bool()) }}, true
	case reflect.Int, reflect.Int64:
		return filledColumn{field.Index, func(v reflect.Value) any { return v.Int() },
			func(text []byte, v reflect.Value) []byte { return strconv.AppendInt(text, v.Int(), 10) }}, true
	default:
		return filledColumn{}, false
	}
}

func instantOf(t *dbTime) any {
	if t.IsZero() {
		return nil
	}
	var b [len(dbTimeLayout)]byte
	return string(t.append(b[:0]))
}

// null is how COPY reads NULL.
const null = `\N`

// appendTextLine writes a text as COPY reads it: what would end a value, a line or the data is escaped.
// Source: PostgreSQL, COPY, "Text Format".
func appendTextLine(text []byte, value string) []byte {
	from := 0
	for i := range len(value) {
		var letter byte
		switch value[i] {
		case '\\':
			letter = '\\'
		case '\n':
			letter = 'n'
		case '\r':
			letter = 'r'
		case '\t':
			letter = 't'
		default:
			continue
		}
		text = append(append(text, value[from:i]...), '\\', letter)
		from = i + 1
	}
	return append(text, value[from:]...)
}

// append writes what String does, without a look at the layout.
func (t dbTime) append(b []byte) []byte {
	u := t.UTC()
	year, month, day := u.Date()
	if year < 0 || year > 9999 {
		return u.AppendFormat(b, dbTimeLayout)
	}
	hour, minute, second := u.Clock()
	b = digits(b, year, 4)
	b = digits(append(b, '-'), int(month), 2)
	b = digits(append(b, '-'), day, 2)
	b = digits(append(b, 'T'), hour, 2)
	b = digits(append(b, ':'), minute, 2)
	b = digits(append(b, ':'), second, 2)
	b = digits(append(b, '.'), u.Nanosecond()/int(time.Microsecond), 6)
	return append(b, 'Z')
}

func digits(b []byte, n, width int) []byte {
	at := len(b)
	b = append(b, "000000"[:width]...)
	for i := at + width - 1; n > 0; i, n = i-1, n/10 {
		b[i] = byte('0' + n%10)
	}
	return b
}
