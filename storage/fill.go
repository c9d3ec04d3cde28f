package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// fill writes new rows into a table, in the quickest way that each database has: COPY on PostgreSQL, on SQLite a prepared INSERT for
// each row. It asks nothing and answers nothing, so a row whose unique key is there already fails the statement: isUnique says so.
// The columns that are named take the fields that are, in this order; what is not named takes its default.
//
// It is for transactions of beginFilling only. When ctx ends, so does fill, with ctx's error, once the server has taken in what it was given.
func fill[T any](ctx context.Context, s session, table, columns, fields string, rows []T) (err error) {
	if len(rows) == 0 {
		return nil
	}
	statement := "COPY " + table + " (" + columns + ") FROM STDIN"
	if s.dialect == sqlite {
		statement = "INSERT INTO " + table + " (" + columns + ") VALUES (?" + strings.Repeat(", ?", strings.Count(columns, ",")) + ")"
	}
	take, err := takersOf[T](fields)
	if err != nil {
		return err
	}
	unwatched := context.WithoutCancel(ctx)
	prepared, err := s.q.(sqlx.PreparerContext).PrepareContext(unwatched, statement)
	if err != nil {
		return fmt.Errorf("begin to fill %s: %w", table, err)
	}
	defer func() {
		if failed := prepared.Close(); err == nil { // else it says the same again
			err = failed
		}
	}()
	values := make([]any, len(take))
	for i := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		row := reflect.ValueOf(&rows[i]).Elem()
		for j, value := range take {
			values[j] = value(row)
		}
		if _, err := prepared.ExecContext(unwatched, values...); err != nil {
			return fmt.Errorf("fill %s: %w", table, err)
		}
	}
	if s.dialect == postgres {
		if _, err := prepared.ExecContext(unwatched); err != nil { // the end of the COPY, which hears what became of it
			return fmt.Errorf("fill %s: %w", table, err)
		}
	}
	return nil
}

// beginFilling begins a transaction in which tables are filled. It does not end by itself when ctx does, as others do: the driver would send
// its ROLLBACK into the middle of a COPY, of which another goroutine reads the answers, and wait for ever. Every statement but
// those of fill is stopped by its own context all the same.
func (db *DB) beginFilling(ctx context.Context) (*transaction, error) {
	if db.readOnly {
		return nil, ErrReadOnly
	}
	if err := db.turn(ctx); err != nil {
		return nil, err
	}
	conn, err := db.pool.Connx(ctx)
	if err != nil {
		db.yield()
		return nil, err
	}
	tx, err := conn.BeginTxx(context.WithoutCancel(ctx), &sql.TxOptions{})
	if err != nil {
		db.yield()
		return nil, errors.Join(err, conn.Close())
	}
	return &transaction{session{tx, db.dialect}, tx, db, conn}, nil
}

// A taker reads a field of a row as a parameter.
type taker func(row reflect.Value) any

var (
	typeOfDBTime    = reflect.TypeFor[dbTime]()
	typeOfTriedTime = reflect.TypeFor[triedTime]()
)

// takersOf finds the fields of T by the names that they have in JSON.
func takersOf[T any](names string) ([]taker, error) {
	byName := map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			byName[name] = field
		}
	}
	var all []taker
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		field, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("storage: %s has no field %q", reflect.TypeFor[T](), name) // a list of ours is wrong
		}
		all = append(all, takerOf(field))
	}
	return all, nil
}

func takerOf(field reflect.StructField) taker {
	index := field.Index
	switch {
	case field.Type == typeOfDBTime:
		return func(row reflect.Value) any { return instantOf(row.FieldByIndex(index).Addr().Interface().(*dbTime)) }
	case field.Type == typeOfTriedTime:
		return func(row reflect.Value) any {
			return instantOf(&row.FieldByIndex(index).Addr().Interface().(*triedTime).dbTime)
		}
	case field.Type.Kind() == reflect.String:
		return func(row reflect.Value) any { return row.FieldByIndex(index).String() }
	case field.Type.Kind() == reflect.Bool:
		return func(row reflect.Value) any { return row.FieldByIndex(index).Bool() }
	case field.Type.Kind() == reflect.Int || field.Type.Kind() == reflect.Int64:
		return func(row reflect.Value) any { return row.FieldByIndex(index).Int() }
	}
	return func(row reflect.Value) any { return row.FieldByIndex(index).Interface() }
}

func instantOf(t *dbTime) any {
	if t.IsZero() {
		return nil
	}
	var b [len(dbTimeLayout)]byte
	return string(t.append(b[:0]))
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
