package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// watchEvery is how often the watchdog looks.
	watchEvery = time.Second

	// rungLongAgo is after which time an unclaimed chunk is rung for again: its task may be lost.
	rungLongAgo = 5 * time.Second

	// aloneFor is how long the sweeps wait for what there is to say to be sent where there is nobody to ring.
	aloneFor = 3 * time.Second

	// orphanedAfter is in how many looks in a row nobody has taken up the letters of a channel before that is told.
	orphanedAfter = 10

	// mostIdle is how many idle chunks are rung for in one look.
	mostIdle = 256
)

// A Watchdog finds work that nobody does: chunks of dead workers, tasks that Redis lost, sweeps that were opened and not cut.
// It rings again, and where there is nobody to ring, because Redis is away, it does the work itself: slower, never stopped.
type Watchdog struct {
	Sweeper *Sweeper
	Courier *Courier
	Log     *slog.Logger

	alone bool           // the last look found no bell; said once, not each second
	blind bool           // the last look failed
	uncut map[int64]bool // sweeps that the last look found not yet cut

	delivery delivery
	orphaned map[string]int // in how many looks in a row letters of an unknown channel were there
}

// Run looks until ctx ends, and lets a letter arrive that is on its way then.
func (w *Watchdog) Run(ctx context.Context) {
	defer w.delivery.wait()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := w.Look(ctx); ctx.Err() == nil {
			w.looked(ctx, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// looked tells the log when the watchdog cannot look, and when it can again: once each, not each second.
func (w *Watchdog) looked(ctx context.Context, err error) {
	switch blind := err != nil; {
	case blind && !w.blind:
		w.Log.WarnContext(ctx, "the watchdog cannot look; it tries again each second", "error", err)
	case blind:
		w.Log.DebugContext(ctx, "the watchdog cannot look yet", "error", err)
	case w.blind:
		w.Log.InfoContext(ctx, "the watchdog can look again")
	}
	w.blind = err != nil
}

// Look looks once.
func (w *Watchdog) Look(ctx context.Context) error {
	sweeps, err := w.Sweeper.Store.RunningSweeps(ctx)
	if err != nil {
		return err // the database is away
	}
	// What goes wrong with one kind of work is no reason to leave the other undone.
	return errors.Join(w.lookAfter(ctx, sweeps), w.ringCourier(ctx))
}

func (w *Watchdog) lookAfter(ctx context.Context, sweeps []lifecycle.Sweep) error {
	uncut := map[int64]bool{}
	var errs []error
	for _, s := range sweeps {
		if !s.Cut {
			uncut[s.ID] = true
		}
		errs = append(errs, w.attend(ctx, s))
	}
	w.uncut = uncut
	if len(sweeps) > 0 {
		errs = append(errs, w.ringIdle(ctx))
	}
	return errors.Join(errs...)
}

// attend sees to it that a sweep is cut, and closed when its last worker died before it could.
func (w *Watchdog) attend(ctx context.Context, s lifecycle.Sweep) error {
	if s.Cut {
		_, err := w.Sweeper.finish(within(ctx, s.Trace), s.ID)
		return err
	}
	if !w.uncut[s.ID] {
		return nil // new since the last look, and rung for just now
	}
	ctx = within(ctx, s.Trace)
	if w.heard(ctx, w.Sweeper.Bell.RingCut(ctx, s.ID)) {
		return nil
	}
	return w.Sweeper.Cut(ctx, s.ID)
}

func (w *Watchdog) ringIdle(ctx context.Context) error {
	idle, err := w.Sweeper.idleChunks(ctx)
	if err != nil || len(idle) == 0 {
		return err
	}
	w.Log.DebugContext(ctx, "ringing for chunks that nobody works on", "chunks", len(idle), "first", idle[0])
	if w.heard(ctx, w.Sweeper.Bell.RingAgain(ctx, idle)) {
		return nil
	}
	return w.Sweeper.DoChunks(ctx, idle)
}

// idleChunks are the chunks that nobody works on.
func (s *Sweeper) idleChunks(ctx context.Context) ([]lifecycle.ChunkRef, error) {
	wall := s.Wall()
	return s.Store.IdleChunks(ctx, wall, wall.Add(-rungLongAgo), mostIdle)
}

// ringCourier has sent what waits to be sent. Where there is nobody to ring, a courier of this process goes, for which the
// sweeps wait a moment only: a mail server may take long.
func (w *Watchdog) ringCourier(ctx context.Context) error {
	waiting, err := w.Courier.Store.WaitingLetters(ctx, w.Courier.Now(), w.Courier.Wall())
	if err != nil {
		return err
	}
	w.tellOfOrphans(ctx, waiting)
	if len(waiting) == 0 || w.heard(ctx, w.Sweeper.Bell.RingDelivery(ctx)) {
		return nil
	}
	over := w.delivery.start(ctx, w.Courier, w.Log)
	if sweeping, err := w.Courier.Store.Sweeping(ctx, w.Courier.Wall()); sweeping || err != nil {
		return err // to wait for letters that give way to a sweep would be to wait for ourselves
	}
	moment := time.NewTimer(aloneFor)
	defer moment.Stop()
	select {
	case <-over:
	case <-moment.C:
	}
	return nil
}

// tellOfOrphans tells of letters for channels that this process does not know, once they have lain there for a while: a worker
// that knows the channel would have taken them.
func (w *Watchdog) tellOfOrphans(ctx context.Context, waiting map[string]int64) {
	known := w.Courier.channels(ctx)
	if known == nil {
		return // it sends nothing itself, and cannot know
	}
	looks, orphans := map[string]int{}, map[string]int64{}
	for channel, n := range waiting {
		if _, ok := known[channel]; ok || channel == "" || n == 0 {
			continue
		}
		looks[channel] = w.orphaned[channel] + 1
		if looks[channel] >= orphanedAfter {
			orphans[channel] = n
		}
		if looks[channel] == orphanedAfter {
			w.Log.ErrorContext(ctx, "notices wait for a channel that nobody has been given; name it with --channel, or have operators suppress them",
				"channel", channel, "notices", n)
		}
	}
	w.orphaned = looks
	w.Courier.Metrics.orphaned(orphans)
}

// heard says whether a bell was heard, and tells the log when that changes.
func (w *Watchdog) heard(ctx context.Context, err error) bool {
	if alone := err != nil; alone != w.alone && ctx.Err() == nil {
		w.alone = alone
		if alone {
			w.Log.WarnContext(ctx, "Redis is away; this process does the work itself until it is back", "error", err)
		} else {
			w.Log.InfoContext(ctx, "Redis is back; workers are rung again")
		}
	}
	return err == nil
}
