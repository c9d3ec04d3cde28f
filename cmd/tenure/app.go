package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/graph"
	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/notify"
	"github.com/tenure-dev/tenure/storage"
)

// The rooms that only know each other's shapes are introduced here.
var (
	_ jobs.Store    = (*storage.DB)(nil)
	_ jobs.Notifier = (*notify.Notifier)(nil)

	_ jobs.ProvisioningStore = (*storage.DB)(nil)
	_ jobs.BulkStore         = (*storage.DB)(nil)
	_ jobs.QuarantineStore   = (*storage.DB)(nil)
	_ httpapi.Store          = (*storage.DB)(nil)
	_ graph.Store            = (*storage.DB)(nil)
	_ httpapi.Graph          = (*graph.API)(nil)
)

// An app is what a command has to work with.
type app struct {
	*settings
	ctx            context.Context // ends with the first signal
	stdout, stderr io.Writer
	opened         []io.Closer // databases and channels, to be closed when the command is over
}

// close closes what was opened, the last first.
func (a *app) close() error {
	var err error
	for _, c := range slices.Backward(a.opened) {
		err = errors.Join(err, c.Close())
	}
	return err
}

// say tells whoever sits there something that is no output of the command.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format+"\n", args...)
}

// wall reads the machine's clock. It is the only place that does.
func wall() time.Time { return lifecycle.Instant(time.Now()) }

func (a *app) log() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(a.LogLevel)) // an enum: kong has checked it
	return newLog(a.stderr, level, a.LogFormat)
}

func (a *app) databaseURL() (string, error) {
	if scheme, _, _ := strings.Cut(a.DB, ":"); !slices.Contains([]string{"sqlite", "postgres", "postgresql"}, scheme) {
		return "", errors.New("--db is no address of a database; write sqlite:PATH or postgres://USER@HOST/NAME")
	}
	return withPassword(a.DB, a.DBPasswordFile)
}

// openForReading opens the database beside whoever is writing to it.
func (a *app) openForReading() (*storage.DB, error) {
	address, err := a.databaseURL()
	if err != nil {
		return nil, codedError{exitUsage, err}
	}
	if err := a.thereIsAFile(); err != nil {
		return nil, err
	}
	db, err := storage.OpenReadOnly(a.ctx, address)
	if err == nil {
		a.opened = append(a.opened, db)
	}
	return db, err
}

// thereIsAFile says what to do where the embedded database has not been made.
func (a *app) thereIsAFile() error {
	path, _, _ := strings.Cut(strings.TrimPrefix(a.DB, "sqlite:"), "?")
	if _, err := os.Stat(path); a.embedded() && errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no database at %s yet; `tenure import FILE` makes one, or name another with --db", path)
	}
	return nil
}

// openWithClock opens a database that exists for what somebody orders, with the clock by which it is written down.
func (a *app) openWithClock() (db *storage.DB, now func() time.Time, err error) {
	if db, err = a.openForWriting(false); err != nil {
		return nil, nil, err
	}
	now, err = a.clock(db)
	return db, now, err
}

