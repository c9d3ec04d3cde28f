package storage

import (
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// cautious is a policy of which every breaker lets n records through.
func cautious(n int64) *lifecycle.Policy {
	p := *policy
	p.Breakers = map[lifecycle.RuleName]lifecycle.Breaker{}
	for _, rule := range lifecycle.RuleNames() {
		p.Breakers[rule] = lifecycle.Breaker{Records: n}
	}
	return &p
}

var anOperator = lifecycle.Caller{Name: "ops", Role: lifecycle.Operator}

// manyEnd loads n relationships that have come to their end by now, and m whose name comes free.
func manyEnd(t *testing.T, db *DB, n, m int) (now time.Time) {
	t.Helper()
	records := make([]lifecycle.Record, 0, n+m)
	for i := range n {
		records = append(records, active(i, start.Add(time.Hour)))
	}
	for i := range m {
		records = append(records, ended(n+i, start.Add(time.Hour-365*lifecycle.Day)))
	}
	load(t, db, records...)
	_, err := db.Retime(ctx, policy, start)
	require.NoError(t, err)
	return start.Add(2 * time.Hour)
}

func examined(t *testing.T, db *DB, sweep int64, p *lifecycle.Policy, now time.Time) lifecycle.Sweep {
	t.Helper()
	held, _, err := db.ExamineSweep(ctx, sweep, p, now, now)
	require.NoError(t, err)
	return held
}

// finish does what is left of a sweep.
func finish(t *testing.T, db *DB, sweep lifecycle.Sweep, now time.Time) lifecycle.Sweep {
	t.Helper()
	for _, ref := range cutAll(t, db, sweep.ID, 100, 10) {
		chunk := claim(t, db, ref, now)
		due, _, err := db.DueRecords(ctx, chunk, sweep.Rules, sweep.AsOf)
		require.NoError(t, err)
		var decided []lifecycle.Decided
		for _, r := range due {
			decided = append(decided, lifecycle.Decided{Key: r.Key, Version: r.Version, Decision: lifecycle.Evaluate(r.Record, policy, now, sweep.Rules...)})
		}
		_, err = db.ApplyChunk(ctx, chunk.ChunkRef, decided, lifecycle.Tally{Found: int64(len(due))}, nil, now)
		require.NoError(t, err)
	}
	_, _, err := db.FinishSweep(ctx, sweep.ID, now)
	require.NoError(t, err)
	sweep, err = db.Sweep(ctx, sweep.ID)
	require.NoError(t, err)
	return sweep
}

func TestSweepThatWouldDoTooMuchIsHeldAndItsOtherRulesGoOn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 6, 2)
		agents(t, db, "a@partner.example", "b@partner.example")
		sweep := opened(t, db, now)
		held := examined(t, db, sweep.ID, cautious(5), now)

		require.Equal(t, []lifecycle.RuleName{lifecycle.EndTerm}, held.Rules)
		require.NotEqual(t, sweep.ID, held.ID)
		held, err := db.Sweep(ctx, held.ID)
		require.NoError(t, err)
		require.Equal(t, lifecycle.SweepHeld, held.State)
		require.Equal(t, sweep.AsOf, held.AsOf)
		require.Equal(t, &lifecycle.SweepPlan{Cause: lifecycle.BreakerTripped, Tripped: []lifecycle.RuleName{lifecycle.EndTerm},
			Records: map[lifecycle.RuleName]int64{lifecycle.EndTerm: 6, lifecycle.ReleaseName: 2}, Population: 8,
			Limits: map[lifecycle.RuleName]int64{lifecycle.EndTerm: 5}, Notices: 12}, held.Plan)

		sweep, err = db.Sweep(ctx, sweep.ID)
		require.NoError(t, err)
		require.NotContains(t, sweep.Rules, lifecycle.EndTerm)
		require.Zero(t, examined(t, db, sweep.ID, cautious(5), now).ID, "it is examined once")
		done := finish(t, db, sweep, now)
		require.Equal(t, lifecycle.SweepDone, done.State)
		require.EqualValues(t, 2, done.Changed)

		// Ticks of the rule join the held one, as it stands; of the others they go on.
		later := now.Add(time.Hour)
		tick, how, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}, Trigger: lifecycle.TriggerSchedule,
			AsOf: later, OpenedAt: later, Tick: later})
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedJoined, how)
		require.Equal(t, held.ID, tick.ID)
		require.Equal(t, now, tick.AsOf)
		rest, how, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Trigger: lifecycle.TriggerCatchUp, AsOf: later, OpenedAt: later})
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedNew, how)
		require.NotContains(t, rest.Rules, lifecycle.EndTerm)
	})
}

