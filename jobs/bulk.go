package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// bulkEvery is how often somebody looks for bulk jobs.
	bulkEvery = time.Second

	// bulkLease is how long a bulk job stays with a process that does nothing to it: each page prolongs it.
	bulkLease = 30 * time.Second

	// bulkPage is how many records are done in one transaction.
	bulkPage = 200

	// bulkWatch is how often whoever waits for a job that another process carries out looks at it.
	bulkWatch = 200 * time.Millisecond
)

// A BulkStore keeps bulk jobs. Instants called wall, and leases, are of the machine's clock; all others of the deployment's.
type BulkStore interface {
	// CheckClock is [lifecycle.ErrClockAstray] where q does not believe a clock that shows now; then everything is on hold.
	CheckClock(ctx context.Context, q lifecycle.QuarantinePolicy, now time.Time) error

	// BulkJob reads a job; [lifecycle.ErrNotFound] where there is none.
	BulkJob(ctx context.Context, id int64) (lifecycle.BulkJob, error)

	// CancelBulk ends a job before its time; [lifecycle.ErrNotRunning] where it is over.
	CancelBulk(ctx context.Context, id int64, at time.Time) error

	// RunningBulks lists the running jobs that nobody has claimed, the oldest first.
	RunningBulks(ctx context.Context, wall time.Time) ([]int64, error)

	// ClaimBulk takes a running job up until the lease ends; false where somebody else has it, or it is over.
	ClaimBulk(ctx context.Context, id int64, wall, leaseUntil time.Time) (lifecycle.BulkJob, bool, error)

	// RunBulkPage does the next records that f wants in one transaction, at most size of them, and prolongs the lease: a refusal
	// of decide's is a result, any other error stops the page. The job is done where no record was left; false where the claim
	// was lost, or the job is over.
	RunBulkPage(ctx context.Context, job lifecycle.BulkJob, f lifecycle.Filter, size int, now, leaseUntil time.Time,
		decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.BulkJob, bool, error)
}

// Bulk carries out bulk jobs: one action on every record that a filter wants, page by page, with a result for each. Any number
// of processes may do so; a job that one of them leaves lying, because it died, goes on in another one after half a minute,
// with the record behind the last one done.
type Bulk struct {
	Store  BulkStore
	Policy *lifecycle.Policy
	Parse  func(filter string) (lifecycle.Filter, error) // reads a job's filter
	Now    func() time.Time                              // the deployment's clock
	Wall   func() time.Time                              // the machine's
	Log    *slog.Logger
	Tracer trace.Tracer // nil: nothing is traced

	blind bool // the last look failed; said once, not each second
}

