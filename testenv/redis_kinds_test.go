package testenv

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestRedisWithTLSAnswersOnlyWhoTrustsItAndKnowsThePassword(t *testing.T) {
	group := StartRedisTLS(t, "s cret")
	address, err := url.Parse(group.URL)
	require.NoError(t, err)
	require.Equal(t, "rediss", address.Scheme)
	require.FileExists(t, address.Query().Get("ca"))

	plain := openRedis(t, group.Servers[0].URL())
	require.Error(t, plain.Ping(t.Context()).Err())
	untrusting := openRedis(t, "rediss://"+address.User.String()+"@"+address.Host)
	require.ErrorContains(t, untrusting.Ping(t.Context()).Err(), "certificate")
}

func TestSentinelsReplaceADeadMaster(t *testing.T) {
	t.Parallel()
	group := StartRedisSentinel(t, 3, RedisAccess{})
	master, replica := group.Servers[0], group.Servers[1]
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: sentinelMaster, SentinelAddrs: []string{group.Sentinels[0].Addr()}, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = client.Close() })
	require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
	require.Eventually(t, func() bool { return openRedis(t, replica.URL()).Get(t.Context(), "k").Val() == "v" }, 5*time.Second, pollEvery)

	master.Kill()
	require.Eventually(t, func() bool { return client.Set(t.Context(), "k", "w", 0).Err() == nil }, 10*time.Second, pollEvery)
	require.Equal(t, "w", openRedis(t, replica.URL()).Get(t.Context(), "k").Val())
}

func TestClusterSharesTheSlots(t *testing.T) {
	t.Parallel()
	group := StartRedisCluster(t, RedisAccess{})
	first, is := strings.CutPrefix(group.URL, "redis-cluster://")
	require.True(t, is)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{first}})
	t.Cleanup(func() { _ = client.Close() })
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		require.NoError(t, client.Set(t.Context(), key, "v", 0).Err())
	}
	for _, server := range group.Servers {
		require.NotZero(t, openRedis(t, server.URL()).DBSize(t.Context()).Val(), "each holds some of the keys")
	}
}

func TestGroupsWithTLSAndAPasswordLeaveNothingRunningInTheTestBinary(t *testing.T) {
	unrelated := goleak.IgnoreCurrent()
	access := RedisAccess{Password: "s@cret/\"%", TLS: true}
	require.Contains(t, StartRedisSentinel(t, 1, access).URL, "rediss-sentinel://")
	require.Contains(t, StartRedisCluster(t, access).URL, "rediss-cluster://")
	goleak.VerifyNone(t, unrelated)
}
