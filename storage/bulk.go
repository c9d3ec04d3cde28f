package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A bulkRow is a row of table bulk_jobs, as it is read.
type bulkRow struct {
	ID         int64                `json:"id"`
	Action     lifecycle.ActionKind `json:"action"`
	AutoExtend bool                 `json:"auto_extend"`
	Side       lifecycle.Actor      `json:"side"`
	Filter     string               `json:"filter"`
	DryRun     bool                 `json:"dry_run"`
	Caller     string               `json:"caller"`
	AskedAt    dbTime               `json:"asked_at"`
	State      lifecycle.BulkState  `json:"state"`
	Cursor     int64                `json:"cursor_key"`
	UpTo       int64                `json:"upto_key"`
	Found      int64                `json:"found"`
	Changed    int64                `json:"changed"`
	Same       int64                `json:"same"`
	Refused    int64                `json:"refused"`
	FinishedAt dbTime               `json:"finished_at"`
	Claim      int                  `json:"claim"`
}

const bulkColumns = `id, action, auto_extend, side, filter, dry_run, caller, asked_at, state, cursor_key, upto_key, found, changed, same,
	refused, finished_at, claim`

const selectBulkJobs = `SELECT ` + bulkColumns + ` FROM bulk_jobs `

// A bulkCaller is a lifecycle.Caller in the database.
type bulkCaller struct {
	Name      string         `json:"name"`
	Tenant    string         `json:"tenant,omitempty"`
	Role      lifecycle.Role `json:"role,omitempty"`
	ReadsOnly bool           `json:"readsOnly,omitempty"`
	Address   string         `json:"address,omitempty"`
	Request   string         `json:"request,omitempty"`
}

func (row *bulkRow) job() (lifecycle.BulkJob, error) {
	var caller bulkCaller
	job := lifecycle.BulkJob{
		ID: row.ID, State: row.State, Cursor: row.Cursor, UpTo: row.UpTo, Found: row.Found, Changed: row.Changed, Same: row.Same,
		Refused: row.Refused, Finished: row.FinishedAt.Time, Claim: row.Claim,
	}
	if err := json.Unmarshal([]byte(row.Caller), &caller); err != nil {
		return job, fmt.Errorf("bulk job %d: column caller cannot be read: %w", row.ID, err)
	}
	job.BulkRequest = lifecycle.BulkRequest{Action: row.Action, AutoExtend: row.AutoExtend, Side: row.Side, Filter: row.Filter,
		DryRun: row.DryRun, Caller: lifecycle.Caller(caller), At: row.AskedAt.Time}
	return job, nil
}

// OpenBulk writes a request down, to be carried out on the relationships that there are now.
func (db *DB) OpenBulk(ctx context.Context, r lifecycle.BulkRequest) (job lifecycle.BulkJob, err error) {
	const doing = "open a bulk job"
	r.Caller.Tenant = strings.ToLower(r.Caller.Tenant)
	caller, err := json.Marshal(bulkCaller(r.Caller))
	if err != nil {
		return job, said(doing, err)
	}
	err = db.write(ctx, doing, func(s session) error {
		id, err := take(ctx, s, bulkCounter, 1)
		if err != nil {
			return err
		}
		var row bulkRow
		if err := s.get(ctx, &row, `INSERT INTO bulk_jobs (id, action, auto_extend, side, filter, dry_run, caller, caller_tenant, asked_at,
				state, cursor_key, upto_key, ready_at)
			SELECT :id, :action, :auto_extend, :side, :filter, :dry_run, :caller, :tenant, :at, 'running', 0, COALESCE(max(key), 0), :dawn
			FROM relationships RETURNING `+bulkColumns, args{"id": id, "action": r.Action, "auto_extend": r.AutoExtend, "side": r.Side,
			"filter": clean(r.Filter), "dry_run": r.DryRun, "caller": clean(string(caller)), "tenant": clean(r.Caller.Tenant), "at": at(r.At), "dawn": dawn}); err != nil {
			return err
		}
		job, err = row.job()
		return err
	})
	return job, err
}

// BulkJob reads one job; [lifecycle.ErrNotFound] where there is none.
func (db *DB) BulkJob(ctx context.Context, id int64) (job lifecycle.BulkJob, err error) {
	err = db.read(ctx, fmt.Sprintf("read bulk job %d", id), func(s session) error {
		job, err = bulkJob(ctx, s, id)
		return err
	})
	return job, err
}

