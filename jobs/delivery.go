package jobs

import (
	"context"
	"log/slog"
	"sync"
)

// A delivery is a courier at work in the background of a process, one at a time: sending may take as long as the slowest
// server likes, and neither a task of the queue nor the watchdog has that long.
type delivery struct {
	mu    sync.Mutex
	done  chan struct{} // closed when the one at work has come back; nil: none is
	again bool          // somebody has rung meanwhile
}

// start sends a courier off, unless one is on its way: that one looks again before it comes back. What it does ends with ctx.
func (d *delivery) start(ctx context.Context, c *Courier, log *slog.Logger) (done <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.again = true
	if d.done == nil {
		over := make(chan struct{})
		d.done = over
		go func() {
			defer close(over)
			for d.next() {
				if err := c.Deliver(ctx); err != nil && ctx.Err() == nil {
					log.WarnContext(ctx, "notices could not be sent; the watchdog will ring again", "error", err)
				}
			}
		}()
	}
	return d.done
}

// next says whether to go once more.
func (d *delivery) next() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.again {
		d.done = nil
		return false
	}
	d.again = false
	return true
}

// wait waits until no courier is at work. Nobody may send one off any more.
func (d *delivery) wait() {
	d.mu.Lock()
	done := d.done
	d.mu.Unlock()
	if done != nil {
		<-done
	}
}
