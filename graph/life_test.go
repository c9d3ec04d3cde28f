package graph_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestAWholeLife(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		r := w.ask("agent", "POST", list, draft("Contoso helpdesk"), "client-request-id: mine-1").is(201)
		id := r.field("id")
		require.Regexp(t, `^[0-9a-f-]{36}-[0-9a-f-]{36}$`, id)
		require.Equal(t, w.server.URL+list+"/"+id, r.header.Get("Location"))
		require.Equal(t, `W/"1"`, r.header.Get("ETag"))
		require.Equal(t, "mine-1", r.header.Get("client-request-id"))
		require.JSONEq(t, `{"@odata.context":"`+w.server.URL+`/v1.0/tenantRelationships/$metadata#delegatedAdminRelationships/$entity",
			"@odata.type":"#microsoft.graph.delegatedAdminRelationship","@odata.etag":"W/\"1\"","id":"`+id+`","displayName":"Contoso helpdesk","duration":"P365D",
			"autoExtendDuration":"PT0S","status":"created","customer":{"tenantId":"`+contoso+`","displayName":"Contoso"},
			"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"`+helpdesk+`"},{"roleDefinitionId":"`+reader+`"}]},
			"createdDateTime":"2026-03-01T09:00:00.123456Z","lastModifiedDateTime":"2026-03-01T09:00:00.123456Z","activatedDateTime":null,"endDateTime":null}`, string(r.body))

		// A draft is changed, and its etag with it.
		w.ask("agent", "PATCH", list+"/"+id, `{"displayName":"Contoso desk"}`).refused(428, "preconditionRequired")
		r = w.ask("agent", "PATCH", list+"/"+id, `{"displayName":"Contoso desk","duration":"P52W1D"}`, `If-Match: "1"`).is(200)
		require.Equal(t, "Contoso desk", r.field("displayName"))
		require.Equal(t, "P365D", r.field("duration"))
		w.ask("agent", "PATCH", list+"/"+id, `{"displayName":"x"}`, `If-Match: W/"1"`).refused(412, "preconditionFailed")

		r = w.request("agent", id, "lockForApproval").is(201)
		locked := r.field("id")
		require.Equal(t, w.server.URL+list+"/"+id+"/requests/"+locked, r.header.Get("Location"))
		require.Equal(t, "succeeded", r.field("status"))
		require.Equal(t, locked, w.ask("agent", "GET", r.header.Get("Location"), "").is(200).field("id"))
		require.Contains(t, w.request("agent", id, "terminate").refused(409, "invalidStatus"), "the relationship is approvalPending; the partner can do nothing with it now")
		w.request("agent", id, "approve").refused(403, "accessDenied")
		require.Equal(t, "approve", w.request("contoso", id, "approve").is(201).field("action"))
		require.Contains(t, w.request("contoso", id, "reject").refused(409, "invalidStatus"), "possible now: setAutoExtend, terminate")

		require.Len(t, w.ask("agent", "GET", list+"?$filter=status eq 'active' and customer/tenantId eq '"+contoso+"'&$count=true", "").values(), 1)
		require.Empty(t, w.ask("rival", "GET", list, "").values())

		// A group is assigned, gets other roles, and loses them.
		r = w.ask("agent", "POST", list+"/"+id+"/accessAssignments", assign(group, helpdesk)).is(201)
		assignment, tag := r.header.Get("Location"), r.header.Get("ETag")
		require.Equal(t, "active", r.field("status"))
		require.Contains(t, w.ask("agent", "POST", list+"/"+id+"/accessAssignments", assign(group, reader)).refused(409, "conflict"), "has assignment")
		r = w.ask("agent", "PATCH", assignment, assign("", reader), "If-Match: "+tag).is(202)
		require.Equal(t, "{}", string(r.body))
		require.NotEmpty(t, r.header.Get("Retry-After"))
		operation := w.ask("agent", "GET", r.header.Get("Location"), "").is(200)
		require.Equal(t, "delegatedAdminAccessAssignmentUpdate", operation.field("operationType"))
		require.Equal(t, "succeeded", operation.field("status"))
		require.True(t, strings.HasSuffix(assignment, "/"+jsonOf(t, operation.field("data"))["id"].(string)))
		w.ask("agent", "PATCH", assignment, assign("", helpdesk), "If-Match: "+tag).refused(412, "preconditionFailed")
		r = w.ask("agent", "PATCH", assignment, assign("", reader), anyTag).is(200) // it is so already
		require.Equal(t, assignment, w.server.URL+list+"/"+id+"/accessAssignments/"+r.field("id"))
		w.ask("agent", "DELETE", assignment, "", anyTag).is(204)
		require.Equal(t, "deleted", w.ask("agent", "GET", assignment, "").is(200).field("status"))
		w.ask("agent", "DELETE", assignment, "", anyTag).refused(409, "invalidStatus")
		kept := w.ask("agent", "POST", list+"/"+id+"/accessAssignments", assign(group, helpdesk, reader)).is(201).header.Get("Location")

		// It extends itself, whether or not a sweep has come by, and is then terminated.
		r = w.ask("agent", "PATCH", list+"/"+id, `{"autoExtendDuration":"P25W5D"}`, anyTag).is(200)
		require.Equal(t, "P180D", r.field("autoExtendDuration"))
		w.advance(400 * lifecycle.Day)
		require.Equal(t, "1", w.ask("agent", "GET", list, "").is(200).header.Get("Tenure-Overdue"))
		shown := w.ask("agent", "GET", list+"/"+id, "").is(200)
		require.Equal(t, lifecycle.FormatInstant(start.Add(545*lifecycle.Day)), shown.field("endDateTime"))
		w.ask("agent", "PATCH", list+"/"+id, `{"autoExtendDuration":"PT0S"}`, "If-Match: "+shown.header.Get("ETag")).is(200)
		w.request("agent", id, "terminate").is(201)
		require.Equal(t, "terminated", w.ask("agent", "GET", list+"/"+id, "").is(200).field("status"))
		require.Equal(t, "deleted", w.ask("agent", "GET", kept, "").is(200).field("status"))
		require.Contains(t, w.request("agent", id, "terminate").refused(409, "invalidStatus"), "nothing can be done with it any more")

		var actions []any
		for _, v := range w.ask("contoso", "GET", list+"/"+id+"/requests", "").values() {
			actions = append(actions, v["action"])
		}
		require.Equal(t, []any{"lockForApproval", "approve", "terminate"}, actions)
		require.Contains(t, w.ask("agent", "POST", list, draft("contoso DESK")).refused(409, "nameAlreadyExists"), "is held until 2028-04-04T09:00:00.123456Z by relationship "+id)
	})
}

