package lifecycle

import "time"

// All date arithmetic of the product is in this file. PostgreSQL, SQLite and Go each have their own opinion about
// 29 February plus two years; this one is the contract's: months and years keep the day of the month, or fall back to the
// month's last day.

// After is the instant that lies p after t: first the months, by the calendar, then the span, by the clock. 29 February
// plus P2Y is 28 February; 31 January plus P1M is the last day of February. The result is UTC.
func (p Period) After(t time.Time) time.Time {
	return addMonths(t.UTC(), p.Months).Add(p.Span)
}

// Before is the instant that lies p before t, by the same rules.
func (p Period) Before(t time.Time) time.Time {
	return addMonths(t.UTC(), -p.Months).Add(-p.Span)
}

func addMonths(t time.Time, months int) time.Time {
	if months == 0 {
		return t
	}
	moved := t.AddDate(0, months, 0)
	if moved.Day() != t.Day() {
		// AddDate has run over into the month that follows; day 0 of that month is the last day of the one meant.
		moved = moved.AddDate(0, 0, -moved.Day())
	}
	return moved
}

// within says whether p, begun at whatever instant, is never longer than limit.
//
// Periods of months and periods of days cannot be compared as numbers; whether P23M28D fits into P2Y depends on where it
// begins. So the mixed ones are tried from every day of a leap cycle.
func (p Period) within(limit Period) bool {
	if p.Months == 0 && limit.Months == 0 {
		return p.Span <= limit.Span
	}
	if p.Span == 0 && limit.Span == 0 {
		return p.Months <= limit.Months
	}
	if years, months := limit.Months/12, limit.Months%12; p.Months == 0 && p.Span <= time.Duration(365*years+28*months)*Day+limit.Span {
		return true // no year has fewer than 365 days and no month fewer than 28: the common P730D in P2Y needs no trying
	}
	const leapCycle = 4*365 + 1
	for day, n := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), 0; n < leapCycle; day, n = day.Add(Day), n+1 {
		if p.After(day).After(limit.After(day)) {
			return false
		}
	}
	return true
}

// Instant brings t into the only form that the product keeps: UTC, cut (not rounded) to microseconds, which is what both
// databases can hold.
func Instant(t time.Time) time.Time {
	if t.Nanosecond()%1000 == 0 {
		return t.UTC().Round(0) // which is quick, and takes off the reading of the monotonic clock
	}
	return t.UTC().Truncate(time.Microsecond)
}

// latest is the later of the two.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
