package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	someGroup    = "44444444-4444-4444-8444-444444444444"
	anAssignment = "55555555-5555-4555-8555-555555555555"
)

var agent = Action{By: Partner, Caller: partnersAgent}

// assigned is contoso with one group that has access.
func assigned(changes ...func(r *Record)) Case {
	r := contoso(append(changes, func(r *Record) { r.Assigned = 1 })...)
	return Case{Record: r, Assignments: []Assignment{{ID: anAssignment, Group: someGroup, Roles: []string{helpdesk}, Status: AssignmentActive, Version: 3}}}
}

func TestAssignmentIsAStepOfItsRelationship(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	c := Case{Record: contoso(func(r *Record) { r.Roles = []string{helpdesk, otherRoleID} })}
	d, made, err := c.AssignTo(anAssignment, someGroup, []string{otherRoleID}, DefaultPolicy(), agent, now)
	require.NoError(t, err)
	require.Equal(t, Assignment{ID: anAssignment, Group: someGroup, Roles: []string{otherRoleID}, Status: AssignmentActive,
		Created: now, Modified: now, Version: 4}, made)
	require.Equal(t, []Assignment{made}, d.Assignments)
	require.Equal(t, 1, d.Record.Assigned)
	require.Equal(t, EventAssigned, d.Changes[0].Type)
	require.Contains(t, d.Changes[0].Detail, someGroup)
	require.Equal(t, NextTimer(&d.Record, DefaultPolicy()), d.Next)
}

func TestAssignmentIsRefused(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	p := DefaultPolicy()
	for name, c := range map[string]struct {
		of    Case
		group string
		roles []string
		want  string
	}{
		"a role that the relationship has not": {Case{Record: contoso()}, someGroup, []string{otherRoleID}, "not among the roles of the relationship"},
		"no role":                              {Case{Record: contoso()}, someGroup, nil, "name at least one role"},
		"one role twice":                       {Case{Record: contoso()}, someGroup, []string{helpdesk, helpdesk}, "is there twice"},
		"a group that is none":                 {Case{Record: contoso()}, "helpdesk", []string{helpdesk}, "accessContainer.accessContainerId"},
		"a group that has one already":         {assigned(), someGroup, []string{helpdesk}, anAssignment},
		"a draft":                              {Case{Record: contoso(created)}, someGroup, []string{helpdesk}, "the relationship is created"},
		"one that has ended meanwhile":         {Case{Record: contoso(ending(now))}, someGroup, []string{helpdesk}, "the relationship is expired"},
	} {
		d, _, err := c.of.AssignTo("66666666-6666-4666-8666-666666666666", c.group, c.roles, p, agent, now)
		require.ErrorContains(t, err, c.want, name)
		require.True(t, d.Empty(), name)
		require.Empty(t, d.Assignments, name)
	}
	_, _, err := (&Case{Record: contoso()}).AssignTo(anAssignment, someGroup, []string{helpdesk}, p, Action{By: Customer}, now)
	require.ErrorIs(t, err, ErrRefused)
}

