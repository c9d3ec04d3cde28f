package jobs

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Beat is how often a rule is looked at.
type Beat struct {
	Schedule string        // as it is written, or "off"
	Interval time.Duration // the longest time between two ticks; 0: there are none

	ticks cron.Schedule // nil: there are none
}

// Beats are those of all rules that have a schedule.
type Beats map[lifecycle.RuleName]Beat

// Beats says of each rule how often it is looked at, from an instant on. It takes some milliseconds. The schedules must be right: see
// [Schedules.Parse].
func (s Schedules) Beats(from time.Time) Beats {
	parsed, _ := s.Parse()
	beats := Beats{}
	for rule, spec := range s {
		beat := Beat{Schedule: spec}
		if ticks, on := parsed[rule]; on {
			beat.ticks, beat.Interval = ticks, longestGap(ticks, ticks.Next(from.UTC()))
		}
		beats[rule] = beat
	}
	return beats
}

// longestGap is the longest time between two ticks from one of them on, over some days and at least some ticks: enough to see a
// night and a weekend.
func longestGap(schedule cron.Schedule, tick time.Time) time.Duration {
	const days, fewest, most = 8 * 24 * time.Hour, 20, 12_000
	var longest time.Duration
	for n, first := 0, tick; n < most && (n < fewest || tick.Sub(first) < days); n++ {
		next := schedule.Next(tick)
		if next.IsZero() {
			break
		}
		longest, tick = max(longest, next.Sub(tick)), next
	}
	return longest
}

// upcoming is how many of the next ticks are told.
const upcoming = 5

// Set fills in what the schedules say of the rules.
func (b Beats) Set(c *lifecycle.Condition) {
	for i := range c.Rules {
		r := &c.Rules[i]
		beat := b[r.Rule]
		r.Schedule, r.Interval = beat.Schedule, beat.Interval
		if beat.ticks == nil {
			continue
		}
		r.NextTick = beat.ticks.Next(c.Wall.UTC())
		r.Upcoming = nil
		for tick := r.NextTick; !tick.IsZero() && len(r.Upcoming) < upcoming; tick = beat.ticks.Next(tick) {
			r.Upcoming = append(r.Upcoming, tick)
		}
	}
}

// latenessBuckets are the boundaries of the histogram, in seconds, with the objective among them.
func latenessBuckets(objective lifecycle.LatenessPolicy) []float64 {
	buckets := []float64{1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400}
	if within := objective.Allowed().Seconds(); within > 0 && !slices.Contains(buckets, within) {
		buckets = append(buckets, within)
		slices.Sort(buckets)
	}
	return buckets
}

// conditionEvery is how long the metrics of the condition are kept: they are about hours and days.
const conditionEvery = 20 * time.Second

// conditionCollector shows how the deployment fares, as `tenure status` does.
type conditionCollector struct {
	read   func(context.Context) lifecycle.Condition
	policy *lifecycle.Policy
	wall   func() time.Time

	mu   sync.Mutex
	last lifecycle.Condition
	at   time.Time

	share, changes, objective, within, atCapacity, concerns *prometheus.Desc
	lastTick, interval, running, longest, ping              *prometheus.Desc
}

