package jobs_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var (
	errDown   = fmt.Errorf("connection refused: %w", lifecycle.ErrUnavailable)
	errSilent = fmt.Errorf("no answer: %w", lifecycle.ErrUnknown)
)

func (d *deployment) channel(name string) lifecycle.ChannelState {
	d.t.Helper()
	state, err := d.db.Channel(d.t.Context(), name)
	require.NoError(d.t, err)
	return state
}

// open waits until the channel may be used again.
func (d *deployment) open() {
	if ready := d.channel("mail").ReadyAt; ready.After(d.wall) {
		d.wall = ready
	}
}

// pass lets time go by, on both clocks.
func (d *deployment) pass(by time.Duration) { d.wall, d.now = d.wall.Add(by), d.now.Add(by) }

func TestServerThatCannotBeReachedIsLeftAloneAndProbedWithOneLetter(t *testing.T) {
	d := ended(t, 50)
	d.outbox.refuse = errDown
	d.deliver()
	state := d.channel("mail")
	require.Equal(t, 1, state.Failures)
	require.WithinRange(t, state.ReadyAt, d.wall.Add(3*time.Second), d.wall.Add(5*time.Second))
	require.Contains(t, state.LastError, "connection refused")
	require.LessOrEqual(t, d.outbox.asked, 4, "no more than were on their way side by side")
	for _, l := range d.all() {
		require.Zero(t, l.Attempts, "nobody was reached")
		require.Zero(t, l.Unknown)
	}
	require.Equal(t, 50, d.letters()[lifecycle.NoticeQueued])

	asked := d.outbox.asked
	d.deliver()
	require.Equal(t, asked, d.outbox.asked, "it is left alone")
	waiting, err := d.db.WaitingLetters(t.Context(), d.now, d.wall)
	require.NoError(t, err)
	require.Empty(t, waiting, "and nobody rings for it")

	for failures := 2; failures <= 12; failures++ {
		d.open()
		d.deliver()
		require.Equal(t, asked+failures-1, d.outbox.asked, "one letter at a time")
		require.Equal(t, failures, d.channel("mail").Failures)
	}
	require.WithinRange(t, d.channel("mail").ReadyAt, d.wall.Add(7*time.Minute), d.wall.Add(10*time.Minute))

	d.outbox.refuse = nil
	d.open()
	d.deliver()
	require.Equal(t, 50, d.letters()[lifecycle.NoticeSent])
	state = d.channel("mail")
	require.Zero(t, state.Failures)
	require.Empty(t, state.LastError)
}

func TestOutageOfThreeDaysLosesNothing(t *testing.T) {
	d := ended(t, 1000)
	d.outbox.refuse = errDown
	for until := d.wall.Add(3 * lifecycle.Day); d.wall.Before(until); {
		d.open()
		d.deliver()
		d.pass(time.Second)
	}
	require.Less(t, d.outbox.asked, 800, "it was asked each ten minutes")
	d.outbox.refuse = nil
	d.open()
	d.deliver()
	require.Equal(t, 1000, d.letters()[lifecycle.NoticeSent])
	require.Len(t, d.outbox.handed, 1000)
	for _, l := range d.outbox.handed {
		require.Equal(t, 1, l.Attempts)
	}
}

func TestServerSaysHowLongToLeaveItAlone(t *testing.T) {
	d := ended(t, 1)
	d.outbox.refuse = &lifecycle.Later{Wait: 42 * time.Minute, Err: lifecycle.ErrUnavailable}
	d.deliver()
	require.Equal(t, d.wall.Add(42*time.Minute), d.channel("mail").ReadyAt)
	d.wall = d.wall.Add(42 * time.Minute)
	d.outbox.refuse = &lifecycle.Later{Wait: 90 * lifecycle.Day, Err: lifecycle.ErrUnavailable}
	d.deliver()
	require.Equal(t, d.wall.Add(lifecycle.Day), d.channel("mail").ReadyAt, "within reason")
}

