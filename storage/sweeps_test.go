package storage

import (
	"cmp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestOneTickOpensOneSweep(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const openers = 8
		answers := make([]lifecycle.Opened, openers)
		var wait sync.WaitGroup
		for i := range openers {
			wait.Go(func() {
				_, answers[i], _ = db.OpenSweep(ctx, lifecycle.SweepRequest{Trigger: lifecycle.TriggerSchedule, AsOf: start, OpenedAt: start, Tick: start})
			})
		}
		wait.Wait()
		slices.Sort(answers)
		require.Equal(t, append(slices.Repeat([]lifecycle.Opened{lifecycle.OpenedLost}, openers-1), lifecycle.OpenedNew), answers)
		sweeps, err := db.RunningSweeps(ctx)
		require.NoError(t, err)
		require.Len(t, sweeps, 1)
		require.EqualValues(t, 1, sweeps[0].ID)
		require.Equal(t, len(lifecycle.Rules), count(t, db, "SELECT count(*) FROM ticks WHERE sweep_id = 1"))
	})
}

func TestTickIsTakenRuleByRule(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		open := func(rules ...lifecycle.RuleName) (lifecycle.Sweep, lifecycle.Opened) {
			sweep, how, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Rules: rules, AsOf: start, OpenedAt: start, Tick: start})
			require.NoError(t, err)
			return sweep, how
		}
		_, how := open(lifecycle.EndTerm)
		require.Equal(t, lifecycle.OpenedNew, how)
		sweep, how := open(lifecycle.EndTerm, lifecycle.WarnExpiry)
		require.Equal(t, lifecycle.OpenedNew, how, "the warnings have not been looked at yet")
		require.EqualValues(t, 2, sweep.ID)
		sweep, how = open(lifecycle.WarnExpiry, lifecycle.EndTerm)
		require.Equal(t, lifecycle.OpenedLost, how)
		require.Zero(t, sweep)
		last, err := db.LastTicks(ctx)
		require.NoError(t, err)
		require.Equal(t, map[lifecycle.RuleName]time.Time{lifecycle.EndTerm: start, lifecycle.WarnExpiry: start}, last)
	})
}

func TestIdempotencyKeyAnswersWithItsSweep(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		ask := lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm, lifecycle.AutoExtend}, Trigger: lifecycle.TriggerRequest,
			AsOf: start, OpenedAt: start, IdempotencyKey: "k"}
		first, how, err := db.OpenSweep(ctx, ask)
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedNew, how)
		require.NoError(t, db.CancelSweep(ctx, first.ID, start))

		again := ask
		again.AsOf, again.OpenedAt = start.Add(time.Hour), start.Add(time.Hour)
		again.Rules = []lifecycle.RuleName{lifecycle.AutoExtend, lifecycle.EndTerm}
		second, how, err := db.OpenSweep(ctx, again)
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedBefore, how)
		require.Equal(t, first.ID, second.ID)
		require.Equal(t, lifecycle.SweepCancelled, second.State, "as it is now")

		other := again
		other.DryRun = true
		_, _, err = db.OpenSweep(ctx, other)
		require.ErrorIs(t, err, lifecycle.ErrKeyReused)

		again.OpenedAt = start.Add(24 * time.Hour)
		third, how, err := db.OpenSweep(ctx, again)
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedNew, how, "a day later the key is forgotten")
		require.Equal(t, first.ID+1, third.ID, "numbers have no gaps")
	})
}