func TestReassigningLooksAtTheVersionAndTheRoles(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	p := DefaultPolicy()
	c := assigned(func(r *Record) { r.Roles = []string{helpdesk, otherRoleID} })
	d, changed, err := c.Reassign(anAssignment, []string{otherRoleID}, 3, p, agent, now)
	require.NoError(t, err)
	require.Equal(t, []string{otherRoleID}, changed.Roles)
	require.Equal(t, int64(4), changed.Version)
	require.Equal(t, 1, d.Record.Assigned)

	d, _, err = c.Reassign(anAssignment, []string{helpdesk}, 0, p, agent, now)
	require.NoError(t, err)
	require.True(t, d.Empty(), "it has these roles already")

	_, _, err = c.Reassign(anAssignment, []string{otherRoleID}, 2, p, agent, now)
	require.ErrorIs(t, err, ErrStaleVersion)
	_, _, err = c.Reassign("66666666-6666-4666-8666-666666666666", []string{helpdesk}, 0, p, agent, now)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestUnassigningTakesOneAway(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	c := assigned()
	d, err := c.Unassign(anAssignment, 3, DefaultPolicy(), agent, now)
	require.NoError(t, err)
	require.Equal(t, 0, d.Record.Assigned)
	require.Equal(t, AssignmentDeleted, d.Assignments[0].Status)

	c.Assignments[0].Status = AssignmentDeleted
	_, err = c.Unassign(anAssignment, 0, DefaultPolicy(), agent, now)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestCallersSeeWhatIsTheirs(t *testing.T) {
	agent, other := Caller{Tenant: fabrikamTenant, Role: AdminAgents}, Caller{Tenant: somebodysTenant, Role: AdminAgents}
	reader, admin := Caller{Tenant: contosoTenant, Role: Reader}, Caller{Tenant: contosoTenant, Role: GlobalAdministrators}
	draft, live := contoso(created), contoso()
	require.True(t, agent.Sees(&draft))
	require.False(t, other.Sees(&live))
	require.False(t, admin.Sees(&draft), "a customer sees no drafts")
	require.True(t, admin.Sees(&live))
	require.True(t, reader.Sees(&live))
	require.False(t, (&Caller{Tenant: contosoTenant, Role: AdminAgents}).Sees(&live), "being a customer makes nobody a partner")
	require.False(t, (&Caller{Role: Reader}).Sees(ptr(contoso(func(r *Record) { r.Customer = Tenant{} }))), "no tenant is no key")
	require.True(t, (&Caller{Role: Operator}).Sees(&draft))
	require.False(t, (&Caller{}).Sees(&live))

	require.True(t, agent.Acts(Partner) && !agent.Acts(Customer) && admin.Acts(Customer) && !admin.Acts(Partner))
	require.False(t, reader.Acts(Partner) || reader.Acts(Customer))
	require.False(t, (&Caller{Role: Operator, ReadsOnly: true}).Acts(Partner))

	open := contoso(pending, func(r *Record) { r.Customer = Tenant{} })
	require.True(t, admin.Invited(&open))
	require.False(t, admin.Invited(ptr(contoso(pending))))
	require.False(t, agent.Invited(&open))
}

func TestAnnouncementsFollowWhatHappens(t *testing.T) {
	kinds := func(d Decision) (kinds []NoticeKind) {
		for _, a := range d.Announcements() {
			require.True(t, a.Kind.IsAnnouncement())
			require.NotContains(t, NoticeKinds, a.Kind)
			kinds = append(kinds, a.Kind)
		}
		return kinds
	}
	p := DefaultPolicy()
	d, err := Act(contoso(pending), p, Action{Kind: Approve, By: Customer}, at("2026-02-01T00:00:00Z"))
	require.NoError(t, err)
	require.Equal(t, []NoticeKind{AnnounceApproved, AnnounceActivated}, kinds(d))
	require.Equal(t, []NoticeKind{AnnounceExpiringSoon}, kinds(Evaluate(contoso(), p, at("2026-12-08T10:00:00Z"))))
	require.Equal(t, []NoticeKind{AnnounceExpired, AnnounceNameReleased}, kinds(Evaluate(contoso(), p, at("2028-06-01T00:00:00Z"))))
	require.Equal(t, []NoticeKind{AnnounceExtended}, kinds(Evaluate(contoso(extending), p, at("2027-01-07T10:00:00Z"))))
	require.Equal(t, []NoticeKind{AnnounceLapsed}, kinds(Evaluate(contoso(pending), p, at("2026-06-07T10:00:00Z"))))

	d, err = Act(assigned().Record, p, Action{Kind: Terminate, By: Partner}, at("2026-02-01T00:00:00Z"))
	require.NoError(t, err)
	require.Equal(t, []NoticeKind{AnnounceTerminated}, kinds(d), "that access was taken away is no announcement of its own")
}

func TestNoGroupKeepsARoleThatTheRelationshipLoses(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	c := assigned(withGlobalAdministrator)
	c.Assigned = 3
	c.Assignments = []Assignment{
		{ID: "1", Group: "a", Roles: []string{helpdesk, GlobalAdministrator}, Status: AssignmentActive},
		{ID: "2", Group: "b", Roles: []string{GlobalAdministrator}, Status: AssignmentActive},
		{ID: "3", Group: "c", Roles: []string{helpdesk}, Status: AssignmentActive},
		{ID: "4", Group: "d", Roles: []string{GlobalAdministrator}, Status: AssignmentDeleted},
	}
	d, err := c.Act(DefaultPolicy(), now, Action{Kind: RemoveGlobalAdministrator, By: Partner})
	require.NoError(t, err)
	require.Equal(t, []Assignment{
		{ID: "1", Group: "a", Roles: []string{helpdesk}, Status: AssignmentActive, Modified: now, Version: 4},
		{ID: "2", Group: "b", Roles: []string{GlobalAdministrator}, Status: AssignmentDeleted, Modified: now, Version: 4},
	}, d.Assignments)
	require.Equal(t, 2, d.Record.Assigned)

	c.Standing = Suspended
	_, err = c.Act(DefaultPolicy(), now, Action{Kind: RemoveGlobalAdministrator, By: Partner})
	require.ErrorIs(t, err, ErrRefused)
}
