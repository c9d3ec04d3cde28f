package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestReasonIsKeptWithTheChange(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		id := w.created("reasoned")
		lock := func(headers ...string) *reply {
			return w.ask("agent", "POST", list+"/"+id+"/requests", `{"action":"lockForApproval"}`, headers...)
		}
		require.Contains(t, lock("Tenure-Reason: 100%").refused(400, "badRequest"), "%25")
		lock("Tenure-Reason: a%00b").refused(400, "badRequest")
		lock("Tenure-Reason: %E5%A5%91%E7%B4%84 100%25").is(201)
		events, err := w.db.Activity(t.Context(), lifecycle.ActivityQuery{Relationship: id, Types: []lifecycle.EventType{lifecycle.EventLocked}})
		require.NoError(t, err)
		require.Equal(t, "契約 100%", events[0].Detail)
	})
}

func TestRequestMayNameTheVersionThatIsMeant(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		id := w.created("seen")
		seen := w.ask("agent", "GET", list+"/"+id, "").is(200).header.Get("ETag")
		w.ask("agent", "PATCH", list+"/"+id, `{"displayName":"changed"}`, anyTag).is(200)
		request := list + "/" + id + "/requests"
		w.ask("agent", "POST", request, `{"action":"lockForApproval"}`, "If-Match: "+seen).refused(412, "preconditionFailed")
		require.Equal(t, "created", w.ask("agent", "GET", list+"/"+id, "").is(200).field("status"))
		seen = w.ask("agent", "GET", list+"/"+id, "").header.Get("ETag")
		w.ask("agent", "POST", request, `{"action":"lockForApproval"}`, "If-Match: "+seen).is(201)
	})
}
