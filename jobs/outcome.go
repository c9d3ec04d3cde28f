package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// A letter that failed is tried again after a wait that doubles from the first to the longest of these, some five days in
	// all; then it is dead.
	firstResend, longestResend = 10 * time.Second, 4 * time.Hour
	mostAttempts               = 40

	// longestLater is the longest wait that a server may ask for. What is ahead for longer the outbox takes for the mark of a
	// clock that was set back.
	longestLater = 24 * time.Hour
)

// prepare looks at the record again and writes the message, unless that was done before. settled says that the letter is not to
// be sent; outcomes then say why, and at any rate which items of a digest are left out. The error is that of writing.
func (c *Courier) prepare(ctx context.Context, l *lifecycle.Letter, now time.Time) (outcomes []lifecycle.Settled, settled bool, err error) {
	status, reason, outcomes := c.outdated(l, now)
	if status != "" {
		return append(outcomes, lifecycle.Settled{NoticeID: l.NoticeID, Claim: l.Claim, Status: status, Reason: reason, At: now}), true, nil
	}
	if l.MessageID == "" {
		l.Written = now
		err = c.render(ctx, l)
	}
	return outcomes, false, err
}

// outdated looks at the record of a letter as it is now, and leaves out the items of a digest that are worth telling no more.
// A message that is written already stays as it is.
func (c *Courier) outdated(l *lifecycle.Letter, now time.Time) (status lifecycle.NoticeStatus, reason lifecycle.Reason, items []lifecycle.Settled) {
	if !l.IsDigest() {
		status, reason = l.Relationship.Outdated(l.Kind, l.End, l.Due, now)
		return status, reason, nil
	}
	fresh := make([]lifecycle.Letter, 0, len(l.Items))
	for i := range l.Items {
		item := &l.Items[i]
		if status, why := item.Relationship.Outdated(item.Kind, item.End, item.Due, now); status != "" {
			reason = why
			items = append(items, lifecycle.Settled{NoticeID: item.NoticeID, Claim: item.Claim, Status: status, Reason: why, At: now})
			continue
		}
		fresh = append(fresh, *item)
	}
	switch {
	case len(fresh) == 0:
		return lifecycle.NoticeWithdrawn, reason, items
	case l.MessageID != "":
		return "", "", nil // what is written tells of all of them
	}
	l.Items = fresh
	return "", "", items
}

func (c *Courier) render(ctx context.Context, l *lifecycle.Letter) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = c.panicked(ctx, "writing", l, x)
		}
	}()
	id, message, err := c.Notifier.Render(*l)
	if err != nil {
		return fmt.Errorf("writing the message: %w", err)
	}
	l.MessageID, l.Message = id, message
	return nil
}

func (c *Courier) panicked(ctx context.Context, doing string, l *lifecycle.Letter, x any) error {
	c.Log.ErrorContext(ctx, doing+" a notice panicked", "notice", l.NoticeID, "channel", l.Channel, "panic", x, "stack", string(debug.Stack()))
	return fmt.Errorf("%s it panicked: %v", doing, x)
}

// outcome is what becomes of a letter after an attempt that ended with err.
func (c *Courier) outcome(ctx context.Context, l *lifecycle.Letter, err error) lifecycle.Settled {
	if err != nil && (errors.Is(err, lifecycle.ErrUnavailable) || errors.Is(err, lifecycle.ErrSwitchedOff)) {
		return c.back(l, err)
	}
	s := lifecycle.Settled{NoticeID: l.NoticeID, Claim: l.Claim, At: c.Now()}
	if err == nil {
		s.Status, s.SentAt = lifecycle.NoticeSent, s.At
		return s
	}
	s.LastError, s.Unknown = err.Error(), errors.Is(err, lifecycle.ErrUnknown)
	if errors.Is(err, lifecycle.ErrPermanent) || l.Attempts >= mostAttempts {
		s.Status = lifecycle.NoticeDead
		s.Unknown = s.Unknown && !errors.Is(err, lifecycle.ErrPermanent)
		c.Log.ErrorContext(ctx, "a notice is given up", "notice", l.NoticeID, "channel", l.Channel, "attempts", l.Attempts, "error", err)
		return s
	}
	s.Status = lifecycle.NoticeFailed
	s.NextAttempt = c.Wall().Add(max(backOff(firstResend, longestResend, l.Attempts), askedFor(err)))
	c.Log.WarnContext(ctx, "a notice could not be sent and will be tried again", "notice", l.NoticeID, "channel", l.Channel, "attempts", l.Attempts,
		"unknown", s.Unknown, "next", s.NextAttempt, "error", err)
	return s
}

// back puts a letter back as it was, for anybody to take up at once. Where an attempt has begun, it was none.
func (c *Courier) back(l *lifecycle.Letter, err error) lifecycle.Settled {
	s := lifecycle.Settled{NoticeID: l.NoticeID, Claim: l.Claim, Status: l.Status, Reason: l.Reason, LastError: l.LastError, At: c.Now(), Uncounted: true}
	if err != nil {
		s.LastError = err.Error()
	}
	if s.Status == lifecycle.NoticeFailed || err != nil {
		s.NextAttempt = c.Wall() // behind the others: were it the one that the channel fails on, it would hold all of them up
	}
	return s
}

// askedFor is the wait that the other side named, within reason.
func askedFor(err error) time.Duration {
	var later *lifecycle.Later
	if errors.As(err, &later) {
		return min(later.Wait, longestLater)
	}
	return 0
}

// backOff is the wait after so many failures: it doubles from first to longest. A quarter of it is left to chance, since
// those that failed together should not all come back together.
func backOff(first, longest time.Duration, failures int) time.Duration {
	wait := min(first<<min(max(failures-1, 0), 20), longest)
	return wait - time.Duration(rand.Int64N(int64(wait/4))) //nolint:gosec // spreading load needs no secrecy
}
