package storage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// sweptAt does at an instant what is due under a rule, in a sweep of its own.
func sweptAt(t *testing.T, db *DB, now time.Time, rules ...lifecycle.RuleName) lifecycle.Tally {
	t.Helper()
	sweep, _, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Rules: rules, Trigger: lifecycle.TriggerSchedule, AsOf: now, OpenedAt: now})
	require.NoError(t, err)
	var tally lifecycle.Tally
	for _, ref := range cutAll(t, db, sweep.ID, 100, 1) {
		chunk := claim(t, db, ref, now)
		records, failures, err := db.DueRecords(ctx, chunk, lifecycle.ScanFor(rules), now)
		require.NoError(t, err)
		require.Empty(t, failures)
		decided := make([]lifecycle.Decided, len(records))
		for i, r := range records {
			decided[i] = lifecycle.Decided{Key: r.Key, Version: r.Version, Decision: lifecycle.Evaluate(r.Record, policy, now, rules...)}
		}
		written, err := db.ApplyChunk(ctx, chunk.ChunkRef, decided, lifecycle.Tally{Found: int64(len(records))}, nil, now)
		require.NoError(t, err)
		tally.Add(written)
	}
	_, _, err = db.FinishSweep(ctx, sweep.ID, now)
	require.NoError(t, err)
	return tally
}

func lateIn(t *testing.T, db *DB, w lifecycle.LatenessWindow, now time.Time) lifecycle.Latenesses {
	t.Helper()
	report, err := db.Latenesses(ctx, now)
	require.NoError(t, err)
	return report[w]
}

func TestLatenessIsCountedByRuleAndWindow(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.Add(lifecycle.Day)), active(2, start.Add(lifecycle.Day)), active(3, start.Add(4*lifecycle.Day)))
		sweptAt(t, db, start.Add(lifecycle.Day+90*time.Second), lifecycle.EndTerm)
		now := start.Add(4*lifecycle.Day + 3*time.Second)
		sweptAt(t, db, now, lifecycle.EndTerm)
		require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {3: 1}}, lateIn(t, db, lifecycle.LastDay, now))
		require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {3: 1, 120: 2}}, lateIn(t, db, lifecycle.LastWeek, now))
		require.Empty(t, lateIn(t, db, lifecycle.LastMonth, now.Add(60*lifecycle.Day)))

		c, err := db.Condition(ctx, policy, now, now)
		require.NoError(t, err)
		require.Equal(t, now, c.Chunks.LastDone)
		require.Equal(t, lifecycle.LatenessCounts{3: 1}, c.Rules[3].Late[lifecycle.LastDay], c.Rules[3].Rule)
	})
}

func TestLatenessOfAChunkIsReadOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.Add(lifecycle.Day)), active(2, start.Add(3*lifecycle.Day)), active(3, start.Add(5*lifecycle.Day)))
		first := start.Add(lifecycle.Day + 90*time.Second)
		sweptAt(t, db, first, lifecycle.EndTerm)
		require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {120: 1}}, lateIn(t, db, lifecycle.LastDay, first.Add(lateSettles)))
		_, err := db.pool.ExecContext(ctx, `UPDATE chunks SET latenesses = 'no longer readable' WHERE latenesses <> ''`)
		require.NoError(t, err)

		second := start.Add(3*lifecycle.Day + 3*time.Second)
		sweptAt(t, db, second, lifecycle.EndTerm)
		for range 2 { // what is new counts once, however often it is looked at before it is settled
			require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {3: 1}}, lateIn(t, db, lifecycle.LastDay, second.Add(time.Minute)))
			require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {3: 1, 120: 1}}, lateIn(t, db, lifecycle.LastWeek, second.Add(time.Minute)))
		}
		third := start.Add(5*lifecycle.Day + 7*time.Second)
		sweptAt(t, db, third, lifecycle.EndTerm)
		require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {3: 1, 7: 1, 120: 1}}, lateIn(t, db, lifecycle.LastWeek, third))
		require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {3: 1, 7: 1, 120: 1}}, lateIn(t, db, lifecycle.LastMonth, third))
		require.Empty(t, lateIn(t, db, lifecycle.LastMonth, third.Add(31*lifecycle.Day)))
		require.Empty(t, db.late.entries, "what is in no window any more is forgotten")

		_, err = db.Latenesses(ctx, third)
		require.Error(t, err, "the clock was set back: all of it is read anew")
	})
}

