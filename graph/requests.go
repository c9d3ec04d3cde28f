package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Requests and operations have no table of their own: each is a step in the life of a relationship, looked at as Graph does.

// A step is an event of a relationship, and where that stands now.
type step struct {
	lifecycle.Change
	relationship string
	status       lifecycle.Status // of the relationship, now
}

// stepID is the id of a request or an operation: always the same for the same step.
func stepID(what, relationship string, version int64) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "tenure:%s/%s/%d", what, relationship, version)).String()
}

func (s *step) requestID() string   { return stepID(requestsFolder, s.relationship, s.Version) }
func (s *step) operationID() string { return stepID(operationsFolder, s.relationship, s.Version) }

// requested is what somebody asked for in a step, in the words of Graph; empty where nobody did.
func (s *step) requested() lifecycle.ActionKind {
	if s.Actor != lifecycle.Partner && s.Actor != lifecycle.Customer {
		return ""
	}
	switch s.Type {
	case lifecycle.EventLocked:
		return lifecycle.LockForApproval
	case lifecycle.EventApproved:
		return lifecycle.Approve
	case lifecycle.EventRejected:
		return lifecycle.Reject
	case lifecycle.EventTerminationRequested, lifecycle.EventTerminated: // the first where another system completes it
		return lifecycle.Terminate
	}
	return ""
}

// requestEvents are the types of events that may be requests.
var requestEvents = []lifecycle.EventType{lifecycle.EventLocked, lifecycle.EventApproved, lifecycle.EventRejected,
	lifecycle.EventTerminationRequested, lifecycle.EventTerminated}

// pending says whether another system has still to do what the step asked for.
func (s *step) pending() bool {
	return s.Type == lifecycle.EventApproved && s.status.Provision() == lifecycle.Grant ||
		s.Type == lifecycle.EventTerminationRequested && s.status.Passing()
}

const succeeded = "succeeded" // a request, or an operation

// requestStatus is how far a request is.
func (s *step) requestStatus() string {
	if s.pending() {
		return "pending"
	}
	return succeeded
}

// operationType is what an operation does.
func (s *step) operationType() string {
	if s.Type == lifecycle.EventReassigned {
		return operationWords[0]
	}
	return operationWords[1]
}

// The words of Graph for requests and operations, whether or not ours are ever so.
var (
	stepWords      = []string{"created", "pending", "notStarted", "running", succeeded, "failed"}
	requestWords   = []string{string(lifecycle.LockForApproval), string(lifecycle.Approve), string(lifecycle.Reject), string(lifecycle.Terminate)}
	operationWords = []string{"delegatedAdminAccessAssignmentUpdate", "delegatedAdminRelationshipUpdate"}
)

// stepFields is what both requests and operations can be filtered and sorted by.
func stepFields(id, status func(*step) string) []field[step] {
	at := func(s *step) lifecycle.Value { return lifecycle.Value{At: s.Effective} }
	return []field[step]{
		{"id", lifecycle.KindID, nil, func(s *step) lifecycle.Value { return lifecycle.Value{Text: id(s)} }},
		{"status", lifecycle.KindEnum, stepWords, func(s *step) lifecycle.Value { return lifecycle.Value{Text: status(s)} }},
		{"createdDateTime", lifecycle.KindInstant, nil, at},
		{"lastModifiedDateTime", lifecycle.KindInstant, nil, at},
	}
}

// theRequest is a delegatedAdminRelationshipRequest.
var theRequest = entityType[step]{
	name:    "delegatedAdminRelationshipRequest",
	version: func(s *step) int64 { return s.Version },
	properties: []property[step]{
		{name: "id", write: func(b []byte, _ *exchange, s *step) []byte { return appendText(b, s.requestID()) }},
		{name: "action", write: func(b []byte, x *exchange, s *step) []byte {
			action := string(s.requested())
			if s.requested() == lifecycle.Reject {
				action = x.prefer.member(action)
			}
			return appendText(b, action)
		}},
		{name: "status", write: func(b []byte, _ *exchange, s *step) []byte {
			return appendText(b, s.requestStatus())
		}},
		{name: "createdDateTime", write: func(b []byte, _ *exchange, s *step) []byte { return appendInstant(b, s.Effective) }},
		{name: "lastModifiedDateTime", write: func(b []byte, _ *exchange, s *step) []byte { return appendInstant(b, s.Effective) }},
	},
}

