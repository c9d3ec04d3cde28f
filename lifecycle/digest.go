package lifecycle

import "time"

// A Digest is how often a contact wants many notices in one letter.
type Digest string

// The digests.
const (
	NoDigest     Digest = ""
	DailyDigest  Digest = "daily"
	WeeklyDigest Digest = "weekly"
)

// Digests lists them all.
var Digests = []Digest{NoDigest, DailyDigest, WeeklyDigest}

// A DigestPolicy says when digests are made.
type DigestPolicy struct {
	At time.Duration // since midnight, UTC
	On time.Weekday  // of weekly ones
}

// Next is when the first digest after an instant is made; the zero time where there are none.
func (p *DigestPolicy) Next(d Digest, after time.Time) time.Time {
	next := after.UTC().Truncate(Day).Add(p.At)
	if !next.After(after) {
		next = next.Add(Day)
	}
	switch d {
	case DailyDigest:
		return next
	case WeeklyDigest:
		return next.Add(time.Duration((int(p.On)-int(next.Weekday())+7)%7) * Day)
	}
	return time.Time{}
}

// WaitsUntil is when a notice that is recorded at now is told to somebody who wants digests; the zero time is at once. A
// warning does not wait for a digest that leaves less than a day to do something about it.
func (p *DigestPolicy) WaitsUntil(d Digest, n *Notice, now time.Time) time.Time {
	next := p.Next(d, now)
	if n.Kind == KindWarnExpiry && next.Add(Day).After(n.End) {
		return time.Time{}
	}
	return next
}
