package lifecycle

import (
	"fmt"
	"slices"
	"time"
)

// An Assignment lets the members of one of the partner's security groups use some of a relationship's roles.
// Source: Microsoft Graph v1.0 delegatedAdminAccessAssignment.
type Assignment struct {
	ID       string // a GUID
	Group    string // object id of the partner's security group; lower case
	Roles    []string
	Status   AssignmentStatus
	Created  time.Time
	Modified time.Time
	Version  int64 // of the relationship, when the assignment was last changed; its etag
}

// An AssignmentStatus is how far an assignment has come, in the words of Microsoft Graph.
type AssignmentStatus string

// The statuses.
const (
	AssignmentPending  AssignmentStatus = "pending"
	AssignmentActive   AssignmentStatus = "active"
	AssignmentDeleting AssignmentStatus = "deleting"
	AssignmentDeleted  AssignmentStatus = "deleted"
	AssignmentError    AssignmentStatus = "error"
)

// Live says whether the assignment gives access, or soon will: a group has one live one in a relationship.
func (s AssignmentStatus) Live() bool { return s == AssignmentPending || s == AssignmentActive }

// A Case is a relationship with what else has to be known to act on it.
type Case struct {
	Record
	Standing    Standing     // of its partner
	Assignments []Assignment // all of them, by id; those that are deleted too
}

// live finds the live assignment that fits.
func (c *Case) live(fits func(*Assignment) bool) *Assignment {
	for i := range c.Assignments {
		if a := &c.Assignments[i]; a.Status.Live() && fits(a) {
			return a
		}
	}
	return nil
}

// An AssignmentTaken is the answer to a second assignment for the same group.
type AssignmentTaken struct{ ID, Group string }

func (t *AssignmentTaken) Error() string {
	return fmt.Sprintf("the group %s has assignment %s in this relationship already; change that one", t.Group, t.ID)
}

// AssignTo gives a group some of the roles. id is a new GUID. The error is a *[Refusal], [Faults] or an *[AssignmentTaken].
func (c *Case) AssignTo(id, group string, roles []string, p *Policy, a Action, now time.Time) (Decision, Assignment, error) {
	a.Kind, a.Detail = Assign, fmt.Sprintf("assignment %s, group %s", id, group)
	d, t, err := c.lawful(p, a, now)
	if err != nil {
		return d, Assignment{}, err
	}
	if faults := assignmentFaults(&d.Record, group, roles); len(faults) > 0 {
		return c.unchanged(now), Assignment{}, faults
	}
	if other := c.live(func(o *Assignment) bool { return o.Group == group }); other != nil {
		return c.unchanged(now), Assignment{}, &AssignmentTaken{other.ID, group}
	}
	d.Record.Assigned++
	assigned := Assignment{ID: id, Group: group, Roles: roles, Status: AssignmentActive, Created: now}
	d.assign(p, t, a, &assigned)
	return d, assigned, nil
}

// Reassign gives the group of an assignment other roles. [ErrNotFound] where there is no live one with this id,
// [ErrStaleVersion] where ifMatch is neither 0 nor its version; else the errors of AssignTo.
func (c *Case) Reassign(id string, roles []string, ifMatch int64, p *Policy, a Action, now time.Time) (Decision, Assignment, error) {
	a.Kind, a.Detail = Reassign, "assignment "+id
	d, t, was, err := c.reach(id, ifMatch, p, a, now)
	if err != nil {
		return d, Assignment{}, err
	}
	if faults := assignmentFaults(&d.Record, was.Group, roles); len(faults) > 0 {
		return c.unchanged(now), Assignment{}, faults
	}
	assigned := *was
	assigned.Roles = roles
	if !slices.Equal(was.Roles, roles) {
		d.assign(p, t, a, &assigned)
	}
	return d, assigned, nil
}

