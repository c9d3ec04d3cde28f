package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// routed has people told on two channels.
func (d *deployment) routed(channels ...string) {
	d.policy.Notices.Routes = []lifecycle.Route{{People: channels}}
	d.outbox.channels = map[string]int{}
	for _, c := range channels {
		d.outbox.channels[c] = 4
	}
}

func (d *deployment) sweep() {
	d.t.Helper()
	_, err := d.sweeper.Run(d.t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(d.t, err)
}

func TestTwoCouriersSendEachLetterOnce(t *testing.T) {
	for name, dsn := range map[string]func(*testing.T) string{"sqlite": scratchFile, "postgres": func(t *testing.T) string { return testenv.Postgres(t) }} {
		t.Run(name, func(t *testing.T) {
			d := deployOn(t, dsn(t))
			d.agents("agent@partner.example")
			d.load(many(1000, start)...)
			d.sweep()
			other := *d.courier
			var both sync.WaitGroup
			for _, c := range []*jobs.Courier{d.courier, &other} {
				both.Go(func() { assert.NoError(t, c.Deliver(t.Context())) })
			}
			both.Wait()
			seen := map[lifecycle.NoticeID]bool{}
			for _, l := range d.outbox.handed {
				require.False(t, seen[l.NoticeID])
				seen[l.NoticeID] = true
			}
			require.Len(t, seen, 1000)
		})
	}
}

func TestSweepsDoNotWaitForASlowServer(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	client, err := jobs.InProcessRedis(ctx)
	require.NoError(t, err)
	t.Cleanup(stop)
	d := deploy(t)
	d.agents("agent@partner.example")
	answer := make(chan struct{})
	d.outbox.answer = func(lifecycle.Letter) error { <-answer; return nil }
	d.employ(client, 1)
	for _, more := range []int{20, 40, 60} { // more than the worker has hands
		d.load(many(more, start)[more-20:]...)
		sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
		require.NoError(t, err)
		eventually(t, func() bool {
			over, err := d.db.Sweep(t.Context(), sweep.ID)
			return err == nil && over.State == lifecycle.SweepDone
		})
	}
	require.Zero(t, d.letters()[lifecycle.NoticeSent])
	close(answer)
	eventually(t, func() bool { return d.letters()[lifecycle.NoticeSent] == 60 })
}

func TestSlowChannelHoldsNoOtherUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deploy(t)
		wall := func() time.Time { return time.Now().UTC() }
		d.courier.Wall, d.sweeper.Wall = wall, wall
		d.agents("agent@partner.example")
		d.routed("slow", "fast")
		d.load(many(40, start)...)
		d.sweep()
		began := time.Now()
		var slow, fast atomic.Int64
		d.outbox.answer = func(l lifecycle.Letter) error {
			if l.Channel == "fast" {
				fast.Add(1)
				return nil
			}
			time.Sleep(30 * time.Second) // the bubble's time
			slow.Add(1)
			return nil
		}
		var delivering sync.WaitGroup
		delivering.Go(func() { d.deliver() })
		time.Sleep(25 * time.Second)
		require.EqualValues(t, 40, fast.Load())
		require.Zero(t, slow.Load())

		// What comes in meanwhile does not wait either.
		d.load(many(60, start)[40:]...)
		d.sweep()
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 60, fast.Load())
		delivering.Wait()
		require.EqualValues(t, 60, slow.Load(), "letters on a slow channel keep their lease, and are sent once")
		require.Greater(t, time.Since(began), 5*time.Minute)
		require.Equal(t, 120, d.letters()[lifecycle.NoticeSent])
	})
}

func TestSlowServerLeavesFewAttemptsInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := ended(t, 500)
		wall := func() time.Time { return time.Now().UTC() }
		d.courier.Wall = wall
		d.outbox.answer = func(lifecycle.Letter) error { time.Sleep(time.Second); return nil }
		var delivering sync.WaitGroup
		delivering.Go(func() { d.deliver() })
		time.Sleep(30*time.Second + 500*time.Millisecond)
		attempted, sent := 0, 0
		for _, l := range d.all() {
			attempted += l.Attempts
			if l.Status == lifecycle.NoticeSent {
				sent++
			}
		}
		require.Equal(t, 120, sent, "what was sent is noted at once")
		require.LessOrEqual(t, attempted-sent, 2*4, "four on their way, and hardly more")
		delivering.Wait()
	})
}

