package storage

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Apply writes decisions with their events and notices, each on the condition that its record is still at the version that
// was decided on; the others are counted as skipped. Doing it twice is doing it once.
func (db *DB) Apply(ctx context.Context, decided []lifecycle.Decided) (tally lifecycle.Tally, err error) {
	if len(decided) == 0 {
		return lifecycle.Tally{}, nil
	}
	err = db.writeThroughGate(ctx, "write decisions", func(s session) error {
		tally, err = apply(ctx, s, decided)
		return err
	})
	return tally, err
}

// apply is the one way in which a stored record changes; its transaction has passed the gate. Where a timer takes effect that is
// on hold by now, the decision is not written. The tally has what was changed and skipped, the letters to be sent
// and the greatest lateness. A decision that moves nothing but the next timer is written and counted as skipped: there was
// nothing left to do.
func apply(ctx context.Context, s session, decided []lifecycle.Decided) (lifecycle.Tally, error) {
	tally, _, err := applied(ctx, s, decided)
	return tally, err
}

// applied is apply, and says which of the decisions that are not empty were written.
func applied(ctx context.Context, s session, decided []lifecycle.Decided) (tally lifecycle.Tally, changed []lifecycle.Decided, err error) {
	decided, late, err := unlessPaused(ctx, s, byKey(decided))
	if err != nil {
		return lifecycle.Tally{}, nil, err
	}
	written, err := updateRelationships(ctx, s, decided)
	if err != nil {
		return lifecycle.Tally{}, nil, err
	}
	tally = lifecycle.Tally{Skipped: late}
	changed = make([]lifecycle.Decided, 0, len(written))
	for _, d := range decided {
		if !written[d.Key] || d.Empty() {
			tally.Skipped++
			continue
		}
		tally.Changed++
		tally.Lateness = max(tally.Lateness, d.Lateness())
		changed = append(changed, d)
	}
	if err := insertEvents(ctx, s, changed); err != nil {
		return lifecycle.Tally{}, nil, err
	}
	if err := writeAccess(ctx, s, changed); err != nil {
		return lifecycle.Tally{}, nil, err
	}
	if err := orderProvisioning(ctx, s, changed); err != nil {
		return lifecycle.Tally{}, nil, err
	}
	if err := announce(ctx, s, changed); err != nil {
		return lifecycle.Tally{}, nil, err
	}
	if tally.Notices, err = insertNotices(ctx, s, changed); err != nil {
		return lifecycle.Tally{}, nil, err
	}
	return tally, changed, bury(ctx, s, changed)
}

// byKey sorts by key, which is the order in which rows are locked, and drops all but the first decision about a record: the
// others were made about a version that it leaves behind.
func byKey(decided []lifecycle.Decided) []lifecycle.Decided {
	sorted := slices.Clone(decided)
	slices.SortStableFunc(sorted, func(a, b lifecycle.Decided) int { return cmp.Compare(a.Key, b.Key) })
	return slices.CompactFunc(sorted, func(a, b lifecycle.Decided) bool { return a.Key == b.Key })
}

// unlessPaused leaves out, and counts, the decisions in which a rule takes effect that has been paused since they were made.
func unlessPaused(ctx context.Context, s session, decided []lifecycle.Decided) (left []lifecycle.Decided, late int64, err error) {
	rules, err := pausedNow(ctx, s)
	if err != nil || len(rules) == 0 {
		return decided, 0, err
	}
	for _, d := range decided {
		if slices.ContainsFunc(d.Fired(), func(rule lifecycle.RuleName) bool { return slices.Contains(rules, rule) }) {
			late++
			continue
		}
		left = append(left, d)
	}
	return left, late, nil
}

// An updateRow is a record as it is to be, the version that it must still have, and whether a timer has taken effect: then it must
// not be on hold.
type updateRow struct {
	relationshipRow
	Was   int64 `json:"was"`
	Fires bool  `json:"fires"`
}

