package storage

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	otherPartner  = "aaaaaaaa-0000-4000-8000-000000000002"
	otherCustomer = "bbbbbbbb-0000-4000-8000-000000000002"
)

// somebody asks in a role of a tenant's.
func somebody(name, tenant string, role lifecycle.Role) *lifecycle.Caller {
	return &lifecycle.Caller{Name: name, Tenant: tenant, Role: role, Address: "192.0.2.7", Request: "req-" + name}
}

var (
	anna = somebody("anna", partner, lifecycle.AdminAgents)
	carl = somebody("carl", customer, lifecycle.GlobalAdministrators)
	rosa = somebody("rosa", partner, lifecycle.Reader)
	ops  = somebody("ops", "", lifecycle.Operator)
)

// actsOn has actions taken, all of them at now.
func actsOn(t *testing.T, db *DB, id string, now time.Time, actions ...lifecycle.Action) lifecycle.Decision {
	t.Helper()
	return actsUnder(t, db, policy, id, now, actions...)
}

func actsUnder(t *testing.T, db *DB, p *lifecycle.Policy, id string, now time.Time, actions ...lifecycle.Action) lifecycle.Decision {
	t.Helper()
	d, err := db.Act(ctx, id, p, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return lifecycle.ActAll(c.Record, p, actions, now)
	})
	require.NoError(t, err)
	return d
}

func draftBy(t testing.TB, db *DB, n int, of string, customer lifecycle.Tenant, by *lifecycle.Caller, now time.Time) string {
	t.Helper()
	name, days := fmt.Sprintf("Draft %d", n), lifecycle.Days(90)
	d, err := db.CreateRelationship(ctx, of, policy, func(standing lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(id(n), of, lifecycle.Draft{DisplayName: &name, Duration: &days, Customer: &customer, Roles: []string{role}}, policy, standing, by, now)
	})
	require.NoError(t, err)
	return d.Record.ID
}

func activity(t *testing.T, db *DB, q lifecycle.ActivityQuery) []lifecycle.Event {
	t.Helper()
	events, err := db.Activity(ctx, q)
	require.NoError(t, err)
	return events
}

// brief is each event in a word or two.
func brief(events []lifecycle.Event) []string {
	texts := []string{}
	for _, e := range events {
		text := strings.TrimSpace(e.RelationshipID + " " + string(e.Type))
		if e.By != nil {
			text += " by " + e.By.Name
		}
		texts = append(texts, text)
	}
	return texts
}

func TestEventKeepsWhoAskedForIt(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		draft := draftBy(t, db, 1, partner, lifecycle.Tenant{}, anna, start)
		actsOn(t, db, draft, start.Add(time.Minute), lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: true, Caller: anna},
			lifecycle.Action{Kind: lifecycle.LockForApproval, By: lifecycle.Partner, Caller: anna, Detail: strings.Repeat("ü", 501) + "\x00\xff"})
		events, err := db.Events(ctx, draft)
		require.NoError(t, err)
		require.Len(t, events, 3)
		require.Equal(t, lifecycle.Event{RelationshipID: draft, Key: 1, Recorded: start, Fingerprint: events[0].Fingerprint, Change: lifecycle.Change{Version: 1, Type: lifecycle.EventCreated,
			Effective: start, To: lifecycle.Created, Actor: lifecycle.Partner, By: anna}}, events[0])
		require.Equal(t, anna, events[1].By)
		require.Equal(t, "on", events[1].Detail)
		require.Equal(t, strings.Repeat("ü", 499)+"…", events[2].Detail, "500 characters, and fit for a text column")

		swept := actsOn(t, db, draft, start.Add(91*lifecycle.Day))
		require.Len(t, swept.Changes, 1)
		events, err = db.Events(ctx, draft)
		require.NoError(t, err)
		require.Equal(t, lifecycle.EventLapsed, events[3].Type)
		require.Nil(t, events[3].By, "a timer's")
	})
}

