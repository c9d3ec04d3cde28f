package interop

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"testing"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/stretchr/testify/require"
)

// TestARelationshipLivesThroughMicrosoftsClient goes through a whole life, each step by the client of the one whose step it is.
func TestARelationshipLivesThroughMicrosoftsClient(t *testing.T) {
	ctx, d := t.Context(), deploy(t)
	agents, admins := d.as(d.agents), d.as(d.admins)

	// The partner makes a draft, changes it, and locks it.
	headers, options := lookAt()
	made, err := agents.relationships().Post(ctx, forCustomer(draft(t, "Contoso helpdesk", "P365D", "PT0S", helpdesk, exchange), customer), &createConfig{Options: options})
	require.NoError(t, err)
	id := *made.GetId()
	require.Equal(t, d.url+"/v1.0/tenantRelationships/delegatedAdminRelationships/"+id, header(t, headers, "Location"))
	require.Equal(t, models.CREATED_DELEGATEDADMINRELATIONSHIPSTATUS, *made.GetStatus())
	require.Equal(t, 365, days(t, made.GetDuration()))
	require.Equal(t, 0, days(t, made.GetAutoExtendDuration()))
	require.Equal(t, customer, *made.GetCustomer().GetTenantId())
	require.ElementsMatch(t, []string{helpdesk, exchange}, rolesOf(made.GetAccessDetails()))
	require.Nil(t, made.GetActivatedDateTime())
	require.Nil(t, made.GetEndDateTime())

	change := models.NewDelegatedAdminRelationship()
	change.SetDisplayName(pointer("Contoso helpdesk 2026"))
	changed, err := agents.one(id).Patch(ctx, change, &patchConfig{Headers: match(etag(t, made))})
	require.NoError(t, err)
	require.Equal(t, "Contoso helpdesk 2026", *changed.GetDisplayName())
	require.Equal(t, 365, days(t, changed.GetDuration()), "what a PATCH does not name stays")
	require.NotEqual(t, etag(t, made), etag(t, changed))

	locked, err := agents.one(id).Requests().Post(ctx, asking(models.LOCKFORAPPROVAL_DELEGATEDADMINRELATIONSHIPREQUESTACTION), nil)
	require.NoError(t, err)
	require.Equal(t, models.LOCKFORAPPROVAL_DELEGATEDADMINRELATIONSHIPREQUESTACTION, *locked.GetAction())
	require.Equal(t, models.APPROVALPENDING_DELEGATEDADMINRELATIONSHIPSTATUS, status(t, agents, id))

	// The customer approves.
	approved, err := admins.one(id).Requests().Post(ctx, asking(models.APPROVE_DELEGATEDADMINRELATIONSHIPREQUESTACTION), nil)
	require.NoError(t, err)
	require.Equal(t, models.SUCCEEDED_DELEGATEDADMINRELATIONSHIPREQUESTSTATUS, *approved.GetStatus())
	active := get(t, agents, id)
	require.Equal(t, models.ACTIVE_DELEGATEDADMINRELATIONSHIPSTATUS, *active.GetStatus())
	end := active.GetActivatedDateTime().Add(365 * 24 * time.Hour)
	require.Equal(t, end, *active.GetEndDateTime())

	requests, err := agents.one(id).Requests().Get(ctx, nil)
	require.NoError(t, err)
	require.Len(t, requests.GetValue(), 2)
	for _, r := range requests.GetValue() {
		again, err := agents.one(id).Requests().ByDelegatedAdminRelationshipRequestId(*r.GetId()).Get(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, r.GetAction(), again.GetAction())
	}

	assign(t, agents, id)

	// Either side may have it extended. The clock of the sandbox goes past its end.
	extend := models.NewDelegatedAdminRelationship()
	extend.SetAutoExtendDuration(period(t, "P180D"))
	_, err = agents.one(id).Patch(ctx, extend, &patchConfig{Headers: match(etag(t, get(t, agents, id)))})
	require.NoError(t, err)
	require.Equal(t, 180, days(t, get(t, agents, id).GetAutoExtendDuration()))
	d.advance("P366D")
	agents, admins = d.as(d.agents), d.as(d.admins)
	extended := get(t, agents, id)
	require.Equal(t, models.ACTIVE_DELEGATEDADMINRELATIONSHIPSTATUS, *extended.GetStatus())
	require.Equal(t, end.Add(180*24*time.Hour), *extended.GetEndDateTime())

	customers, err := agents.TenantRelationships().DelegatedAdminCustomers().Get(ctx, nil)
	require.NoError(t, err)
	require.Len(t, customers.GetValue(), 1)
	require.Equal(t, customer, *customers.GetValue()[0].GetTenantId())
	one, err := agents.TenantRelationships().DelegatedAdminCustomers().ByDelegatedAdminCustomerId(customer).Get(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "Contoso", *one.GetDisplayName())

	// The customer has enough of it.
	_, err = admins.one(id).Requests().Post(ctx, asking(models.TERMINATE_DELEGATEDADMINRELATIONSHIPREQUESTACTION), nil)
	require.NoError(t, err)
	ended := get(t, agents, id)
	require.Equal(t, models.TERMINATED_DELEGATEDADMINRELATIONSHIPSTATUS, *ended.GetStatus())
	require.True(t, ended.GetEndDateTime().Before(*extended.GetEndDateTime()))
}

