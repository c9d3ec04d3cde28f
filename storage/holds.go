package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A hold is a row, and is known where it matters in two other forms, which change with it while the gate is shut: column stayed of
// the relationships that it covers, and the row "paused" of table meta.

// paused is that row's value, as a column of a query: the names of the paused rules, with blanks between them, or everythingPaused.
const paused = `COALESCE((SELECT value FROM meta WHERE name = 'paused'), '')`

const everythingPaused = "*"

// pausedRules reads that value.
func pausedRules(value string) []lifecycle.RuleName {
	switch value {
	case "":
		return nil
	case everythingPaused:
		return lifecycle.RuleNames()
	}
	names := strings.Fields(value)
	return slices.DeleteFunc(lifecycle.RuleNames(), func(rule lifecycle.RuleName) bool { return !slices.Contains(names, string(rule)) })
}

// pausedNow lists the rules that are paused, all of them where everything is on hold.
func pausedNow(ctx context.Context, s session) ([]lifecycle.RuleName, error) {
	value, err := meta(ctx, s, "paused")
	return pausedRules(value), unlessNone(err)
}

// unpaused leaves the paused ones out of the rules of a sweep, and is empty where nothing is left; rules may be empty for all.
func unpaused(ctx context.Context, s session, rules []lifecycle.RuleName) ([]lifecycle.RuleName, error) {
	if len(rules) == 0 {
		rules = lifecycle.RuleNames()
	}
	stopped, err := pausedNow(ctx, s)
	return slices.DeleteFunc(rules, func(rule lifecycle.RuleName) bool { return slices.Contains(stopped, rule) }), err
}

// covered says in SQL whether a hold of the relationship in table t, or of one of its tenants, is in force.
func covered(t string) string {
	return strings.ReplaceAll(`(EXISTS (SELECT 1 FROM holds AS h WHERE h.released_at IS NULL AND h.kind = 'relationship' AND h.subject = t.id)
		OR EXISTS (SELECT 1 FROM holds AS h WHERE h.released_at IS NULL AND h.kind = 'tenant' AND h.subject = t.partner_id)
		OR EXISTS (SELECT 1 FROM holds AS h WHERE h.released_at IS NULL AND h.kind = 'tenant' AND h.subject = t.customer_id))`, " t.", " "+t+".")
}

// stayedOf is what column stayed of the relationship in table t has to be. Where there are no such holds at all, which is so nearly
// always, that is found out once in a statement, and no row is looked at.
func stayedOf(t string) string {
	return `CASE WHEN EXISTS (SELECT 1 FROM holds WHERE released_at IS NULL AND kind IN ('relationship', 'tenant')) THEN ` + covered(t) + ` ELSE FALSE END`
}

type holdRow struct {
	ID          int64              `json:"id"`
	Kind        lifecycle.HoldKind `json:"kind"`
	Subject     string             `json:"subject"`
	Cause       lifecycle.Reason   `json:"cause"`
	Note        string             `json:"note"`
	PlacedAt    dbTime             `json:"placed_at"`
	PlacedBy    string             `json:"placed_by"`
	ReleasedAt  dbTime             `json:"released_at"`
	ReleasedBy  string             `json:"released_by"`
	ReleaseNote string             `json:"release_note"`
}

const selectHolds = `SELECT id, kind, subject, cause, note, placed_at, placed_by, released_at, released_by, release_note FROM holds `

func (row *holdRow) hold() lifecycle.Hold {
	return lifecycle.Hold{ID: row.ID, Kind: row.Kind, Subject: row.Subject, Cause: row.Cause, Note: row.Note, PlacedAt: row.PlacedAt.Time,
		PlacedBy: row.PlacedBy, ReleasedAt: row.ReleasedAt.Time, ReleasedBy: row.ReleasedBy, ReleaseNote: row.ReleaseNote}
}

func listHolds(ctx context.Context, s session, rest string, a args) (holds []lifecycle.Hold, err error) {
	err = each(ctx, s, selectHolds+rest, a, func(row *holdRow) error {
		holds = append(holds, row.hold())
		return nil
	})
	return holds, err
}

