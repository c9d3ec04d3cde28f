package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// DefaultChunkSize is how many records one worker takes at a time: large enough that the transaction's cost is shared,
	// small enough that little is repeated when a worker dies.
	DefaultChunkSize = 1000

	// chunksPerCut is how many chunks are made known to the workers at once, so that they begin while the rest is cut.
	chunksPerCut = 32
)

// A Bell tells workers that there is something to do. It may be lost, rung twice or fail: the watchdog rings again.
type Bell interface {
	RingCut(ctx context.Context, sweep int64) error
	RingChunks(ctx context.Context, chunks []lifecycle.ChunkRef) error
	RingAgain(ctx context.Context, chunks []lifecycle.ChunkRef) error // for chunks that have waited for long, before all others
	RingDelivery(ctx context.Context) error
}

// Silence is a bell that nobody hears: for a process that does all the work itself.
type Silence struct{}

// RingCut does nothing.
func (Silence) RingCut(context.Context, int64) error { return nil }

// RingChunks does nothing.
func (Silence) RingChunks(context.Context, []lifecycle.ChunkRef) error { return nil }

// RingAgain does nothing.
func (Silence) RingAgain(context.Context, []lifecycle.ChunkRef) error { return nil }

// RingDelivery does nothing.
func (Silence) RingDelivery(context.Context) error { return nil }

// A Sweeper looks at what is due and has it done.
type Sweeper struct {
	Store   Store
	Policy  *lifecycle.Policy
	Bell    Bell
	Now     func() time.Time // the deployment's clock: in a sandbox, one that is moved by hand
	Wall    func() time.Time // the machine's clock, for leases
	Log     *slog.Logger
	Metrics *Metrics     // may be nil
	Tracer  trace.Tracer // nil: nothing is traced
	Tells   bool         // of each sweep that found something and that it closes, in the log

	ChunkSize int // records; 0: DefaultChunkSize
	Parallel  int // chunks at a time in Run; 0: one

	Pens Pens // for whoever writes a chunk; nil: one for everybody
}

// RequestSweep opens a sweep that somebody asked for, and rings for its being cut; no rules are all rules. A running sweep
// that does the same is joined instead. It answers as soon as the sweep is written down, before anything is changed.
func (s *Sweeper) RequestSweep(ctx context.Context, rules []lifecycle.RuleName, dryRun bool, idempotencyKey string) (lifecycle.Sweep, lifecycle.Opened, error) {
	return s.Open(ctx, lifecycle.SweepRequest{Rules: rules, DryRun: dryRun, Trigger: lifecycle.TriggerRequest, IdempotencyKey: idempotencyKey})
}

// Open writes a sweep of what is due now, and rings for its being cut. The request's instants may be left zero.
func (s *Sweeper) Open(ctx context.Context, req lifecycle.SweepRequest) (lifecycle.Sweep, lifecycle.Opened, error) {
	sweep, opened, err := s.open(ctx, req)
	if err == nil && opened == lifecycle.OpenedNew {
		ctx := under(ctx, remote(sweep.Trace))
		if err := s.Bell.RingCut(ctx, sweep.ID); err != nil {
			s.Log.WarnContext(ctx, "could not ring for a new sweep; the watchdog will", "sweep", sweep.ID, "error", err)
		}
	}
	return sweep, opened, err
}

func (s *Sweeper) open(ctx context.Context, req lifecycle.SweepRequest) (lifecycle.Sweep, lifecycle.Opened, error) {
	if req.AsOf.IsZero() {
		req.AsOf = s.Now()
	}
	if req.OpenedAt.IsZero() {
		req.OpenedAt = s.Wall()
	}
	req.Quarantine = s.Policy.Quarantine
	ctx, span := startSpan(ctx, s.Tracer, "open sweep", attrTrigger.String(string(req.Trigger)), attrRules.StringSlice(names(req.Rules)))
	sweep, opened, err := s.Store.OpenSweep(ctx, req)
	if err != nil {
		err = fmt.Errorf("opening a sweep: %w", err)
		endSpan(span, err)
		return sweep, opened, err
	}
	s.Metrics.opened(req.Trigger, opened)
	span.SetAttributes(attrSweep.Int64(sweep.ID), attrOpened.String(string(opened)))
	if elsewhere := remote(sweep.Trace); elsewhere.IsValid() && opened != lifecycle.OpenedNew {
		span.AddLink(trace.Link{SpanContext: elsewhere})
	}
	endSpan(span, nil)
	return sweep, opened, nil
}

