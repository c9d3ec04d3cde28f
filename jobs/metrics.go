package jobs

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Metrics counts what this process has done. What is waiting to be done stands in the database and is measured there.
// A nil *Metrics counts nothing.
type Metrics struct {
	changes  *prometheus.CounterVec
	lateness *prometheus.HistogramVec
	records  *prometheus.CounterVec
	retries  prometheus.Counter
	notices  *prometheus.CounterVec
}

// NewMetrics registers the counters.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_changes_total",
			Help: "Changes decided by timers, by rule."}, []string{"rule"}),
		lateness: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tenure_lateness_seconds",
			Help:    "Time between the instant at which a change took effect and the instant at which it was recorded, by rule.",
			Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400}}, []string{"rule"}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_swept_records_total",
			Help: "Due records that were looked at, by outcome: changed, skipped, failed."}, []string{"outcome"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Name: "tenure_chunk_failures_total",
			Help: "Attempts at a chunk that ended in an error."}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenure_notices_settled_total",
			Help: "Attempts to send a notice, by the status that it got."}, []string{"status"}),
	}
	for _, c := range []prometheus.Collector{m.changes, m.lateness, m.records, m.retries, m.notices} {
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

func (m *Metrics) observe(decided []lifecycle.Decided, written lifecycle.Tally) {
	if m == nil {
		return
	}
	m.records.WithLabelValues("changed").Add(float64(written.Changed))
	m.records.WithLabelValues("skipped").Add(float64(written.Skipped))
	m.records.WithLabelValues("failed").Add(float64(written.Failed))
	for i := range decided {
		for _, c := range decided[i].Changes {
			m.changes.WithLabelValues(string(c.Rule)).Inc()
			m.lateness.WithLabelValues(string(c.Rule)).Observe(decided[i].Recorded.Sub(c.Effective).Seconds())
		}
	}
}

func (m *Metrics) chunkFailed() {
	if m != nil {
		m.retries.Inc()
	}
}

func (m *Metrics) settled(settled []lifecycle.Settled) {
	if m == nil {
		return
	}
	for _, s := range settled {
		m.notices.WithLabelValues(string(s.Status)).Inc()
	}
}
