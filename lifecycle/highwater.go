package lifecycle

import (
	"fmt"
	"time"
)

// A HighWater is how far a deployment had come when somebody looked last: neither its clock nor the number of its events ever goes
// back. It is kept in the database and, because a restored database brings an old one along, with witnesses outside of it.
type HighWater struct {
	Deployment string    `json:"deployment"` // which one it is about
	Seen       time.Time `json:"time"`       // the latest time that its clock showed; zero: nobody has looked yet
	Events     int64     `json:"events"`     // how many there were
}

// Lacks says whether a witness knows of more than there is: of more events, or of a later time. One of another deployment knows
// nothing of this one.
func (h HighWater) Lacks(witness HighWater) bool {
	return witness.Deployment == h.Deployment && (witness.Events > h.Events || witness.Seen.After(h.Seen))
}

// WhyAstray says for people why a clock that shows now is not believed. The reason is that of [QuarantinePolicy.Astray].
func WhyAstray(reason Reason, seen, now time.Time) string {
	side, apart := "after", now.Sub(seen)
	if reason == ClockBack {
		side, apart = "before", -apart
	}
	return fmt.Sprintf("the clock shows %s, %s %s the last time that tenure saw, %s", FormatInstant(now), roughly(apart), side, FormatInstant(seen))
}

// WhyMissing says for people what a witness knows of that the database does not.
func WhyMissing(witness, h HighWater) string {
	return fmt.Sprintf("there were %d events at %s, and the database has %d and ends at %s: it looks like an older copy", witness.Events,
		FormatInstant(witness.Seen), h.Events, FormatInstant(h.Seen))
}

// roughly writes a duration for people: days once there are two of them.
func roughly(d time.Duration) string {
	if d >= 2*Day {
		return fmt.Sprintf("%d days", d/Day)
	}
	return d.Round(time.Second).String()
}