func TestServerSaysWhenToTryALetterAgain(t *testing.T) {
	d := ended(t, 1)
	d.outbox.refuse = &lifecycle.Later{Wait: 42 * time.Minute, Err: errors.New("greylisted")}
	d.deliver()
	require.Equal(t, 1, d.letters()[lifecycle.NoticeFailed])
	require.Zero(t, d.channel("mail").Failures)
	d.wall = d.wall.Add(41 * time.Minute)
	d.deliver()
	require.Equal(t, 1, d.outbox.asked)
	d.wall = d.wall.Add(time.Minute)
	d.deliver()
	require.Equal(t, 2, d.outbox.asked)
}

func TestReceiverThatWantsNoMoreIsLeftAloneUntilAnOperatorSaysOtherwise(t *testing.T) {
	d := ended(t, 20)
	d.outbox.refuse = fmt.Errorf("410 Gone: %w", lifecycle.ErrSwitchedOff)
	d.deliver()
	require.True(t, d.channel("mail").Off)
	d.outbox.refuse = nil
	d.wall = d.wall.Add(30 * lifecycle.Day)
	d.deliver()
	require.Empty(t, d.outbox.handed)
	require.Equal(t, 20, d.letters()[lifecycle.NoticeQueued])
	require.NoError(t, d.db.SwitchChannel(t.Context(), "mail", true, "they are back", d.now))
	d.deliver()
	require.Len(t, d.outbox.handed, 20)
	require.Equal(t, 1, d.outbox.handed[19].Attempts)
}

func TestManyRecipientsInARowWhoCannotBeToldGiveTheServerAPause(t *testing.T) {
	d := deploy(t)
	for i := range 200 {
		d.agents(fmt.Sprintf("agent%03d@partner.example", i))
	}
	d.load(active(1, start))
	_, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	d.outbox.refuse = errors.New("451 try later")
	d.deliver()
	require.LessOrEqual(t, d.outbox.asked, 14)
	require.Equal(t, d.wall.Add(10*time.Second), d.channel("mail").ReadyAt)
	require.Zero(t, d.channel("mail").Failures, "it answers: the next ones need no probe")
	for range 30 {
		d.open()
		d.deliver()
	}
	require.Greater(t, d.outbox.asked, 200, "and each has been tried")
}

func TestOneFullMailboxHoldsUpNobodyElse(t *testing.T) {
	d := deploy(t)
	d.agents("full@partner.example", "other@partner.example")
	d.load(many(100, start)...)
	_, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	d.outbox.answer = func(l lifecycle.Letter) error {
		if l.Recipient.Mail == "full@partner.example" {
			return errors.New("452 mailbox full")
		}
		return nil
	}
	d.deliver()
	require.Equal(t, 100, d.letters()[lifecycle.NoticeSent])
	require.Equal(t, 100, d.letters()[lifecycle.NoticeFailed])
}

func TestServerThatNeverAnswersIsLeftAlone(t *testing.T) {
	d := deploy(t)
	for i := range 30 {
		d.agents(fmt.Sprintf("agent%03d@partner.example", i))
	}
	d.load(active(1, start))
	_, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	d.outbox.refuse = errSilent
	d.deliver()
	require.Equal(t, 1, d.channel("mail").Failures)
	require.LessOrEqual(t, d.outbox.asked, 14)
	asked := d.outbox.asked
	d.open()
	d.deliver()
	require.Equal(t, asked+1, d.outbox.asked)
	require.Equal(t, 2, d.channel("mail").Failures)
	unknown := 0
	for _, l := range d.all() {
		unknown += l.Unknown
	}
	require.Equal(t, d.outbox.asked, unknown)
}