func jsonOf(t testing.TB, text string) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	return v
}

func TestADraftIsDeletedAndNothingElse(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		id := w.created("A")
		w.ask("agent", "DELETE", list+"/"+id, "").refused(428, "preconditionRequired")
		w.ask("agent", "DELETE", list+"/"+id, "", `If-Match: W/"7"`).refused(412, "preconditionFailed")
		w.ask("agent", "DELETE", list+"/"+id, "", `If-Match: W/"7", W/"1"`).is(204)
		w.ask("agent", "GET", list+"/"+id, "").refused(404, "notFound")
		w.ask("agent", "DELETE", list+"/"+id, "", anyTag).refused(404, "notFound")
		locked := w.created("A") // the name is free at once
		w.request("agent", locked, "lockForApproval").is(201)
		require.Contains(t, w.ask("agent", "DELETE", list+"/"+locked, "", anyTag).refused(409, "invalidStatus"), "the relationship is approvalPending")
	})
}

func TestOfAnActiveOneOnlyExtensionAndGlobalAdministratorChange(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		body := strings.Replace(draft("A"), reader, lifecycle.GlobalAdministrator, 1)
		id := w.ask("agent", "POST", list, body).is(201).field("id")
		w.request("agent", id, "lockForApproval").is(201)
		w.ask("agent", "PATCH", list+"/"+id, `{"autoExtendDuration":"P180D"}`, anyTag).refused(409, "invalidStatus")
		w.request("contoso", id, "approve").is(201)
		require.Contains(t, w.ask("agent", "PATCH", list+"/"+id, `{"displayName":"B"}`, anyTag).refused(409, "invalidStatus"), "only autoExtendDuration may be changed then")
		w.ask("agent", "PATCH", list+"/"+id, assign("", helpdesk, reader), anyTag).refused(409, "invalidStatus")
		require.Contains(t, w.ask("agent", "PATCH", list+"/"+id, `{"autoExtendDuration":"P180D"}`, anyTag).refused(409, "conflict"), "remove that role first")

		r := w.ask("agent", "PATCH", list+"/"+id, `{"displayName":"A","autoExtendDuration":"P180D","accessDetails":{"unifiedRoles":[{"roleDefinitionId":"`+helpdesk+`"}]}}`, anyTag).is(202)
		require.Equal(t, "unknownFutureValue", w.ask("agent", "GET", r.header.Get("Location"), "").is(200).field("operationType"))
		told := w.ask("agent", "GET", r.header.Get("Location"), "", "Prefer: include-unknown-enum-members").is(200)
		require.Equal(t, "delegatedAdminRelationshipUpdate", told.field("operationType"))
		require.Equal(t, "include-unknown-enum-members", told.header.Get("Preference-Applied"))
		require.Equal(t, "P180D", w.ask("agent", "GET", list+"/"+id, "").field("autoExtendDuration"))
		require.Len(t, w.ask("agent", "GET", list+"/"+id+"/operations", "").values(), 1)
		w.ask("agent", "GET", list+"/"+id+"/operations/"+group, "").refused(404, "notFound")
	})
}

