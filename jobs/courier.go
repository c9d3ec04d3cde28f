package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// lettersPerClaim is how many notices one courier holds at a time.
	lettersPerClaim = 100

	// lettersAtOnce is how many of them it hands over side by side: disks and mail servers answer many as fast as one.
	lettersAtOnce = 8

	// letterLease is how long the letters of a dead courier wait before another one sends them. A living one prolongs it.
	letterLease = 6 * time.Second

	// A letter that failed is tried again after a wait that doubles from the first to the longest of these, some three days in
	// all; then it is dead.
	firstResend, longestResend = 10 * time.Second, 4 * time.Hour
	mostAttempts               = 28
)

// A Courier sends what the outbox holds.
//
// Each letter arrives at least once: its message and Message-ID are stored before the first attempt, so where a courier dies
// between sending and noting it, the next one sends the very same message again.
type Courier struct {
	Store    OutboxStore
	Notifier Notifier
	Now      func() time.Time // the deployment's clock: when a letter was sent
	Wall     func() time.Time // the machine's clock: leases, and waits between attempts
	Log      *slog.Logger
	Metrics  *Metrics // may be nil
}

// Deliver sends until nothing waits, or ctx ends. What could not be sent waits to be tried again, and is no error.
func (c *Courier) Deliver(ctx context.Context) error {
	for {
		rest, err := c.DeliverFor(ctx, time.Hour)
		if err != nil || !rest {
			return err
		}
	}
}

// DeliverFor sends until nothing waits, and after some time takes nothing more up: rest says whether something may be left.
func (c *Courier) DeliverFor(ctx context.Context, period time.Duration) (rest bool, err error) {
	for stop := c.Wall().Add(period); c.Wall().Before(stop); {
		if err := ctx.Err(); err != nil {
			return true, err
		}
		wall := c.Wall()
		letters, err := c.Store.ClaimLetters(ctx, wall, wall.Add(letterLease), lettersPerClaim)
		if err != nil {
			return true, fmt.Errorf("claiming notices: %w", err)
		}
		if len(letters) == 0 {
			return false, nil
		}
		if err := c.holding(ctx, letters); err != nil {
			return true, err
		}
	}
	return true, nil
}

// holding delivers claimed letters while it prolongs their lease.
func (c *Courier) holding(ctx context.Context, letters []lifecycle.Letter) error {
	ids := make([]lifecycle.NoticeID, len(letters))
	for i := range letters {
		ids[i] = letters[i].NoticeID
	}
	return holding(ctx, letterLease, func(ctx context.Context) (bool, error) {
		return true, c.Store.KeepLetters(ctx, ids, c.Wall().Add(letterLease))
	}, func(ctx context.Context) error { return c.deliver(ctx, letters) })
}

// deliver sends claimed letters: first the messages are stored, then each is handed over, then what became of them is noted.
func (c *Courier) deliver(ctx context.Context, letters []lifecycle.Letter) error {
	var ready []lifecycle.Letter
	var settled []lifecycle.Settled
	for _, l := range letters {
		outcome, fit := c.prepare(&l)
		if fit {
			ready = append(ready, l)
		} else {
			settled = append(settled, outcome)
		}
	}
	if err := c.Store.KeepMessages(ctx, ready); err != nil {
		return fmt.Errorf("storing messages: %w", err)
	}
	settled = append(settled, c.send(ctx, ready)...)
	// What was handed over must be noted, even when the process is being stopped.
	if err := c.Store.SettleLetters(context.WithoutCancel(ctx), settled); err != nil {
		return fmt.Errorf("noting what was sent: %w", err)
	}
	c.Metrics.settled(settled)
	return nil
}

// send hands letters over, some at a time, and says what became of each. What is not handed over when ctx ends goes out when
// its lease is over.
func (c *Courier) send(ctx context.Context, letters []lifecycle.Letter) []lifecycle.Settled {
	outcomes := make([]lifecycle.Settled, len(letters))
	var sending errgroup.Group
	sending.SetLimit(lettersAtOnce)
	for i, l := range letters {
		sending.Go(func() error {
			if ctx.Err() == nil {
				outcomes[i] = c.outcome(l, c.Notifier.Send(ctx, l))
			}
			return nil
		})
	}
	_ = sending.Wait() // what went wrong is in the outcomes
	return slices.DeleteFunc(outcomes, func(s lifecycle.Settled) bool { return s.Status == "" })
}

// prepare looks at the record again and renders the message, unless that was done before. fit is false where the letter is
// not to be sent, and outcome says why.
func (c *Courier) prepare(l *lifecycle.Letter) (outcome lifecycle.Settled, fit bool) {
	if status, reason := l.Relationship.Outdated(l.Kind, l.End, l.Due); status != "" {
		return lifecycle.Settled{NoticeID: l.NoticeID, Attempt: l.Attempts, Status: status, Reason: reason}, false
	}
	if l.MessageID != "" {
		return outcome, true
	}
	id, message, err := c.Notifier.Render(*l)
	if err != nil {
		return c.outcome(*l, fmt.Errorf("writing the message: %w", err)), false
	}
	l.MessageID, l.Message = id, message
	return outcome, true
}

// outcome is what becomes of a letter after an attempt that ended with err.
func (c *Courier) outcome(l lifecycle.Letter, err error) lifecycle.Settled {
	s := lifecycle.Settled{NoticeID: l.NoticeID, Attempt: l.Attempts}
	switch {
	case err == nil:
		s.Status, s.SentAt = lifecycle.NoticeSent, c.Now()
	case errors.Is(err, lifecycle.ErrPermanent) || l.Attempts >= mostAttempts:
		s.Status, s.LastError = lifecycle.NoticeDead, err.Error()
		c.Log.Error("a notice is given up", "notice", l.NoticeID, "attempts", l.Attempts, "error", err)
	default:
		s.Status, s.LastError, s.NextAttempt = lifecycle.NoticeFailed, err.Error(), c.Wall().Add(resendAfter(l.Attempts))
		c.Log.Warn("a notice could not be sent and will be tried again", "notice", l.NoticeID, "attempts", l.Attempts, "next", s.NextAttempt, "error", err)
	}
	return s
}

// resendAfter is the wait after so many attempts, a quarter of it left to chance: letters that failed together should not all
// come back together.
func resendAfter(attempts int) time.Duration {
	wait := min(firstResend<<min(max(attempts-1, 0), 20), longestResend)
	return wait - time.Duration(rand.Int64N(int64(wait/4))) //nolint:gosec // spreading load needs no secrecy
}