// PlaceHold puts on hold what h says: its kind, its subject, why, and the cause where tenure itself does it, which then has no
// name as a caller. Once it has returned, no timer that the hold covers takes effect. What is being written is waited for.
//
// [lifecycle.Faults] where h is not as it should be, [lifecycle.ErrNotFound] where there is no such relationship,
// [lifecycle.ErrHeldAlready] where the same is on hold. A tenant need not be known: its relationships may come later.
func (db *DB) PlaceHold(ctx context.Context, h lifecycle.Hold, by lifecycle.Caller, now time.Time) (placed lifecycle.Hold, err error) {
	if err := h.Check(); err != nil {
		return lifecycle.Hold{}, err
	}
	err = db.writeGateShut(ctx, "put "+h.About()+" on hold", func(s session) error {
		placed, err = placeHold(ctx, s, h, by, now)
		return err
	})
	return placed, err
}

// placeHold places a hold that is as it should be. Its transaction shuts the gate first of all, or here where it has locked nothing
// that those inside may need.
func placeHold(ctx context.Context, s session, h lifecycle.Hold, by lifecycle.Caller, now time.Time) (lifecycle.Hold, error) {
	if err := atGate(ctx, s, shutGate); err != nil {
		return lifecycle.Hold{}, err
	}
	key, err := keyOfHeld(ctx, s, &h)
	if err != nil {
		return lifecycle.Hold{}, err
	}
	if h.ID, err = take(ctx, s, holdNumbers, 1); err != nil {
		return lifecycle.Hold{}, err
	}
	h.PlacedAt, h.PlacedBy = lifecycle.Instant(now), cut(by.Name, mostSubject)
	h.ReleasedAt, h.ReleasedBy, h.ReleaseNote = time.Time{}, "", ""
	n, err := s.exec(ctx, `INSERT INTO holds (id, kind, subject, cause, note, placed_at, placed_by)
		VALUES (:id, :kind, :subject, :cause, :note, :placed_at, :placed_by) ON CONFLICT (kind, subject) WHERE released_at IS NULL DO NOTHING`,
		args{"id": h.ID, "kind": h.Kind, "subject": h.Subject, "cause": h.Cause, "note": h.Note, "placed_at": at(now), "placed_by": h.PlacedBy})
	if err != nil {
		return lifecycle.Hold{}, err
	}
	if n == 0 {
		return lifecycle.Hold{}, heldAlready(ctx, s, &h)
	}
	if err := spread(ctx, s, &h); err != nil {
		return lifecycle.Hold{}, err
	}
	return h, writeOrder(ctx, s, orderOf(lifecycle.EventHoldPlaced, &h, h.Note, by), key, now)
}

// keyOfHeld is the key of the relationship that is held; 0 where the hold is about something else.
func keyOfHeld(ctx context.Context, s session, h *lifecycle.Hold) (int64, error) {
	if h.Kind != lifecycle.HoldRelationship {
		return 0, nil
	}
	key, err := keyOfRelationship(ctx, s, clean(h.Subject))
	if err == nil && key == 0 && h.Active() {
		err = fmt.Errorf("%w: there is no relationship %s", lifecycle.ErrNotFound, h.Subject)
	}
	return key, err
}

// heldAlready says by which hold.
func heldAlready(ctx context.Context, s session, h *lifecycle.Hold) error {
	before, err := listHolds(ctx, s, `WHERE kind = :kind AND subject = :subject AND released_at IS NULL`, args{"kind": h.Kind, "subject": h.Subject})
	if err != nil || len(before) == 0 {
		return errors.Join(lifecycle.ErrHeldAlready, err)
	}
	b := &before[0]
	return fmt.Errorf("%w: hold %d, which %s placed on %s: %s", lifecycle.ErrHeldAlready, b.ID, b.Who(), lifecycle.FormatInstant(b.PlacedAt), b.Note)
}

func orderOf(event lifecycle.EventType, h *lifecycle.Hold, why string, by lifecycle.Caller) lifecycle.Change {
	c := lifecycle.Change{Type: event, Reason: h.Cause, Action: fmt.Sprint(h.ID), Subject: h.About(), Detail: why, By: &by}
	if by.Name == "" {
		c.Actor, c.By = lifecycle.System, nil
	}
	return c
}

