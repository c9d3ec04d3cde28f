package storage

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestADossierHoldsEverythingAboutOneRelationshipAndNothingElse(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "a@example.com", "b@example.com")
		contacts(t, db, customer, lifecycle.GlobalAdministrators, "it@contoso.example")
		contacts(t, db, id(9), lifecycle.AdminAgents, "stranger@example.com")
		stored := load(t, db, active(1, start), active(2, start))
		_, err := db.Apply(ctx, decide(start, stored...))
		require.NoError(t, err)
		hold, err := db.PlaceHold(ctx, lifecycle.Hold{Kind: lifecycle.HoldRelationship, Subject: id(1), Note: "ask legal"}, lifecycle.Caller{Name: "kay", Role: lifecycle.Operator}, start)
		require.NoError(t, err)

		d, err := db.Dossier(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, lifecycle.Expired, d.Status)
		require.Equal(t, stored[0].Key, d.Key)
		require.Equal(t, lifecycle.ReleaseName, d.Next.Rule)
		require.Equal(t, lifecycle.RuleNames(), d.Stayed)
		require.Equal(t, []lifecycle.Hold{hold}, d.Holds)
		require.Len(t, d.Contacts, 3)
		require.Len(t, d.Letters, 3)
		require.Nil(t, d.Order)
		require.True(t, d.Gone.IsZero())
		var types []lifecycle.EventType
		for i := range d.Events {
			require.Equal(t, id(1), d.Events[i].RelationshipID)
			types = append(types, d.Events[i].Type)
		}
		require.ElementsMatch(t, []lifecycle.EventType{lifecycle.EventImported, lifecycle.EventTermEnded, lifecycle.EventHoldPlaced}, types)

		_, err = db.Dossier(ctx, "nobody")
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
	})
}

func TestADossierOfADeletedDraftIsWhatItsTombstoneSays(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		draft := lifecycle.Record{ID: id(1), Partner: partner, DisplayName: "Draft", Duration: lifecycle.Days(90), Status: lifecycle.Created,
			Roles: []string{role}, Created: start, Modified: start}
		load(t, db, draft)
		_, err := db.Act(ctx, id(1), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
			return c.Act(policy, start.Add(lifecycle.Day), lifecycle.Action{Kind: lifecycle.Delete, By: lifecycle.Partner})
		})
		require.NoError(t, err)

		d, err := db.Dossier(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, start.Add(lifecycle.Day), d.Gone)
		require.Equal(t, "Draft", d.DisplayName)
		require.Equal(t, partner, d.Partner)
		require.Len(t, d.Events, 2)
	})
}
