package storage

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A contactRow is a row of table contacts. One person may hold a role in a tenant once, under one mail address.
type contactRow struct {
	contactKey
	Mail        string           `json:"mail"`
	DisplayName string           `json:"display_name"`
	Language    string           `json:"language"`
	TimeZone    string           `json:"time_zone"`
	Digest      lifecycle.Digest `json:"digest"`
}

type contactKey struct {
	TenantID string         `json:"tenant_id"`
	Role     lifecycle.Role `json:"role"`
	MailKey  string         `json:"mail_key"`
}

func (key *contactKey) audience() lifecycle.Audience {
	return lifecycle.Audience{TenantID: key.TenantID, Role: key.Role}
}

func contactRowOf(c *lifecycle.Contact) contactRow {
	return contactRow{contactKey{strings.ToLower(c.TenantID), c.Role, strings.ToLower(c.Mail)}, c.Mail, clean(c.DisplayName),
		clean(c.Language), clean(c.TimeZone), c.Digest}
}

func contactRowsOf(batch []lifecycle.Contact) []contactRow {
	rows := make([]contactRow, len(batch))
	for i := range batch {
		rows[i] = contactRowOf(&batch[i])
	}
	return rows
}

func (row *contactRow) contact() lifecycle.Contact {
	return lifecycle.Contact{TenantID: row.TenantID, Role: row.Role, Mail: row.Mail, DisplayName: row.DisplayName,
		Language: row.Language, TimeZone: row.TimeZone, Digest: row.Digest}
}

const contactColumns = `tenant_id TEXT, role TEXT, mail_key TEXT, mail TEXT, display_name TEXT, language TEXT, time_zone TEXT, digest TEXT`

const selectContacts = `SELECT c.tenant_id, c.role, c.mail_key, c.mail, c.display_name, c.language, c.time_zone, c.digest FROM contacts AS c `

// ImportContacts takes contacts in, in one transaction. A contact is known by tenant, role and mail address, in upper or
// lower case; of one that is in the batch twice, the last counts. One more than may hold a role in a tenant is refused, and
// does not keep the others out. Notices of which nobody could be told are offered to those who hold the role now.
func (db *DB) ImportContacts(ctx context.Context, batch []lifecycle.Contact, p *lifecycle.NoticePolicy, now time.Time) (counts lifecycle.ContactCounts, err error) {
	if len(batch) == 0 {
		return lifecycle.ContactCounts{}, nil
	}
	err = db.write(ctx, "import contacts", func(s session) (err error) {
		counts, err = importContacts(ctx, s, batch, p, now)
		return err
	})
	if err != nil {
		return lifecycle.ContactCounts{}, err
	}
	offered, err := db.offerAgain(ctx, batch, p, now)
	counts.Offered += offered
	return counts, err
}

func importContacts(ctx context.Context, s session, batch []lifecycle.Contact, p *lifecycle.NoticePolicy, now time.Time) (counts lifecycle.ContactCounts, err error) {
	// One import at a time: nobody else adds to an audience between our counting and our writing.
	if _, err := holdCounter(ctx, s, relationshipCounter); err != nil {
		return counts, err
	}
	rows := contactRowsOf(batch)
	fresh, counts, err := sortContacts(ctx, s, rows)
	if err != nil {
		return counts, err
	}
	if err := upsertContacts(ctx, s, fresh); err != nil {
		return counts, err
	}
	counts.Offered, err = offerUnreached(ctx, s, rows, p, now)
	return counts, err
}

// sortContacts finds those that are to be written, each once, and counts them all.
func sortContacts(ctx context.Context, s session, rows []contactRow) (fresh []contactRow, counts lifecycle.ContactCounts, err error) {
	known, err := knownContacts(ctx, s, rows)
	if err != nil {
		return nil, counts, err
	}
	audiences := make([]lifecycle.Audience, len(rows))
	for i := range rows {
		audiences[i] = rows[i].audience()
	}
	people, err := countPeople(ctx, s, audiences)
	if err != nil {
		return nil, counts, err
	}
	changed := map[contactKey]int{} // its place among fresh
	for i, row := range rows {
		was, ok := known[row.contactKey]
		switch {
		case ok && was == row:
			counts.Unchanged++
			continue
		case ok:
			counts.Updated++
		case people[row.audience()] >= lifecycle.MostContacts:
			counts.Refused = append(counts.Refused, lifecycle.ContactRefused{Index: i, Fault: tooMany(&row)})
			continue
		default:
			counts.Created++
			people[row.audience()]++
		}
		known[row.contactKey] = row
		if i, ok := changed[row.contactKey]; ok {
			fresh[i] = row
			continue
		}
		changed[row.contactKey] = len(fresh)
		fresh = append(fresh, row)
	}
	return fresh, counts, nil
}

func tooMany(row *contactRow) lifecycle.Fault {
	return lifecycle.Fault{Field: "tenantId", Value: row.TenantID, Reason: fmt.Sprintf(
		"has %d contacts with the role %s already, and no more are told; remove some, or give the address of a mailing list instead",
		lifecycle.MostContacts, row.Role)}
}

func knownContacts(ctx context.Context, s session, rows []contactRow) (map[contactKey]contactRow, error) {
	known := make(map[contactKey]contactRow, len(rows))
	err := each(ctx, s, selectContacts+`JOIN {{rows tenant_id TEXT, role TEXT, mail_key TEXT}}
		ON c.tenant_id = r.tenant_id AND c.role = r.role AND c.mail_key = r.mail_key`, args{"rows": page[contactRow](rows)}, func(row *contactRow) error {
		known[row.contactKey] = *row
		return nil
	})
	return known, err
}

func upsertContacts(ctx context.Context, s session, rows []contactRow) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO contacts (tenant_id, role, mail_key, mail, display_name, language, time_zone, digest)
		SELECT r.tenant_id, r.role, r.mail_key, r.mail, r.display_name, r.language, r.time_zone, r.digest FROM {{rows `+contactColumns+`}}
		WHERE TRUE ON CONFLICT (tenant_id, role, mail_key)
		DO UPDATE SET mail = excluded.mail, display_name = excluded.display_name, language = excluded.language,
			time_zone = excluded.time_zone, digest = excluded.digest`,
		args{"rows": page[contactRow](rows)})
	if err != nil {
		return err
	}
	return markContacts(ctx, s, metaContactsWritten)
}

// The rows of table meta in which whoever changes contacts leaves a mark of their own. There are two, so that to remove somebody does not have to
// wait for the end of a long import.
const (
	metaContactsWritten = "contactsWritten"
	metaContactsRemoved = "contactsRemoved"
)

func markContacts(ctx context.Context, s session, name string) error {
	return setMeta(ctx, s, metaValue{name, rand.Text()})
}

// contactsMark is another one whenever contacts have changed.
func contactsMark(ctx context.Context, s session) (mark string, err error) {
	var marks []string
	err = s.list(ctx, &marks, `SELECT value FROM meta WHERE name IN ('`+metaContactsWritten+`', '`+metaContactsRemoved+`') ORDER BY name`, nil)
	return strings.Join(marks, " "), err
}
