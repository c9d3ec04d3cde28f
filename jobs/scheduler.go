package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	// Sweeps that found nothing, and ticks, are forgotten after pruneAfter; looked for each pruneEvery.
	pruneAfter = 7 * 24 * time.Hour
	pruneEvery = time.Hour
)

// A Scheduler opens a sweep at each tick of each rule's schedule. Any number of them may run side by side: a tick is a row,
// and whoever writes it opens its sweep.
type Scheduler struct {
	Sweeper   *Sweeper
	Watchdog  *Watchdog
	Schedules Schedules
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

	s.catchUp(ctx, schedules)
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
	sweep, opened, err := s.Sweeper.Open(ctx, lifecycle.SweepRequest{
		Rules: []lifecycle.RuleName{rule}, Trigger: lifecycle.TriggerSchedule, Tick: nominal.UTC(),
	})
	switch {
	case err != nil && ctx.Err() == nil:
		s.Log.ErrorContext(ctx, "a tick was missed; the next one finds all that is due", "rule", rule, "tick", nominal, "error", err)
	case err == nil:
		s.Log.DebugContext(ctx, "tick", "rule", rule, "tick", nominal, "sweep", sweep.ID, "opened", opened)
	}
}

// catchUp opens one sweep for all rules whose ticks were missed since the last one taken, or that have never ticked.
func (s *Scheduler) catchUp(ctx context.Context, schedules map[lifecycle.RuleName]cron.Schedule) {
	missed, err := s.missed(ctx, schedules)
	if err == nil && len(missed) > 0 {
		var sweep lifecycle.Sweep
		sweep, _, err = s.Sweeper.Open(ctx, lifecycle.SweepRequest{Rules: missed, Trigger: lifecycle.TriggerCatchUp})
		s.Log.InfoContext(ctx, "catching up on missed ticks", "rules", missed, "sweep", sweep.ID)
	}
	if err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "could not catch up; the next ticks will", "error", err)
	}
}

func (s *Scheduler) missed(ctx context.Context, schedules map[lifecycle.RuleName]cron.Schedule) ([]lifecycle.RuleName, error) {
	last, err := s.Sweeper.Store.LastTicks(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the last ticks: %w", err)
	}
	var missed []lifecycle.RuleName
	for _, rule := range lifecycle.RuleNames() {
		schedule, on := schedules[rule]
		tick, ever := last[rule]
		if on && (!ever || schedule.Next(tick).Before(s.Sweeper.Wall())) {
			missed = append(missed, rule)
		}
	}
	return missed, nil
}

func (s *Scheduler) pruneUntil(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if n, err := s.Sweeper.Store.Prune(ctx, s.Sweeper.Now().Add(-pruneAfter)); err == nil {
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
