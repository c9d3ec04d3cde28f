package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Metrics counts what this process has done. What is waiting to be done stands in the database and is measured there.
// A nil *Metrics counts nothing.
type Metrics struct {
	changes  *prometheus.CounterVec
	lateness *prometheus.HistogramVec
	records  *prometheus.CounterVec
	sweeps   *prometheus.CounterVec
	sweeping *prometheus.HistogramVec
	chunks   *prometheus.HistogramVec
	retries  prometheus.Counter
	notices  *prometheus.CounterVec
	attempts *prometheus.CounterVec
	sending  *prometheus.HistogramVec
	delays   *prometheus.HistogramVec
	channels *prometheus.GaugeVec
	digests  prometheus.Counter
	orphans  *prometheus.GaugeVec
	orders   *prometheus.CounterVec
}

// NewMetrics registers the counters. The objective is a boundary of the histogram of lateness.
func NewMetrics(registry prometheus.Registerer, objective lifecycle.LatenessPolicy) (*Metrics, error) {
	m := &Metrics{
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_changes_total",
			Help: "Changes decided by timers, by rule."}, []string{"rule"}),
		lateness: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tenure_lateness_seconds",
			Help:    "Time between the instant at which a change took effect and the instant at which it was recorded, by rule.",
			Buckets: latenessBuckets(objective)}, []string{"rule"}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_swept_records_total",
			Help: "Due records that were looked at, by outcome: changed, skipped, failed."}, []string{"outcome"}),
		sweeps: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_sweeps_opened_total",
			Help: "Sweeps that were asked for, by what asked (schedule, catch-up, request, clock) and result: opened, joined, repeated, lostToTick (another scheduler has it)."}, []string{"trigger", "result"}),
		sweeping: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tenure_sweep_duration_seconds",
			Help: "Time from the opening of a sweep to its end, by what asked for it.", Buckets: []float64{.05, .25, 1, 5, 15, 60, 300, 900, 3600, 6 * 3600}}, []string{"trigger"}),
		chunks: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tenure_chunk_duration_seconds",
			Help: "Time that a chunk took, by outcome: done, failed, lost to another worker.", Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}}, []string{"outcome"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Name: "tenure_chunk_failures_total",
			Help: "Attempts at a chunk that ended in an error."}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_notices_settled_total",
			Help: "Notices that were dealt with, by channel and the status that they got; failed ones are tried again."}, []string{"channel", "status"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_notice_attempts_total",
			Help: "Attempts to hand a notice over, by channel and outcome: sent, failed, permanent, unknown, unavailable, switchedOff."}, []string{"channel", "outcome"}),
		sending: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tenure_notice_send_seconds",
			Help: "Time that handing a notice over took, by channel.", Buckets: []float64{.001, .01, .05, .25, 1, 5, 15, 60, 300}}, []string{"channel"}),
		delays: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tenure_notice_delay_seconds",
			Help:    "Time from the recording of what a notice tells to its being handed over, by channel; digests left out.",
			Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 86400, 5 * 86400}}, []string{"channel"}),
		channels: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tenure_channel_state",
			Help: "How a channel fared when this process used it last: 0 it works, 1 it is left alone for a while, 2 it is switched off."}, []string{"channel"}),
		digests: prometheus.NewCounter(prometheus.CounterOpts{Name: "tenure_digests_total",
			Help: "Digests that were made of waiting notices."}),
		orphans: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tenure_notices_without_channel",
			Help: "Notices that wait for a channel that this process has not been given, by the name of the channel."}, []string{"channel"}),
		orders: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_provisioning_attempts_total",
			Help: "Orders that another system was asked to carry out, by what (grant, revoke) and result: done, accepted, failed."}, []string{"what", "result"}),
	}
	for _, c := range []prometheus.Collector{m.changes, m.lateness, m.records, m.sweeps, m.sweeping, m.chunks, m.retries, m.notices, m.attempts, m.sending,
		m.delays, m.channels, m.digests, m.orphans,
		m.orders} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	for _, rule := range lifecycle.RuleNames() {
		m.changes.WithLabelValues(string(rule))
		m.lateness.WithLabelValues(string(rule))
	}
	return m, nil
}

func (m *Metrics) observe(ctx context.Context, decided []lifecycle.Decided, written lifecycle.Tally) {
	if m == nil {
		return
	}
	m.records.WithLabelValues("changed").Add(float64(written.Changed))
	m.records.WithLabelValues("skipped").Add(float64(written.Skipped))
	m.records.WithLabelValues("failed").Add(float64(written.Failed))
	for i := range decided {
		for _, c := range decided[i].Changes {
			m.changes.WithLabelValues(string(c.Rule)).Inc()
		}
		for _, f := range decided[i].Firings() {
			observe(ctx, m.lateness.WithLabelValues(string(f.Rule)), decided[i].Recorded.Sub(f.Due).Seconds())
		}
	}
}

