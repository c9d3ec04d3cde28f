package lifecycle

import "time"

// A BulkRequest asks for one action on every relationship that a filter wants.
type BulkRequest struct {
	Action     ActionKind // setAutoExtend, approve or terminate
	AutoExtend bool       // for setAutoExtend
	Side       Actor      // on whose behalf
	Filter     string     // as OData writes it, to be shown
	DryRun     bool       // decide, and change nothing
	Caller     Caller
	At         time.Time // asked for, by the deployment's clock
}

// A BulkState says how far a bulk job has come.
type BulkState string

// The states of a bulk job.
const (
	BulkRunning   BulkState = "running"
	BulkDone      BulkState = "done"
	BulkCancelled BulkState = "cancelled"
)

// A BulkJob is a bulk request that is being carried out, with a result for each record.
type BulkJob struct {
	ID int64
	BulkRequest
	State    BulkState
	Cursor   int64 // the key of the last record looked at
	UpTo     int64 // the key of the last record that there was when it was asked for
	Found    int64 // records looked at so far; the three below add up to it
	Changed  int64 // or would be, in a dry run
	Same     int64 // were so already
	Refused  int64
	Finished time.Time // by the deployment's clock; zero while it runs
	Claim    int       // grows whenever somebody takes it up
}

// A BulkOutcome is what became of one record.
type BulkOutcome string

// The outcomes.
const (
	BulkChanged   BulkOutcome = "changed"
	BulkUnchanged BulkOutcome = "unchanged"
	BulkRefused   BulkOutcome = "refused"
)

// A BulkResult is the result for one record.
type BulkResult struct {
	Job            int64
	Key            int64
	RelationshipID string
	Outcome        BulkOutcome
	Reason         Reason // of a refusal
	Detail         string // for people
}

// ActionFor is the action that the job asks for on each record.
func (b *BulkRequest) ActionFor() Action {
	caller := b.Caller
	return Action{Kind: b.Action, By: b.Side, AutoExtend: b.AutoExtend, Caller: &caller}
}