func TestWhatWasReadMayBeWrittenBack(t *testing.T) {
	w := newWorld(t, sqlite(t))
	id := w.created("A")
	read := w.ask("agent", "GET", list+"/"+id+"?$select=*", "").is(200)
	require.Equal(t, fabrikam, read.object()["partner"].(map[string]any)["tenantId"])
	require.Equal(t, `W/"1"`, w.ask("agent", "PATCH", list+"/"+id, string(read.body), anyTag).is(200).header.Get("ETag"))
	r := w.ask("agent", "PATCH", list+"/"+id, `{"status":"active","id":"`+nowhere+`","createdDateTime":"2026-03-01T18:00:00.1234561+09:00"}`, anyTag)
	r.refused(400, "badRequest")
	require.Equal(t, []string{"id readOnlyProperty", "status readOnlyProperty"}, r.targets())
}

func TestACustomerMeetsRequestsOnly(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		named := w.created("named")
		open := w.ask("agent", "POST", list, strings.Replace(draft("open"), `"customer":{"tenantId":"`+contoso+`","displayName":"Contoso"},`, "", 1)).is(201).field("id")
		w.ask("contoso", "GET", list+"/"+named, "").refused(404, "notFound") // a draft
		w.request("contoso", named, "approve").refused(404, "notFound")
		w.request("agent", named, "lockForApproval").is(201)
		w.request("agent", open, "lockForApproval").is(201)
		require.Len(t, w.ask("contoso", "GET", list, "").values(), 1)
		w.ask("contoso", "PATCH", list+"/"+named, `{"autoExtendDuration":"P180D"}`, anyTag).refused(403, "accessDenied")
		w.ask("contoso", "DELETE", list+"/"+named, "").refused(403, "accessDenied")
		w.ask("contoso", "POST", list, draft("mine")).refused(403, "accessDenied")
		w.request("contoso", named, "lockForApproval").refused(403, "accessDenied")
		w.request("adatum", named, "approve").refused(404, "notFound")
		w.request("operator", open, "approve").refused(409, "conflict")

		// One that names nobody is whose who holds its link and takes it up.
		w.request("adatum", open, "terminate").refused(404, "notFound")
		w.request("adatum", open, "approve").is(201)
		require.Equal(t, adatum, w.ask("agent", "GET", list+"/"+open, "").object()["customer"].(map[string]any)["tenantId"])
		w.request("contoso", open, "approve").refused(404, "notFound")

		// An invitation that has lapsed is nobody's, whether a sweep has come by or not.
		late := w.ask("agent", "POST", list, strings.Replace(draft("late"), `"customer":{"tenantId":"`+contoso+`","displayName":"Contoso"},`, "", 1)).is(201).field("id")
		w.request("agent", late, "lockForApproval").is(201)
		w.advance(90 * lifecycle.Day)
		w.request("adatum", late, "approve").refused(404, "notFound")
		w.advance(-90 * lifecycle.Day)

		r := w.request("contoso", named, "reject").is(201)
		require.Equal(t, "unknownFutureValue", r.field("action"))
		require.Equal(t, "reject", w.ask("contoso", "GET", r.header.Get("Location"), "", "Prefer: include-unknown-enum-members").field("action"))
	})
}

