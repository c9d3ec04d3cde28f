package lifecycle

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// A Stored is a record as a database holds it: with its compact key, by which everything else there refers to it.
type Stored struct {
	Key int64
	Record
}

// A Decided is a decision and the record that it was made about.
type Decided struct {
	Key     int64
	Version int64 // that the record had, and must still have when the decision is written
	Decision
}

// A SweepState says how far a sweep has come.
type SweepState string

// The states of a sweep.
const (
	SweepRunning   SweepState = "running"
	SweepDone      SweepState = "done"
	SweepCancelled SweepState = "cancelled"
	SweepHeld      SweepState = "held"     // planned, and waiting for an operator's word; nothing is changed
	SweepRefused   SweepState = "rejected" // an operator said no; its rules are paused
)

// A Trigger says what opened a sweep.
type Trigger string

// What opens a sweep.
const (
	TriggerSchedule Trigger = "schedule" // a tick of its rule's schedule
	TriggerCatchUp  Trigger = "catch-up" // ticks were missed while nothing ran
	TriggerRequest  Trigger = "request"  // somebody asked, over HTTP or on the command line
	TriggerClock    Trigger = "clock"    // a sandbox's test clock was moved
)

// A Sweep is one look at every record that is due, cut into chunks so that many workers can share it.
type Sweep struct {
	ID      int64
	Rules   []RuleName // the rules that it fires; empty: all
	DryRun  bool       // look and count, change nothing
	Trigger Trigger
	AsOf    time.Time // what was due by this instant is looked at
	State   SweepState
	Cut     bool // every chunk is known: the totals are final

	OpenedAt   time.Time
	FinishedAt time.Time // zero while running
	Trace      string    // the span that it was opened in, as W3C Trace Context writes it; empty: nobody traced

	Tally
	Chunks, ChunksDone int

	Plan   *SweepPlan // why it is, or was, held; nil where it never was
	Ruling *Ruling    // of the operator who approved or rejected it; nil where nobody has
}

// A SweepPlan is what a sweep that is held would do.
type SweepPlan struct {
	Cause      Reason             `json:"cause"`             // BreakerTripped, or why everything is in quarantine
	Tripped    []RuleName         `json:"tripped,omitempty"` // those with more records than their breakers let through
	Records    map[RuleName]int64 `json:"records"`           // that would change under each rule, cascades included
	Limits     map[RuleName]int64 `json:"limits,omitempty"`  // how many the breakers of the tripped ones let through
	Population int64              `json:"population"`        // all relationships
	Notices    int64              `json:"notices"`           // that would be sent
}

// BreakerTripped is why a sweep is held that would change more records than a rule's breaker lets through.
const BreakerTripped Reason = "breakerTripped"

// A Ruling is an operator's word about something that is held.
type Ruling struct {
	By   string // the caller's name
	Note string // why
	At   time.Time
}

// A Tally counts what became of the records that a sweep, or a part of it, found due.
type Tally struct {
	Found    int64         // due, when they were looked for
	Changed  int64         // changed, or would be in a dry run
	Skipped  int64         // somebody else had changed them in between, or there was nothing left to do
	Failed   int64         // could not be evaluated or written; each is listed as a Failure
	Notices  int64         // to be sent
	Lateness time.Duration // the greatest distance between when a change took effect and when it was recorded
}

// Add counts other in.
func (t *Tally) Add(other Tally) {
	t.Found += other.Found
	t.Changed += other.Changed
	t.Skipped += other.Skipped
	t.Failed += other.Failed
	t.Notices += other.Notices
	t.Lateness = max(t.Lateness, other.Lateness)
}

// Lateness is the greatest distance between a change's effective instant and when d recorded it.
func (d *Decision) Lateness() time.Duration {
	var most time.Duration
	for i := range d.Changes {
		most = max(most, d.Recorded.Sub(d.Changes[i].Effective))
	}
	return most
}

// A Failure is a record that a sweep could not change, and why. Its timer stays due, so the next sweep tries again.
type Failure struct {
	Sweep          int64
	RelationshipID string
	Key            int64
	Reason         string
	At             time.Time
}

// A FailedRecord is a failure, with what the relationship is called; empty where it cannot be read, or is gone.
type FailedRecord struct {
	Failure
	Name string
}

// A SweepShow says which sweeps are to be shown.
type SweepShow string

// Which sweeps may be shown.
const (
	ShowBusy   SweepShow = "busy"   // all but those that are over and found nothing
	ShowAll    SweepShow = "all"    // all that are kept
	ShowOpen   SweepShow = "open"   // those that run, or are held
	ShowFailed SweepShow = "failed" // those that could not change a record
)

// SweepShows lists them all.
var SweepShows = []SweepShow{ShowBusy, ShowAll, ShowOpen, ShowFailed}

