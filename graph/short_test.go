package graph_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ids are those of the entities of a list, in its order.
func (r *reply) ids() []string {
	r.t.Helper()
	ids := []string{}
	for _, v := range r.values() {
		ids = append(ids, v["id"].(string))
	}
	return ids
}

// asked is what comes of a query of a list.
type asked map[string][]string

func (want asked) of(t *testing.T, w *world, path string) {
	t.Helper()
	for query, ids := range want {
		require.Equal(t, ids, w.ask("agent", "GET", path+"?"+query, "").ids(), query)
	}
}

func TestShortListsAreFilteredSortedAndCounted(t *testing.T) {
	w := newWorld(t, sqlite(t))
	id := w.active("A")
	const another = "cccccccc-0000-4000-8000-00000000000f"
	path := list + "/" + id + "/accessAssignments"
	first := w.ask("agent", "POST", path, assign(group, helpdesk)).is(201).field("id")
	w.advance(time.Hour)
	second := w.ask("agent", "POST", path, assign(another, reader)).is(201).field("id")
	w.advance(time.Hour)
	w.ask("agent", "DELETE", path+"/"+first, "", anyTag).is(204)
	asked{
		"$filter=status eq 'active'":                                                             {second},
		"$filter=Status ne 'active'":                                                             {first},
		"$filter=status in ('pending','active','error')":                                         {second},
		"$filter=accessContainer/accessContainerId eq '" + strings.ToUpper(group) + "'":          {first},
		"$filter=AccessContainer/AccessContainerId eq '" + another + "' and status eq 'deleted'": {},
		"$filter=not (accessContainer/accessContainerType eq 'securityGroup')":                   {},
		"$filter=createdDateTime gt 2026-03-01T09:30:00Z":                                        {second},
		"$filter=createdDateTime in (2026-03-01T18:00:00.123456%2B09:00)":                        {first},
		"$filter=lastModifiedDateTime ge 2026-03-01T11:00:00Z or id eq null":                     {first},
		"$orderby=createdDateTime":                                                               {first, second},
		"$orderby=CreatedDateTime desc":                                                          {second, first},
		"$orderby=accessContainer/accessContainerType,createdDateTime desc":                      {second, first},
	}.of(t, w, path)
	for order, ids := range map[string][]string{"accessContainer/accessContainerType desc,createdDateTime": {first, second}, "status desc": {first, second}, "status": {second, first}} {
		r := w.ask("agent", "GET", path+"?$top=1&$orderby="+order, "")
		next := w.ask("agent", "GET", r.field("@odata.nextLink"), "")
		require.Equal(t, ids, append(r.ids(), next.ids()...), order)
		require.NotContains(t, next.object(), "@odata.nextLink")
	}
	require.Equal(t, "1", string(w.ask("agent", "GET", path+"/$count?$filter=status eq 'active'", "").is(200).body))
	require.Equal(t, "2", string(w.ask("agent", "GET", path+"/$count", "").is(200).body))
	w.ask("rival", "GET", path+"/$count", "").refused(404, "notFound")
	require.Contains(t, w.ask("agent", "GET", path+"?$filter=status eq 'created'", "").refused(400, "badRequest"), "it is one of pending, active, deleting, deleted, error")
	require.Contains(t, w.ask("agent", "GET", path+"?$filter=displayName eq 'A'", "").refused(400, "badRequest"), "the fields are accessContainer/accessContainerId,")
	require.Contains(t, w.ask("agent", "GET", path+"?$orderby=displayName", "").refused(400, "badRequest"), "can be sorted by; the fields are id, status,")
	require.Contains(t, w.ask("agent", "GET", path+"/$count?$top=1", "").refused(400, "badRequest"), "supported are $filter")

	requests := list + "/" + id + "/requests"
	all := w.ask("agent", "GET", requests, "").ids()
	asked{
		"$filter=action eq 'approve'":      {all[1]},
		"$filter=status ne 'succeeded'":    {},
		"$orderby=createdDateTime desc,id": w.ask("agent", "GET", requests+"?$orderby=id", "").ids(), // both at once
	}.of(t, w, requests)
	w.ask("agent", "PATCH", path+"/"+second, assign("", helpdesk), anyTag).is(202)
	operations := list + "/" + id + "/operations"
	require.Len(t, w.ask("agent", "GET", operations+"?$filter=operationType eq 'delegatedAdminAccessAssignmentUpdate' and status eq 'succeeded'", "").ids(), 1)
	require.Equal(t, "0", string(w.ask("agent", "GET", operations+"/$count?$filter=status eq 'running'", "").is(200).body))
}

func TestCustomersAreFilteredSortedAndCounted(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		const path = "/v1.0/tenantRelationships/delegatedAdminCustomers"
		const zeta = "0bbbbbbb-0000-4000-8000-000000000003"
		w.created("A")
		for name, tenant := range map[string]string{"Adatum": adatum, "Zeta": zeta} {
			w.ask("agent", "POST", list, strings.NewReplacer(contoso, tenant, `"Contoso"`, `"`+name+`"`).Replace(draft("for "+name))).is(201)
		}
		asked{
			"$filter=tenantId eq '" + strings.ToUpper(contoso) + "'": {contoso},
			"$filter=id in ('" + adatum + "')":                       {adatum},
			"$filter=startsWith(displayName,'Ad')":                   {adatum},
			"$filter=contains(displayName,'ta')":                     {zeta},
			"$filter=displayName ge 'B'":                             {zeta, contoso},
			"$orderby=displayName":                                   {adatum, contoso, zeta},
			"$orderBy=displayName desc":                              {zeta, contoso, adatum},
		}.of(t, w, path)
		require.Equal(t, "3", string(w.ask("agent", "GET", path+"/$count", "").is(200).body))
		require.Equal(t, "0", string(w.ask("rival", "GET", path+"/$count", "").is(200).body))
		require.Equal(t, "3", w.ask("agent", "GET", path+"?$count=true&$top=1", "").field("@odata.count"))

		var seen []string // page by page
		for next := path + "?$orderby=displayName desc&$top=1&$count=true"; next != ""; {
			r := w.ask("agent", "GET", next, "")
			seen = append(seen, r.ids()...)
			next, _ = r.object()["@odata.nextLink"].(string)
		}
		require.Equal(t, []string{zeta, contoso, adatum}, seen)
	})
}

func TestWhatOtherShellsSendIsTaken(t *testing.T) {
	w := newWorld(t, sqlite(t))
	require.Equal(t, "A", w.ask("agent", "POST", list, "\ufeff"+draft("A")).is(201).field("displayName"))
	require.Contains(t, w.ask("agent", "POST", list, "\ufeff").refused(400, "badRequest"), "The body is not JSON")
	require.Len(t, w.ask("agent", "GET", list+"?$select=Id,DisplayName&$filter=Status eq 'created'&$orderby=DisplayName", "").values(), 1)
}
