package interop

import (
	"fmt"
	"slices"
	"testing"

	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/stretchr/testify/require"
)

const many = 23 // relationships, which no page below divides

func TestListsAreFilteredSortedAndPaged(t *testing.T) {
	ctx, d := t.Context(), deploy(t)
	agents := d.as(d.agents)
	for i := range many {
		name := fmt.Sprintf("O'Neil & Søn %02d", (i*7)%many)
		_, err := agents.relationships().Post(ctx, forCustomer(draft(t, name, fmt.Sprintf("P%dD", 30+i), "", helpdesk), customer), nil)
		require.NoError(t, err)
	}
	id := activate(t, d, "Active one", helpdesk)

	t.Run("page by page, everything once", func(t *testing.T) {
		names := walk(t, agents, &listQuery{Top: pointer(int32(5))})
		require.Len(t, names, many+1)
		slices.Sort(names)
		require.Len(t, slices.Compact(names), many+1)
	})
	t.Run("in order, with what was asked for on every page", func(t *testing.T) {
		names := walk(t, agents, &listQuery{Top: pointer(int32(4)), Filter: pointer("startswith(displayName,'O''Neil & S') and status eq 'created'"),
			Orderby: []string{"displayName desc"}, Select: []string{"id", "displayName"}})
		require.Len(t, names, many)
		require.True(t, slices.IsSortedFunc(names, func(a, b string) int { return -compare(a, b) }), "%q", names)
	})
	t.Run("only what is asked for", func(t *testing.T) {
		page, err := agents.relationships().Get(ctx, &listConfig{QueryParameters: &listQuery{
			Filter: pointer("status eq 'active' and customer/tenantId eq '" + customer + "' and endDateTime gt 2026-06-01T00:00:00Z"), Count: pointer(true), Select: []string{"id", "status"}}})
		require.NoError(t, err)
		require.Len(t, page.GetValue(), 1)
		require.EqualValues(t, 1, *page.GetOdataCount())
		require.Nil(t, page.GetOdataNextLink())
		only := page.GetValue()[0]
		require.Equal(t, id, *only.GetId())
		require.Equal(t, models.ACTIVE_DELEGATEDADMINRELATIONSHIPSTATUS, *only.GetStatus())
		require.Nil(t, only.GetDisplayName())
		require.Nil(t, only.GetCustomer())
	})
	t.Run("counted, however short the page is", func(t *testing.T) {
		page, err := agents.relationships().Get(ctx, &listConfig{QueryParameters: &listQuery{Top: pointer(int32(1)), Count: pointer(true)}})
		require.NoError(t, err)
		require.Len(t, page.GetValue(), 1)
		require.EqualValues(t, many+1, *page.GetOdataCount())
		count, err := agents.relationships().Count().Get(ctx, nil)
		require.NoError(t, err)
		require.EqualValues(t, many+1, *count)
	})
	t.Run("customers, access assignments and requests, filtered, sorted and counted", func(t *testing.T) {
		customers := agents.TenantRelationships().DelegatedAdminCustomers()
		found, err := customers.Get(ctx, &customersConfig{QueryParameters: &customersQuery{
			Filter: pointer("startsWith(displayName,'Con') and tenantId eq '" + customer + "'"), Orderby: []string{"displayName desc"}, Count: pointer(true)}})
		require.NoError(t, err)
		require.Len(t, found.GetValue(), 1)
		require.EqualValues(t, 1, *found.GetOdataCount())
		count, err := customers.Count().Get(ctx, nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, *count)

		active, err := agents.relationships().Get(ctx, &listConfig{QueryParameters: &listQuery{Filter: pointer("status eq 'active'")}})
		require.NoError(t, err)
		one := agents.one(*active.GetValue()[0].GetId())
		assignments, err := one.AccessAssignments().Get(ctx, &assignmentsConfig{QueryParameters: &assignmentsQuery{
			Filter: pointer("status ne 'deleted'"), Orderby: []string{"createdDateTime desc"}}})
		require.NoError(t, err)
		require.Empty(t, assignments.GetValue())
		count, err = one.Requests().Count().Get(ctx, nil)
		require.NoError(t, err)
		require.EqualValues(t, 2, *count)
	})
	t.Run("others see nothing of it, a reader all", func(t *testing.T) {
		require.Empty(t, walk(t, d.as(d.rivals), &listQuery{}))
		require.Len(t, walk(t, d.as(d.reading), &listQuery{Top: pointer(int32(300))}), many+1)
		require.Equal(t, []string{"Active one"}, walk(t, d.as(d.admins), &listQuery{}), "drafts are nothing for a customer")
		require.Len(t, walk(t, d.as(d.operator), &listQuery{}), many+1)
	})
}

// walk follows the links with the SDK's own iterator and gives the names that it met.
func walk(t *testing.T, c *client, query *listQuery) (names []string) {
	t.Helper()
	first, err := c.relationships().Get(t.Context(), &listConfig{QueryParameters: query})
	require.NoError(t, err)
	pages, err := core.NewPageIterator[relationship](first, c.adapter, models.CreateDelegatedAdminRelationshipCollectionResponseFromDiscriminatorValue)
	require.NoError(t, err)
	require.NoError(t, pages.Iterate(t.Context(), func(r relationship) bool {
		names = append(names, *r.GetDisplayName())
		return len(names) <= 10*many
	}))
	return names
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
