package storage

import (
	"context"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// audiences are who holds roles in tenants at the moment, by mail address. An audience that nobody is in is not among them.
type audiences map[lifecycle.Audience][]person

// A person is of a contact what goes into a notice, and how often it is told.
type person struct {
	mail, name, language, timeZone string
	digest                         lifecycle.Digest
}

// nobody is told where there is none to tell, or where it is no person who is told.
var nobody = []person{{}}

// waitsFor is when a person is told of a notice in a digest; the zero time: at once, in a letter of its own.
func (p *person) waitsFor(n *lifecycle.Notice) time.Time {
	switch p.digest {
	case lifecycle.DailyDigest:
		return n.DailyAt
	case lifecycle.WeeklyDigest:
		return n.WeeklyAt
	}
	return time.Time{}
}

const selectPeople = `SELECT r.key, c.mail, c.display_name, c.language, c.time_zone, c.digest FROM {{rows key BIGINT, tenant_id TEXT, role TEXT}}
	JOIN contacts AS c ON c.tenant_id = r.tenant_id AND c.role = r.role ORDER BY r.key, c.mail_key`

// readAudiences reads who is to be told of decisions in person, each audience once.
func readAudiences(ctx context.Context, s session, decided []lifecycle.Decided) (audiences, error) {
	type askedFor struct {
		N int `json:"key"`
		audienceRow
	}
	var wanted []askedFor
	there := audiences{}
	for i := range decided {
		for j := range decided[i].Notices {
			for _, to := range decided[i].Notices[j].To {
				if _, known := there[to.Audience]; known || goes(&to) != toPeople {
					continue
				}
				there[to.Audience] = nil
				wanted = append(wanted, askedFor{len(wanted), audienceRow(to.Audience)})
			}
		}
	}
	if len(wanted) == 0 {
		return there, nil
	}
	rows, n, err := readPage(ctx, s, selectPeople, args{"rows": page[askedFor](wanted)}, len(wanted))
	if err != nil {
		return nil, err
	}
	for range n {
		rows.next()
		of := lifecycle.Audience(wanted[rows.number("key")].audienceRow)
		there[of] = append(there[of], person{rows.text("mail"), rows.text("display_name"), rows.text("language"), rows.text("time_zone"),
			lifecycle.Digest(rows.text("digest"))})
		if err := rows.spoilt(); err != nil {
			return nil, err
		}
	}
	return there, nil
}
