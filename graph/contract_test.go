package graph_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// elsewhere are the statuses that other tests see, or that whoever asks us answers with.
var elsewhere = []string{"401", "408", "429", "500", "503"}

// A contract holds answers against the description of the API.
type contract struct {
	*world
	doc  *openapi3.T
	seen map[string]bool // operation and status
}

func (c *contract) ask(caller, operation, want, path, body string, headers ...string) *reply {
	c.t.Helper()
	template, item, method := c.find(operation)
	r := c.world.ask(caller, method, "/v1.0"+path, body, headers...)
	require.Equal(c.t, want, fmt.Sprint(r.status), "%s\n%s", r.what, r.body)
	c.seen[operation+" "+want] = true
	op := item.GetOperation(method)
	require.NotNil(c.t, op.Responses.Value(want), "%s may not answer %s", operation, want)

	request, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+"/v1.0"+strings.ReplaceAll(path, " ", "%20"), strings.NewReader(body))
	require.NoError(c.t, err)
	request.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	in := &openapi3filter.RequestValidationInput{Request: request, PathParams: params(template, path),
		Route:   &routers.Route{Spec: c.doc, Path: template, PathItem: item, Method: method, Operation: op},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	if r.status < 300 { // what was taken is what the description lets through
		require.NoError(c.t, openapi3filter.ValidateRequest(c.t.Context(), in), r.what)
	}
	header := r.header.Clone()
	if strings.HasPrefix(header.Get("Content-Type"), "application/json;odata") {
		header.Set("Content-Type", "application/json")
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: r.status, Header: header,
		Body: io.NopCloser(bytes.NewReader(r.body)), Options: in.Options}
	require.NoError(c.t, openapi3filter.ValidateResponse(c.t.Context(), out), "%s\n%s", r.what, r.body)
	for name := range op.Responses.Value(want).Value.Headers {
		if op.Responses.Value(want).Value.Headers[name].Value.Required {
			require.NotEmpty(c.t, r.header.Get(name), "%s of %s", name, r.what)
		}
	}
	return r
}

func (c *contract) find(operation string) (template string, item *openapi3.PathItem, method string) {
	for template, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == operation {
				return template, item, method
			}
		}
	}
	c.t.Fatalf("there is no operation %s", operation)
	return "", nil, ""
}

// params are the parameters of a path.
func params(template, path string) map[string]string {
	found := map[string]string{}
	path, _, _ = strings.Cut(path, "?")
	given := strings.Split(path, "/")
	for i, element := range strings.Split(template, "/") {
		if name, ok := strings.CutPrefix(element, "{"); ok {
			found[strings.TrimSuffix(name, "}")], _ = url.PathUnescape(given[i])
		}
	}
	return found
}

