package lifecycle

import "time"

// An Account is everything that a database holds of one relationship, so that its history can be gone through again.
type Account struct {
	Key     int64
	ID      string       // of the row, or else of the tombstone; empty where there is neither
	Row     *AccountRow  // nil: there is none
	Buried  time.Time    // when the draft was deleted, as its tombstone says; zero: there is none
	Events  []Event      // the steps of its life, by version; refusals and orders are none
	Letters []Letter     // by version and ordinal, without messages and without the relationship
	Access  []Assignment // all of them, by group and id; those that are gone too
	Groups  []string     // that have live assignments
	Leaving int          // assignments that are being taken away
	Faults  []string     // what of all this cannot be read
}

// An AccountRow is the stored record, with what is stored beside it so that sweeps find it.
type AccountRow struct {
	Record
	NameKey string // of the display name, for comparing
	Next    Timer
	Held    bool // a hold of the relationship, or of one of its tenants, is noted
}

// Books is what a database says of the deployment as a whole, so that accounts can be judged by it.
type Books struct {
	Live     bool
	Policies []PolicyInForce // oldest first
	Clock    time.Time       // a sandbox's test clock; zero: it is live
	Retiming bool            // the stored timers are being set by another policy, and some are still those of the one before
	Holds    []Hold          // those that are released too, by id
	Paused   string          // the rules that are noted as paused, separated by blanks; "*": everything
	Sweeps   []Sweep         // running and held ones
	Floor    time.Time       // sweeps look for no timer before it; zero: they look for all

	Placed        []Event        // the orders about holds, policies and held sweeps; by version, the latest first
	Subscriptions []Subscription // without addresses and secrets

	Orders      int64 // refusals and orders that there are
	LowestOrder int64 // the lowest version of one; 0: there is none
	NextOrder   int64 // the number that the next one will get

	Relationships int64    // roughly how many accounts there are
	RepeatedIDs   []string // that more than one of them has; some of them, where there are very many
	MissingGuards []string // unique keys and triggers that the database should have and has not
}

// A HolderOfName is a relationship that holds a display name.
type HolderOfName struct {
	Partner, NameKey string
	Key              int64
	ID               string
}
