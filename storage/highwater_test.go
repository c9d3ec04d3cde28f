package storage

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var suspicious = lifecycle.DefaultQuarantine()

func advanced(t *testing.T, db *DB, now time.Time) (lifecycle.HighWater, lifecycle.Reason) {
	t.Helper()
	h, reason, err := db.AdvanceHighWater(ctx, suspicious, now)
	require.NoError(t, err)
	return h, reason
}

// stands is why everything is on hold; empty where it is not.
func stands(t *testing.T, db *DB) lifecycle.Reason {
	t.Helper()
	hold, still, err := db.Standstill(ctx)
	require.NoError(t, err)
	require.Equal(t, still, hold.ID != 0)
	return hold.Cause
}

func TestHighWaterMarkRisesWithTheClockAndTheEvents(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		h, err := db.HighWater(ctx)
		require.NoError(t, err)
		require.Zero(t, h.Seen)
		first, reason := advanced(t, db, start)
		require.Empty(t, reason)
		require.Equal(t, start, first.Seen)
		require.NotEmpty(t, first.Deployment)
		load(t, db, active(1, start.Add(lifecycle.Day)))
		second, _ := advanced(t, db, start.Add(time.Minute))
		require.Equal(t, first.Deployment, second.Deployment)
		require.Greater(t, second.Events, first.Events)
		third, reason := advanced(t, db, start) // a minute is no reason to stop
		require.Empty(t, reason)
		require.Equal(t, start.Add(time.Minute), third.Seen)
	})
}

func TestClockThatJumpsPutsEverythingInQuarantine(t *testing.T) {
	for _, test := range []struct {
		by   time.Duration
		want lifecycle.Reason
	}{
		{7 * lifecycle.Day, ""}, {7*lifecycle.Day + time.Microsecond, lifecycle.ClockAhead},
		{-5 * time.Minute, ""}, {-5*time.Minute - time.Microsecond, lifecycle.ClockBack},
	} {
		eachDatabase(t, func(t *testing.T, db *DB) {
			advanced(t, db, start)
			h, reason := advanced(t, db, start.Add(test.by))
			require.Equal(t, test.want, reason)
			require.Equal(t, test.want, stands(t, db))
			if test.want != "" {
				require.Equal(t, start, h.Seen, "a clock that is astray moves nothing")
			}
		})
	}
}

func TestSweepOfAClockThatIsAstrayIsPlannedAndHeld(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 3, 1)
		advanced(t, db, now)
		ahead := now.Add(365 * lifecycle.Day)
		ask := lifecycle.SweepRequest{Trigger: lifecycle.TriggerSchedule, AsOf: ahead, OpenedAt: ahead, Tick: ahead, Quarantine: suspicious}
		sweep, how, err := db.OpenSweep(ctx, ask)
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedNew, how)
		require.Equal(t, lifecycle.ClockAhead, stands(t, db))
		held := examined(t, db, sweep.ID, policy, ahead)
		require.Equal(t, sweep.ID, held.ID)
		require.Equal(t, lifecycle.ClockAhead, held.Plan.Cause)
		require.EqualValues(t, 3, held.Plan.Records[lifecycle.EndTerm])

		// One for each rule, however often it ticks; and nobody's word ends more than it is about.
		ask.Tick = ahead.Add(time.Minute)
		again, how, err := db.OpenSweep(ctx, ask)
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedJoined, how)
		require.Equal(t, held.ID, again.ID)
		require.ErrorIs(t, db.ApproveSweep(ctx, held.ID, "go", anOperator, now), lifecycle.ErrStandstill)
		require.ErrorIs(t, db.RejectSweep(ctx, held.ID, "no", anOperator, now, now), lifecycle.ErrStandstill)
		ask.Ruling = &lifecycle.Ruling{By: "ops", Note: "go", At: now}
		_, _, err = db.OpenSweep(ctx, ask)
		require.ErrorIs(t, err, lifecycle.ErrStandstill)

		// The clock is put right and everything released: the plan was of a time that never was, and what is due happens.
		hold, err := db.ReleaseQuarantine(ctx, "the clock is right again", anOperator, now.Add(time.Hour), now)
		require.NoError(t, err)
		require.NotZero(t, hold.ID)
		dropped, err := db.Sweep(ctx, held.ID)
		require.NoError(t, err)
		require.Equal(t, lifecycle.SweepCancelled, dropped.State)
		last, err := db.LastTicks(ctx)
		require.NoError(t, err)
		require.Empty(t, last, "ticks of a time that never was keep no later ones from being taken, nor seen")
		real := finish(t, db, opened(t, db, now.Add(time.Hour)), now.Add(time.Hour))
		require.EqualValues(t, 4, real.Changed)
		_, reason := advanced(t, db, now.Add(time.Hour))
		require.Empty(t, reason)
	})
}

