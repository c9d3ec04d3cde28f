package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// chunkLease is how long a dead worker's chunk lies idle at most. A living one prolongs its lease while it works.
	chunkLease = 3 * time.Second

	// A chunk that failed is taken up again after a wait that doubles from the first to the last of these.
	firstRetry, lastRetry = time.Second, time.Minute

	// patience is how often a chunk may fail as a whole before its records are written in smaller and smaller parts.
	patience = 4
)

// DoChunk takes a chunk up, decides on each of its records and writes all of it in one transaction. Doing it twice is doing
// it once; a chunk that somebody else holds, or that is done, is left alone. An error that trying again may mend is written
// to the chunk, which is then tried again; DoChunk returns one only if it could not even do that.
func (s *Sweeper) DoChunk(ctx context.Context, ref lifecycle.ChunkRef) error {
	return s.doChunk(ctx, ref, func() {})
}

// doChunk is DoChunk, and says when it has read and decided, and begins to write.
func (s *Sweeper) doChunk(ctx context.Context, ref lifecycle.ChunkRef, writing func()) error {
	wall := s.Wall()
	chunk, sweep, ok, err := s.Store.ClaimChunk(ctx, ref, wall, wall.Add(chunkLease))
	if err != nil {
		return fmt.Errorf("claiming chunk %s: %w", ref, err)
	}
	if !ok {
		return nil
	}
	var written lifecycle.Tally
	ctx, span := s.beginChunk(ctx, &chunk, &sweep)
	err = holding(ctx, chunkLease, func(ctx context.Context) (bool, error) {
		return s.Store.KeepChunk(ctx, chunk.ChunkRef, s.Wall().Add(chunkLease))
	}, func(ctx context.Context) (err error) {
		written, err = s.work(ctx, chunk, sweep, writing)
		return err
	})
	endChunk(span, &written, err)
	s.Metrics.chunk(ctx, s.Wall().Sub(wall), err)
	if err != nil {
		return s.giveBack(ctx, chunk, err)
	}
	if _, err := s.finish(ctx, sweep.ID); err != nil {
		s.Log.WarnContext(ctx, "could not close a sweep; the watchdog will", "sweep", sweep.ID, "error", err)
	}
	return nil
}

// work does the chunk: read, decide, write.
func (s *Sweeper) work(ctx context.Context, chunk lifecycle.Chunk, sweep lifecycle.Sweep, writing func()) (lifecycle.Tally, error) {
	// A worker whose clock is behind the one that opened the sweep must not find that nothing is due yet.
	now := s.Now()
	if now.Before(sweep.AsOf) {
		now = sweep.AsOf
	}
	// Nor must one whose clock is far ahead do what falls due in a year. What is only looked at does no harm.
	if !sweep.DryRun {
		if err := s.Store.CheckClock(ctx, s.Policy.Quarantine, now); err != nil {
			return lifecycle.Tally{}, fmt.Errorf("working on chunk %s: %w", chunk.ChunkRef, err)
		}
	}
	reading, span := startSpan(ctx, s.Tracer, "read chunk")
	records, failures, err := s.Store.DueRecords(reading, chunk, lifecycle.ScanFor(sweep.Rules), sweep.AsOf)
	endSpan(span, err)
	if err != nil {
		return lifecycle.Tally{}, fmt.Errorf("reading chunk %s: %w", chunk.ChunkRef, err)
	}
	tally := lifecycle.Tally{Found: int64(len(records) + len(failures))}
	deciding, span := startSpan(ctx, s.Tracer, "decide chunk")
	decided, failed := s.decide(deciding, records, chunk, sweep, now)
	endSpan(span, nil)
	failures = append(failures, failed...)

	if sweep.DryRun {
		would, err := s.foreseen(ctx, decided)
		if err != nil {
			return lifecycle.Tally{}, fmt.Errorf("foreseeing chunk %s: %w", chunk.ChunkRef, err)
		}
		tally.Add(would)
		tally.Skipped = tally.Found - tally.Changed - int64(len(failures))
		decided = nil
	}
	preparing, span := startSpan(ctx, s.Tracer, "prepare chunk")
	whole := s.Store.PrepareChunk(preparing, chunk.ChunkRef, decided)
	endSpan(span, nil)
	written, err := s.writeInTurn(ctx, chunk, decided, whole, tally, failures, now, writing)
	if err != nil {
		return lifecycle.Tally{}, fmt.Errorf("writing chunk %s: %w", chunk.ChunkRef, err)
	}
	s.Metrics.observe(ctx, decided, written)
	if written.Notices > 0 && !sweep.DryRun {
		if err := s.Bell.RingDelivery(ctx); err != nil {
			s.Log.DebugContext(ctx, "could not ring for the courier; the watchdog will", "chunk", chunk.ChunkRef, "error", err)
		}
	}
	return written, nil
}