// Unassign takes an assignment away; the errors are those of Reassign.
func (c *Case) Unassign(id string, ifMatch int64, p *Policy, a Action, now time.Time) (Decision, error) {
	a.Kind, a.Detail = Unassign, "assignment "+id
	d, t, was, err := c.reach(id, ifMatch, p, a, now)
	if err != nil {
		return d, err
	}
	d.Record.Assigned--
	gone := *was
	gone.Status = AssignmentDeleted
	d.assign(p, t, a, &gone)
	return d, nil
}

// Act is [ActAll] on a record with what else there is to know of it: the partner's standing binds, no group keeps a role that
// the relationship loses, and nobody approves for a customer whom nobody has named.
func (c *Case) Act(p *Policy, now time.Time, actions ...Action) (Decision, error) {
	actions = slices.Clone(actions)
	for i := range actions {
		actions[i].Standing, actions[i].access, actions[i].named = c.Standing, c.Assignments, true
	}
	return ActAll(c.Record, p, actions, now)
}

// narrow takes the role that the record has just lost from those who have it. Whoever had no other has no access any more.
func (d *Decision) narrow(access []Assignment) {
	for _, a := range access {
		if !a.Status.Live() || !slices.Contains(a.Roles, GlobalAdministrator) {
			continue
		}
		a.Roles = slices.DeleteFunc(slices.Clone(a.Roles), func(role string) bool { return role == GlobalAdministrator })
		if len(a.Roles) == 0 {
			a.Roles, a.Status = []string{GlobalAdministrator}, AssignmentDeleted
			d.Record.Assigned--
		}
		a.Modified, a.Version = d.Recorded, d.Record.Version
		d.Assignments = append(d.Assignments, a)
	}
}

// lawful settles the timers and finds the transition of an action about assignments.
func (c *Case) lawful(p *Policy, a Action, now time.Time) (Decision, *Transition, error) {
	d := Evaluate(c.Record, p, now)
	a.Standing = c.Standing
	if refusal := d.heldUp(a); refusal != nil {
		return c.unchanged(now), nil, refusal
	}
	t, refusal := d.lawful(a)
	if refusal != nil {
		return c.unchanged(now), nil, refusal
	}
	return d, t, nil
}

func (c *Case) reach(id string, ifMatch int64, p *Policy, a Action, now time.Time) (Decision, *Transition, *Assignment, error) {
	was := c.live(func(o *Assignment) bool { return o.ID == id })
	if was == nil {
		return c.unchanged(now), nil, nil, ErrNotFound
	}
	if ifMatch != 0 && ifMatch != was.Version {
		return c.unchanged(now), nil, nil, ErrStaleVersion
	}
	d, t, err := c.lawful(p, a, now)
	return d, t, was, err
}

func (c *Case) unchanged(now time.Time) Decision { return Decision{Record: c.Record, Recorded: now} }

// assign writes one assignment and the step that it is part of.
func (d *Decision) assign(p *Policy, t *Transition, a Action, assigned *Assignment) {
	now := d.Recorded
	d.pass(p, t, Change{Effective: now, Actor: a.By, By: a.Caller, Detail: a.Detail})
	assigned.Modified, assigned.Version = now, d.Record.Version
	d.Assignments = append(d.Assignments, *assigned)
	d.settle(p, nil)
}

// assignmentFaults is what is wrong with what a group is to get: it may have no role that the relationship does not have.
func assignmentFaults(r *Record, group string, roles []string) Faults {
	var faults Faults
	if !IsGUID(group) {
		faults = append(faults, Fault{"accessContainer.accessContainerId", group, "is not a GUID; name a security group of the partner's", nil})
	}
	if len(roles) == 0 {
		faults = append(faults, Fault{"accessDetails.unifiedRoles", "", "is missing; name at least one role of the relationship's", nil})
	}
	for i, role := range roles {
		field := fmt.Sprintf("accessDetails.unifiedRoles[%d].roleDefinitionId", i)
		switch {
		case !slices.Contains(r.Roles, role):
			faults = append(faults, Fault{field, role, "is not among the roles of the relationship", nil})
		case slices.Contains(roles[:i], role):
			faults = append(faults, Fault{field, role, "is there twice; leave one out", nil})
		}
	}
	return faults
}
