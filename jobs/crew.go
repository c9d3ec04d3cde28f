package jobs

import (
	"context"
	"sync"
	"time"
)

// restFor is how soon somebody who has found nothing to do looks again while the others are at work.
const restFor = time.Second

// A crew works side by side until none of it finds anything to do. Who is done early looks again now and then, since what
// comes in meanwhile should not wait for the slowest.
type crew struct {
	mu      sync.Mutex
	busy    int
	resting int
	roused  chan struct{} // closed when all who rest are to look again, or to go home
	over    bool
}

func newCrew() *crew { return &crew{roused: make(chan struct{})} }

// hire says how many there are. It comes before their work.
func (c *crew) hire(n int) { c.busy = n }

// join adds one who works beside the others for a while; false: they are going home.
func (c *crew) join() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.busy++
	return true
}

// leave is for one who has joined.
func (c *crew) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	if c.busy == 0 {
		c.over = true
		c.rouseAll()
	}
}

// work has one of the crew take turns until there is nothing to do for anybody, or ctx ends. The error is that of its last
// turn.
func (c *crew) work(ctx context.Context, turn func(context.Context) (more bool, err error)) error {
	for {
		more, err := turn(ctx)
		if more && err == nil && ctx.Err() == nil {
			continue
		}
		if !c.rest(ctx) {
			return err
		}
	}
}

// rouse makes all who rest look again: there is something to do.
func (c *crew) rouse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rouseAll()
}

func (c *crew) rouseAll() {
	c.busy, c.resting = c.busy+c.resting, 0
	close(c.roused)
	c.roused = make(chan struct{})
}

// rest waits until it is worth looking again; false: it is time to go home.
func (c *crew) rest(ctx context.Context) bool {
	c.mu.Lock()
	c.busy--
	c.resting++
	if c.busy == 0 {
		c.over = true
		c.rouseAll()
		c.mu.Unlock()
		return false
	}
	roused := c.roused
	c.mu.Unlock()

	nap := time.NewTimer(restFor)
	defer nap.Stop()
	select {
	case <-roused:
	case <-nap.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if roused == c.roused { // woken up alone, and so not counted yet
		c.resting--
		c.busy++
	}
	if ctx.Err() != nil && !c.over {
		c.busy--
		if c.busy == 0 {
			c.over = true
			c.rouseAll()
		}
		return false
	}
	return !c.over
}
