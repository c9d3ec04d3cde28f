package storage

import (
	"database/sql/driver"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
)

// A page is rows on their way into the database, as {{rows …}} names their columns: an array for each, which either database reads
// several times as fast as JSON; SQLite takes them in one parameter. A page may also hold plain values, for {{in …}}; those are JSON on
// SQLite.
type page[T any] []T

// Value is the JSON text.
func (p page[T]) Value() (driver.Value, error) {
	if len(p) == 0 {
		return "[]", nil // a nil slice would be null, which is no rows on neither database
	}
	text, err := json.Marshal([]T(p))
	return string(text), err
}

// itself names the one column that plain values have.
const itself = ""

// The types of columns, and the numbers by which PostgreSQL knows them. Source: PostgreSQL, catalog/pg_type.dat.
var columnTypes = map[string]uint32{"BOOLEAN": 16, "BIGINT": 20, "INTEGER": 23, "TEXT": 25, "TIMESTAMPTZ": 1184}

// column is one column of the rows as PostgreSQL receives an array in binary: the number of dimensions, whether there may be NULLs, the
// type, the length and the first index, and then of each value its length, which is below zero for NULL, and itself.
// Source: PostgreSQL, utils/adt/arrayfuncs.c, array_recv.
func (p page[T]) column(name, kind string) ([]byte, error) {
	field, ok := fieldsOf(reflect.TypeFor[T]())[name]
	known, fits := columnTypes[kind]
	if !ok || !fits {
		return nil, fmt.Errorf("a page of %T has no column %s %s", *new(T), name, kind) // a query of ours is wrong
	}
	array := make([]byte, 0, 20+roomFor(kind)*len(p))
	for _, word := range []uint32{1, 1, known, uint32(len(p)), 1} { //nolint:gosec // no page has billions of rows
		array = binary.BigEndian.AppendUint32(array, word)
	}
	rows := reflect.ValueOf([]T(p))
	for i := range p {
		start := len(array)
		array = append(array, 0, 0, 0, 0)
		var err error
		var null bool
		if array, null, err = field.append(array, field.of(rows.Index(i)), kind); err != nil {
			return nil, fmt.Errorf("column %s of a page: %w", name, err)
		}
		length := uint32(len(array) - start - 4) //nolint:gosec // no value has gigabytes
		if null {
			length = math.MaxUint32
		}
		binary.BigEndian.PutUint32(array[start:], length)
	}
	return array, nil
}

// roomFor is how many bytes a value takes, about.
func roomFor(kind string) int {
	if kind == "TEXT" {
		return 4 + 36 // many are GUIDs
	}
	return 4 + 8
}

// columnar is a page, whatever its rows are.
type columnar interface {
	column(name, kind string) ([]byte, error)
}

// A pageField is a field of a row, and how its value is written into an array.
type pageField struct {
	index  []int
	append appender
}

// An appender adds a value to an array of a type, and says whether it is NULL.
type appender func(array []byte, v reflect.Value, kind string) (longer []byte, null bool, err error)

func (f *pageField) of(row reflect.Value) reflect.Value {
	if f.index == nil {
		return row
	}
	return row.FieldByIndex(f.index)
}

var pageFields sync.Map // of maps of pageFields by the name of the column, by the type of the row

// fieldsOf finds the fields by the names that they have in JSON; those of embedded rows are among them.
func fieldsOf(row reflect.Type) map[string]pageField {
	if known, ok := pageFields.Load(row); ok {
		return known.(map[string]pageField)
	}
	fields := map[string]pageField{}
	if row.Kind() != reflect.Struct {
		fields[itself] = pageField{append: appenderOf(row)}
		pageFields.Store(row, fields)
		return fields
	}
	for _, f := range reflect.VisibleFields(row) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			fields[name] = pageField{f.Index, appenderOf(f.Type)}
		}
	}
	pageFields.Store(row, fields)
	return fields
}

func appenderOf(field reflect.Type) appender {
	switch {
	case field == reflect.TypeFor[dbTime]():
		return func(array []byte, v reflect.Value, _ string) ([]byte, bool, error) {
			return appendInstant(array, v.Addr().Interface().(*dbTime))
		}
	case field == reflect.TypeFor[triedTime]():
		return func(array []byte, v reflect.Value, _ string) ([]byte, bool, error) {
			return appendInstant(array, &v.Addr().Interface().(*triedTime).dbTime)
		}
	case field.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return func(array []byte, v reflect.Value, _ string) ([]byte, bool, error) {
			text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
			return append(array, text...), false, err
		}
	}
	switch field.Kind() {
	case reflect.String:
		return func(array []byte, v reflect.Value, _ string) ([]byte, bool, error) {
			return append(array, v.String()...), false, nil
		}
	case reflect.Int, reflect.Int64:
		return appendNumber
	case reflect.Bool:
		return appendTruth
	default:
		panic("storage: no column of a page can be a " + field.String()) // a row of ours is wrong
	}
}

func appendInstant(array []byte, t *dbTime) ([]byte, bool, error) {
	if t.IsZero() {
		return array, true, nil
	}
	return binary.BigEndian.AppendUint64(array, uint64(t.UnixMicro()-postgresBegins)), false, nil //nolint:gosec // bits are bits
}

func appendNumber(array []byte, v reflect.Value, kind string) ([]byte, bool, error) {
	n := v.Int()
	if kind != "INTEGER" {
		return binary.BigEndian.AppendUint64(array, uint64(n)), false, nil //nolint:gosec // bits are bits
	}
	if n != int64(int32(n)) { //nolint:gosec // that is the question
		return array, false, fmt.Errorf("%d is no 32-bit number", n)
	}
	return binary.BigEndian.AppendUint32(array, uint32(n)), false, nil //nolint:gosec // bits are bits
}

func appendTruth(array []byte, v reflect.Value, _ string) ([]byte, bool, error) {
	if v.Bool() {
		return append(array, 1), false, nil
	}
	return append(array, 0), false, nil
}