func TestSweepWithNothingToDoIsClosedWhereItIsExamined(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.Add(time.Hour)))
		now := start
		sweep := opened(t, db, now)
		held, closed, err := db.ExamineSweep(ctx, sweep.ID, cautious(5), now, now.Add(time.Second))
		require.NoError(t, err)
		require.Zero(t, held)
		require.True(t, closed)
		done, err := db.Sweep(ctx, sweep.ID)
		require.NoError(t, err)
		require.Equal(t, lifecycle.SweepDone, done.State)
		require.Equal(t, now.Add(time.Second), done.FinishedAt)
		require.True(t, done.Cut)

		_, closed, err = db.ExamineSweep(ctx, sweep.ID, cautious(5), now, now)
		require.NoError(t, err)
		require.False(t, closed, "only one closes it")
		over, closed, err := db.FinishSweep(ctx, sweep.ID, now)
		require.NoError(t, err)
		require.Equal(t, []bool{true, false}, []bool{over, closed})

		_, closed, err = db.ExamineSweep(ctx, opened(t, db, now.Add(time.Hour)).ID, cautious(5), now, now)
		require.NoError(t, err)
		require.False(t, closed, "something is due")
	})
}

func TestSweepIsNotClosedOverWhatCameSinceItWasLookedAt(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		sweep := opened(t, db, start)
		var e *examination
		require.NoError(t, db.snap(ctx, func(s *Snapshot) (err error) {
			e, err = examine(ctx, s.session, sweep.ID, cautious(5))
			return err
		}))
		require.True(t, e.nothing)
		load(t, db, active(1, start.Add(-time.Hour)))
		require.NoError(t, db.write(ctx, "conclude", func(s session) error {
			_, closed, err := e.conclude(ctx, s, start, start)
			require.False(t, closed)
			return err
		}))
		require.EqualValues(t, 1, finish(t, db, sweep, start).Changed)
	})
}

func TestApprovedSweepDoesWhatItWasHeldFor(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 6, 0)
		sweep := opened(t, db, now, lifecycle.EndTerm)
		held := examined(t, db, sweep.ID, cautious(5), now)
		require.Equal(t, sweep.ID, held.ID, "nothing of it goes on, so it is held itself")
		_, cut, err := db.CutChunks(ctx, held.ID, 10, 10)
		require.NoError(t, err)
		require.True(t, cut, "nothing of a held sweep is cut")

		later := now.Add(time.Hour)
		require.NoError(t, db.ApproveSweep(ctx, held.ID, "they all do end", anOperator, later))
		require.ErrorIs(t, db.ApproveSweep(ctx, held.ID, "again", anOperator, later), lifecycle.ErrNotHeld)
		require.ErrorIs(t, db.ApproveSweep(ctx, 99, "none", anOperator, later), lifecycle.ErrNotFound)
		require.Zero(t, examined(t, db, held.ID, cautious(5), later).ID, "an operator's word stands")
		approved, err := db.Sweep(ctx, held.ID)
		require.NoError(t, err)
		require.Equal(t, &lifecycle.Ruling{By: "ops", Note: "they all do end", At: later}, approved.Ruling)
		done := finish(t, db, approved, later)
		require.EqualValues(t, 6, done.Changed)
		require.Equal(t, now, done.AsOf)
		require.Equal(t, 2, count(t, db, `SELECT count(*) FROM events WHERE type IN ('sweepHeld', 'sweepApproved')`))
	})
}

func TestRejectedSweepPausesItsRules(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 6, 0)
		held := examined(t, db, opened(t, db, now, lifecycle.EndTerm).ID, cautious(5), now)
		require.NoError(t, db.RejectSweep(ctx, held.ID, "a typo in the policy", anOperator, now, now))
		rejected, err := db.Sweep(ctx, held.ID)
		require.NoError(t, err)
		require.Equal(t, lifecycle.SweepRefused, rejected.State)
		paused, err := db.Paused(ctx)
		require.NoError(t, err)
		require.Equal(t, []lifecycle.RuleName{lifecycle.EndTerm}, paused)
		holds, err := db.Holds(ctx, lifecycle.HoldQuery{Active: true})
		require.NoError(t, err)
		require.Len(t, holds, 1)
		require.Equal(t, lifecycle.SweepRejected, holds[0].Cause)
		require.Equal(t, "a typo in the policy", holds[0].Note)

		require.Zero(t, finish(t, db, opened(t, db, now.Add(time.Hour), lifecycle.EndTerm), now.Add(time.Hour)).Found)
		_, err = db.ReleaseHold(ctx, holds[0].ID, "put right", anOperator, now, now)
		require.NoError(t, err)
		require.EqualValues(t, 6, finish(t, db, opened(t, db, now.Add(2*time.Hour), lifecycle.EndTerm), now.Add(2*time.Hour)).Changed)
	})
}