var updatePage = `UPDATE relationships SET
		partner_id = r.partner_id, display_name = r.display_name, name_key = r.name_key, duration = r.duration,
		auto_extend = r.auto_extend, status = r.status, customer_id = r.customer_id, customer_name = r.customer_name,
		roles = r.roles, created_at = r.created_at, modified_at = r.modified_at, locked_at = r.locked_at,
		activated_at = r.activated_at, end_at = r.end_at, warn_after = r.warn_after, name_released_at = r.name_released_at,
		version = r.version, next_rule = r.next_rule, next_at = r.next_at, approved_at = r.approved_at, assigned = r.assigned,
		stayed = ` + stayedOf("r") + `
	FROM {{rows was BIGINT, fires BOOLEAN, ` + relationshipColumns + `}}
	WHERE relationships.key = r.key AND relationships.version = r.was AND (relationships.stayed = FALSE OR r.fires = FALSE)
	RETURNING relationships.key`

// updateRelationships writes the records that are still at their version and that no hold forbids to change, and says which they were.
func updateRelationships(ctx context.Context, s session, decided []lifecycle.Decided) (written map[int64]bool, err error) {
	rows := make([]updateRow, len(decided))
	for i := range decided {
		rows[i] = updateRow{rowOf(decided[i].Key, &decided[i].Decision), decided[i].Version, len(decided[i].Fired()) > 0}
	}
	var keys []int64
	err = s.list(ctx, &keys, updatePage, args{"rows": page[updateRow](rows)})
	written = make(map[int64]bool, len(keys))
	for _, key := range keys {
		written[key] = true
	}
	return written, err
}

// A tombstone is what is left of a record that is deleted: what its history is about.
type tombstone struct {
	Key         int64  `json:"key"`
	ID          string `json:"id"`
	PartnerID   string `json:"partner_id"`
	DisplayName string `json:"display_name"`
	DeletedAt   dbTime `json:"deleted_at"`
}

