package storage

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var switchOn = lifecycle.BulkRequest{Action: lifecycle.SetAutoExtend, AutoExtend: true, Side: lifecycle.Partner, Filter: "status eq 'active'",
	Caller: lifecycle.Caller{Name: "ci", Tenant: partner, Role: lifecycle.AdminAgents, Address: "127.0.0.1", Request: "req-1"}, At: start}

func isActive() lifecycle.Filter {
	return lifecycle.Compare{Field: lifecycle.FieldStatus, By: lifecycle.Equal, Value: lifecycle.Value{Text: string(lifecycle.Active)}}
}

// bulked is a job that is opened and claimed.
func bulked(t *testing.T, db *DB, r lifecycle.BulkRequest) lifecycle.BulkJob {
	t.Helper()
	opened, err := db.OpenBulk(ctx, r)
	require.NoError(t, err)
	job, ok, err := db.ClaimBulk(ctx, opened.ID, start, start.Add(time.Minute))
	require.NoError(t, err)
	require.True(t, ok)
	return job
}

// paged runs one page of a job.
func paged(db *DB, job lifecycle.BulkJob, f lifecycle.Filter, size int, now time.Time) (lifecycle.BulkJob, bool, error) {
	return db.RunBulkPage(ctx, job, f, size, now, start.Add(2*time.Minute), func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Act(policy, now, job.ActionFor())
	})
}

// mixed are relationships of which some can be switched, some are so already, and some hold Global Administrator or are over.
func mixed(n int) (records []lifecycle.Record) {
	for i := range n {
		r := active(i+1, start.AddDate(1, 0, 0))
		switch i % 4 {
		case 1:
			r.AutoExtend = true
		case 2:
			r.Roles = []string{lifecycle.GlobalAdministrator}
		case 3:
			r.Status, r.End = lifecycle.Terminated, start.AddDate(0, 0, -1)
		}
		records = append(records, r)
	}
	return records
}

func TestBulkJobGivesEachRecordOneResult(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, mixed(40)...)
		job := bulked(t, db, switchOn)
		require.Equal(t, switchOn, job.BulkRequest)
		require.EqualValues(t, 40, job.UpTo)
		load(t, db, active(99, start.AddDate(1, 0, 0))) // too late for the job

		pages := 0
		for job.State == lifecycle.BulkRunning {
			var ok bool
			var err error
			job, ok, err = paged(db, job, isActive(), 7, start.Add(time.Minute))
			require.NoError(t, err)
			require.True(t, ok)
			pages++
		}
		require.Equal(t, 5, pages, "30 are active")
		require.Equal(t, lifecycle.BulkJob{ID: 1, BulkRequest: switchOn, State: lifecycle.BulkDone, Cursor: 40, UpTo: 40, Found: 30, Changed: 10, Same: 10,
			Refused: 10, Finished: start.Add(time.Minute), Claim: 1}, job)
		stored, err := db.BulkJob(ctx, job.ID)
		require.NoError(t, err)
		require.Equal(t, job, stored)
		require.Equal(t, 20, count(t, db, "SELECT count(*) FROM relationships WHERE auto_extend AND key <= 40"))
		require.False(t, mustRead(t, db, id(99)).AutoExtend)
		require.Equal(t, 10, count(t, db, "SELECT count(*) FROM events WHERE type = 'autoExtendChanged' AND caller = 'ci' AND request_id = 'req-1'"))

		results, err := db.BulkResults(ctx, job.ID, 0, 0, nil)
		require.NoError(t, err)
		require.Len(t, results, 30)
		require.Equal(t, lifecycle.BulkResult{Job: 1, Key: 1, RelationshipID: id(1), Outcome: lifecycle.BulkChanged}, results[0])
		refused, err := db.BulkResults(ctx, job.ID, 3, 2, []lifecycle.BulkOutcome{lifecycle.BulkRefused})
		require.NoError(t, err)
		require.Len(t, refused, 2)
		require.EqualValues(t, 7, refused[0].Key)
		require.Equal(t, lifecycle.WrongContent, refused[0].Reason)
		require.Contains(t, refused[0].Detail, "Global Administrator")
		_, ok, err := paged(db, job, isActive(), 7, start)
		require.NoError(t, err)
		require.False(t, ok, "it is over")
	})
}

func TestDryRunOfABulkJobChangesNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, mixed(8)...)
		events := count(t, db, "SELECT count(*) FROM events")
		dry := switchOn
		dry.DryRun = true
		job, ok, err := paged(db, bulked(t, db, dry), nil, 100, start)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, []int64{8, 2, 2, 4}, []int64{job.Found, job.Changed, job.Same, job.Refused})
		require.Equal(t, events, count(t, db, "SELECT count(*) FROM events"))
		require.Equal(t, 2, count(t, db, "SELECT count(*) FROM relationships WHERE auto_extend"))
	})
}

func TestBulkJobSettlesTimersAndCallsThatNoChange(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		r := active(1, start)
		r.AutoExtend = true
		load(t, db, r, active(2, start))
		job, _, err := paged(db, bulked(t, db, switchOn), nil, 100, start)
		require.NoError(t, err)
		require.Equal(t, []int64{0, 1, 1}, []int64{job.Changed, job.Same, job.Refused}, "extended as it was due; over at that very instant")
		require.Equal(t, start.AddDate(0, 0, 180), mustRead(t, db, id(1)).End)
		require.Equal(t, lifecycle.Active, mustRead(t, db, id(2)).Status, "a refusal writes nothing")
	})
}

