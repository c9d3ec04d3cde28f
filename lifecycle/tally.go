package lifecycle

import "time"

// A TimerCount says how many next timers of a rule fall due from an instant on, up to the next instant that was asked about.
type TimerCount struct {
	From time.Time // the zero time: whenever
	Rule RuleName
	N    int64
}

// An EndCount says how many relationships end, or have ended, from an instant on, up to the next instant that was asked about.
type EndCount struct {
	From   time.Time // the zero time: whenever
	Active int64     // end or are extended then
	Ended  int64     // have ended, or lapsed, then
}

// RoleCounts say which roles active relationships hold.
type RoleCounts struct {
	Relationships       int64            // all that are active
	GlobalAdministrator int64            // of them, those that hold it
	Roles               map[string]int64 // of them, those that hold a role, by its template id
}

// A CustomerCount is a customer, and how many relationships there are with it.
type CustomerCount struct {
	Tenant
	Relationships int64 // of whatever status
	Active        int64
}