// opened counts a request for a sweep.
func (m *Metrics) opened(trigger lifecycle.Trigger, result lifecycle.Opened) {
	if m != nil {
		m.sweeps.WithLabelValues(string(trigger), string(result)).Inc()
	}
}

// finished counts a sweep that is done.
func (m *Metrics) finished(ctx context.Context, sweep *lifecycle.Sweep) {
	if m != nil {
		observe(ctx, m.sweeping.WithLabelValues(string(sweep.Trigger)), sweep.FinishedAt.Sub(sweep.OpenedAt).Seconds())
	}
}

// chunk counts an attempt at a chunk.
func (m *Metrics) chunk(ctx context.Context, took time.Duration, err error) {
	if m == nil {
		return
	}
	outcome := "done"
	switch {
	case errors.Is(err, errLeaseLost):
		outcome = "lost"
	case err != nil:
		outcome = outcomeFailed
		m.retries.Inc()
	}
	observe(ctx, m.chunks.WithLabelValues(outcome), took.Seconds())
}

// settled counts what became of letters. Those that went back as they were are no news.
func (m *Metrics) settled(channel string, settled []lifecycle.Settled) {
	if m == nil {
		return
	}
	for i := range settled {
		if s := &settled[i]; s.Status.Final() || s.Status == lifecycle.NoticeFailed && !s.NextAttempt.IsZero() && !s.Uncounted {
			m.notices.WithLabelValues(channel, string(s.Status)).Inc()
		}
	}
}

// passed counts letters that were passed on to nowhere.
func (m *Metrics) passed(channel string, letters int64) {
	if m != nil {
		m.notices.WithLabelValues(channel, string(lifecycle.NoticeSent)).Add(float64(letters))
	}
}

// attempted counts an attempt to hand a letter over, which ended at now, by the deployment's clock.
func (m *Metrics) attempted(ctx context.Context, l *lifecycle.Letter, outcome string, took time.Duration, now time.Time) {
	if m == nil {
		return
	}
	m.attempts.WithLabelValues(l.Channel, outcome).Inc()
	observe(ctx, m.sending.WithLabelValues(l.Channel), took.Seconds())
	if outcome == outcomeSent && !l.IsDigest() {
		observe(ctx, m.delays.WithLabelValues(l.Channel), max(0, now.Sub(l.Recorded)).Seconds())
	}
}

const (
	outcomeSent   = "sent"
	outcomeFailed = "failed" // of errors that say nothing but what they say
)

// attemptOutcome is the name of an outcome among the metrics.
func attemptOutcome(err error) string {
	switch {
	case err == nil:
		return outcomeSent
	case errors.Is(err, lifecycle.ErrSwitchedOff):
		return "switchedOff"
	case errors.Is(err, lifecycle.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, lifecycle.ErrPermanent):
		return "permanent"
	case errors.Is(err, lifecycle.ErrUnknown):
		return "unknown"
	}
	return outcomeFailed
}

func (m *Metrics) channel(s lifecycle.ChannelState, wall time.Time) {
	if m == nil || s.Name == "" {
		return
	}
	state := 0.
	switch {
	case s.Off:
		state = 2
	case s.Failures > 0 || s.ReadyAt.After(wall):
		state = 1
	}
	m.channels.WithLabelValues(s.Name).Set(state)
}

func (m *Metrics) folded(digests int) {
	if m != nil {
		m.digests.Add(float64(digests))
	}
}

// orphaned shows the letters of channels that nobody knows here, by their names.
func (m *Metrics) orphaned(waiting map[string]int64) {
	if m == nil {
		return
	}
	m.orphans.Reset()
	for channel, n := range waiting {
		m.orphans.WithLabelValues(channel).Set(float64(n))
	}
}

// provisioned counts an order that was asked.
func (m *Metrics) provisioned(what lifecycle.Provision, accepted bool, err error) {
	if m == nil {
		return
	}
	m.orders.WithLabelValues(string(what), provisioningResult(accepted, err)).Inc()
}

// provisioningResult is what became of asking another system, as metrics and spans call it.
func provisioningResult(accepted bool, err error) string {
	switch {
	case err != nil:
		return "failed"
	case accepted:
		return "accepted"
	}
	return "done"
}