func TestBulkJobIsClaimedOnceAndTakenUpAgain(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, mixed(8)...)
		opened, err := db.OpenBulk(ctx, switchOn)
		require.NoError(t, err)
		running, err := db.RunningBulks(ctx, start)
		require.NoError(t, err)
		require.Equal(t, []int64{opened.ID}, running)
		first, ok, err := db.ClaimBulk(ctx, opened.ID, start, start.Add(time.Minute))
		require.NoError(t, err)
		require.True(t, ok)
		_, ok, err = db.ClaimBulk(ctx, opened.ID, start.Add(time.Second), start.Add(time.Hour))
		require.NoError(t, err)
		require.False(t, ok)
		running, err = db.RunningBulks(ctx, start.Add(time.Second))
		require.NoError(t, err)
		require.Empty(t, running)

		// Its holder does a page, and is heard of no more.
		first, ok, err = paged(db, first, nil, 3, start)
		require.NoError(t, err)
		require.True(t, ok)
		lease := start.Add(2 * time.Minute)
		running, err = db.RunningBulks(ctx, lease.Add(-1*time.Second))
		require.NoError(t, err)
		require.Empty(t, running, "the page prolonged the lease")
		second, ok, err := db.ClaimBulk(ctx, opened.ID, lease, lease.Add(time.Minute))
		require.NoError(t, err)
		require.True(t, ok)
		require.EqualValues(t, 3, second.Cursor)
		_, ok, err = paged(db, first, nil, 100, start)
		require.NoError(t, err)
		require.False(t, ok, "its claim was lost")
		second, _, err = paged(db, second, nil, 100, start)
		require.NoError(t, err)
		require.EqualValues(t, 8, second.Found)
		require.Equal(t, 8, count(t, db, "SELECT count(*) FROM bulk_results"))
	})
}

func TestBulkJobIsCancelled(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, mixed(8)...)
		job, _, err := paged(db, bulked(t, db, switchOn), nil, 3, start)
		require.NoError(t, err)
		require.NoError(t, db.CancelBulk(ctx, job.ID, start.Add(time.Hour)))
		_, ok, err := paged(db, job, nil, 3, start)
		require.NoError(t, err)
		require.False(t, ok)
		job, err = db.BulkJob(ctx, job.ID)
		require.NoError(t, err)
		require.Equal(t, lifecycle.BulkCancelled, job.State)
		require.Equal(t, start.Add(time.Hour), job.Finished)
		require.EqualValues(t, 3, job.Found)
		require.ErrorIs(t, db.CancelBulk(ctx, job.ID, start), lifecycle.ErrNotRunning)
		require.ErrorIs(t, db.CancelBulk(ctx, 99, start), lifecycle.ErrNotFound)
		_, err = db.BulkJob(ctx, 99)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		_, ok, err = db.ClaimBulk(ctx, 99, start, start)
		require.NoError(t, err)
		require.False(t, ok)
	})
}

func TestBulkJobsAreListedToThoseWhoAskedForThem(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		for _, tenant := range []string{"", partner, customer, partner} {
			r := switchOn
			r.Caller.Tenant = tenant
			_, err := db.OpenBulk(ctx, r)
			require.NoError(t, err)
		}
		for _, test := range []struct {
			before int64
			limit  int
			tenant string
			want   []int64
		}{
			{0, 0, "", []int64{4, 3, 2, 1}},
			{0, 2, "", []int64{4, 3}},
			{3, 2, "", []int64{2, 1}},
			{0, 0, partner, []int64{4, 2}},
			{4, 1, partner, []int64{2}},
			{0, 0, "nobody", nil},
		} {
			jobs, err := db.BulkJobs(ctx, test.before, test.limit, test.tenant)
			require.NoError(t, err)
			var ids []int64
			for _, job := range jobs {
				ids = append(ids, job.ID)
			}
			require.Equal(t, test.want, ids, "%+v", test)
		}
	})
}

// What somebody changes while a page waits for its lock is looked at as it is then, and the page is not taken for the last one.
func TestBulkPageMeetsWhatOthersChange(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const n = 40
		var records []lifecycle.Record
		for i := range n {
			records = append(records, active(i+1, start.AddDate(1, 0, 0)))
		}
		load(t, db, records...)
		job := bulked(t, db, switchOn)
		all := []func() error{func() error {
			for range n { // at most so many pages
				var err error
				if job, _, err = paged(db, job, isActive(), 5, start); err != nil || job.State != lifecycle.BulkRunning {
					return err
				}
			}
			return fmt.Errorf("not done after %d pages", n)
		}}
		for i := range n {
			if i%2 == 0 {
				all = append(all, func() error {
					_, err := tries(db, i+1, lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Customer}, start)
					return err
				})
			}
		}
		require.Len(t, all, won(t, together(all...), nil))
		require.Equal(t, lifecycle.BulkDone, job.State)
		require.Equal(t, n/2, count(t, db, "SELECT count(*) FROM relationships WHERE status = 'active' AND auto_extend"))
		require.Equal(t, int64(count(t, db, "SELECT count(*) FROM events WHERE type = 'autoExtendChanged'")), job.Changed)
		require.Zero(t, job.Refused, "what is not active any more is not among those that are wanted")
	})
}

func TestRecordThatCannotBeReadDoesNotStopABulkJob(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, mixed(4)...)
		_, err := db.pool.ExecContext(ctx, "UPDATE agreements SET duration = 'long' WHERE key = 1")
		require.NoError(t, err)
		job, _, err := paged(db, bulked(t, db, switchOn), nil, 10, start)
		require.NoError(t, err)
		require.EqualValues(t, 4, job.Found)
		results, err := db.BulkResults(ctx, job.ID, 0, 1, nil)
		require.NoError(t, err)
		require.Equal(t, lifecycle.BulkRefused, results[0].Outcome)
		require.Contains(t, results[0].Detail, "column duration cannot be read")
	})
}
