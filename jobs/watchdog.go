package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// watchEvery is how often the watchdog looks.
	watchEvery = time.Second

	// rungLongAgo is after which time an unclaimed chunk is rung for again: its task may be lost.
	rungLongAgo = 5 * time.Second

	// aloneFor is for how long at a time the watchdog sends what there is to say where there is nobody to ring.
	aloneFor = 3 * time.Second

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
	uncut map[int64]bool // sweeps that the last look found not yet cut
}

// Run looks until ctx ends.
func (w *Watchdog) Run(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := w.Look(ctx); err != nil && ctx.Err() == nil {
			w.Log.WarnContext(ctx, "the watchdog could not look; it will again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look looks once.
func (w *Watchdog) Look(ctx context.Context) error {
	sweeps, err := w.Sweeper.Store.RunningSweeps(ctx)
	if err != nil {
		return err
	}
	uncut := map[int64]bool{}
	for _, s := range sweeps {
		if !s.Cut {
			uncut[s.ID] = true
		}
		if err := w.attend(ctx, s); err != nil {
			return err
		}
	}
	w.uncut = uncut
	if len(sweeps) > 0 {
		if err := w.ringIdle(ctx); err != nil {
			return err
		}
	}
	return w.ringCourier(ctx)
}

// attend sees to it that a sweep is cut, and closed when its last worker died before it could.
func (w *Watchdog) attend(ctx context.Context, s lifecycle.Sweep) error {
	if s.Cut {
		_, err := w.Sweeper.Store.FinishSweep(ctx, s.ID, w.Sweeper.Wall())
		return err
	}
	if !w.uncut[s.ID] {
		return nil // new since the last look, and rung for just now
	}
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
	if w.heard(ctx, w.Sweeper.Bell.RingChunks(ctx, idle)) {
		return nil
	}
	return w.Sweeper.DoChunks(ctx, idle)
}

// idleChunks are the chunks that nobody works on.
func (s *Sweeper) idleChunks(ctx context.Context) ([]lifecycle.ChunkRef, error) {
	wall := s.Wall()
	return s.Store.IdleChunks(ctx, wall, wall.Add(-rungLongAgo), mostIdle)
}

func (w *Watchdog) ringCourier(ctx context.Context) error {
	waiting, err := w.Courier.Store.WaitingLetters(ctx, w.Courier.Wall())
	if err != nil || waiting == 0 {
		return err
	}
	if w.heard(ctx, w.Sweeper.Bell.RingDelivery(ctx)) {
		return nil
	}
	_, err = w.Courier.DeliverFor(ctx, aloneFor) // and look after the sweeps again
	return err
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
