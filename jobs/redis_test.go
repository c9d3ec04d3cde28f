package jobs

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/testenv"
)

func TestRedisAddressesOfEveryKind(t *testing.T) {
	for address, want := range map[string]struct {
		addrs    []string
		db       int
		tls      bool
		master   string
		cluster  bool
		password string
	}{
		"redis://localhost":                    {addrs: []string{"localhost:6379"}},
		"redis://:s%40cret@cache:6380/3":       {addrs: []string{"cache:6380"}, db: 3, password: "s@cret"},
		"redis://user:p:w@cache/":              {addrs: []string{"cache:6379"}, password: "p:w"},
		"rediss://cache:6380":                  {addrs: []string{"cache:6380"}, tls: true},
		"redis://[::1]:6379":                   {addrs: []string{"[::1]:6379"}},
		"redis-sentinel://a:1,b/2?master=main": {addrs: []string{"a:1", "b:26379"}, db: 2, master: "main"},
		"rediss-sentinel://a?master=main":      {addrs: []string{"a:26379"}, master: "main", tls: true},
		"redis-cluster://u:pw@a:1,b:2,c":       {addrs: []string{"a:1", "b:2", "c:6379"}, cluster: true, password: "pw"},
		"redis-cluster://one":                  {addrs: []string{"one:6379"}, cluster: true},
	} {
		o, err := redisOptions(address)
		require.NoError(t, err, address)
		require.Equal(t, want.addrs, o.Addrs, address)
		require.Equal(t, want.db, o.DB, address)
		require.Equal(t, want.tls, o.TLSConfig != nil, address)
		require.Equal(t, want.master, o.MasterName, address)
		require.Equal(t, want.cluster, o.IsClusterMode, address)
		require.Equal(t, want.password, o.Password, address)
	}
}

func TestBadRedisAddressSaysWhatIsWrongAndKeepsThePassword(t *testing.T) {
	for address, why := range map[string]string{
		"localhost:6379":         "no scheme",
		"http://localhost":       "scheme",
		"redis-ring://a":         "not a kind",
		"redis://a,b":            "several hosts",
		"redis://a/x":            "database number",
		"redis://a/-1":           "database number",
		"redis-sentinel://a,b":   "master",
		"redis-cluster://a,b/1":  "no database numbers",
		"redis://:se%ZZcret@a":   "cannot be parsed",
		"redis://a?maxRetries=3": "unknown",
	} {
		_, err := ConnectRedis(address)
		require.ErrorContains(t, err, why, address)
		require.ErrorContains(t, err, "redis://localhost:6379/0", "the next step")
		require.NotContains(t, err.Error(), "cret", address)
	}
}

func TestVersionsOfRedis(t *testing.T) {
	for version, tooOld := range map[string]bool{"5.0.14": true, "6.0.16": true, "6.2.0": false, "6.2": false, "7.0.15": false, "10.1": false, "6": true, "weird": false} {
		require.Equal(t, tooOld, olderThan(version, oldestRedis), version)
	}
}

func TestRedisThatMayForgetTasksIsWarnedAbout(t *testing.T) {
	for policy, warned := range map[string]bool{"noeviction": false, "allkeys-lru": true} {
		server := testenv.StartRedis(t, "--maxmemory-policy", policy)
		client, err := ConnectRedis(server.URL())
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		var log bytes.Buffer
		require.NoError(t, CheckRedis(t.Context(), client, slog.New(slog.NewTextHandler(&log, nil))))
		require.Equal(t, warned, bytes.Contains(log.Bytes(), []byte("noeviction")), policy)
	}
}