// NewConditionCollector shows how many changes were on time, for all processes of the deployment, whether workers keep up, and
// how many things need attention. It reads anew at most each twenty seconds. While the database does not answer
// it shows that only.
func NewConditionCollector(read func(context.Context) lifecycle.Condition, p *lifecycle.Policy, wall func() time.Time) prometheus.Collector {
	return &conditionCollector{
		read: read, policy: p, wall: wall,
		share: prometheus.NewDesc("tenure_on_time_share", "Share of the changes in the last 24h, 7d and 30d that were on time, by rule, from 0 to 1; "+
			"missing where there were none.", []string{"rule", "window"}, nil),
		changes: prometheus.NewDesc("tenure_changes_counted", "Changes in the last 24h, 7d and 30d, by rule and whether they were on time or late; "+
			"time on hold is not counted.", []string{"rule", "window", "outcome"}, nil),
		objective:  prometheus.NewDesc("tenure_lateness_objective_share", "Share of changes that are to be on time, from 0 to 1.", nil, nil),
		within:     prometheus.NewDesc("tenure_lateness_objective_seconds", "How late a change may be and still be on time, by rule.", []string{"rule"}, nil),
		atCapacity: prometheus.NewDesc("tenure_at_capacity", "1 where the sweeps of a rule take longer than it is from one to the next, though workers work.", []string{"rule"}, nil),
		concerns:   prometheus.NewDesc("tenure_concerns", "Things that need attention: `tenure status` names them.", nil, nil),
		lastTick: prometheus.NewDesc("tenure_last_tick_timestamp_seconds", "When a scheduler last ticked for a rule, in seconds since 1970 by the machine's clock; "+
			"missing where none ever has.", []string{"rule"}, nil),
		interval: prometheus.NewDesc("tenure_schedule_interval_seconds", "The longest time between two ticks of a rule's schedule; missing where it has none.", []string{"rule"}, nil),
		running:  prometheus.NewDesc("tenure_running_sweeps", "Sweeps that are not over; those that are held are not counted.", nil, nil),
		longest:  prometheus.NewDesc("tenure_oldest_running_sweep_seconds", "For how long the oldest of them has been running; 0 where none is.", nil, nil),
		ping:     prometheus.NewDesc("tenure_database_ping_seconds", "Time that the database took to answer; missing where it did not.", nil, nil),
	}
}

// Describe satisfies [prometheus.Collector].
func (c *conditionCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.share, c.changes, c.objective, c.within, c.atCapacity, c.concerns,
		c.lastTick, c.interval, c.running, c.longest, c.ping} {
		descs <- d
	}
}

// Collect satisfies [prometheus.Collector].
func (c *conditionCollector) Collect(metrics chan<- prometheus.Metric) {
	condition := c.latest()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	const percent, precision = 100, 1e6 // as it is written, not as it is divided
	gauge(c.concerns, float64(len(condition.Concerns(c.policy))))
	gauge(c.objective, math.Round(c.policy.Lateness.Share*precision)/(percent*precision))
	if condition.Database.Fault == "" {
		running, longest := running(&condition)
		gauge(c.running, float64(running))
		gauge(c.longest, longest.Seconds())
		gauge(c.ping, condition.Database.Took.Seconds())
	}
	for i := range condition.Rules {
		r := &condition.Rules[i]
		rule := string(r.Rule)
		if !r.LastTick.IsZero() {
			gauge(c.lastTick, float64(r.LastTick.UnixMilli())/1e3, rule)
		}
		if r.Interval > 0 {
			gauge(c.interval, r.Interval.Seconds(), rule)
		}
		gauge(c.within, r.Objective(c.policy).Allowed().Seconds(), rule)
		gauge(c.atCapacity, map[bool]float64{true: 1}[condition.AtCapacity(r)], rule)
		for w := range lifecycle.LatenessWindows {
			onTime, all := r.OnTime(c.policy, w)
			gauge(c.changes, float64(onTime), rule, w.String(), "on_time")
			gauge(c.changes, float64(all-onTime), rule, w.String(), "late")
			if all > 0 {
				gauge(c.share, float64(onTime)/float64(all), rule, w.String())
			}
		}
	}
}

// running are the sweeps that are not over, and for how long the oldest of them has been running.
func running(c *lifecycle.Condition) (n int, longest time.Duration) {
	for i := range c.Sweeps {
		if s := &c.Sweeps[i]; s.State == lifecycle.SweepRunning {
			n++
			longest = max(longest, c.Wall.Sub(s.OpenedAt))
		}
	}
	return n, longest
}

func (c *conditionCollector) latest() lifecycle.Condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := c.wall().Sub(c.at); c.at.IsZero() || age < 0 || age >= conditionEvery {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		c.last, c.at = c.read(ctx), c.wall()
	}
	return c.last
}
