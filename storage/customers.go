package storage

import (
	"context"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Customers lists those who have a relationship that the filter of the query wants, by tenant id, each once, under the name
// that the one changed last has for it.
func (db *DB) Customers(ctx context.Context, q lifecycle.CustomerQuery) (customers []lifecycle.Tenant, err error) {
	text, a := customersOf(&q)
	type customerRow struct {
		ID   string `json:"customer_id"`
		Name string `json:"customer_name"`
	}
	err = db.read(ctx, "list customers", func(s session) error {
		customers = nil
		return each(ctx, s, s.dialect.fill(text), a, func(row *customerRow) error {
			customers = append(customers, lifecycle.Tenant{TenantID: row.ID, DisplayName: row.Name})
			return nil
		})
	})
	return customers, err
}

// customersOf is the query as SQL. Ids are compared as they are indexed and only put into the order of their bytes: compared as
// bytes, each name would be looked for in all relationships.
func customersOf(q *lifecycle.CustomerQuery) (text string, a args) {
	v := sieve{args: args{}}
	wanted := "t.customer_id <> '' AND " + v.condition(q.Filter)
	after, limit := "", ""
	if q.After != "" {
		after = " AND t.customer_id {{plain}} > " + v.parameter(clean(strings.ToLower(q.After)))
	}
	if q.Limit > 0 {
		limit = " LIMIT " + v.parameter(q.Limit)
	}
	return `SELECT c.customer_id, (SELECT t.customer_name FROM relationships AS t WHERE ` + wanted + ` AND t.customer_id = c.customer_id
			ORDER BY t.customer_name <> '' DESC, t.modified_at DESC NULLS LAST, t.key DESC LIMIT 1) AS customer_name
		FROM (SELECT t.customer_id FROM relationships AS t WHERE ` + wanted + after + `
			GROUP BY t.customer_id ORDER BY t.customer_id {{plain}}` + limit + `) AS c
		ORDER BY c.customer_id {{plain}}`, v.args
}
