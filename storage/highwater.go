package storage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// The rows of table meta that say how far the deployment had come.
const (
	metaDeployment = "deployment" // its id
	metaSeen       = "seen"       // the latest time that its clock showed
	metaEvents     = "seenEvents" // how many events there were then
	metaMissing    = "missing"    // what a witness knew of more, when that put everything on hold
	metaAccepted   = "accepted"   // the same, once an operator has released it
	metaImported   = "imported"   // when the latest import brought something
)

// HighWater is how far the deployment had come when a scheduler looked last; the zero time in it says that none has. The number of
// events is that of now.
func (db *DB) HighWater(ctx context.Context) (h lifecycle.HighWater, err error) {
	err = db.read(ctx, "read the high-water mark", func(s session) error {
		h, err = highWater(ctx, s)
		return err
	})
	return h, err
}

func highWater(ctx context.Context, s session) (h lifecycle.HighWater, err error) {
	var rows []metaValue
	if err := s.list(ctx, &rows, `SELECT name, value FROM meta WHERE name IN ('`+metaDeployment+`', '`+metaSeen+`')`, nil); err != nil {
		return h, err
	}
	for _, row := range rows {
		switch row.Name {
		case metaDeployment:
			h.Deployment = row.Value
		case metaSeen:
			var seen dbTime
			if err := seen.Scan(row.Value); err != nil {
				return h, fmt.Errorf("the high-water mark cannot be read: %w", err)
			}
			h.Seen = seen.Time
		}
	}
	h.Events, err = eventsEver(ctx, s)
	return h, err
}

// lockedHighWater keeps others from moving the mark until the transaction ends: of two who move it at once, the slower one would
// move it back, and the other's witness would know of more than the database. It locks a row that is there before any mark is.
func lockedHighWater(ctx context.Context, s session) (h lifecycle.HighWater, err error) {
	var kind string
	if err := s.get(ctx, &kind, `SELECT value FROM meta WHERE name = 'kind' {{lock}}`, nil); err != nil {
		return h, err
	}
	return highWater(ctx, s)
}

// eventsEver is how many events were ever written.
func eventsEver(ctx context.Context, s session) (n int64, err error) {
	err = s.get(ctx, &n, `SELECT CAST((SELECT size FROM ledger_head) + (SELECT COALESCE(sum(n), 0) FROM event_batches) AS BIGINT)`, nil)
	return n, err
}

// AdvanceHighWater moves the mark on to now and answers with it, unless q does not believe the clock that shows now, or
// there are fewer events than there were: then everything is put on hold, and the reason says why. While everything is on hold the mark stays where it is.
func (db *DB) AdvanceHighWater(ctx context.Context, q lifecycle.QuarantinePolicy, now time.Time) (h lifecycle.HighWater, reason lifecycle.Reason, err error) {
	var wrong *astray
	var lost *lifecycle.HighWater // what the mark itself knows of, and the database does not
	var still bool
	err = db.write(ctx, "move the high-water mark", func(s session) error {
		wrong, lost = nil, nil
		if h, err = lockedHighWater(ctx, s); err != nil {
			return err
		}
		if still, err = standstill(ctx, s); err != nil || still {
			return err
		}
		if reason := q.Astray(h.Seen, now); reason != "" {
			wrong = &astray{reason, h.Seen, now}
			return nil
		}
		marked, err := markedEvents(ctx, s)
		if err != nil {
			return err
		}
		if h.Events < marked && q != (lifecycle.QuarantinePolicy{}) {
			lost = &lifecycle.HighWater{Deployment: h.Deployment, Seen: h.Seen, Events: marked}
			return nil
		}
		if h.Deployment == "" {
			h.Deployment = rand.Text()
		}
		if h.Seen.Before(lifecycle.Instant(now)) {
			h.Seen = lifecycle.Instant(now)
		}
		return writeMark(ctx, s, &h)
	})
	switch {
	case err != nil:
		return h, "", err
	case lost != nil:
		_, err = db.PlaceQuarantine(ctx, Quarantine{Cause: lifecycle.EventsMissing, Note: lifecycle.WhyMissing(*lost, h), At: now, Witness: lost})
		return h, lifecycle.EventsMissing, err
	case wrong != nil:
		_, err = db.PlaceQuarantine(ctx, wrong.quarantine())
		return h, wrong.reason, err
	case !still:
		db.mark.Store(&h.Seen)
	}
	return h, "", nil
}