func bulkJob(ctx context.Context, s session, id int64) (lifecycle.BulkJob, error) {
	var row bulkRow
	if err := s.get(ctx, &row, selectBulkJobs+`WHERE id = :id`, args{"id": id}); err != nil {
		return lifecycle.BulkJob{}, err
	}
	return row.job()
}

// BulkJobs lists at most limit jobs, the latest first, from the one before the one given on (0: from the latest), and only those
// asked for by callers of the tenant, where one is given.
func (db *DB) BulkJobs(ctx context.Context, before int64, limit int, tenant string) (jobs []lifecycle.BulkJob, err error) {
	w := where{args: args{}}
	w.and(before > 0, "id < :before", "before", before)
	w.and(tenant != "", "caller_tenant = :tenant", "tenant", clean(strings.ToLower(tenant)))
	text, a := w.order("id DESC", limit)
	err = db.read(ctx, "list bulk jobs", func(s session) error {
		jobs = nil
		return each(ctx, s, selectBulkJobs+text, a, func(row *bulkRow) error {
			job, err := row.job()
			jobs = append(jobs, job)
			return err
		})
	})
	return jobs, err
}

// BulkResults lists at most limit results of a job, those with one of the outcomes or all, by the key of the relationship, from
// the one after the one given on. That of a draft that has been deleted since keeps its id.
func (db *DB) BulkResults(ctx context.Context, job, after int64, limit int, outcomes []lifecycle.BulkOutcome) (results []lifecycle.BulkResult, err error) {
	w := where{args: args{}}
	w.and(true, "b.job_id = :job", "job", job)
	w.and(after > 0, "b.relationship_key > :after", "after", after)
	w.and(len(outcomes) > 0, "b.outcome {{in outcomes}}", "outcomes", page[lifecycle.BulkOutcome](outcomes))
	text, a := w.order("b.relationship_key", limit)
	err = db.read(ctx, fmt.Sprintf("list the results of bulk job %d", job), func(s session) error {
		results = nil
		return each(ctx, s, `SELECT b.job_id, b.relationship_key AS key, COALESCE(t.id, gone.id, '') AS id, b.outcome, b.reason, b.detail
			FROM bulk_results AS b LEFT JOIN agreements AS t ON t.key = b.relationship_key
			LEFT JOIN tombstones AS gone ON gone.key = b.relationship_key `+text, a, func(row *bulkResultRow) error {
			results = append(results, lifecycle.BulkResult{Job: row.Job, Key: row.Key, RelationshipID: row.ID, Outcome: row.Outcome,
				Reason: row.Reason, Detail: row.Detail})
			return nil
		})
	})
	return results, err
}

type bulkResultRow struct {
	Job     int64                 `json:"job_id"`
	Key     int64                 `json:"key"`
	ID      string                `json:"id"`
	Outcome lifecycle.BulkOutcome `json:"outcome"`
	Reason  lifecycle.Reason      `json:"reason"`
	Detail  string                `json:"detail"`
}

// CancelBulk ends a job before its time; what it has changed stays changed. [lifecycle.ErrNotFound] where there is no such job,
// [lifecycle.ErrNotRunning] where it is over.
func (db *DB) CancelBulk(ctx context.Context, id int64, now time.Time) error {
	return db.write(ctx, fmt.Sprintf("cancel bulk job %d", id), func(s session) error {
		n, err := s.exec(ctx, `UPDATE bulk_jobs SET state = 'cancelled', finished_at = :now WHERE id = :id AND state = 'running'`,
			args{"id": id, "now": at(now)})
		if err != nil || n > 0 {
			return err
		}
		if _, err := bulkJob(ctx, s, id); err != nil {
			return err
		}
		return lifecycle.ErrNotRunning
	})
}

// RunningBulks lists the running jobs that nobody has taken up, or whose lease has ended by wall, the oldest first; none while
// everything is on hold.
func (db *DB) RunningBulks(ctx context.Context, wall time.Time) (ids []int64, err error) {
	err = db.read(ctx, "look for bulk jobs", func(s session) error {
		ids = nil
		return s.list(ctx, &ids, `SELECT id FROM bulk_jobs WHERE state = 'running' AND ready_at <= :wall AND`+goesOn+`ORDER BY id`, args{"wall": at(wall)})
	})
	return ids, err
}

