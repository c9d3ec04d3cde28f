package storage

import (
	"database/sql"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// floorOf is the zero time where looks begin with the first timer of all.
func floorOf(t require.TestingT, db *DB) (at time.Time) {
	var value dbTime
	require.NoError(t, session{q: db.pool, dialect: db.dialect}.get(ctx, &value, `SELECT {{floor}}`, nil))
	return value.unlessDawn()
}

// raised raises the floor as a sweep of asOf does.
func raised(t testing.TB, db *DB, asOf time.Time) {
	t.Helper()
	require.NoError(t, db.raiseFloor(ctx, at(asOf)))
	require.Equal(t, asOf, floorOf(t, db))
}

// sweepThrough does all that a sweep finds.
func sweepThrough(t *testing.T, db *DB, asOf time.Time) (changed int64) {
	t.Helper()
	sweep := opened(t, db, asOf)
	for _, ref := range cutAll(t, db, sweep.ID, 1000, 10) {
		chunk := claim(t, db, ref, asOf)
		due, _, err := db.DueRecords(ctx, chunk, sweep.Rules, sweep.AsOf)
		require.NoError(t, err)
		tally, err := db.ApplyChunk(ctx, chunk.ChunkRef, decide(asOf, due...), lifecycle.Tally{Found: int64(len(due))}, nil, asOf)
		require.NoError(t, err)
		changed += tally.Changed
	}
	_, closed, err := db.FinishSweep(ctx, sweep.ID, asOf)
	require.NoError(t, err)
	require.True(t, closed)
	return changed
}

// holdSnapshot keeps PostgreSQL from forgetting how things were, as a backup does.
func holdSnapshot(t *testing.T, db *DB) {
	t.Helper()
	snapshot, err := db.Snapshot(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, snapshot.Close()) })
}

var pagesOfPlan = regexp.MustCompile(`Buffers: shared hit=(\d+)(?: read=(\d+))?`)

// pagesRead is how many pages a query looks at.
func pagesRead(t *testing.T, db *DB, query string, a args) int {
	t.Helper()
	p := plan(t, db, "(ANALYZE, BUFFERS) "+query, a)
	found := pagesOfPlan.FindStringSubmatch(p) // the first is of the whole query
	require.NotNil(t, found, p)
	hit, _ := strconv.Atoi(found[1])
	read, _ := strconv.Atoi(found[2])
	return hit + read
}

func TestLooksAfterALargeSweepBeginAtTheFloor(t *testing.T) {
	db := migrated(t, testenv.Postgres(t), Live)
	records := make([]lifecycle.Record, 3000)
	for n := range records {
		records[n] = active(n, start.Add(-time.Duration(n)*time.Second))
	}
	load(t, db, records...)
	holdSnapshot(t, db)
	require.Zero(t, floorOf(t, db))
	require.EqualValues(t, len(records), sweepThrough(t, db, start))
	require.Equal(t, start, floorOf(t, db))

	later := start.Add(time.Minute)
	rules := page[lifecycle.RuleName](lifecycle.RuleNames())
	looks := map[string]func() int{
		"cut": func() int {
			return pagesRead(t, db, selectChunkEnds, args{"after_at": dawn, "after_key": 0, "as_of": at(later), "rules": rules, "size": 1000, "records": 10_000})
		},
		"read the first chunk": func() int {
			return pagesRead(t, db, selectDue, args{"after_at": dawn, "after_key": 0, "upto_at": at(later), "upto_key": 1, "as_of": at(later), "rules": rules, "most": 1000})
		},
		"examine": func() int {
			return pagesRead(t, db, selectCountDue, args{"as_of": at(later), "rules": rules, "most": 1000})
		},
		"examine more closely": func() int {
			return pagesRead(t, db, selectDuePage, args{"after_at": dawn, "after_key": 0, "as_of": at(later), "rules": rules, "most": 1000})
		},
		"backlog": func() int { return pagesRead(t, db, selectBacklogs, args{"now": at(later)}) },
	}
	for what, pages := range looks {
		require.Less(t, pages(), 20, what)
	}
	_, err := db.pool.ExecContext(ctx, `UPDATE timer_floor SET at = '0001-01-02T00:00:00Z', round = round + 1`)
	require.NoError(t, err)
	for what, pages := range looks {
		require.Greater(t, pages(), 50, "%s: there was nothing to step over", what)
	}
}

