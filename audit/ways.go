package audit

import (
	"slices"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A way is how an event moves a record, as section 2 of docs/domain.md has it.
type way struct {
	from, to []lifecycle.Status
	rule     lifecycle.RuleName
	by       []lifecycle.Actor
	reason   lifecycle.Reason
}

// What moves a record. An event may have several ways: another system carries out what timers and people begin.
var (
	drafting  = []lifecycle.Status{lifecycle.Created}
	pending   = []lifecycle.Status{lifecycle.ApprovalPending}
	active    = []lifecycle.Status{lifecycle.Active}
	ended     = []lifecycle.Status{lifecycle.Expired, lifecycle.Terminated}
	partner   = []lifecycle.Actor{lifecycle.Partner}
	customer  = []lifecycle.Actor{lifecycle.Customer}
	either    = []lifecycle.Actor{lifecycle.Partner, lifecycle.Customer}
	timer     = []lifecycle.Actor{lifecycle.System}
	elsewhere = []lifecycle.Actor{lifecycle.Provisioner}
)

func at(statuses ...lifecycle.Status) []lifecycle.Status { return statuses }

var ways = map[lifecycle.EventType][]way{
	lifecycle.EventEdited:  {{from: drafting, to: drafting, by: partner}},
	lifecycle.EventDeleted: {{from: drafting, to: drafting, by: partner}},
	lifecycle.EventLocked:  {{from: drafting, to: pending, by: partner}},

	lifecycle.EventApproved:   {{from: pending, to: at(lifecycle.Active, lifecycle.Approved), by: customer}},
	lifecycle.EventRejected:   {{from: pending, to: at(lifecycle.Terminated), by: customer, reason: lifecycle.Rejected}},
	lifecycle.EventLapsed:     {{from: pending, to: at(lifecycle.Expired), rule: lifecycle.ExpirePending, by: timer, reason: lifecycle.RequestLapsed}},
	lifecycle.EventActivating: {{from: at(lifecycle.Approved), to: at(lifecycle.Activating), by: elsewhere}},
	lifecycle.EventActivated:  {{from: at(lifecycle.Approved, lifecycle.Activating), to: active, by: elsewhere}},

	lifecycle.EventAutoExtendChanged:          {{from: drafting, to: drafting, by: partner}, {from: active, to: active, by: either}},
	lifecycle.EventGlobalAdministratorRemoved: {{from: drafting, to: drafting, by: partner}, {from: active, to: active, by: partner}},
	lifecycle.EventAssigned:                   {{from: active, to: active, by: partner}},
	lifecycle.EventReassigned:                 {{from: active, to: active, by: partner}},
	lifecycle.EventUnassigned:                 {{from: active, to: active, by: partner}},

	lifecycle.EventExtended: {{from: active, to: active, rule: lifecycle.AutoExtend, by: timer}},
	lifecycle.EventExpiring: {{from: active, to: at(lifecycle.Expiring), rule: lifecycle.EndTerm, by: timer, reason: lifecycle.TermEnded}},
	lifecycle.EventTermEnded: {
		{from: at(lifecycle.Active, lifecycle.Expiring), to: at(lifecycle.Expired), rule: lifecycle.EndTerm, by: timer, reason: lifecycle.TermEnded},
		{from: at(lifecycle.Expiring), to: at(lifecycle.Expired), by: elsewhere, reason: lifecycle.TermEnded},
	},

	lifecycle.EventTerminationRequested: {{from: active, to: at(lifecycle.TerminationRequested), by: either}},
	lifecycle.EventTerminating: {
		{from: active, to: at(lifecycle.Terminating), by: either},
		{from: at(lifecycle.TerminationRequested), to: at(lifecycle.Terminating), by: elsewhere},
	},
	lifecycle.EventTerminated: {
		{from: at(lifecycle.Active, lifecycle.Terminating), to: at(lifecycle.Terminated), by: either},
		{from: at(lifecycle.TerminationRequested, lifecycle.Terminating), to: at(lifecycle.Terminated), by: elsewhere},
	},
	lifecycle.EventNameReleased: {{from: ended, to: ended, rule: lifecycle.ReleaseName, by: timer}},
}

// lawful says whether the event moves a record in a way that there is.
func lawful(e *lifecycle.Event) bool {
	switch e.Type {
	case lifecycle.EventCreated:
		return e.From == "" && e.To == lifecycle.Created && e.Actor == lifecycle.Partner && e.Rule == ""
	case lifecycle.EventImported:
		return e.From == "" && e.To.Known() && e.Actor == lifecycle.Import && e.Rule == ""
	case lifecycle.EventUpdated: // an import says where it stands, and can do all but bring it back
		return e.To.Known() && e.Actor == lifecycle.Import && e.Rule == "" && (!e.From.Ended() || e.From == e.To)
	}
	return slices.ContainsFunc(ways[e.Type], func(w way) bool {
		same := !slices.Contains(ended, e.From) || e.From == e.To
		return same && slices.Contains(w.from, e.From) && slices.Contains(w.to, e.To) && e.Rule == w.rule &&
			slices.Contains(w.by, e.Actor) && e.Reason == w.reason
	})
}

// begins says whether the event is the first that a record can have.
func begins(e *lifecycle.Event) bool {
	return e.Type == lifecycle.EventCreated || e.Type == lifecycle.EventImported
}

// changesContent says whether after the event the content may be another than before, and no event says what it was.
func changesContent(e *lifecycle.Event) bool {
	return e.Type == lifecycle.EventUpdated || e.Type == lifecycle.EventImported || e.Type == lifecycle.EventEdited
}
