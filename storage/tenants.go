package storage

import (
	"context"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

type tenantName struct {
	ID string `json:"tenant"`
}

type tenantRow struct {
	TenantID     string `json:"tenant"`
	CustomerName string `json:"customer_name"`
	AsPartner    int64  `json:"as_partner"`
	AsCustomer   int64  `json:"as_customer"`
}

// TenantSizes says of tenants, by their ids, how many relationships each has as partner and as customer, and what it is called as a
// customer: as its newest relationship has it. Of each side no more than most are counted. One that has none is there, too.
func (db *DB) TenantSizes(ctx context.Context, tenants []string, most int) (sizes map[string]lifecycle.TenantSize, err error) {
	rows := make(page[tenantName], len(tenants))
	for i, tenant := range tenants {
		rows[i].ID = clean(strings.ToLower(tenant))
	}
	err = db.read(ctx, "count the relationships of tenants", func(s session) error {
		sizes = map[string]lifecycle.TenantSize{}
		return each(ctx, s, `SELECT r.tenant,
				COALESCE((SELECT a.customer_name FROM agreements AS a WHERE a.customer_id = r.tenant AND a.customer_id <> '' AND a.customer_name <> ''
					ORDER BY a.customer_id DESC, a.key DESC LIMIT 1), '') AS customer_name,
				(SELECT count(*) FROM (SELECT 1 FROM agreements AS a WHERE a.partner_id = r.tenant LIMIT :most) AS p) AS as_partner,
				(SELECT count(*) FROM (SELECT 1 FROM agreements AS a WHERE a.customer_id = r.tenant AND a.customer_id <> '' LIMIT :most) AS c) AS as_customer
			FROM {{rows tenant TEXT}}`, args{"rows": rows, "most": most}, func(row *tenantRow) error {
			sizes[row.TenantID] = lifecycle.TenantSize(*row)
			return nil
		})
	})
	return sizes, err
}

// ListedByID lists the relationships with these ids, in no order, as they are stored. Those that there are not are left out.
func (db *DB) ListedByID(ctx context.Context, ids []string) (found []lifecycle.Listed, err error) {
	type named struct {
		ID string `json:"id"`
	}
	wanted := make(page[named], len(ids))
	for i, id := range ids {
		wanted[i].ID = clean(id)
	}
	err = db.read(ctx, "list relationships by their ids", func(s session) error {
		found, err = readListed(ctx, s, selectListed+"JOIN {{rows id TEXT}} ON r.id = t.id", args{"rows": wanted})
		return err
	})
	return found, err
}
