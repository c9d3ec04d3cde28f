package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

// A memory is a witness that several processes share.
type memory struct {
	knows lifecycle.HighWater
	away  error
}

func (*memory) Name() string { return "memory" }

func (m *memory) Read(_ context.Context, deployment string) (lifecycle.HighWater, bool, error) {
	return m.knows, m.knows.Deployment == deployment, m.away
}

func (m *memory) Write(_ context.Context, h lifecycle.HighWater) error {
	if m.away == nil {
		m.knows = h
	}
	return m.away
}

// guarded is a process of the deployment with a clock of its own.
func (d *deployment) guarded(w jobs.Witness, now *time.Time) *jobs.Quarantine {
	return &jobs.Quarantine{Store: d.db, Policy: lifecycle.DefaultQuarantine(), Witnesses: []jobs.Witness{w}, Now: func() time.Time { return *now },
		Log: slog.New(slog.DiscardHandler)}
}

func (d *deployment) stands() lifecycle.Reason {
	hold, _, err := d.db.Standstill(d.t.Context())
	require.NoError(d.t, err)
	return hold.Cause
}

func (d *deployment) release() {
	_, err := d.db.ReleaseQuarantine(d.t.Context(), "all is well", lifecycle.Caller{Name: "ops"}, d.now, d.wall)
	require.NoError(d.t, err)
}

func TestClockOfOneProcessThatIsWrongStopsAll(t *testing.T) {
	d, w := deploy(t), &memory{}
	wrong := start
	one, other := d.guarded(w, &d.now), d.guarded(w, &wrong)
	require.NoError(t, one.Begin(t.Context(), true))
	require.NoError(t, other.Begin(t.Context(), true))
	require.Equal(t, start, w.knows.Seen)

	wrong = start.Add(365 * lifecycle.Day)
	require.NoError(t, other.Look(t.Context(), false))
	require.Equal(t, lifecycle.ClockAhead, d.stands())
	require.NoError(t, one.Look(t.Context(), false))
	require.Equal(t, start, w.knows.Seen, "nobody remembers a time that was not believed")

	d.now = start.Add(time.Minute)
	wrong = d.now
	d.release()
	require.NoError(t, other.Look(t.Context(), false))
	require.NoError(t, one.Look(t.Context(), false))
	require.Empty(t, d.stands())
	require.Equal(t, d.now, w.knows.Seen)
}

// A clock that was three days ahead was believed, and so what everybody remembers is three days ahead as well.
func TestMarkThatWasWrongIsAcceptedByWhoeverReleases(t *testing.T) {
	d, w := deploy(t), &memory{}
	guard := d.guarded(w, &d.now)
	require.NoError(t, guard.Look(t.Context(), false))
	d.now = start.Add(3 * lifecycle.Day)
	require.NoError(t, guard.Look(t.Context(), false))
	require.Empty(t, d.stands())
	d.now = start.Add(time.Hour)
	require.NoError(t, guard.Look(t.Context(), false))
	require.Equal(t, lifecycle.ClockBack, d.stands())
	d.release()
	require.NoError(t, guard.Look(t.Context(), false))
	require.NoError(t, d.guarded(w, &d.now).Begin(t.Context(), true), "another process knows the same witness")
	require.Empty(t, d.stands())
	require.Equal(t, d.now, w.knows.Seen)
}

func TestDatabaseRestoredBeneathAProcessIsFoundOutWithoutAnyWitness(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	d := deployOn(t, "sqlite:"+path)
	guard := d.guarded(&memory{away: errors.New("away")}, &d.now)
	require.NoError(t, guard.Look(t.Context(), false), "a witness that is away is no reason to stop")
	require.NoError(t, d.db.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	backup := filepath.Join(t.TempDir(), "test.db")
	require.NoError(t, os.WriteFile(backup, raw, 0o600))

	d = deployOn(t, "sqlite:"+path)
	guard.Store, d.now = d.db, start.Add(time.Hour)
	guard.Now = func() time.Time { return d.now }
	require.NoError(t, guard.Look(t.Context(), false))
	require.Empty(t, d.stands())

	restored := deployOn(t, "sqlite:"+backup)
	guard.Store = restored.db
	require.NoError(t, guard.Look(t.Context(), false))
	require.Equal(t, lifecycle.EventsMissing, restored.stands())
}

func TestWorkerWhoseClockIsWrongLeavesItsChunk(t *testing.T) {
	d := deploy(t)
	d.policy.Quarantine = lifecycle.DefaultQuarantine()
	d.load(active(1, start.Add(100*lifecycle.Day)), active(2, start))
	_, err := d.db.Retime(t.Context(), d.policy, start)
	require.NoError(t, err)
	require.NoError(t, d.guarded(&memory{}, &d.now).Look(t.Context(), false))
	sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
	require.NoError(t, err)
	refs, _, err := d.db.CutChunks(t.Context(), sweep.ID, 10, 10)
	require.NoError(t, err)
	require.Len(t, refs, 1)
	d.now = start.Add(365 * lifecycle.Day)
	require.NoError(t, d.sweeper.DoChunk(t.Context(), refs[0]))
	require.Equal(t, lifecycle.ClockAhead, d.stands())
	for _, id := range []string{"r-0001", "r-0002"} {
		events, err := d.db.Events(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, lifecycle.EventImported, events[len(events)-1].Type)
	}
}

func TestHeldSweepEndsTheWaitOfWhoRunsIt(t *testing.T) {
	d := deploy(t)
	d.policy.Breakers = map[lifecycle.RuleName]lifecycle.Breaker{lifecycle.EndTerm: {Records: 1}}
	d.load(active(1, start), active(2, start))
	_, err := d.db.Retime(t.Context(), d.policy, start)
	require.NoError(t, err)
	end := []lifecycle.RuleName{lifecycle.EndTerm}
	sweep, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{Rules: end, Trigger: lifecycle.TriggerRequest}, nil)
	require.NoError(t, err)
	require.Equal(t, lifecycle.SweepHeld, sweep.State)
	again, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{Rules: end, Trigger: lifecycle.TriggerRequest}, nil)
	require.NoError(t, err)
	require.Equal(t, sweep.ID, again.ID)

	// What falls due after it was opened is no part of what was approved.
	d.now, d.wall = start.Add(366*lifecycle.Day), start.Add(366*lifecycle.Day)
	require.NoError(t, d.sweeper.ApproveSweep(t.Context(), sweep.ID, "they do end", lifecycle.Caller{Name: "ops"}))
	done, err := d.sweeper.See(t.Context(), sweep, nil)
	require.NoError(t, err)
	require.Equal(t, lifecycle.SweepDone, done.State)
	require.EqualValues(t, 2, done.Changed)
	require.Equal(t, start, done.AsOf)
	events, err := d.db.Events(t.Context(), "r-0001")
	require.NoError(t, err)
	require.Equal(t, lifecycle.EventTermEnded, events[len(events)-1].Type)
}