func TestLetterThatPanicsHoldsUpNobodyAndIsGivenUp(t *testing.T) {
	for _, where := range []string{"writing", "sending"} {
		t.Run(where, func(t *testing.T) {
			d := ended(t, 20)
			poison := d.all()[0].NoticeID
			for _, l := range d.all() {
				if l.Status == lifecycle.NoticeQueued {
					poison = l.NoticeID
				}
			}
			d.courier.Notifier = &touchy{postbox: d.outbox, where: where, poison: poison}
			d.deliver()
			require.Equal(t, 19, d.letters()[lifecycle.NoticeSent])
			require.Equal(t, 1, d.letters()[lifecycle.NoticeFailed])
			for range 45 {
				d.wall = d.wall.Add(4 * time.Hour)
				d.deliver()
			}
			require.Equal(t, 1, d.letters()[lifecycle.NoticeDead])
			l, err := d.db.Letter(t.Context(), poison)
			require.NoError(t, err)
			require.Equal(t, 40, l.Attempts)
			require.Contains(t, l.LastError, "panicked: nil map")
			require.Equal(t, where == "sending", l.MessageID != "", "nothing was stored that was not written")
			require.Equal(t, where == "sending", l.Unknown > 0)
		})
	}
}

// A touchy notifier panics at one letter.
type touchy struct {
	*postbox
	where  string
	poison lifecycle.NoticeID
}

func (n *touchy) Render(l lifecycle.Letter) (string, []byte, error) {
	if n.where == "writing" && l.NoticeID == n.poison {
		panic("nil map")
	}
	return n.postbox.Render(l)
}

func (n *touchy) Send(ctx context.Context, l lifecycle.Letter) error {
	if n.where == "sending" && l.NoticeID == n.poison {
		panic("nil map")
	}
	return n.postbox.Send(ctx, l)
}

func TestMessageThatCanNeverBeWrittenIsDeadAtOnce(t *testing.T) {
	d := ended(t, 1)
	d.courier.Notifier = &unwritable{d.outbox}
	d.deliver()
	require.Equal(t, 1, d.letters()[lifecycle.NoticeDead])
}

type unwritable struct{ *postbox }

func (unwritable) Render(lifecycle.Letter) (string, []byte, error) {
	return "", nil, fmt.Errorf("no address: %w", lifecycle.ErrPermanent)
}

func TestStoppedCourierLetsArriveWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := ended(t, 100)
		d.outbox.answer = func(lifecycle.Letter) error { time.Sleep(10 * time.Second); return nil }
		ctx, stop := context.WithCancel(t.Context())
		var delivering sync.WaitGroup
		delivering.Go(func() { assert.ErrorIs(t, d.courier.Deliver(ctx), context.Canceled) })
		time.Sleep(5 * time.Second)
		stop()
		delivering.Wait()
		require.Equal(t, 4, d.letters()[lifecycle.NoticeSent], "and nothing new was begun")
		for _, l := range d.all() {
			require.Zero(t, l.Unknown)
			require.True(t, l.Attempts == 0 || l.Status == lifecycle.NoticeSent)
		}
		d.outbox.answer = nil
		d.deliver()
		require.Equal(t, 100, d.letters()[lifecycle.NoticeSent], "nobody waits for a lease")
	})
}

func TestAttemptThatWasBrokenOffIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := ended(t, 1)
		d.courier.Notifier = &endless{d.outbox}
		ctx, stop := context.WithCancel(t.Context())
		var delivering sync.WaitGroup
		delivering.Go(func() { assert.ErrorIs(t, d.courier.Deliver(ctx), context.Canceled) })
		time.Sleep(time.Second)
		stop()
		delivering.Wait()
		for _, l := range d.all() {
			if l.Status != lifecycle.NoticeNoRecipient {
				require.Equal(t, lifecycle.NoticeFailed, l.Status)
				require.Equal(t, 1, l.Unknown)
			}
		}
		require.Zero(t, d.channel("mail").Failures, "which is not the channel's fault")
	})
}

