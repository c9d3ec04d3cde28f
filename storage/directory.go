package storage

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An audienceRow is everybody who holds a role in a tenant.
type audienceRow struct {
	TenantID string         `json:"tenant_id"`
	Role     lifecycle.Role `json:"role"`
}

const sameAudience = ` c.tenant_id = r.tenant_id AND c.role = r.role `

// audienceRows lists audiences, each once.
func audienceRows(audiences []lifecycle.Audience) []audienceRow {
	seen := make(map[lifecycle.Audience]bool, len(audiences))
	var rows []audienceRow
	for _, a := range audiences {
		if !seen[a] {
			seen[a] = true
			rows = append(rows, audienceRow(a))
		}
	}
	return rows
}

// Recipients counts who holds a role in a tenant, for each audience that there is somebody in.
func (db *DB) Recipients(ctx context.Context, audiences []lifecycle.Audience) (people map[lifecycle.Audience]int64, err error) {
	err = db.read(ctx, "count recipients", func(s session) error {
		people, err = countPeople(ctx, s, audiences)
		return err
	})
	return people, err
}

type peopleRow struct {
	audienceRow
	People int64 `json:"people"`
}

func countPeople(ctx context.Context, s session, audiences []lifecycle.Audience) (map[lifecycle.Audience]int64, error) {
	people := map[lifecycle.Audience]int64{}
	if len(audiences) == 0 {
		return people, nil
	}
	err := each(ctx, s, `SELECT c.tenant_id, c.role, count(*) AS people
		FROM {{rows tenant_id TEXT, role TEXT}} JOIN contacts AS c ON `+sameAudience+`
		GROUP BY c.tenant_id, c.role`, args{"rows": page[audienceRow](audienceRows(audiences))}, func(row *peopleRow) error {
		people[lifecycle.Audience(row.audienceRow)] = row.People
		return nil
	})
	return people, err
}

// countAudiences is [countPeople] by role and tenant.
func countAudiences(ctx context.Context, s session, audiences []lifecycle.Audience) (lifecycle.Headcount, error) {
	found, err := countPeople(ctx, s, audiences)
	people := make(lifecycle.Headcount, 2)
	for a, n := range found {
		people.Put(a, n)
	}
	return people, err
}

// countEverybody is [countPeople] for all audiences that there are; nil where they are more than most. In the order of their key
// PostgreSQL counts them as it comes upon them, without a hash table that it may have to write to disk.
func countEverybody(ctx context.Context, s session, most int) (lifecycle.Headcount, error) {
	var rows []struct {
		Role    lifecycle.Role `json:"role"`
		Tenants int            `json:"tenants"`
		List    string         `json:"list"` // each followed by how many there are in it
	}
	err := s.list(ctx, &rows, `SELECT role, count(*) AS tenants, string_agg(tenant_id || ' ' || people || ' ', '') AS list
		FROM (SELECT tenant_id, role, count(*) AS people FROM contacts GROUP BY tenant_id, role ORDER BY tenant_id, role LIMIT :most) AS t
		GROUP BY role`, args{"most": most + 1})
	if err != nil {
		return nil, err
	}
	people := lifecycle.Headcount{}
	for _, row := range rows {
		if most -= row.Tenants; most < 0 {
			return nil, nil
		}
		in := make(map[string]int64, row.Tenants)
		for rest := row.List; rest != ""; {
			var tenant, text string
			tenant, rest, _ = strings.Cut(rest, " ")
			text, rest, _ = strings.Cut(rest, " ")
			if in[tenant], err = strconv.ParseInt(text, 10, 64); err != nil {
				return nil, fmt.Errorf("count people in tenant %s: %w", tenant, err)
			}
		}
		people[row.Role] = in
	}
	return people, nil
}

// peopleOf lists who holds a role in a tenant, by mail address.
func peopleOf(ctx context.Context, s session, a lifecycle.Audience) (people []contactRow, err error) {
	err = s.list(ctx, &people, selectContacts+`WHERE c.tenant_id = :tenant AND c.role = :role ORDER BY c.mail_key`,
		args{"tenant": a.TenantID, "role": a.Role})
	return people, err
}

func contactConditions(q *lifecycle.ContactQuery) where {
	w := where{args: args{}}
	w.and(q.Tenant != "", "c.tenant_id = :tenant", "tenant", clean(strings.ToLower(q.Tenant)))
	w.and(q.Role != "", "c.role = :role", "role", q.Role)
	w.and(q.Mail != "", "c.mail_key = :mail", "mail", clean(strings.ToLower(q.Mail)))
	return w
}

// Contacts lists contacts, by tenant, role and mail address.
func (db *DB) Contacts(ctx context.Context, q lifecycle.ContactQuery) (contacts []lifecycle.Contact, err error) {
	w := contactConditions(&q)
	if after := contactRowOf(&q.After); after.contactKey != (contactKey{}) {
		w.and(true, "(c.tenant_id, c.role, c.mail_key) > (:after_tenant, :after_role, :after_mail)", "after_tenant", after.TenantID)
		w.args["after_role"], w.args["after_mail"] = after.Role, after.MailKey
	}
	text, a := w.order("c.tenant_id, c.role, c.mail_key", q.Limit)
	err = db.read(ctx, "list contacts", func(s session) error {
		contacts = nil
		return each(ctx, s, selectContacts+text, a, func(row *contactRow) error {
			contacts = append(contacts, row.contact())
			return nil
		})
	})
	return contacts, err
}

// RemoveContacts removes the contacts of a tenant, role or mail address and says how many there were. What they were sent, or
// will be, they have been sent and will be. [ErrNotNarrow] where the query names none of the three.
func (db *DB) RemoveContacts(ctx context.Context, q lifecycle.ContactQuery) (removed int64, err error) {
	const doing = "remove contacts"
	w := contactConditions(&q)
	if len(w.conditions) == 0 {
		return 0, said(doing, ErrNotNarrow)
	}
	err = db.write(ctx, doing, func(s session) error {
		removed, err = s.exec(ctx, `DELETE FROM contacts AS c WHERE `+strings.Join(w.conditions, " AND "), w.args)
		if err != nil || removed == 0 {
			return err
		}
		return markContacts(ctx, s, metaContactsRemoved)
	})
	return removed, err
}

// Unreached lists audiences of which notices found nobody, those with most notices first; at most limit, where that is not 0.
func (db *DB) Unreached(ctx context.Context, limit int) (unreached []lifecycle.Unreached, err error) {
	type unreachedRow struct {
		audienceRow
		Notices int64  `json:"notices"`
		Latest  dbTime `json:"latest"`
	}
	text, a := (&where{args: args{}}).order("notices DESC, tenant_id, role", limit)
	err = db.read(ctx, "list those whom nobody could tell", func(s session) error {
		unreached = nil
		return each(ctx, s, `SELECT tenant_id, role, count(*) AS notices, max(due_at) AS latest FROM notices WHERE status = 'noRecipient'
			GROUP BY tenant_id, role `+text, a, func(row *unreachedRow) error {
			unreached = append(unreached, lifecycle.Unreached{Audience: lifecycle.Audience(row.audienceRow), Notices: row.Notices, Latest: row.Latest.Time})
			return nil
		})
	})
	return unreached, err
}