func TestRequestJoinsASweepThatDoesTheSame(t *testing.T) {
	ends := []lifecycle.RuleName{lifecycle.EndTerm}
	later := start.Add(time.Hour)
	for _, test := range []struct {
		name string
		req  lifecycle.SweepRequest
		want lifecycle.Opened
	}{
		{"the same", lifecycle.SweepRequest{Rules: ends, AsOf: start}, lifecycle.OpenedJoined},
		{"a moment later", lifecycle.SweepRequest{Rules: ends, AsOf: later}, lifecycle.OpenedJoined},
		{"a tick", lifecycle.SweepRequest{Rules: ends, AsOf: later, Tick: later}, lifecycle.OpenedJoined},
		{"less far", lifecycle.SweepRequest{Rules: ends, AsOf: start.Add(-1000)}, lifecycle.OpenedNew},
		{"more rules", lifecycle.SweepRequest{AsOf: start}, lifecycle.OpenedNew},
		{"other rules", lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.ReleaseName}, AsOf: start}, lifecycle.OpenedNew},
		{"a dry run", lifecycle.SweepRequest{Rules: ends, AsOf: start, DryRun: true}, lifecycle.OpenedNew},
		{"the clock was moved", lifecycle.SweepRequest{Rules: ends, AsOf: later, Trigger: lifecycle.TriggerClock}, lifecycle.OpenedNew},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := migrated(t, "sqlite::memory:", Live) // no SQL of its own: one database will do
			running := opened(t, db, start, ends...)
			test.req.OpenedAt = test.req.AsOf
			sweep, how, err := db.OpenSweep(ctx, test.req)
			require.NoError(t, err)
			require.Equal(t, test.want, how)
			require.Equal(t, how == lifecycle.OpenedJoined, sweep.ID == running.ID)
		})
	}
}

func TestNobodyJoinsASweepThatIsOver(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		require.NoError(t, db.CancelSweep(ctx, opened(t, db, start).ID, start))
		opened(t, db, start)
	})
}

// due are the keys that a sweep has to come upon, in the order in which they fall due.
func due(t *testing.T, db *DB, asOf time.Time, rules []lifecycle.RuleName) (keys []int64) {
	t.Helper()
	type timer struct {
		key int64
		at  time.Time
	}
	var timers []timer
	scan := lifecycle.ScanFor(rules)
	require.NoError(t, db.EachRelationship(ctx, func(r lifecycle.Stored) error {
		if next := lifecycle.NextTimer(&r.Record, policy); next.Rule != "" && !next.At.After(asOf) && slices.Contains(scan, next.Rule) {
			timers = append(timers, timer{r.Key, next.At})
		}
		return nil
	}))
	slices.SortFunc(timers, func(a, b timer) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.key, b.key)) })
	for _, timer := range timers {
		keys = append(keys, timer.key)
	}
	return keys
}

// read are the keys that the chunks of a sweep come upon, and how many each was said to have.
func read(t *testing.T, db *DB, refs []lifecycle.ChunkRef, size int) (keys []int64) {
	t.Helper()
	for _, ref := range refs {
		chunk, sweep, ok, err := db.ClaimChunk(ctx, ref, start, start.Add(time.Minute))
		require.NoError(t, err)
		require.True(t, ok)
		records, failures, err := db.DueRecords(ctx, chunk, sweep.Rules, sweep.AsOf)
		require.NoError(t, err)
		require.Empty(t, failures)
		require.LessOrEqual(t, len(records), size)
		for _, r := range records {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

func TestCuttingCoversExactlyWhatIsDue(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			records := make([]lifecycle.Record, rapid.IntRange(0, 40).Draw(rt, "records"))
			for i := range records {
				n++
				// Few instants, so that many records fall due at once and chunks end between them.
				end := start.Add(time.Duration(rapid.IntRange(-3, 3).Draw(rt, "hours")) * time.Hour)
				records[i] = active(n, end)
				records[i].AutoExtend = rapid.Bool().Draw(rt, "extends")
			}
			load(t, db, records...)
			var rules []lifecycle.RuleName
			if rapid.Bool().Draw(rt, "one rule") {
				rules = append(rules, rapid.SampledFrom(lifecycle.RuleNames()).Draw(rt, "rule"))
			}
			asOf := start.Add(time.Duration(rapid.IntRange(-4, 4).Draw(rt, "as of")) * time.Hour)
			size, most := rapid.IntRange(1, 7).Draw(rt, "size"), rapid.IntRange(1, 5).Draw(rt, "most")
			sweep := opened(t, db, asOf, rules...)
			want := due(t, db, asOf, rules)
			require.Equal(rt, want, read(t, db, cutAll(t, db, sweep.ID, size, most), size))

			cut, err := db.Sweep(ctx, sweep.ID)
			require.NoError(rt, err)
			require.True(rt, cut.Cut)
			require.EqualValues(rt, len(want), cut.Found, "what is due is known before anything is done")
			require.Equal(rt, (len(want)+size-1)/size, cut.Chunks)
			require.NoError(rt, db.CancelSweep(ctx, sweep.ID, asOf))
			_, err = db.pool.ExecContext(ctx, "UPDATE clocks SET next_at = NULL, status = 'created' WHERE next_at IS NOT NULL")
			require.NoError(rt, err) // out of the way of the next round
		})
	})
}

