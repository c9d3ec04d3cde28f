package lifecycle

import "time"

// An Event is a change that has been written down. Events are never altered and never deleted.
type Event struct {
	RelationshipID string    // empty for a refusal that is about none that its caller may know of
	Key            int64     // of the relationship
	Recorded       time.Time // when a worker wrote it; Effective says when it took effect
	Fingerprint    string    // of the record after it ([Record.Fingerprint]); empty where another step follows in the same instant
	Change
}

// StepInLife says whether the event is a step in the life of a record, and not a refusal or an order about timers.
func (e *Event) StepInLife() bool { return e.Version > 0 }

// A Backlog is how far the sweeps are behind under one rule.
type Backlog struct {
	Rule   RuleName
	Due    int64     // records whose next timer is due, and not on hold
	Oldest time.Time // the earliest of those timers; zero where there is none
	Held   int64     // records whose next timer is due and on hold, by a hold of the record's or of its tenant
}
