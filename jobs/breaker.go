package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// A channel that nothing can be sent on is tried again, with a single letter, after a wait that doubles between these.
	firstReopen, longestReopen = 5 * time.Second, 10 * time.Minute

	// Where so many recipients in a row could not be told, the fault is hardly theirs. Nothing is sent for shortPause then:
	// a server that answers is no reason to stop, and one that puts each first letter off must not keep the others waiting.
	mostInARow = 10
	shortPause = 10 * time.Second
)

// errTripped ends a drive because its channel should be left alone for now. It is no fault of the courier.
var errTripped = errors.New("the channel is left alone for now")

func isTripped(err error) bool { return errors.Is(err, errTripped) }

// A breaker keeps couriers away from a channel that does not work. What it knows stands in the outbox, for all processes.
type breaker struct {
	mu      sync.Mutex
	state   lifecycle.ChannelState // as of the last claim
	tripped bool                   // in this drive: what others report after that changes nothing
	heard   bool                   // the channel has shown in this drive whether it works
	row     map[string]bool        // recipients who could not be told since one could
}

// begin begins a drive.
func (b *breaker) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tripped, b.heard = false, false
}

// look reads how the channel fares, which the letters that were just claimed go by.
func (b *breaker) look(ctx context.Context, c *Courier, channel string) error {
	state, err := c.Store.Channel(ctx, channel)
	if err != nil {
		return fmt.Errorf("looking at channel %s: %w", channel, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.tripped {
		b.state = state
		c.Metrics.channel(state, c.Wall())
	}
	return nil
}

// goesOn says, at the end of a drive in which letters were claimed, whether another one may follow at once. A letter that was
// to show whether the channel works again may have told nothing, since it was not sent after all; then another one is let through.
func (b *breaker) goesOn(ctx context.Context, c *Courier) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	goesOn := !b.tripped
	if goesOn && !b.heard && b.state.Failures > 0 {
		b.state.ReadyAt = c.Wall()
		b.write(ctx, c)
	}
	return goesOn
}

// note draws the conclusion from an attempt, for the channel. The error, if there is one, ends the drive.
func (b *breaker) note(ctx context.Context, c *Courier, l *lifecycle.Letter, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.tripped || err != nil && errors.Is(err, lifecycle.ErrPermanent): // about one address, and found out perhaps without the server
		return nil
	case err == nil:
		b.row = nil
		return b.works(ctx, c)
	case errors.Is(err, lifecycle.ErrSwitchedOff):
		b.state.Off = true
		c.Log.ErrorContext(ctx, "the receiver wants nothing more; the channel is off until somebody switches it on again", "channel", l.Channel, "error", err)
		return b.trip(ctx, c, l.Channel, 0, err)
	case errors.Is(err, lifecycle.ErrUnavailable):
		b.state.Failures++
		return b.trip(ctx, c, l.Channel, b.reopenAfter(err), err)
	}
	return b.failed(ctx, c, l, err)
}

// failed is for failures that are about a letter, as far as anybody knows.
func (b *breaker) failed(ctx context.Context, c *Courier, l *lifecycle.Letter, err error) error {
	if b.row == nil {
		b.row = map[string]bool{}
	}
	// One person whose mailbox is full says nothing about the channel, however many letters they were to get. Silence does.
	silent := errors.Is(err, lifecycle.ErrUnknown) || errors.Is(err, lifecycle.ErrNoAnswer)
	who := l.Recipient.Mail
	if l.Endpoint || silent {
		who = l.String()
	}
	b.row[who] = true
	switch enough := len(b.row) >= mostInARow; {
	case silent && (enough || b.state.Failures > 0):
		b.row = nil
		b.state.Failures++
		return b.trip(ctx, c, l.Channel, b.reopenAfter(err), err)
	case enough:
		b.row = nil
		b.state.Failures = 0
		return b.trip(ctx, c, l.Channel, shortPause, err)
	case silent:
		return nil
	}
	return b.works(ctx, c) // it has answered
}

// works notes that the channel works, where that is news.
func (b *breaker) works(ctx context.Context, c *Courier) error {
	b.heard = true
	if !b.state.Off && (b.state.Failures > 0 || b.state.LastError != "") {
		c.Log.InfoContext(ctx, "a channel works again", "channel", b.state.Name, "failures", b.state.Failures)
		b.state.Failures, b.state.ReadyAt, b.state.LastError = 0, time.Time{}, ""
		b.write(ctx, c)
	}
	return nil
}

func (b *breaker) trip(ctx context.Context, c *Courier, channel string, wait time.Duration, err error) error {
	b.heard, b.tripped = true, true
	b.state.Name, b.state.LastError = channel, err.Error()
	b.state.ReadyAt = c.Wall().Add(wait)
	if !b.state.Off {
		c.Log.WarnContext(ctx, "a channel is left alone for now", "channel", channel, "failures", b.state.Failures, "until", b.state.ReadyAt, "error", err)
	}
	b.write(ctx, c)
	return errTripped
}

// reopenAfter is how long to leave the channel alone: as long as it asks for, or longer each time.
func (b *breaker) reopenAfter(err error) time.Duration {
	if asked := askedFor(err); asked > 0 {
		return asked
	}
	return backOff(firstReopen, longestReopen, b.state.Failures)
}

// write makes the state known to all. Where it cannot, the next attempt finds out again.
func (b *breaker) write(ctx context.Context, c *Courier) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	b.state.ChangedAt = c.Now()
	c.Metrics.channel(b.state, c.Wall())
	if err := c.Store.SetChannel(ctx, b.state); err != nil {
		c.Log.WarnContext(ctx, "could not note how a channel fares", "channel", b.state.Name, "error", err)
	}
}
