package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func ofContoso() Draft {
	return Draft{DisplayName: ptr("Contoso helpdesk 2026"), Duration: ptr(Days(365)), Roles: []string{helpdesk}}
}

var partnersAgent = &Caller{Name: "agent", Tenant: fabrikamTenant, Role: AdminAgents, Address: "192.0.2.7", Request: "r1"}

func TestCreateMakesADraftWithoutATimer(t *testing.T) {
	now := at("2026-01-05T09:00:00Z")
	d, err := Create(contosoID, fabrikamTenant, ofContoso(), DefaultPolicy(), "", partnersAgent, now)
	require.NoError(t, err)
	require.Equal(t, Record{ID: contosoID, Partner: fabrikamTenant, DisplayName: "Contoso helpdesk 2026", Duration: Days(365),
		Status: Created, Roles: []string{helpdesk}, Created: now, Modified: now, Version: 1}, d.Record)
	require.Equal(t, []Change{{Version: 1, Type: EventCreated, Effective: now, To: Created, Actor: Partner, By: partnersAgent}}, d.Changes)
	require.Zero(t, d.Next)
}

func TestCreateFindsEveryFaultAtOnce(t *testing.T) {
	w := Draft{DisplayName: ptr("tab\there"), Duration: ptr(Days(731)), Customer: &Tenant{TenantID: "contoso"}, Roles: []string{helpdesk, helpdesk, "reader"}}
	_, err := Create(contosoID, fabrikamTenant, w, DefaultPolicy(), "", nil, at("2026-01-05T09:00:00Z"))
	var faults Faults
	require.ErrorAs(t, err, &faults)
	var fields []string
	for _, f := range faults {
		fields = append(fields, f.Field)
	}
	require.ElementsMatch(t, []string{"displayName", "duration", "customer.tenantId", "accessDetails.unifiedRoles[1].roleDefinitionId",
		"accessDetails.unifiedRoles[2].roleDefinitionId"}, fields)

	_, err = Create(contosoID, fabrikamTenant, Draft{}, DefaultPolicy(), "", nil, at("2026-01-05T09:00:00Z"))
	require.ErrorContains(t, err, "displayName: is empty")
	require.ErrorContains(t, err, "accessDetails.unifiedRoles: is missing")
}

func TestStandingSaysWhatAPartnerMayDo(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	for _, c := range []struct {
		standing             Standing
		create, change, gain bool // ask for a new one; change an old one; be approved by a customer
	}{
		{"", true, true, true},
		{Authorized, true, true, true},
		{Restricted, false, true, true},
		{Suspended, false, false, false},
	} {
		_, err := Create(contosoID, fabrikamTenant, ofContoso(), DefaultPolicy(), c.standing, nil, now)
		require.Equal(t, c.create, err == nil, c.standing)
		for kind, want := range map[ActionKind]bool{SetAutoExtend: c.change, Terminate: true} {
			_, err := Act(contoso(), DefaultPolicy(), Action{Kind: kind, By: Partner, Standing: c.standing, AutoExtend: true}, now)
			require.Equal(t, want, err == nil, "%s, %s", c.standing, kind)
		}
		of := Case{Record: contoso(), Standing: c.standing}
		_, _, err = of.AssignTo("a", somebodysTenant, []string{helpdesk}, DefaultPolicy(), Action{By: Partner}, now)
		require.Equal(t, c.change, err == nil, c.standing)
		_, err = Act(contoso(pending), DefaultPolicy(), Action{Kind: Approve, By: Customer, Standing: c.standing}, at("2026-02-01T00:00:00Z"))
		require.Equal(t, c.gain, err == nil, c.standing)
		_, err = Act(contoso(), DefaultPolicy(), Action{Kind: SetAutoExtend, By: Customer, Standing: c.standing, AutoExtend: true}, now)
		require.NoError(t, err, "a customer may always switch")
		if !c.change {
			var refusal *Refusal
			draft := Case{Record: contoso(created), Standing: c.standing}
			_, err := draft.Edit(Draft{DisplayName: ptr("Other")}, DefaultPolicy(), Action{By: Partner}, now)
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, WrongStanding, refusal.Reason)
		}
	}
}

func TestEditChangesADraftAndNothingElse(t *testing.T) {
	now := at("2026-01-06T00:00:00Z")
	by := Action{By: Partner, Caller: partnersAgent}
	draft, waiting := Case{Record: contoso(created)}, Case{Record: contoso(pending)}
	d, err := draft.Edit(Draft{DisplayName: ptr("Contoso service desk"), AutoExtend: ptr(true)}, DefaultPolicy(), by, now)
	require.NoError(t, err)
	require.Equal(t, contoso(created, func(r *Record) {
		r.DisplayName, r.AutoExtend, r.Modified, r.Version = "Contoso service desk", true, now, 2
	}), d.Record)
	require.Equal(t, "displayName, autoExtendDuration", d.Changes[0].Detail)

	d, err = draft.Edit(ofContoso(), DefaultPolicy(), by, now)
	require.NoError(t, err)
	require.True(t, d.Empty(), "what is so already is no event")

	_, err = waiting.Edit(Draft{DisplayName: ptr("Other")}, DefaultPolicy(), by, now)
	require.ErrorIs(t, err, ErrRefused)
	_, err = draft.Edit(Draft{Roles: []string{}}, DefaultPolicy(), by, now)
	require.ErrorContains(t, err, "accessDetails.unifiedRoles")
}