func TestSmallSweepsAndDryRunsLeaveTheFloor(t *testing.T) {
	db := migrated(t, testenv.Postgres(t), Live)
	records := make([]lifecycle.Record, 1100)
	for n := range records {
		records[n] = active(n, start)
		if n < 200 {
			records[n].End = start.Add(-time.Hour)
			records[n].WarnAfter = records[n].End
		}
	}
	load(t, db, records...)
	require.EqualValues(t, 200, sweepThrough(t, db, start.Add(-time.Minute)))
	require.Zero(t, floorOf(t, db))
	require.EqualValues(t, 900, sweepThrough(t, db, start))
	require.Zero(t, floorOf(t, db))

	dry, _, err := db.OpenSweep(ctx, lifecycle.SweepRequest{DryRun: true, AsOf: start.AddDate(1, 0, 0), OpenedAt: start})
	require.NoError(t, err)
	for _, ref := range cutAll(t, db, dry.ID, 2000, 1) {
		chunk := claim(t, db, ref, start)
		_, err := db.ApplyChunk(ctx, chunk.ChunkRef, nil, lifecycle.Tally{Found: 1100, Changed: 1100}, nil, start)
		require.NoError(t, err)
	}
	_, closed, err := db.FinishSweep(ctx, dry.ID, start)
	require.NoError(t, err)
	require.True(t, closed)
	require.Zero(t, floorOf(t, db))
}

// The floor is not raised over what waits, nor while somebody is at work, who may be about to set a timer.
func TestFloorIsRaisedNoFurtherThanTheFirstTimer(t *testing.T) {
	db := migrated(t, testenv.Postgres(t), Live)
	end := start.Add(-time.Hour)
	load(t, db, active(1, end))
	require.NoError(t, db.raiseFloor(ctx, at(start)))
	require.Equal(t, end, floorOf(t, db))

	require.NoError(t, db.writeThroughGate(ctx, "be at work", func(session) error { return db.raiseFloor(ctx, at(start.Add(time.Hour))) }))
	require.Zero(t, count(t, db, `SELECT count(*) FROM timer_floor WHERE round <> 1`))
	_, err := db.pool.ExecContext(ctx, `DELETE FROM clocks`)
	require.NoError(t, err)
	raised(t, db, start.Add(time.Hour))
}

