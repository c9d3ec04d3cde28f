package jobs

import (
	"context"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// queueCollector asks Redis whether it is there and asynq how many tasks it holds, each time somebody looks. asynq's own collector
// has not been kept up with its releases.
type queueCollector struct {
	client    redis.UniversalClient
	inspector *asynq.Inspector

	tasks, up, ping, connections, hits, misses, waits, waited, timeouts *prometheus.Desc
}

// NewQueueCollector shows whether Redis answers, how quickly, how this process's connections to it are used, and the tasks in the
// queues by state. While Redis is away it shows no tasks.
func NewQueueCollector(client redis.UniversalClient) prometheus.Collector {
	return &queueCollector{
		client: client, inspector: asynq.NewInspectorFromRedisClient(client),
		tasks: prometheus.NewDesc("tenure_queue_tasks", "Tasks that the queue holds, by queue and state. They only say where to look: "+
			"what is to be done stands in the database.", []string{"queue", "state"}, nil),
		up:          prometheus.NewDesc("tenure_redis_up", "1 if Redis answered just now, 0 if not.", nil, nil),
		ping:        prometheus.NewDesc("tenure_redis_ping_seconds", "Time that Redis took to answer just now; missing where it did not.", nil, nil),
		connections: prometheus.NewDesc("tenure_redis_connections", "This process's connections to Redis, by state: in_use, idle.", []string{"state"}, nil),
		hits:        prometheus.NewDesc("tenure_redis_pool_hits_total", "Times that an idle connection to Redis was there when one was needed.", nil, nil),
		misses:      prometheus.NewDesc("tenure_redis_pool_misses_total", "Times that none was there.", nil, nil),
		waits:       prometheus.NewDesc("tenure_redis_pool_waits_total", "Times that a connection to Redis had to be waited for, since all that may be were in use.", nil, nil),
		waited:      prometheus.NewDesc("tenure_redis_pool_wait_seconds_total", "Time that was waited for them.", nil, nil),
		timeouts:    prometheus.NewDesc("tenure_redis_pool_timeouts_total", "Times that the wait was given up.", nil, nil),
	}
}

// Describe satisfies [prometheus.Collector].
func (c *queueCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.tasks, c.up, c.ping, c.connections, c.hits, c.misses, c.waits, c.waited, c.timeouts} {
		descs <- d
	}
}

// Collect satisfies [prometheus.Collector].
func (c *queueCollector) Collect(metrics chan<- prometheus.Metric) {
	c.collectPool(metrics)
	if !c.collectPing(metrics) {
		return // to ask for each queue would be to wait as often
	}
	for _, queue := range queues {
		info, err := c.inspector.GetQueueInfo(queue)
		if err != nil {
			continue // not used yet
		}
		for state, n := range map[string]int{"pending": info.Pending, "active": info.Active, "retry": info.Retry, "archived": info.Archived} {
			metrics <- prometheus.MustNewConstMetric(c.tasks, prometheus.GaugeValue, float64(n), queue, state)
		}
	}
}

func (c *queueCollector) collectPing(metrics chan<- prometheus.Metric) (up bool) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	timer := prometheus.NewTimer(nil) // by the machine's clock
	if err := c.client.Ping(ctx).Err(); err != nil {
		metrics <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, 0)
		return false
	}
	metrics <- prometheus.MustNewConstMetric(c.ping, prometheus.GaugeValue, timer.ObserveDuration().Seconds())
	metrics <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, 1)
	return true
}

func (c *queueCollector) collectPool(metrics chan<- prometheus.Metric) {
	pool := c.client.PoolStats()
	gauge := func(state string, n uint32) {
		metrics <- prometheus.MustNewConstMetric(c.connections, prometheus.GaugeValue, float64(n), state)
	}
	gauge("idle", pool.IdleConns)
	gauge("in_use", pool.TotalConns-min(pool.IdleConns, pool.TotalConns))
	const nanoseconds = 1e9
	for desc, n := range map[*prometheus.Desc]float64{c.hits: float64(pool.Hits), c.misses: float64(pool.Misses), c.waits: float64(pool.WaitCount),
		c.waited: float64(pool.WaitDurationNs) / nanoseconds, c.timeouts: float64(pool.Timeouts)} {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, n)
	}
}