// markedEvents is how many events there were when the mark was moved last. There are never fewer, unless only some of the tables
// were restored.
func markedEvents(ctx context.Context, s session) (int64, error) {
	value, err := meta(ctx, s, metaEvents)
	if err != nil || value == "" {
		return 0, unlessNone(err)
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("row %s of table meta cannot be read: %w", metaEvents, err)
	}
	return n, nil
}

// writeToLatest is [DB.write] for those who take up work that leaves the database, or changes it: it runs nothing where the mark stands
// before the one that this process left there. Then an older copy was restored beneath it, what waits there may be done long since,
// and nobody has looked yet: whoever moves the mark puts everything in quarantine, or finds that an operator has said it is right.
func (db *DB) writeToLatest(ctx context.Context, doing string, fn func(session) error) error {
	return db.write(ctx, doing, func(s session) error {
		known := db.mark.Load()
		if known == nil {
			return fn(s)
		}
		seen, err := meta(ctx, s, metaSeen)
		if err := unlessNone(err); err != nil || seen < at(*known).String() { // written so that they sort as text
			return err
		}
		return fn(s)
	})
}

func writeMark(ctx context.Context, s session, h *lifecycle.HighWater) error {
	return setMeta(ctx, s, metaValue{metaDeployment, h.Deployment}, metaValue{metaSeen, at(h.Seen).String()},
		metaValue{metaEvents, strconv.FormatInt(h.Events, 10)})
}

func setMeta(ctx context.Context, s session, values ...metaValue) error {
	_, err := s.exec(ctx, `INSERT INTO meta (name, value) SELECT r.name, r.value FROM {{rows name TEXT, value TEXT}}
		WHERE TRUE ON CONFLICT (name) DO UPDATE SET value = excluded.value`, args{"rows": page[metaValue](values)})
	return err
}

// An astray clock shows a time that is not to be believed. As an error it is [lifecycle.ErrClockAstray].
type astray struct {
	reason    lifecycle.Reason
	seen, now time.Time
}

func (a *astray) Error() string {
	return fmt.Sprintf("%v: %s; set the clock right, or, if it is right, say so with `tenure quarantine release --reason TEXT`",
		lifecycle.ErrClockAstray, lifecycle.WhyAstray(a.reason, a.seen, a.now))
}

func (a *astray) Unwrap() error { return lifecycle.ErrClockAstray }

// quarantine is dated by the last time that was believed.
func (a *astray) quarantine() Quarantine {
	return Quarantine{Cause: a.reason, Note: lifecycle.WhyAstray(a.reason, a.seen, a.now), At: a.seen}
}

// checkClock is an *astray where q does not believe a clock that shows now.
func checkClock(ctx context.Context, s session, q lifecycle.QuarantinePolicy, now time.Time) error {
	if q.ClockAhead.IsZero() && q.ClockBack.IsZero() {
		return nil
	}
	value, err := meta(ctx, s, metaSeen)
	if err != nil {
		return unlessNone(err)
	}
	return compareClock(value, q, now)
}

// compareClock is an *astray where q does not believe a clock that shows now, since the mark is at value.
func compareClock(value string, q lifecycle.QuarantinePolicy, now time.Time) error {
	var seen dbTime
	if err := seen.Scan(value); err != nil {
		return fmt.Errorf("the high-water mark cannot be read: %w", err)
	}
	if reason := q.Astray(seen.Time, now); reason != "" {
		return &astray{reason, seen.Time, now}
	}
	return nil
}

// standstill says whether everything is on hold.
func standstill(ctx context.Context, s session) (bool, error) {
	value, err := meta(ctx, s, "paused")
	return value == everythingPaused, unlessNone(err)
}

