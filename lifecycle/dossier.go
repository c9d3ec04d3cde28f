package lifecycle

import "time"

// A Dossier is everything that is kept about one relationship, as it is at one moment.
type Dossier struct {
	Case           // of a draft that was deleted: its ID, Partner and DisplayName, and nothing else
	Key  int64     // 0: there is none
	Next Timer     // as it is stored
	Gone time.Time // when the draft was deleted; zero: it is there

	Events   []Event            // the steps of its life, and what was ordered and refused about it, by when they were recorded
	Letters  []Letter           // that tell of it, by the step; without their messages
	Digests  []Letter           // in which some of those were told; without their items
	Holds    []Hold             // in force, of whatever kind, that stay one of its timers
	Sweeps   []Sweep            // held for an operator to look at, whatever they are about
	Order    *ProvisioningOrder // what another system has yet to do; nil: nothing
	Contacts []Contact          // who holds the roles that are told of it, on both sides
}