func TestAnOperatorActsForAPartnerThatIsNamed(t *testing.T) {
	w := newWorld(t, sqlite(t))
	r := w.ask("operator", "POST", list, draft("A"))
	r.refused(400, "badRequest")
	require.Equal(t, []string{"partner missingValue"}, r.targets())
	withPartner := `{"partner":{"tenantId":"` + strings.ToUpper(northwind) + `"},` + draft("A")[1:]
	id := w.ask("operator", "POST", list, withPartner).is(201).field("id")
	w.ask("rival", "GET", list+"/"+id, "").is(200)
	w.ask("agent", "GET", list+"/"+id, "").refused(404, "notFound")
	w.ask("agent", "POST", list, withPartner).refused(403, "accessDenied")
	w.request("operator", id, "lockForApproval").is(201)
	w.request("operator", id, "approve").is(201)
	w.request("watcher", id, "terminate").refused(403, "accessDenied")
	w.request("operator", id, "terminate").is(201)
}

func TestStandingOfThePartnerBinds(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		id := w.active("A")
		require.NoError(t, w.db.SetPartnership(t.Context(), lifecycle.Partnership{TenantID: fabrikam, Standing: lifecycle.Suspended}, "operator", start))
		require.Contains(t, w.ask("agent", "POST", list, draft("B")).refused(403, "wrongStanding"), "the partner is suspended")
		w.ask("agent", "PATCH", list+"/"+id, `{"autoExtendDuration":"P180D"}`, anyTag).refused(403, "wrongStanding")
		w.ask("agent", "POST", list+"/"+id+"/accessAssignments", assign(group, helpdesk)).refused(403, "wrongStanding")
		w.request("agent", id, "terminate").is(201)
	})
}

func TestProvisioningElsewhereIsPendingUntilItIsDone(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.policy.Provisioning.External = true
	id := w.created("A")
	w.request("agent", id, "lockForApproval").is(201)
	approved := w.request("contoso", id, "approve").is(201)
	require.Equal(t, "pending", approved.field("status"))
	require.Equal(t, "approved", w.ask("agent", "GET", list+"/"+id, "").field("status"))
	done := func() {
		_, err := w.db.Act(t.Context(), id, w.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
			return c.Act(w.policy, w.clock(), lifecycle.Action{Kind: lifecycle.CompleteProvisioning, By: lifecycle.Provisioner})
		})
		require.NoError(t, err)
	}
	w.advance(time.Hour)
	done()
	require.Equal(t, "succeeded", w.ask("agent", "GET", approved.header.Get("Location"), "").field("status"))
	terminated := w.request("agent", id, "terminate").is(201)
	require.Equal(t, "pending", terminated.field("status"))
	done()
	require.Equal(t, "succeeded", w.ask("agent", "GET", terminated.header.Get("Location"), "").field("status"))
	require.Len(t, w.ask("agent", "GET", list+"/"+id+"/requests", "").values(), 3)
}

func TestCustomersAreThoseOfRelationshipsThatOneSees(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		const path = "/v1.0/tenantRelationships/delegatedAdminCustomers"
		w.created("A")
		w.created("B")
		w.ask("agent", "POST", list, strings.Replace(draft("C"), contoso, adatum, 1)).is(201)
		first := w.ask("agent", "GET", path+"?$top=1&$select=id,displayName", "")
		require.Equal(t, []map[string]any{{"@odata.type": "#microsoft.graph.delegatedAdminCustomer", "id": contoso, "displayName": "Contoso"}}, first.values())
		second := w.ask("agent", "GET", first.field("@odata.nextLink"), "")
		require.Equal(t, adatum, second.values()[0]["id"])
		require.NotContains(t, second.object(), "@odata.nextLink")
		require.Equal(t, contoso, w.ask("agent", "GET", path+"/"+strings.ToUpper(contoso), "").is(200).field("tenantId"))
		w.ask("rival", "GET", path+"/"+contoso, "").refused(404, "notFound")
		w.ask("agent", "GET", path+"/x", "").refused(404, "notFound")
		require.Empty(t, w.ask("rival", "GET", path, "").values())
	})
}

func TestAWriteMayBeAnsweredWithoutABody(t *testing.T) {
	w := newWorld(t, sqlite(t))
	r := w.ask("agent", "POST", list, draft("A"), "Prefer: return=minimal").is(http.StatusNoContent)
	require.Empty(t, r.body)
	require.Equal(t, "return=minimal", r.header.Get("Preference-Applied"))
	require.Equal(t, r.header.Get("Location"), r.header.Get("OData-EntityId"))
	w.ask("agent", "PATCH", r.header.Get("Location"), `{"displayName":"B"}`, anyTag, "Prefer: return=minimal").is(http.StatusNoContent)
	require.Equal(t, "B", w.ask("agent", "GET", r.header.Get("Location"), "").field("displayName"))
}
