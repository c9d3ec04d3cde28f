package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

func onEachDatabase(t *testing.T, what func(t *testing.T, d *deployment)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { what(t, deploy(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { what(t, deployOn(t, testenv.Postgres(t))) })
}

// bulk carries out bulk jobs in a process of its own.
func (d *deployment) bulk() *jobs.Bulk {
	return &jobs.Bulk{Store: d.db, Policy: d.policy, Log: slog.New(slog.DiscardHandler),
		Parse: func(filter string) (lifecycle.Filter, error) { return odata.ParseFilter(filter, d.policy) },
		Now:   func() time.Time { return d.now }, Wall: func() time.Time { return d.wall }}
}

// request asks for autoExtend on what filter wants.
func (d *deployment) request(filter string) lifecycle.BulkJob {
	d.t.Helper()
	return d.requested(lifecycle.BulkRequest{Filter: filter})
}

func (d *deployment) requested(r lifecycle.BulkRequest) lifecycle.BulkJob {
	d.t.Helper()
	if r.Action == "" {
		r.Action, r.AutoExtend = lifecycle.SetAutoExtend, true
	}
	if r.Side == "" {
		r.Side = lifecycle.Partner
	}
	if r.Caller.Role == "" {
		r.Caller = lifecycle.Caller{Name: "test", Role: lifecycle.Operator}
	}
	r.At = d.now
	job, err := d.db.OpenBulk(d.t.Context(), r)
	require.NoError(d.t, err)
	return job
}

// results are all results of a job, read in pages.
func (d *deployment) results(job int64) []lifecycle.BulkResult {
	d.t.Helper()
	var all []lifecycle.BulkResult
	for after := int64(0); ; after = all[len(all)-1].Key {
		next, err := d.db.BulkResults(d.t.Context(), job, after, 300, nil)
		require.NoError(d.t, err)
		if len(next) == 0 {
			return all
		}
		all = append(all, next...)
	}
}

// portfolio is a thousand records: every tenth extends already, every tenth holds Global Administrator.
func portfolio() []lifecycle.Record {
	records := many(1000, start.Add(100*lifecycle.Day))
	for i := range records {
		switch i % 10 {
		case 3:
			records[i].AutoExtend = true
		case 7:
			records[i].Roles = []string{lifecycle.GlobalAdministrator}
		}
	}
	return records
}

// eachOnce checks that the portfolio was switched, and that each record has one result and no more than one event.
func (d *deployment) eachOnce(job lifecycle.BulkJob) {
	d.t.Helper()
	require.Equal(d.t, lifecycle.BulkDone, job.State)
	require.Equal(d.t, [4]int64{1000, 800, 100, 100}, [4]int64{job.Found, job.Changed, job.Same, job.Refused})
	seen := map[string]lifecycle.BulkOutcome{}
	for _, r := range d.results(job.ID) {
		require.NotContains(d.t, seen, r.RelationshipID)
		seen[r.RelationshipID] = r.Outcome
		if r.Outcome == lifecycle.BulkRefused {
			require.Equal(d.t, lifecycle.WrongContent, r.Reason)
			require.Contains(d.t, r.Detail, "it holds Global Administrator")
		}
	}
	require.Len(d.t, seen, 1000)
	switched := map[string]int{}
	require.NoError(d.t, d.db.EachActivity(d.t.Context(), lifecycle.ActivityQuery{Types: []lifecycle.EventType{lifecycle.EventAutoExtendChanged}},
		func(e lifecycle.Event) error {
			switched[e.RelationshipID]++
			require.Equal(d.t, "test", e.By.Name)
			return nil
		}))
	require.Len(d.t, switched, 800)
	for id, times := range switched {
		require.Equal(d.t, 1, times)
		require.Equal(d.t, lifecycle.BulkChanged, seen[id])
	}
}

// A dying store has a process killed at one of its pages: before the page, or when it is written and nobody learns of it.
type dyingStore struct {
	jobs.BulkStore
	killAt int
	after  bool
	die    context.CancelFunc
}

func (s *dyingStore) RunBulkPage(ctx context.Context, job lifecycle.BulkJob, f lifecycle.Filter, size int, now, leaseUntil time.Time,
	decide func(lifecycle.Case) (lifecycle.Decision, error),
) (after lifecycle.BulkJob, ok bool, err error) {
	if s.killAt--; s.killAt > 0 {
		return s.BulkStore.RunBulkPage(ctx, job, f, size, now, leaseUntil, decide)
	}
	if s.after {
		_, _, _ = s.BulkStore.RunBulkPage(ctx, job, f, size, now, leaseUntil, decide)
	}
	s.die()
	return job, false, errKilled
}

func TestBulkJobThatIsKilledBetweenPagesGoesOnAndDoesEachRecordOnce(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		d.load(portfolio()...)
		job := d.request("status eq 'active'")
		for _, s := range []*dyingStore{{killAt: 1}, {killAt: 1, after: true}, {killAt: 2}, {killAt: 2, after: true}} {
			ctx, die := context.WithCancel(t.Context())
			s.BulkStore, s.die = d.db, die
			mortal := d.bulk()
			mortal.Store = s
			require.NoError(t, mortal.Run(ctx))
			require.NoError(t, d.bulk().Look(t.Context()), "its lease still runs")
			now, err := d.db.BulkJob(t.Context(), job.ID)
			require.NoError(t, err)
			require.Equal(t, lifecycle.BulkRunning, now.State)
			d.wall = d.wall.Add(31 * time.Second)
		}
		done, err := d.bulk().Carry(t.Context(), job.ID, nil)
		require.NoError(t, err)
		d.eachOnce(done)
	})
}