// openForWriting opens the database. With create the embedded one is made where there is none; PostgreSQL's is `tenure
// migrate`'s to make.
func (a *app) openForWriting(create bool) (*storage.DB, error) {
	address, err := a.databaseURL()
	if err != nil {
		return nil, codedError{exitUsage, err}
	}
	if !create {
		if err := a.thereIsAFile(); err != nil {
			return nil, err
		}
	}
	db, err := storage.Open(a.ctx, address)
	if err != nil {
		return nil, err
	}
	if err = db.Ping(a.ctx); errors.Is(err, storage.ErrNotMigrated) && a.embedded() {
		err = db.Migrate(a.ctx, "", wall())
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	a.opened = append(a.opened, db)
	return db, nil
}

func (a *app) embedded() bool { return strings.HasPrefix(a.DB, "sqlite:") }

// clock is the deployment's clock: the machine's, or in a sandbox the one that is moved by hand.
func (a *app) clock(db *storage.DB) (func() time.Time, error) {
	kind, err := db.Kind(a.ctx)
	if err != nil {
		return nil, err
	}
	if kind == storage.Live {
		return wall, nil
	}
	first, err := db.TestClock(a.ctx)
	if err != nil {
		return nil, err
	}
	var last atomic.Pointer[time.Time]
	last.Store(&first)
	return func() time.Time {
		now, err := a.askTestClock(db)
		if err != nil {
			return *last.Load()
		}
		last.Store(&now)
		return now
	}, nil
}

// askTestClock asks until there is an answer. Other processes move the test clock, by months perhaps, so that a connection that just
// broke is no reason to act on what it said before; nor is having been told to stop, since what has begun is still finished. Nothing
// can be written without the database either, so there is time: five minutes, or some seconds for whoever is to stop.
func (a *app) askTestClock(db *storage.DB) (time.Time, error) {
	const patience, atTheEnd, attempt, wait = 5 * time.Minute, 5 * time.Second, 10 * time.Second, 100 * time.Millisecond
	ctx, enough := context.WithTimeout(context.WithoutCancel(a.ctx), patience)
	defer enough()
	defer context.AfterFunc(a.ctx, func() { time.AfterFunc(atTheEnd, enough) })()
	for {
		once, cancel := context.WithTimeout(ctx, attempt)
		now, err := db.TestClock(once)
		cancel()
		if err == nil || ctx.Err() != nil {
			return now, err
		}
		select {
		case <-ctx.Done():
			return now, err
		case <-time.After(wait):
		}
	}
}

// works are the parts that do the work, around one database.
type works struct {
	db      *storage.DB
	policy  *lifecycle.Policy
	sweeper *jobs.Sweeper
	courier *jobs.Courier
	bulk    *jobs.Bulk
	log     *slog.Logger
	tracer  trace.Tracer // nil: nothing is traced

	sequencer    *jobs.Sequencer
	guard        *jobs.Quarantine   // of commands that do the work themselves
	provisioning *jobs.Provisioning // asks nobody, unless it is given somebody to ask
}

// trace has all parts tell where their time goes; nil: none of them does.
func (w *works) trace(tracer trace.Tracer) {
	w.tracer, w.sweeper.Tracer, w.courier.Tracer, w.bulk.Tracer, w.provisioning.Tracer = tracer, tracer, tracer, tracer, tracer
}

// parseFilter reads a filter as bulk jobs keep it.
func (w *works) parseFilter(text string) (lifecycle.Filter, error) {
	return odata.ParseFilter(text, w.policy)
}

// assemble puts the parts together around a database: bell rings the workers, notifier sends.
func (a *app) assemble(db *storage.DB, policy *lifecycle.Policy, lead bool, bell jobs.Bell, notifier jobs.Notifier, now func() time.Time, metrics *jobs.Metrics) (*works, error) {
	log := a.log()
	if err := a.goBy(db, policy, lead); err != nil {
		return nil, err
	}
	w := &works{
		db: db, policy: policy, log: log,
		sweeper: &jobs.Sweeper{Store: db, Policy: policy, Bell: bell, Now: now, Wall: wall, Log: log, Metrics: metrics, Parallel: 1},
		courier: &jobs.Courier{Store: db, Policy: policy, Notifier: notifier, Now: now, Wall: wall, Log: log, Metrics: metrics},

		provisioning: &jobs.Provisioning{Store: db, Policy: policy, Now: now, Wall: wall, Log: log, Metrics: metrics},
	}
	w.sequencer = a.sequencer(db)
	w.bulk = &jobs.Bulk{Store: db, Policy: policy, Parse: w.parseFilter, Now: now, Wall: wall, Log: log}
	return w, nil
}

// goBy sees to it that the stored timers are those of the policy. Whoever leads sets them anew where they are not: a process
// that has the database for itself, or the scheduler. Others must not, since they would do so under running processes.
func (a *app) goBy(db *storage.DB, policy *lifecycle.Policy, lead bool) error {
	if err := a.limit(db, policy); err != nil {
		return err
	}
	other, err := db.TimedByAnother(a.ctx, policy)
	if err != nil {
		return err
	}
	if other && !lead {
		return usageError("the timers in this database were set by another policy; name that one with --policy, " +
			"or start the schedulers with this one first")
	}
	now, err := a.clock(db)
	if err != nil {
		return err
	}
	moved, err := db.Retime(a.ctx, policy, now())
	if err == nil && moved > 0 {
		a.log().Info("the policy has changed; the next timers were set anew", "records", moved)
	}
	if err == nil && other { // what held sweeps would do was counted by the other one
		err = db.DropHeldSweeps(a.ctx, wall())
	}
	if err != nil || !lead {
		return err
	}
	return db.KeepPolicy(a.ctx, policy, now())
}
