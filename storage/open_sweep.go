package storage

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// keysLiveFor is how long an idempotency key answers with the sweep that it was first used for.
const keysLiveFor = 24 * time.Hour

// OpenSweep writes a sweep, together with its ticks where the request names one, or finds the one that answers the request
// already: by its idempotency key, or because one that is running does the same. With [lifecycle.OpenedLost] the sweep is
// zero. A key that was used for another request is [lifecycle.ErrKeyReused]; [lifecycle.ErrStandstill] answers who would let
// through what is found while everything is on hold.
//
// Where the request's clock is not to be believed, everything is put on hold before the sweep is opened, which then is held.
func (db *DB) OpenSweep(ctx context.Context, req lifecycle.SweepRequest) (sweep lifecycle.Sweep, opened lifecycle.Opened, err error) {
	open := func() error {
		return db.write(ctx, "open a sweep", func(s session) error {
			sweep, opened, err = openSweep(ctx, s, &req)
			return err
		})
	}
	err = open()
	var wrong *astray
	if errors.As(err, &wrong) {
		if _, err = db.PlaceQuarantine(ctx, wrong.quarantine()); err == nil {
			err = open()
		}
	}
	if err != nil {
		return lifecycle.Sweep{}, "", err
	}
	return sweep, opened, nil
}

func openSweep(ctx context.Context, s session, req *lifecycle.SweepRequest) (lifecycle.Sweep, lifecycle.Opened, error) {
	// One opener at a time: of two that ask for the same, the second finds what the first has written.
	id, err := holdCounter(ctx, s, sweepCounter)
	if err != nil {
		return lifecycle.Sweep{}, "", err
	}
	if before, err := sweepOfKey(ctx, s, req); err != nil || before.ID != 0 {
		return before, lifecycle.OpenedBefore, err
	}
	if err := openable(ctx, s, req); err != nil {
		return lifecycle.Sweep{}, "", err
	}
	sweep, rest, err := withHeld(ctx, s, req)
	if err == nil && sweep.ID == 0 && req.Ruling == nil {
		sweep, err = sweepToJoin(ctx, s, rest)
	}
	if err != nil {
		return lifecycle.Sweep{}, "", err
	}
	opened := lifecycle.OpenedJoined
	if sweep.ID == 0 {
		sweep, opened = newSweep(id, rest), lifecycle.OpenedNew
	}
	if won, err := takeTick(ctx, s, req, sweep.ID); err != nil || !won {
		return lifecycle.Sweep{}, lifecycle.OpenedLost, err
	}
	if opened == lifecycle.OpenedNew {
		if err := insertSweep(ctx, s, &sweep); err != nil {
			return lifecycle.Sweep{}, "", err
		}
		if err := letThrough(ctx, s, &sweep, req); err != nil {
			return lifecycle.Sweep{}, "", err
		}
	}
	return sweep, opened, keepKey(ctx, s, req, sweep.ID)
}

// openable says why a sweep that changes something must not be opened now: the clock is not believed, or somebody would let through
// what nobody may.
func openable(ctx context.Context, s session, req *lifecycle.SweepRequest) error {
	if req.DryRun {
		return nil
	}
	still, err := standstill(ctx, s)
	switch {
	case err != nil:
		return err
	case !still:
		return checkClock(ctx, s, req.Quarantine, req.AsOf)
	case req.Ruling != nil:
		return fmt.Errorf("%w, and no sweep runs before that is released; see `tenure quarantine`", lifecycle.ErrStandstill)
	}
	return nil
}

// withHeld answers with a held sweep where all that is asked for waits with such already, and otherwise with the rest of what is
// asked for. What an operator lets through does not wait, and takes the place of what is held.
func withHeld(ctx context.Context, s session, req *lifecycle.SweepRequest) (lifecycle.Sweep, *lifecycle.SweepRequest, error) {
	if req.DryRun || req.Ruling != nil {
		return lifecycle.Sweep{}, req, nil
	}
	held, err := heldSweeps(ctx, s)
	if err != nil || len(held) == 0 {
		return lifecycle.Sweep{}, req, err
	}
	asked, first := lifecycle.FiredBy(req.Rules), lifecycle.Sweep{}
	rest := *req
	rest.Rules = asked
	for i := range held {
		left := without(rest.Rules, held[i].Fires())
		if first.ID == 0 && len(left) < len(rest.Rules) {
			first = held[i]
		}
		rest.Rules = left
	}
	switch len(rest.Rules) {
	case 0:
		return first, req, nil
	case len(asked):
		return lifecycle.Sweep{}, req, nil
	}
	return lifecycle.Sweep{}, &rest, nil
}

