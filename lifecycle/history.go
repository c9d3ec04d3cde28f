package lifecycle

import "time"

// An Event is a change that has been written down. Events are never altered and never deleted.
type Event struct {
	RelationshipID string    // empty for a refusal that is about none that its caller may know of
	Key            int64     // of the relationship
	Recorded       time.Time // when a worker wrote it; Effective says when it took effect
	Change
}

// A Backlog is how far the sweeps are behind under one rule.
type Backlog struct {
	Rule   RuleName
	Due    int64     // records whose next timer is due
	Oldest time.Time // the earliest of those timers; zero where there is none
}
