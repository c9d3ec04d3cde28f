package interop

import (
	"context"
	"net/http"
	"testing"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/stretchr/testify/require"
)

// Whatever is refused comes as the SDK's own error, with a code for programs and a sentence for people.
func TestRefusalsAreODataErrors(t *testing.T) {
	d := deploy(t)
	agents, rivals := d.as(d.agents), d.as(d.rivals)
	made, err := agents.relationships().Post(t.Context(), draft(t, "Taken", "P30D", "", helpdesk), nil)
	require.NoError(t, err)
	id := *made.GetId()
	rename := models.NewDelegatedAdminRelationship()
	rename.SetDisplayName(pointer("Renamed"))
	create := func(c *client, r relationship) func(context.Context) error {
		return func(ctx context.Context) error { _, err := c.relationships().Post(ctx, r, nil); return err }
	}
	list := func(c *client, q *listQuery) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.relationships().Get(ctx, &listConfig{QueryParameters: q})
			return err
		}
	}
	patch := func(config *patchConfig) func(context.Context) error {
		return func(ctx context.Context) error { _, err := agents.one(id).Patch(ctx, rename, config); return err }
	}
	for name, c := range map[string]struct {
		do     func(context.Context) error
		status int
		code   string
		says   string
	}{
		"no name":             {create(agents, draft(t, "", "P30D", "", helpdesk)), 400, "badRequest", "displayName"},
		"no roles":            {create(agents, draft(t, "No roles", "P30D", "")), 400, "badRequest", "unifiedRoles"},
		"three years":         {create(agents, draft(t, "Three years", "P3Y", "", helpdesk)), 400, "badRequest", "duration"},
		"a name that is held": {create(agents, draft(t, "TAKEN", "P30D", "", helpdesk)), 409, "nameAlreadyExists", "TAKEN"},
		"a reader writes":     {create(d.as(d.reading), draft(t, "Reader's", "P30D", "", helpdesk)), 403, "accessDenied", ""},
		"a customer creates":  {create(d.as(d.admins), draft(t, "Customer's", "P30D", "", helpdesk)), 403, "accessDenied", ""},
		"no such token":       {list(d.as("tenure_nobody"), &listQuery{}), 401, "InvalidAuthenticationToken", ""},
		"somebody else's":     {func(ctx context.Context) error { _, err := rivals.one(id).Get(ctx, nil); return err }, 404, "", ""},
		"none at all": {func(ctx context.Context) error {
			_, err := agents.one("5d027261-d21f-4aa9-b7db-7fa1f56fb163-8777b240-c6f0-4469-9e98-a3205431b836").Get(ctx, nil)
			return err
		}, 404, "", ""},
		"no If-Match": {patch(nil), 428, "preconditionRequired", "If-Match"},
		"a stale one": {patch(&patchConfig{Headers: match(`W/"999"`)}), 412, "preconditionFailed", ""},
		"ended before it began": {func(ctx context.Context) error {
			_, err := agents.one(id).Requests().Post(ctx, asking(models.TERMINATE_DELEGATEDADMINRELATIONSHIPREQUESTACTION), nil)
			return err
		}, 409, "invalidStatus", "created"},
		"assigned before it began": {func(ctx context.Context) error {
			_, err := agents.one(id).AccessAssignments().Post(ctx, assignment("869713c9-0b28-4d08-8949-ae07ae1bf528", helpdesk), nil)
			return err
		}, 409, "invalidStatus", "created"},
		"a filter that is none":    {list(agents, &listQuery{Filter: pointer("status is 'active'")}), 400, "badRequest", "column"},
		"a field there is not":     {list(agents, &listQuery{Filter: pointer("colour eq 'red'")}), 400, "badRequest", "colour"},
		"an option there is not":   {list(agents, &listQuery{Expand: []string{"requests"}}), 400, "", "$expand"},
		"a page of three thousand": {list(agents, &listQuery{Top: pointer(int32(3000))}), 400, "badRequest", "$top"},
	} {
		t.Run(name, func(t *testing.T) {
			refused := refusal(t, c.do(t.Context()))
			require.Equal(t, c.status, refused.ResponseStatusCode, refused.Error())
			require.Contains(t, refused.Error(), c.says)
			if c.code != "" {
				require.Equal(t, c.code, *refused.GetErrorEscaped().GetCode(), refused.Error())
			}
		})
	}
	require.Equal(t, "Taken", *get(t, agents, id).GetDisplayName(), "nothing of it happened")

	// An address that there is not, asked as the SDK would ask.
	status, answer := d.ask(d.agents, http.MethodGet, "/v1.0/users", "")
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, answer, `"error":{"code":`)
}

// Who asks too often is sent away for a while; the SDK waits as long as it is told, and its user does not see it.
func TestThrottledRequestsAreSentAgainByTheClientItself(t *testing.T) {
	d := deploy(t, "--rate-limit", "2", "--rate-burst", "2")
	for range 5 {
		_, err := d.as(d.agents).relationships().Get(t.Context(), nil)
		require.NoError(t, err)
	}
	seen := map[int]string{}
	for range 20 {
		status, answer := d.ask(d.agents, http.MethodGet, "/v1.0/tenantRelationships/delegatedAdminRelationships", "")
		seen[status] = answer
	}
	require.Contains(t, seen[http.StatusTooManyRequests], `"error":{"code":"`, "without the SDK it would have been seen")
}
