package bench

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"
)

// An endingJob is one of River's: one record.
type endingJob struct {
	Key int64 `json:"key"`
}

// Kind is what River calls it.
func (endingJob) Kind() string { return "ending" }

type endingWorker struct {
	river.WorkerDefaults[endingJob]
	clerk *clerk
	most  int64
	done  atomic.Int64
	all   chan struct{}
}

// Work does one record.
func (w *endingWorker) Work(ctx context.Context, job *river.Job[endingJob]) error {
	if err := w.clerk.do(ctx, job.Args.Key, time.Now().UTC()); err != nil {
		slog.Error("a job failed", "error", err)
		return err
	}
	if w.done.Add(1) == w.most {
		close(w.all)
	}
	return nil
}

// riverPerRecord is one River job and one transaction for each record: from the look for what is due, over one insert of all jobs, to
// the last commit. River is tuned: it asks for jobs as often as it can be made to, and takes many at once.
func (h *house) riverPerRecord(w world, workers, connections int) time.Duration {
	h.t.Helper()
	ctx := context.Background()
	db := h.fresh(w)
	defer db.drop()
	c := h.clerk(db, connections)
	defer c.pool.Close()
	driver := riverpgxv5.New(c.pool)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: log})
	require.NoError(h.t, err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	require.NoError(h.t, err)

	worker := &endingWorker{clerk: c, most: int64(w.Due), all: make(chan struct{})}
	known := river.NewWorkers()
	river.AddWorker(known, worker)
	client, err := river.NewClient(driver, &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}, Workers: known, Logger: log,
		FetchCooldown: river.FetchCooldownMin, FetchPollInterval: river.FetchPollIntervalMin,
	})
	require.NoError(h.t, err)
	require.NoError(h.t, client.Start(ctx))
	defer func() { require.NoError(h.t, client.Stop(ctx)) }()

	began := time.Now()
	keys, err := c.due(ctx, began.UTC())
	require.NoError(h.t, err)
	jobs := make([]river.InsertManyParams, len(keys))
	for i, key := range keys {
		jobs[i].Args = endingJob{key}
	}
	_, err = client.InsertManyFast(ctx, jobs)
	require.NoError(h.t, err)
	h.wait(worker.all)
	took := time.Since(began)
	db.check()
	return took
}