func TestRefusalIsKeptBesideTheHistory(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		draft := draftBy(t, db, 1, partner, lifecycle.Tenant{}, anna, start)
		refuse := func(r lifecycle.RefusedRequest) { require.NoError(t, db.RecordRefusal(ctx, r)) }
		refuse(lifecycle.RefusedRequest{RelationshipID: draft, Action: "terminate", Code: lifecycle.WrongStatus, Detail: "it is a draft", By: *anna, At: start.Add(1 * time.Second)})
		refuse(lifecycle.RefusedRequest{Subject: strings.Repeat("x", 1000) + "\x00", Action: "terminate", Code: "notFound", By: *rosa, At: start.Add(2 * time.Second)})
		refuse(lifecycle.RefusedRequest{RelationshipID: "r-gone", Action: "edit", Code: "notFound", By: *carl, At: start.Add(3 * time.Second)})

		all := activity(t, db, lifecycle.ActivityQuery{})
		require.Equal(t, []string{"refused by carl", "refused by rosa", id(1) + " refused by anna", id(1) + " created by anna"}, brief(all))
		require.Equal(t, lifecycle.Event{RelationshipID: draft, Key: 1, Recorded: start.Add(time.Second), Change: lifecycle.Change{Version: -1,
			Type: lifecycle.EventRefused, Effective: start.Add(time.Second), Reason: lifecycle.WrongStatus, Actor: lifecycle.Partner, By: anna,
			Action: "terminate", Detail: "it is a draft"}}, all[2])
		require.Equal(t, strings.Repeat("x", 199)+"…", all[1].Subject)
		require.Empty(t, all[1].Actor, "a reader acts for nobody")
		require.Zero(t, all[1].Key)
		require.EqualValues(t, -3, all[0].Version)
		require.Equal(t, "r-gone", all[0].Subject, "of a relationship that there is not any more, the id is the subject")

		history, err := db.Events(ctx, draft)
		require.NoError(t, err)
		require.Len(t, history, 1, "a refusal is no step in its life")
		var streamed []lifecycle.Event
		require.NoError(t, db.EachEvent(ctx, func(e lifecycle.Event) error { streamed = append(streamed, e); return nil }))
		require.Equal(t, history, streamed)
	})
}

func TestViewerSeesWhatIsTheirTenantsBusiness(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		theirs := lifecycle.Tenant{TenantID: customer, DisplayName: "Contoso"}
		lock := lifecycle.Action{Kind: lifecycle.LockForApproval, By: lifecycle.Partner, Caller: anna}
		first := draftBy(t, db, 1, partner, theirs, anna, start)
		actsOn(t, db, first, start.Add(1*time.Second), lock)
		actsOn(t, db, first, start.Add(2*time.Second), lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer, Caller: carl})
		actsOn(t, db, first, start.Add(3*time.Second), lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: true, Caller: ops})
		second := draftBy(t, db, 2, partner, theirs, anna, start.Add(4*time.Second))
		actsOn(t, db, second, start.Add(5*time.Second), lifecycle.Action{Kind: lifecycle.Delete, By: lifecycle.Partner, Caller: anna})
		draftBy(t, db, 3, otherPartner, lifecycle.Tenant{TenantID: otherCustomer}, somebody("zoe", otherPartner, lifecycle.AdminAgents), start.Add(6*time.Second))
		refused := func(by *lifecycle.Caller, id string) {
			require.NoError(t, db.RecordRefusal(ctx, lifecycle.RefusedRequest{RelationshipID: id, Action: "terminate", Code: "x", By: *by, At: start.Add(7 * time.Second)}))
		}
		refused(anna, first)
		refused(carl, first)
		refused(ops, first)

		asPartner := []string{id(1) + " refused by anna", id(2) + " deleted by anna", id(2) + " created by anna", id(1) + " autoExtendChanged",
			id(1) + " approved", id(1) + " lockedForApproval by anna", id(1) + " created by anna"}
		asCustomer := []string{id(1) + " refused by carl", id(1) + " autoExtendChanged", id(1) + " approved by carl", id(1) + " lockedForApproval"}
		for name, seen := range map[*lifecycle.Caller][]string{
			anna: asPartner,
			rosa: asPartner,
			carl: asCustomer,
			somebody("rudi", customer, lifecycle.Reader):                     asCustomer,
			somebody("nora", otherCustomer, lifecycle.GlobalAdministrators):  {},
			somebody("nobody", "", lifecycle.AdminAgents):                    {},
			somebody("wrong side", customer, lifecycle.AdminAgents):          {id(1) + " refused by carl"},
			somebody("unknown role", partner, "janitor"):                     {},
			somebody("zoe", otherPartner, lifecycle.AdminAgents):             {id(3) + " created by zoe"},
			somebody("bad\x00text", otherPartner+"'", lifecycle.AdminAgents): {},
		} {
			require.Equal(t, seen, brief(activity(t, db, lifecycle.ActivityQuery{Viewer: name})), name.Name)
			if text, a := activityText(&lifecycle.ActivityQuery{Viewer: name}, false, nil); text != "" {
				n := 0
				require.NoError(t, each(ctx, session{q: db.pool, dialect: db.dialect}, text, a, func(*storedEventRow) error { n++; return nil }))
				require.Len(t, seen, n, "the way of a big partner finds the same")
			}
			oldest := brief(activity(t, db, lifecycle.ActivityQuery{Viewer: name, OldestFirst: true, Limit: 2}))
			for i := range oldest {
				require.Equal(t, seen[len(seen)-1-i], oldest[i], name.Name)
			}
		}
		require.Len(t, activity(t, db, lifecycle.ActivityQuery{Viewer: ops}), 10)
		require.Len(t, activity(t, db, lifecycle.ActivityQuery{}), 10)

		changed := activity(t, db, lifecycle.ActivityQuery{Viewer: carl, Types: []lifecycle.EventType{lifecycle.EventAutoExtendChanged}})[0]
		require.Nil(t, changed.By)
		require.Empty(t, changed.Detail)
		require.Equal(t, lifecycle.Partner, changed.Actor, "the side is known")
		for _, q := range []lifecycle.ActivityQuery{{Caller: "ops"}, {Request: "req-carl"}, {Tenant: customer}} {
			require.NotEmpty(t, activity(t, db, q))
			q.Viewer = anna
			require.Empty(t, activity(t, db, q), "who is not shown is not found out by asking either")
		}
	})
}