// goesOn says in SQL that not everything is on hold.
const goesOn = ` NOT EXISTS (SELECT 1 FROM meta WHERE name = 'paused' AND value = '` + everythingPaused + `') `

// A Quarantine says why everything is to be put on hold.
type Quarantine struct {
	Cause   lifecycle.Reason
	Note    string
	At      time.Time            // by the deployment's clock, as far as it is believed
	Witness *lifecycle.HighWater // who knew of more; nil where the reason is another one
}

// PlaceQuarantine puts everything on hold, and says whether that is news: of several who find the same at once one does.
func (db *DB) PlaceQuarantine(ctx context.Context, q Quarantine) (placed bool, err error) {
	err = db.writeGateShut(ctx, "put everything in quarantine", func(s session) error {
		if placed, err = standstill(ctx, s); err != nil || placed {
			placed = false
			return err
		}
		if placed = true; q.Witness != nil {
			text, err := json.Marshal(q.Witness)
			if err != nil {
				return err
			}
			if err := setMeta(ctx, s, metaValue{metaMissing, string(text)}); err != nil {
				return err
			}
		}
		_, err := placeHold(ctx, s, lifecycle.Hold{Kind: lifecycle.HoldEverything, Cause: q.Cause, Note: q.Note}, lifecycle.Caller{}, q.At)
		return err
	})
	return placed && err == nil, err
}

// CheckWitness puts everything in quarantine where a witness knows of more than the database does, unless an operator has accepted
// just that, and says why; nothing where all is well, or everything is on hold already.
func (db *DB) CheckWitness(ctx context.Context, witness lifecycle.HighWater, now time.Time) (reason lifecycle.Reason, err error) {
	var h, accepted lifecycle.HighWater
	err = db.read(ctx, "compare the database with a witness", func(s session) error {
		if h, err = highWater(ctx, s); err != nil {
			return err
		}
		accepted, err = knownMeta(ctx, s, metaAccepted)
		return err
	})
	known := accepted.Deployment == witness.Deployment && !accepted.Lacks(witness)
	if err != nil || known || !h.Lacks(witness) {
		return "", err
	}
	placed, err := db.PlaceQuarantine(ctx, Quarantine{Cause: lifecycle.EventsMissing, Note: lifecycle.WhyMissing(witness, h), At: now, Witness: &witness})
	if err != nil || !placed {
		return "", err
	}
	return lifecycle.EventsMissing, nil
}

// knownMeta reads a mark that is kept as a whole; the zero mark where there is none.
func knownMeta(ctx context.Context, s session, name string) (h lifecycle.HighWater, err error) {
	value, err := meta(ctx, s, name)
	if err != nil || value == "" {
		return h, unlessNone(err)
	}
	if err := json.Unmarshal([]byte(value), &h); err != nil {
		return h, fmt.Errorf("row %s of table meta cannot be read: %w", name, err)
	}
	return h, nil
}

// CheckBacklog puts everything in quarantine where more is due at now than q lets pass, and says why. A database in which no
// scheduler ever ran is spared: everything is new there.
func (db *DB) CheckBacklog(ctx context.Context, q lifecycle.QuarantinePolicy, now time.Time) (reason lifecycle.Reason, err error) {
	floor, limited := q.Backlog.Floor()
	if !limited {
		return "", nil
	}
	var due, most, population int64
	err = db.read(ctx, "measure the backlog", func(s session) error {
		h, err := highWater(ctx, s)
		if err != nil || h.Seen.IsZero() {
			return err
		}
		everything := &lifecycle.Sweep{AsOf: now}
		if due, err = countDue(ctx, s, everything, floor+1); err != nil || due <= floor {
			due = 0
			return err
		}
		if err := s.get(ctx, &population, `SELECT count(*) FROM clocks`, nil); err != nil {
			return err
		}
		most, _ = q.Backlog.Limit(population)
		due, err = countDue(ctx, s, everything, population+1)
		return err
	})
	if err != nil || due == 0 || due <= most {
		return "", err
	}
	placed, err := db.PlaceQuarantine(ctx, Quarantine{Cause: lifecycle.LargeBacklog, At: now,
		Note: fmt.Sprintf("%d of %d relationships were due at the start, and the policy lets %d pass", due, population, most)})
	if err != nil || !placed {
		return "", err
	}
	return lifecycle.LargeBacklog, nil
}

