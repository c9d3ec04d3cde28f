package storage

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// The floor is an instant before which no timer lies that a sweep may look at, in any snapshot. On PostgreSQL looks begin there, and so do not step
// over the index entries of timers that have fired, which stay as long as somebody holds an old snapshot. It is the lesser of timer_floor.at
// and the first of early_timers: whoever sets a timer before heard_until has it written there by a trigger, in the same transaction.
//
// It is raised in three steps, each a transaction of one statement: hear, find the first timer in a new snapshot, raise to there. A timer below
// the new floor would be one that the second step did not see, so one of a transaction that ended later. Had that one gone through the gate before the
// first step, the gate could not have been shut. So it came later, saw heard_until, which lies no lower than the floor, and told of the timer in
// this round; the third step takes away only what was told in earlier ones. Of several who raise at once, the last to begin does.
const timerFloor = `COALESCE((SELECT LEAST(f.at, (SELECT min(e.at) FROM early_timers AS e)) FROM timer_floor AS f), '-infinity')`

const (
	// The gate is shut until the commit only, by a single statement that waits for nobody inside.
	hearEarlyTimers = `UPDATE timer_floor SET heard_until = GREATEST(heard_until, CAST(:as_of AS {{instant}})), round = round + 1 WHERE ` + tryGate + `
		RETURNING round`

	// This is the one walk over what is dead. Nobody waits for it.
	selectFirstTimer = `SELECT min(next_at) FROM clocks WHERE next_at >= {{floor}} AND stayed = FALSE`

	setFloor = `WITH raised AS (UPDATE timer_floor SET at = LEAST(CAST(:first AS {{instant}}), heard_until) WHERE round = :round RETURNING one)
		DELETE FROM early_timers WHERE round < :round AND EXISTS (SELECT 1 FROM raised)`
)

// beginRaising has timers before asOf told from here on. begun is false where somebody is inside the gate.
func beginRaising(ctx context.Context, s session, asOf dbTime) (round int64, begun bool, err error) {
	err = s.get(ctx, &round, hearEarlyTimers, args{"as_of": asOf})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return round, err == nil, err
}

// firstTimer is the zero time where there is none.
func firstTimer(ctx context.Context, s session) (first dbTime, err error) {
	err = s.get(ctx, &first, selectFirstTimer, nil)
	return first, err
}

// endRaising raises the floor to the first timer, unless somebody has begun later.
func endRaising(ctx context.Context, s session, round int64, first dbTime) error {
	_, err := s.exec(ctx, setFloor, args{"first": first, "round": round})
	return err
}

// raiseFloor raises the floor to the first timer that has not fired, or to asOf where that is earlier. Where others write without a pause it is left
// as it is: looks take longer then, and find the same.
func (db *DB) raiseFloor(ctx context.Context, asOf dbTime) error {
	const attempts, pause = 5, 20 * time.Millisecond
	s := session{q: db.pool, dialect: db.dialect} // no transaction: each step is one by itself
	for range attempts {
		round, begun, err := beginRaising(ctx, s, asOf)
		if err != nil {
			return err
		}
		if begun {
			first, err := firstTimer(ctx, s)
			if err != nil {
				return err
			}
			return endRaising(ctx, s, round, first)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
