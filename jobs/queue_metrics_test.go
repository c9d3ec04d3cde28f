package jobs_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/testenv"
)

func TestHealthOfRedisIsShown(t *testing.T) {
	server := testenv.StartRedis(t)
	client, err := jobs.ConnectRedis(server.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	require.NoError(t, jobs.NewQueue(client, func() time.Time { return start }).RingCut(t.Context(), 7))
	registry := prometheus.NewRegistry()
	registry.MustRegister(jobs.NewQueueCollector(client))

	require.Equal(t, map[string]float64{"": 1}, shown(t, registry, "tenure_redis_up"))
	require.Positive(t, shown(t, registry, "tenure_redis_ping_seconds")[""])
	require.Equal(t, map[string]float64{"idle": 1, "in_use": 0}, shown(t, registry, "tenure_redis_connections"))
	require.Positive(t, shown(t, registry, "tenure_redis_pool_hits_total")[""])
	require.EqualValues(t, 1, shown(t, registry, "tenure_queue_tasks")["tenure-sweeps pending"])

	server.Stop()
	require.Equal(t, map[string]float64{"": 0}, shown(t, registry, "tenure_redis_up"))
	require.Empty(t, shown(t, registry, "tenure_redis_ping_seconds"))
	require.Empty(t, shown(t, registry, "tenure_queue_tasks"))
	require.Contains(t, shown(t, registry, "tenure_redis_connections"), "idle", "what is ours is known all the same")
}
