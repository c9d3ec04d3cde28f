package storage

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

type storedEventRow struct {
	ID string `json:"id"`
	eventRow
}

func (row *storedEventRow) event() lifecycle.Event {
	event := lifecycle.Event{RelationshipID: row.ID, Key: row.Key, Recorded: row.RecordedAt.Time, Fingerprint: row.Fingerprint, Change: lifecycle.Change{
		Version: row.Version, Type: row.Type, Rule: row.Rule, Effective: row.EffectiveAt.Time, From: row.FromStatus, To: row.ToStatus,
		End: row.EndAt.Time, Reason: row.Reason, Actor: row.Actor, Detail: row.Detail, Action: row.Action, Subject: row.Subject,
	}}
	if row.Caller != "" || row.CallerRole != "" {
		event.By = &lifecycle.Caller{Name: row.Caller, Tenant: row.CallerTenant, Role: row.CallerRole, Address: row.Address, Request: row.RequestID}
	}
	return event
}

// changeColumns are what changed, when and why.
const changeColumns = `e.relationship_key AS key, e.version, e.type, e.rule, e.effective_at, e.recorded_at, e.from_status, e.to_status,
	e.end_at, e.reason, e.actor`

const eventColumns = changeColumns + `, e.fingerprint, e.caller, e.caller_tenant, e.caller_role, e.address, e.request_id, e.action, e.subject, e.detail`

// selectEvents reads events with the ids of their relationships, of drafts that were deleted too.
const selectEvents = selectOfEvents + eventColumns + fromAllEvents

// selectChanges leaves out who asked for it.
const selectChanges = selectOfEvents + changeColumns + fromAllEvents

const (
	selectOfEvents = `SELECT COALESCE(t.id, d.id, '') AS id, `
	fromAllEvents  = ` FROM events AS e
	LEFT JOIN agreements AS t ON t.key = e.relationship_key LEFT JOIN tombstones AS d ON d.key = e.relationship_key `
)

// keysOf are the keys of the relationships that have, or had, the id: a draft may have been deleted and imported anew.
const keysOf = `(SELECT key FROM agreements WHERE id = :id UNION ALL SELECT key FROM tombstones WHERE id = :id)`

// Events lists the history of one relationship, in the order in which it happened; nothing where there never was such a
// relationship. Refusals are no part of it.
func (db *DB) Events(ctx context.Context, id string) (events []lifecycle.Event, err error) {
	err = db.read(ctx, "read the history of relationship "+id, func(s session) error {
		return each(ctx, s, selectEvents+`WHERE e.relationship_key IN `+keysOf+` AND e.version > 0 ORDER BY e.relationship_key, e.version`,
			args{"id": clean(id)}, func(row *storedEventRow) error {
				events = append(events, row.event())
				return nil
			})
	})
	return events, err
}

// RecordRefusal writes down that somebody asked for something and did not get it. Texts that are too long are cut.
func (db *DB) RecordRefusal(ctx context.Context, r lifecycle.RefusedRequest) error {
	return db.write(ctx, "write down a refusal", func(s session) error {
		key, err := keyOfRelationship(ctx, s, clean(r.RelationshipID))
		if err != nil {
			return err
		}
		change := lifecycle.Change{Type: lifecycle.EventRefused, Effective: r.At, Reason: lifecycle.Reason(cut(string(r.Code), mostSubject)),
			Actor: r.Side(), By: &r.By, Action: r.Action, Subject: r.Subject, Detail: r.Detail}
		if key == 0 && r.Subject == "" { // it has gone since
			change.Subject = r.RelationshipID
		}
		return writeOrder(ctx, s, change, key, r.At)
	})
}

// writeOrder writes an event down that is no step in the life of a record: a refusal, or what operators or tenure itself order.
// It gets its version here, and takes effect when it is recorded unless it says otherwise. The key is that of the relationship
// that it is about; 0: about none.
func writeOrder(ctx context.Context, s session, c lifecycle.Change, key int64, recorded time.Time) error {
	n, err := take(ctx, s, refusalCounter, 1)
	if err != nil {
		return err
	}
	c.Version = -n
	if c.Effective.IsZero() {
		c.Effective = recorded
	}
	return insertEventRows(ctx, s, []eventRow{eventRowOf(key, recorded, &c)})
}

// keyOfRelationship is 0 where there is none with this id.
func keyOfRelationship(ctx context.Context, s session, id string) (key int64, err error) {
	if id == "" {
		return 0, nil
	}
	err = s.get(ctx, &key, `SELECT key FROM agreements WHERE id = :id`, args{"id": id})
	return key, unlessNone(err)
}

// Activity lists what happened and what was refused, as far as the viewer may know. Paging shows each once, whatever is
// written meanwhile.
func (db *DB) Activity(ctx context.Context, q lifecycle.ActivityQuery) (events []lifecycle.Event, err error) {
	err = db.read(ctx, "read the log of activities", func(s session) error {
		events = nil
		return eachActivity(ctx, s, &q, func(event lifecycle.Event) error {
			events = append(events, event)
			return nil
		})
	})
	return events, err
}