// assign gives a group roles, changes them, and takes them away again.
func assign(t *testing.T, agents *client, id string) {
	t.Helper()
	ctx := t.Context()
	const group = "869713c9-0b28-4d08-8949-ae07ae1bf528"
	assignments := agents.one(id).AccessAssignments()
	made, err := assignments.Post(ctx, assignment(group, helpdesk, exchange), nil)
	require.NoError(t, err)
	require.Equal(t, group, *made.GetAccessContainer().GetAccessContainerId())
	require.Equal(t, models.SECURITYGROUP_DELEGATEDADMINACCESSCONTAINERTYPE, *made.GetAccessContainer().GetAccessContainerType())
	list, err := assignments.Get(ctx, nil)
	require.NoError(t, err)
	require.Len(t, list.GetValue(), 1)
	require.Equal(t, *made.GetId(), *list.GetValue()[0].GetId())
	require.Equal(t, models.ACTIVE_DELEGATEDADMINACCESSASSIGNMENTSTATUS, *list.GetValue()[0].GetStatus())

	headers, options := lookAt()
	item := assignments.ByDelegatedAdminAccessAssignmentId(*made.GetId())
	smaller := models.NewDelegatedAdminAccessAssignment()
	smaller.SetAccessDetails(access(helpdesk))
	_, err = item.Patch(ctx, smaller, &reassignConf{Headers: match(etag(t, list.GetValue()[0])), Options: options})
	require.NoError(t, err)
	require.NotEmpty(t, header(t, headers, "Retry-After"))
	where, err := url.Parse(header(t, headers, "Location"))
	require.NoError(t, err)
	operation, err := agents.one(id).Operations().ByDelegatedAdminRelationshipOperationId(path.Base(where.Path)).Get(ctx, nil)
	require.NoError(t, err, "the operation at %s", where)
	require.Equal(t, models.SUCCEEDED_LONGRUNNINGOPERATIONSTATUS, *operation.GetStatus())
	require.Equal(t, models.DELEGATEDADMINACCESSASSIGNMENTUPDATE_DELEGATEDADMINRELATIONSHIPOPERATIONTYPE, *operation.GetOperationType())
	require.True(t, json.Valid([]byte(*operation.GetData())), "%s", *operation.GetData())
	operations, err := agents.one(id).Operations().Get(ctx, nil)
	require.NoError(t, err)
	require.NotEmpty(t, operations.GetValue())

	now, err := item.Get(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, []string{helpdesk}, rolesOf(now.GetAccessDetails()))
	require.NoError(t, item.Delete(ctx, &unassignConf{Headers: match(etag(t, now))}))
	gone, err := item.Get(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, models.DELETED_DELEGATEDADMINACCESSASSIGNMENTSTATUS, *gone.GetStatus())
}

// A request that names no customer is approved by whoever holds its link; the link leads to a path of our own, which Graph has not.
func TestACustomerApprovesByTheLinkAndThePartnersClientSeesIt(t *testing.T) {
	ctx, d := t.Context(), deploy(t)
	agents := d.as(d.agents)
	made, err := agents.relationships().Post(ctx, draft(t, "For whoever takes it up", "P30D", "", helpdesk), nil)
	require.NoError(t, err)
	_, err = agents.one(*made.GetId()).Requests().Post(ctx, asking(models.LOCKFORAPPROVAL_DELEGATEDADMINRELATIONSHIPREQUESTACTION), nil)
	require.NoError(t, err)

	status, answer := d.ask(d.admins, http.MethodPost, "/v1/customer/relationships/"+*made.GetId()+"/approve", `{"customer":{"displayName":"Contoso"}}`)
	require.Equal(t, http.StatusOK, status, answer)
	r := get(t, agents, *made.GetId())
	require.Equal(t, models.ACTIVE_DELEGATEDADMINRELATIONSHIPSTATUS, *r.GetStatus())
	require.Equal(t, customer, *r.GetCustomer().GetTenantId())

	d.advance("P31D")
	require.Equal(t, models.EXPIRED_DELEGATEDADMINRELATIONSHIPSTATUS, *get(t, d.as(d.agents), *made.GetId()).GetStatus())
}