// decide asks lifecycle about each record. One on which it cannot decide becomes a failure, and the others go on.
// Decisions come in the order of the keys, in which they are written.
func (s *Sweeper) decide(ctx context.Context, records []lifecycle.Stored, chunk lifecycle.Chunk, sweep lifecycle.Sweep, now time.Time) ([]lifecycle.Decided, []lifecycle.Failure) {
	order := make([]int, len(records)) // a record is larger than its number
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(records[a].Key, records[b].Key) })
	decided := make([]lifecycle.Decided, 0, len(records))
	var failures []lifecycle.Failure
	for _, i := range order {
		r := &records[i]
		d, err := s.evaluate(ctx, r, sweep, now)
		switch {
		case err != nil:
			s.Log.ErrorContext(ctx, "could not decide on a record", "sweep", sweep.ID, "chunk", chunk.ChunkRef, "relationship", r.ID, "error", err)
			failures = append(failures, lifecycle.Failure{Sweep: sweep.ID, RelationshipID: r.ID, Key: r.Key, Reason: err.Error(), At: now})
		case !d.Empty() || !due(d.Next, now):
			// Something to do, or a stored timer that is out of date and has to be set right.
			decided = append(decided, d)
		}
	}
	return decided, failures
}

// evaluate is lifecycle.Evaluate, with a record that breaks it turned into an error: one bad record must not stop the rest.
func (s *Sweeper) evaluate(ctx context.Context, r *lifecycle.Stored, sweep lifecycle.Sweep, now time.Time) (d lifecycle.Decided, err error) {
	defer func() {
		if x := recover(); x != nil {
			s.Log.ErrorContext(ctx, "evaluating a record panicked", "sweep", sweep.ID, "relationship", r.ID, "panic", x, "stack", string(debug.Stack()))
			err = fmt.Errorf("evaluating the record: %v", x)
		}
	}()
	decision := lifecycle.Evaluate(r.Record, s.Policy, now, sweep.Rules...)
	if sweep.Plan != nil { // an operator has approved just that
		decision = lifecycle.EvaluateBy(r.Record, s.Policy, sweep.AsOf, now, sweep.Rules...)
	}
	return lifecycle.Decided{Key: r.Key, Version: r.Version, Decision: decision}, nil
}

func due(t lifecycle.Timer, now time.Time) bool { return !t.At.IsZero() && !t.At.After(now) }

// foreseen is what writing the decisions would do.
func (s *Sweeper) foreseen(ctx context.Context, decided []lifecycle.Decided) (lifecycle.Tally, error) {
	var tally lifecycle.Tally
	var audiences []lifecycle.Audience // of the notices to be sent
	var endpoints int64
	for i := range decided {
		d := &decided[i]
		if d.Empty() {
			continue
		}
		tally.Changed++
		tally.Lateness = max(tally.Lateness, d.Lateness())
		for _, n := range d.Notices {
			if n.Status == lifecycle.NoticeQueued {
				audiences, endpoints = addressed(n.To, audiences, endpoints)
			}
		}
	}
	people, err := s.Store.Recipients(ctx, audiences)
	tally.Notices += endpoints
	for _, a := range audiences {
		tally.Notices += people[a]
	}
	return tally, err
}

// addressed adds those who are told: the audiences of people, and how many endpoints.
func addressed(to []lifecycle.Addressee, audiences []lifecycle.Audience, endpoints int64) ([]lifecycle.Audience, int64) {
	for _, a := range to {
		switch {
		case a.Muted:
		case a.Endpoint:
			endpoints++
		default:
			audiences = append(audiences, a.Audience)
		}
	}
	return audiences, endpoints
}

