package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// Sweeps that found nothing, and ticks, are forgotten after pruneAfter; looked for each pruneEvery.
	pruneAfter = 7 * 24 * time.Hour

	// deedsPerPruning is how many deeds are forgotten in one transaction.
	deedsPerPruning = 1000
	pruneEvery      = time.Hour

	// eraseEvery is how often recipients are erased whom the policy keeps no longer.
	eraseEvery = 10 * time.Minute

	// A tick that has not come so long after its instant never will: the database was away just then, the machine slept, or its
	// clock was set. That is looked for each missedEvery.
	tickGrace   = 20 * time.Second
	missedEvery = 10 * time.Second

	// lookTimeout keeps a database that hangs from taking the scheduler's connections one by one.
	lookTimeout = 30 * time.Second
)

// A Scheduler opens a sweep at each tick of each rule's schedule. Any number of them may run side by side: a tick is a row,
// and whoever writes it opens its sweep.
type Scheduler struct {
	Sweeper   *Sweeper
	Watchdog  *Watchdog
	Schedules Schedules
	KeepDeeds lifecycle.Period // how long what people did is kept; zero: for ever
	Log       *slog.Logger
}

// Run first catches up on ticks that were missed while nothing ran, then ticks and watches until ctx ends.
func (s *Scheduler) Run(ctx context.Context) error {
	schedules, err := s.Schedules.Parse()
	if err != nil {
		return err
	}
	ticks := cron.New(cron.WithLocation(time.UTC), cron.WithLogger(cron.DiscardLogger))
	for rule, schedule := range schedules {
		var id cron.EntryID
		ready := make(chan struct{})
		id = ticks.Schedule(schedule, cron.FuncJob(func() {
			<-ready
			s.tick(ctx, rule, ticks.Entry(id).Prev)
		}))
		close(ready)
	}
	ticks.Start()
	defer func() { <-ticks.Stop().Done() }()

	s.catchUp(ctx, schedules, 0)
	var beside sync.WaitGroup
	beside.Go(func() { s.catchUpUntil(ctx, schedules) })
	beside.Go(func() { s.eraseUntil(ctx) })
	defer beside.Wait()
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		s.Watchdog.Run(ctx)
	}()
	s.pruneUntil(ctx)
	<-watching
	return nil
}

// tick opens the sweep of one rule's tick, unless another scheduler has.
func (s *Scheduler) tick(ctx context.Context, rule lifecycle.RuleName, nominal time.Time) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	ctx, span := startSpan(ctx, s.Sweeper.Tracer, "tick", attrRule.String(string(rule)))
	sweep, opened, err := s.Sweeper.Open(ctx, lifecycle.SweepRequest{
		Rules: []lifecycle.RuleName{rule}, Trigger: lifecycle.TriggerSchedule, Tick: nominal.UTC(),
	})
	endSpan(span, err)
	switch {
	case err != nil && !errors.Is(ctx.Err(), context.Canceled):
		s.Log.ErrorContext(ctx, "a tick was missed, and will be caught up on", "rule", rule, "tick", nominal, "error", err)
	case err == nil:
		s.Log.DebugContext(ctx, "tick", "rule", rule, "tick", nominal, "sweep", sweep.ID, "opened", opened)
	}
}

// catchUp opens one sweep for all rules whose ticks were missed, by more than grace.
func (s *Scheduler) catchUp(ctx context.Context, schedules map[lifecycle.RuleName]cron.Schedule, grace time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	missed, err := s.missed(ctx, schedules, grace)
	if err == nil && len(missed) > 0 {
		// A tick of its own says that they are caught up on, to the other schedulers too.
		tick := s.Sweeper.Wall().Truncate(missedEvery)
		var sweep lifecycle.Sweep
		var opened lifecycle.Opened
		var span trace.Span
		ctx, span = startSpan(ctx, s.Sweeper.Tracer, "catch up", attrRules.StringSlice(names(missed)))
		sweep, opened, err = s.Sweeper.Open(ctx, lifecycle.SweepRequest{Rules: missed, Trigger: lifecycle.TriggerCatchUp, Tick: tick})
		endSpan(span, err)
		s.Log.InfoContext(ctx, "catching up on missed ticks", "rules", missed, "sweep", sweep.ID, "opened", opened)
	}
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		s.Log.ErrorContext(ctx, "could not catch up yet", "error", err)
	}
}

func (s *Scheduler) catchUpUntil(ctx context.Context, schedules map[lifecycle.RuleName]cron.Schedule) {
	tick := time.NewTicker(missedEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.catchUp(ctx, schedules, tickGrace)
		}
	}
}

// missed are the rules whose next tick should have come more than grace ago, and those whose last one lies ahead: it was taken
// by a clock that was wrong, and the ticks up to it can be won no more.
func (s *Scheduler) missed(ctx context.Context, schedules map[lifecycle.RuleName]cron.Schedule, grace time.Duration) ([]lifecycle.RuleName, error) {
	last, err := s.Sweeper.Store.LastTicks(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the last ticks: %w", err)
	}
	wall := s.Sweeper.Wall()
	var missed []lifecycle.RuleName
	for _, rule := range lifecycle.RuleNames() {
		schedule, on := schedules[rule]
		tick, ever := last[rule]
		if on && (!ever || tick.After(wall.Add(tickGrace)) || schedule.Next(tick).Add(grace).Before(wall)) {
			missed = append(missed, rule)
		}
	}
	return missed, nil
}

func (s *Scheduler) pruneUntil(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		s.pruneDeeds(ctx)
		if n, err := s.Sweeper.Store.Prune(ctx, s.Sweeper.Wall().Add(-pruneAfter)); err == nil {
			s.Log.DebugContext(ctx, "forgot sweeps that found nothing", "sweeps", n)
		} else if ctx.Err() == nil {
			s.Log.WarnContext(ctx, "could not forget old sweeps", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pruneDeeds forgets what people did longer ago than it is kept.
func (s *Scheduler) pruneDeeds(ctx context.Context) {
	if s.KeepDeeds.IsZero() {
		return
	}
	before, pruned := s.KeepDeeds.Before(s.Sweeper.Now()), int64(0)
	for ctx.Err() == nil {
		n, err := s.Sweeper.Store.PruneDeeds(ctx, before, deedsPerPruning)
		if pruned += n; err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "could not forget what people did long ago", "error", err)
		}
		if err != nil || n < deedsPerPruning {
			break
		}
	}
	if pruned > 0 {
		s.Log.InfoContext(ctx, "forgot what people did long ago", "deeds", pruned)
	}
}

// eraseUntil erases the names, addresses and messages of those who were told long enough ago.
func (s *Scheduler) eraseUntil(ctx context.Context) {
	tick := time.NewTicker(eraseEvery)
	defer tick.Stop()
	for {
		n, err := s.Watchdog.Courier.Erase(ctx)
		if n > 0 {
			s.Log.InfoContext(ctx, "erased the recipients of old notices", "notices", n)
		}
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "could not erase the recipients of old notices", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
