package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// sweepsShown are the conditions of what is shown. Each begins at an index, or ends at the limit of a page.
var sweepsShown = map[lifecycle.SweepShow]string{
	lifecycle.ShowBusy:   "(state IN ('running', 'held') OR plan <> '' OR EXISTS (SELECT 1 FROM chunks WHERE chunks.sweep_id = sweeps.id AND chunks.found > 0))",
	lifecycle.ShowAll:    always,
	lifecycle.ShowOpen:   "id IN (SELECT id FROM sweeps WHERE state = 'running' UNION ALL SELECT id FROM sweeps WHERE state = 'held')",
	lifecycle.ShowFailed: "id IN (SELECT sweep_id FROM sweep_failures)",
}

// ShownSweeps lists the sweeps that show wants, and those only that fire a rule, where one is named, latest first: at most limit of those
// before the one called before, or the latest where that is 0.
func (db *DB) ShownSweeps(ctx context.Context, show lifecycle.SweepShow, rule lifecycle.RuleName, before int64, limit int) ([]lifecycle.Sweep, error) {
	condition, ok := sweepsShown[show]
	if !ok {
		condition = never
	}
	w := where{args: args{}, conditions: []string{condition}}
	w.and(rule != "", "(rules = '[]' OR {{find}}(rules, :rule) > 0)", "rule", `"`+string(rule)+`"`)
	return db.sweepsBefore(ctx, before, limit, w)
}

// Chunks lists chunks of a sweep, in the order in which they were cut.
func (db *DB) Chunks(ctx context.Context, sweep int64, q lifecycle.ChunkQuery) (chunks []lifecycle.ChunkReport, err error) {
	type reportRow struct {
		chunkRow
		State     lifecycle.ChunkState `json:"state"`
		ReadyAt   dbTime               `json:"ready_at"`
		LastError string               `json:"last_error"`
		tallyRow
	}
	w := where{args: args{}}
	w.and(true, "sweep_id = :sweep", "sweep", sweep)
	w.and(q.After > 0, "n > :after", "after", q.After)
	if q.Troubled {
		w.conditions = append(w.conditions, "(attempts > 0 OR failed > 0)")
	}
	page, a := w.order("n", q.Limit)
	err = db.read(ctx, fmt.Sprintf("list the chunks of sweep %d", sweep), func(s session) error {
		chunks = nil
		return each(ctx, s, `SELECT sweep_id, n, claim, after_at, after_key, upto_at, upto_key, attempts, state, ready_at, last_error,
			found, changed, skipped, failed, notices, lateness FROM chunks `+page, a, func(row *reportRow) error {
			chunks = append(chunks, lifecycle.ChunkReport{Chunk: row.chunk(), State: row.State, ReadyAt: row.ReadyAt.unlessDawn(),
				LastError: row.LastError, Tally: row.tally()})
			return nil
		})
	})
	return chunks, err
}

func (row *tallyRow) tally() lifecycle.Tally {
	return lifecycle.Tally{Found: row.Found, Changed: row.Changed, Skipped: row.Skipped, Failed: row.Failed, Notices: row.Notices,
		Lateness: time.Duration(row.Lateness) * time.Microsecond}
}

// FailedRecords lists what a sweep could not change, with the names: at most limit of those after a key, in the order of their keys.
func (db *DB) FailedRecords(ctx context.Context, sweep, after int64, limit int) (failed []lifecycle.FailedRecord, err error) {
	type failedRow struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Key    int64  `json:"relationship_key"`
		Reason string `json:"reason"`
		At     dbTime `json:"failed_at"`
	}
	w := where{args: args{}}
	w.and(true, "f.sweep_id = :sweep", "sweep", sweep)
	w.and(after > 0, "f.relationship_key > :after", "after", after)
	page, a := w.order("f.relationship_key", limit)
	err = db.read(ctx, fmt.Sprintf("list what sweep %d could not change", sweep), func(s session) error {
		failed = nil
		return each(ctx, s, `SELECT COALESCE(t.id, '') AS id, COALESCE(t.display_name, '') AS name, f.relationship_key, f.reason, f.failed_at
			FROM sweep_failures AS f LEFT JOIN agreements AS t ON t.key = f.relationship_key `+page, a, func(row *failedRow) error {
			failed = append(failed, lifecycle.FailedRecord{Name: row.Name, Failure: lifecycle.Failure{Sweep: sweep, RelationshipID: row.ID, Key: row.Key,
				Reason: row.Reason, At: row.At.Time}})
			return nil
		})
	})
	return failed, err
}
