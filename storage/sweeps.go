package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A sweepRow is a sweep with the totals of its chunks.
type sweepRow struct {
	ID         int64                `json:"id"`
	Rules      string               `json:"rules"`
	DryRun     bool                 `json:"dry_run"`
	OpenedBy   lifecycle.Trigger    `json:"opened_by"`
	AsOf       dbTime               `json:"as_of"`
	State      lifecycle.SweepState `json:"state"`
	Cut        bool                 `json:"cut"`
	CutAt      dbTime               `json:"cut_at"`
	CutKey     int64                `json:"cut_key"`
	NextChunk  int                  `json:"next_chunk"`
	OpenedAt   dbTime               `json:"opened_at"`
	FinishedAt dbTime               `json:"finished_at"`
	Examined   bool                 `json:"examined"`
	Trace      string               `json:"traceparent"`
	Plan       string               `json:"plan"`
	RuledBy    string               `json:"ruled_by"`
	Ruling     string               `json:"ruling"`
	RuledAt    dbTime               `json:"ruled_at"`

	tallyRow
	Chunks int `json:"chunks"`
	Done   int `json:"done"`
}

type tallyRow struct {
	Found    int64 `json:"found"`
	Changed  int64 `json:"changed"`
	Skipped  int64 `json:"skipped"`
	Failed   int64 `json:"failed"`
	Notices  int64 `json:"notices"`
	Lateness int64 `json:"lateness"` // microseconds
}

func (row *sweepRow) sweep() (lifecycle.Sweep, error) {
	sweep := lifecycle.Sweep{
		ID: row.ID, DryRun: row.DryRun, Trigger: row.OpenedBy, AsOf: row.AsOf.Time, State: row.State, Cut: row.Cut,
		OpenedAt: row.OpenedAt.Time, FinishedAt: row.FinishedAt.Time, Trace: row.Trace, Chunks: row.Chunks, ChunksDone: row.Done,
		Tally: row.tally(),
	}
	if err := json.Unmarshal([]byte(row.Rules), &sweep.Rules); err != nil {
		return sweep, fmt.Errorf("sweep %d: column rules cannot be read: %w", row.ID, err)
	}
	if len(sweep.Rules) == 0 {
		sweep.Rules = nil
	}
	if row.Plan != "" {
		if err := json.Unmarshal([]byte(row.Plan), &sweep.Plan); err != nil {
			return sweep, fmt.Errorf("sweep %d: column plan cannot be read: %w", row.ID, err)
		}
	}
	if !row.RuledAt.IsZero() {
		sweep.Ruling = &lifecycle.Ruling{By: row.RuledBy, Note: row.Ruling, At: row.RuledAt.Time}
	}
	return sweep, nil
}

// sweepColumns are those of table sweeps that are read.
const sweepColumns = `s.id, s.rules, s.dry_run, s.opened_by, s.as_of, s.state, s.cut, s.cut_at, s.cut_key, s.next_chunk,
	s.opened_at, s.finished_at, s.examined, s.plan, s.ruled_by, s.ruling, s.ruled_at, s.traceparent`

// selectSweeps adds the totals up from the chunks: there is no counter that every worker would have to wait for.
const selectSweeps = `SELECT ` + sweepColumns + `,
		CAST(COALESCE(sum(c.found), 0) AS BIGINT) AS found, CAST(COALESCE(sum(c.changed), 0) AS BIGINT) AS changed,
		CAST(COALESCE(sum(c.skipped), 0) AS BIGINT) AS skipped, CAST(COALESCE(sum(c.failed), 0) AS BIGINT) AS failed,
		CAST(COALESCE(sum(c.notices), 0) AS BIGINT) AS notices, CAST(COALESCE(max(c.lateness), 0) AS BIGINT) AS lateness,
		count(c.n) AS chunks, count(CASE WHEN c.state = 'done' THEN 1 END) AS done
	FROM sweeps AS s LEFT JOIN chunks AS c ON c.sweep_id = s.id `