type endless struct{ *postbox }

func (endless) Send(ctx context.Context, _ lifecycle.Letter) error { <-ctx.Done(); return ctx.Err() }

func TestLetterThatAnOperatorStopsInTimeIsNotSent(t *testing.T) {
	d := ended(t, 40)
	d.outbox.channels = map[string]int{"mail": 1}
	var once sync.Once
	d.outbox.answer = func(l lifecycle.Letter) error {
		once.Do(func() { // the others are claimed and written by now, or will be
			_, err := d.db.OrderLetters(t.Context(), lifecycle.NoticeOrder{Action: lifecycle.SuppressNotice, Note: "a mistake", By: "test", At: d.now},
				lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeQueued}})
			assert.NoError(t, err)
		})
		return nil
	}
	d.deliver()
	require.LessOrEqual(t, len(d.outbox.handed), 8, "what has begun goes out")
	require.GreaterOrEqual(t, d.letters()[lifecycle.NoticeSuppressed], 32)
}

func TestDigestTellsOfWhatWaited(t *testing.T) {
	d := deploy(t)
	d.contact(lifecycle.Contact{Mail: "daily@partner.example", Digest: lifecycle.DailyDigest})
	d.load(many(30, start)...)
	d.sweep()
	d.deliver()
	require.Empty(t, d.outbox.handed)
	d.pass(lifecycle.Day)
	require.NoError(t, d.watchdog.Look(t.Context()))
	require.Equal(t, 1, d.bell.posts, "the watchdog rings for digests that are due")
	d.deliver()
	require.Len(t, d.outbox.handed, 1)
	require.True(t, d.outbox.handed[0].IsDigest())
	require.Len(t, d.outbox.handed[0].Items, 30)
	require.Equal(t, 30, d.letters()[lifecycle.NoticeDigested])
	d.deliver()
	require.Len(t, d.outbox.handed, 1)
}

// contact adds somebody on the partner's side.
func (d *deployment) contact(c lifecycle.Contact) {
	d.t.Helper()
	c.TenantID, c.Role = partner, lifecycle.AdminAgents
	_, err := d.db.ImportContacts(d.t.Context(), []lifecycle.Contact{c}, &d.policy.Notices, d.now)
	require.NoError(d.t, err)
}

func TestItemThatIsOutdatedWhenItsDigestIsWrittenIsLeftOut(t *testing.T) {
	for _, outdated := range []int{1, 3} {
		t.Run(fmt.Sprint(outdated, " of 3"), func(t *testing.T) {
			d := deploy(t)
			d.contact(lifecycle.Contact{Mail: "daily@partner.example", Digest: lifecycle.DailyDigest})
			var records []lifecycle.Record
			for n := range 3 {
				r := active(n, start.Add(10*lifecycle.Day))
				r.WarnAfter = start
				records = append(records, r)
			}
			d.load(records...)
			d.pass(3 * lifecycle.Day)
			d.sweep()
			require.Equal(t, 3, d.letters()[lifecycle.NoticeWaiting])
			d.pass(lifecycle.Day)
			made, err := d.db.FoldLetters(t.Context(), d.now, 10)
			require.NoError(t, err)
			require.Equal(t, 1, made)
			for _, r := range records[:outdated] { // between the folding and the writing
				_, err := d.db.Act(t.Context(), r.ID, d.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
					return c.Act(d.policy, d.now, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: true})
				})
				require.NoError(t, err)
			}
			d.deliver()
			if outdated == 3 {
				require.Empty(t, d.outbox.handed)
				require.Equal(t, 4, d.letters()[lifecycle.NoticeWithdrawn], "the digest too")
				return
			}
			require.Len(t, d.outbox.handed[0].Items, 2)
			require.Equal(t, 1, d.letters()[lifecycle.NoticeWithdrawn])
			require.Equal(t, 2, d.letters()[lifecycle.NoticeDigested])
		})
	}
}

