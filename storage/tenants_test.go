package storage

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestTenantsAreCountedOnBothSidesAndNoFurtherThanWanted(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const nobody = "99999999-0000-4000-8000-000000000009"
		end := start.AddDate(1, 0, 0)
		renamed, unnamed := active(2, end), active(3, end)
		renamed.Customer.DisplayName, unnamed.Customer.DisplayName = "Contoso Ltd", ""
		load(t, db, active(1, end), renamed, unnamed)
		sizes, err := db.TenantSizes(ctx, []string{strings.ToUpper(customer), partner, nobody}, 2)
		require.NoError(t, err)
		require.Equal(t, map[string]lifecycle.TenantSize{
			customer: {TenantID: customer, CustomerName: "Contoso Ltd", AsCustomer: 2},
			partner:  {TenantID: partner, AsPartner: 2},
			nobody:   {TenantID: nobody},
		}, sizes)
		sizes, err = db.TenantSizes(ctx, []string{customer}, 10)
		require.NoError(t, err)
		require.EqualValues(t, 3, sizes[customer].AsCustomer)
		sizes, err = db.TenantSizes(ctx, nil, 10)
		require.NoError(t, err)
		require.Empty(t, sizes)
	})
}

func TestRelationshipsAreListedByTheirIDs(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.AddDate(1, 0, 0)
		load(t, db, active(1, end), active(2, end), active(3, end))
		found, err := db.ListedByID(ctx, []string{id(3), id(1), "r-none\x00"})
		require.NoError(t, err)
		require.Len(t, found, 2)
		for _, l := range found {
			require.Contains(t, []string{id(1), id(3)}, l.ID)
			require.Equal(t, lifecycle.EndTerm, l.Next.Rule)
		}
		found, err = db.ListedByID(ctx, nil)
		require.NoError(t, err)
		require.Empty(t, found)
	})
}