// bury takes away the records that are gone, and keeps their events.
func bury(ctx context.Context, s session, decided []lifecycle.Decided) error {
	var rows []tombstone
	for i := range decided {
		if d := &decided[i]; d.Gone {
			rows = append(rows, tombstone{d.Key, d.Record.ID, d.Record.Partner, d.Record.DisplayName, at(d.Recorded)})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	for _, statement := range []string{
		`INSERT INTO tombstones (key, id, partner_id, display_name, deleted_at) SELECT r.key, r.id, r.partner_id, r.display_name, r.deleted_at
			FROM {{rows key BIGINT, id TEXT, partner_id TEXT, display_name TEXT, deleted_at INSTANT}}`,
		`DELETE FROM assignments WHERE relationship_key IN (SELECT r.key FROM {{rows key BIGINT}})`,
		`DELETE FROM relationships WHERE key IN (SELECT r.key FROM {{rows key BIGINT}})`,
	} {
		if _, err := s.exec(ctx, statement, args{"rows": page[tombstone](rows)}); err != nil {
			return err
		}
	}
	return nil
}

type eventRow struct {
	Key         int64               `json:"key"`
	Version     int64               `json:"version"`
	Type        lifecycle.EventType `json:"type"`
	Rule        lifecycle.RuleName  `json:"rule"`
	EffectiveAt dbTime              `json:"effective_at"`
	RecordedAt  dbTime              `json:"recorded_at"`
	FromStatus  lifecycle.Status    `json:"from_status"`
	ToStatus    lifecycle.Status    `json:"to_status"`
	EndAt       dbTime              `json:"end_at"`
	Reason      lifecycle.Reason    `json:"reason"`
	Actor       lifecycle.Actor     `json:"actor"`
	Fingerprint string              `json:"fingerprint"`
	askedRow
}

// An askedRow is what an event says of who asked for it, and for what exactly. A timer's has none of it.
type askedRow struct {
	Caller       string         `json:"caller,omitempty"`
	CallerTenant string         `json:"caller_tenant,omitempty"`
	CallerRole   lifecycle.Role `json:"caller_role,omitempty"`
	Address      string         `json:"address,omitempty"`
	RequestID    string         `json:"request_id,omitempty"`
	Action       string         `json:"action,omitempty"`
	Subject      string         `json:"subject,omitempty"`
	Detail       string         `json:"detail,omitempty"`
}

const (
	eventFields = `key BIGINT, version BIGINT, type TEXT, rule TEXT, effective_at INSTANT, recorded_at INSTANT, from_status TEXT,
		to_status TEXT, end_at INSTANT, reason TEXT, actor TEXT, fingerprint TEXT`
	askedFields = `caller TEXT, caller_tenant TEXT, caller_role TEXT, address TEXT, request_id TEXT, action TEXT, subject TEXT, detail TEXT`

	eventNames = `version, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor, fingerprint`
	askedNames = `caller, caller_tenant, caller_role, address, request_id, action, subject, detail`

	insertTimedEvents = `INSERT INTO events (relationship_key, ` + eventNames + `) SELECT key, ` + eventNames + ` FROM {{rows ` + eventFields + `}}
		WHERE TRUE ON CONFLICT (relationship_key, version) DO NOTHING`

	// What is empty is missing from the page, so that it stays small.
	insertEventsWithAll = `INSERT INTO events (relationship_key, ` + eventNames + `, ` + askedNames + `)
		SELECT key, ` + eventNames + `, COALESCE(caller, ''), COALESCE(caller_tenant, ''), COALESCE(caller_role, ''), COALESCE(address, ''),
			COALESCE(request_id, ''), COALESCE(action, ''), COALESCE(subject, ''), COALESCE(detail, '')
		FROM {{rows ` + eventFields + `, ` + askedFields + `}}
		WHERE TRUE ON CONFLICT (relationship_key, version) DO NOTHING`
)

func eventRowOf(key int64, recorded time.Time, c *lifecycle.Change) eventRow {
	row := eventRow{Key: key, Version: c.Version, Type: c.Type, Rule: c.Rule, EffectiveAt: at(c.Effective), RecordedAt: at(recorded),
		FromStatus: c.From, ToStatus: c.To, EndAt: at(c.End), Reason: c.Reason, Actor: c.Actor}
	row.Action, row.Subject, row.Detail = cut(c.Action, mostSubject), cut(c.Subject, mostSubject), cut(c.Detail, mostDetail)
	if by := c.By; by != nil {
		row.Caller, row.CallerTenant, row.CallerRole = cut(by.Name, mostSubject), cut(by.Tenant, mostSubject), by.Role
		row.Address, row.RequestID = cut(by.Address, mostSubject), cut(by.Request, mostSubject)
	}
	return row
}

// insertEvents writes the changes down.
func insertEvents(ctx context.Context, s session, decided []lifecycle.Decided) error {
	var rows []eventRow
	for i := range decided {
		for j := range decided[i].Changes {
			rows = append(rows, eventRowOf(decided[i].Key, decided[i].Recorded, &decided[i].Changes[j]))
		}
		if n := len(decided[i].Changes); n > 0 && !decided[i].Gone {
			rows[len(rows)-1].Fingerprint = decided[i].Record.Fingerprint()
		}
	}
	return insertEventRows(ctx, s, rows)
}

// insertEventRows is the one way in which an event is written: those that are new wait for the ledger from here on.
func insertEventRows(ctx context.Context, s session, rows []eventRow) error {
	if len(rows) == 0 {
		return nil
	}
	insert := insertTimedEvents
	if slices.ContainsFunc(rows, func(row eventRow) bool { return row.askedRow != askedRow{} }) {
		insert = insertEventsWithAll
	}
	var written []loggedRow
	if err := s.list(ctx, &written, insert+returningLogged, args{"rows": page[eventRow](rows)}); err != nil {
		return err
	}
	return queueForLedger(ctx, s, written)
}
