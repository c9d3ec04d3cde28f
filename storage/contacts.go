package storage

import (
	"context"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// ContactCounts says what became of a batch of contacts.
type ContactCounts struct {
	Created, Updated, Unchanged int
}

// A contactRow is a row of table contacts. One person may hold a role in a tenant once, under one mail address.
type contactRow struct {
	contactKey
	Mail        string `json:"mail"`
	DisplayName string `json:"display_name"`
	Language    string `json:"language"`
}

type contactKey struct {
	TenantID string         `json:"tenant_id"`
	Role     lifecycle.Role `json:"role"`
	MailKey  string         `json:"mail_key"`
}

func contactRowOf(c *lifecycle.Contact) contactRow {
	return contactRow{contactKey{strings.ToLower(c.TenantID), c.Role, strings.ToLower(c.Mail)}, c.Mail, clean(c.DisplayName), clean(c.Language)}
}

func (row *contactRow) contact() lifecycle.Contact {
	return lifecycle.Contact{TenantID: row.TenantID, Role: row.Role, Mail: row.Mail, DisplayName: row.DisplayName, Language: row.Language}
}

const contactColumns = `tenant_id TEXT, role TEXT, mail_key TEXT, mail TEXT, display_name TEXT, language TEXT`

// ImportContacts takes contacts in, in one transaction. A contact is known by tenant, role and mail address, in upper or
// lower case; of one that is in the batch twice, the last counts.
func (db *DB) ImportContacts(ctx context.Context, batch []lifecycle.Contact) (counts ContactCounts, err error) {
	if len(batch) == 0 {
		return ContactCounts{}, nil
	}
	err = db.write(ctx, "import contacts", func(s session) error {
		counts, err = importContacts(ctx, s, batch)
		return err
	})
	return counts, err
}

func importContacts(ctx context.Context, s session, batch []lifecycle.Contact) (counts ContactCounts, err error) {
	rows := make([]contactRow, len(batch))
	for i := range batch {
		rows[i] = contactRowOf(&batch[i])
	}
	known, err := knownContacts(ctx, s, rows)
	if err != nil {
		return ContactCounts{}, err
	}
	changed := map[contactKey]int{} // its place among fresh
	var fresh []contactRow
	for _, row := range rows {
		was, ok := known[row.contactKey]
		switch {
		case ok && was == row:
			counts.Unchanged++
			continue
		case ok:
			counts.Updated++
		default:
			counts.Created++
		}
		known[row.contactKey] = row
		if i, ok := changed[row.contactKey]; ok {
			fresh[i] = row
			continue
		}
		changed[row.contactKey] = len(fresh)
		fresh = append(fresh, row)
	}
	return counts, upsertContacts(ctx, s, fresh)
}

func knownContacts(ctx context.Context, s session, rows []contactRow) (map[contactKey]contactRow, error) {
	var found []contactRow
	err := s.list(ctx, &found, `SELECT DISTINCT c.tenant_id, c.role, c.mail_key, c.mail, c.display_name, c.language
		FROM {{rows `+contactColumns+`}} JOIN contacts AS c ON c.tenant_id = r.tenant_id AND c.role = r.role AND c.mail_key = r.mail_key`,
		args{"rows": page[contactRow](rows)})
	known := make(map[contactKey]contactRow, len(found))
	for _, row := range found {
		known[row.contactKey] = row
	}
	return known, err
}

func upsertContacts(ctx context.Context, s session, rows []contactRow) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO contacts (tenant_id, role, mail_key, mail, display_name, language)
		SELECT r.tenant_id, r.role, r.mail_key, r.mail, r.display_name, r.language FROM {{rows `+contactColumns+`}}
		WHERE TRUE ON CONFLICT (tenant_id, role, mail_key)
		DO UPDATE SET mail = excluded.mail, display_name = excluded.display_name, language = excluded.language`,
		args{"rows": page[contactRow](rows)})
	return err
}

// Recipients counts who holds a role in a tenant, for each audience that there is somebody in.
func (db *DB) Recipients(ctx context.Context, audiences []lifecycle.Audience) (people map[lifecycle.Audience]int64, err error) {
	type audienceRow struct {
		TenantID string         `json:"tenant_id"`
		Role     lifecycle.Role `json:"role"`
		People   int64          `json:"people"`
	}
	people = map[lifecycle.Audience]int64{}
	if len(audiences) == 0 {
		return people, nil
	}
	asked := map[lifecycle.Audience]bool{}
	var rows []audienceRow
	for _, a := range audiences {
		if !asked[a] {
			asked[a] = true
			rows = append(rows, audienceRow{TenantID: a.TenantID, Role: a.Role})
		}
	}
	err = db.read(ctx, "count recipients", func(s session) error {
		var found []audienceRow
		err := s.list(ctx, &found, `SELECT c.tenant_id, c.role, count(*) AS people
			FROM {{rows tenant_id TEXT, role TEXT}} JOIN contacts AS c ON c.tenant_id = r.tenant_id AND c.role = r.role
			GROUP BY c.tenant_id, c.role`, args{"rows": page[audienceRow](rows)})
		for _, row := range found {
			people[lifecycle.Audience{TenantID: row.TenantID, Role: row.Role}] = row.People
		}
		return err
	})
	return people, err
}