func TestActivityIsNarrowedDown(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		draft := draftBy(t, db, 1, partner, lifecycle.Tenant{}, anna, start)
		actsOn(t, db, draft, start.Add(time.Second), lifecycle.Action{Kind: lifecycle.Delete, By: lifecycle.Partner, Caller: ops})
		load(t, db, active(2, start.AddDate(0, 0, 1)))
		for _, c := range []struct {
			name string
			q    lifecycle.ActivityQuery
			want []string
		}{
			{"relationship, deleted", lifecycle.ActivityQuery{Relationship: draft}, []string{id(1) + " deleted by ops", id(1) + " created by anna"}},
			{"relationship, unknown", lifecycle.ActivityQuery{Relationship: "r-none\x00"}, []string{}},
			{"types", lifecycle.ActivityQuery{Types: []lifecycle.EventType{lifecycle.EventImported, lifecycle.EventDeleted}}, []string{id(1) + " deleted by ops", id(2) + " imported"}},
			{"actors", lifecycle.ActivityQuery{Actors: []lifecycle.Actor{lifecycle.Import}}, []string{id(2) + " imported"}},
			{"caller", lifecycle.ActivityQuery{Caller: "anna"}, []string{id(1) + " created by anna"}},
			{"tenant", lifecycle.ActivityQuery{Tenant: partner}, []string{id(1) + " created by anna"}},
			{"request", lifecycle.ActivityQuery{Request: "req-ops"}, []string{id(1) + " deleted by ops"}},
			{"since", lifecycle.ActivityQuery{Since: start.Add(time.Second)}, []string{id(1) + " deleted by ops"}},
			{"before", lifecycle.ActivityQuery{Before: start.Add(time.Second)}, []string{id(2) + " imported", id(1) + " created by anna"}},
			{"limit", lifecycle.ActivityQuery{Limit: 1}, []string{id(1) + " deleted by ops"}},
			{"oldest", lifecycle.ActivityQuery{Limit: 1, OldestFirst: true}, []string{id(1) + " created by anna"}},
		} {
			require.Equal(t, c.want, brief(activity(t, db, c.q)), c.name)
		}
		enough := errors.New("enough")
		n := 0
		require.ErrorIs(t, db.EachActivity(ctx, lifecycle.ActivityQuery{}, func(lifecycle.Event) error { n++; return enough }), enough)
		require.Equal(t, 1, n)
	})
}

func TestPagesOfActivityShowEachOnceWhileMoreIsWritten(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const events = 25
		var records []lifecycle.Record
		for n := range events {
			records = append(records, active(n+1, start.AddDate(0, 1, 0)))
		}
		load(t, db, records...) // all of one instant
		for _, viewer := range []*lifecycle.Caller{nil, anna, carl, rosa} {
			for _, oldestFirst := range []bool{false, true} {
				seen, fresh := map[int64]int{}, 0
				q := lifecycle.ActivityQuery{Viewer: viewer, Types: []lifecycle.EventType{lifecycle.EventImported, lifecycle.EventRefused},
					OldestFirst: oldestFirst, Limit: 4, Relationship: ""}
				for page := range 20 {
					events := activity(t, db, q)
					for i := range events {
						if events[i].Type == lifecycle.EventImported {
							seen[events[i].Key]++
						} else {
							fresh++
						}
					}
					if len(events) < q.Limit {
						break
					}
					q.After = events[len(events)-1].Position()
					by := anna
					if viewer != nil {
						by = viewer
					}
					if page < 3 {
						require.NoError(t, db.RecordRefusal(ctx, lifecycle.RefusedRequest{Action: "edit", Code: "x", By: *by, At: start.Add(time.Hour)}))
					}
				}
				require.Len(t, seen, events)
				for key, times := range seen {
					require.Equal(t, 1, times, key)
				}
				if oldestFirst {
					require.NotZero(t, fresh, "what came later is at the end")
				}
			}
		}
	})
}
