package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// What is on hold looks as it always does, since the shape is Graph's; only what would meet a timer that is due is refused.
func TestActionThatMeetsATimerOnHoldIsRefused(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		id := w.active("held")
		before := w.ask("agent", "GET", list+"/"+id, "").is(200)
		hold, err := w.db.PlaceHold(t.Context(), lifecycle.Hold{Kind: lifecycle.HoldRelationship, Subject: id, Note: "a court asks"},
			lifecycle.Caller{Name: "ops", Role: lifecycle.Operator}, w.clock())
		require.NoError(t, err)
		require.Equal(t, string(before.body), string(w.ask("agent", "GET", list+"/"+id, "").is(200).body))
		require.Equal(t, before.header.Get("ETag"), w.ask("agent", "GET", list+"/"+id, "").header.Get("ETag"))

		w.advance(365 * lifecycle.Day)
		require.Equal(t, "active", w.ask("agent", "GET", list+"/"+id, "").field("status"))
		require.Contains(t, w.request("agent", id, "terminate").refused(409, "onHold"), "is on hold")
		require.Contains(t, w.ask("agent", "PATCH", list+"/"+id, `{"autoExtendDuration":"P180D"}`, anyTag).refused(409, "onHold"), "end-term fell due at")
		w.ask("agent", "POST", list+"/"+id+"/accessAssignments", assign(group, helpdesk)).refused(409, "onHold")

		_, err = w.db.ReleaseHold(t.Context(), hold.ID, "settled", lifecycle.Caller{Name: "ops", Role: lifecycle.Operator}, w.clock(), w.clock())
		require.NoError(t, err)
		require.Equal(t, "expired", w.ask("agent", "GET", list+"/"+id, "").field("status"))
		w.request("agent", id, "terminate").refused(409, "invalidStatus")
	})
}