func TestGlobalAdministratorIsTakenOutOfAnActiveRelationship(t *testing.T) {
	ctx, d := t.Context(), deploy(t)
	agents := d.as(d.agents)
	id := activate(t, d, "All of it", globalAdministrator, helpdesk)
	headers, options := lookAt()
	without := models.NewDelegatedAdminRelationship()
	without.SetAccessDetails(access(helpdesk))
	_, err := agents.one(id).Patch(ctx, without, &patchConfig{Headers: match(etag(t, get(t, agents, id))), Options: options})
	require.NoError(t, err)
	require.Equal(t, []string{helpdesk}, rolesOf(get(t, agents, id).GetAccessDetails()))

	// The kind of the operation came later than others; it is shown to who asks for such.
	where, err := url.Parse(header(t, headers, "Location"))
	require.NoError(t, err)
	operation := agents.one(id).Operations().ByDelegatedAdminRelationshipOperationId(path.Base(where.Path))
	plain, err := operation.Get(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, models.UNKNOWNFUTUREVALUE_DELEGATEDADMINRELATIONSHIPOPERATIONTYPE, *plain.GetOperationType())
	prefer := abstractions.NewRequestHeaders()
	prefer.Add("Prefer", "include-unknown-enum-members")
	info, err := operation.ToGetRequestInformation(ctx, nil)
	require.NoError(t, err)
	info.Headers.AddAll(prefer)
	full, err := agents.adapter.Send(ctx, info, models.CreateDelegatedAdminRelationshipOperationFromDiscriminatorValue, nil)
	require.NoError(t, err)
	require.Equal(t, models.DELEGATEDADMINRELATIONSHIPUPDATE_DELEGATEDADMINRELATIONSHIPOPERATIONTYPE,
		*full.(models.DelegatedAdminRelationshipOperationable).GetOperationType())
}

// The SDK sends back whatever it was given and has no field for, etag and context among it.
func TestWhatWasReadIsWrittenBackWithOneChange(t *testing.T) {
	ctx, d := t.Context(), deploy(t)
	agents := d.as(d.agents)
	made, err := agents.relationships().Post(ctx, draft(t, "As it was", "P30D", "", helpdesk), nil)
	require.NoError(t, err)
	read := get(t, agents, *made.GetId())
	read.GetBackingStore().SetInitializationCompleted(true) // or the SDK takes no note of changes to what it has read
	read.SetDisplayName(pointer("As it is"))
	read.SetDuration(period(t, "P2Y"))
	written, err := agents.one(*made.GetId()).Patch(ctx, read, &patchConfig{Headers: match(etag(t, read))})
	require.NoError(t, err)
	require.Equal(t, "As it is", *written.GetDisplayName())

	require.NoError(t, agents.one(*made.GetId()).Delete(ctx, &deleteConfig{Headers: match(etag(t, written))}))
	_, err = agents.one(*made.GetId()).Get(ctx, nil)
	require.Equal(t, http.StatusNotFound, refusal(t, err).ResponseStatusCode)
}

// activate brings a relationship of these roles as far as active.
func activate(t *testing.T, d *deployment, name string, roles ...string) (id string) {
	t.Helper()
	ctx, agents := t.Context(), d.as(d.agents)
	made, err := agents.relationships().Post(ctx, forCustomer(draft(t, name, "P365D", "", roles...), customer), nil)
	require.NoError(t, err)
	id = *made.GetId()
	_, err = agents.one(id).Requests().Post(ctx, asking(models.LOCKFORAPPROVAL_DELEGATEDADMINRELATIONSHIPREQUESTACTION), nil)
	require.NoError(t, err)
	_, err = d.as(d.admins).one(id).Requests().Post(ctx, asking(models.APPROVE_DELEGATEDADMINRELATIONSHIPREQUESTACTION), nil)
	require.NoError(t, err)
	return id
}

func get(t *testing.T, c *client, id string) relationship {
	t.Helper()
	r, err := c.one(id).Get(t.Context(), nil)
	require.NoError(t, err)
	return r
}

func status(t *testing.T, c *client, id string) models.DelegatedAdminRelationshipStatus {
	t.Helper()
	return *get(t, c, id).GetStatus()
}
