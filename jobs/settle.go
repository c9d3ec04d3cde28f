package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// What became of letters is written soon, since a courier that dies before has them sent again, and together where there are
	// many, since each time is a transaction.
	settleWithin = 25 * time.Millisecond
	mostSettled  = 256

	// A database that is away when there is something to note is asked again and again: what was handed over is known here
	// alone. While it is, nothing more is sent.
	firstInsist, lastInsist = 50 * time.Millisecond, time.Second
	insistFor               = 10 * time.Minute
	settleTimeout           = 15 * time.Second
)

// A settler writes what became of letters.
type settler struct {
	*Courier
	channel  string
	held     *held
	outcomes chan lifecycle.Settled
	ended    sync.Once
	err      error // the last that was not overcome; to be read when run is over
}

func newSettler(c *Courier, channel string, held *held) *settler {
	return &settler{Courier: c, channel: channel, held: held, outcomes: make(chan lifecycle.Settled, mostSettled)}
}

// add waits where there is more to write than can be written: the lane is not to send what it could not note.
func (s *settler) add(settled ...lifecycle.Settled) {
	for _, one := range settled {
		s.outcomes <- one
	}
}

// attempts counts the letters that were handed over, or may have been. The others were only given back.
func attempts(settled []lifecycle.Settled) (n int) {
	for i := range settled {
		if settled[i].Status == lifecycle.NoticeSent || settled[i].Unknown {
			n++
		}
	}
	return n
}

func (s *settler) close() { s.ended.Do(func() { close(s.outcomes) }) }

// run writes until close; ctx is for the writing alone.
func (s *settler) run(ctx context.Context) {
	for {
		settled := s.gather()
		if len(settled) == 0 {
			return
		}
		if err := s.write(ctx, settled); err != nil {
			s.err = fmt.Errorf("noting what became of notices on channel %s: %w", s.channel, err)
			s.Log.ErrorContext(ctx, "what became of notices could not be noted; those that were handed over will be sent again", "channel", s.channel,
				"notices", len(settled), "attempts", attempts(settled), "error", err)
		}
		s.held.drop(settled)
	}
}

// gather waits for an outcome, and for those that come with it; none when there will be no more.
func (s *settler) gather() []lifecycle.Settled {
	first, ok := <-s.outcomes
	if !ok {
		return nil
	}
	settled := append(make([]lifecycle.Settled, 0, mostSettled), first)
	soon := time.NewTimer(settleWithin)
	defer soon.Stop()
	for len(settled) < mostSettled {
		select {
		case one, ok := <-s.outcomes:
			if !ok {
				return settled
			}
			settled = append(settled, one)
		case <-soon.C:
			return settled
		}
	}
	return settled
}

// write insists where the database is away. What it refuses is halved, until the one outcome that it refuses stands alone.
func (s *settler) write(ctx context.Context, settled []lifecycle.Settled) error {
	err := s.insist(ctx, settled)
	switch {
	case err == nil:
		s.Metrics.settled(s.channel, settled)
		return nil
	case len(settled) > 1 && errors.Is(err, lifecycle.ErrRefusedByDatabase):
		half := len(settled) / 2
		return errors.Join(s.write(ctx, settled[:half]), s.write(ctx, settled[half:]))
	}
	return err
}

func (s *settler) insist(ctx context.Context, settled []lifecycle.Settled) error {
	until := s.Wall().Add(insistFor)
	for wait := firstInsist; ; wait = min(2*wait, lastInsist) {
		err := s.once(ctx, settled)
		if err == nil || ctx.Err() != nil || errors.Is(err, lifecycle.ErrRefusedByDatabase) || s.Wall().After(until) {
			return err
		}
		level := slog.LevelDebug
		if wait == firstInsist { // said once
			level = slog.LevelWarn
		}
		s.Log.Log(ctx, level, "what became of notices cannot be noted yet; nothing more is sent until it is", "channel", s.channel, "notices", len(settled), "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func (s *settler) once(ctx context.Context, settled []lifecycle.Settled) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return s.Store.SettleLetters(ctx, settled)
}
