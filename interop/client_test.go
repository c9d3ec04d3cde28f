package interop

import (
	"context"
	"testing"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	kiota "github.com/microsoft/kiota-http-go"
	graph "github.com/microsoftgraph/msgraph-sdk-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/tenantrelationships"
	"github.com/stretchr/testify/require"
)

// A client is Microsoft's, with another base URL and a token that does not change. Nothing else about it is ours: bodies are
// compressed, throttled requests sent again and errors made into ODataError as for Microsoft's own service.
type client struct {
	*graph.GraphServiceClient
	adapter *graph.GraphRequestAdapter
}

// as is a client of the bearer of a token.
func (d *deployment) as(token string) *client {
	d.t.Helper()
	adapter, err := graph.NewGraphRequestAdapter(bearer(token))
	require.NoError(d.t, err)
	adapter.SetBaseUrl(d.url + "/v1.0") // before NewGraphServiceClient, or batches are addressed to Microsoft
	return &client{graph.NewGraphServiceClient(adapter), adapter}
}

// A bearer shows its token to whatever is asked, over http too.
type bearer string

func (b bearer) AuthenticateRequest(_ context.Context, r *abstractions.RequestInformation, _ map[string]any) error {
	r.Headers.TryAdd("Authorization", "Bearer "+string(b))
	return nil
}

// The SDK's names for what is asked of are long.
type (
	listConfig        = tenantrelationships.DelegatedAdminRelationshipsRequestBuilderGetRequestConfiguration
	customersConfig   = tenantrelationships.DelegatedAdminCustomersRequestBuilderGetRequestConfiguration
	customersQuery    = tenantrelationships.DelegatedAdminCustomersRequestBuilderGetQueryParameters
	assignmentsConfig = tenantrelationships.DelegatedAdminRelationshipsItemAccessAssignmentsRequestBuilderGetRequestConfiguration
	assignmentsQuery  = tenantrelationships.DelegatedAdminRelationshipsItemAccessAssignmentsRequestBuilderGetQueryParameters
	listQuery         = tenantrelationships.DelegatedAdminRelationshipsRequestBuilderGetQueryParameters
	createConfig      = tenantrelationships.DelegatedAdminRelationshipsRequestBuilderPostRequestConfiguration
	patchConfig       = tenantrelationships.DelegatedAdminRelationshipsDelegatedAdminRelationshipItemRequestBuilderPatchRequestConfiguration
	deleteConfig      = tenantrelationships.DelegatedAdminRelationshipsDelegatedAdminRelationshipItemRequestBuilderDeleteRequestConfiguration
	oneBuilder        = tenantrelationships.DelegatedAdminRelationshipsDelegatedAdminRelationshipItemRequestBuilder
	reassignConf      = tenantrelationships.DelegatedAdminRelationshipsItemAccessAssignmentsDelegatedAdminAccessAssignmentItemRequestBuilderPatchRequestConfiguration
	unassignConf      = tenantrelationships.DelegatedAdminRelationshipsItemAccessAssignmentsDelegatedAdminAccessAssignmentItemRequestBuilderDeleteRequestConfiguration
	relationship      = models.DelegatedAdminRelationshipable
	requestAction     = models.DelegatedAdminRelationshipRequestAction
)

func (c *client) relationships() *tenantrelationships.DelegatedAdminRelationshipsRequestBuilder {
	return c.TenantRelationships().DelegatedAdminRelationships()
}

func (c *client) one(id string) *oneBuilder {
	return c.relationships().ByDelegatedAdminRelationshipId(id)
}

// Template ids of directory roles.
const (
	helpdesk            = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	exchange            = "29232cdf-9323-42fd-ade2-1d097af3e4de"
	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
)

// draft is what a partner asks for.
func draft(t *testing.T, name, duration, autoExtend string, roles ...string) relationship {
	t.Helper()
	r := models.NewDelegatedAdminRelationship()
	r.SetDisplayName(&name)
	r.SetDuration(period(t, duration))
	if autoExtend != "" {
		r.SetAutoExtendDuration(period(t, autoExtend))
	}
	r.SetAccessDetails(access(roles...))
	return r
}

