package jobs_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

// scheduler runs one over d inside a synctest bubble, where the clocks are the bubble's.
func (d *deployment) scheduler(schedules jobs.Schedules) *jobs.Scheduler {
	clock := func() time.Time { return time.Now().UTC() }
	d.sweeper.Now, d.sweeper.Wall, d.courier.Now, d.courier.Wall = clock, clock, clock, clock
	watchdog := &jobs.Watchdog{Sweeper: d.sweeper, Courier: d.courier, Log: d.sweeper.Log}
	return &jobs.Scheduler{Sweeper: d.sweeper, Watchdog: watchdog, Schedules: schedules, Log: d.sweeper.Log}
}

// runFor runs schedulers side by side for a while, then stops them and waits.
func runFor(t *testing.T, period time.Duration, schedulers ...*jobs.Scheduler) {
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, s := range schedulers {
		running.Go(func() { require.NoError(t, s.Run(ctx)) })
	}
	time.Sleep(period) // the bubble's time, not ours
	stop()
	running.Wait()
}

func only(rule lifecycle.RuleName, spec string) jobs.Schedules {
	s := jobs.Schedules{}
	for _, r := range lifecycle.RuleNames() {
		s[r] = "off"
	}
	s[rule] = spec
	return s
}

func triggers(t *testing.T, d *deployment) map[lifecycle.Trigger]int {
	sweeps, err := d.db.Sweeps(t.Context(), 0, 1000)
	require.NoError(t, err)
	n := map[lifecycle.Trigger]int{}
	for _, s := range sweeps {
		n[s.Trigger]++
	}
	return n
}

func TestTwoSchedulersOpenOneSweepPerTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deploy(t)
		one, other := d.scheduler(only(lifecycle.EndTerm, "*/2 * * * *")), d.scheduler(only(lifecycle.EndTerm, "*/2 * * * *"))
		d.bell.broken = true // so that each sweep is done before the next tick
		runFor(t, 11*time.Minute, one, other)
		require.Equal(t, 5, triggers(t, d)[lifecycle.TriggerSchedule])
		last, err := d.db.LastTicks(t.Context())
		require.NoError(t, err)
		require.Zero(t, last[lifecycle.EndTerm].Minute()%2)
		require.Zero(t, last[lifecycle.EndTerm].Second(), "the nominal instant, not when somebody woke up")
	})
}

func TestDueRecordIsChangedByTheNextTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deploy(t)
		d.now = time.Now().UTC()
		end := d.now.Add(90 * time.Second)
		d.load(active(1, end))
		d.bell.broken = true
		runFor(t, 3*time.Minute, d.scheduler(jobs.DefaultSchedules()))
		require.Equal(t, lifecycle.Expired, d.status(1))
		events, err := d.db.Events(t.Context(), "r-0001")
		require.NoError(t, err)
		lapse := events[len(events)-1]
		require.True(t, lapse.Effective.Equal(end))
		require.Less(t, lapse.Recorded.Sub(end), time.Minute)
	})
}

func TestMissedTicksBecomeOneCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deploy(t)
		d.now = time.Now().UTC()
		d.load(active(1, d.now.Add(30*lifecycle.Day)))
		d.bell.broken = true
		runFor(t, 150*time.Second, d.scheduler(jobs.DefaultSchedules())) // and not up to a tick, whose sweep would lie there unfinished
		require.Equal(t, 1, triggers(t, d)[lifecycle.TriggerCatchUp], "the very first start looks at once")

		time.Sleep(40 * lifecycle.Day) // nothing runs
		runFor(t, 10*time.Second, d.scheduler(jobs.DefaultSchedules()))
		require.Equal(t, map[lifecycle.Trigger]int{lifecycle.TriggerCatchUp: 1}, triggers(t, d), "no ticks are made up, and old sweeps that found nothing are forgotten")
		require.Equal(t, lifecycle.Expired, d.status(1))
	})
}

func TestShortPauseIsNoReasonToCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deploy(t)
		d.bell.broken = true
		runFor(t, 6*time.Minute, d.scheduler(only(lifecycle.ReleaseName, "*/5 * * * *")))
		caught := triggers(t, d)[lifecycle.TriggerCatchUp]
		runFor(t, 2*time.Minute, d.scheduler(only(lifecycle.ReleaseName, "*/5 * * * *")))
		require.Equal(t, caught, triggers(t, d)[lifecycle.TriggerCatchUp])
	})
}

func TestWhatPeopleDidIsForgottenAfterItsTime(t *testing.T) {
	for _, keep := range []lifecycle.Period{lifecycle.Days(30), {}} {
		t.Run(keep.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := deploy(t)
				d.now = time.Now().UTC()
				for n := range 1_500 { // more than are forgotten in one transaction
					require.NoError(t, d.db.RecordDeed(t.Context(), lifecycle.Deed{At: d.now.Add(time.Duration(n) * time.Second), What: lifecycle.SignedIn, Status: 200}))
				}
				kept := func() int {
					deeds, err := d.db.Deeds(t.Context(), lifecycle.DeedQuery{})
					require.NoError(t, err)
					return len(deeds)
				}
				scheduler := d.scheduler(only(lifecycle.ReleaseName, "@yearly"))
				scheduler.KeepDeeds = keep
				runFor(t, 10*time.Second, scheduler)
				require.Equal(t, 1_500, kept())
				time.Sleep(30*lifecycle.Day + 1_390*time.Second) // and ten seconds have passed
				runFor(t, 10*time.Second, scheduler)
				if keep.IsZero() {
					require.Equal(t, 1_500, kept(), "a zero period keeps them for ever")
					return
				}
				require.Equal(t, 100, kept())
			})
		})
	}
}

func TestRecipientsAreForgottenAfterThePolicysTime(t *testing.T) {
	for _, after := range []lifecycle.Period{lifecycle.Days(90), {}} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := deploy(t)
				d.policy.Notices.EraseAfter = after
				d.now = time.Now().UTC()
				d.agents("agent@partner.example")
				d.load(active(1, d.now))
				scheduler := d.scheduler(only(lifecycle.ReleaseName, "@yearly"))
				d.sweep()
				d.deliver()
				time.Sleep(89 * lifecycle.Day)
				runFor(t, 11*time.Minute, scheduler)
				require.Equal(t, 1, d.known())
				time.Sleep(lifecycle.Day)
				runFor(t, 11*time.Minute, scheduler)
				if after.IsZero() {
					require.Equal(t, 1, d.known(), "a zero period keeps them for ever")
					return
				}
				require.Zero(t, d.known())
				require.Equal(t, 1, d.letters()[lifecycle.NoticeSent], "that it was sent stays known")
			})
		})
	}
}

// known counts the letters whose recipient is known.
func (d *deployment) known() (n int) {
	for _, l := range d.all() {
		if l.Recipient.Mail != "" {
			n++
		}
	}
	return n
}