func TestProbeThatWasNotSentAfterAllMakesRoomForAnother(t *testing.T) {
	d := ended(t, 30)
	d.outbox.refuse = errDown
	d.deliver()
	d.open()
	var mu sync.Mutex
	refused := 0
	d.outbox.answer = func(lifecycle.Letter) error {
		mu.Lock()
		defer mu.Unlock()
		if refused++; refused <= 3 {
			return fmt.Errorf("no such address: %w", lifecycle.ErrPermanent)
		}
		return nil
	}
	d.deliver()
	require.Equal(t, map[lifecycle.NoticeStatus]int{lifecycle.NoticeDead: 3, lifecycle.NoticeSent: 27, lifecycle.NoticeNoRecipient: 30}, d.letters())
}

func TestLetterThatTheChannelFailsOnDoesNotHoldTheOthersUp(t *testing.T) {
	d := ended(t, 50)
	d.outbox.channels = map[string]int{"mail": 1}
	poison := lifecycle.NoticeID{}
	d.outbox.answer = func(l lifecycle.Letter) error {
		if poison == (lifecycle.NoticeID{}) {
			poison = l.NoticeID
		}
		if l.NoticeID == poison {
			return fmt.Errorf("closing: %w", lifecycle.ErrUnavailable)
		}
		return nil
	}
	d.deliver()
	require.Empty(t, d.outbox.handed, "nothing says that it is about the one letter")
	for range 5 {
		d.open()
		d.deliver()
	}
	require.Equal(t, 49, d.letters()[lifecycle.NoticeSent])
	require.Equal(t, 1, d.letters()[lifecycle.NoticeQueued])
}

func TestSilenceTripsTheBreakerWhoeverWasToBeTold(t *testing.T) {
	for _, silence := range []error{lifecycle.ErrUnknown, lifecycle.ErrNoAnswer} {
		d := ended(t, 200) // all to one mailbox
		d.outbox.refuse = silence
		d.deliver()
		require.LessOrEqual(t, d.outbox.asked, 10+8, "those that were on their way already")
		require.Equal(t, 1, d.channel("mail").Failures)
		d.open()
		d.deliver()
		require.LessOrEqual(t, d.outbox.asked, 10+8+1, "one letter at a time from then on")
		require.Equal(t, 2, d.channel("mail").Failures)
	}
}

func TestWarningBeyondTheDailyLimitIsToldByTheSameDelivery(t *testing.T) {
	d := deploy(t)
	d.policy.Notices.MostPerDay = 2
	d.agents("agent@partner.example")
	for i := range 5 {
		r := active(i, start.Add(lifecycle.Day+time.Hour))
		r.WarnAfter = r.Activated
		d.load(r)
	}
	d.pass(2 * time.Hour)
	d.sweep()
	d.deliver() // the next daily digest would come when it is too late
	require.Len(t, d.outbox.handed, 3, "two letters, and one digest of the rest")
	require.Equal(t, 3, d.letters()[lifecycle.NoticeDigested])
	require.Zero(t, d.letters()[lifecycle.NoticeWaiting])
}

func TestDigestThatIsWrittenTellsOfAllItsItems(t *testing.T) {
	d := deploy(t)
	_, err := d.db.ImportContacts(t.Context(), []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "agent@partner.example",
		Digest: lifecycle.DailyDigest}}, &d.policy.Notices, d.now)
	require.NoError(t, err)
	first, second := active(1, start.Add(31*lifecycle.Day)), active(2, start.Add(30*lifecycle.Day+time.Hour))
	first.WarnAfter, second.WarnAfter = first.Activated, second.Activated
	d.load(first, second)
	d.pass(lifecycle.Day + 2*time.Hour)
	d.sweep()
	d.pass(lifecycle.Day)
	d.outbox.refuse = lifecycle.ErrUnknown // perhaps it has arrived
	d.deliver()
	d.now, d.wall = second.End, d.wall.Add(time.Hour)
	d.outbox.refuse = nil
	d.deliver()
	require.Len(t, d.outbox.handed, 1)
	require.Equal(t, 2, d.letters()[lifecycle.NoticeDigested], "both are told, though one has become untrue since it was written")
}