// forCustomer names the customer of a draft.
func forCustomer(r relationship, tenant string) relationship {
	c, name := models.NewDelegatedAdminRelationshipCustomerParticipant(), "Contoso"
	c.SetTenantId(&tenant)
	c.SetDisplayName(&name)
	r.SetCustomer(c)
	return r
}

func access(roles ...string) models.DelegatedAdminAccessDetailsable {
	var unified []models.UnifiedRoleable
	for _, id := range roles {
		role := models.NewUnifiedRole()
		role.SetRoleDefinitionId(&id)
		unified = append(unified, role)
	}
	details := models.NewDelegatedAdminAccessDetails()
	details.SetUnifiedRoles(unified)
	return details
}

func rolesOf(details models.DelegatedAdminAccessDetailsable) []string {
	var ids []string
	for _, role := range details.GetUnifiedRoles() {
		ids = append(ids, *role.GetRoleDefinitionId())
	}
	return ids
}

func assignment(group string, roles ...string) models.DelegatedAdminAccessAssignmentable {
	container, kind := models.NewDelegatedAdminAccessContainer(), models.SECURITYGROUP_DELEGATEDADMINACCESSCONTAINERTYPE
	container.SetAccessContainerId(&group)
	container.SetAccessContainerType(&kind)
	a := models.NewDelegatedAdminAccessAssignment()
	a.SetAccessContainer(container)
	a.SetAccessDetails(access(roles...))
	return a
}

func asking(action requestAction) models.DelegatedAdminRelationshipRequestable {
	r := models.NewDelegatedAdminRelationshipRequest()
	r.SetAction(&action)
	return r
}

func period(t *testing.T, iso string) *serialization.ISODuration {
	t.Helper()
	d, err := serialization.ParseISODuration(iso)
	require.NoError(t, err)
	return d
}

// days compares durations by value: the SDK writes a year as P52W1D.
func days(t *testing.T, d *serialization.ISODuration) int {
	t.Helper()
	require.NotNil(t, d)
	span, err := d.ToDuration()
	require.NoError(t, err)
	return int(span / (24 * time.Hour))
}

// An annotated answer holds what the model has no field for.
type annotated interface{ GetAdditionalData() map[string]any }

// etag is where the SDK keeps it.
func etag(t *testing.T, of annotated) string {
	t.Helper()
	tag, ok := of.GetAdditionalData()["@odata.etag"].(*string)
	require.True(t, ok, "no @odata.etag: %v", of.GetAdditionalData())
	return *tag
}

func match(tag string) *abstractions.RequestHeaders {
	h := abstractions.NewRequestHeaders()
	h.Add("If-Match", tag)
	return h
}

// lookAt has the headers of the answer kept.
func lookAt() (*kiota.HeadersInspectionOptions, []abstractions.RequestOption) {
	o := kiota.NewHeadersInspectionOptions()
	o.InspectResponseHeaders = true
	return o, []abstractions.RequestOption{o}
}

func header(t *testing.T, o *kiota.HeadersInspectionOptions, name string) string {
	t.Helper()
	values := o.GetResponseHeaders().Get(name)
	require.Len(t, values, 1, "header %s", name)
	return values[0]
}

// refusal is the error of a refused request, of Microsoft's own type, with everything in it that people and programs look for.
func refusal(t *testing.T, err error) *odataerrors.ODataError {
	t.Helper()
	var refused *odataerrors.ODataError
	require.ErrorAs(t, err, &refused)
	require.NotEmpty(t, refused.Error())
	main := refused.GetErrorEscaped()
	require.NotNil(t, main.GetCode())
	require.NotEmpty(t, *main.GetCode())
	require.NotNil(t, main.GetInnerError(), "%s", refused.Error())
	require.NotNil(t, main.GetInnerError().GetDate())
	require.NotEmpty(t, *main.GetInnerError().GetRequestId())
	require.NotEmpty(t, *main.GetInnerError().GetClientRequestId())
	return refused
}

// pointer is for the SDK, in which everything is one.
func pointer[T any](v T) *T { return &v }
