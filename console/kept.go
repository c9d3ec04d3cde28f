package console

import (
	"context"
	"sync"
	"time"
)

const (
	keptWait  = 30 * time.Millisecond // that a page waits for a number that may be there at once
	keptRetry = 10 * time.Second      // after it could not be found out
	keptMost  = 10 * time.Minute      // that finding it out may take
)

// A kept value takes longer to find out than somebody waits for a page. It is found out in the background, once for however many ask, and
// kept for a while. The zero value is ready.
type kept[T any] struct {
	mu      sync.Mutex
	latest  counted[T]
	tried   time.Time     // by the machine's clock; zero: it shall be found out anew
	working chan struct{} // closed when it is found out; nil: nobody is at it
}

// counted is a kept value as it was last found out.
type counted[T any] struct {
	Value   T
	Known   bool      // it has been found out before
	Working bool      // it is being found out
	Failed  bool      // the last time it could not be
	Fault   error     // why
	At      time.Time // by the deployment's clock
	Wall    time.Time // by the machine's
}

// look is the value as it was last found out; if that is longer ago than every, by either clock, it is found out anew, for which nobody waits
// for long.
func (k *kept[T]) look(v *visit, what string, every time.Duration, count func(context.Context) (T, error)) counted[T] {
	k.mu.Lock()
	if k.working == nil && k.stale(v, every) {
		k.working = make(chan struct{})
		go k.work(context.WithoutCancel(v.Request.Context()), v.console, what, count)
	}
	working := k.working
	k.mu.Unlock()
	if working != nil {
		wait := time.NewTimer(keptWait)
		defer wait.Stop()
		select {
		case <-working:
		case <-wait.C:
		case <-v.Request.Context().Done():
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	latest := k.latest
	latest.Working = k.working != nil
	return latest
}

func (k *kept[T]) stale(v *visit, every time.Duration) bool {
	if k.tried.IsZero() {
		return true
	}
	if k.latest.Failed {
		every = keptRetry
	}
	age := v.Wall.Sub(k.tried)
	return age < 0 || age >= every || k.latest.Known && !k.latest.Failed && v.Now.Sub(k.latest.At).Abs() >= every
}

// forget has it found out anew when somebody looks next.
func (k *kept[T]) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried = time.Time{}
}

// work finds it out. It ends with the deployment, if not before.
func (k *kept[T]) work(ctx context.Context, c *Console, what string, count func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(ctx, keptMost)
	defer cancel()
	go func() {
		select {
		case <-c.Door.Stopping():
			cancel()
		case <-ctx.Done():
		}
	}()
	now, wall := c.Now(), c.Wall()
	value, err := count(ctx)
	if err != nil && ctx.Err() == nil {
		c.Logger.Error("what a page shows could not be found out", "what", what, "error", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.latest.Failed, k.latest.Fault = err != nil, err
	if err == nil {
		k.latest.Value, k.latest.Known, k.latest.At, k.latest.Wall = value, true, now, wall
	}
	k.tried = wall
	close(k.working)
	k.working = nil
}