func TestOneClockThatIsWrongMovesNothingWhileOthersAreRight(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		advanced(t, db, start)
		require.ErrorIs(t, db.CheckClock(ctx, suspicious, start.Add(30*lifecycle.Day)), lifecycle.ErrClockAstray)
		require.Equal(t, lifecycle.ClockAhead, stands(t, db))
		require.NoError(t, db.CheckClock(ctx, suspicious, start.Add(time.Hour)))
		require.NoError(t, db.CheckClock(ctx, lifecycle.QuarantinePolicy{}, start.Add(3000*lifecycle.Day)), "where the policy looks at nothing")
	})
}

func TestNobodyActsByAClockThatIsAstray(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		careful := *policy
		careful.Quarantine = suspicious
		load(t, db, active(1, start.Add(90*lifecycle.Day)))
		terminate := func(now time.Time) error {
			_, err := db.Act(ctx, id(1), &careful, func(c lifecycle.Case) (lifecycle.Decision, error) {
				return c.Act(&careful, now, lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Customer})
			})
			return err
		}
		advanced(t, db, start)
		require.ErrorIs(t, terminate(start.Add(30*lifecycle.Day)), lifecycle.ErrClockAstray)
		r, err := db.Relationship(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, lifecycle.Active, r.Status)
		require.NoError(t, terminate(start.Add(time.Hour)))
	})
}

func TestSeveralWhoFindTheSamePlaceOneHold(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		advanced(t, db, start)
		var all sync.WaitGroup
		var found atomic.Int32
		for range 8 {
			all.Go(func() {
				if _, reason, err := db.AdvanceHighWater(ctx, suspicious, start.Add(-time.Hour)); err == nil && reason == lifecycle.ClockBack {
					found.Add(1)
				}
			})
		}
		all.Wait()
		require.Positive(t, found.Load())
		require.Equal(t, 1, count(t, db, `SELECT count(*) FROM holds`))
	})
}

func TestWitnessWhoKnowsOfMoreIsBelievedUntilAnOperatorHasLooked(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		h, _ := advanced(t, db, start)
		require.False(t, h.Lacks(h))
		check := func(witness lifecycle.HighWater) lifecycle.Reason {
			reason, err := db.CheckWitness(ctx, witness, start)
			require.NoError(t, err)
			return reason
		}
		other := lifecycle.HighWater{Deployment: "another", Seen: start.Add(lifecycle.Day), Events: 1000}
		require.Empty(t, check(h))
		require.Empty(t, check(other), "it is about something else")
		more := lifecycle.HighWater{Deployment: h.Deployment, Seen: start.Add(lifecycle.Day), Events: h.Events + 7}
		require.Equal(t, lifecycle.EventsMissing, check(more))
		require.Empty(t, check(more), "it is known")
		require.Equal(t, lifecycle.EventsMissing, stands(t, db))

		_, err := db.ReleaseQuarantine(ctx, "the backup is all that there is", anOperator, start.Add(time.Minute), start)
		require.NoError(t, err)
		require.Empty(t, check(more), "just that was accepted")
		more.Events += 1000
		require.Equal(t, lifecycle.EventsMissing, check(more))
	})
}

