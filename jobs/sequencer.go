package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// sequenceEvery is how often somebody looks for events that wait for the ledger.
	sequenceEvery = time.Second

	// ledgerWaits is how long events wait while sweeps are at work: the changes come first, and what is logged in one go costs less. An event
	// that is altered before it is logged is not found out, so it is not long.
	ledgerWaits = 15 * time.Second

	// sequencePage is how many events are logged in one transaction, or a few more.
	sequencePage = 4096

	// publishEvery is how often a checkpoint is written, if the ledger has grown.
	publishEvery = time.Minute

	// lastWords is how long a process that stops takes to log what waits and to write a last checkpoint.
	lastWords = 5 * time.Second
)

// A LedgerStore keeps the ledger. Each method is one whole transaction.
type LedgerStore interface {
	// NextForLedger reads what waits for the ledger, whole batches until there are at least most events, with the edge of the
	// tree that they are to be added to. Without events there is nothing to do.
	NextForLedger(ctx context.Context, most int) (lifecycle.LedgerPage, error)

	// AppendToLedger writes the ledger as it has grown and takes the batches out of the queue; false, and nothing is written,
	// where somebody else has let it grow meanwhile.
	AppendToLedger(ctx context.Context, g lifecycle.LedgerGrowth) (bool, error)

	// Sweeping says whether a sweep that changes something is at work.
	Sweeping(ctx context.Context, wall time.Time) (bool, error)
}

// A Sequencer gives the events that were written their places in the ledger. Any number of them may run: what one of them has
// computed is written on the condition that the ledger is still as it was, and whoever comes second has done nothing.
type Sequencer struct {
	Store   LedgerStore
	Grow    func(lifecycle.LedgerPage) (lifecycle.LedgerGrowth, error)
	Publish func(ctx context.Context) error // writes a checkpoint, if the ledger has grown; nil where nobody wants any
	Wall    func() time.Time
	Log     *slog.Logger

	waited      time.Duration // while sweeps were at work
	blind, mute bool          // the last look, or the last checkpoint, failed; said once, not each time
}

// Run logs what waits and writes checkpoints until ctx ends, and then once more. What goes wrong is logged, and tried again: what
// waits goes on waiting, and is never lost.
func (s *Sequencer) Run(ctx context.Context) error {
	look, publish := time.NewTicker(sequenceEvery), time.NewTicker(publishEvery)
	defer look.Stop()
	defer publish.Stop()
	s.look(ctx)
	s.publish(ctx)
	for {
		select {
		case <-look.C:
			if !s.givesWay(ctx) {
				s.look(ctx)
			}
		case <-publish.C:
			s.publish(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			defer cancel()
			s.look(last)
			s.publish(last)
			return nil
		}
	}
}

// Sequence logs what waits, page by page, until nothing does, or somebody else is doing it. It answers with how many events were logged.
func (s *Sequencer) Sequence(ctx context.Context) (logged int64, err error) {
	for ctx.Err() == nil {
		page, err := s.Store.NextForLedger(ctx, sequencePage)
		if err != nil || len(page.Events) == 0 {
			return logged, err
		}
		grown, err := s.Grow(page)
		if err != nil {
			return logged, err
		}
		mine, err := s.Store.AppendToLedger(ctx, grown)
		if err != nil || !mine {
			return logged, err
		}
		logged += int64(len(page.Events))
	}
	return logged, ctx.Err()
}

// givesWay says whether what waits is left for later. It never is at the beginning, nor at the end.
func (s *Sequencer) givesWay(ctx context.Context) bool {
	if sweeping, err := s.Store.Sweeping(ctx, s.Wall()); err != nil || !sweeping || s.waited >= ledgerWaits {
		s.waited = 0 // what is wrong, whoever looks will say
		return false
	}
	s.waited += sequenceEvery
	return true
}

func (s *Sequencer) look(ctx context.Context) {
	logged, err := s.Sequence(ctx)
	if logged > 0 {
		s.Log.DebugContext(ctx, "logged events in the ledger", "events", logged)
	}
	s.blind = s.tell(ctx, s.blind, err, "events wait for the ledger, and cannot be logged; it is tried again each second", "events can be logged in the ledger again")
}

func (s *Sequencer) publish(ctx context.Context) {
	if s.Publish != nil {
		s.mute = s.tell(ctx, s.mute, s.Publish(ctx), "no checkpoint of the ledger was written; it is tried again each minute", "checkpoints of the ledger are written again")
	}
}

// tell tells the log when something goes wrong, and when it goes well again: once each.
func (s *Sequencer) tell(ctx context.Context, was bool, err error, wrong, well string) (is bool) {
	is = err != nil
	switch {
	case errors.Is(err, context.Canceled):
		return was
	case is && !was:
		s.Log.ErrorContext(ctx, wrong, "error", err)
	case !is && was:
		s.Log.InfoContext(ctx, well)
	}
	return is
}