func TestChunkThatIsWrittenInPartsCountsAllOfThem(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.Add(lifecycle.Day)
		load(t, db, active(1, end), active(2, end), active(3, end))
		now := end.Add(10 * time.Second)
		chunk := claim(t, db, cutAll(t, db, opened(t, db, now).ID, 100, 1)[0], now)
		records, _, err := db.DueRecords(ctx, chunk, nil, now)
		require.NoError(t, err)
		decided := decide(now, records...)
		tally, err := db.ApplyPart(ctx, chunk.ChunkRef, decided[:1])
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Changed: 1, Lateness: 10 * time.Second}, tally)
		late := chunk.ChunkRef
		late.Claim--
		tally, err = db.ApplyPart(ctx, late, decided[1:2])
		require.NoError(t, err)
		require.Zero(t, tally, "the claim is lost")
		_, err = db.ApplyPart(ctx, chunk.ChunkRef, decided[1:2])
		require.NoError(t, err)
		_, err = db.ApplyChunk(ctx, chunk.ChunkRef, decided, lifecycle.Tally{}, nil, now)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {10: 3}}, lateIn(t, db, lifecycle.LastDay, now), "each once, whatever was tried twice")
	})
}

func TestWhatWasHeldUpIsLateFromTheReleaseOn(t *testing.T) {
	by := lifecycle.Caller{Name: "ops"}
	holds := []lifecycle.Hold{{Kind: lifecycle.HoldRelationship, Subject: id(1), Note: "lawyers"}, {Kind: lifecycle.HoldTenant, Subject: customer, Note: "lawyers"},
		{Kind: lifecycle.HoldRule, Subject: string(lifecycle.EndTerm), Note: "pause"}, {Kind: lifecycle.HoldEverything, Note: "stop"}}
	eachDatabase(t, func(t *testing.T, db *DB) {
		ends := func(i int) time.Time { return start.Add(time.Duration(i+1) * 10 * lifecycle.Day) }
		for i := range holds {
			load(t, db, active(i+1, ends(i)))
		}
		for i, hold := range holds {
			placed, err := db.PlaceHold(ctx, hold, by, ends(i).Add(-time.Hour))
			require.NoError(t, err)
			released := ends(i).Add(3 * lifecycle.Day)
			_, err = db.ReleaseHold(ctx, placed.ID, "done", by, released, released)
			require.NoError(t, err)
			now := released.Add(40 * time.Second)
			require.Equal(t, 3*lifecycle.Day+40*time.Second, sweptAt(t, db, now, lifecycle.EndTerm).Lateness, "it took effect when it did")
			require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {40: 1}}, lateIn(t, db, lifecycle.LastDay, now), hold.Kind)
		}
	})
}

func TestWhatASweepThatIsHeldKeepsBackIsLateFromTheRulingOn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.Add(lifecycle.Day)
		load(t, db, active(1, end))
		tripping := *policy
		tripping.Breakers = map[lifecycle.RuleName]lifecycle.Breaker{lifecycle.EndTerm: {Percent: 10}}
		now := end.Add(10 * time.Second)
		sweep, _, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}, Trigger: lifecycle.TriggerSchedule, AsOf: now, OpenedAt: now})
		require.NoError(t, err)
		held, _, err := db.ExamineSweep(ctx, sweep.ID, &tripping, now, now)
		require.NoError(t, err)
		require.NotZero(t, held.ID)
		ruled := now.Add(7 * time.Hour)
		require.NoError(t, db.ApproveSweep(ctx, held.ID, "right", lifecycle.Caller{Name: "ops"}, ruled))
		now = ruled.Add(5 * time.Second)
		chunk := claim(t, db, cutAll(t, db, held.ID, 100, 1)[0], now)
		records, _, err := db.DueRecords(ctx, chunk, []lifecycle.RuleName{lifecycle.EndTerm}, now)
		require.NoError(t, err)
		_, err = db.ApplyChunk(ctx, chunk.ChunkRef, decide(now, records...), lifecycle.Tally{Found: 1}, nil, now)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {15: 1}}, lateIn(t, db, lifecycle.LastDay, now), "ten seconds before, and five after")
	})
}