func TestRecordsThatChangeWhileASweepIsCutAreReadOnceOrNotAtAll(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		var records []lifecycle.Record
		for n := range 30 {
			records = append(records, active(n+1, start.Add(time.Duration(n)*time.Minute)))
		}
		load(t, db, records...)
		asOf := start.Add(time.Hour)
		sweep := opened(t, db, asOf, lifecycle.EndTerm)
		refs, _, err := db.CutChunks(ctx, sweep.ID, 5, 3)
		require.NoError(t, err)
		for _, moved := range []struct {
			n  int
			to time.Time
		}{{2, asOf.Add(time.Hour)}, {3, start.Add(25*time.Minute + 1000)}, {25, start.Add(time.Minute)}} {
			_, err := db.Act(ctx, id(moved.n), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
				r := c.Record
				r.End = moved.to
				r.Version++
				return lifecycle.Decision{Record: r, Recorded: start, Next: lifecycle.Timer{Rule: lifecycle.EndTerm, At: moved.to},
					Changes: []lifecycle.Change{{Version: r.Version, Type: lifecycle.EventExtended, Effective: start}}}, nil
			})
			require.NoError(t, err)
		}
		keys := read(t, db, append(refs, cutAll(t, db, sweep.ID, 5, 3)...), 6)
		slices.Sort(keys)
		var want []int64
		for n := int64(1); n <= 30; n++ {
			if n != 2 { // not due any more
				want = append(want, n)
			}
		}
		require.Equal(t, want, keys, "25, which has come to lie in a chunk that was cut, is read with it")
	})
}

func TestTwoWhoCutShareTheWork(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		var records []lifecycle.Record
		for n := range 90 {
			records = append(records, active(n+1, start))
		}
		load(t, db, records...)
		sweep := opened(t, db, start, lifecycle.EndTerm)
		var mu sync.Mutex
		var all []lifecycle.ChunkRef
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for cut := false; !cut; {
					var refs []lifecycle.ChunkRef
					var err error
					if refs, cut, err = db.CutChunks(ctx, sweep.ID, 4, 2); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					all = append(all, refs...)
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		slices.SortFunc(all, func(a, b lifecycle.ChunkRef) int { return cmp.Compare(a.N, b.N) })
		require.Equal(t, due(t, db, start, sweep.Rules), read(t, db, all, 4))
	})
}