// theOperation is a delegatedAdminRelationshipOperation. Ours are over before anybody can ask for them.
var theOperation = entityType[step]{
	name:    "delegatedAdminRelationshipOperation",
	version: func(s *step) int64 { return s.Version },
	properties: []property[step]{
		{name: "id", write: func(b []byte, _ *exchange, s *step) []byte { return appendText(b, s.operationID()) }},
		{name: "operationType", write: func(b []byte, x *exchange, s *step) []byte {
			kind := s.operationType()
			if s.Type != lifecycle.EventReassigned {
				kind = x.prefer.member(kind)
			}
			return appendText(b, kind)
		}},
		{name: "data", write: func(b []byte, _ *exchange, s *step) []byte { return appendText(b, s.data()) }},
		{name: "status", write: func(b []byte, _ *exchange, _ *step) []byte { return appendText(b, succeeded) }},
		{name: "createdDateTime", write: func(b []byte, _ *exchange, s *step) []byte { return appendInstant(b, s.Effective) }},
		{name: "lastModifiedDateTime", write: func(b []byte, _ *exchange, s *step) []byte { return appendInstant(b, s.Effective) }},
	},
}

// operationEvents are the types of events that Graph has long-running operations for.
var operationEvents = []lifecycle.EventType{lifecycle.EventReassigned, lifecycle.EventGlobalAdministratorRemoved}

// data is JSON in a text, as Graph has it: what the operation was about.
func (s *step) data() string {
	id := s.relationship
	if assignment, ok := strings.CutPrefix(s.Detail, "assignment "); ok {
		id, _, _ = strings.Cut(assignment, ",")
	}
	return string(asJSON(struct {
		ID     string `json:"id"`
		Change string `json:"change"`
	}{id, string(s.Type)}))
}

// steps reads the events of these types of the relationship that the path names, the oldest first.
func (x *exchange) steps(types []lifecycle.EventType) ([]step, error) {
	r, err := x.shown()
	if err != nil {
		return nil, err
	}
	events, err := x.store.Activity(x.r.Context(), lifecycle.ActivityQuery{Relationship: r.ID, Types: types, OldestFirst: true})
	if err != nil {
		return nil, err
	}
	all := make([]step, 0, len(events))
	for _, e := range events {
		all = append(all, step{e.Change, r.ID, r.Status})
	}
	return all, nil
}

func (x *exchange) requests() ([]step, error) {
	all, err := x.steps(requestEvents)
	return slices.DeleteFunc(all, func(s step) bool { return s.requested() == "" }), err
}

func (x *exchange) operations() ([]step, error) {
	all, err := x.steps(operationEvents)
	// Of a draft, its content is changed at once, and there is no operation to watch.
	return slices.DeleteFunc(all, func(s step) bool { return s.From != lifecycle.Active }), err
}

// place is where a step stands in a list.
func (s *step) place() string { return fmt.Sprintf("%020d", s.Version) }

func (x *exchange) requestList() (*shortList[step], error) {
	all, err := x.requests()
	fields := append(stepFields((*step).requestID, (*step).requestStatus), field[step]{"action", lifecycle.KindEnum, requestWords,
		func(s *step) lifecycle.Value { return lifecycle.Value{Text: string(s.requested())} }})
	return &shortList[step]{&theRequest, requestsFolder, all, (*step).place, fields}, err
}

func (x *exchange) operationList() (*shortList[step], error) {
	all, err := x.operations()
	fields := append(stepFields((*step).operationID, func(*step) string { return succeeded }),
		field[step]{"operationType", lifecycle.KindEnum, operationWords, func(s *step) lifecycle.Value { return lifecycle.Value{Text: s.operationType()} }})
	return &shortList[step]{&theOperation, operationsFolder, all, (*step).place, fields}, err
}

func (x *exchange) getRequest() (answer, error) {
	all, err := x.requests()
	if err != nil {
		return answer{}, err
	}
	for i := range all {
		if strings.EqualFold(all[i].requestID(), x.ids[1]) {
			return theRequest.one(x, http.StatusOK, requestsFolder, &all[i])
		}
	}
	return answer{}, notFound("request")
}

func (x *exchange) getOperation() (answer, error) {
	all, err := x.operations()
	if err != nil {
		return answer{}, err
	}
	for i := range all {
		if strings.EqualFold(all[i].operationID(), x.ids[1]) {
			return theOperation.one(x, http.StatusOK, operationsFolder, &all[i])
		}
	}
	return answer{}, notFound("operation")
}

// lastStep is the last change of a type that a decision makes; nil where it makes none.
func lastStep(d *lifecycle.Decision, types ...lifecycle.EventType) *lifecycle.Change {
	for i := len(d.Changes) - 1; i >= 0; i-- {
		if slices.Contains(types, d.Changes[i].Type) {
			return &d.Changes[i]
		}
	}
	return nil
}

const retryAfter = 1 // seconds until an operation is worth a look; it is over already, and some clients wait for it