// writeInTurn writes when there is a pen for it, and says so.
func (s *Sweeper) writeInTurn(ctx context.Context, chunk lifecycle.Chunk, decided []lifecycle.Decided, whole lifecycle.WriteChunk, tally lifecycle.Tally, failures []lifecycle.Failure,
	now time.Time, writing func()) (written lifecycle.Tally, err error) {
	defer s.Pens.take(ctx)()
	writing()
	ctx, span := startSpan(ctx, s.Tracer, "write chunk")
	defer func() { endSpan(span, err) }()
	return s.write(ctx, chunk, decided, whole, tally, failures, now)
}

// write writes the decisions, for which whole was prepared, and closes the chunk. Where the database refuses the page as a whole, it is halved until the
// record that it refuses stands alone: that one becomes a failure, and the others go through.
//
// So it does where the page has failed patience times for whatever reason: a sweep must come to an end.
func (s *Sweeper) write(ctx context.Context, chunk lifecycle.Chunk, decided []lifecycle.Decided, whole lifecycle.WriteChunk, tally lifecycle.Tally, failures []lifecycle.Failure,
	now time.Time) (lifecycle.Tally, error) {
	ref, insist := chunk.ChunkRef, chunk.Attempts >= patience
	tally.Failed = int64(len(failures))
	var err error
	if !insist {
		written, err := whole(ctx, tally, failures, now)
		if err == nil || ctx.Err() != nil || !errors.Is(err, lifecycle.ErrRefusedByDatabase) {
			return written, err
		}
	}
	s.Log.WarnContext(ctx, "a chunk cannot be written as a whole; looking for the record", "sweep", ref.Sweep, "chunk", ref, "error", err)
	applied, failed, err := s.applyHalves(ctx, ref, decided, insist, now)
	if err != nil {
		return lifecycle.Tally{}, err
	}
	failures = append(failures, failed...)
	tally.Add(applied)
	tally.Failed = int64(len(failures))
	return s.Store.ApplyChunk(ctx, ref, nil, tally, failures, now)
}

func (s *Sweeper) applyHalves(ctx context.Context, ref lifecycle.ChunkRef, decided []lifecycle.Decided, insist bool, now time.Time) (lifecycle.Tally, []lifecycle.Failure, error) {
	applied, err := s.Store.ApplyPart(ctx, ref, decided)
	switch {
	case err == nil:
		return applied, nil, nil
	case ctx.Err() != nil || !insist && !errors.Is(err, lifecycle.ErrRefusedByDatabase):
		return applied, nil, err
	case len(decided) == 1:
		d := decided[0]
		return lifecycle.Tally{}, []lifecycle.Failure{{Sweep: ref.Sweep, RelationshipID: d.Record.ID, Key: d.Key, Reason: err.Error(), At: now}}, nil
	}
	half := len(decided) / 2
	tally, failures, err := s.applyHalves(ctx, ref, decided[:half], insist, now)
	if err != nil {
		return tally, failures, err
	}
	second, more, err := s.applyHalves(ctx, ref, decided[half:], insist, now)
	tally.Add(second)
	return tally, append(failures, more...), err
}

// giveBack writes why a claim failed, so that the chunk is tried again after a while.
func (s *Sweeper) giveBack(ctx context.Context, chunk lifecycle.Chunk, cause error) error {
	if errors.Is(cause, errLeaseLost) {
		s.Log.WarnContext(ctx, "left a chunk to another worker", "sweep", chunk.Sweep, "chunk", chunk.ChunkRef)
		return nil
	}
	wait := min(firstRetry<<min(chunk.Attempts, 10), lastRetry)
	s.Log.ErrorContext(ctx, "a chunk failed and will be tried again", "sweep", chunk.Sweep, "chunk", chunk.ChunkRef, "wait", wait, "error", cause)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chunkLease)
	defer cancel()
	if err := s.Store.FailChunk(ctx, chunk.ChunkRef, cause.Error(), s.Wall().Add(wait)); err != nil {
		return fmt.Errorf("giving chunk %s back (%w) after: %w", chunk.ChunkRef, err, cause)
	}
	return nil
}
