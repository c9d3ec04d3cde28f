package jobs

import (
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// queueCollector asks asynq how many tasks it holds, each time somebody looks. asynq's own collector has not been kept up
// with its releases.
type queueCollector struct {
	inspector *asynq.Inspector
	tasks     *prometheus.Desc
}

// NewQueueCollector shows the tasks in the queues by state. While Redis is away it shows nothing.
func NewQueueCollector(client redis.UniversalClient) prometheus.Collector {
	return &queueCollector{
		inspector: asynq.NewInspectorFromRedisClient(client),
		tasks: prometheus.NewDesc("tenure_queue_tasks", "Tasks that the queue holds, by queue and state. They only say where to look: "+
			"what is to be done stands in the database.", []string{"queue", "state"}, nil),
	}
}

// Describe satisfies [prometheus.Collector].
func (c *queueCollector) Describe(descs chan<- *prometheus.Desc) { descs <- c.tasks }

// Collect satisfies [prometheus.Collector].
func (c *queueCollector) Collect(metrics chan<- prometheus.Metric) {
	for _, queue := range queues {
		info, err := c.inspector.GetQueueInfo(queue)
		if err != nil {
			continue // not used yet, or Redis is away, which /readyz says
		}
		for state, n := range map[string]int{"pending": info.Pending, "active": info.Active, "retry": info.Retry, "archived": info.Archived} {
			metrics <- prometheus.MustNewConstMetric(c.tasks, prometheus.GaugeValue, float64(n), queue, state)
		}
	}
}