// accepted answers with the address of the operation that a step is.
func (x *exchange) accepted(r *lifecycle.Record, c *lifecycle.Change) (answer, error) {
	s := step{*c, r.ID, r.Status}
	x.header.Set("Location", x.at(r.ID, operationsFolder, s.operationID()))
	x.header.Set("Retry-After", strconv.Itoa(retryAfter))
	return answer{http.StatusAccepted, []byte("{}")}, nil
}

// requestSides says who may ask for what.
var requestSides = map[lifecycle.ActionKind][]lifecycle.Actor{
	lifecycle.LockForApproval: {lifecycle.Partner},
	lifecycle.Terminate:       {lifecycle.Partner, lifecycle.Customer},
	lifecycle.Approve:         {lifecycle.Customer},
	lifecycle.Reject:          {lifecycle.Customer},
}

// postRequest does what a request asks for. Approving and rejecting are the customer's; Graph has them for indirect resellers.
func (x *exchange) postRequest() (answer, error) {
	kind, side, err := x.readRequest()
	meant := match{any: true}
	if err == nil && x.r.Header.Get("If-Match") != "" { // Graph has none here; who sends one means one version
		meant, err = x.ifMatch()
	}
	if err := x.unlessInvited(kind, err); err != nil {
		return answer{}, err
	}
	d, err := x.store.Act(x.r.Context(), x.id(), x.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		if !x.seesOrInvited(kind, &c.Record) {
			return lifecycle.Decision{}, lifecycle.ErrNotFound
		}
		if !meant.fits(lifecycle.Evaluate(c.Record, x.policy, x.now).Record.Version) {
			return lifecycle.Decision{}, lifecycle.ErrStaleVersion
		}
		a := x.action(kind, side)
		if kind == lifecycle.Approve || kind == lifecycle.Reject {
			a.Customer = lifecycle.Tenant{TenantID: x.by.Tenant}
		}
		return c.Act(x.policy, x.now, a)
	})
	if err != nil {
		return answer{}, err
	}
	s := step{relationship: d.Record.ID, status: d.Record.Status}
	if change := lastStep(&d, requestEvents...); change != nil {
		s.Change = *change
	}
	x.header.Set("Location", x.at(d.Record.ID, requestsFolder, s.requestID()))
	if x.prefer.minimal() {
		return x.noContent(), nil
	}
	return theRequest.one(x, http.StatusCreated, requestsFolder, &s)
}

// seesOrInvited is sees; one who holds the link of a request that names no customer may answer it as well.
func (x *exchange) seesOrInvited(kind lifecycle.ActionKind, r *lifecycle.Record) bool {
	if x.sees(r) {
		return true
	}
	now := lifecycle.Evaluate(*r, x.policy, x.now).Record // an invitation that has lapsed is none, swept or not
	invited := (kind == lifecycle.Approve || kind == lifecycle.Reject) && x.by.Invited(&now)
	if invited {
		x.relationship = r.ID
	}
	return invited
}

// unlessInvited is unless, for what an invited customer may ask for.
func (x *exchange) unlessInvited(kind lifecycle.ActionKind, err error) error {
	if err == nil {
		return nil
	}
	stored, notFound := x.store.Relationship(x.r.Context(), x.id())
	switch {
	case notFound != nil:
		return notFound
	case !x.seesOrInvited(kind, &stored.Record):
		return lifecycle.ErrNotFound
	}
	return err
}

// readRequest reads what is asked for, and for which side. An operator acts for whoever may ask for it first.
func (x *exchange) readRequest() (kind lifecycle.ActionKind, side lifecycle.Actor, err error) {
	if !x.by.Acts(lifecycle.Partner) && !x.by.Acts(lifecycle.Customer) {
		return "", "", x.mayAct(lifecycle.Partner)
	}
	if err := x.readReason(); err != nil {
		return "", "", err
	}
	body, err := x.readBody()
	if err != nil {
		return "", "", err
	}
	var b bodyReader
	known, said := false, false
	ignore := func(target string, value json.RawMessage) { b.readOnly(target, value) }
	b.object("", body, part{"action", b.text(func(target, text string) {
		kind, said = lifecycle.ActionKind(text), true
		if _, known = requestSides[kind]; !known {
			b.refuse(codeInvalid, target, "%q is no action; the actions are lockForApproval, approve, reject and terminate", clip(text))
		}
	})}, part{"id", ignore}, part{"status", ignore}, part{"createdDateTime", ignore}, part{"lastModifiedDateTime", ignore})
	if !said && !b.refuses("action") {
		b.refuse(codeMissing, "action", "is missing; the actions are lockForApproval, approve, reject and terminate")
	}
	if err := b.problem(); err != nil {
		return "", "", err
	}
	x.op.action = string(kind)
	for _, side := range requestSides[kind] {
		if x.by.Acts(side) {
			return kind, side, nil
		}
	}
	return kind, "", x.mayAct(requestSides[kind][0])
}