// letThrough writes down that an operator lets the sweep do what it finds, and drops the held ones that it takes the place of.
func letThrough(ctx context.Context, s session, sweep *lifecycle.Sweep, req *lifecycle.SweepRequest) error {
	if req.Ruling == nil || req.DryRun {
		return nil
	}
	if _, err := s.exec(ctx, `UPDATE sweeps SET examined = TRUE WHERE id = :id`, args{"id": sweep.ID}); err != nil {
		return err
	}
	replaced := func(held *lifecycle.Sweep) bool { return len(without(held.Fires(), sweep.Fires())) == 0 }
	if err := dropHeld(ctx, s, replaced, req.OpenedAt); err != nil { // before the event is numbered: who approves one locks in this order
		return err
	}
	sweep.Ruling = req.Ruling
	by := lifecycle.Caller{Name: req.Ruling.By, Role: lifecycle.Operator}
	return rule(ctx, s, lifecycle.EventSweepApproved, sweep.ID, req.Ruling.Note, by, req.Ruling.At)
}

// fingerprint is what two requests with the same idempotency key must have in common. The instants are left out: whoever
// asks again asks later.
func fingerprint(req *lifecycle.SweepRequest) string {
	rules := slices.Clone(req.Rules)
	slices.Sort(rules)
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %t", slices.Compact(rules), req.DryRun))
	return hex.EncodeToString(sum[:])
}

// sweepOfKey finds the sweep that the request's idempotency key was used for; the zero sweep where it was not, or so long
// ago that it does not count, or where that sweep is gone.
func sweepOfKey(ctx context.Context, s session, req *lifecycle.SweepRequest) (lifecycle.Sweep, error) {
	if req.IdempotencyKey == "" {
		return lifecycle.Sweep{}, nil
	}
	var known struct {
		Request string `json:"request"`
		SweepID int64  `json:"sweep_id"`
	}
	err := s.get(ctx, &known, `SELECT request, sweep_id FROM idempotency_keys WHERE name = :name AND expires_at > :now`,
		args{"name": clean(req.IdempotencyKey), "now": at(req.OpenedAt)})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return lifecycle.Sweep{}, nil
	case err != nil:
		return lifecycle.Sweep{}, err
	case known.Request != fingerprint(req):
		return lifecycle.Sweep{}, fmt.Errorf("%w: it answers with sweep %d; use a key of its own", lifecycle.ErrKeyReused, known.SweepID)
	}
	sweep, err := getSweep(ctx, s, known.SweepID)
	if errors.Is(err, sql.ErrNoRows) {
		return lifecycle.Sweep{}, nil
	}
	return sweep, err
}

