package jobs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// ended makes n relationships that have just ended, with somebody to tell on the partner's side only.
func ended(t *testing.T, n int) *deployment {
	d := deploy(t)
	d.agents("agent@partner.example")
	d.load(many(n, start)...)
	_, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	require.Equal(t, map[lifecycle.NoticeStatus]int{lifecycle.NoticeQueued: n, lifecycle.NoticeNoRecipient: n}, d.letters())
	return d
}

func TestEachNoticeIsSentOnce(t *testing.T) {
	d := ended(t, 3)
	require.NoError(t, d.courier.Deliver(t.Context()))
	require.NoError(t, d.courier.Deliver(t.Context()))
	require.Len(t, d.outbox.handed, 3)
	require.Equal(t, map[lifecycle.NoticeStatus]int{lifecycle.NoticeSent: 3, lifecycle.NoticeNoRecipient: 3}, d.letters())
}

func (d *deployment) claim(channel string, lease time.Duration) []lifecycle.Letter {
	d.t.Helper()
	letters, err := d.db.ClaimLetters(d.t.Context(), lifecycle.Claim{Channel: channel, Now: d.now, Wall: d.wall, LeaseUntil: d.wall.Add(lease), Most: 100})
	require.NoError(d.t, err)
	return letters
}

func (d *deployment) all() []lifecycle.Letter {
	d.t.Helper()
	letters, err := d.db.Letters(d.t.Context(), lifecycle.LetterQuery{})
	require.NoError(d.t, err)
	return letters
}

func (d *deployment) deliver() {
	d.t.Helper()
	require.NoError(d.t, d.courier.Deliver(d.t.Context()))
}

func TestCourierThatDiedAfterSendingSendsTheSameMessageAgain(t *testing.T) {
	d := ended(t, 1)
	// It claims, renders, stores and sends; then it dies before it can note that.
	l := d.claim("mail", 6*time.Second)[0]
	var err error
	l.MessageID, l.Message, err = d.outbox.Render(l)
	require.NoError(t, err)
	begun, err := d.db.BeginLetters(t.Context(), []lifecycle.Letter{l})
	require.NoError(t, err)
	require.NoError(t, d.outbox.Send(t.Context(), begun[0]))

	d.deliver()
	require.Len(t, d.outbox.handed, 1, "its lease still runs")
	d.wall = d.wall.Add(7 * time.Second)
	d.deliver()
	require.Len(t, d.outbox.handed, 2)
	require.Equal(t, d.outbox.handed[0].MessageID, d.outbox.handed[1].MessageID)
	require.Equal(t, d.outbox.handed[0].Message, d.outbox.handed[1].Message, "to the byte")
	require.Equal(t, 2, d.outbox.handed[1].Attempts)
	require.Equal(t, 1, d.outbox.handed[1].Unknown, "and it shows")
}

func TestFailedNoticeIsTriedAgainForDaysAndThenGivenUp(t *testing.T) {
	d := ended(t, 1)
	d.outbox.refuse = errors.New("the mailbox is full")
	began := d.wall
	for attempts := 1; ; attempts++ {
		require.Less(t, attempts, 100)
		require.NoError(t, d.courier.Deliver(t.Context()))
		if d.letters()[lifecycle.NoticeDead] == 1 {
			break
		}
		require.Equal(t, 1, d.letters()[lifecycle.NoticeFailed])
		d.wall = d.wall.Add(4 * time.Hour)
	}
	require.Greater(t, d.wall.Sub(began), 2*lifecycle.Day)
	d.wall = d.wall.Add(30 * lifecycle.Day)
	d.outbox.refuse = nil
	require.NoError(t, d.courier.Deliver(t.Context()))
	require.Empty(t, d.outbox.handed, "dead is dead until an operator says otherwise")
}

func TestPermanentFailureIsDeadAtOnce(t *testing.T) {
	d := ended(t, 1)
	d.outbox.refuse = fmt.Errorf("no such address: %w", lifecycle.ErrPermanent)
	require.NoError(t, d.courier.Deliver(t.Context()))
	require.Equal(t, 1, d.letters()[lifecycle.NoticeDead])
}

func TestWarningThatIsNoLongerTrueIsWithdrawn(t *testing.T) {
	d := deploy(t)
	d.agents("agent@partner.example")
	r := active(1, start.Add(7*lifecycle.Day))
	r.WarnAfter = r.Activated
	d.load(r)
	_, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, d.letters()[lifecycle.NoticeQueued])

	_, err = d.db.Act(t.Context(), r.ID, d.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Act(d.policy, d.now, lifecycle.Action{Kind: lifecycle.SetAutoExtend, By: lifecycle.Partner, AutoExtend: true})
	})
	require.NoError(t, err)
	require.NoError(t, d.courier.Deliver(t.Context()))
	require.Empty(t, d.outbox.handed)
	require.Equal(t, 1, d.letters()[lifecycle.NoticeWithdrawn])
}

func TestLaterWarningIsNotSentTogetherWithAnEarlierOne(t *testing.T) {
	d := deploy(t)
	d.agents("agent@partner.example")
	r := active(1, start.Add(10*lifecycle.Day))
	r.WarnAfter = start
	d.load(r)
	for _, days := range []int{3, 9} { // nobody sends in between
		d.now = start.Add(time.Duration(days) * lifecycle.Day)
		_, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
		require.NoError(t, err)
	}
	require.NoError(t, d.courier.Deliver(t.Context()))
	require.Len(t, d.outbox.handed, 1)
	require.Equal(t, lifecycle.Days(1), d.outbox.handed[0].Stage)
	require.Equal(t, 1, d.letters()[lifecycle.NoticeSuperseded])
}

func TestSlowCourierOverwritesNothing(t *testing.T) {
	d := ended(t, 1)
	slow := d.claim("mail", time.Second)
	d.wall = d.wall.Add(2 * time.Second)
	quick := d.claim("mail", time.Second)
	settle := func(l lifecycle.Letter, status lifecycle.NoticeStatus) {
		require.NoError(t, d.db.SettleLetters(t.Context(), []lifecycle.Settled{{NoticeID: l.NoticeID, Claim: l.Claim, Status: status, At: d.now}}))
	}
	settle(slow[0], lifecycle.NoticeDead)
	require.Zero(t, d.letters()[lifecycle.NoticeDead], "another one is at it")
	settle(quick[0], lifecycle.NoticeSent)
	settle(slow[0], lifecycle.NoticeFailed)
	require.Equal(t, 1, d.letters()[lifecycle.NoticeSent])
}