// ReleaseHold ends a hold, so that what it kept from taking effect does at the next tick: with the effective instant that it has
// anyway. What another hold covers too stays as it is. To release everything is to release the quarantine ([DB.ReleaseQuarantine]);
// for that it wants the machine's clock too.
//
// [lifecycle.Faults] where the note is missing, [lifecycle.ErrNotFound] where there is no such hold, [lifecycle.ErrReleased] where
// it is released already.
func (db *DB) ReleaseHold(ctx context.Context, id int64, note string, by lifecycle.Caller, now, wall time.Time) (released lifecycle.Hold, err error) {
	if err := lifecycle.CheckNote(note); err != nil {
		return lifecycle.Hold{}, err
	}
	err = db.writeGateShut(ctx, fmt.Sprintf("release hold %d", id), func(s session) error {
		released, err = releaseHold(ctx, s, id, strings.TrimSpace(note), by, now)
		if err != nil || released.Kind != lifecycle.HoldEverything {
			return err
		}
		return believed(ctx, s, now, wall)
	})
	if err == nil && released.Kind == lifecycle.HoldEverything {
		db.mark.Store(nil) // it may have been set back
	}
	return released, err
}

// releaseHold releases a hold, in a transaction as [placeHold] wants it.
func releaseHold(ctx context.Context, s session, id int64, note string, by lifecycle.Caller, now time.Time) (lifecycle.Hold, error) {
	if err := atGate(ctx, s, shutGate); err != nil {
		return lifecycle.Hold{}, err
	}
	h, err := holdOf(ctx, s, id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return h, fmt.Errorf("%w: there is no hold %d", lifecycle.ErrNotFound, id)
	case err != nil:
		return h, err
	case !h.Active():
		return h, fmt.Errorf("%w: on %s, by %s", lifecycle.ErrReleased, lifecycle.FormatInstant(h.ReleasedAt), h.ReleasedBy)
	}
	h.ReleasedAt, h.ReleasedBy, h.ReleaseNote = lifecycle.Instant(now), cut(by.Name, mostSubject), note
	if _, err := s.exec(ctx, `UPDATE holds SET released_at = :at, released_by = :by, release_note = :note WHERE id = :id`,
		args{"id": id, "at": at(now), "by": h.ReleasedBy, "note": note}); err != nil {
		return h, err
	}
	if err := spread(ctx, s, &h); err != nil {
		return h, err
	}
	key, err := keyOfHeld(ctx, s, &h)
	if err != nil {
		return h, err
	}
	return h, writeOrder(ctx, s, orderOf(lifecycle.EventHoldReleased, &h, note, by), key, now)
}

// spread brings the other two forms of holds up to date, after h was placed or released.
func spread(ctx context.Context, s session, h *lifecycle.Hold) error {
	about := `clocks.key = (SELECT key FROM agreements WHERE id = :subject)`
	switch h.Kind {
	case lifecycle.HoldRule, lifecycle.HoldEverything:
		return writePaused(ctx, s)
	case lifecycle.HoldTenant:
		about = `clocks.key IN (SELECT key FROM agreements WHERE partner_id = :subject
			UNION SELECT key FROM agreements WHERE customer_id = :subject AND customer_id <> '')`
	}
	update := `UPDATE clocks SET stayed = TRUE WHERE stayed = FALSE AND ` + about
	if !h.Active() {
		update = `UPDATE clocks SET stayed = FALSE WHERE stayed = TRUE AND ` + about + ` AND NOT EXISTS (
			SELECT 1 FROM agreements AS a WHERE a.key = clocks.key AND ` + covered("a") + `)`
	}
	_, err := s.exec(ctx, update, args{"subject": h.Subject})
	return err
}