func TestWhatAnImportOrAPolicyBringsDueIsLateFromThenOn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.Add(-20*lifecycle.Day))) // at start, and long over
		sweptAt(t, db, start.Add(30*time.Second), lifecycle.EndTerm)
		require.Equal(t, lifecycle.Latenesses{lifecycle.EndTerm: {30: 1}}, lateIn(t, db, lifecycle.LastDay, start.Add(time.Minute)))
	})
	eachDatabase(t, func(t *testing.T, db *DB) {
		pending := active(1, start)
		pending.Status, pending.Activated, pending.End, pending.WarnAfter = lifecycle.ApprovalPending, time.Time{}, time.Time{}, time.Time{}
		pending.Locked = start
		overdue := pending
		overdue.ID, overdue.DisplayName, overdue.Locked = id(2), "Relationship 2", start.Add(-40*lifecycle.Day)
		load(t, db, pending, overdue)
		require.NoError(t, db.KeepPolicy(ctx, policy, start))
		shorter := *policy
		shorter.Requests.LapseAfter = lifecycle.Days(30)
		set := start.Add(60 * lifecycle.Day) // when the second has been overdue for ten days
		_, err := db.Retime(ctx, &shorter, set)
		require.NoError(t, err)
		require.NoError(t, db.KeepPolicy(ctx, &shorter, set))
		now := set.Add(20 * time.Second)
		was := policy
		policy = &shorter
		defer func() { policy = was }()
		sweptAt(t, db, now, lifecycle.ExpirePending)
		late := lateIn(t, db, lifecycle.LastDay, now)[lifecycle.ExpirePending]
		require.Equal(t, int64(1), late[20], "the policy has brought it due")
		require.Len(t, late, 2)
		require.Greater(t, late.Greatest(), 9*lifecycle.Day, "the other one was overdue before")
	})
}

func TestConditionIsReadWithoutChangingAnything(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		db := migrated(t, url, Live)
		load(t, db, active(1, start.Add(time.Minute)), active(2, start.Add(time.Minute)), ended(3, start.Add(-400*lifecycle.Day)))
		by := lifecycle.Caller{Name: "ops"}
		_, err := db.PlaceHold(ctx, lifecycle.Hold{Kind: lifecycle.HoldRelationship, Subject: id(2), Note: "lawyers"}, by, start)
		require.NoError(t, err)
		_, err = db.PlaceHold(ctx, lifecycle.Hold{Kind: lifecycle.HoldRule, Subject: string(lifecycle.ReleaseName), Note: "later"}, by, start)
		require.NoError(t, err)
		now := start.Add(time.Hour)
		sweep, _, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}, Trigger: lifecycle.TriggerSchedule,
			Tick: now.Truncate(time.Minute), AsOf: now, OpenedAt: now})
		require.NoError(t, err)
		cutAll(t, db, sweep.ID, 100, 1)
		require.NoError(t, db.SwitchChannel(ctx, "desk", false, "moving house", now))

		looking, err := OpenReadOnly(ctx, url)
		require.NoError(t, err)
		defer looking.Close()
		c, err := looking.Condition(ctx, policy, now, now)
		require.NoError(t, err)
		rules := map[lifecycle.RuleName]lifecycle.RuleCondition{}
		for _, r := range c.Rules {
			rules[r.Rule] = r
		}
		require.EqualValues(t, 1, rules[lifecycle.EndTerm].Due)
		require.EqualValues(t, 1, rules[lifecycle.EndTerm].Held)
		require.Equal(t, now.Truncate(time.Minute), rules[lifecycle.EndTerm].LastTick)
		require.True(t, rules[lifecycle.ReleaseName].Paused)
		require.EqualValues(t, 1, rules[lifecycle.ReleaseName].Due)
		require.Equal(t, map[lifecycle.HoldKind]int64{lifecycle.HoldRelationship: 1, lifecycle.HoldRule: 1}, c.HoldCounts)
		require.Len(t, c.Sweeps, 1)
		require.Equal(t, lifecycle.ChunkCounts{Waiting: 1}, c.Chunks)
		require.Len(t, c.Channels, 1)
		require.False(t, c.Sandbox)
		require.False(t, c.OtherPolicy)
		require.Positive(t, c.Ledger.Events())
		require.Zero(t, c.Replication)
	})
}