// ReleaseQuarantine ends the hold of everything and says that this clock and this database are right: the mark stands at now from
// here on, what a witness knew of more is accepted, and the sweeps that were held for it are dropped, since the next ticks open real
// ones. Where nothing is on hold it sets the mark alone, and answers with the zero hold.
func (db *DB) ReleaseQuarantine(ctx context.Context, note string, by lifecycle.Caller, now, wall time.Time) (released lifecycle.Hold, err error) {
	if err := lifecycle.CheckNote(note); err != nil {
		return lifecycle.Hold{}, err
	}
	err = db.writeGateShut(ctx, "release the quarantine", func(s session) error {
		released = lifecycle.Hold{}
		holds, err := listHolds(ctx, s, `WHERE released_at IS NULL AND kind = 'everything'`, nil)
		if err != nil {
			return err
		}
		for i := range holds {
			if released, err = releaseHold(ctx, s, holds[i].ID, note, by, now); err != nil {
				return err
			}
		}
		return believed(ctx, s, now, wall)
	})
	if err == nil {
		db.mark.Store(nil) // it may have been set back
	}
	return released, err
}

// believed is what follows from releasing the hold of everything. Ticks that lie ahead were taken by a clock that was wrong: they go, so
// that schedules go on from here.
func believed(ctx context.Context, s session, now, wall time.Time) error {
	if err := acceptMark(ctx, s, now); err != nil {
		return err
	}
	if _, err := s.exec(ctx, `DELETE FROM ticks WHERE nominal_at > :wall`, args{"wall": at(wall)}); err != nil {
		return err
	}
	return dropHeld(ctx, s, func(sweep *lifecycle.Sweep) bool { return len(sweep.Rejects()) == 0 }, wall)
}

// acceptMark makes now the mark. A deployment that never had one goes on without.
func acceptMark(ctx context.Context, s session, now time.Time) error {
	h, err := lockedHighWater(ctx, s)
	if err != nil || h.Seen.IsZero() {
		return err
	}
	accepted, err := knownMeta(ctx, s, metaMissing)
	if err != nil {
		return err
	}
	// Whatever anybody has seen of this deployment up to now.
	accepted = lifecycle.HighWater{Deployment: h.Deployment, Seen: latestOf(h.Seen, accepted.Seen), Events: max(h.Events, accepted.Events)}
	text, err := json.Marshal(accepted)
	if err != nil {
		return err
	}
	h.Seen = lifecycle.Instant(now)
	if err := writeMark(ctx, s, &h); err != nil {
		return err
	}
	return setMeta(ctx, s, metaValue{metaAccepted, string(text)}, metaValue{metaMissing, ""})
}

func latestOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// CheckClock puts everything in quarantine where q does not believe a clock that shows now; the error says why then, and is
// [lifecycle.ErrClockAstray]. While everything is on hold no clock does harm.
func (db *DB) CheckClock(ctx context.Context, q lifecycle.QuarantinePolicy, now time.Time) error {
	if q.ClockAhead.IsZero() && q.ClockBack.IsZero() {
		return nil
	}
	err := db.read(ctx, "look whether the clock may be believed", func(s session) error {
		var seen []string
		if err := s.list(ctx, &seen, `SELECT value FROM meta WHERE name = '`+metaSeen+`' AND`+goesOn, nil); err != nil || len(seen) == 0 {
			return err
		}
		return compareClock(seen[0], q, now)
	})
	var wrong *astray
	if errors.As(err, &wrong) {
		_, placing := db.PlaceQuarantine(ctx, wrong.quarantine())
		return errors.Join(err, placing)
	}
	return err
}