func names(rules []lifecycle.RuleName) []string {
	names := make([]string, len(rules))
	for i, rule := range rules {
		names[i] = string(rule)
	}
	return names
}

// ApproveSweep lets a held sweep do what it was held for, and rings for its being cut.
func (s *Sweeper) ApproveSweep(ctx context.Context, id int64, note string, by lifecycle.Caller) error {
	if err := s.Store.ApproveSweep(ctx, id, note, by, s.Now()); err != nil {
		return err
	}
	if err := s.Bell.RingCut(ctx, id); err != nil {
		s.Log.WarnContext(ctx, "could not ring for an approved sweep; the watchdog will", "sweep", id, "error", err)
	}
	return nil
}

// RejectSweep drops a held sweep and pauses the rules that would do too much.
func (s *Sweeper) RejectSweep(ctx context.Context, id int64, note string, by lifecycle.Caller) error {
	return s.Store.RejectSweep(ctx, id, note, by, s.Now(), s.Wall())
}

// CancelSweep stops a running sweep, or drops one that is held. Chunks that are being worked on are finished; the others are dropped.
func (s *Sweeper) CancelSweep(ctx context.Context, id int64) error {
	return s.Store.CancelSweep(ctx, id, s.Wall())
}

// Cut cuts a sweep into chunks and rings for each. Cutting is remembered as it goes: another scanner goes on where this one
// died, and two at once do no harm. A single chunk is done right away: to ring, and wait until somebody hears, takes longer.
func (s *Sweeper) Cut(ctx context.Context, sweep int64) error {
	return s.cut(ctx, sweep, func(ctx context.Context, chunks []lifecycle.ChunkRef, all bool) error {
		if all && len(chunks) == 1 && s.DoChunk(ctx, chunks[0]) == nil {
			return nil
		}
		if err := s.Bell.RingChunks(ctx, chunks); err != nil {
			s.Log.WarnContext(ctx, "could not ring for chunks; the watchdog will", "sweep", sweep, "error", err)
		}
		return nil
	})
}

// cut tells each batch of chunks, and whether these are all that the sweep has.
func (s *Sweeper) cut(ctx context.Context, sweep int64, each func(ctx context.Context, chunks []lifecycle.ChunkRef, all bool) error) (err error) {
	ctx, span := startSpan(ctx, s.Tracer, "cut sweep", attrSweep.Int64(sweep))
	defer func() { endSpan(span, err) }()
	size := s.ChunkSize
	if size == 0 {
		size = DefaultChunkSize
	}
	if over, err := s.examine(ctx, sweep); err != nil || over {
		return err
	}
	for first := true; ; first = false {
		chunks, done, err := s.Store.CutChunks(ctx, sweep, size, chunksPerCut)
		if err != nil {
			return fmt.Errorf("cutting sweep %d: %w", sweep, err)
		}
		if len(chunks) > 0 {
			if err := each(ctx, chunks, first && done); err != nil {
				return err
			}
		}
		if done {
			_, err := s.finish(ctx, sweep)
			return err
		}
	}
}

// finish closes a sweep of which nothing is left to do, and tells what it has done, once. over says whether it is closed, by whomever.
func (s *Sweeper) finish(ctx context.Context, id int64) (over bool, err error) {
	over, closed, err := s.Store.FinishSweep(ctx, id, s.Wall())
	if err == nil && closed {
		s.tell(ctx, id)
	}
	return over, err
}

// tell counts a sweep that was just closed, and says what it did.
func (s *Sweeper) tell(ctx context.Context, id int64) {
	sweep, err := s.Store.Sweep(ctx, id)
	if err != nil {
		s.Log.WarnContext(ctx, "a sweep is done, and what it did could not be read", "sweep", id, "error", err)
		return
	}
	s.Metrics.finished(within(ctx, sweep.Trace), &sweep)
	if s.Tells && sweep.Found > 0 {
		s.Log.InfoContext(within(ctx, sweep.Trace), "sweep", "sweep", sweep.ID, "trigger", sweep.Trigger, "rules", sweep.Rules, "dry_run", sweep.DryRun,
			"found", sweep.Found, "changed", sweep.Changed, "skipped", sweep.Skipped, "failed", sweep.Failed, "notices", sweep.Notices,
			"lateness", sweep.Lateness, "chunks", sweep.Chunks, "took", sweep.FinishedAt.Sub(sweep.OpenedAt))
	}
}

