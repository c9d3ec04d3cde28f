package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// access holds that the access assignments are those that the events tell of: given by one, to the group that it names, and last
// changed by the step that they name themselves. Which of the relationship's roles a group has no event says.
func (h *history) access(row *lifecycle.AccountRow) {
	given := map[string]bool{}
	for i := range h.account.Access {
		a := &h.account.Access[i]
		given[a.ID] = true
		h.givenTo(a)
		h.changedLast(a)
		h.rolesOf(a, row)
	}
	for i := range h.account.Events {
		e := &h.account.Events[i]
		if id, _ := assignmentOf(e); e.Type == lifecycle.EventAssigned && id != "" && !given[id] {
			h.find(e.Version, Finding{Kind: Access, Text: fmt.Sprintf("assignment %s was given, and is not there", id)})
		}
	}
}

// assignmentOf reads which assignment an event is about, and which group it was given to; both are empty where it is about none.
func assignmentOf(e *lifecycle.Event) (id, group string) {
	switch e.Type {
	case lifecycle.EventAssigned, lifecycle.EventReassigned, lifecycle.EventUnassigned:
		text, _ := strings.CutPrefix(e.Detail, "assignment ")
		id, group, _ = strings.Cut(text, ", group ")
	}
	return id, group
}

// givenTo holds that an event has given the assignment, to its group and at its instant.
func (h *history) givenTo(a *lifecycle.Assignment) {
	for i := range h.account.Events {
		e := &h.account.Events[i]
		id, group := assignmentOf(e)
		if e.Type != lifecycle.EventAssigned || id != a.ID {
			continue
		}
		if group != a.Group {
			h.find(e.Version, wrong(Access, fmt.Sprintf("assignment %s was given to another group", a.ID), group, a.Group))
		}
		if !e.Effective.Equal(a.Created) {
			h.find(e.Version, wrong(Access, fmt.Sprintf("assignment %s was given at another instant", a.ID), e.Effective, a.Created))
		}
		return
	}
	h.find(a.Version, Finding{Kind: Access, Text: fmt.Sprintf("assignment %s is there, and no event has given it", a.ID), Found: a.Group})
}

// changedLast holds that the assignment is as the last event about it left it.
func (h *history) changedLast(a *lifecycle.Assignment) {
	found := false
	for i := range h.account.Events {
		e := &h.account.Events[i]
		id, _ := assignmentOf(e)
		switch {
		case e.Version == a.Version:
			found = e.Effective.Equal(a.Modified) && (id == a.ID || id == "" && changesAccess(e))
		case id == a.ID && e.Version > a.Version:
			h.find(e.Version, wrong(Access, fmt.Sprintf("assignment %s was changed later than it says", a.ID), e.Version, a.Version))
		}
		if id == a.ID && e.Type == lifecycle.EventUnassigned && a.Status != lifecycle.AssignmentDeleted {
			h.find(e.Version, wrong(Access, fmt.Sprintf("assignment %s was taken away", a.ID), lifecycle.AssignmentDeleted, a.Status))
		}
	}
	if !found {
		h.find(a.Version, wrong(Access, fmt.Sprintf("no event tells that assignment %s was changed then", a.ID), "an event of version "+say(a.Version), say(a.Modified)))
	}
}

// changesAccess says whether the event is one with which all groups lose access, or a role.
func changesAccess(e *lifecycle.Event) bool {
	return e.Type == lifecycle.EventGlobalAdministratorRemoved || e.To.Ended() || e.To == lifecycle.Expiring ||
		e.To == lifecycle.TerminationRequested || e.To == lifecycle.Terminating
}

// rolesOf holds that a group has some of the relationship's roles, and none that it has not. A file may have brought others since.
func (h *history) rolesOf(a *lifecycle.Assignment, row *lifecycle.AccountRow) {
	if !a.Status.Live() || slices.ContainsFunc(h.account.Events, func(e lifecycle.Event) bool { return e.Type == lifecycle.EventUpdated && e.Version > a.Version }) {
		return
	}
	strange := slices.DeleteFunc(slices.Clone(a.Roles), func(role string) bool { return slices.Contains(row.Roles, role) })
	if len(a.Roles) == 0 || len(strange) > 0 {
		h.find(a.Version, wrong(Access, fmt.Sprintf("assignment %s has other roles than the relationship", a.ID), "some of "+strings.Join(row.Roles, " "), orNone(strings.Join(a.Roles, " "))))
	}
}