// ActivityAmong is [DB.Activity], and looks at no more than so many in the order of the log; 0: at all of them. If that is not to the end, and there are fewer than the
// limit, reached is the last one that was looked at: the list goes on behind it. What goes along an index of its own is not bounded: what is about one
// relationship, and what a tenant's viewer is shown.
func (db *DB) ActivityAmong(ctx context.Context, q lifecycle.ActivityQuery, most int) (events []lifecycle.Event, reached *lifecycle.ActivityPosition, err error) {
	err = db.read(ctx, "read the log of activities", func(s session) error {
		events = nil
		if reached, err = activityReach(ctx, s, &q, most); err != nil {
			return err
		}
		return eachActivityUpTo(ctx, s, &q, reached, func(event lifecycle.Event) error {
			events = append(events, event)
			return nil
		})
	})
	if len(events) == q.Limit {
		reached = nil
	}
	return events, reached, err
}

// activityReach is where a look at so many ends; nil where it goes to the end.
func activityReach(ctx context.Context, s session, q *lifecycle.ActivityQuery, most int) (*lifecycle.ActivityPosition, error) {
	if most <= 0 || q.Relationship != "" || q.Viewer != nil && q.Viewer.Role != lifecycle.Operator {
		return nil, nil
	}
	counted := lifecycle.ActivityQuery{Since: q.Since, Before: q.Before, After: q.After, OldestFirst: q.OldestFirst}
	w := activityConditions(&counted)
	text, a := w.order(activityOrder(q), 1)
	a["skipped"] = most - 1
	var last struct {
		RecordedAt dbTime `json:"recorded_at"`
		Key        int64  `json:"relationship_key"`
		Version    int64  `json:"version"`
	}
	err := s.get(ctx, &last, `SELECT e.recorded_at, e.relationship_key, e.version FROM events AS e `+text+` OFFSET :skipped`, a)
	if err != nil {
		return nil, unlessNone(err)
	}
	return &lifecycle.ActivityPosition{Recorded: last.RecordedAt.Time, Key: last.Key, Version: last.Version}, nil
}

// activityOrder is that of the log, the latest first or last.
func activityOrder(q *lifecycle.ActivityQuery) string {
	if q.OldestFirst {
		return "e.recorded_at, e.relationship_key, e.version"
	}
	return "e.recorded_at DESC, e.relationship_key DESC, e.version DESC"
}

// EachActivity is [DB.Activity] on a snapshot of its own, one by one, so that memory stays bounded. It stops at the first
// error of fn's.
func (db *DB) EachActivity(ctx context.Context, q lifecycle.ActivityQuery, fn func(lifecycle.Event) error) error {
	return db.snap(ctx, func(s *Snapshot) error {
		return said("read the log of activities", eachActivity(ctx, s.session, &q, fn))
	})
}

func eachActivity(ctx context.Context, s session, q *lifecycle.ActivityQuery, fn func(lifecycle.Event) error) error {
	return eachActivityUpTo(ctx, s, q, nil, fn)
}

func eachActivityUpTo(ctx context.Context, s session, q *lifecycle.ActivityQuery, reached *lifecycle.ActivityPosition, fn func(lifecycle.Event) error) error {
	few, err := isSmallPartner(ctx, s, q.Viewer)
	if err != nil {
		return err
	}
	text, a := activityText(q, few, reached)
	if text == "" {
		return nil
	}
	return each(ctx, s, text, a, func(row *storedEventRow) error {
		event := row.event()
		if q.Viewer != nil {
			event.ShowTo(q.Viewer)
		}
		return fn(event)
	})
}

// isSmallPartner says whether the viewer's tenant is the partner in so few relationships that it is cheaper to look at the
// history of each than to go through the log until a page is full.
func isSmallPartner(ctx context.Context, s session, viewer *lifecycle.Caller) (bool, error) {
	const most = 1000
	var n int
	if viewer == nil || viewer.Tenant == "" {
		return false, nil
	}
	err := s.get(ctx, &n, `SELECT count(*) FROM (SELECT key FROM agreements WHERE partner_id = :tenant LIMIT :most) AS theirs`,
		args{"tenant": clean(viewer.Tenant), "most": most})
	return n < most, err
}

