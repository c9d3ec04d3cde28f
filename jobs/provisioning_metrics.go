package jobs

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A ProvisioningCounter counts what another system has to do.
type ProvisioningCounter interface {
	// CountProvisioning counts the records that another system has to bring to their goal, and those of them for which that was
	// called for before an instant.
	CountProvisioning(ctx context.Context, stuckBefore time.Time) (waiting, stuck int64, err error)
}

// scrapeTimeout is how long the database may take to count.
const scrapeTimeout = 2 * time.Second

// provisioningCollector counts each time somebody looks.
type provisioningCollector struct {
	store          ProvisioningCounter
	policy         *lifecycle.Policy
	now            func() time.Time
	waiting, stuck *prometheus.Desc
}

// NewProvisioningCollector shows how many relationships wait for another system, and how many do for too long. While the
// database does not answer it shows nothing.
func NewProvisioningCollector(store ProvisioningCounter, p *lifecycle.Policy, now func() time.Time) prometheus.Collector {
	return &provisioningCollector{
		store: store, policy: p, now: now,
		waiting: prometheus.NewDesc("tenure_provisioning_waiting", "Relationships that wait for access to be given or taken away.", nil, nil),
		stuck:   prometheus.NewDesc("tenure_provisioning_stuck", "Those of them that have waited for longer than the policy's provisioning.stuckAfter.", nil, nil),
	}
}

// Describe satisfies [prometheus.Collector].
func (c *provisioningCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.waiting
	descs <- c.stuck
}

// Collect satisfies [prometheus.Collector].
func (c *provisioningCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	waiting, stuck, err := c.store.CountProvisioning(ctx, c.policy.StuckBefore(c.now()))
	if err != nil {
		return // tenure_store_up says so
	}
	metrics <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(waiting))
	metrics <- prometheus.MustNewConstMetric(c.stuck, prometheus.GaugeValue, float64(stuck))
}
