package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// fakeHolds is what a fake knows of holds while it has no database.
type fakeHolds struct {
	still *lifecycle.Hold // of everything
	mark  lifecycle.HighWater
	words []string // of operators, about sweeps and the quarantine
}

func (f *fake) Standstill(ctx context.Context) (lifecycle.Hold, bool, error) {
	unlock, err := f.enter(ctx)
	defer unlock()
	if f.still == nil {
		return lifecycle.Hold{}, false, err
	}
	return *f.still, true, err
}

func (f *fake) HighWater(ctx context.Context) (lifecycle.HighWater, error) {
	unlock, err := f.enter(ctx)
	defer unlock()
	return f.mark, err
}

func (f *fake) Holds(ctx context.Context, q lifecycle.HoldQuery) ([]lifecycle.Hold, error) {
	if f.DB != nil {
		return f.DB.Holds(ctx, q)
	}
	unlock, err := f.enter(ctx)
	defer unlock()
	if f.still == nil {
		return nil, err
	}
	return []lifecycle.Hold{*f.still}, err
}

func (f *fake) HeldSweeps(ctx context.Context) (held []lifecycle.Sweep, err error) {
	unlock, err := f.enter(ctx)
	defer unlock()
	for i := range f.sweeps {
		if f.sweeps[i].State == lifecycle.SweepHeld {
			held = append(held, f.sweeps[i])
		}
	}
	return held, err
}

func (f *fake) ReleaseQuarantine(ctx context.Context, note string, by lifecycle.Caller, now, _ time.Time) (released lifecycle.Hold, err error) {
	unlock, err := f.enter(ctx)
	defer unlock()
	if f.still != nil {
		released = *f.still
	}
	f.still, f.mark.Seen = nil, now
	f.words = append(f.words, fmt.Sprintf("release: %s, by %s", note, by.Name))
	return released, err
}

func (f *fake) ApproveSweep(ctx context.Context, id int64, note string, by lifecycle.Caller) error {
	return f.rule(ctx, id, lifecycle.SweepRunning, note, by)
}

func (f *fake) RejectSweep(ctx context.Context, id int64, note string, by lifecycle.Caller) error {
	return f.rule(ctx, id, lifecycle.SweepRefused, note, by)
}

func (f *fake) rule(ctx context.Context, id int64, to lifecycle.SweepState, note string, by lifecycle.Caller) error {
	unlock, err := f.enter(ctx)
	defer unlock()
	switch {
	case err != nil:
		return err
	case id > int64(len(f.sweeps)):
		return lifecycle.ErrNotFound
	case f.sweeps[id-1].State != lifecycle.SweepHeld:
		return lifecycle.ErrNotHeld
	case f.still != nil:
		return lifecycle.ErrStandstill
	}
	f.sweeps[id-1].State = to
	f.sweeps[id-1].Ruling = &lifecycle.Ruling{By: by.Name, Note: note, At: noon}
	return nil
}
