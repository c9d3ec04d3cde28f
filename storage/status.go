package storage

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Condition says how the deployment fares, as far as the database knows: what only whoever asks can tell, such as the schedules and
// how quick the database was, is left zero. now is by the deployment's clock, wall by the machine's. Policy p says
// what has waited for too long for another system, and is compared with the one that the timers were set by. It changes nothing.
func (db *DB) Condition(ctx context.Context, p *lifecycle.Policy, now, wall time.Time) (lifecycle.Condition, error) {
	c := lifecycle.Condition{At: now, Wall: wall, Database: lifecycle.Dependency{Name: db.dialect.name}}
	for _, read := range []func(context.Context, *lifecycle.Policy, *lifecycle.Condition) error{
		db.conditionOfAll, db.conditionOfRules, db.conditionOfSweeps, db.conditionOfNotices, db.conditionOfCopies,
	} {
		if err := read(ctx, p, &c); err != nil {
			return c, err
		}
	}
	return c, nil
}

// conditionOfAll is what is true of the deployment as a whole.
func (db *DB) conditionOfAll(ctx context.Context, p *lifecycle.Policy, c *lifecycle.Condition) error {
	kind, err := db.Kind(ctx)
	if err != nil {
		return err
	}
	c.Sandbox = kind == Sandbox
	if c.OtherPolicy, err = db.TimedByAnother(ctx, p); err != nil {
		return err
	}
	if c.HoldCounts, err = countBy[lifecycle.HoldKind](ctx, db, "count the holds", `SELECT kind AS what, count(*) AS n FROM holds
		WHERE released_at IS NULL GROUP BY kind`); err != nil {
		return err
	}
	for _, kind := range []lifecycle.HoldKind{lifecycle.HoldEverything, lifecycle.HoldRule} {
		holds, err := db.Holds(ctx, lifecycle.HoldQuery{Kind: kind, Active: true})
		if err != nil {
			return err
		}
		c.Holds = append(c.Holds, holds...)
	}
	if c.Ledger, err = db.LedgerSize(ctx); err != nil {
		return err
	}
	_, c.Stuck, err = db.CountProvisioning(ctx, p.StuckBefore(c.At))
	return err
}

func (db *DB) conditionOfRules(ctx context.Context, _ *lifecycle.Policy, c *lifecycle.Condition) error {
	backlogs, err := db.Backlogs(ctx, c.At)
	if err != nil {
		return err
	}
	last, err := db.LastTicks(ctx)
	if err != nil {
		return err
	}
	late, err := db.Latenesses(ctx, c.At)
	if err != nil {
		return err
	}
	paused := lifecycle.Paused(c.Holds)
	for _, rule := range lifecycle.RuleNames() {
		r := lifecycle.RuleCondition{Rule: rule, LastTick: last[rule], Paused: slices.Contains(paused, rule)}
		if i := slices.IndexFunc(backlogs, func(b lifecycle.Backlog) bool { return b.Rule == rule }); i >= 0 {
			r.Backlog = backlogs[i]
		}
		for w := range late {
			r.Late[w] = late[w][rule]
		}
		c.Rules = append(c.Rules, r)
	}
	return nil
}

func (db *DB) conditionOfSweeps(ctx context.Context, _ *lifecycle.Policy, c *lifecycle.Condition) error {
	return db.read(ctx, "look at the sweeps", func(s session) (err error) {
		if c.Sweeps, err = openSweeps(ctx, s); err != nil {
			return err
		}
		var chunks struct {
			AtWork int64 `json:"at_work"`
			Open   int64 `json:"open"`
		}
		if err := s.get(ctx, &chunks, `SELECT count(CASE WHEN state = 'claimed' AND ready_at > :wall THEN 1 END) AS at_work, count(*) AS open FROM chunks
			WHERE state IN ('open', 'claimed') AND sweep_id IN (SELECT id FROM sweeps WHERE state = 'running')`, args{"wall": at(c.Wall)}); err != nil {
			return err
		}
		c.Chunks.AtWork, c.Chunks.Waiting = chunks.AtWork, chunks.Open-chunks.AtWork
		var last dbTime
		err = s.get(ctx, &last, `SELECT done_at FROM chunks WHERE latenesses <> '' ORDER BY done_at DESC LIMIT 1`, nil)
		c.Chunks.LastDone = last.Time
		return unlessNone(err)
	})
}

// openSweeps are those that are not over, the held ones too, in the order in which they were opened.
func openSweeps(ctx context.Context, s session) ([]lifecycle.Sweep, error) {
	running, err := listSweeps(ctx, s, `WHERE s.state = 'running' GROUP BY s.id ORDER BY s.id`, nil)
	if err != nil {
		return nil, err
	}
	held, err := listSweeps(ctx, s, `WHERE s.state = 'held' GROUP BY s.id ORDER BY s.id`, nil)
	all := slices.Concat(running, held)
	slices.SortFunc(all, func(a, b lifecycle.Sweep) int { return cmp.Compare(a.ID, b.ID) })
	return all, err
}

func (db *DB) conditionOfNotices(ctx context.Context, _ *lifecycle.Policy, c *lifecycle.Condition) (err error) {
	if c.Channels, err = db.Channels(ctx); err != nil {
		return err
	}
	c.Notices, err = countBy[lifecycle.NoticeStatus](ctx, db, "count the notices that reach nobody",
		`SELECT status AS what, count(*) AS n FROM notices WHERE status = 'noRecipient' GROUP BY status`)
	for i := range c.Channels {
		c.Unknown += c.Channels[i].Unknown
		for status, n := range c.Channels[i].Statuses {
			c.Notices[status] += n
		}
	}
	return err
}

// conditionOfCopies asks PostgreSQL for copies of the database. What only a superuser may see is left out.
func (db *DB) conditionOfCopies(ctx context.Context, _ *lifecycle.Policy, c *lifecycle.Condition) error {
	if db.dialect != postgres {
		return nil
	}
	return db.read(ctx, "look at the replication", func(s session) error {
		var copies struct {
			Standby  bool   `json:"standby"`
			Replayed dbTime `json:"replayed"` // the latest transaction of the original that has come here
			Replicas int64  `json:"replicas"`
			Lag      int64  `json:"lag"` // microseconds
		}
		err := s.get(ctx, &copies, `SELECT pg_is_in_recovery() AS standby, pg_last_xact_replay_timestamp() AS replayed, count(*) AS replicas,
			CAST(COALESCE(EXTRACT(EPOCH FROM max(replay_lag)), 0) * 1000000 AS BIGINT) AS lag FROM pg_stat_replication`, nil)
		c.Replication = lifecycle.Replication{Standby: copies.Standby, Replicas: copies.Replicas, Lag: time.Duration(copies.Lag) * time.Microsecond}
		if copies.Standby && !copies.Replayed.IsZero() {
			c.Replication.Lag = max(0, c.Wall.Sub(copies.Replayed.Time))
		}
		return err
	})
}