// Run carries out the jobs that nobody has taken up, until ctx ends. What goes wrong is logged, and tried again.
func (b *Bulk) Run(ctx context.Context) error {
	tick := time.NewTicker(bulkEvery)
	defer tick.Stop()
	for {
		if err := b.Look(ctx); ctx.Err() == nil {
			b.looked(ctx, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// looked tells the log when bulk jobs cannot be looked for, and when they can again: once each.
func (b *Bulk) looked(ctx context.Context, err error) {
	switch blind := err != nil; {
	case blind && !b.blind:
		b.Log.WarnContext(ctx, "bulk jobs cannot be looked for; it is tried again each second", "error", err)
	case !blind && b.blind:
		b.Log.InfoContext(ctx, "bulk jobs can be looked for again")
	}
	b.blind = err != nil
}

// Look takes up every job that nobody has, and carries them out side by side, a page of each in turn, so that a large one
// holds up no small one. It comes back when there is nothing left to do.
func (b *Bulk) Look(ctx context.Context) error {
	var mine []carried
	for {
		fresh, err := b.takeUp(ctx)
		if mine = append(mine, fresh...); err != nil || len(mine) == 0 {
			return err // what was taken up already goes on when its lease ends
		}
		mine = slices.DeleteFunc(mine, func(c carried) bool { return !b.goOn(ctx, c) })
		if ctx.Err() != nil {
			return nil
		}
	}
}

// A carried job is one that this process has claimed. Its page moves the job on.
type carried struct {
	job    *lifecycle.BulkJob
	filter lifecycle.Filter
}

func (b *Bulk) takeUp(ctx context.Context) ([]carried, error) {
	ids, err := b.Store.RunningBulks(ctx, b.Wall())
	if err != nil {
		return nil, err
	}
	var mine []carried
	for _, id := range ids {
		c, ok, err := b.claim(ctx, id)
		if err != nil {
			return mine, err
		}
		if ok {
			mine = append(mine, c)
		}
	}
	return mine, nil
}

// claim takes a job up; false where it is somebody else's, or over. One whose filter cannot be read, since the policy has
// changed after it was asked for, is cancelled: it would be the same each time.
func (b *Bulk) claim(ctx context.Context, id int64) (carried, bool, error) {
	wall := b.Wall()
	job, ok, err := b.Store.ClaimBulk(ctx, id, wall, wall.Add(bulkLease))
	if err != nil || !ok {
		return carried{}, false, err
	}
	filter, err := b.Parse(job.Filter)
	if err != nil {
		b.Log.ErrorContext(ctx, "a bulk job is cancelled, since its filter cannot be read", "job", id, "error", err)
		if err := b.Store.CancelBulk(ctx, id, b.Now()); !errors.Is(err, lifecycle.ErrNotRunning) {
			return carried{}, false, err
		}
		return carried{}, false, nil
	}
	if scope := job.Caller.Scope(); scope != nil {
		filter = lifecycle.All{scope, filter}
	}
	return carried{&job, filter}, true, nil
}

// goOn does a page of a job, and says whether there is more to do to it here.
func (b *Bulk) goOn(ctx context.Context, c carried) bool {
	ok, err := b.page(ctx, c)
	switch {
	case err != nil && ctx.Err() == nil:
		b.Log.WarnContext(ctx, "a page of a bulk job failed; it is tried again when the lease ends", "job", c.job.ID, "error", err)
	case err != nil:
	case ok && c.job.State == lifecycle.BulkRunning:
		return true
	case ok:
		b.Log.InfoContext(ctx, "bulk job done", "job", c.job.ID, "action", c.job.Action, "dryRun", c.job.DryRun, "found", c.job.Found,
			"changed", c.job.Changed, "same", c.job.Same, "refused", c.job.Refused)
	}
	return false
}

// page does a page of a job; false where it is not ours any more.
func (b *Bulk) page(ctx context.Context, c carried) (bool, error) {
	now := b.Now()
	if err := b.Store.CheckClock(ctx, b.Policy.Quarantine, now); err != nil {
		return false, fmt.Errorf("bulk job %d: %w", c.job.ID, err)
	}
	decide := func(of lifecycle.Case) (lifecycle.Decision, error) { return of.Act(b.Policy, now, c.job.ActionFor()) }
	ctx, span := startSpan(ctx, b.Tracer, "do bulk page", attrJob.Int64(c.job.ID), attrAction.String(string(c.job.Action)))
	after, ok, err := b.Store.RunBulkPage(ctx, *c.job, c.filter, bulkPage, now, b.Wall().Add(bulkLease), decide)
	if err == nil && ok {
		span.SetAttributes(attribute.Int64("tenure.found", after.Found-c.job.Found), attribute.Int64("tenure.changed", after.Changed-c.job.Changed),
			attribute.Int64("tenure.refused", after.Refused-c.job.Refused))
		*c.job = after
	}
	endSpan(span, err)
	return ok, err
}

// Carry carries one job out and answers with it when it is over. Where another process has taken it up, Carry waits for that
// one, and goes on itself should it die. progress, unless it is nil, hears how far the job has come.
func (b *Bulk) Carry(ctx context.Context, id int64, progress func(lifecycle.BulkJob)) (lifecycle.BulkJob, error) {
	if progress == nil {
		progress = func(lifecycle.BulkJob) {}
	}
	watch := time.NewTicker(bulkWatch)
	defer watch.Stop()
	for {
		if err := b.carryOn(ctx, id, progress); err != nil {
			return lifecycle.BulkJob{}, fmt.Errorf("bulk job %d: %w", id, err)
		}
		job, err := b.Store.BulkJob(ctx, id)
		if err != nil {
			return lifecycle.BulkJob{}, err
		}
		if progress(job); job.State != lifecycle.BulkRunning {
			return job, nil
		}
		select {
		case <-ctx.Done():
			return job, ctx.Err()
		case <-watch.C:
		}
	}
}

// carryOn does a job's pages until it is over, or somebody else's.
func (b *Bulk) carryOn(ctx context.Context, id int64, progress func(lifecycle.BulkJob)) error {
	c, ok, err := b.claim(ctx, id)
	for err == nil && ok && c.job.State == lifecycle.BulkRunning {
		if ok, err = b.page(ctx, c); err == nil && ok {
			progress(*c.job)
		}
	}
	return err
}
