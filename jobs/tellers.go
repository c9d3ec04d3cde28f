package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Tellers send what waits for subscriptions during one delivery. There may be many subscriptions, they come and go, and most have
// nothing to be told: one has a lane only while it has.
type tellers struct {
	*Courier
	crew    *crew
	way     *giveWay
	working sync.WaitGroup

	mu    sync.Mutex
	lanes map[string]*lane // that have been used
	busy  map[string]bool
	errs  map[string]error // that lanes ended with, the last time
}

func newTellers(c *Courier, crew *crew, way *giveWay) *tellers {
	return &tellers{Courier: c, crew: crew, way: way, lanes: map[string]*lane{}, busy: map[string]bool{}, errs: map[string]error{}}
}

// look sets those going who have something to tell. It does not wait for them.
func (t *tellers) look(ctx context.Context) (more bool, err error) {
	known := map[string]int{}
	for channel, atOnce := range t.channels(ctx) {
		if lifecycle.IsSubscriptionChannel(channel) {
			known[channel] = atOnce
		}
	}
	if len(known) == 0 {
		return false, nil
	}
	waiting, err := t.Store.WaitingLetters(ctx, t.Now(), t.Wall())
	if err != nil {
		return false, fmt.Errorf("looking for what subscriptions are to be told: %w", err)
	}
	for channel := range waiting {
		if atOnce, ok := known[channel]; ok {
			t.start(ctx, channel, atOnce)
		}
	}
	return false, nil
}

// start sets a lane going until it finds nothing more, unless it is.
func (t *tellers) start(ctx context.Context, channel string, atOnce int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[channel] || !t.crew.join() {
		return
	}
	l := t.lanes[channel]
	if l == nil {
		l = newLane(t.Courier, t.way, channel, atOnce)
		t.lanes[channel] = l
	}
	t.busy[channel] = true
	t.working.Go(func() {
		defer t.crew.leave()
		more, err := true, error(nil)
		for more && err == nil && ctx.Err() == nil {
			more, err = l.drive(ctx)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.busy, channel)
		t.errs[channel] = err
	})
}

// wait waits for all of them. Nobody may look any more.
func (t *tellers) wait() error {
	t.working.Wait()
	return errors.Join(slices.Collect(maps.Values(t.errs))...)
}