// examine has a sweep held that looks wrong. That is said once, by whoever finds it. over says that the sweep had nothing to do, and is closed.
func (s *Sweeper) examine(ctx context.Context, id int64) (over bool, err error) {
	held, over, err := s.Store.ExamineSweep(ctx, id, s.Policy, s.Now(), s.Wall())
	if err != nil {
		return false, fmt.Errorf("examining sweep %d: %w", id, err)
	}
	if over {
		s.tell(ctx, id)
	}
	if held.ID != 0 && held.Plan.Cause == lifecycle.BreakerTripped {
		s.Log.WarnContext(ctx, "a sweep is held: more would change than a breaker lets through; look with `tenure sweeps show ID`, then "+
			"`tenure sweeps approve ID --reason TEXT` or `tenure sweeps reject ID --reason TEXT`", "sweep", held.ID, "rules", held.Rules, "plan", held.Plan.Text(held.Rules))
	}
	return over, nil
}

// Run opens a sweep and works on it in this process until it is over or held, beside whatever workers there are: they are rung for
// each chunk too. progress, where it is not nil, is called now and then with the sweep as it stands, and last with the end.
func (s *Sweeper) Run(ctx context.Context, req lifecycle.SweepRequest, progress func(lifecycle.Sweep)) (lifecycle.Sweep, error) {
	sweep, _, err := s.open(ctx, req)
	if err != nil || sweep.State == lifecycle.SweepHeld {
		return sweep, err
	}
	return s.See(ctx, sweep, progress)
}

// See works on a sweep that is open, as Run does. Where it is held there is nothing to wait for: it comes back as it stands.
func (s *Sweeper) See(ctx context.Context, sweep lifecycle.Sweep, progress func(lifecycle.Sweep)) (lifecycle.Sweep, error) {
	report := func() {
		if progress == nil {
			return
		}
		if now, err := s.Store.Sweep(ctx, sweep.ID); err == nil {
			progress(now)
		}
	}
	err := s.cut(within(ctx, sweep.Trace), sweep.ID, func(ctx context.Context, chunks []lifecycle.ChunkRef, _ bool) error {
		if err := s.Bell.RingChunks(ctx, chunks); err != nil {
			s.Log.DebugContext(ctx, "no other worker can be rung; this process does it all", "error", err)
		}
		defer report()
		return s.DoChunks(ctx, chunks)
	})
	if err != nil {
		return sweep, err
	}
	return s.await(ctx, sweep.ID, report)
}

// await waits until a sweep is over, taking up what others have left lying.
func (s *Sweeper) await(ctx context.Context, id int64, report func()) (lifecycle.Sweep, error) {
	const look = 100 * time.Millisecond
	for {
		sweep, err := s.Store.Sweep(ctx, id)
		if err != nil {
			return sweep, fmt.Errorf("looking at sweep %d: %w", id, err)
		}
		if sweep.State != lifecycle.SweepRunning {
			report()
			return sweep, nil
		}
		report()
		idle, err := s.idleChunks(ctx)
		if err != nil {
			return sweep, err
		}
		if err := s.DoChunks(ctx, idle); err != nil {
			return sweep, err
		}
		if over, err := s.finish(ctx, id); err != nil || over {
			if err != nil {
				return sweep, err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return sweep, fmt.Errorf("waiting for sweep %d: %w", id, ctx.Err())
		case <-time.After(look):
		}
	}
}

// DoChunks works on chunks in this process, Parallel of them at a time. One that somebody else holds is passed over.
func (s *Sweeper) DoChunks(ctx context.Context, chunks []lifecycle.ChunkRef) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, s.Parallel))
	for _, ref := range chunks {
		group.Go(func() error { return s.DoChunk(ctx, ref) })
	}
	return group.Wait()
}