func listSweeps(ctx context.Context, s session, where string, a args) (sweeps []lifecycle.Sweep, err error) {
	err = each(ctx, s, selectSweeps+where, a, func(row *sweepRow) error {
		sweep, err := row.sweep()
		sweeps = append(sweeps, sweep)
		return err
	})
	return sweeps, err
}

func getSweep(ctx context.Context, s session, id int64) (lifecycle.Sweep, error) {
	var row sweepRow
	if err := s.get(ctx, &row, selectSweeps+`WHERE s.id = :id GROUP BY s.id`, args{"id": id}); err != nil {
		return lifecycle.Sweep{}, err
	}
	return row.sweep()
}

// lockSweep reads a sweep without its totals and keeps it from moving on until the transaction ends. Whoever looks at a
// sweep's chunks to decide about the sweep does this first.
func lockSweep(ctx context.Context, s session, id int64) (row sweepRow, err error) {
	err = s.get(ctx, &row, `SELECT `+sweepColumns+` FROM sweeps AS s WHERE s.id = :id {{lock}}`, args{"id": id})
	return row, err
}

// Sweep reads a sweep with its totals; [lifecycle.ErrNotFound] where there is none.
func (db *DB) Sweep(ctx context.Context, id int64) (sweep lifecycle.Sweep, err error) {
	err = db.read(ctx, fmt.Sprintf("read sweep %d", id), func(s session) error {
		sweep, err = getSweep(ctx, s, id)
		return err
	})
	return sweep, err
}

// RunningSweeps lists the sweeps that are not over, oldest first.
func (db *DB) RunningSweeps(ctx context.Context) (sweeps []lifecycle.Sweep, err error) {
	err = db.read(ctx, "list the running sweeps", func(s session) error {
		sweeps, err = listSweeps(ctx, s, `WHERE s.state = 'running' GROUP BY s.id ORDER BY s.id`, nil)
		return err
	})
	return sweeps, err
}

// Sweeps lists sweeps, latest first: at most limit of those before the one called before, or the latest where that is 0.
func (db *DB) Sweeps(ctx context.Context, before int64, limit int) ([]lifecycle.Sweep, error) {
	return db.sweepsBefore(ctx, before, limit, where{args: args{}})
}

// BusySweeps is [DB.Sweeps] without those that found nothing, and were never held.
func (db *DB) BusySweeps(ctx context.Context, before int64, limit int) ([]lifecycle.Sweep, error) {
	return db.sweepsBefore(ctx, before, limit, where{args: args{}, conditions: []string{
		"(plan <> '' OR EXISTS (SELECT 1 FROM chunks WHERE chunks.sweep_id = sweeps.id AND chunks.found > 0))"}})
}

func (db *DB) sweepsBefore(ctx context.Context, before int64, limit int, w where) (sweeps []lifecycle.Sweep, err error) {
	w.and(before > 0, "id < :before", "before", before)
	page, a := w.order("id DESC", limit)
	err = db.read(ctx, "list sweeps", func(s session) error {
		sweeps, err = listSweeps(ctx, s, `WHERE s.id IN (SELECT id FROM sweeps `+page+`) GROUP BY s.id ORDER BY s.id DESC`, a)
		return err
	})
	return sweeps, err
}