func TestLargeBacklogAtTheStartIsLookedAtFirst(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 6, 0)
		q := lifecycle.QuarantinePolicy{Backlog: lifecycle.Breaker{Percent: 50, Least: 2}}
		reason, err := db.CheckBacklog(ctx, q, now)
		require.NoError(t, err)
		require.Empty(t, reason, "nobody has ever looked: everything is new")
		advanced(t, db, start)
		reason, err = db.CheckBacklog(ctx, q, start)
		require.NoError(t, err)
		require.Empty(t, reason, "nothing is due yet")
		reason, err = db.CheckBacklog(ctx, q, now)
		require.NoError(t, err)
		require.Equal(t, lifecycle.LargeBacklog, reason)
	})
}

func TestNothingLeavesWhileEverythingIsOnHold(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 2, 0)
		agents(t, db, "a@partner.example")
		finish(t, db, opened(t, db, now), now)
		waiting, err := db.WaitingLetters(ctx, now, now)
		require.NoError(t, err)
		require.NotEmpty(t, waiting)
		claimAll := func() []lifecycle.Letter {
			letters, err := db.ClaimLetters(ctx, lifecycle.Claim{Channel: lifecycle.DefaultChannel, Now: now, Wall: now, LeaseUntil: now.Add(time.Minute), Most: 1})
			require.NoError(t, err)
			return letters
		}
		claimed := claimAll()
		require.Len(t, claimed, 1)

		_, err = db.PlaceQuarantine(ctx, Quarantine{Cause: lifecycle.ClockAhead, Note: "a year", At: now})
		require.NoError(t, err)
		waiting, err = db.WaitingLetters(ctx, now, now)
		require.NoError(t, err)
		require.Empty(t, waiting, "nobody is rung for nothing")
		require.Empty(t, claimAll())
		begun, err := db.BeginLetters(ctx, claimed)
		require.NoError(t, err)
		require.Empty(t, begun, "what was claimed before is not begun either")
		erased, err := db.EraseRecipients(ctx, now.Add(1000*lifecycle.Day), 100)
		require.NoError(t, err)
		require.Zero(t, erased)
		orders, err := db.ClaimProvisioning(ctx, now, now.Add(time.Minute), 10)
		require.NoError(t, err)
		require.Empty(t, orders)

		_, err = db.ReleaseQuarantine(ctx, "all is well", anOperator, now, now)
		require.NoError(t, err)
		require.Len(t, claimAll(), 1)
	})
}

// A backup that is restored beneath running processes: whoever looks next finds out, and until then nobody takes anything up.
func TestNothingIsTakenUpFromAnOlderCopyBeforeSomebodyHasLooked(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		now := manyEnd(t, db, 2, 0)
		agents(t, db, "a@partner.example")
		finish(t, db, opened(t, db, now), now)
		known, _ := advanced(t, db, now)
		begin := claimed(t, db, asked(now, 1))
		require.Len(t, begin, 1)
		require.NoError(t, db.write(ctx, "restore a backup", func(s session) error {
			return setMeta(ctx, s, metaValue{metaSeen, at(now.Add(-time.Hour)).String()})
		}))
		require.Empty(t, claimed(t, db, asked(now, 1)), "it may have been sent since")
		require.Empty(t, begun(t, db, begin...))
		later := now.Add(time.Second)
		load(t, db, active(7, now))
		for _, ref := range cutAll(t, db, opened(t, db, later).ID, 10, 10) {
			_, _, ok, err := db.ClaimChunk(ctx, ref, later, later.Add(time.Minute))
			require.NoError(t, err)
			require.False(t, ok)
		}
		_, err := db.CheckWitness(ctx, known, later)
		require.NoError(t, err)
		require.Equal(t, lifecycle.EventsMissing, stands(t, db))
		_, err = db.ReleaseQuarantine(ctx, "there is no later copy", anOperator, later, later)
		require.NoError(t, err)
		require.NotEmpty(t, claimed(t, db, asked(later, 1)))
	})
}