// writePaused writes what the holds of rules and of everything come to.
func writePaused(ctx context.Context, s session) error {
	holds, err := listHolds(ctx, s, `WHERE released_at IS NULL AND kind IN ('rule', 'everything') ORDER BY id`, nil)
	if err != nil {
		return err
	}
	var names []string
	for i := range holds {
		names = append(names, holds[i].Subject)
	}
	value := strings.Join(names, " ")
	if slices.ContainsFunc(holds, func(h lifecycle.Hold) bool { return h.Kind == lifecycle.HoldEverything }) {
		value = everythingPaused
	}
	_, err = s.exec(ctx, `INSERT INTO meta (name, value) VALUES ('paused', :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
		args{"value": value})
	return err
}

func holdOf(ctx context.Context, s session, id int64) (lifecycle.Hold, error) {
	var row holdRow
	err := s.get(ctx, &row, selectHolds+`WHERE id = :id`, args{"id": id})
	return row.hold(), err
}

// Hold reads one hold, released or not; [lifecycle.ErrNotFound] where there is none with this id.
func (db *DB) Hold(ctx context.Context, id int64) (h lifecycle.Hold, err error) {
	err = db.read(ctx, fmt.Sprintf("read hold %d", id), func(s session) error {
		h, err = holdOf(ctx, s, id)
		return err
	})
	return h, err
}

// Holds lists holds, the latest first.
func (db *DB) Holds(ctx context.Context, q lifecycle.HoldQuery) (holds []lifecycle.Hold, err error) {
	w := where{args: args{}}
	w.and(q.Kind != "", "kind = :kind", "kind", clean(string(q.Kind)))
	w.and(q.Subject != "", "subject = :subject", "subject", clean(q.Subject))
	w.and(q.Before > 0, "id < :before", "before", q.Before)
	if q.Active {
		w.conditions = append(w.conditions, "released_at IS NULL")
	}
	text, a := w.order("id DESC", q.Limit)
	err = db.read(ctx, "list holds", func(s session) error {
		holds, err = listHolds(ctx, s, text, a)
		return err
	})
	return holds, err
}

// HoldsOn lists the holds that cover r, of every kind, the oldest first.
func (db *DB) HoldsOn(ctx context.Context, r *lifecycle.Record) (holds []lifecycle.Hold, err error) {
	err = db.read(ctx, "list the holds on relationship "+r.ID, func(s session) error {
		holds, err = holdsOn(ctx, s, r)
		return err
	})
	return holds, err
}

func holdsOn(ctx context.Context, s session, r *lifecycle.Record) ([]lifecycle.Hold, error) {
	return listHolds(ctx, s, `WHERE released_at IS NULL AND (kind IN ('rule', 'everything') OR kind = 'relationship' AND subject = :id
		OR kind = 'tenant' AND subject IN (:partner, :customer)) ORDER BY id`,
		args{"id": clean(r.ID), "partner": clean(r.Partner), "customer": clean(r.Customer.TenantID)})
}

// holdsOnAny lists the holds that may cover relationships which are wanted: those of tenants as a whole, since their partner or
// customer may turn out to be any.
func holdsOnAny(ctx context.Context, s session, wanted []wantedName) ([]lifecycle.Hold, error) {
	return listHolds(ctx, s, `WHERE released_at IS NULL AND (kind <> 'relationship'
		OR subject IN (SELECT r.id FROM {{rows id TEXT}})) ORDER BY id`, args{"rows": page[wantedName](wanted)})
}

// Standstill is the hold of everything, and whether there is one: then nothing is changed by timers, and no notice is sent.
func (db *DB) Standstill(ctx context.Context) (h lifecycle.Hold, still bool, err error) {
	err = db.read(ctx, "look whether everything is on hold", func(s session) error {
		holds, err := listHolds(ctx, s, `WHERE released_at IS NULL AND kind = 'everything'`, nil)
		if still = err == nil && len(holds) > 0; still {
			h = holds[0]
		}
		return err
	})
	return h, still, err
}

// Paused lists the rules that are paused, all of them where everything is on hold.
func (db *DB) Paused(ctx context.Context) (rules []lifecycle.RuleName, err error) {
	err = db.read(ctx, "look which rules are paused", func(s session) error {
		rules, err = pausedNow(ctx, s)
		return err
	})
	return rules, err
}
