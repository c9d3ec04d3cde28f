package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// grace is how long letters that are on their way when the process is told to stop may take to arrive. What became of them
	// is written within noteGrace, which ends before shutdownTimeout does.
	grace, noteGrace = 18 * time.Second, 23 * time.Second

	// recipientsPerFold is for how many recipients digests are made in one transaction.
	recipientsPerFold = 100

	// lettersPerErasure is of how many letters the recipients are erased in one transaction.
	lettersPerErasure = 1000
)

// A Courier sends what the outbox holds: on each channel by itself, so that a slow one holds no other up.
//
// Each letter arrives at least once, with one Message-ID. Its message is stored before the first attempt, and each attempt is
// noted when it begins and when it has ended. Where a courier dies in between nobody knows how the attempt ended: it shows as
// unknown, and the next courier sends the very same message again.
//
// Nothing is tried again from memory. What failed waits in the outbox, and whoever comes by when its time has come takes it up.
type Courier struct {
	Store    OutboxStore
	Notifier Notifier          // nil in a process that does not send; there digests are made and nothing else
	Policy   *lifecycle.Policy // nil: no daily limit, and nothing is erased
	Now      func() time.Time  // the deployment's clock: when a letter was sent, and what is outdated by then
	Wall     func() time.Time  // the machine's clock: leases, and waits between attempts
	Log      *slog.Logger
	Metrics  *Metrics     // may be nil
	Tracer   trace.Tracer // nil: nothing is traced
}

// Deliver sends until nothing waits on any channel, or ctx ends. What could not be sent waits to be tried again, and is no
// error. When ctx ends nothing more is begun; what is on its way may still take some seconds.
func (c *Courier) Deliver(ctx context.Context) error {
	for {
		if err := c.deliver(ctx); err != nil || c.Policy == nil || c.Policy.Notices.MostPerDay == 0 {
			return err
		}
		// What is beyond somebody's daily limit and cannot wait is due in a digest by now.
		if made, err := c.makeDigests(ctx); err != nil || made == 0 {
			return err
		}
	}
}

func (c *Courier) deliver(ctx context.Context) error {
	if err := c.believe(ctx); err != nil {
		return err
	}
	crew, way := newCrew(), newGiveWay()
	works := []func(context.Context) (bool, error){func(ctx context.Context) (bool, error) { return c.fold(ctx, crew) }}
	for channel, atOnce := range c.channels(ctx) {
		if !lifecycle.IsSubscriptionChannel(channel) {
			works = append(works, newLane(c, way, channel, atOnce).drive)
		}
	}
	tellers := newTellers(c, crew, way)
	works = append(works, tellers.look)
	errs := make([]error, len(works))
	crew.hire(len(works))
	var working sync.WaitGroup
	for i, work := range works {
		working.Go(func() { errs[i] = crew.work(ctx, work) })
	}
	working.Wait()
	errs = append(errs, tellers.wait())
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// believe asks whether the clock may be believed: by one that is far ahead every warning would be outdated, and be withdrawn.
func (c *Courier) believe(ctx context.Context) error {
	if c.Policy == nil || c.Policy.Quarantine == (lifecycle.QuarantinePolicy{}) {
		return nil
	}
	if err := c.Store.CheckClock(ctx, c.Policy.Quarantine, c.Now()); err != nil {
		return fmt.Errorf("delivering: %w", err)
	}
	return nil
}

func (c *Courier) channels(ctx context.Context) map[string]int {
	if c.Notifier == nil {
		return nil
	}
	return c.Notifier.Channels(ctx)
}

// fold makes digests, and has them sent.
func (c *Courier) fold(ctx context.Context, crew *crew) (more bool, err error) {
	made, err := c.makeDigests(ctx)
	if made > 0 {
		crew.rouse()
	}
	return made > 0, err
}

// makeDigests makes digests of what waits for one by now, and says how many.
func (c *Courier) makeDigests(ctx context.Context) (made int, err error) {
	made, err = c.Store.FoldLetters(ctx, c.Now(), recipientsPerFold)
	if err != nil {
		return 0, fmt.Errorf("making digests: %w", err)
	}
	c.Metrics.folded(made)
	return made, nil
}

// Erase erases the names, addresses and messages of those who were told longer ago than the policy keeps them, and says of how many
// letters.
func (c *Courier) Erase(ctx context.Context) (erased int, err error) {
	if c.Policy == nil || c.Policy.Notices.EraseAfter.IsZero() {
		return 0, nil
	}
	if err := c.believe(ctx); err != nil {
		return 0, err
	}
	before := c.Policy.Notices.EraseAfter.Before(c.Now())
	for ctx.Err() == nil {
		n, err := c.Store.EraseRecipients(ctx, before, lettersPerErasure)
		erased += n
		if err != nil || n == 0 {
			return erased, err
		}
	}
	return erased, nil
}

// claim is what a courier asks of a channel's outbox now.
func (c *Courier) claim(channel string, most int) lifecycle.Claim {
	now, wall := c.Now(), c.Wall()
	claim := lifecycle.Claim{Channel: channel, Now: now, Wall: wall, LeaseUntil: wall.Add(letterLease), Most: most}
	if c.Policy != nil {
		claim.PerDay = c.Policy.Notices.MostPerDay
		claim.DigestAt = c.Policy.Notices.Digests.Next(lifecycle.DailyDigest, now)
	}
	return claim
}

// outliving is a context that ends a while after ctx does, for what must not be broken off halfway.
func outliving(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(while, cancel)
		context.AfterFunc(longer, func() { late.Stop() })
	})
	return longer, func() { stop(); cancel() }
}