// ClaimBulk takes a running job up until the lease ends, which every page prolongs; false where somebody else holds it, where it
// is over, where there is none, or everything is on hold.
func (db *DB) ClaimBulk(ctx context.Context, id int64, wall, leaseUntil time.Time) (job lifecycle.BulkJob, ok bool, err error) {
	err = db.writeToLatest(ctx, fmt.Sprintf("claim bulk job %d", id), func(s session) error {
		var row bulkRow
		err := s.get(ctx, &row, `UPDATE bulk_jobs SET claim = claim + 1, ready_at = :lease
			WHERE id = :id AND state = 'running' AND ready_at <= :wall AND`+goesOn+`RETURNING `+bulkColumns,
			args{"id": id, "wall": at(wall), "lease": at(leaseUntil)})
		if ok = err == nil; !ok {
			return unlessNone(err)
		}
		job, err = row.job()
		return err
	})
	return job, ok && err == nil, err
}

// RunBulkPage does the next records of a job that f wants, at most size of them, in one transaction: decides on each, writes the
// decisions (in a dry run not) and a result for each, and moves on. A *[lifecycle.Refusal] or [lifecycle.Faults] of decide's is a
// result; any other error stops the page, and nothing of it is written. It answers with the job as it stands then, which is done
// where no record was left; false where the claim was lost, the job is over, or everything is on hold. decide may be called again after a deadlock.
func (db *DB) RunBulkPage(ctx context.Context, job lifecycle.BulkJob, f lifecycle.Filter, size int, now, leaseUntil time.Time,
	decide func(lifecycle.Case) (lifecycle.Decision, error),
) (after lifecycle.BulkJob, ok bool, err error) {
	err = db.writeThroughGate(ctx, fmt.Sprintf("run a page of bulk job %d", job.ID), func(s session) error {
		var row bulkRow
		err := s.get(ctx, &row, selectBulkJobs+`WHERE id = :id AND claim = :claim AND state = 'running' AND`+goesOn+`{{lock}}`,
			args{"id": job.ID, "claim": job.Claim})
		if ok = err == nil; !ok {
			after = job
			return unlessNone(err)
		}
		next := bulkPage{dryRun: row.DryRun, side: row.Side}
		if err := next.read(ctx, s, f, &row, size); err != nil {
			return err
		}
		if err := next.decide(ctx, s, decide); err != nil {
			return err
		}
		if err := next.write(ctx, s, row.ID); err != nil {
			return err
		}
		next.moveOn(&row, size, now)
		if err := writeProgress(ctx, s, &row, leaseUntil); err != nil {
			return err
		}
		after, err = row.job()
		return err
	})
	return after, ok && err == nil, err
}

// A bulkPage is the next records of a job, and what becomes of them.
type bulkPage struct {
	dryRun  bool
	side    lifecycle.Actor
	keys    []keyRow
	rows    []relationshipRow
	decided []lifecycle.Decided
	results []bulkResultRow
}

// read finds the records, and then locks those that are still wanted, in the order of their keys. In one step PostgreSQL would
// leave out those that somebody changes at that moment, and the page would look like the last one.
func (b *bulkPage) read(ctx context.Context, s session, f lifecycle.Filter, job *bulkRow, size int) error {
	v := sieve{args: args{}}
	text := `SELECT t.key FROM relationships AS t WHERE t.key > ` + v.parameter(job.Cursor) + ` AND t.key <= ` + v.parameter(job.UpTo) +
		` AND ` + v.condition(f) + ` ORDER BY t.key LIMIT ` + v.parameter(size)
	if err := s.list(ctx, &b.keys, s.dialect.fill(text), v.args); err != nil || len(b.keys) == 0 {
		return err
	}
	if err := lockClocks(ctx, s, `IN (SELECT r.key FROM {{rows key BIGINT}})`, args{"rows": page[keyRow](b.keys)}); err != nil {
		return err
	}
	v = sieve{args: args{}}
	text = selectRelationships + `WHERE t.key IN (SELECT r.key FROM {{rows key BIGINT}}) AND ` + v.condition(f) + ` ORDER BY t.key`
	v.args["rows"] = page[keyRow](b.keys)
	return s.list(ctx, &b.rows, s.dialect.fill(text), v.args)
}