func TestOperatorLetsThroughWhatABreakerWouldHold(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 6, 0)
		held := examined(t, db, opened(t, db, now, lifecycle.EndTerm).ID, cautious(5), now)
		sweep, how, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}, Trigger: lifecycle.TriggerRequest, AsOf: now,
			OpenedAt: now, Ruling: &lifecycle.Ruling{By: "ops", Note: "it is right", At: now}})
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedNew, how)
		require.Zero(t, examined(t, db, sweep.ID, cautious(5), now).ID)
		require.EqualValues(t, 6, finish(t, db, sweep, now).Changed)
		replaced, err := db.Sweep(ctx, held.ID)
		require.NoError(t, err)
		require.Equal(t, lifecycle.SweepCancelled, replaced.State)
	})
}

func TestHeldSweepCanBeCancelledAndIsNotForgotten(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 6, 0)
		held := examined(t, db, opened(t, db, now, lifecycle.EndTerm).ID, cautious(5), now)
		_, err := db.Prune(ctx, now.Add(1000*lifecycle.Day))
		require.NoError(t, err)
		all, err := db.HeldSweeps(ctx)
		require.NoError(t, err)
		require.Len(t, all, 1)
		busy, err := db.BusySweeps(ctx, 0, 10)
		require.NoError(t, err)
		require.Len(t, busy, 1)
		require.NoError(t, db.CancelSweep(ctx, held.ID, now))
		again := opened(t, db, now.Add(time.Minute), lifecycle.EndTerm)
		require.NotEqual(t, held.ID, again.ID)
		require.Equal(t, again.ID, examined(t, db, again.ID, cautious(5), now).ID)
		require.NoError(t, db.DropHeldSweeps(ctx, now), "as when the policy has changed")
		all, err = db.HeldSweeps(ctx)
		require.NoError(t, err)
		require.Empty(t, all)
	})
}

func TestSmallSweepsAndDryRunsAreNeverHeld(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 6, 0)
		p := policy.WithDefaults()
		require.Zero(t, examined(t, db, opened(t, db, now).ID, p, now).ID, "50 pass whatever share they are")
		dry, _, err := db.OpenSweep(ctx, lifecycle.SweepRequest{DryRun: true, Trigger: lifecycle.TriggerRequest, AsOf: now, OpenedAt: now})
		require.NoError(t, err)
		require.Zero(t, examined(t, db, dry.ID, cautious(1), now).ID)
	})
}

// An extension moves the end, so it is the records that count, not the steps; and a record counts under each rule that fires.
func TestPlanOfAHeldSweepCountsCascades(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		records := make([]lifecycle.Record, 5)
		for i := range records {
			records[i] = active(i, start)
			records[i].AutoExtend = i%2 == 0
		}
		load(t, db, records...)
		_, err := db.Retime(ctx, policy, start)
		require.NoError(t, err)
		now := start.Add(400 * lifecycle.Day)
		held := examined(t, db, opened(t, db, now).ID, cautious(1), now)
		require.Equal(t, map[lifecycle.RuleName]int64{lifecycle.AutoExtend: 3, lifecycle.EndTerm: 2, lifecycle.ReleaseName: 2}, held.Plan.Records)
		require.Equal(t, []lifecycle.RuleName{lifecycle.AutoExtend, lifecycle.EndTerm, lifecycle.ReleaseName}, held.Rules)
	})
}

func TestTwoWhoExamineAtOnceHoldOneSweep(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 6, 2)
		tick, all := opened(t, db, now, lifecycle.EndTerm), opened(t, db, now)
		var both sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			both.Go(func() {
				_, _, errs[i] = db.ExamineSweep(ctx, []int64{all.ID, tick.ID}[i%2], cautious(5), now, now)
			})
		}
		both.Wait()
		require.NoError(t, errors.Join(errs...))
		held, err := db.HeldSweeps(ctx)
		require.NoError(t, err)
		require.Len(t, held, 1)
		require.Equal(t, []lifecycle.RuleName{lifecycle.EndTerm}, held[0].Rules)
		running, err := db.RunningSweeps(ctx)
		require.NoError(t, err)
		for _, sweep := range running {
			require.NotContains(t, sweep.Fires(), lifecycle.EndTerm)
		}
	})
}

func TestTickDoesNotMoveASweepThatIsExamined(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 3, 0)
		require.Zero(t, examined(t, db, opened(t, db, now, lifecycle.EndTerm).ID, cautious(5), now).ID)
		later := now.Add(time.Hour)
		_, how, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}, Trigger: lifecycle.TriggerSchedule,
			AsOf: later, OpenedAt: later, Tick: later})
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedNew, how, "what it would do by then, nobody has looked at")
	})
}

func TestPlanSurvivesTheDatabase(t *testing.T) {
	p := lifecycle.SweepPlan{Cause: lifecycle.BreakerTripped, Records: maps.Clone(map[lifecycle.RuleName]int64{lifecycle.EndTerm: 214}), Population: 400,
		Limits: map[lifecycle.RuleName]int64{lifecycle.EndTerm: 50}, Notices: 20}
	require.Equal(t, "relationships that would change, of 400: end-term 214 (its breaker lets 50 through); notices that would be sent: 20",
		p.Text(lifecycle.RuleNames()))
}
