package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// markEvery is how often a process says that it runs, and by which clock.
	markEvery = 10 * time.Second

	// askAgain is how long to wait where the database is away when a process begins.
	askAgain = time.Second

	// witnessTimeout keeps a witness that does not answer from holding anything up.
	witnessTimeout = 5 * time.Second
)

// A QuarantineStore knows how far the deployment had come, and puts everything on hold. Instants are of the deployment's clock.
type QuarantineStore interface {
	// HighWater is how far the deployment had come.
	HighWater(ctx context.Context) (lifecycle.HighWater, error)

	// AdvanceHighWater moves that mark on to now, unless q does not believe the clock that shows now: then everything is put on
	// hold, and the reason says why. While everything is on hold it stays where it is.
	AdvanceHighWater(ctx context.Context, q lifecycle.QuarantinePolicy, now time.Time) (lifecycle.HighWater, lifecycle.Reason, error)

	// CheckWitness puts everything on hold where a witness knows of more than the database, and says why.
	CheckWitness(ctx context.Context, witness lifecycle.HighWater, now time.Time) (lifecycle.Reason, error)

	// CheckBacklog puts everything on hold where more is due than q lets pass, and says why.
	CheckBacklog(ctx context.Context, q lifecycle.QuarantinePolicy, now time.Time) (lifecycle.Reason, error)

	// Standstill is the hold of everything, and whether there is one.
	Standstill(ctx context.Context) (lifecycle.Hold, bool, error)
}

// A Witness remembers outside of the database how far the deployment had come: a database that is restored from a backup brings its
// old mark along.
type Witness interface {
	// Name says which one it is, for the log.
	Name() string

	// Read is what it knows of a deployment; false where it knows nothing.
	Read(ctx context.Context, deployment string) (lifecycle.HighWater, bool, error)

	// Write has it remember h instead of what it knew.
	Write(ctx context.Context, h lifecycle.HighWater) error
}

// Quarantine sees to it that nothing is changed on the word of a clock that is wrong, or of a database that is not the latest: then
// everything is put on hold until an operator has looked. It belongs to one process.
type Quarantine struct {
	Store     QuarantineStore
	Policy    lifecycle.QuarantinePolicy // zero: nothing is looked at
	Witnesses []Witness
	Now       func() time.Time // the deployment's clock
	Log       *slog.Logger

	own    lifecycle.HighWater // what this process has seen itself: the database may be restored beneath it
	still  bool                // the last look found everything on hold; said once
	silent map[string]bool     // witnesses that did not answer last time
	blind  bool                // the last look failed
}

// Begin looks before anything else is begun, and again until the database answers or ctx ends. backlog says whether what is due is
// counted too.
func (q *Quarantine) Begin(ctx context.Context, backlog bool) error {
	for {
		err := q.Look(ctx, backlog)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		q.looked(ctx, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askAgain):
		}
	}
}

// Run looks again and again until ctx ends.
func (q *Quarantine) Run(ctx context.Context) {
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := q.Look(ctx, false); ctx.Err() == nil {
			q.looked(ctx, err)
		}
	}
}

// Look compares the database with what witnesses know, and its mark with the clock; then it moves the mark on, and has the
// witnesses remember it.
func (q *Quarantine) Look(ctx context.Context, backlog bool) error {
	if q.Policy == (lifecycle.QuarantinePolicy{}) {
		return q.tell(ctx)
	}
	before, err := q.Store.HighWater(ctx)
	if err != nil {
		return fmt.Errorf("reading the high-water mark: %w", err)
	}
	if err := q.askWitnesses(ctx, before.Deployment); err != nil {
		return err
	}
	after, reason, err := q.Store.AdvanceHighWater(ctx, q.Policy, q.Now())
	if err != nil {
		return fmt.Errorf("moving the high-water mark: %w", err)
	}
	if backlog && reason == "" && !before.Seen.IsZero() { // where nobody ever looked, everything is new
		if _, err := q.Store.CheckBacklog(ctx, q.Policy, q.Now()); err != nil {
			return fmt.Errorf("measuring the backlog: %w", err)
		}
	}
	if err := q.tell(ctx); err != nil || q.still {
		return err
	}
	q.own = after
	q.tellWitnesses(ctx, after)
	return nil
}

// askWitnesses compares what each of them knows with the database, which is read after they are: they are told after it is written.
func (q *Quarantine) askWitnesses(ctx context.Context, deployment string) error {
	known := []lifecycle.HighWater{q.own}
	for _, w := range q.Witnesses {
		h, ok, err := readWitness(ctx, w, deployment)
		q.heard(ctx, w, err)
		if ok && err == nil {
			known = append(known, h)
		}
	}
	for _, h := range known {
		if h.Deployment == "" {
			continue
		}
		if _, err := q.Store.CheckWitness(ctx, h, q.Now()); err != nil {
			return fmt.Errorf("comparing the database with a witness: %w", err)
		}
	}
	return nil
}

func readWitness(ctx context.Context, w Witness, deployment string) (lifecycle.HighWater, bool, error) {
	if deployment == "" {
		return lifecycle.HighWater{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, witnessTimeout)
	defer cancel()
	return w.Read(ctx, deployment)
}

func (q *Quarantine) tellWitnesses(ctx context.Context, h lifecycle.HighWater) {
	for _, w := range q.Witnesses {
		ctx, cancel := context.WithTimeout(ctx, witnessTimeout)
		q.heard(ctx, w, w.Write(ctx, h))
		cancel()
	}
}

// heard tells the log when a witness is away, and when it is back: once each. What a witness does not say is no reason to stop.
func (q *Quarantine) heard(ctx context.Context, w Witness, err error) {
	name := w.Name()
	if away := err != nil; away != q.silent[name] && !errors.Is(err, context.Canceled) {
		if q.silent == nil {
			q.silent = map[string]bool{}
		}
		q.silent[name] = away
		if away {
			q.Log.WarnContext(ctx, "a witness of how far tenure has come is away; a restored database may go unnoticed", "witness", name, "error", err)
		} else {
			q.Log.InfoContext(ctx, "a witness of how far tenure has come is back", "witness", name)
		}
	}
}

// tell says once that everything is on hold, and once that it goes on.
func (q *Quarantine) tell(ctx context.Context) error {
	hold, still, err := q.Store.Standstill(ctx)
	if err != nil {
		return fmt.Errorf("looking whether everything is on hold: %w", err)
	}
	switch {
	case still && !q.still:
		q.Log.WarnContext(ctx, "everything is on hold: nothing is changed by timers, and nothing is sent; look with `tenure quarantine`, and release it "+
			"with `tenure quarantine release --reason TEXT`", "hold", hold.ID, "cause", hold.Cause, "why", hold.Note, "since", hold.PlacedAt)
	case q.still && !still:
		q.Log.InfoContext(ctx, "what was on hold goes on")
	}
	q.still = still
	return nil
}

// looked tells the log when it cannot be looked, and when it can again: once each.
func (q *Quarantine) looked(ctx context.Context, err error) {
	switch blind := err != nil; {
	case blind && !q.blind:
		q.Log.WarnContext(ctx, "it cannot be told yet whether this is the latest database and the right clock; it is tried again", "error", err)
	case !blind && q.blind:
		q.Log.InfoContext(ctx, "the high-water mark can be moved again")
	}
	q.blind = err != nil
}
