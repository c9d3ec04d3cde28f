package lifecycle

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Day is 24 hours: the contract counts days by the clock, never by the calendar.
const Day = 24 * time.Hour

// A Period is an ISO 8601 duration: whole calendar months, and beside them a span of exact time. Years are twelve months,
// weeks seven days, days 24 hours. Periods are comparable with ==, by value: P104W2D == P730D, P2Y == P24M, and P1M != P30D.
// The zero Period is no time at all.
type Period struct {
	Months int
	Span   time.Duration
}

// Days is a period of n times 24 hours.
func Days(n int) Period { return Period{Span: time.Duration(n) * Day} }

// Months is a period of n calendar months.
func Months(n int) Period { return Period{Months: n} }

// maxPeriodYears keeps every sum of an instant and a period inside what RFC 3339 can write. Nothing in this field lasts longer.
const maxPeriodYears = 200

// ParsePeriod reads an ISO 8601 duration, e.g. "P730D", "P104W2D", "P1Y6M", "PT6H". What Graph clients send for a zero
// period, "P", counts as zero. Fractions, signs and lower case letters are refused, as is anything above 200 years.
func ParsePeriod(s string) (Period, error) {
	p, err := readPeriod(s)
	if err != nil {
		return Period{}, fmt.Errorf("%q %w", shorten(s), err)
	}
	return p, nil
}

// readPeriod is ParsePeriod with an error that leaves out the value, for where it is named anyway.
func readPeriod(s string) (Period, error) {
	rest, ok := strings.CutPrefix(s, "P")
	if !ok {
		return Period{}, periodError("an ISO 8601 period begins with P")
	}
	date, clock, hasClock := strings.Cut(rest, "T")
	if hasClock && clock == "" {
		return Period{}, periodError("nothing follows the T")
	}
	var p Period
	if err := p.addParts(date, dateUnits); err != nil {
		return Period{}, periodError(err.Error())
	}
	if err := p.addParts(clock, clockUnits); err != nil {
		return Period{}, periodError(err.Error())
	}
	return p, nil
}

func periodError(reason string) error {
	return fmt.Errorf("is not a period: %s; write it like P90D, P2Y or PT6H", reason)
}

type periodUnit struct {
	letter byte
	months int
	span   time.Duration
}

// In the order in which ISO 8601 wants them.
var (
	dateUnits  = []periodUnit{{'Y', 12, 0}, {'M', 1, 0}, {'W', 0, 7 * Day}, {'D', 0, Day}}
	clockUnits = []periodUnit{{'H', 0, time.Hour}, {'M', 0, time.Minute}, {'S', 0, time.Second}}
)

// addParts adds number-and-letter pairs such as "1Y6M" to p; each unit may come once, in the order of units.
func (p *Period) addParts(s string, units []periodUnit) error {
	for s != "" {
		digits := 0
		for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
			digits++
		}
		if digits == 0 || digits == len(s) {
			return errors.New("each part is a whole number and a letter")
		}
		n, err := strconv.ParseInt(s[:digits], 10, 32)
		if err != nil {
			return fmt.Errorf("%s… is too large a number", s[:min(digits, 12)])
		}
		i := 0
		for i < len(units) && units[i].letter != s[digits] {
			i++
		}
		if i == len(units) {
			return fmt.Errorf("unit %q is unknown, repeated or out of order", s[digits:digits+1])
		}
		if err := p.add(n, units[i]); err != nil {
			return err
		}
		units, s = units[i+1:], s[digits+1:]
	}
	return nil
}

func (p *Period) add(n int64, u periodUnit) error {
	if n > maxPeriodYears*12 && u.months > 0 || u.span > 0 && n > int64((math.MaxInt64-p.Span)/u.span) {
		return errTooLong
	}
	p.Months += int(n) * u.months
	p.Span += time.Duration(n) * u.span
	if p.Months > maxPeriodYears*12 || p.Span > maxPeriodYears*366*Day {
		return errTooLong
	}
	return nil
}

var errTooLong = fmt.Errorf("it is longer than %d years", maxPeriodYears)

// String writes the period in its one canonical form: years and months, then days, then hours, minutes and seconds;
// never weeks. The zero period is "PT0S".
func (p Period) String() string {
	var room [64]byte
	return string(p.appendTo(room[:0]))
}

// appendTo is String, behind what b holds.
func (p Period) appendTo(b []byte) []byte {
	if p == (Period{}) {
		return append(b, "PT0S"...)
	}
	part := func(n int64, letter byte) {
		if n != 0 {
			b = append(strconv.AppendInt(b, n, 10), letter)
		}
	}
	b = append(b, 'P')
	part(int64(p.Months/12), 'Y')
	part(int64(p.Months%12), 'M')
	part(int64(p.Span/Day), 'D')
	if clock := p.Span % Day; clock != 0 {
		b = append(b, 'T')
		part(int64(clock/time.Hour), 'H')
		part(int64(clock%time.Hour/time.Minute), 'M')
		part(int64(clock%time.Minute/time.Second), 'S')
	}
	return b
}

// IsZero says whether the period is no time at all.
func (p Period) IsZero() bool { return p == Period{} }

// MarshalText writes the canonical form.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is [ParsePeriod].
func (p *Period) UnmarshalText(text []byte) error {
	parsed, err := ParsePeriod(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}
