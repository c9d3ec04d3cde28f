package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// audiences are who holds roles in tenants at the moment, by mail address.
type audiences struct {
	places map[lifecycle.Audience]int
	people [][]person // by place
}

// of are the people of an audience that was asked for, or nobody.
func (there *audiences) of(a lifecycle.Audience) []person {
	if people := there.people[there.places[a]]; len(people) > 0 {
		return people
	}
	return nobody
}

// A person is of a contact what goes into a notice, and how often it is told.
type person struct {
	mail, name, language, timeZone string
	digest                         lifecycle.Digest
	place                          int // of the audience
}

// nobody stands where there is none to tell, or where it is no person who is told.
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

const selectPeople = `SELECT r.key, c.mail, c.display_name, c.language, c.time_zone, c.digest FROM {{rows key INTEGER, tenant_id TEXT, role TEXT}}
	JOIN contacts AS c ON c.tenant_id = r.tenant_id AND c.role = r.role`

// readAudiences reads who is to be told of decisions in person, each audience once, unless they are known.
func readAudiences(ctx context.Context, s session, decided []lifecycle.Decided, known *acquaintances) (*audiences, error) {
	type askedFor struct {
		Place int `json:"key"`
		audienceRow
	}
	var wanted []askedFor
	there := &audiences{places: make(map[lifecycle.Audience]int, len(decided))}
	for i := range decided {
		for j := range decided[i].Notices {
			for k := range decided[i].Notices[j].To {
				to := &decided[i].Notices[j].To[k]
				if _, seen := there.places[to.Audience]; seen || goes(to) != toPeople {
					continue
				}
				people, met := known.of(to.Audience)
				if !met {
					wanted = append(wanted, askedFor{len(there.people), audienceRow(to.Audience)})
				}
				there.places[to.Audience] = len(there.people)
				there.people = append(there.people, people)
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
	all := make([]person, n)
	for i := range all {
		rows.next()
		place := rows.number("key")
		all[i] = person{rows.text("mail"), rows.text("display_name"), rows.text("language"), rows.text("time_zone"), lifecycle.Digest(rows.text("digest")), int(place)}
		if err := rows.spoilt(); err != nil {
			of := slices.IndexFunc(wanted, func(a askedFor) bool { return a.Place == all[i].place })
			return nil, fmt.Errorf("read whom to tell in tenant %s: %w", wanted[of].TenantID, err)
		}
	}
	there.seat(all)
	for i := range wanted {
		known.meet(lifecycle.Audience(wanted[i].audienceRow), there.people[wanted[i].Place])
	}
	return there, nil
}

// seat gives everybody their place. They come from an index mostly in order already, so the database is not asked to sort them.
func (there *audiences) seat(all []person) {
	order := func(a, b person) int {
		if a.place != b.place {
			return cmp.Compare(a.place, b.place)
		}
		return cmp.Compare(strings.ToLower(a.mail), strings.ToLower(b.mail)) // as contacts have them in mail_key
	}
	if !slices.IsSortedFunc(all, order) {
		slices.SortFunc(all, order)
	}
	from := 0
	for i := 1; i <= len(all); i++ {
		if i == len(all) || all[i].place != all[from].place {
			there.people[all[from].place], from = all[from:i], i
		}
	}
}
