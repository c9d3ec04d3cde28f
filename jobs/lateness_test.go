package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

func TestScheduleSaysHowLongNobodyLooks(t *testing.T) {
	friday := time.Date(2026, 3, 6, 12, 0, 30, 0, time.UTC)
	beats := jobs.Schedules{lifecycle.EndTerm: "* * * * *", lifecycle.ReleaseName: "0 3 * * 1-5", lifecycle.WarnExpiry: "* 8-17 * * *", lifecycle.AutoExtend: "off",
		lifecycle.ExpirePending: "0 0 1 1 *"}.Beats(friday)
	require.Equal(t, time.Minute, beats[lifecycle.EndTerm].Interval)
	require.Equal(t, 72*time.Hour, beats[lifecycle.ReleaseName].Interval, "a weekend")
	require.Equal(t, 14*time.Hour+time.Minute, beats[lifecycle.WarnExpiry].Interval, "a night")
	require.Equal(t, jobs.Beat{Schedule: "off"}, beats[lifecycle.AutoExtend])
	require.Equal(t, 366*24*time.Hour, beats[lifecycle.ExpirePending].Interval)

	c := lifecycle.Condition{Wall: friday, Rules: []lifecycle.RuleCondition{{Rule: lifecycle.EndTerm}, {Rule: lifecycle.AutoExtend}}}
	beats.Set(&c)
	require.Equal(t, friday.Truncate(time.Minute).Add(time.Minute), c.Rules[0].NextTick)
	require.Len(t, c.Rules[0].Upcoming, 5)
	require.Equal(t, []time.Time{c.Rules[0].NextTick, c.Rules[0].NextTick.Add(time.Minute)}, c.Rules[0].Upcoming[:2])
	require.Equal(t, lifecycle.RuleCondition{Rule: lifecycle.AutoExtend, Schedule: "off"}, c.Rules[1])
}

func TestObjectiveIsABoundaryOfTheHistogram(t *testing.T) {
	for _, within := range []time.Duration{5 * time.Minute, 2 * time.Minute} {
		registry := prometheus.NewRegistry()
		_, err := jobs.NewMetrics(registry, lifecycle.LatenessPolicy{Within: lifecycle.Period{Span: within}, Share: 99})
		require.NoError(t, err)
		families, err := registry.Gather()
		require.NoError(t, err)
		var bounds []float64
		for _, family := range families {
			if family.GetName() == "tenure_lateness_seconds" {
				for _, bucket := range family.GetMetric()[0].GetHistogram().GetBucket() {
					bounds = append(bounds, bucket.GetUpperBound())
				}
			}
		}
		require.Contains(t, bounds, within.Seconds())
		require.IsIncreasing(t, bounds)
	}
}

func TestConditionIsShownAsMetrics(t *testing.T) {
	now, reads := start, 0
	registry := prometheus.NewRegistry()
	collector := jobs.NewConditionCollector(func(context.Context) lifecycle.Condition {
		reads++
		return lifecycle.Condition{At: now, Wall: now, Database: lifecycle.Dependency{Took: 4 * time.Millisecond}, Sweeps: []lifecycle.Sweep{
			{State: lifecycle.SweepHeld, OpenedAt: now.Add(-time.Hour)}, {State: lifecycle.SweepRunning, OpenedAt: now.Add(-time.Minute)},
			{State: lifecycle.SweepRunning, OpenedAt: now}}, Rules: []lifecycle.RuleCondition{{Rule: lifecycle.EndTerm, Interval: time.Minute, LastTick: now,
			Late: [lifecycle.LatenessWindows]lifecycle.LatenessCounts{{1: 3, 600: 1}, {1: 7, 600: 1}, {1: 8}}}}}
	}, lifecycle.DefaultPolicy(), func() time.Time { return now })
	registry.MustRegister(collector)
	require.Equal(t, map[string]float64{"end-term 24h": 0.75, "end-term 7d": 0.875, "end-term 30d": 1}, shown(t, registry, "tenure_on_time_share"))
	require.Equal(t, map[string]float64{"late end-term 24h": 1, "on_time end-term 24h": 3, "late end-term 7d": 1, "on_time end-term 7d": 7, "late end-term 30d": 0, "on_time end-term 30d": 8},
		shown(t, registry, "tenure_changes_counted"))
	require.Equal(t, map[string]float64{"": 0.999}, shown(t, registry, "tenure_lateness_objective_share"))
	require.Equal(t, map[string]float64{"end-term": 300}, shown(t, registry, "tenure_lateness_objective_seconds"))
	require.Equal(t, map[string]float64{"end-term": 0}, shown(t, registry, "tenure_at_capacity"))
	require.Equal(t, map[string]float64{"": 1}, shown(t, registry, "tenure_concerns"))
	require.Equal(t, map[string]float64{"end-term": float64(start.Unix())}, shown(t, registry, "tenure_last_tick_timestamp_seconds"))
	require.Equal(t, map[string]float64{"end-term": 60}, shown(t, registry, "tenure_schedule_interval_seconds"))
	require.Equal(t, map[string]float64{"": 2}, shown(t, registry, "tenure_running_sweeps"), "one that is held waits, and does not run")
	require.Equal(t, map[string]float64{"": 60}, shown(t, registry, "tenure_oldest_running_sweep_seconds"))
	require.Equal(t, map[string]float64{"": 0.004}, shown(t, registry, "tenure_database_ping_seconds"))
	require.Equal(t, 1, reads, "whoever asks often gets what was read")
	now = now.Add(time.Minute)
	shown(t, registry, "tenure_concerns")
	require.Equal(t, 2, reads)
}