// FinishSweep marks a sweep done if it is cut and none of its chunks is open, and says whether it is over now, and whether it was this
// call that closed it.
func (db *DB) FinishSweep(ctx context.Context, id int64, now time.Time) (over, closed bool, err error) {
	// Asked after every chunk, and all but the last time there is nothing to do. Of several who close the last chunks at once, he who
	// looks last sees that none is open.
	worth := false
	err = db.read(ctx, fmt.Sprintf("look whether sweep %d is over", id), func(s session) error {
		return s.get(ctx, &worth, `SELECT state <> 'running' OR (cut AND NOT EXISTS (
			SELECT 1 FROM chunks WHERE sweep_id = :id AND state IN ('open', 'claimed'))) FROM sweeps WHERE id = :id`, args{"id": id})
	})
	if err != nil || !worth {
		return false, false, err
	}
	err = db.write(ctx, fmt.Sprintf("finish sweep %d", id), func(s session) error {
		closed = false
		sweep, err := lockSweep(ctx, s, id)
		if err != nil {
			return err
		}
		over = sweep.State != lifecycle.SweepRunning
		if over || !sweep.Cut {
			return nil
		}
		n, err := s.exec(ctx, `UPDATE sweeps SET state = 'done', finished_at = :now WHERE id = :id
			AND NOT EXISTS (SELECT 1 FROM chunks WHERE sweep_id = :id AND state IN ('open', 'claimed'))`, args{"id": id, "now": at(now)})
		over, closed = n > 0, n > 0
		return err
	})
	if err != nil {
		return false, false, err
	}
	if closed {
		db.tidy(ctx, id)
	}
	return over, closed, nil
}

// tidy sees to what a large sweep has left behind: it raises the floor, so that the next look does not step over it, and has the rows taken away, so
// that the tables do not grow with every sweep: PostgreSQL looks by itself once in a minute only. It is as well left undone as done twice; what may not be done
// by this user, or goes wrong, is left to PostgreSQL.
func (db *DB) tidy(ctx context.Context, sweep int64) {
	if db.dialect != postgres {
		return
	}
	var left struct {
		AsOf dbTime `json:"as_of"`
		Some bool   `json:"some"` // enough that looks would notice
		Much bool   `json:"much"` // enough that the table would
	}
	err := session{q: db.pool, dialect: db.dialect}.get(ctx, &left, `SELECT as_of, changed >= 1000 AS some,
			changed >= 1000 AND changed * 50 >= (SELECT reltuples FROM pg_class WHERE oid = CAST('clocks' AS regclass)) AS much
		FROM (SELECT as_of, dry_run, (SELECT COALESCE(sum(changed), 0) FROM chunks WHERE sweep_id = :id) AS changed FROM sweeps WHERE id = :id) AS done
		WHERE dry_run = FALSE`, args{"id": sweep})
	if err == nil && left.Some {
		_ = db.raiseFloor(ctx, left.AsOf)
	}
	if err == nil && left.Much {
		_, _ = db.pool.ExecContext(ctx, `VACUUM (SKIP_LOCKED, TRUNCATE FALSE, INDEX_CLEANUP ON) clocks`)
	}
}

// Sweeping says whether a sweep that changes something is at work, or waits for somebody to be: it is not cut to its end, or has a
// chunk that is held, or may be taken up by wall.
func (db *DB) Sweeping(ctx context.Context, wall time.Time) (sweeping bool, err error) {
	err = db.read(ctx, "look whether a sweep is at work", func(s session) error {
		return s.get(ctx, &sweeping, `SELECT EXISTS (SELECT 1 FROM sweeps AS s WHERE s.state = 'running' AND s.dry_run = FALSE
			AND (s.cut = FALSE OR EXISTS (SELECT 1 FROM chunks AS c WHERE c.sweep_id = s.id AND c.state IN ('open', 'claimed')
				AND (c.state = 'claimed' OR c.ready_at <= :wall))))`, args{"wall": at(wall)})
	})
	return sweeping, err
}

// CancelSweep stops a running sweep: its open chunks are dropped, those at work finish; or it drops one that is held.
// [lifecycle.ErrNotRunning] if it is over already, [lifecycle.ErrNotFound] if there is none.
func (db *DB) CancelSweep(ctx context.Context, id int64, now time.Time) error {
	return db.write(ctx, fmt.Sprintf("cancel sweep %d", id), func(s session) error {
		sweep, err := lockSweep(ctx, s, id)
		if err != nil {
			return err
		}
		if sweep.State != lifecycle.SweepRunning && sweep.State != lifecycle.SweepHeld {
			return fmt.Errorf("%w: it is %s", lifecycle.ErrNotRunning, sweep.State)
		}
		if _, err := s.exec(ctx, `UPDATE sweeps SET state = 'cancelled', finished_at = :now WHERE id = :id`, args{"id": id, "now": at(now)}); err != nil {
			return err
		}
		_, err = s.exec(ctx, `UPDATE chunks SET state = 'cancelled' WHERE sweep_id = :id AND state = 'open'`, args{"id": id})
		return err
	})
}