// decide decides on each record. One that cannot be read does not keep the others back.
func (b *bulkPage) decide(ctx context.Context, s session, decide func(lifecycle.Case) (lifecycle.Decision, error)) error {
	var readable []lifecycle.Stored
	var timers []lifecycle.Timer
	for i := range b.rows {
		stored, err := b.rows[i].record()
		if err != nil {
			b.result(b.rows[i].Key, lifecycle.BulkRefused, lifecycle.WrongContent, err.Error())
			continue
		}
		readable, timers = append(readable, stored), append(timers, b.rows[i].next())
	}
	if len(readable) == 0 {
		return nil
	}
	cases, err := casesOf(ctx, s, readable)
	if err != nil {
		return err
	}
	for i := range cases {
		if err := b.decideOne(readable[i].Key, &cases[i], timers[i], decide); err != nil {
			return err
		}
	}
	return nil
}

func (b *bulkPage) decideOne(key int64, c *lifecycle.Case, next lifecycle.Timer, decide func(lifecycle.Case) (lifecycle.Decision, error)) error {
	d, err := decideOn(*c, decide)
	var refused *lifecycle.Refusal
	var faults lifecycle.Faults
	switch {
	case errors.As(err, &refused):
		b.result(key, lifecycle.BulkRefused, refused.Reason, refused.Error())
		return nil
	case errors.As(err, &faults):
		b.result(key, lifecycle.BulkRefused, lifecycle.WrongContent, faults.Error())
		return nil
	case err != nil:
		return fmt.Errorf("relationship %s: %w", c.ID, err)
	}
	outcome := lifecycle.BulkUnchanged
	if slices.ContainsFunc(d.Changes, func(change lifecycle.Change) bool { return change.Actor == b.side }) {
		outcome = lifecycle.BulkChanged
	}
	b.result(key, outcome, "", "")
	if !d.Empty() || d.Next != next {
		b.decided = append(b.decided, lifecycle.Decided{Key: key, Version: c.Version, Decision: d})
	}
	return nil
}

func (b *bulkPage) result(key int64, outcome lifecycle.BulkOutcome, reason lifecycle.Reason, detail string) {
	b.results = append(b.results, bulkResultRow{Key: key, Outcome: outcome, Reason: reason, Detail: clean(detail)})
}

func (b *bulkPage) write(ctx context.Context, s session, job int64) error {
	if len(b.decided) > 0 && !b.dryRun {
		if _, err := apply(ctx, s, b.decided); err != nil {
			return err
		}
	}
	if len(b.results) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO bulk_results (job_id, relationship_key, outcome, reason, detail)
		SELECT CAST(:job AS BIGINT), r.key, r.outcome, r.reason, r.detail FROM {{rows key BIGINT, outcome TEXT, reason TEXT, detail TEXT}}`,
		args{"job": job, "rows": page[bulkResultRow](b.results)})
	return err
}

// moveOn counts the page.
func (b *bulkPage) moveOn(row *bulkRow, size int, now time.Time) {
	for i := range b.results {
		row.Found++
		switch b.results[i].Outcome {
		case lifecycle.BulkChanged:
			row.Changed++
		case lifecycle.BulkUnchanged:
			row.Same++
		case lifecycle.BulkRefused:
			row.Refused++
		}
	}
	if len(b.keys) == 0 || len(b.keys) < size {
		row.State, row.Cursor, row.FinishedAt = lifecycle.BulkDone, row.UpTo, at(now)
		return
	}
	row.Cursor = b.keys[len(b.keys)-1].Key
}

func writeProgress(ctx context.Context, s session, row *bulkRow, leaseUntil time.Time) error {
	_, err := s.exec(ctx, `UPDATE bulk_jobs SET state = :state, cursor_key = :cursor, found = :found, changed = :changed, same = :same,
		refused = :refused, finished_at = :finished, ready_at = :lease WHERE id = :id`, args{"id": row.ID, "state": row.State,
		"cursor": row.Cursor, "found": row.Found, "changed": row.Changed, "same": row.Same, "refused": row.Refused,
		"finished": row.FinishedAt, "lease": at(leaseUntil)})
	return err
}