// activityText is the query, up to a place if there is one; empty where the viewer may know of nothing.
func activityText(q *lifecycle.ActivityQuery, few bool, reached *lifecycle.ActivityPosition) (string, args) {
	direction := " DESC"
	if q.OldestFirst {
		direction = ""
	}
	by := func(columns ...string) string { return strings.Join(columns, direction+", ") + direction }
	ofTable := activityOrder(q)
	w := activityConditions(q)
	if reached != nil {
		than := ">="
		if q.OldestFirst {
			than = "<="
		}
		w.and(true, "e.recorded_at "+than+" :upto_at AND (e.recorded_at, e.relationship_key, e.version) "+than+" (:upto_at, :upto_key, :upto_version)", "upto_at", orDawn(reached.Recorded))
		w.args["upto_key"], w.args["upto_version"] = reached.Key, reached.Version
	}
	if q.Viewer == nil || q.Viewer.Role == lifecycle.Operator {
		text, a := w.order(ofTable, q.Limit)
		return selectEvents + text, a
	}
	w.args["viewer"] = clean(q.Viewer.Tenant)
	order, _ := (&where{args: w.args}).order(ofTable, q.Limit)
	var parts []string
	for i, part := range viewedParts(q.Viewer, few) {
		for _, condition := range w.conditions {
			part += " AND " + condition
		}
		parts = append(parts, fmt.Sprintf("SELECT * FROM (%s %s) AS part%d", part, order, i))
	}
	if len(parts) == 0 {
		return "", nil
	}
	order, _ = (&where{args: w.args}).order(by("seen.recorded_at", "seen.key", "seen.version"), q.Limit)
	return "SELECT * FROM (" + strings.Join(parts, " UNION ALL ") + ") AS seen " + order, w.args
}

// viewedParts are what a tenant's viewer may know of, each event in one of them. They are apart so that each goes along an
// index. SQLite begins a CROSS JOIN with the table that comes first; PostgreSQL knows by itself.
func viewedParts(viewer *lifecycle.Caller, few bool) []string {
	const (
		fromEvents = ` FROM events AS e CROSS JOIN agreements AS t `
		toEvents   = ` FROM agreements AS t CROSS JOIN events AS e `
		asPartner  = ` WHERE t.key = e.relationship_key AND t.partner_id = :viewer AND e.version > 0 `
		ofDeleted  = `SELECT t.id, ` + eventColumns + ` FROM tombstones AS t CROSS JOIN events AS e ` + asPartner
		// What happened while it was a draft is the partner's business.
		ofCustomer = `SELECT t.id, ` + eventColumns + ` FROM agreements AS t CROSS JOIN clocks AS k CROSS JOIN events AS e
			WHERE t.key = e.relationship_key AND k.key = t.key AND t.customer_id = :viewer AND t.customer_id <> '' AND k.status <> 'created' AND e.version > 0 AND e.to_status <> 'created' `
		refused = selectEvents + `WHERE e.version < 0 AND e.caller_tenant = :viewer `
	)
	ofPartner := `SELECT t.id, ` + eventColumns + fromEvents + asPartner
	if few {
		ofPartner = `SELECT t.id, ` + eventColumns + toEvents + asPartner
	}
	if viewer.Tenant == "" {
		return nil
	}
	switch viewer.Role {
	case lifecycle.AdminAgents:
		return []string{ofPartner, ofDeleted, refused}
	case lifecycle.GlobalAdministrators:
		return []string{ofCustomer, refused}
	case lifecycle.Reader:
		return []string{ofPartner, ofDeleted, ofCustomer + ` AND t.partner_id <> :viewer`, refused}
	}
	return nil
}

func activityConditions(q *lifecycle.ActivityQuery) where {
	w := where{args: args{}}
	w.and(q.Relationship != "", "e.relationship_key IN "+keysOf, "id", clean(q.Relationship))
	w.and(len(q.Types) > 0, "e.type {{in types}}", "types", page[lifecycle.EventType](q.Types))
	w.and(len(q.Actors) > 0, "e.actor {{in actors}}", "actors", page[lifecycle.Actor](q.Actors))
	w.and(q.Caller != "", "e.caller = :caller", "caller", clean(q.Caller))
	w.and(q.Tenant != "", "e.caller_tenant = :tenant", "tenant", clean(q.Tenant))
	w.and(q.Request != "", "e.request_id = :request", "request", clean(q.Request))
	w.and(!q.Since.IsZero(), "e.recorded_at >= :since", "since", at(q.Since))
	w.and(!q.Before.IsZero(), "e.recorded_at < :before", "before", at(q.Before))
	if asked := q.Caller != "" || q.Tenant != "" || q.Request != ""; asked && q.Viewer != nil && q.Viewer.Role != lifecycle.Operator {
		w.and(true, "e.caller_tenant = :own", "own", clean(q.Viewer.Tenant)) // who is not shown is not to be found out by asking either
	}
	if q.After != nil {
		than := "<"
		if q.OldestFirst {
			than = ">"
		}
		w.and(true, "(e.recorded_at, e.relationship_key, e.version) "+than+" (:after_at, :after_key, :after_version)", "after_at", orDawn(q.After.Recorded))
		w.args["after_key"], w.args["after_version"] = q.After.Key, q.After.Version
	}
	return w
}
