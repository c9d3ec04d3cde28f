package graph

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tenure-dev/tenure/lifecycle"
)

const securityGroup = "securityGroup" // the only container that there is

// theAssignment is a delegatedAdminAccessAssignment.
var theAssignment = entityType[lifecycle.Assignment]{
	name:    "delegatedAdminAccessAssignment",
	version: func(a *lifecycle.Assignment) int64 { return a.Version },
	properties: []property[lifecycle.Assignment]{
		{name: "id", write: func(b []byte, _ *exchange, a *lifecycle.Assignment) []byte { return appendText(b, a.ID) }},
		{name: "status", write: func(b []byte, _ *exchange, a *lifecycle.Assignment) []byte { return appendText(b, string(a.Status)) }},
		{name: "createdDateTime", write: func(b []byte, _ *exchange, a *lifecycle.Assignment) []byte { return appendInstant(b, a.Created) }},
		{name: "lastModifiedDateTime", write: func(b []byte, _ *exchange, a *lifecycle.Assignment) []byte { return appendInstant(b, a.Modified) }},
		{name: "accessContainer", write: func(b []byte, _ *exchange, a *lifecycle.Assignment) []byte {
			b = appendText(append(b, `{"accessContainerId":`...), a.Group)
			return append(b, `,"accessContainerType":"`+securityGroup+`"}`...)
		}},
		{name: "accessDetails", write: func(b []byte, _ *exchange, a *lifecycle.Assignment) []byte { return appendRoles(b, a.Roles) }},
	},
}

// assignments reads those of the relationship that the path names, the deleted ones too, as they are now.
func (x *exchange) assignments() ([]lifecycle.Assignment, error) {
	c, err := x.store.Case(x.r.Context(), x.id())
	if err != nil {
		return nil, err
	}
	if !x.sees(&c.Record) {
		return nil, lifecycle.ErrNotFound
	}
	x.settle(&c)
	slices.SortFunc(c.Assignments, func(a, b lifecycle.Assignment) int { return strings.Compare(a.ID, b.ID) })
	return c.Assignments, nil
}

// settle shows what becomes of assignments whose relationship has come to its end, and that no sweep has taken away yet.
func (x *exchange) settle(c *lifecycle.Case) {
	d := lifecycle.Evaluate(c.Record, x.policy, x.now)
	if d.TakeAway == "" {
		return
	}
	i := slices.IndexFunc(d.Changes, func(change lifecycle.Change) bool { return change.To.Provision() == lifecycle.Revoke })
	if i < 0 {
		return
	}
	for j := range c.Assignments {
		if a := &c.Assignments[j]; a.Status.Live() {
			a.Status, a.Modified, a.Version = d.TakeAway, d.Changes[i].Effective, d.Changes[i].Version
		}
	}
}

func (x *exchange) assignmentList() (*shortList[lifecycle.Assignment], error) {
	all, err := x.assignments()
	return &shortList[lifecycle.Assignment]{&theAssignment, assignmentsFolder, all, func(a *lifecycle.Assignment) string { return a.ID }, assignmentFields}, err
}

// assignmentFields is what assignments can be filtered and sorted by.
var assignmentFields = []field[lifecycle.Assignment]{
	{"id", lifecycle.KindID, nil, func(a *lifecycle.Assignment) lifecycle.Value { return lifecycle.Value{Text: a.ID} }},
	{"status", lifecycle.KindEnum, assignmentWords, func(a *lifecycle.Assignment) lifecycle.Value { return lifecycle.Value{Text: string(a.Status)} }},
	{"createdDateTime", lifecycle.KindInstant, nil, func(a *lifecycle.Assignment) lifecycle.Value { return lifecycle.Value{At: a.Created} }},
	{"lastModifiedDateTime", lifecycle.KindInstant, nil, func(a *lifecycle.Assignment) lifecycle.Value { return lifecycle.Value{At: a.Modified} }},
	{"accessContainer/accessContainerId", lifecycle.KindID, nil, func(a *lifecycle.Assignment) lifecycle.Value { return lifecycle.Value{Text: a.Group} }},
	{"accessContainer/accessContainerType", lifecycle.KindEnum, []string{securityGroup}, func(*lifecycle.Assignment) lifecycle.Value {
		return lifecycle.Value{Text: securityGroup}
	}},
}

// assignmentWords are the statuses of assignments that Graph has, whether or not ours are ever in them.
var assignmentWords = []string{"pending", "active", "deleting", "deleted", "error"}

func (x *exchange) getAssignment() (answer, error) {
	all, err := x.assignments()
	if err != nil {
		return answer{}, err
	}
	for i := range all {
		if all[i].ID == strings.ToLower(x.ids[1]) {
			return theAssignment.one(x, http.StatusOK, assignmentsFolder, &all[i])
		}
	}
	return answer{}, notFound("access assignment")
}

// An access is a body about an assignment.
type access struct {
	bodyReader
	group string
	roles []string // nil: not said

	hasContainer bool
}

func (x *exchange) readAccess() (*access, error) {
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	a := &access{}
	parts := []part{
		{"accessContainer", a.container},
		{"accessDetails", func(target string, value json.RawMessage) { a.roles = a.bodyReader.roles(target, value) }},
	}
	for _, name := range []string{"id", "status", "createdDateTime", "lastModifiedDateTime"} {
		parts = append(parts, part{name, a.readOnly})
	}
	a.object("", body, parts...)
	return a, nil
}

func (a *access) container(target string, value json.RawMessage) {
	a.hasContainer = true
	a.object(target, value,
		part{"accessContainerId", a.text(func(_, text string) { a.group = strings.ToLower(text) })},
		part{"accessContainerType", a.text(func(target, text string) {
			if !strings.EqualFold(text, securityGroup) {
				a.refuse(codeInvalid, target, "%q is no container; there is %s", clip(text), securityGroup)
			}
		})})
	if a.group == "" && len(a.faults) == 0 {
		a.refuse(codeMissing, target+".accessContainerId", "is missing; name a security group of the partner's")
	}
}

