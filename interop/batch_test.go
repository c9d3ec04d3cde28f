package interop

import (
	"testing"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/stretchr/testify/require"
)

func TestABatchIsAnsweredRequestByRequest(t *testing.T) {
	ctx, d := t.Context(), deploy(t)
	agents := d.as(d.agents)
	made, err := agents.relationships().Post(ctx, forCustomer(draft(t, "In a batch", "P30D", "", helpdesk), customer), nil)
	require.NoError(t, err)
	id := *made.GetId()

	batch := core.NewBatchRequestCollection(agents.adapter)
	add := func(info *abstractions.RequestInformation, err error) core.BatchItem {
		t.Helper()
		require.NoError(t, err)
		item, err := batch.AddBatchRequestStep(*info)
		require.NoError(t, err)
		return item
	}
	list := add(agents.relationships().ToGetRequestInformation(ctx, &listConfig{QueryParameters: &listQuery{Filter: pointer("status eq 'created'"), Top: pointer(int32(5))}}))
	create := add(agents.relationships().ToPostRequestInformation(ctx, draft(t, "Made in a batch", "P1Y", "", helpdesk), nil))
	held := add(agents.relationships().ToPostRequestInformation(ctx, draft(t, "In a batch", "P1Y", "", helpdesk), nil))
	lock := add(agents.one(id).Requests().ToPostRequestInformation(ctx, asking(models.LOCKFORAPPROVAL_DELEGATEDADMINRELATIONSHIPREQUESTACTION), nil))
	after := add(agents.one(id).ToGetRequestInformation(ctx, nil))
	after.DependsOnItem(lock)
	never := add(agents.one(id).Requests().ToPostRequestInformation(ctx, asking(models.TERMINATE_DELEGATEDADMINRELATIONSHIPREQUESTACTION), nil))
	never.DependsOnItem(held)
	stale := add(agents.one(id).ToDeleteRequestInformation(ctx, &deleteConfig{Headers: match(`W/"999"`)}))

	answers, err := batch.Send(ctx, agents.adapter)
	require.NoError(t, err)
	require.Equal(t, map[string]int32{*list.GetId(): 200, *create.GetId(): 201, *held.GetId(): 409, *lock.GetId(): 201, *after.GetId(): 200,
		*never.GetId(): 424, *stale.GetId(): 412}, answers.GetStatusCodes())

	seen, err := core.GetBatchResponseById[relationship](answers, *after.GetId(), models.CreateDelegatedAdminRelationshipFromDiscriminatorValue)
	require.NoError(t, err)
	require.Equal(t, models.APPROVALPENDING_DELEGATEDADMINRELATIONSHIPSTATUS, *seen.GetStatus(), "it was read after it was locked")
	page, err := core.GetBatchResponseById[models.DelegatedAdminRelationshipCollectionResponseable](answers, *list.GetId(),
		models.CreateDelegatedAdminRelationshipCollectionResponseFromDiscriminatorValue)
	require.NoError(t, err)
	require.NotEmpty(t, page.GetValue())
	fresh, err := core.GetBatchResponseById[relationship](answers, *create.GetId(), models.CreateDelegatedAdminRelationshipFromDiscriminatorValue)
	require.NoError(t, err)
	require.Equal(t, "Made in a batch", *get(t, agents, *fresh.GetId()).GetDisplayName())
	require.Contains(t, answers.GetResponseById(*create.GetId()).GetHeaders()["Location"], *fresh.GetId())
	refused := answers.GetResponseById(*held.GetId()).GetBody()["error"].(map[string]any)
	require.NotEmpty(t, refused["message"])
}