// The story of a backup: it is copied, things happen, and it is copied back.
func TestRestoredFileIsFoundOutByItsWitness(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "live.db"), filepath.Join(dir, "backup.db")
	db := migrated(t, "sqlite:"+path, Live)
	advanced(t, db, start)
	load(t, db, active(1, start.Add(time.Hour)))
	require.NoError(t, db.Close())
	copyFile(t, path, backup)

	db = migrated(t, "sqlite:"+path, Live)
	now := start.Add(2 * time.Hour)
	require.EqualValues(t, 1, finish(t, db, opened(t, db, now), now).Changed)
	witness, _ := advanced(t, db, now)
	require.NoError(t, db.Close())
	copyFile(t, backup, path)

	db = migrated(t, "sqlite:"+path, Live)
	reason, err := db.CheckWitness(ctx, witness, now)
	require.NoError(t, err)
	require.Equal(t, lifecycle.EventsMissing, reason)
	held := examined(t, db, opened(t, db, now).ID, policy, now)
	require.Equal(t, lifecycle.EventsMissing, held.Plan.Cause)
	_, err = db.ReleaseQuarantine(ctx, "there is no later copy", anOperator, now, now)
	require.NoError(t, err)
	done := finish(t, db, opened(t, db, now.Add(time.Minute)), now.Add(time.Minute))
	require.EqualValues(t, 1, done.Changed, "with the instant at which it fell due")
	events, err := db.Events(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, start.Add(time.Hour), events[len(events)-1].Effective)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	for _, side := range []string{"-wal", "-shm"} {
		require.NoError(t, os.RemoveAll(to+side))
	}
	raw, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, raw, 0o600))
}

func TestFewerEventsThanTheMarkKnowsOfAreQuarantine(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.AddDate(1, 0, 0)), active(2, start.AddDate(1, 0, 0)))
		_, reason, err := db.AdvanceHighWater(ctx, suspicious, start)
		require.NoError(t, err)
		require.Empty(t, reason)

		// Some tables are from an older backup: the mark is not among them.
		_, err = db.pool.ExecContext(ctx, "DELETE FROM event_batches")
		require.NoError(t, err)
		_, reason, err = db.AdvanceHighWater(ctx, lifecycle.QuarantinePolicy{}, start)
		require.NoError(t, err)
		require.Empty(t, reason, "switched off, it looks at nothing")
	})
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.AddDate(1, 0, 0)), active(2, start.AddDate(1, 0, 0)))
		_, _, err := db.AdvanceHighWater(ctx, suspicious, start)
		require.NoError(t, err)
		_, err = db.pool.ExecContext(ctx, "DELETE FROM event_batches")
		require.NoError(t, err)
		_, reason, err := db.AdvanceHighWater(ctx, suspicious, start.Add(time.Second))
		require.NoError(t, err)
		require.Equal(t, lifecycle.EventsMissing, reason)
		hold, still, err := db.Standstill(ctx)
		require.NoError(t, err)
		require.True(t, still)
		require.Contains(t, hold.Note, "there were 2 events")

		_, err = db.ReleaseQuarantine(ctx, "it is the one to go on with", anOperator, start.Add(time.Minute), start.Add(time.Minute))
		require.NoError(t, err)
		_, reason, err = db.AdvanceHighWater(ctx, suspicious, start.Add(2*time.Minute))
		require.NoError(t, err)
		require.Empty(t, reason, "accepted")
	})
}

func TestMarkNeverFallsBehindWhatAProcessWasAnswered(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		var processes sync.WaitGroup
		for n := range 8 {
			processes.Go(func() {
				for i := range 12 {
					told, _, err := db.AdvanceHighWater(ctx, suspicious, start.Add(time.Duration(i*8+n)*time.Second))
					if !assert.NoError(t, err) {
						return
					}
					h, err := db.HighWater(ctx)
					assert.NoError(t, err)
					assert.Equal(t, told.Deployment, h.Deployment, "two who begin at once agree which deployment it is")
					assert.False(t, h.Lacks(told), "the database says %s, and a process was told %s", h.Seen, told.Seen)
				}
			})
		}
		processes.Wait()
		require.Empty(t, stands(t, db))
	})
}
