package jobs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestSecondSweepDoesNothing(t *testing.T) {
	d := deploy(t)
	for n := range 25 {
		d.load(active(n, start.Add(time.Duration(n)*time.Microsecond)))
	}
	d.now = start.Add(12 * time.Microsecond) // thirteen are due, the fourteenth in a microsecond

	sweep, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest}, nil)
	require.NoError(t, err)
	require.Equal(t, lifecycle.SweepDone, sweep.State)
	require.EqualValues(t, 13, sweep.Changed)
	require.Equal(t, 2, sweep.ChunksDone)
	require.Equal(t, 12*time.Microsecond, sweep.Lateness)
	require.Equal(t, lifecycle.Expired, d.status(12))
	require.Equal(t, lifecycle.Active, d.status(13))

	again, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest}, nil)
	require.NoError(t, err)
	require.Zero(t, again.Found)
	require.Equal(t, 13, d.changes())
}

func TestDryRunChangesNothingAndCountsTheSame(t *testing.T) {
	d := deploy(t)
	d.agents("agent@partner.example", "another@partner.example")
	d.load(active(1, start), active(2, start), active(3, start.Add(time.Hour)))
	request := lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest, DryRun: true}
	foreseen, err := d.sweeper.Run(t.Context(), request, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, foreseen.Changed)
	require.Zero(t, d.changes())
	require.Equal(t, lifecycle.Active, d.status(1))
	require.Empty(t, d.letters())

	request.DryRun = false
	real, err := d.sweeper.Run(t.Context(), request, nil)
	require.NoError(t, err)
	require.Equal(t, foreseen.Changed, real.Changed)
	require.Equal(t, foreseen.Notices, real.Notices, "one for each person")
	require.EqualValues(t, 4, real.Notices)
}

func TestSweepOfOneRuleLeavesTheOthersAlone(t *testing.T) {
	d := deploy(t)
	extends := active(1, start)
	extends.AutoExtend = true
	d.load(extends, active(2, start))
	sweep, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.AutoExtend}}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, sweep.Changed)
	require.Equal(t, lifecycle.Active, d.status(1))
	require.Equal(t, lifecycle.Active, d.status(2), "its end has come, but nobody asked for that")
}

func TestEndIsSweptThoughAWarningWasNotBefore(t *testing.T) {
	d := deploy(t)
	r := active(1, start)
	r.WarnAfter = r.Activated // its warnings are due, too
	d.load(r)
	sweep, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm}}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, sweep.Changed)
	require.Equal(t, lifecycle.Expired, d.status(1))
}

func TestWorkerWithASlowClockStillFindsWhatIsDue(t *testing.T) {
	d := deploy(t)
	d.load(active(1, start))
	sweep, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{AsOf: start})
	require.NoError(t, err)
	d.now = start.Add(-time.Minute)
	require.NoError(t, d.sweeper.Cut(t.Context(), sweep.ID))
	require.NoError(t, d.sweeper.DoChunks(t.Context(), d.bell.chunks))
	require.Equal(t, lifecycle.Expired, d.status(1))
}

func TestSingleChunkIsDoneByWhoeverCutsIt(t *testing.T) {
	d := deploy(t)
	d.load(many(10, start)...)
	sweep, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{})
	require.NoError(t, err)
	require.NoError(t, d.sweeper.Cut(t.Context(), sweep.ID))
	require.Empty(t, d.bell.chunks)
	require.Equal(t, 10, d.changes())
	over, err := d.db.Sweep(t.Context(), sweep.ID)
	require.NoError(t, err)
	require.Equal(t, lifecycle.SweepDone, over.State)
}

func TestCancelledSweepStopsWhereItIs(t *testing.T) {
	d := deploy(t)
	d.load(many(30, start)...)
	sweep, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{})
	require.NoError(t, err)
	require.NoError(t, d.sweeper.Cut(t.Context(), sweep.ID))
	require.NoError(t, d.sweeper.DoChunk(t.Context(), d.bell.chunks[0]))
	require.NoError(t, d.sweeper.CancelSweep(t.Context(), sweep.ID))
	require.NoError(t, d.sweeper.DoChunks(t.Context(), d.bell.chunks))
	require.Equal(t, 10, d.changes())
	require.ErrorIs(t, d.sweeper.CancelSweep(t.Context(), sweep.ID), lifecycle.ErrNotRunning)
}

func TestRequestJoinsASweepThatDoesTheSame(t *testing.T) {
	d := deploy(t)
	d.load(active(1, start))
	first, opened, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
	require.NoError(t, err)
	require.Equal(t, lifecycle.OpenedNew, opened)
	second, opened, err := d.sweeper.RequestSweep(t.Context(), []lifecycle.RuleName{lifecycle.EndTerm}, false, "")
	require.NoError(t, err)
	require.Equal(t, lifecycle.OpenedJoined, opened)
	require.Equal(t, first.ID, second.ID)
	_, opened, err = d.sweeper.RequestSweep(t.Context(), []lifecycle.RuleName{lifecycle.EndTerm}, true, "")
	require.NoError(t, err)
	require.Equal(t, lifecycle.OpenedNew, opened, "a dry run does not join a real one")
}

func TestStepOfTheTestClockJoinsNothing(t *testing.T) {
	d := deploy(t)
	first, _, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerSchedule})
	require.NoError(t, err)
	d.now = start.Add(lifecycle.Day)
	second, opened, err := d.sweeper.Open(t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerClock})
	require.NoError(t, err)
	require.Equal(t, lifecycle.OpenedNew, opened)
	require.NotEqual(t, first.ID, second.ID)
}

func TestChangedPolicySetsTheTimersAnew(t *testing.T) {
	d := deploy(t)
	pending := active(1, start)
	pending.Status, pending.Activated, pending.End = lifecycle.ApprovalPending, time.Time{}, time.Time{}
	pending.Locked = start.Add(-70 * lifecycle.Day)
	d.load(pending)
	_, err := d.db.Retime(t.Context(), d.policy, d.now)
	require.NoError(t, err)

	d.policy.Requests.LapseAfter = lifecycle.Days(60)
	moved, err := d.db.Retime(t.Context(), d.policy, d.now)
	require.NoError(t, err)
	require.EqualValues(t, 1, moved)
	moved, err = d.db.Retime(t.Context(), d.policy, d.now)
	require.NoError(t, err)
	require.Zero(t, moved, "the same policy sets nothing anew")

	sweep, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, sweep.Changed)
	require.Equal(t, lifecycle.Expired, d.status(1))
}

func TestLongerPolicyIsNotFiredByTimersOfTheShorter(t *testing.T) {
	d := deploy(t)
	pending := active(1, start)
	pending.Status, pending.Activated, pending.End = lifecycle.ApprovalPending, time.Time{}, time.Time{}
	pending.Locked = start.Add(-90 * lifecycle.Day)
	d.load(pending)
	d.policy.Requests.LapseAfter = lifecycle.Days(120) // nobody has set the timers anew yet
	sweep, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, sweep.Found)
	require.Zero(t, d.changes())
	again, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	require.Zero(t, again.Found, "its timer was set right")
}
