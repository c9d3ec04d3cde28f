package storage

import (
	"cmp"
	"context"
	"slices"
	"strings"
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
	tally, _, err := applied(ctx, s, unprepared(decided))
	return tally, err
}

// applied is apply, and says which of the decisions that are not empty were written.
func applied(ctx context.Context, s session, d *prepared) (tally lifecycle.Tally, changed []lifecycle.Decided, err error) {
	decided, late, err := unlessPaused(ctx, s, d.decided)
	if err != nil {
		return lifecycle.Tally{}, nil, err
	}
	written, err := updateRelationships(ctx, s, decided, d)
	if err != nil {
		return lifecycle.Tally{}, nil, err
	}
	tally = lifecycle.Tally{Skipped: late}
	changed = thoseThat(decided, func(d *lifecycle.Decided) bool { return written[d.Key] && !d.Empty() })
	tally.Changed = int64(len(changed))
	tally.Skipped += int64(len(decided) - len(changed))
	for i := range changed {
		tally.Lateness = max(tally.Lateness, changed[i].Lateness())
	}
	if err := insertEventRows(ctx, s, d.eventRowsOf(changed)); err != nil {
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
	if tally.Notices, err = insertNotices(ctx, s, changed, d); err != nil {
		return lifecycle.Tally{}, nil, err
	}
	return tally, changed, bury(ctx, s, changed)
}

// byKey sorts by key, which is the order in which rows are locked, and drops all but the first decision about a record: the
// others were made about a version that it leaves behind.
func byKey(decided []lifecycle.Decided) []lifecycle.Decided {
	inOrder := true
	for i := 1; i < len(decided) && inOrder; i++ {
		inOrder = decided[i-1].Key < decided[i].Key
	}
	if inOrder {
		return decided
	}
	order := make([]int, len(decided)) // a decision is larger than its place
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(decided[a].Key, decided[b].Key) })
	sorted := make([]lifecycle.Decided, 0, len(decided))
	for _, i := range order {
		if n := len(sorted); n == 0 || sorted[n-1].Key != decided[i].Key {
			sorted = append(sorted, decided[i])
		}
	}
	return sorted
}

