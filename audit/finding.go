package audit

import (
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Kind says in a word what is wrong.
type Kind string

// The kinds of findings.
const (
	Missing         Kind = "missing"         // a timer has fallen due, and what it calls for has not happened
	MissingStep     Kind = "missingStep"     // a version of the record of which neither an event nor a warning tells
	Duplicate       Kind = "duplicate"       // the same step, or the same name of a row, is there twice
	OutOfOrder      Kind = "outOfOrder"      // a step was recorded before the one before it, or in the future
	WrongTransition Kind = "wrongTransition" // no rule and no person moves a record in this way
	WrongInstant    Kind = "wrongInstant"    // it took effect at another instant than the one at which it fell due
	WrongEnd        Kind = "wrongEnd"        // the end of the term after the step is another than the contract says
	Unasked         Kind = "unasked"         // a timer fired that was not due
	OnHold          Kind = "onHold"          // it happened while a hold should have kept it from happening
	RowDiffers      Kind = "rowDiffers"      // the row says something else than its history
	RowMissing      Kind = "rowMissing"      // there are events and no row, or a row and no events
	Fingerprint     Kind = "fingerprint"     // the row, or an event, is not the one that was written
	WrongTimer      Kind = "wrongTimer"      // the stored next timer is not the one that falls due next
	BelowFloor      Kind = "belowFloor"      // the stored next timer lies where no sweep looks
	WrongStay       Kind = "wrongStay"       // the row's mark of being on hold does not fit the holds
	NoticeMissing   Kind = "noticeMissing"   // somebody who had to be told was not
	NoticeTwice     Kind = "noticeTwice"     // somebody was told twice
	NoticeAstray    Kind = "noticeAstray"    // somebody was told whom the contract does not name
	NoticeWrong     Kind = "noticeWrong"     // what the notice says is not what happened
	NoticeUncalled  Kind = "noticeUncalled"  // nothing has happened that it could tell of
	OldNews         Kind = "oldNews"         // it was old news, and was sent all the same; or was no old news, and was kept back
	WarnedLate      Kind = "warnedLate"      // a warning was sent after the end that it warns of
	NameTwice       Kind = "nameTwice"       // two relationships of one partner hold the same name
	NameWrong       Kind = "nameWrong"       // a name is held that should be free, is free that should be held, or is compared by another key
	Access          Kind = "access"          // the live assignments are not those that the record counts
	Late            Kind = "late"            // too large a share of changes was recorded too late
	Sweeps          Kind = "sweeps"          // chunks or ticks do not fit together
	Holds           Kind = "holds"           // holds and what is noted of them differ
	OrderMissing    Kind = "orderMissing"    // a refusal or an order is missing from the history
	MissingKey      Kind = "missingKey"      // the database lacks a unique key, or a trigger
	Unreadable      Kind = "unreadable"      // a row cannot be read
	Ledger          Kind = "ledger"          // the log over the events tells of other events
)

// Kinds lists them all.
var Kinds = []Kind{Missing, MissingStep, Duplicate, OutOfOrder, WrongTransition, WrongInstant, WrongEnd, Unasked, OnHold, RowDiffers, RowMissing,
	Fingerprint, WrongTimer, BelowFloor, WrongStay, NoticeMissing, NoticeTwice, NoticeAstray, NoticeWrong, NoticeUncalled, OldNews, WarnedLate, NameTwice,
	NameWrong, Access, Late, Sweeps, Holds, OrderMissing, MissingKey, Unreadable, Ledger}

// A Finding is one thing that is not as it should be.
type Finding struct {
	Kind           Kind
	RelationshipID string // empty: it is about none, or about one that is gone
	Key            int64  // of the relationship; 0: none
	Version        int64  // of the step; 0: none
	Text           string // for people
	Expected       string // empty where there is nothing to compare
	Found          string
}

// A Summary is what was looked at, and how much of it is as it should be.
type Summary struct {
	TakenAt       time.Time // of the deployment's clock: what was due by then is judged
	Relationships int64
	Deleted       int64 // drafts
	Events        int64
	Warnings      int64
	Notices       int64
	Announcements int64 // to programs
	Names         int64
	Orders        int64 // and refusals
	Chunks        int64

	Findings map[Kind]int64

	Unchecked map[Gap]int64                        // what could not be judged, and why
	Waiting   map[Wait]int64                       // timers that are due and have not fired, for a good reason
	Lateness  map[lifecycle.RuleName]*RuleLateness // of what was recorded since Options.Since
	Logged    int64                                // events that the ledger was compared with
}

// Total counts the findings.
func (s *Summary) Total() int64 {
	var n int64
	for _, count := range s.Findings {
		n += count
	}
	return n
}

// A Gap is why something could not be judged.
type Gap string

// The gaps.
const (
	NoPolicyKept   Gap = "noPolicyKept"   // it was recorded before tenure kept the policies that it goes by
	NoFingerprint  Gap = "noFingerprint"  // it was recorded before events had fingerprints
	TimersBeingSet Gap = "timersBeingSet" // the stored timers are being set by another policy at this moment
	BeforeAnImport Gap = "beforeAnImport" // an import has brought other content since, and nobody knows what it was before
)

// A Wait is why a timer that is due has not fired.
type Wait string

// The waits.
const (
	WaitsOnTime   Wait = "onTime"    // it fell due a moment ago
	WaitsForHold  Wait = "held"      // it is on hold
	WaitsForRule  Wait = "heldSweep" // a sweep of its rule waits for an operator
	WaitsForSweep Wait = "running"   // a sweep of its rule is under way
)

// A RuleLateness is how many changes of a rule were recorded in time.
type RuleLateness struct {
	OnTime, All int64
	Worst       time.Duration
	WorstID     string // of the relationship
}

// wrong is a finding with what is expected and what is found.
func wrong(kind Kind, text string, expected, found any) Finding {
	return Finding{Kind: kind, Text: text, Expected: say(expected), Found: say(found)}
}

// say writes a value as people read it.
func say(v any) string {
	switch v := v.(type) {
	case time.Time:
		return lifecycle.FormatInstant(v)
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}
