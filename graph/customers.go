package graph

import (
	"net/http"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// theCustomer is a delegatedAdminCustomer: the customer of at least one relationship that the caller sees.
var theCustomer = entityType[lifecycle.Tenant]{
	name: "delegatedAdminCustomer",
	properties: []property[lifecycle.Tenant]{
		{name: "id", write: func(b []byte, _ *exchange, t *lifecycle.Tenant) []byte { return appendText(b, t.TenantID) }},
		{name: "tenantId", write: func(b []byte, _ *exchange, t *lifecycle.Tenant) []byte { return appendText(b, t.TenantID) }},
		{name: "displayName", write: func(b []byte, _ *exchange, t *lifecycle.Tenant) []byte { return appendText(b, t.DisplayName) }},
	},
}

// mostCustomers is how many customers are filtered, sorted and counted: as many as a large partner has, and several times more.
const mostCustomers = 50_000

// customerFields is what customers can be filtered and sorted by.
var customerFields = []field[lifecycle.Tenant]{
	{"id", lifecycle.KindID, nil, func(t *lifecycle.Tenant) lifecycle.Value { return lifecycle.Value{Text: t.TenantID} }},
	{"tenantId", lifecycle.KindID, nil, func(t *lifecycle.Tenant) lifecycle.Value { return lifecycle.Value{Text: t.TenantID} }},
	{"displayName", lifecycle.KindText, nil, func(t *lifecycle.Tenant) lifecycle.Value { return lifecycle.Value{Text: t.DisplayName} }},
}

// customerList is all customers, for whoever asks for them by more than their tenant ids.
func (x *exchange) customerList() (*shortList[lifecycle.Tenant], error) {
	tenants, err := x.store.Customers(x.r.Context(), lifecycle.CustomerQuery{Filter: x.by.Scope(), Limit: mostCustomers + 1})
	if err != nil {
		return nil, err
	}
	if len(tenants) > mostCustomers {
		return nil, refused(http.StatusBadRequest, "There are more than %d customers; of so many, $filter, $orderby and $count are not supported. List them without.", mostCustomers)
	}
	return &shortList[lifecycle.Tenant]{&theCustomer, customersFolder, tenants, func(t *lifecycle.Tenant) string { return t.TenantID }, customerFields}, nil
}

// byCustomer is the order in which customers are listed.
var byCustomer = []lifecycle.Order{{Field: lifecycle.FieldCustomer}}

func (x *exchange) listCustomers() (answer, error) {
	_, filtered := x.options.values["$filter"]
	if _, sorted := x.options.values["$orderby"]; filtered || sorted || x.options.count {
		return shown((*exchange).customerList)(x)
	}
	chosen, err := theCustomer.selected(x)
	if err != nil {
		return answer{}, err
	}
	after, err := x.after(byCustomer)
	if err != nil {
		return answer{}, err
	}
	size := x.pageSize()
	q := lifecycle.CustomerQuery{Filter: x.by.Scope(), Limit: size + 1}
	if after != nil {
		q.After = after.Values[0].Text
	}
	tenants, err := x.store.Customers(x.r.Context(), q)
	if err != nil {
		return answer{}, err
	}
	p := page[lifecycle.Tenant]{set: customersFolder, entities: tenants}
	if len(tenants) > size {
		p.entities = tenants[:size]
		p.next = x.nextLink(byCustomer, &lifecycle.Cursor{Values: []lifecycle.Value{{Text: tenants[size-1].TenantID}}})
	}
	return theCustomer.page(x, chosen, p)
}

func (x *exchange) getCustomer() (answer, error) {
	id := strings.ToLower(x.ids[0])
	if !lifecycle.IsGUID(id) {
		return answer{}, notFound("customer")
	}
	only := lifecycle.Compare{Field: lifecycle.FieldCustomer, By: lifecycle.Equal, Value: lifecycle.Value{Text: id}}
	tenants, err := x.store.Customers(x.r.Context(), lifecycle.CustomerQuery{Filter: x.scoped(only), Limit: 1})
	if err != nil {
		return answer{}, err
	}
	if len(tenants) == 0 {
		return answer{}, notFound("customer")
	}
	return theCustomer.one(x, http.StatusOK, customersFolder, &tenants[0])
}