// A SweepRequest asks for a sweep.
type SweepRequest struct {
	Rules    []RuleName // empty: all
	DryRun   bool
	Trigger  Trigger
	AsOf     time.Time
	OpenedAt time.Time

	// Tick, where it is not zero, is the nominal instant of a schedule. Each rule's tick at one instant opens a sweep once,
	// however many schedulers see it.
	Tick time.Time

	// IdempotencyKey, where it is not empty, makes asking twice asking once: the same key answers with the same sweep.
	IdempotencyKey string

	// Ruling, where it is not nil, lets the sweep do what it finds, whatever the breakers say.
	Ruling *Ruling

	// Quarantine is asked whether the clock that AsOf is of may be believed. Where it may not, everything is put on hold first.
	Quarantine QuarantinePolicy
}

// Rejects lists the rules that are paused where the sweep is rejected.
func (s *Sweep) Rejects() []RuleName {
	if s.Plan == nil || s.Plan.Cause != BreakerTripped {
		return nil
	}
	return s.Plan.Tripped
}

// Fires lists the rules that the sweep fires, in the order of [Rules].
func (s *Sweep) Fires() []RuleName { return FiredBy(s.Rules) }

// FiredBy spells a list of rules out: an empty one stands for all of them.
func FiredBy(rules []RuleName) []RuleName {
	if len(rules) == 0 {
		return RuleNames()
	}
	return rules
}

// Covers says whether a running sweep does what is asked for already, so that asking again may join it.
func (s *Sweep) Covers(rules []RuleName) bool {
	if len(s.Rules) == 0 {
		return true
	}
	have := map[RuleName]bool{}
	for _, r := range s.Rules {
		have[r] = true
	}
	for _, r := range rules {
		if !have[r] {
			return false
		}
	}
	return len(rules) > 0
}

// Opened says how a request for a sweep was answered.
type Opened string

// The answers.
const (
	OpenedNew    Opened = "opened"     // a sweep of its own
	OpenedJoined Opened = "joined"     // one that is running does the same already
	OpenedBefore Opened = "repeated"   // the idempotency key was used before, for the same request
	OpenedLost   Opened = "lostToTick" // another scheduler has taken this tick; there is nothing to do
)

// What storage may answer, for [errors.Is].
var (
	ErrNotFound     = errors.New("not found")
	ErrKeyReused    = errors.New("idempotency key was used for another request")
	ErrNotRunning   = errors.New("it is not running any more")
	ErrNotHeld      = errors.New("it is not held")
	ErrStandstill   = errors.New("everything is on hold")
	ErrClockAstray  = errors.New("this clock is not believed")
	ErrNameTaken    = errors.New("display name is taken")
	ErrStaleVersion = errors.New("the record has changed in between")

	// ErrRefusedByDatabase is what writing fails with where the fault lies in what was written (a constraint, a value out of
	// range) and not in the connection, the disk or another transaction: trying again will not mend it.
	ErrRefusedByDatabase = errors.New("refused by the database")
)

// A Position is a place in the order in which records fall due: by instant, and within one by key.
type Position struct {
	At  time.Time
	Key int64
}

// A ChunkRef names a chunk: the n-th of a sweep. Claim counts how often it has been taken up, so that a task that was
// rung for an earlier claim is told apart.
type ChunkRef struct {
	Sweep int64 `json:"sweep"`
	N     int   `json:"n"`
	Claim int   `json:"claim"`
}

func (c ChunkRef) String() string {
	return strconv.FormatInt(c.Sweep, 10) + "-" + strconv.Itoa(c.N) + "-" + strconv.Itoa(c.Claim)
}

// WriteChunk writes what was decided on a chunk and prepared for that, and closes the chunk with tally, to which it adds what became of it.
type WriteChunk func(ctx context.Context, tally Tally, failures []Failure, now time.Time) (Tally, error)

// A ChunkState says how far a chunk has come.
type ChunkState string

// The states of a chunk.
const (
	ChunkOpen      ChunkState = "open"
	ChunkClaimed   ChunkState = "claimed" // a worker has it
	ChunkDone      ChunkState = "done"
	ChunkCancelled ChunkState = "cancelled" // its sweep was cancelled before anybody took it up
)

// A ChunkReport is how a chunk fares. Of one that is not done, Tally holds only what was found when it was cut.
type ChunkReport struct {
	Chunk
	State     ChunkState
	ReadyAt   time.Time // nobody takes it up before, by the machine's clock; of a claimed one, the end of the lease
	LastError string    // of the last attempt that failed
	Tally
}

// A ChunkQuery says which chunks of a sweep are wanted, in the order in which they were cut.
type ChunkQuery struct {
	Troubled bool // only those with an attempt that failed, or a record that could not be changed
	After    int  // only those cut after this one, for the next page; 0: from the first
	Limit    int  // at most so many; 0: no limit
}

// A Chunk is a part of a sweep: the records due after one position, up to and including another.
type Chunk struct {
	ChunkRef
	After, UpTo Position
	Attempts    int // that ended in an error
}