// An early timer is one that lies below the floor when it is set.
func TestEarlyTimersAreFoundWhoeverSetsThem(t *testing.T) {
	early := start.Add(-time.Hour)
	byHand := func(t *testing.T, db *DB, statement string) {
		result, err := db.pool.ExecContext(ctx, statement, early)
		require.NoError(t, err)
		n, err := result.RowsAffected()
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	}
	for _, test := range []struct {
		name   string
		before func(t *testing.T, db *DB)
		set    func(t *testing.T, db *DB)
	}{
		{name: "an import", set: func(t *testing.T, db *DB) { load(t, db, active(1, early)) }},
		{name: "an import while somebody is on hold", before: func(t *testing.T, db *DB) {
			placed(t, db, lifecycle.HoldTenant, "cccccccc-0000-4000-8000-000000000001")
		},
			set: func(t *testing.T, db *DB) { load(t, db, active(1, early)) }},
		{name: "an import that changes the end", before: func(t *testing.T, db *DB) { load(t, db, active(1, start.Add(time.Hour))) },
			set: func(t *testing.T, db *DB) {
				_, err := db.ImportRelationships(ctx, incoming(active(1, early)), policy, start)
				require.NoError(t, err)
			}},
		{name: "another policy", before: func(t *testing.T, db *DB) { load(t, db, ended(1, early.Add(-lifecycle.Day))) },
			set: func(t *testing.T, db *DB) {
				sooner := *policy
				sooner.Names.HoldFor = lifecycle.Days(1)
				moved, err := db.Retime(ctx, &sooner, start)
				require.NoError(t, err)
				require.EqualValues(t, 1, moved)
			}},
		{name: "the release of a tenant",
			before: func(t *testing.T, db *DB) {
				placed(t, db, lifecycle.HoldTenant, customer)
				load(t, db, active(1, early))
			},
			set: func(t *testing.T, db *DB) {
				holds, err := db.Holds(ctx, lifecycle.HoldQuery{})
				require.NoError(t, err)
				released(t, db, holds[0])
			}},
		{name: "an UPDATE by hand", before: func(t *testing.T, db *DB) { load(t, db, active(1, start.Add(time.Hour))) },
			set: func(t *testing.T, db *DB) { byHand(t, db, `UPDATE clocks SET next_at = $1`) }},
		{name: "an UPDATE by somebody who works in another schema", before: func(t *testing.T, db *DB) { load(t, db, active(1, start.Add(time.Hour))) },
			set: func(t *testing.T, db *DB) {
				conn, err := db.pool.Conn(ctx)
				require.NoError(t, err)
				defer conn.Close()
				for _, statement := range []string{`CREATE SCHEMA elsewhere`, `CREATE TABLE elsewhere.timer_floor AS SELECT 1 AS one, CAST('-infinity' AS TIMESTAMPTZ) AS heard_until, 0 AS round`,
					`SET search_path = elsewhere`, `UPDATE public.clocks SET next_at = next_at - INTERVAL '2 hours'`, `RESET search_path`} {
					_, err := conn.ExecContext(ctx, statement)
					require.NoError(t, err)
				}
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := migrated(t, testenv.Postgres(t), Live)
			if test.before != nil {
				test.before(t, db)
			}
			raised(t, db, start)
			test.set(t, db)
			require.Equal(t, early, floorOf(t, db))

			backlogs, err := db.Backlogs(ctx, start)
			require.NoError(t, err)
			var due int64
			for _, b := range backlogs {
				due += b.Due
			}
			require.EqualValues(t, 1, due)
			require.NoError(t, db.read(ctx, "examine", func(s session) error {
				due, err = countDue(ctx, s, &lifecycle.Sweep{AsOf: start}, 5)
				return err
			}))
			require.EqualValues(t, 1, due)
			require.Len(t, swept(t, db, start), 1)
			require.Len(t, read(t, db, cutAll(t, db, opened(t, db, start).ID, 10, 1), 10), 1)

			_, err = db.pool.ExecContext(ctx, `DELETE FROM clocks`) // as if it had fired
			require.NoError(t, err)
			raised(t, db, start.Add(time.Minute))
			require.Zero(t, count(t, db, `SELECT count(*) FROM early_timers`))
		})
	}
}