func TestTheServerDoesWhatItsDescriptionSays(t *testing.T) {
	w := newWorld(t, sqlite(t))
	text := w.ask("agent", "GET", "/v1.0/openapi.yaml", "").is(200).body
	doc, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()))
	c := &contract{w, doc, map[string]bool{}}

	relationships := strings.TrimPrefix(list, "/v1.0")
	const customers = "/tenantRelationships/delegatedAdminCustomers"
	none := relationships + "/" + nowhere
	const minimal, shorter = "Prefer: return=minimal", "Prefer: include-unknown-enum-members, odata.maxpagesize=1"
	xml := "Content-Type: application/xml"
	strange := "?strange=1"

	id := c.ask("agent", "createRelationship", "201", relationships, draft("A")).field("id")
	c.ask("agent", "createRelationship", "204", relationships, draft("B"), minimal)
	c.ask("agent", "createRelationship", "400", relationships, "{}")
	c.ask("reader", "createRelationship", "403", relationships, "{}")
	c.ask("agent", "createRelationship", "409", relationships, draft("A"))
	c.ask("agent", "createRelationship", "413", relationships, `"`+strings.Repeat("x", 2<<20)+`"`)
	c.ask("agent", "createRelationship", "415", relationships, "<a/>", xml)
	ga := w.ask("agent", "POST", list, strings.Replace(draft("GA"), reader, lifecycle.GlobalAdministrator, 1)).is(201).field("id")
	one := relationships + "/" + id

	c.ask("agent", "updateRelationship", "200", one, `{"autoExtendDuration":"P180D"}`, anyTag)
	c.ask("agent", "updateRelationship", "204", one, `{"autoExtendDuration":"PT0S","customer":{"tenantId":"`+contoso+`"}}`, anyTag, minimal)
	c.ask("agent", "updateRelationship", "400", one, `{"id":"x"}`, anyTag)
	c.ask("reader", "updateRelationship", "403", one, "{}", anyTag)
	c.ask("agent", "updateRelationship", "404", none, "{}", anyTag)
	c.ask("agent", "updateRelationship", "409", one, `{"displayName":"B"}`, anyTag)
	c.ask("agent", "updateRelationship", "412", one, "{}", `If-Match: "7"`)
	c.ask("agent", "updateRelationship", "413", one, strings.Repeat(" ", 2<<20), anyTag)
	c.ask("agent", "updateRelationship", "415", one, "<a/>", anyTag, xml)
	c.ask("agent", "updateRelationship", "428", one, "{}")

	for _, r := range []string{id, ga} {
		c.ask("agent", "createRequest", "201", relationships+"/"+r+"/requests", `{"action":"lockForApproval"}`)
	}
	c.ask("contoso", "createRequest", "204", one+"/requests", `{"action":"approve"}`, minimal)
	w.request("contoso", ga, "approve").is(201)
	c.ask("agent", "createRequest", "400", one+"/requests", `{}`)
	c.ask("reader", "createRequest", "403", one+"/requests", `{}`)
	c.ask("agent", "createRequest", "404", none+"/requests", `{}`)
	c.ask("agent", "createRequest", "409", one+"/requests", `{"action":"lockForApproval"}`)
	c.ask("agent", "createRequest", "412", one+"/requests", `{"action":"terminate"}`, `If-Match: W/"0"`)
	c.ask("agent", "createRequest", "413", one+"/requests", strings.Repeat(" ", 2<<20))
	c.ask("agent", "createRequest", "415", one+"/requests", "<a/>", xml)
	c.ask("agent", "updateRelationship", "202", relationships+"/"+ga, assign("", helpdesk), anyTag)

	assignments := one + "/accessAssignments"
	assigned := assignments + "/" + c.ask("agent", "createAccessAssignment", "201", assignments, assign(group, helpdesk)).field("id")
	c.ask("agent", "createAccessAssignment", "204", assignments, assign(adatum, helpdesk), minimal)
	c.ask("agent", "createAccessAssignment", "400", assignments, assign(contoso, lifecycle.GlobalAdministrator))
	c.ask("reader", "createAccessAssignment", "403", assignments, "{}")
	c.ask("agent", "createAccessAssignment", "404", none+"/accessAssignments", "{}")
	c.ask("agent", "createAccessAssignment", "409", assignments, assign(group, helpdesk))
	c.ask("agent", "createAccessAssignment", "413", assignments, strings.Repeat(" ", 2<<20))
	c.ask("agent", "createAccessAssignment", "415", assignments, "<a/>", xml)
	c.ask("agent", "updateAccessAssignment", "200", assigned, assign("", helpdesk), anyTag)
	c.ask("agent", "updateAccessAssignment", "204", assigned, assign("", helpdesk), anyTag, minimal)
	c.ask("agent", "updateAccessAssignment", "202", assigned, assign("", reader, helpdesk), anyTag)
	c.ask("agent", "updateAccessAssignment", "400", assigned, assign(adatum, reader), anyTag)
	c.ask("reader", "updateAccessAssignment", "403", assigned, "{}", anyTag)
	c.ask("agent", "updateAccessAssignment", "404", assignments+"/x", "{}", anyTag)
	c.ask("agent", "updateAccessAssignment", "412", assigned, "{}", `If-Match: "1"`)
	c.ask("agent", "updateAccessAssignment", "413", assigned, strings.Repeat(" ", 2<<20), anyTag)
	c.ask("agent", "updateAccessAssignment", "415", assigned, "<a/>", anyTag, xml)
	c.ask("agent", "updateAccessAssignment", "428", assigned, "{}")
	c.ask("agent", "deleteAccessAssignment", "400", assigned+strange, "", anyTag)
	c.ask("reader", "deleteAccessAssignment", "403", assigned, "", anyTag)
	c.ask("agent", "deleteAccessAssignment", "404", assignments+"/x", "", anyTag)
	c.ask("agent", "deleteAccessAssignment", "412", assigned, "", `If-Match: "1"`)
	c.ask("agent", "deleteAccessAssignment", "428", assigned, "")
	c.ask("agent", "deleteAccessAssignment", "204", assigned, "", anyTag)
	c.ask("agent", "deleteAccessAssignment", "409", assigned, "", anyTag)
	c.ask("agent", "updateAccessAssignment", "409", assigned, assign("", helpdesk), anyTag)
	w.request("agent", id, "terminate").is(201)

	// Everything that is looked at.
	looks := []struct{ operation, path, missing string }{
		{"listRelationships", relationships, ""}, {"countRelationships", relationships + "/$count", ""}, {"getRelationship", one, none},
		{"listRequests", one + "/requests", none + "/requests"}, {"getRequest", "", one + "/requests/x"},
		{"listAccessAssignments", assignments, none + "/accessAssignments"}, {"getAccessAssignment", assigned, assignments + "/x"},
		{"listOperations", one + "/operations", none + "/operations"}, {"getOperation", "", one + "/operations/x"},
		{"countRequests", one + "/requests/$count", none + "/requests/$count"}, {"countOperations", one + "/operations/$count", none + "/operations/$count"},
		{"countAccessAssignments", assignments + "/$count", none + "/accessAssignments/$count"}, {"countCustomers", customers + "/$count", ""},
		{"listCustomers", customers, ""}, {"getCustomer", customers + "/" + contoso, customers + "/" + adatum},
	}
	for _, l := range looks {
		if l.path == "" { // the first of the list
			children, _, _ := strings.Cut(l.missing, "/x")
			l.path = children + "/" + w.ask("agent", "GET", "/v1.0"+children, "").values()[0]["id"].(string)
		}
		r := c.ask("agent", l.operation, "200", l.path, "", shorter)
		if next, ok := mayBeObject(r)["@odata.nextLink"].(string); ok {
			c.ask("agent", l.operation, "200", strings.TrimPrefix(next, w.server.URL+"/v1.0"), "")
		}
		if !strings.HasSuffix(l.path, "/$count") {
			c.ask("agent", l.operation, "200", l.path+"?$select=id", "")
			c.ask("agent", l.operation, "200", l.path+"?$select=*", "")
		}
		c.ask("agent", l.operation, "400", l.path+strange, "")
		if l.missing != "" {
			c.ask("agent", l.operation, "404", l.missing, "")
		}
	}
	for _, o := range []string{"listRelationships", "countRelationships", "listCustomers", "countCustomers", "countRequests", "countOperations", "countAccessAssignments", "getRelationship", "getCustomer", "listRequests", "getRequest", "listAccessAssignments",
		"getAccessAssignment", "listOperations", "getOperation", "getDescription", "batch"} {
		c.seen[o+" 403"] = true // whoever has a role may look, so it is answered before us
	}
	c.ask("agent", "listRelationships", "200", relationships+"?$filter=status eq 'terminated'&$orderby=id&$count=true&$top=2", "")
	for operation, path := range map[string]string{"listCustomers": customers, "listRequests": one + "/requests", "listAccessAssignments": assignments, "listOperations": one + "/operations"} {
		c.ask("agent", operation, "200", path+"?$filter=startswith(id,'a') or not startswith(id,'a')&$orderby=id desc&$count=true&$top=1", "")
	}
	w.advance(1000 * lifecycle.Day)
	require.Equal(t, "2", c.ask("agent", "listRelationships", "200", relationships, "").header.Get("Tenure-Overdue"))

	c.ask("agent", "deleteRelationship", "400", one+strange, "", anyTag)
	c.ask("reader", "deleteRelationship", "403", one, "", anyTag)
	c.ask("agent", "deleteRelationship", "404", none, "", anyTag)
	c.ask("agent", "deleteRelationship", "409", one, "", anyTag)
	c.ask("agent", "deleteRelationship", "412", one, "", `If-Match: "1"`)
	c.ask("agent", "deleteRelationship", "428", one, "")
	c.ask("agent", "deleteRelationship", "204", relationships+"/"+w.created("C"), "", anyTag)

	c.ask("agent", "batch", "200", "/$batch", `{"requests":[{"id":"1","method":"GET","url":"`+one+`"},{"id":"2","method":"DELETE","url":"`+one+`","dependsOn":["1"]}]}`)
	c.ask("agent", "batch", "400", "/$batch", `{}`)
	c.ask("agent", "batch", "413", "/$batch", strings.Repeat(" ", 2<<20))
	c.ask("agent", "batch", "415", "/$batch", `<a/>`, xml)
	c.ask("agent", "getDescription", "200", "/openapi.yaml", "")
	c.ask("agent", "getDescription", "400", "/openapi.yaml"+strange, "")

	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				require.True(t, c.seen[op.OperationID+" "+status] || slices.Contains(elsewhere, status), "%s never answered %s", op.OperationID, status)
			}
		}
	}
}

func mayBeObject(r *reply) map[string]any {
	if strings.HasPrefix(string(r.body), "{") {
		return r.object()
	}
	return nil
}
