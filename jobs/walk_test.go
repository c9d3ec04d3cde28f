package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

var errKilled = errors.New("killed")

// A mortal process has a courier whose every step passes through it. At one of the steps it is killed: before the step, or
// when it is done and nobody learns of it. From then on nothing that the courier tries has an effect.
type mortal struct {
	jobs.OutboxStore
	*postbox
	die func()

	mu     sync.Mutex
	killAt int
	after  bool
	steps  int
	dead   bool
}

// step takes a step, unless it is the last.
func (m *mortal) step(take func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock() // one at a time, so that nothing is halfway when it is killed
	if m.dead {
		return errKilled
	}
	m.steps++
	last := m.steps == m.killAt
	if last {
		m.dead = true
		m.die()
	}
	if last && !m.after {
		return errKilled
	}
	err := take()
	if last {
		return errKilled
	}
	return err
}

func (m *mortal) ClaimLetters(ctx context.Context, c lifecycle.Claim) (letters []lifecycle.Letter, err error) {
	err = m.step(func() error {
		letters, err = m.OutboxStore.ClaimLetters(context.WithoutCancel(ctx), c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return letters, nil
}

func (m *mortal) BeginLetters(ctx context.Context, letters []lifecycle.Letter) (begun []lifecycle.Letter, err error) {
	err = m.step(func() error {
		begun, err = m.OutboxStore.BeginLetters(context.WithoutCancel(ctx), letters)
		return err
	})
	if err != nil {
		return nil, err
	}
	return begun, nil
}

func (m *mortal) SettleLetters(ctx context.Context, settled []lifecycle.Settled) error {
	return m.step(func() error { return m.OutboxStore.SettleLetters(context.WithoutCancel(ctx), settled) })
}

func (m *mortal) SetChannel(ctx context.Context, state lifecycle.ChannelState) error {
	return m.step(func() error { return m.OutboxStore.SetChannel(context.WithoutCancel(ctx), state) })
}

func (m *mortal) FoldLetters(ctx context.Context, now time.Time, most int) (made int, err error) {
	err = m.step(func() error {
		made, err = m.OutboxStore.FoldLetters(context.WithoutCancel(ctx), now, most)
		return err
	})
	return made, err
}

func (m *mortal) KeepLetters(ctx context.Context, letters []lifecycle.Letter, until time.Time) (kept []lifecycle.NoticeID, err error) {
	err = m.step(func() error {
		kept, err = m.OutboxStore.KeepLetters(context.WithoutCancel(ctx), letters, until)
		return err
	})
	return kept, err
}

func (m *mortal) Send(ctx context.Context, l lifecycle.Letter) error {
	return m.step(func() error { return m.postbox.Send(ctx, l) })
}

// TestKilledBetweenAnyTwoStepsLosesNothingAndShowsWhatMayHaveComeTwice walks through all the steps of a delivery: letters of
// their own, and a digest.
func TestKilledBetweenAnyTwoStepsLosesNothingAndShowsWhatMayHaveComeTwice(t *testing.T) {
	const people = 12
	doubled := 0
	for killAt := 1; ; killAt++ {
		steps := 0
		for _, after := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				d := deploy(t)
				for i := range people {
					d.contact(lifecycle.Contact{Mail: fmt.Sprintf("agent%02d@partner.example", i)})
				}
				d.contact(lifecycle.Contact{Mail: "daily@partner.example", Digest: lifecycle.DailyDigest})
				d.load(active(1, start))
				d.sweep()
				d.pass(lifecycle.Day) // the digest is due, too
				ctx, die := context.WithCancel(t.Context())
				m := &mortal{OutboxStore: d.db, postbox: d.outbox, die: die, killAt: killAt, after: after}
				first := *d.courier
				first.Store, first.Notifier = m, m
				_ = first.Deliver(ctx)
				die()
				steps = m.steps

				d.pass(7 * time.Second) // the lease is over
				d.deliver()
				arrived := map[string]int{}
				for _, l := range d.outbox.handed {
					arrived[l.MessageID]++
				}
				require.Len(t, arrived, people+1, "killed at step %d, after it: %v: each one arrives", killAt, after)
				for _, l := range d.all() {
					switch times := arrived[fmt.Sprintf("<%s@test>", l.NoticeID)]; {
					case times > 1:
						require.Equal(t, 2, times)
						require.Equal(t, 1, l.Unknown, "and shows: killed at step %d, after it: %v", killAt, after)
						doubled++
					case times == 1:
						require.Equal(t, lifecycle.NoticeSent, l.Status)
					}
				}
			})
		}
		if steps < killAt {
			require.Greater(t, killAt, people+1, "it has walked through them all")
			break
		}
	}
	require.Positive(t, doubled, "some were killed between sending and noting it")
}

// A forgetful store is away for a number of calls.
type forgetful struct {
	jobs.OutboxStore
	mu   sync.Mutex
	away int
}

func (s *forgetful) call() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away > 0 {
		s.away--
		return errAway
	}
	return nil
}

func (s *forgetful) ClaimLetters(ctx context.Context, c lifecycle.Claim) ([]lifecycle.Letter, error) {
	if err := s.call(); err != nil {
		return nil, err
	}
	return s.OutboxStore.ClaimLetters(ctx, c)
}

func (s *forgetful) BeginLetters(ctx context.Context, letters []lifecycle.Letter) ([]lifecycle.Letter, error) {
	if err := s.call(); err != nil {
		return nil, err
	}
	return s.OutboxStore.BeginLetters(ctx, letters)
}

func (s *forgetful) SettleLetters(ctx context.Context, settled []lifecycle.Settled) error {
	if err := s.call(); err != nil {
		return err
	}
	return s.OutboxStore.SettleLetters(ctx, settled)
}

func (s *forgetful) Channel(ctx context.Context, name string) (lifecycle.ChannelState, error) {
	if err := s.call(); err != nil {
		return lifecycle.ChannelState{}, err
	}
	return s.OutboxStore.Channel(ctx, name)
}

func TestDatabaseThatIsAwayForAWhileMakesNoLetterGoTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := ended(t, 100)
		store := &forgetful{OutboxStore: d.db}
		d.courier.Store = store
		sent := 0
		var mu sync.Mutex
		d.outbox.answer = func(lifecycle.Letter) error {
			mu.Lock()
			defer mu.Unlock()
			if sent++; sent == 30 {
				store.mu.Lock()
				store.away = 20
				store.mu.Unlock()
			}
			return nil
		}
		var err error
		for range 30 {
			err = d.courier.Deliver(t.Context())
			d.pass(7 * time.Second)
		}
		require.NoError(t, err)
		require.Len(t, d.outbox.handed, 100)
		require.Equal(t, 100, d.letters()[lifecycle.NoticeSent])
		for _, l := range d.all() {
			require.Zero(t, l.Unknown)
		}
	})
}

func TestOutcomeThatTheDatabaseRefusesKeepsNoOtherFromBeingNoted(t *testing.T) {
	d := ended(t, 20)
	d.courier.Store = &choosy{d.db}
	require.ErrorIs(t, d.courier.Deliver(t.Context()), lifecycle.ErrRefusedByDatabase)
	require.Equal(t, 19, d.letters()[lifecycle.NoticeSent])
}

// A choosy store refuses the outcomes of one relationship's letters.
type choosy struct{ jobs.OutboxStore }

func (s *choosy) SettleLetters(ctx context.Context, settled []lifecycle.Settled) error {
	for _, one := range settled {
		if one.Key == 7 {
			return lifecycle.ErrRefusedByDatabase
		}
	}
	return s.OutboxStore.SettleLetters(ctx, settled)
}