// keepKey remembers which sweep a key was used for.
func keepKey(ctx context.Context, s session, req *lifecycle.SweepRequest, sweep int64) error {
	if req.IdempotencyKey == "" {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO idempotency_keys (name, request, sweep_id, expires_at) VALUES (:name, :request, :sweep, :expires)
		ON CONFLICT (name) DO UPDATE SET request = excluded.request, sweep_id = excluded.sweep_id, expires_at = excluded.expires_at`,
		args{"name": clean(req.IdempotencyKey), "request": fingerprint(req), "sweep": sweep, "expires": at(req.OpenedAt.Add(keysLiveFor))})
	return err
}

// takeTick writes a tick for each rule, and says whether there was one left to take. A request without a tick takes none.
func takeTick(ctx context.Context, s session, req *lifecycle.SweepRequest, sweep int64) (won bool, err error) {
	if req.Tick.IsZero() {
		return true, nil
	}
	rules := req.Rules
	if len(rules) == 0 {
		rules = lifecycle.RuleNames()
	}
	type tickRow struct {
		Rule lifecycle.RuleName `json:"rule"`
	}
	rows := make([]tickRow, len(rules))
	for i, rule := range rules {
		rows[i].Rule = rule
	}
	n, err := s.exec(ctx, `INSERT INTO ticks (rule, nominal_at, sweep_id)
		SELECT r.rule, CAST(:tick AS {{instant}}), CAST(:sweep AS BIGINT) FROM {{rows rule TEXT}}
		WHERE TRUE ON CONFLICT (rule, nominal_at) DO NOTHING`, args{"rows": page[tickRow](rows), "tick": at(req.Tick), "sweep": sweep})
	return n > 0, err
}

// joinWithin is how much older than a person's request a running sweep may be, to be taken for the same. What falls due
// between the two is seen by the next tick. An older one may be stuck, and whoever asks wants what is due now.
const joinWithin = time.Minute

// sweepToJoin finds a running sweep that does what is asked for; the zero sweep where there is none. A tick joins only one of
// which nothing is cut yet, and moves its instant along: so ticks do not pile up while nobody works, and none is lost in a
// sweep that has gone past it.
func sweepToJoin(ctx context.Context, s session, req *lifecycle.SweepRequest) (lifecycle.Sweep, error) {
	running, err := listSweeps(ctx, s, `WHERE s.state = 'running' GROUP BY s.id ORDER BY s.id`, nil)
	if err != nil {
		return lifecycle.Sweep{}, err
	}
	for _, sweep := range running {
		if sweep.DryRun != req.DryRun || !sweep.Covers(req.Rules) || !looksFarEnough(&sweep, req) {
			continue
		}
		if req.Trigger == lifecycle.TriggerRequest && req.AsOf.Sub(sweep.AsOf) <= joinWithin {
			return sweep, nil
		}
		// One of which something is cut may have gone past what falls due meanwhile, and may be stuck.
		row, err := lockSweep(ctx, s, sweep.ID)
		if err != nil {
			return lifecycle.Sweep{}, err
		}
		if row.State != lifecycle.SweepRunning || row.begun() {
			continue
		}
		if asOf := lifecycle.Instant(req.AsOf); sweep.AsOf.Before(asOf) {
			sweep.AsOf = asOf
			if _, err := s.exec(ctx, `UPDATE sweeps SET as_of = :as_of WHERE id = :id`, args{"id": sweep.ID, "as_of": at(asOf)}); err != nil {
				return lifecycle.Sweep{}, err
			}
		}
		return sweep, nil
	}
	return lifecycle.Sweep{}, nil
}

// looksFarEnough says whether a sweep's instant is near enough to the one asked for. One that looks further ahead would do
// more than was asked for. One that looks less far does as a rule, since a moment later the next tick will see the rest; but
// not for a look ahead, and not after a test clock was moved, when what lies between is the very point.
func looksFarEnough(sweep *lifecycle.Sweep, req *lifecycle.SweepRequest) bool {
	asOf := lifecycle.Instant(req.AsOf)
	if req.DryRun || req.Trigger == lifecycle.TriggerClock {
		return sweep.AsOf.Equal(asOf)
	}
	return !sweep.AsOf.After(asOf)
}

func newSweep(id int64, req *lifecycle.SweepRequest) lifecycle.Sweep {
	return lifecycle.Sweep{ID: id, Rules: req.Rules, DryRun: req.DryRun, Trigger: req.Trigger, AsOf: lifecycle.Instant(req.AsOf),
		State: lifecycle.SweepRunning, OpenedAt: lifecycle.Instant(req.OpenedAt)}
}

func insertSweep(ctx context.Context, s session, sweep *lifecycle.Sweep) error {
	if _, err := take(ctx, s, sweepCounter, 1); err != nil {
		return err
	}
	sweep.Trace = traceparent(ctx)
	_, err := s.exec(ctx, `INSERT INTO sweeps (id, rules, dry_run, opened_by, as_of, state, cut, cut_at, cut_key, next_chunk, opened_at, traceparent)
		VALUES (:id, :rules, :dry_run, :opened_by, :as_of, 'running', FALSE, :dawn, 0, 1, :opened_at, :traceparent)`,
		args{"id": sweep.ID, "rules": jsonList(sweep.Rules), "dry_run": sweep.DryRun, "opened_by": sweep.Trigger,
			"as_of": at(sweep.AsOf), "dawn": dawn, "opened_at": at(sweep.OpenedAt), "traceparent": sweep.Trace})
	return err
}