// LastTicks is the latest nominal instant taken of each rule's schedule; a rule that never ticked is missing.
func (db *DB) LastTicks(ctx context.Context) (last map[lifecycle.RuleName]time.Time, err error) {
	var ticks []struct {
		Rule lifecycle.RuleName `json:"rule"`
		At   dbTime             `json:"at"`
	}
	err = db.read(ctx, "read the last ticks", func(s session) error {
		return s.list(ctx, &ticks, `SELECT rule, max(nominal_at) AS at FROM ticks GROUP BY rule`, nil)
	})
	last = make(map[lifecycle.RuleName]time.Time, len(ticks))
	for _, tick := range ticks {
		last[tick.Rule] = tick.At.Time
	}
	return last, err
}

// Prune deletes sweeps that found nothing, ticks and idempotency keys, all of them older than before; the last tick of each
// rule stays, and so does a sweep that an idempotency key still answers with, or about which an operator has, or will have, a word.
func (db *DB) Prune(ctx context.Context, before time.Time) (sweeps int64, err error) {
	err = db.write(ctx, "delete old sweeps that found nothing", func(s session) error {
		a := args{"before": at(before)}
		if _, err := s.exec(ctx, `DELETE FROM idempotency_keys WHERE expires_at <= :before`, a); err != nil {
			return err
		}
		if _, err := s.exec(ctx, `DELETE FROM ticks WHERE nominal_at < :before
			AND nominal_at < (SELECT max(last.nominal_at) FROM ticks AS last WHERE last.rule = ticks.rule)`, a); err != nil {
			return err
		}
		sweeps, err = s.exec(ctx, `DELETE FROM sweeps WHERE opened_at < :before AND state NOT IN ('running', 'held') AND ruled_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.sweep_id = sweeps.id AND chunks.found > 0)
			AND NOT EXISTS (SELECT 1 FROM sweep_failures WHERE sweep_failures.sweep_id = sweeps.id)
			AND NOT EXISTS (SELECT 1 FROM idempotency_keys WHERE idempotency_keys.sweep_id = sweeps.id)`, a)
		return err
	})
	return sweeps, err
}

// SweepFailures lists what a sweep could not change: at most limit, in the order of their keys; 0 is no limit.
func (db *DB) SweepFailures(ctx context.Context, id int64, limit int) (failures []lifecycle.Failure, err error) {
	type failureRow struct {
		Sweep  int64  `json:"sweep_id"`
		ID     string `json:"id"`
		Key    int64  `json:"relationship_key"`
		Reason string `json:"reason"`
		At     dbTime `json:"failed_at"`
	}
	w := where{args: args{}}
	w.and(true, "f.sweep_id = :id", "id", id)
	page, a := w.order("f.relationship_key", limit)
	err = db.read(ctx, fmt.Sprintf("list the failures of sweep %d", id), func(s session) error {
		return each(ctx, s, `SELECT f.sweep_id, COALESCE(t.id, '') AS id, f.relationship_key, f.reason, f.failed_at
			FROM sweep_failures AS f LEFT JOIN agreements AS t ON t.key = f.relationship_key `+page, a, func(row *failureRow) error {
			failures = append(failures, lifecycle.Failure{Sweep: row.Sweep, RelationshipID: row.ID, Key: row.Key, Reason: row.Reason, At: row.At.Time})
			return nil
		})
	})
	return failures, err
}
