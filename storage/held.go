package storage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// HeldSweeps lists the sweeps that wait for an operator's word, the oldest first.
func (db *DB) HeldSweeps(ctx context.Context) (held []lifecycle.Sweep, err error) {
	err = db.read(ctx, "list the held sweeps", func(s session) error {
		held, err = heldSweeps(ctx, s)
		return err
	})
	return held, err
}

func heldSweeps(ctx context.Context, s session) ([]lifecycle.Sweep, error) {
	return listSweeps(ctx, s, `WHERE s.state = 'held' GROUP BY s.id ORDER BY s.id`, nil)
}

// ApproveSweep lets a held sweep do what was due when it was opened. [lifecycle.ErrNotFound], [lifecycle.ErrNotHeld];
// [lifecycle.ErrStandstill] where everything is on hold, which is not for one sweep's approval to end.
func (db *DB) ApproveSweep(ctx context.Context, id int64, note string, by lifecycle.Caller, now time.Time) error {
	return db.write(ctx, fmt.Sprintf("approve sweep %d", id), func(s session) error {
		if _, err := lockHeld(ctx, s, id); err != nil {
			return err
		}
		if _, err := s.exec(ctx, `UPDATE sweeps SET state = 'running', examined = TRUE WHERE id = :id`, args{"id": id}); err != nil {
			return err
		}
		return rule(ctx, s, lifecycle.EventSweepApproved, id, note, by, now)
	})
}

// RejectSweep drops a held sweep and pauses the rules that would do too much: a hold of kind rule for each, which is released by
// hand. [lifecycle.ErrNotFound], [lifecycle.ErrNotHeld]; [lifecycle.ErrStandstill] where everything is on hold.
func (db *DB) RejectSweep(ctx context.Context, id int64, note string, by lifecycle.Caller, now, wall time.Time) error {
	return db.writeGateShut(ctx, fmt.Sprintf("reject sweep %d", id), func(s session) error {
		sweep, err := lockHeld(ctx, s, id)
		if err != nil {
			return err
		}
		if _, err := s.exec(ctx, `UPDATE sweeps SET state = 'rejected', finished_at = :now WHERE id = :id`,
			args{"id": id, "now": at(wall)}); err != nil {
			return err
		}
		paused, err := pausedByName(ctx, s)
		if err != nil {
			return err
		}
		for _, name := range without(sweep.Rejects(), paused) {
			hold := lifecycle.Hold{Kind: lifecycle.HoldRule, Subject: string(name), Cause: lifecycle.SweepRejected, Note: clean(note)}
			if _, err := placeHold(ctx, s, hold, by, now); err != nil {
				return err
			}
		}
		return rule(ctx, s, lifecycle.EventSweepRejected, id, note, by, now)
	})
}

// lockHeld reads a sweep that an operator has a word to say about.
func lockHeld(ctx context.Context, s session, id int64) (lifecycle.Sweep, error) {
	row, err := lockSweep(ctx, s, id)
	if err != nil {
		return lifecycle.Sweep{}, err
	}
	sweep, err := row.sweep()
	switch {
	case err != nil:
		return sweep, err
	case sweep.State != lifecycle.SweepHeld:
		return sweep, fmt.Errorf("%w: it is %s", lifecycle.ErrNotHeld, sweep.State)
	}
	switch cause, err := standstillCause(ctx, s); {
	case err != nil:
		return sweep, err
	case cause != "" || sweep.Plan == nil || sweep.Plan.Cause != lifecycle.BreakerTripped:
		return sweep, fmt.Errorf("%w, and no sweep runs before that is released; see `tenure quarantine`", lifecycle.ErrStandstill)
	}
	return sweep, nil
}

// rule writes an operator's word down, with the sweep and in the history.
func rule(ctx context.Context, s session, what lifecycle.EventType, id int64, note string, by lifecycle.Caller, now time.Time) error {
	if _, err := s.exec(ctx, `UPDATE sweeps SET ruled_by = :by, ruling = :note, ruled_at = :now WHERE id = :id`,
		args{"id": id, "by": cut(by.Name, mostSubject), "note": clean(note), "now": at(now)}); err != nil {
		return err
	}
	return writeOrder(ctx, s, lifecycle.Change{Type: what, Subject: strconv.FormatInt(id, 10), Detail: note, By: &by}, 0, now)
}

// dropHeld cancels held sweeps; which says which of them.
func dropHeld(ctx context.Context, s session, which func(*lifecycle.Sweep) bool, wall time.Time) error {
	held, err := heldSweeps(ctx, s)
	if err != nil {
		return err
	}
	for i := range held {
		if !which(&held[i]) {
			continue
		}
		if _, err := s.exec(ctx, `UPDATE sweeps SET state = 'cancelled', finished_at = :now WHERE id = :id AND state = 'held'`,
			args{"id": held[i].ID, "now": at(wall)}); err != nil {
			return err
		}
	}
	return nil
}

// DropHeldSweeps cancels the sweeps that breakers have held: what they would do was found out by another policy, and the next tick
// finds it out anew.
func (db *DB) DropHeldSweeps(ctx context.Context, wall time.Time) error {
	return db.write(ctx, "drop the held sweeps", func(s session) error {
		return dropHeld(ctx, s, func(sweep *lifecycle.Sweep) bool { return len(sweep.Rejects()) > 0 }, wall)
	})
}
