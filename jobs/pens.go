package jobs

import (
	"context"
	"time"
)

// Pens are how many chunks a process writes at a time. It may hold more of them than it has pens: while one is written, the next is
// read and decided on, so that neither the database nor the process waits for the other.
type Pens chan struct{}

// NewPens are n pens.
func NewPens(n int) Pens { return make(Pens, n) }

// penWait is how long anybody waits for a pen. Where writing takes so long, whoever waits longer would not be through before its time
// is over, and the chunk would have failed for nothing.
const penWait = 5 * time.Second

// take waits for a pen, and goes on without one when it has waited for penWait or ctx has ended. Whoever comes back from it calls
// giveBack once.
func (p Pens) take(ctx context.Context) (giveBack func()) {
	without := func() {}
	if p == nil {
		return without
	}
	enough := time.NewTimer(penWait)
	defer enough.Stop()
	select {
	case p <- struct{}{}:
		return func() { <-p }
	case <-enough.C:
		return without
	case <-ctx.Done():
		return without
	}
}