func TestMoreThanTheDaysLettersAreToldInOneDigest(t *testing.T) {
	d := deploy(t)
	d.policy.Notices.MostPerDay = 5
	d.agents("agent@partner.example")
	d.load(many(30, start)...)
	d.sweep()
	d.deliver()
	require.Len(t, d.outbox.handed, 5)
	require.Equal(t, 25, d.letters()[lifecycle.NoticeWaiting])
	d.pass(lifecycle.Day)
	d.deliver()
	require.Len(t, d.outbox.handed, 6)
	require.Len(t, d.outbox.handed[5].Items, 25)
}

func TestClockThatWasSetBackStallsNothingForLong(t *testing.T) {
	for _, back := range []time.Duration{time.Hour, 30 * lifecycle.Day} {
		t.Run(back.String(), func(t *testing.T) {
			d := ended(t, 3)
			d.outbox.refuse = errors.New("451 try later")
			d.deliver()
			d.wall = d.wall.Add(-back)
			d.outbox.refuse = nil
			d.deliver()
			if back < lifecycle.Day {
				require.Empty(t, d.outbox.handed, "as yet")
				d.wall = d.wall.Add(back + time.Minute)
				d.deliver()
			}
			require.Len(t, d.outbox.handed, 3)
		})
	}
}

func TestClockThatIsSetForwardWhileALetterIsOnItsWaySendsItOnce(t *testing.T) {
	d := ended(t, 3)
	var mu sync.Mutex
	var forward time.Duration
	d.courier.Wall = func() time.Time { mu.Lock(); defer mu.Unlock(); return d.wall.Add(forward) }
	d.outbox.answer = func(lifecycle.Letter) error {
		mu.Lock()
		defer mu.Unlock()
		forward += time.Hour
		return nil
	}
	d.deliver()
	seen := map[lifecycle.NoticeID]int{}
	for range 4 { // those that had not begun are put back, or wait for the lease
		d.pass(7 * time.Second)
		d.deliver()
	}
	for _, l := range d.outbox.handed {
		seen[l.NoticeID]++
		require.Equal(t, 1, seen[l.NoticeID])
	}
	require.Len(t, seen, 3)
}

func TestNoticesForAChannelThatNobodyHasAreTold(t *testing.T) {
	d := deploy(t)
	d.agents("agent@partner.example")
	d.routed("pager")
	d.load(active(1, start))
	d.sweep()
	d.outbox.channels = map[string]int{"mail": 1}
	var log strings.Builder
	d.watchdog.Log = textLog(&log)
	for range 30 {
		require.NoError(t, d.watchdog.Look(t.Context()))
	}
	require.Equal(t, 1, strings.Count(log.String(), "nobody has been given"), log.String())
	require.Contains(t, log.String(), "channel=pager")
}

// A postbox whose mail leads nowhere.
type bottomless struct{ *postbox }

func (bottomless) LeadsNowhere(channel string) bool { return channel == lifecycle.DefaultChannel }

func TestLettersToNowhereAreNotHandedOver(t *testing.T) {
	d := deploy(t)
	d.agents("agent@partner.example")
	d.routed("mail", "desk")
	d.courier.Notifier = bottomless{d.outbox}
	r := active(100, start.Add(7*lifecycle.Day))
	r.WarnAfter = r.Activated
	d.load(append(many(19, start), r)...)
	d.sweep()
	_, err := d.db.Act(t.Context(), r.ID, d.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Act(d.policy, d.now, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: true})
	})
	require.NoError(t, err)
	d.deliver()
	require.Equal(t, 38, d.letters()[lifecycle.NoticeSent])
	require.Equal(t, 2, d.letters()[lifecycle.NoticeWithdrawn], "what is outdated is found out all the same")
	require.Len(t, d.outbox.handed, 19)
	for _, l := range d.outbox.handed {
		require.Equal(t, "desk", l.Channel)
	}
}