func TestSweepIsOverWhenItIsCutAndItsChunksAreClosed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start), active(2, start), active(3, start))
		sweep := opened(t, db, start)
		closers := 0
		over := func() bool {
			over, closed, err := db.FinishSweep(ctx, sweep.ID, start)
			require.NoError(t, err)
			if closed {
				closers++
			}
			return over
		}
		require.False(t, over(), "nobody knows yet what is to be done")
		refs, cut, err := db.CutChunks(ctx, sweep.ID, 2, 1)
		require.NoError(t, err)
		require.False(t, cut)
		apply := func(ref lifecycle.ChunkRef) {
			chunk := claim(t, db, ref, start)
			records, _, err := db.DueRecords(ctx, chunk, nil, start)
			require.NoError(t, err)
			_, err = db.ApplyChunk(ctx, chunk.ChunkRef, decide(start, records...), lifecycle.Tally{Found: int64(len(records))}, nil, start)
			require.NoError(t, err)
		}
		apply(refs[0])
		require.False(t, over(), "there is more to cut")
		refs = cutAll(t, db, sweep.ID, 2, 1)
		require.Len(t, refs, 1)
		require.False(t, over(), "a chunk is open")
		open, err := db.OpenChunks(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, open)
		apply(refs[0])
		require.True(t, over())
		require.True(t, over(), "asked again")
		require.Equal(t, 1, closers, "whoever asks again has not closed it")

		done, err := db.Sweep(ctx, sweep.ID)
		require.NoError(t, err)
		require.Equal(t, lifecycle.SweepDone, done.State)
		require.Equal(t, start, done.FinishedAt)
		require.Equal(t, lifecycle.Tally{Found: 3, Changed: 3}, done.Tally)
		require.Equal(t, []int{2, 2}, []int{done.Chunks, done.ChunksDone})
		require.ErrorIs(t, db.CancelSweep(ctx, sweep.ID, start), lifecycle.ErrNotRunning)
		_, _, err = db.FinishSweep(ctx, 99, start)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		_, err = db.Sweep(ctx, 99)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
	})
}

func TestPruneKeepsWhatFoundSomethingAndTheLastTicks(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.AddDate(0, 0, 2)))
		for day := range 4 {
			at := start.AddDate(0, 0, day)
			sweep, how, err := db.OpenSweep(ctx, lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}, AsOf: at, OpenedAt: at, Tick: at})
			require.NoError(t, err)
			require.Equal(t, lifecycle.OpenedNew, how)
			for _, ref := range cutAll(t, db, sweep.ID, 10, 10) {
				_, err := db.ApplyChunk(ctx, claim(t, db, ref, at).ChunkRef, nil, lifecycle.Tally{Found: 1}, nil, at)
				require.NoError(t, err)
			}
			over, _, err := db.FinishSweep(ctx, sweep.ID, at)
			require.NoError(t, err)
			require.True(t, over)
		}
		pruned, err := db.Prune(ctx, start.AddDate(1, 0, 0))
		require.NoError(t, err)
		require.EqualValues(t, 2, pruned)
		sweeps, err := db.Sweeps(ctx, 0, 10)
		require.NoError(t, err)
		require.Equal(t, []int64{4, 3}, []int64{sweeps[0].ID, sweeps[1].ID})
		before, err := db.Sweeps(ctx, 4, 1)
		require.NoError(t, err)
		require.Equal(t, sweeps[1:], before)
		last, err := db.LastTicks(ctx)
		require.NoError(t, err)
		require.Equal(t, map[lifecycle.RuleName]time.Time{lifecycle.EndTerm: start.AddDate(0, 0, 3)}, last)
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM ticks"))
	})
}

func TestLargeSweepIsTidiedUpAfter(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		var records []lifecycle.Record
		for i := range 1200 {
			records = append(records, active(i+1, start))
		}
		load(t, db, records...)
		sweep := opened(t, db, start).ID
		for _, ref := range cutAll(t, db, sweep, 400, 3) {
			chunk := claim(t, db, ref, start)
			due, _, err := db.DueRecords(ctx, chunk, nil, start)
			require.NoError(t, err)
			_, err = db.ApplyChunk(ctx, chunk.ChunkRef, decide(start, due...), lifecycle.Tally{Found: 400}, nil, start)
			require.NoError(t, err)
		}
		over, _, err := db.FinishSweep(ctx, sweep, start)
		require.NoError(t, err)
		require.True(t, over)
		if db.dialect == postgres {
			require.Positive(t, count(t, db, "SELECT relallvisible FROM pg_class WHERE oid = CAST('clocks' AS regclass)"), "what nobody sees any more is still there")
		}
	})
}