// thoseThat are the decisions of which something holds. Mostly it holds of all: then none is copied.
func thoseThat(decided []lifecycle.Decided, holds func(*lifecycle.Decided) bool) []lifecycle.Decided {
	other := 0
	for other < len(decided) && holds(&decided[other]) {
		other++
	}
	if other == len(decided) {
		return decided
	}
	those := slices.Clone(decided[:other])
	for i := other + 1; i < len(decided); i++ {
		if holds(&decided[i]) {
			those = append(those, decided[i])
		}
	}
	return those
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

// A clockRow is what a decision moves of a record, the version that the record must still have, and whether a timer has taken effect:
// then it must not be on hold.
type clockRow struct {
	Key        int64              `json:"key"`
	Was        int64              `json:"was"`
	Fires      bool               `json:"fires"`
	Version    int64              `json:"version"`
	ModifiedAt dbTime             `json:"modified_at"`
	EndAt      dbTime             `json:"end_at"`
	WarnAfter  dbTime             `json:"warn_after"`
	NextAt     dbTime             `json:"next_at"`
	NextRule   lifecycle.RuleName `json:"next_rule"`
	Assigned   int                `json:"assigned"`
	Status     lifecycle.Status   `json:"status"`
}

func clockRowOf(d *lifecycle.Decided) clockRow {
	r := &d.Record
	return clockRow{Key: d.Key, Was: d.Version, Fires: len(d.Fired()) > 0, Version: r.Version, ModifiedAt: at(r.Modified), EndAt: at(r.End),
		WarnAfter: at(r.WarnAfter), NextAt: at(d.Next.At), NextRule: d.Next.Rule, Assigned: r.Assigned, Status: r.Status}
}

// Both tables are guarded by the row of the clock: nobody changes an agreement without having changed that.
var (
	updateClocks = `UPDATE clocks SET ` + setTo(clockColumns) + ` FROM {{rows key BIGINT, was BIGINT, fires BOOLEAN, ` + clockColumns + `}}
		WHERE clocks.key = r.key AND clocks.version = r.was AND (clocks.stayed = FALSE OR r.fires = FALSE)
		RETURNING clocks.key`

	updateAgreements = `UPDATE agreements SET ` + setTo(changingColumns) + ` FROM {{rows key BIGINT, ` + changingColumns + `}} WHERE agreements.key = r.key`

	// With another customer it may be another tenant's hold that covers it.
	updateStays = `UPDATE clocks SET stayed = ` + stayedOf("a") + ` FROM {{rows key BIGINT}} JOIN agreements AS a ON a.key = r.key
		WHERE clocks.key = r.key AND clocks.stayed <> (` + stayedOf("a") + `)`
)

// changingColumns are those of an agreement that may change; the digest does with an import only.
var changingColumns = strings.NewReplacer("key BIGINT, id TEXT, ", "", ", digest TEXT", "").Replace(agreementColumns)

// setTo sets the columns of a table to those of the page.
func setTo(columns string) string {
	var b strings.Builder
	for i, column := range strings.Split(columns, ",") {
		if i > 0 {
			b.WriteString(", ")
		}
		name := strings.Fields(column)[0]
		b.WriteString(name + " = r." + name)
	}
	return b.String()
}

// rewrites says whether a decision may change what was agreed on: people do, and a name that comes free. All other timers move
// the clock alone.
func rewrites(d *lifecycle.Decided) bool {
	return !d.Record.NameReleased.IsZero() || slices.ContainsFunc(d.Changes, func(c lifecycle.Change) bool { return c.Rule == "" })
}

// updateRelationships writes the records that are still at their version and that no hold forbids to change, and says which they were.
func updateRelationships(ctx context.Context, s session, decided []lifecycle.Decided, from *prepared) (written map[int64]bool, err error) {
	update, err := from.updateOf(s, decided)
	if err != nil {
		return nil, err
	}
	var keys []int64
	if err := update.list(ctx, s, &keys); err != nil {
		return nil, err
	}
	written = make(map[int64]bool, len(keys))
	for _, key := range keys {
		written[key] = true
	}
	var rewritten []relationshipRow
	for i := range decided {
		if written[decided[i].Key] && rewrites(&decided[i]) {
			rewritten = append(rewritten, rowOf(decided[i].Key, &decided[i].Decision))
		}
	}
	if len(rewritten) == 0 {
		return written, nil
	}
	for _, statement := range []string{updateAgreements, updateStays} {
		if _, err := s.exec(ctx, statement, args{"rows": page[relationshipRow](rewritten)}); err != nil {
			return nil, err
		}
	}
	return written, nil
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
		`DELETE FROM clocks WHERE key IN (SELECT r.key FROM {{rows key BIGINT}})`,
		`DELETE FROM agreements WHERE key IN (SELECT r.key FROM {{rows key BIGINT}})`,
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
	timedColumns = `version, type, rule, effective_at, recorded_at, from_status, to_status, end_at, reason, actor, fingerprint`
	askedColumns = timedColumns + `, caller, caller_tenant, caller_role, address, request_id, action, subject, detail`
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
	return insertEventRows(ctx, s, eventRowsOf(decided))
}

// eventRowsOf are the events of what was decided, the last of each record with its fingerprint.
func eventRowsOf(decided []lifecycle.Decided) []eventRow {
	rows := make([]eventRow, 0, len(decided))
	for i := range decided {
		for j := range decided[i].Changes {
			rows = append(rows, eventRowOf(decided[i].Key, decided[i].Recorded, &decided[i].Changes[j]))
		}
		if n := len(decided[i].Changes); n > 0 && !decided[i].Gone {
			rows[len(rows)-1].Fingerprint = decided[i].Record.Fingerprint()
		}
	}
	return rows
}

// insertEventRows is the one way in which an event is written: from here on it waits for the ledger. Its record has just come to the
// event's version, so it is there for the first time; if it is not, the history and the record contradict each other, and the
// database refuses both rather than that one of the two is lost.
func insertEventRows(ctx context.Context, s session, rows []eventRow) error {
	if len(rows) == 0 {
		return nil
	}
	columns := timedColumns
	if slices.ContainsFunc(rows, func(row eventRow) bool { return row.askedRow != askedRow{} }) {
		columns = askedColumns
	}
	if err := fill(ctx, s, "events", "relationship_key, "+columns, "key, "+columns, pointers(rows)); err != nil {
		return err
	}
	return queueForLedger(ctx, s, rows)
}
