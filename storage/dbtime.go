package storage

import (
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A dbTime is an instant in the database: UTC, microseconds. The zero time is NULL. It goes out as text, which PostgreSQL
// reads as timestamptz and SQLite keeps; the width is fixed, so that text sorts as time does.
type dbTime struct{ time.Time }

const dbTimeLayout = "2006-01-02T15:04:05.000000Z"

func at(t time.Time) dbTime { return dbTime{lifecycle.Instant(t)} }

// The instant before every other, for columns in which there is always one.
var dawn = dbTime{time.Date(1, time.January, 2, 0, 0, 0, 0, time.UTC)}

// orDawn is t, or dawn where t is the zero time.
func orDawn(t time.Time) dbTime {
	if t.IsZero() {
		return dawn
	}
	return at(t)
}

// unlessDawn is the opposite of [orDawn].
func (t dbTime) unlessDawn() time.Time {
	if t.Equal(dawn.Time) {
		return time.Time{}
	}
	return t.Time
}

func (t dbTime) String() string { return t.Format(dbTimeLayout) }

// Value is what a parameter carries.
func (t dbTime) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return t.String(), nil
}

// MarshalJSON is what a page of rows carries.
func (t dbTime) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.String() + `"`), nil
}

// Scan reads what either database answers.
func (t *dbTime) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*t = dbTime{}
	case time.Time:
		*t = at(v)
	case string:
		parsed, err := parseDBTime(v)
		if err != nil {
			return fmt.Errorf("%q is not an instant as storage writes it: %w", v, err)
		}
		*t = dbTime{parsed}
	default:
		return fmt.Errorf("an instant cannot be read from a %T", value)
	}
	return nil
}

// parseDBTime reads what dbTimeLayout writes. Package time has a way of its own with RFC 3339, several times as fast as with any
// other layout, and a page of relationships holds hundreds of instants.
func parseDBTime(s string) (time.Time, error) {
	const point = len("2006-01-02T15:04:05")
	if len(s) == len(dbTimeLayout) && s[point] == '.' && s[len(s)-1] == 'Z' {
		return time.Parse(time.RFC3339Nano, s)
	}
	return time.Parse(dbTimeLayout, s)
}

// A triedTime is a dbTime whose column may hold anything: what is wrong with it is kept rather than returned, so that one
// spoilt row does not make the others unreadable.
type triedTime struct {
	dbTime
	fault error
}

func tried(t time.Time) triedTime { return triedTime{dbTime: at(t)} }

// Scan satisfies [sql.Scanner].
func (t *triedTime) Scan(value any) error {
	t.fault = t.dbTime.Scan(value)
	return nil
}
