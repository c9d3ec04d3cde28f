package storage

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// outlookRows are relationships as they come from the database, row by row and, in each, column by column in the order in which they
// were asked for. To make records of them is work that others than the one who reads can do. What cannot be read is noted and is the
// zero value, so that one spoilt row does not make the others unreadable. The names of columns are for what is noted.
type outlookRows interface {
	next() // goes on to the next row, which is there
	text(column string) string
	number(column string) int64
	truth(column string) bool
	instant(column string) time.Time
	fault(column string, err error) // notes one; nil is none
	spoilt() error                  // what was noted of the row
}

// packed has PostgreSQL send a page as one value: that spares it to write instants as text, and the driver and us to take a page
// apart value by value before another goroutine can. With it come how many rows it has, and the greatest key.
func packed(query string) string {
	return `SELECT count(*), coalesce(max(t.key), 0), string_agg(record_send(t), CAST('' AS bytea)) FROM (` + query + `) AS t`
}

// readPage reads at most so many rows of a query of relationships, in its order.
func readPage(ctx context.Context, s session, query string, a args, most int) (outlookRows, int, error) {
	if s.dialect != postgres {
		return readRows(ctx, s, query, a, most, new(int64))
	}
	var row struct {
		N    int    `json:"count"`
		Last int64  `json:"coalesce"`
		Page []byte `json:"string_agg"`
	}
	err := s.get(ctx, &row, packed(query), a)
	return &packedRows{rest: string(row.Page)}, row.N, err
}

// readRows reads what is not packed, and notes the key of the last row.
func readRows(ctx context.Context, s session, query string, a args, most int, last *int64) (outlookRows, int, error) {
	text, values, err := s.bound(query, a)
	if err != nil {
		return nil, 0, err
	}
	found, err := s.q.QueryContext(ctx, text, values...)
	if err != nil {
		return nil, 0, err
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		return nil, 0, err
	}
	rows, n := &scannedRows{columns: len(columns), values: make([]any, 0, len(columns)*min(most, mostAtOnce))}, 0
	into, blank := make([]any, len(columns)), make([]any, len(columns))
	for ; found.Next(); n++ {
		from := len(rows.values)
		rows.values = append(rows.values, blank...)
		for i := range into {
			into[i] = &rows.values[from+i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, 0, err
		}
		*last, _ = rows.values[from].(int64)
	}
	return rows, n, found.Err()
}

type rowFaults []error

func (f *rowFaults) fault(column string, err error) {
	if err != nil {
		*f = append(*f, fmt.Errorf("column %s cannot be read: %w", column, err))
	}
}

func (f *rowFaults) spoilt() error { return errors.Join(*f...) }

// scannedRows are as the driver of SQLite hands them over.
type scannedRows struct {
	rowFaults
	columns int
	values  []any // row by row
	row, at int
}

func (rows *scannedRows) next() {
	rows.rowFaults, rows.at = nil, rows.row*rows.columns
	rows.row++
}

func (rows *scannedRows) value() any {
	value := rows.values[rows.at]
	rows.at++
	return value
}

func (rows *scannedRows) text(column string) string {
	switch v := rows.value().(type) {
	case string:
		return v
	case []byte:
		return string(v)
	default:
		rows.fault(column, fmt.Errorf("%v is no text", v))
		return ""
	}
}

func (rows *scannedRows) number(column string) int64 {
	value := rows.value()
	n, ok := value.(int64)
	if !ok {
		rows.fault(column, fmt.Errorf("%v is no whole number", value))
	}
	return n
}

func (rows *scannedRows) truth(column string) bool {
	switch v := rows.value().(type) {
	case bool:
		return v
	case int64:
		return v != 0
	default:
		rows.fault(column, fmt.Errorf("%v is neither true nor false", v))
		return false
	}
}

func (rows *scannedRows) instant(column string) time.Time {
	value := rows.value()
	if text, ok := value.([]byte); ok {
		value = string(text)
	}
	var t dbTime
	rows.fault(column, t.Scan(value))
	return t.Time
}

// packedRows are as PostgreSQL's record_send writes them: the number of columns, and of each column its type, its length, which is
// below zero where it is NULL, and its value as it goes over the wire in binary. Numbers are big-endian. What texts there are share
// the memory of the page.
type packedRows struct {
	rowFaults
	rest string
}

const wordLength = 4

func (rows *packedRows) next() { rows.rowFaults, rows.rest = nil, rows.rest[wordLength:] }

func (rows *packedRows) value() (value string, null bool) {
	length := int32(bigEndian(rows.rest[wordLength : 2*wordLength])) //nolint:gosec // it is below zero for NULL
	rows.rest = rows.rest[2*wordLength:]
	if length < 0 {
		return "", true
	}
	value, rows.rest = rows.rest[:length], rows.rest[length:]
	return value, false
}

func (rows *packedRows) text(column string) string {
	value, null := rows.value()
	if null {
		rows.fault(column, errors.New("there is none"))
	}
	return value
}

func (rows *packedRows) number(column string) int64 {
	switch value, _ := rows.value(); len(value) {
	case 8:
		return int64(bigEndian(value)) //nolint:gosec // as it was written
	case 4:
		return int64(int32(bigEndian(value))) //nolint:gosec // the same
	default:
		rows.fault(column, fmt.Errorf("a number of %d bytes", len(value)))
		return 0
	}
}

func (rows *packedRows) truth(column string) bool {
	value, _ := rows.value()
	if len(value) != 1 {
		rows.fault(column, fmt.Errorf("a truth of %d bytes", len(value)))
		return false
	}
	return value[0] != 0
}

// postgresBegins is where PostgreSQL counts microseconds from.
var postgresBegins = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func (rows *packedRows) instant(column string) time.Time {
	value, null := rows.value()
	if null {
		return time.Time{}
	}
	if len(value) != 8 {
		rows.fault(column, fmt.Errorf("an instant of %d bytes", len(value)))
		return time.Time{}
	}
	since := int64(bigEndian(value)) //nolint:gosec // as it was written
	if since == math.MaxInt64 || since == math.MinInt64 {
		rows.fault(column, errInfinite)
		return time.Time{}
	}
	return sincePostgresBegins(since)
}

var errInfinite = errors.New("infinity is no instant as storage writes it")

func sincePostgresBegins(microseconds int64) time.Time {
	return time.UnixMicro(postgresBegins + microseconds).UTC()
}

// bigEndian is the number that up to eight bytes write.
func bigEndian(s string) (n uint64) {
	for i := range len(s) {
		n = n<<8 | uint64(s[i])
	}
	return n
}