func TestSeveralProcessesShareABulkJob(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		d.load(portfolio()...)
		job := d.request("status eq 'active'")
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				done, err := d.bulk().Carry(t.Context(), job.ID, nil)
				assert.NoError(t, err)
				assert.Equal(t, lifecycle.BulkDone, done.State)
			})
			all.Go(func() { assert.NoError(t, d.bulk().Look(t.Context())) })
		}
		all.Wait()
		done, err := d.db.BulkJob(t.Context(), job.ID)
		require.NoError(t, err)
		d.eachOnce(done)
	})
}

func TestCancelledBulkJobStopsWhereItIs(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		d.load(many(1000, start.Add(lifecycle.Day))...)
		job := d.request("true")
		pages := 0
		over, err := d.bulk().Carry(t.Context(), job.ID, func(lifecycle.BulkJob) {
			if pages++; pages == 2 {
				assert.NoError(t, d.db.CancelBulk(t.Context(), job.ID, d.now))
			}
		})
		require.NoError(t, err)
		require.Equal(t, lifecycle.BulkCancelled, over.State)
		require.EqualValues(t, 400, over.Changed)
		require.Len(t, d.results(job.ID), 400, "what was done has its result")
		require.NoError(t, d.bulk().Look(t.Context()))
		require.Len(t, d.results(job.ID), 400)
		require.ErrorIs(t, d.db.CancelBulk(t.Context(), job.ID, d.now), lifecycle.ErrNotRunning)
	})
}

func TestDryBulkRunForeseesAndChangesNothing(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		d.load(portfolio()...)
		job := d.requested(lifecycle.BulkRequest{Filter: "true", DryRun: true})
		done, err := d.bulk().Carry(t.Context(), job.ID, nil)
		require.NoError(t, err)
		require.Equal(t, [4]int64{1000, 800, 100, 100}, [4]int64{done.Found, done.Changed, done.Same, done.Refused})
		again, err := d.bulk().Carry(t.Context(), d.request("true").ID, nil)
		require.NoError(t, err)
		d.eachOnce(again)
	})
}

func TestRecordsThatComeLaterAreNotPartOfTheJob(t *testing.T) {
	d := deploy(t)
	d.load(active(1, start.Add(lifecycle.Day)))
	job := d.request("true")
	d.load(active(2, start.Add(lifecycle.Day)))
	done, err := d.bulk().Carry(t.Context(), job.ID, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, done.Found)
}

func TestBulkJobOfATenantTouchesOnlyWhatIsTheirs(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *deployment) {
		const other = "aaaaaaaa-0000-4000-8000-000000000002"
		foreign := active(2, start.Add(lifecycle.Day))
		foreign.Partner = other
		d.load(active(1, start.Add(lifecycle.Day)), foreign)
		job := d.requested(lifecycle.BulkRequest{Filter: "true or partner/tenantId eq '" + partner + "'",
			Caller: lifecycle.Caller{Name: "test", Tenant: other, Role: lifecycle.AdminAgents}})
		done, err := d.bulk().Carry(t.Context(), job.ID, nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, done.Found)
		require.Equal(t, foreign.ID, d.results(job.ID)[0].RelationshipID)
	})
}