func TestOnlyADraftIsDeleted(t *testing.T) {
	now := at("2026-01-06T12:00:00Z")
	for _, s := range Statuses {
		r := contoso(func(r *Record) { r.Status = s })
		d, err := Act(r, DefaultPolicy(), Action{Kind: Delete, By: Partner}, now)
		require.Equal(t, s == Created, err == nil, s)
		require.Equal(t, s == Created, d.Gone, s)
	}
}

func TestApprovalNamesTheCustomerOfAnOpenRequest(t *testing.T) {
	now := at("2026-02-01T00:00:00Z")
	open := contoso(pending, func(r *Record) { r.Customer = Tenant{} })
	d, err := Act(open, DefaultPolicy(), Action{Kind: Approve, By: Customer, Customer: Tenant{contosoTenant, "Contoso"}}, now)
	require.NoError(t, err)
	require.Equal(t, Tenant{contosoTenant, "Contoso"}, d.Record.Customer)
	require.Contains(t, d.Notices[0].To, Addressee{Audience: Audience{contosoTenant, GlobalAdministrators}, Channel: DefaultChannel})

	_, err = Act(contoso(pending), DefaultPolicy(), Action{Kind: Approve, By: Customer, Customer: Tenant{TenantID: somebodysTenant}}, now)
	require.ErrorContains(t, err, "another customer was asked")
}

func TestNameHeldSaysUntilWhen(t *testing.T) {
	held := &NameHeld{Name: "Contoso", Holder: contosoID, Status: Expired, Until: at("2028-01-07T10:00:00Z")}
	require.ErrorIs(t, held, ErrNameTaken)
	require.ErrorContains(t, held, "until 2028-01-07T10:00:00Z")
	held.Until, held.Status = time.Time{}, Active
	require.ErrorContains(t, held, "choose another name")
}

func TestNobodyApprovesForACustomerWhomNobodyHasNamed(t *testing.T) {
	c := Case{Record: contoso(pending, func(r *Record) { r.Customer = Tenant{} })}
	_, err := c.Act(DefaultPolicy(), at("2026-02-01T00:00:00Z"), Action{Kind: Approve, By: Customer})
	require.ErrorContains(t, err, "it names no customer; say who approves")
}

func TestNameThatPeopleCannotReadIsRefused(t *testing.T) {
	for name, want := range map[string]string{
		"\u200b\u200b":     "no character that can be seen",
		"Contoso\u202Emoc": "turns the direction of text",
		"Contoso \uFFFD":   "could not be read",
	} {
		w := ofContoso()
		w.DisplayName = &name
		_, err := Create(contosoID, fabrikamTenant, w, DefaultPolicy(), "", nil, at("2026-01-05T09:00:00Z"))
		require.ErrorContains(t, err, want, "%+q", name)
	}
	w := ofContoso()
	w.DisplayName = ptr("مكتب المساعدة 🛟")
	_, err := Create(contosoID, fabrikamTenant, w, DefaultPolicy(), "", nil, at("2026-01-05T09:00:00Z"))
	require.NoError(t, err)
}

func TestNobodyIsPartnerAndCustomerOfOneRelationship(t *testing.T) {
	now := at("2026-02-01T00:00:00Z")
	w := ofContoso()
	w.Customer = &Tenant{TenantID: fabrikamTenant}
	_, err := Create(contosoID, fabrikamTenant, w, DefaultPolicy(), "", nil, now)
	require.ErrorContains(t, err, "is the partner itself")

	open := Case{Record: contoso(pending, func(r *Record) { r.Customer = Tenant{} })}
	own := Caller{Tenant: fabrikamTenant, Role: GlobalAdministrators}
	require.False(t, own.Invited(&open.Record))
	_, err = open.Act(DefaultPolicy(), now, Action{Kind: Approve, By: Customer, Customer: Tenant{TenantID: fabrikamTenant}})
	require.ErrorContains(t, err, "cannot approve what it asks for itself")
}

func TestWhoRejectsAnOpenRequestIsItsCustomer(t *testing.T) {
	open := Case{Record: contoso(pending, func(r *Record) { r.Customer = Tenant{} })}
	d, err := open.Act(DefaultPolicy(), at("2026-02-01T00:00:00Z"), Action{Kind: Reject, By: Customer, Customer: Tenant{TenantID: contosoTenant}})
	require.NoError(t, err)
	require.Equal(t, contosoTenant, d.Record.Customer.TenantID)
}

func TestNameComesFreeAYearAfterAnEndThatIsCertain(t *testing.T) {
	p := DefaultPolicy()
	for _, s := range Statuses {
		r := contoso(func(r *Record) { r.Status = s })
		certain := s.Ended() || s == Expiring || s == TerminationRequested || s == Terminating
		require.Equal(t, certain, !r.NameFreeAt(p).IsZero(), s)
		if certain {
			require.Equal(t, r.End.Add(365*Day), r.NameFreeAt(p))
		}
	}
	p.Names.HoldFor = Period{}
	require.Zero(t, ptr(contoso(expired)).NameFreeAt(p))
}