func TestClocksAreWrittenAtReadCommittedOnly(t *testing.T) {
	url := testenv.Postgres(t)
	db := migrated(t, url, Live)
	load(t, db, active(1, start))
	for _, level := range []sql.IsolationLevel{sql.LevelRepeatableRead, sql.LevelSerializable} {
		tx, err := db.pool.BeginTxx(ctx, &sql.TxOptions{Isolation: level})
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, `UPDATE clocks SET next_at = next_at`)
		require.ErrorContains(t, err, "table clocks is written at isolation level read committed only: UPDATE refused")
		require.NoError(t, tx.Rollback())
	}
	_, err := db.pool.ExecContext(ctx, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$`)
	require.NoError(t, err)
	load(t, migrated(t, url, Live), active(2, start)) // whatever the default of the database
}

// Writers set timers earlier and later, in transactions of any length, through the gate and by hand, while two others raise the floor in their three steps.
// Whoever looks at any moment sees no timer below it.
func TestNoTimerSlipsBelowTheFloor(t *testing.T) {
	db := migrated(t, testenv.Postgres(t), Live)
	auto := session{q: db.pool, dialect: db.dialect} // each statement is a transaction
	const writers, raisers = 2, 2
	exec := func(t require.TestingT, s session, statement string, a args) {
		_, err := s.exec(ctx, statement, a)
		require.NoError(t, err, statement)
	}
	rapid.Check(t, func(t *rapid.T) {
		exec(t, auto, `DELETE FROM early_timers`, nil)
		exec(t, auto, `DELETE FROM clocks`, nil)
		exec(t, auto, `UPDATE timer_floor SET at = :dawn, heard_until = :dawn, round = 0`, args{"dawn": dawn})
		exec(t, auto, `INSERT INTO clocks (key, version, assigned, status, next_rule) SELECT key, 1, 0, 'active', 'end-term' FROM generate_series(0, :writers) AS key`,
			args{"writers": writers})
		now := start
		later := func(t *rapid.T) dbTime {
			now = now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "hours later")) * time.Hour)
			exec(t, auto, `UPDATE clocks SET next_at = NULL WHERE key IN (SELECT key FROM clocks WHERE next_at <= :now {{lock skip}})`, args{"now": at(now)}) // they fire
			return at(now)
		}
		set := func(t *rapid.T, s session, key int) { // each has a key of its own: this is not about row locks
			next := at(now.Add(time.Duration(rapid.IntRange(-2, 4).Draw(t, "hours from now")) * time.Hour))
			if rapid.IntRange(0, 2).Draw(t, "none") == 2 {
				next = dbTime{}
			}
			exec(t, s, `UPDATE clocks SET next_at = :at, stayed = :stayed WHERE key = :key`, args{"key": key, "at": next,
				"stayed": rapid.IntRange(0, 4).Draw(t, "stayed") == 4})
		}
		var open [writers]*transaction
		defer func() {
			for _, tx := range open {
				if tx != nil {
					require.NoError(t, tx.end())
				}
			}
		}()
		var raisings [raisers]raisingInSteps
		writer, raiser := rapid.IntRange(0, writers-1), rapid.IntRange(0, raisers-1)
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				w := writer.Draw(t, "writer")
				if open[w] != nil {
					t.Skip("has begun")
				}
				var err error
				open[w], err = db.begin(ctx)
				require.NoError(t, err)
				if rapid.Bool().Draw(t, "through the gate") {
					exec(t, open[w].session, enterGate, nil)
				}
			},
			"write": func(t *rapid.T) {
				w := writer.Draw(t, "writer")
				if open[w] == nil {
					t.Skip("has not begun")
				}
				set(t, open[w].session, w)
			},
			"end": func(t *rapid.T) {
				w := writer.Draw(t, "writer")
				if open[w] == nil {
					t.Skip("has not begun")
				}
				if rapid.Bool().Draw(t, "commits") {
					require.NoError(t, open[w].Commit())
				}
				require.NoError(t, open[w].end())
				open[w] = nil
			},
			"write at once": func(t *rapid.T) { set(t, auto, writers) },
			"raise": func(t *rapid.T) {
				raisings[raiser.Draw(t, "raiser")].next(t, auto, later(t))
			},
			"raise at once": func(t *rapid.T) {
				require.NoError(t, db.raiseFloor(ctx, later(t)))
			},
			"": func(t *rapid.T) {
				var below int
				require.NoError(t, auto.get(ctx, &below, `SELECT count(*) FROM clocks WHERE next_at < {{floor}} AND stayed = FALSE`, nil))
				require.Zero(t, below)
			},
		})
	})
}

// A raisingInSteps leaves time between them.
type raisingInSteps struct {
	round int64
	first dbTime
	done  int
}

func (r *raisingInSteps) next(t *rapid.T, s session, asOf dbTime) {
	var err error
	switch r.done {
	case 0:
		var begun bool
		if r.round, begun, err = beginRaising(ctx, s, asOf); begun {
			r.done = 1
		}
	case 1:
		r.first, err = firstTimer(ctx, s)
		r.done = 2
	case 2:
		err = endRaising(ctx, s, r.round, r.first)
		r.done = 0
	}
	require.NoError(t, err)
}