func (x *exchange) postAssignment() (answer, error) {
	given, err := x.readNewAccess()
	if err := x.unless(err); err != nil {
		return answer{}, err
	}
	var assigned lifecycle.Assignment
	id := uuid.NewString()
	d, err := x.act(func(c lifecycle.Case) (lifecycle.Decision, error) {
		var d lifecycle.Decision
		d, assigned, err = c.AssignTo(id, given.group, given.roles, x.policy, x.action(lifecycle.Assign, lifecycle.Partner), x.now)
		return d, err
	})
	if err != nil {
		return answer{}, err
	}
	x.header.Set("Location", x.at(d.Record.ID, assignmentsFolder, id))
	if x.prefer.minimal() {
		return x.noContent(), nil
	}
	return theAssignment.one(x, http.StatusCreated, assignmentsFolder, &assigned)
}

// readNewAccess reads everything about a new assignment that does not depend on the relationship.
func (x *exchange) readNewAccess() (*access, error) {
	if err := x.mayAct(lifecycle.Partner); err != nil {
		return nil, err
	}
	given, err := x.readAccess()
	if err != nil {
		return nil, err
	}
	if !given.hasContainer {
		given.refuse(codeMissing, "accessContainer", "is missing; name a security group of the partner's")
	}
	if given.roles == nil && !given.refuses("accessDetails") {
		given.refuse(codeMissing, "accessDetails", "is missing; name at least one role of the relationship's")
	}
	return given, given.problem()
}

// reach finds the assignment that the path names, for whoever has seen its present version.
func (x *exchange) reach(c *lifecycle.Case, m *match) (*lifecycle.Assignment, error) {
	x.settle(c)
	id := strings.ToLower(x.ids[1])
	i := slices.IndexFunc(c.Assignments, func(a lifecycle.Assignment) bool { return a.ID == id })
	switch {
	case i < 0:
		return nil, notFound("access assignment")
	case !m.fits(c.Assignments[i].Version):
		return nil, lifecycle.ErrStaleVersion
	}
	return &c.Assignments[i], nil
}

// over answers whoever wants to change an assignment that is deleted, or on its way there.
func over(a *lifecycle.Assignment) error {
	return &problem{status: http.StatusConflict, code: codeWrongStatus,
		message: "The access assignment is " + string(a.Status) + ", and nothing can be done with it any more; assign the group again."}
}

func (x *exchange) patchAssignment() (answer, error) {
	m, given, err := x.readAssignmentPatch()
	if err := x.unless(err); err != nil {
		return answer{}, err
	}
	var assigned lifecycle.Assignment
	d, err := x.act(func(c lifecycle.Case) (lifecycle.Decision, error) {
		was, d, err := x.reassignable(c, m, given)
		if err != nil {
			return d, err
		}
		roles := given.roles
		if roles == nil || sameRoles(roles, was.Roles) {
			roles = was.Roles // in another order they are the same
		}
		d, assigned, err = c.Reassign(was.ID, roles, 0, x.policy, x.action(lifecycle.Reassign, lifecycle.Partner), x.now)
		return d, err
	})
	if err != nil {
		return answer{}, err
	}
	if change := lastStep(&d, lifecycle.EventReassigned); change != nil {
		return x.accepted(&d.Record, change)
	}
	if x.prefer.minimal() {
		return x.noContent(), nil
	}
	return theAssignment.one(x, http.StatusOK, assignmentsFolder, &assigned)
}

// reassignable finds the assignment that is to be changed, where it can be.
func (x *exchange) reassignable(c lifecycle.Case, m match, given *access) (*lifecycle.Assignment, lifecycle.Decision, error) {
	c.Assignments = slices.Clone(c.Assignments) // reach shows them settled
	was, err := x.reach(&c, &m)
	switch {
	case err != nil:
		return nil, lifecycle.Decision{}, err
	case given.hasContainer && given.group != was.Group:
		return nil, lifecycle.Decision{}, &problem{status: http.StatusBadRequest, code: codeBadRequest,
			message: "accessContainer cannot be changed; leave it out, or delete this assignment and assign the other group.",
			details: []problemDetail{{codeReadOnly, "accessContainer", "accessContainer cannot be changed."}}}
	}
	d := lifecycle.Evaluate(c.Record, x.policy, x.now)
	if !was.Status.Live() && d.Record.Status == lifecycle.Active {
		return nil, d, over(was)
	}
	if !was.Status.Live() { // the relationship has ended, and says so better
		_, err := c.Act(x.policy, x.now, x.action(lifecycle.ActionKind(x.op.action), lifecycle.Partner))
		return nil, d, err
	}
	return was, d, nil
}

func (x *exchange) readAssignmentPatch() (match, *access, error) {
	m, err := x.mayChange()
	if err != nil {
		return match{}, nil, err
	}
	given, err := x.readAccess()
	if err != nil {
		return match{}, nil, err
	}
	return m, given, given.problem()
}

func (x *exchange) deleteAssignment() (answer, error) {
	m, err := x.mayChange()
	if err := x.unless(err); err != nil {
		return answer{}, err
	}
	_, err = x.act(func(c lifecycle.Case) (lifecycle.Decision, error) {
		was, d, err := x.reassignable(c, m, &access{})
		if err != nil {
			return d, err
		}
		return c.Unassign(was.ID, 0, x.policy, x.action(lifecycle.Unassign, lifecycle.Partner), x.now)
	})
	return answer{status: http.StatusNoContent}, err
}
