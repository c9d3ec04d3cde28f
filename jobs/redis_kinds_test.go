package jobs_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

func connect(t *testing.T, address string) redis.UniversalClient {
	t.Helper()
	client, err := jobs.ConnectRedis(address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestSweepOnEveryKindOfRedis(t *testing.T) {
	guarded := testenv.RedisAccess{Password: "s@cret/#%", TLS: true}
	for name, start := range map[string]func(*testing.T) *testenv.RedisGroup{
		"TLS and a password":              func(t *testing.T) *testenv.RedisGroup { return testenv.StartRedisTLS(t, guarded.Password) },
		"Sentinel, TLS and a password":    func(t *testing.T) *testenv.RedisGroup { return testenv.StartRedisSentinel(t, 1, guarded) },
		"Cluster":                         func(t *testing.T) *testenv.RedisGroup { return testenv.StartRedisCluster(t, testenv.RedisAccess{}) },
		"Cluster with TLS and a password": func(t *testing.T) *testenv.RedisGroup { return testenv.StartRedisCluster(t, guarded) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := connect(t, start(t).URL)
			var said bytes.Buffer
			require.NoError(t, jobs.CheckRedis(t.Context(), client, slog.New(slog.NewTextHandler(&said, nil))))
			require.Empty(t, said.String())
			sweepWithWorkersOnly(t, client)
		})
	}
}

// sweepWithWorkersOnly has no watchdog to fall back on: each task must arrive.
func sweepWithWorkersOnly(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	d := deploy(t)
	d.agents("agent@partner.example")
	d.load(many(200, start)...)
	d.employ(client, 3)
	sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, d.sweeper.Bell.RingCut(t.Context(), sweep.ID), "ringing twice is no fault")
	}
	d.awaitAllDone(sweep.ID, 200)
	registry := prometheus.NewRegistry()
	registry.MustRegister(jobs.NewQueueCollector(client))
	require.Len(t, shown(t, registry, "tenure_queue_tasks"), 8, "four states of two queues")
	require.Equal(t, map[string]float64{"": 1}, shown(t, registry, "tenure_redis_up"))
	require.Contains(t, shown(t, registry, "tenure_redis_connections"), "idle")
}

// awaitAllDone waits until a sweep is over and everybody told, and looks that nothing was done twice.
func (d *deployment) awaitAllDone(sweep int64, records int) {
	d.t.Helper()
	eventually(d.t, func() bool {
		over, err := d.db.Sweep(d.t.Context(), sweep)
		return err == nil && over.State == lifecycle.SweepDone
	})
	require.Equal(d.t, records, d.changes())
	eventually(d.t, func() bool { return d.letters()[lifecycle.NoticeSent] == records })
	d.outbox.mu.Lock()
	defer d.outbox.mu.Unlock()
	require.Len(d.t, d.outbox.handed, records)
}

func TestFailoverInMidSweepLosesAndDoublesNothing(t *testing.T) {
	for name, fail := range map[string]func(*testenv.RedisServer){
		"the master dies":  (*testenv.RedisServer).Kill,
		"the master hangs": (*testenv.RedisServer).Pause,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group := testenv.StartRedisSentinel(t, 3, testenv.RedisAccess{})
			master, replica := group.Servers[0], group.Servers[1]
			client := connect(t, group.URL)
			d := deploy(t)
			d.agents("agent@partner.example")
			d.load(many(400, start)...)
			underWay, goOn := d.haltAfter(20)
			d.employ(client, 2)
			sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
			require.NoError(t, err)
			<-underWay
			require.Positive(t, d.changes())
			require.Less(t, d.changes(), 400)
			fail(master)
			goOn()
			stop := d.watch()
			d.awaitAllDone(sweep.ID, 400)

			// Workers find the new master by themselves, so that the next sweep needs no watchdog.
			eventually(t, func() bool { return d.sweeper.Bell.RingDelivery(t.Context()) == nil })
			stop()
			require.Equal(t, "master", role(t, replica))
			d.load(manyFrom(400, 50)...)
			sweep, _, err = d.sweeper.RequestSweep(t.Context(), nil, false, "")
			require.NoError(t, err)
			d.awaitAllDone(sweep.ID, 450)
		})
	}
}

// haltAfter lets the deployment's clock be read so many times; then underWay is closed, and whoever reads it waits for goOn.
// That is a sweep which is at work for as long as the test needs.
func (d *deployment) haltAfter(looks int64) (underWay <-chan struct{}, goOn func()) {
	reached, open := make(chan struct{}), make(chan struct{})
	var taken atomic.Int64
	clock := d.sweeper.Now
	d.sweeper.Now = func() time.Time {
		n := taken.Add(1)
		if n == looks {
			close(reached)
		}
		if n >= looks {
			<-open
		}
		return clock()
	}
	goOn = sync.OnceFunc(func() { close(open) })
	d.t.Cleanup(goOn)
	return reached, goOn
}

// watch has the watchdog look until it is told to stop, as a scheduler does, but more often.
func (d *deployment) watch() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			_ = d.watchdog.Look(ctx) // it looks again
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
	stop = func() { cancel(); <-done }
	d.t.Cleanup(stop)
	return stop
}

func manyFrom(first, n int) []lifecycle.Record {
	records := make([]lifecycle.Record, n)
	for i := range records {
		records[i] = active(first+i, start)
	}
	return records
}

func role(t *testing.T, server *testenv.RedisServer) any {
	t.Helper()
	answer, err := connect(t, server.URL()).Do(t.Context(), "ROLE").Slice()
	require.NoError(t, err)
	return answer[0]
}

func TestRedisWithTLSIsTrustedOnlyByItsAuthority(t *testing.T) {
	group := testenv.StartRedisTLS(t, "secret")
	address, err := url.Parse(group.URL)
	require.NoError(t, err)
	require.NoError(t, connect(t, group.URL).Ping(t.Context()).Err())

	wrong := *address
	wrong.User = url.UserPassword("", "guess")
	require.ErrorContains(t, connect(t, wrong.String()).Ping(t.Context()).Err(), "WRONGPASS")

	unnamed := *address
	unnamed.RawQuery = ""
	require.ErrorContains(t, connect(t, unnamed.String()).Ping(t.Context()).Err(), "unknown authority")
}

func TestBadAuthoritySaysWhatIsWrong(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("trust me"), 0o600))
	for address, why := range map[string]string{
		"redis://a?ca=ca.pem":                "say rediss",
		"redis-cluster://a?ca=ca.pem":        "say rediss",
		"rediss://a?ca=" + text + ".missing": "no such file",
		"rediss://a?ca=":                     "no such file",
		"rediss://a?ca=" + text:              "no certificate",
		"rediss://a?insecure=1":              "unknown",
	} {
		_, err := jobs.ConnectRedis(address)
		require.ErrorContains(t, err, why, address)
	}
}
