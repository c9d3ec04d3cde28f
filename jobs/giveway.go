package jobs

import (
	"context"
	"fmt"
	"time"
)

const (
	// sweepsFirst is how long letters give way to sweeps. Writing letters, and noting what becomes of them, takes most of a machine, and
	// somebody keeps access that has ended for as long as its change waits behind them; a letter can wait for a minute. Not for
	// longer: a sweep may take hours after an outage, or hang.
	sweepsFirst = time.Minute

	// sweepLook is how soon it is looked again whether a sweep is over. Most are over at once, and whoever moves a test clock waits for
	// the letters of each step. Who has waited for longer looks less often, up to seldomLook: looking takes time from the sweep.
	sweepLook, seldomLook = 20 * time.Millisecond, 500 * time.Millisecond
)

// A giveWay has the lanes of one delivery wait while sweeps are at work, in whatever process. Its
// patience is for all of them together, and begins anew with each delivery and with each moment without a sweep.
type giveWay struct {
	looking chan struct{} // holds whoever looks: the others wait for the same
	waited  time.Duration // since there was no sweep
}

func newGiveWay() *giveWay { return &giveWay{looking: make(chan struct{}, 1)} }

// wait returns when no sweep is at work, when letters have waited for sweepsFirst, or when ctx ends. Once they have waited so long they
// wait no more before there was a moment without a sweep.
func (g *giveWay) wait(ctx context.Context, c *Courier) error {
	select {
	case g.looking <- struct{}{}:
		defer func() { <-g.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		sweeping, err := c.Store.Sweeping(ctx, c.Wall())
		if err != nil {
			return fmt.Errorf("looking whether sweeps are at work: %w", err)
		}
		if !sweeping {
			g.waited = 0
			return nil
		}
		if g.waited >= sweepsFirst {
			return nil
		}
		pause := min(max(sweepLook, g.waited/8), seldomLook)
		select {
		case <-time.After(pause):
			g.waited += pause
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