func TestRequestWithoutACustomerIsNotApprovedInBulk(t *testing.T) {
	d := deploy(t)
	named, nameless, lapsed := active(1, time.Time{}), active(2, time.Time{}), active(3, time.Time{})
	for _, r := range []*lifecycle.Record{&named, &nameless, &lapsed} {
		r.Status, r.Activated, r.End, r.Created, r.Modified = lifecycle.ApprovalPending, time.Time{}, time.Time{}, start, start
		r.Locked = start.Add(-time.Hour)
	}
	nameless.Customer, lapsed.Customer, lapsed.Locked = lifecycle.Tenant{}, lifecycle.Tenant{}, start.Add(-90*lifecycle.Day)
	d.load(named, nameless, lapsed)
	job := d.requested(lifecycle.BulkRequest{Action: lifecycle.Approve, Side: lifecycle.Customer, Filter: "status eq 'approvalPending'"})
	done, err := d.bulk().Carry(t.Context(), job.ID, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, done.Changed)
	require.EqualValues(t, 2, done.Refused)
	require.Equal(t, lifecycle.Active, d.status(1))
	require.Equal(t, lifecycle.ApprovalPending, d.status(2))
	results := d.results(job.ID)
	require.Contains(t, results[1].Detail, "it names no customer; say who approves")
	require.Contains(t, results[2].Detail, "the relationship is expired", "its time for approval is over, swept or not")
}

func TestSmallBulkJobDoesNotWaitForALargeOne(t *testing.T) {
	d := deploy(t)
	d.load(many(1000, start.Add(lifecycle.Day))...)
	large := d.request("true")
	small := d.request("id eq 'r-0999'")
	smallDoneAt := int64(-1)
	watching := &watchingStore{BulkStore: d.db, page: func(job lifecycle.BulkJob) {
		if job.ID == small.ID && job.State == lifecycle.BulkDone {
			now, err := d.db.BulkJob(t.Context(), large.ID)
			require.NoError(t, err)
			smallDoneAt = now.Found
		}
	}}
	b := d.bulk()
	b.Store = watching
	require.NoError(t, b.Look(t.Context()))
	require.EqualValues(t, 200, smallDoneAt, "a page of each in turn")
	done, err := d.db.BulkJob(t.Context(), large.ID)
	require.NoError(t, err)
	require.Equal(t, lifecycle.BulkDone, done.State)
}

// A watchingStore tells of each page.
type watchingStore struct {
	jobs.BulkStore
	page func(lifecycle.BulkJob)
}

func (s *watchingStore) RunBulkPage(ctx context.Context, job lifecycle.BulkJob, f lifecycle.Filter, size int, now, leaseUntil time.Time,
	decide func(lifecycle.Case) (lifecycle.Decision, error),
) (lifecycle.BulkJob, bool, error) {
	after, ok, err := s.BulkStore.RunBulkPage(ctx, job, f, size, now, leaseUntil, decide)
	s.page(after)
	return after, ok, err
}

func TestBulkJobWhoseFilterCannotBeReadAnyMoreIsCancelled(t *testing.T) {
	d := deploy(t)
	job, fine := d.request("autoExtendDuration eq 'P90D'"), d.request("true")
	b := d.bulk()
	var said bytes.Buffer
	b.Log = slog.New(slog.NewTextHandler(&said, nil))
	require.NoError(t, b.Look(t.Context()))
	over, err := d.db.BulkJob(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, lifecycle.BulkCancelled, over.State)
	require.Contains(t, said.String(), "must be P180D (on) or PT0S (off)")
	over, err = d.db.BulkJob(t.Context(), fine.ID)
	require.NoError(t, err)
	require.Equal(t, lifecycle.BulkDone, over.State)
}

// An idle store has one job, from some look on, and is away for some looks before.
type idleStore struct {
	jobs.BulkStore
	mu    sync.Mutex
	looks []time.Time
	away  int
}

func (s *idleStore) RunningBulks(_ context.Context, wall time.Time) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks = append(s.looks, wall)
	if len(s.looks) <= s.away {
		return nil, errors.New("the database is away")
	}
	return nil, nil
}

func TestBulkJobsAreLookedForEachSecondAndTroubleIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &idleStore{away: 5}
		var said bytes.Buffer
		b := &jobs.Bulk{Store: store, Wall: time.Now, Now: time.Now, Log: slog.New(slog.NewTextHandler(&said, nil))}
		ctx, stop := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer stop()
		require.NoError(t, b.Run(ctx))
		require.Len(t, store.looks, 10)
		for i, at := range store.looks[1:] {
			require.Equal(t, time.Second, at.Sub(store.looks[i]), fmt.Sprint(i))
		}
		require.Equal(t, 1, bytes.Count(said.Bytes(), []byte("cannot be looked for")))
		require.Equal(t, 1, bytes.Count(said.Bytes(), []byte("can be looked for again")))
	})
}

func TestUnknownBulkJobIsNotFound(t *testing.T) {
	d := deploy(t)
	_, err := d.bulk().Carry(t.Context(), 7, nil)
	require.ErrorIs(t, err, lifecycle.ErrNotFound)
}
