package graph

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A route is a path, and what is done there. An element "{…}" of the path stands for an id.
type route struct {
	path    []string
	methods map[string]operation
}

// An operation is what a method does at a path.
type operation struct {
	action  string // what is asked for, as a refusal is recorded; empty where nothing is changed
	options string // the query options that make sense here
	do      func(*exchange) (answer, error)
}

// routes is everything that is answered. Graph's paths are taken in upper or lower case, and an id in the form set('id') as
// well; that is why they are matched here and not by [http.ServeMux].
func routes() []route {
	const (
		relationships = tenantRelationships + "/" + relationshipsFolder
		relationship  = relationships + "/{id}"
		customers     = tenantRelationships + "/" + customersFolder
		listOptions   = "$filter $select $orderby $top $count $skiptoken"
	)
	table := []struct {
		path    string
		methods map[string]operation
	}{
		{relationships, map[string]operation{
			http.MethodGet:  {"", listOptions, (*exchange).listRelationships},
			http.MethodPost: {"create", "", (*exchange).createRelationship},
		}},
		{relationships + "/$count", map[string]operation{http.MethodGet: {"", "$filter", (*exchange).countRelationships}}},
		{relationship, map[string]operation{
			http.MethodGet:    {"", "$select", (*exchange).getRelationship},
			http.MethodPatch:  {"edit", "", (*exchange).patchRelationship},
			http.MethodDelete: {"delete", "", (*exchange).deleteRelationship},
		}},
		{relationship + "/" + requestsFolder, map[string]operation{
			http.MethodGet:  {"", listOptions, shown((*exchange).requestList)},
			http.MethodPost: {"request", "", (*exchange).postRequest},
		}},
		{relationship + "/" + requestsFolder + "/$count", map[string]operation{http.MethodGet: {"", "$filter", counted((*exchange).requestList)}}},
		{relationship + "/" + requestsFolder + "/{id}", map[string]operation{http.MethodGet: {"", "$select", (*exchange).getRequest}}},
		{relationship + "/" + assignmentsFolder, map[string]operation{
			http.MethodGet:  {"", listOptions, shown((*exchange).assignmentList)},
			http.MethodPost: {"assignAccess", "", (*exchange).postAssignment},
		}},
		{relationship + "/" + assignmentsFolder + "/$count", map[string]operation{http.MethodGet: {"", "$filter", counted((*exchange).assignmentList)}}},
		{relationship + "/" + assignmentsFolder + "/{id}", map[string]operation{
			http.MethodGet:    {"", "$select", (*exchange).getAssignment},
			http.MethodPatch:  {"reassignAccess", "", (*exchange).patchAssignment},
			http.MethodDelete: {"unassignAccess", "", (*exchange).deleteAssignment},
		}},
		{relationship + "/" + operationsFolder, map[string]operation{http.MethodGet: {"", listOptions, shown((*exchange).operationList)}}},
		{relationship + "/" + operationsFolder + "/$count", map[string]operation{http.MethodGet: {"", "$filter", counted((*exchange).operationList)}}},
		{relationship + "/" + operationsFolder + "/{id}", map[string]operation{http.MethodGet: {"", "$select", (*exchange).getOperation}}},
		{customers, map[string]operation{http.MethodGet: {"", listOptions, (*exchange).listCustomers}}},
		{customers + "/$count", map[string]operation{http.MethodGet: {"", "$filter", counted((*exchange).customerList)}}},
		{customers + "/{id}", map[string]operation{http.MethodGet: {"", "$select", (*exchange).getCustomer}}},
		{"$batch", map[string]operation{http.MethodPost: {"batch", "", (*exchange).postBatch}}},
		{"openapi.yaml", map[string]operation{http.MethodGet: {"", "", (*exchange).getDescription}}},
	}
	all := make([]route, len(table))
	for i, line := range table {
		all[i] = route{strings.Split(line.path, "/"), line.methods}
	}
	return all
}

// find finds the operation that is asked for.
func (x *exchange) find() error {
	elements, ok := pathElements(x.r.URL)
	if !ok {
		return nothingHere()
	}
	for i := range x.routes {
		known := &x.routes[i]
		ids, fits := known.fits(elements)
		if !fits {
			continue
		}
		method := x.r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		op, ok := known.methods[method]
		if !ok {
			allowed := known.allowed()
			return refused(http.StatusMethodNotAllowed, "The method %s is not allowed here; allowed are %s.", clip(x.r.Method), allowed).with("Allow", allowed)
		}
		x.op, x.ids = op, ids
		if len(ids) > 0 {
			x.subject = ids[0]
		}
		return nil
	}
	return nothingHere()
}

func nothingHere() *problem {
	return refused(http.StatusNotFound, "There is nothing at this address. /v1.0/openapi.yaml lists what there is.")
}

// fits says whether the path has the form of the route's, and which ids it names.
func (t *route) fits(elements []string) (ids []string, ok bool) {
	if len(elements) != len(t.path) {
		return nil, false
	}
	for i, element := range elements {
		switch want := t.path[i]; {
		case want == "{id}":
			if element == "$count" { // it is no id, and a route of its own where it means something
				return nil, false
			}
			ids = append(ids, element)
		case !strings.EqualFold(element, want):
			return nil, false
		}
	}
	return ids, true
}

func (t *route) allowed() string {
	var methods []string
	for method := range t.methods {
		methods = append(methods, method)
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

const mostElements = 8 // of a path; ours have five at most

// pathElements are the elements of a path after /v1.0/; false where it is none of ours.
func pathElements(u *url.URL) ([]string, bool) {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/v1.0/")
	if !ok || strings.Count(rest, "/") > mostElements {
		return nil, false
	}
	var elements []string
	for escaped := range strings.SplitSeq(rest, "/") {
		element, err := url.PathUnescape(escaped)
		if err != nil || element == "" {
			return nil, false
		}
		if name, key, ok := strings.Cut(element, "('"); ok && strings.HasSuffix(key, "')") {
			elements = append(elements, name, strings.TrimSuffix(key, "')"))
			continue
		}
		elements = append(elements, element)
	}
	return elements, true
}
