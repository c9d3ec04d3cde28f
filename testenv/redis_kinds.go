package testenv

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisAccess is what servers ask of whoever connects; the zero value asks for nothing.
type RedisAccess struct {
	Password string
	TLS      bool // and nothing but TLS, with certificates made for this test
}

// A RedisGroup is one Redis to a client, and several processes to a test, which may stop, pause and start each of them.
// They end with the test. The URL of a single one says nothing here of TLS, passwords or the others: use the group's.
type RedisGroup struct {
	URL       string         // as tenure's operators write it, with ?ca=FILE where there is TLS
	Servers   []*RedisServer // those that hold keys; with Sentinel, the first is the master to begin with
	Sentinels []*RedisServer
}

const sentinelMaster = "tenure" // the name by which sentinels know the master

// StartRedisTLS starts one Redis that speaks only TLS and wants a password.
func StartRedisTLS(t testing.TB, password string) *RedisGroup {
	t.Helper()
	k := newRedisKit(t, RedisAccess{Password: password, TLS: true})
	server := k.startServer("")
	return &RedisGroup{URL: k.url("redis", []string{server.Addr()}, "/0", nil), Servers: []*RedisServer{server}}
}

// StartRedisSentinel starts a master, a replica and so many sentinels, and returns once each knows all of the others. When
// the master is killed, they make the replica one within some three seconds.
//
// Sentinels are reached, and certified, as localhost, and servers as 127.0.0.1: a client that takes one for the other is
// found out.
func StartRedisSentinel(t testing.TB, sentinels int, access RedisAccess) *RedisGroup {
	t.Helper()
	k := newRedisKit(t, access)
	master := k.startServer("")
	replica := k.startServer(fmt.Sprintf("replicaof 127.0.0.1 %d\n", master.port))
	// Sentinels that met a master without replicas would look for them again only after ten seconds.
	k.await(replica, "replicate", func(ctx context.Context, client *redis.Client) (bool, error) {
		info, err := client.Info(ctx, "replication").Result()
		return strings.Contains(info, "master_link_status:up"), err
	})
	group := &RedisGroup{Servers: []*RedisServer{master, replica}}
	var hosts []string
	for range sentinels {
		sentinel := k.startSentinel(master.port, sentinels/2+1)
		group.Sentinels = append(group.Sentinels, sentinel)
		hosts = append(hosts, "localhost:"+strconv.Itoa(sentinel.port))
	}
	for _, s := range group.Sentinels {
		k.awaitSentinel(s, sentinels-1)
	}
	query := url.Values{"master": {sentinelMaster}}
	if access.Password != "" {
		query.Set("sentinelPassword", access.Password)
	}
	group.URL = k.url("sentinel", hosts, "/0", query)
	return group
}

// StartRedisCluster starts a Cluster of three masters that share the slots between them. Its URL names only the first: a
// client has to find the others.
func StartRedisCluster(t testing.TB, access RedisAccess) *RedisGroup {
	t.Helper()
	const masters, slots = 3, 16384
	k := newRedisKit(t, access)
	group := &RedisGroup{}
	var buses []int
	for i := range masters {
		server, bus := k.startMember()
		k.do(server, "CLUSTER", "ADDSLOTSRANGE", slots*i/masters, slots*(i+1)/masters-1)
		k.do(server, "CLUSTER", "SET-CONFIG-EPOCH", i+1) // else they would first have to argue about it
		group.Servers, buses = append(group.Servers, server), append(buses, bus)
	}
	for i, server := range group.Servers[1:] {
		k.do(group.Servers[0], "CLUSTER", "MEET", "127.0.0.1", server.port, buses[i+1])
	}
	for _, server := range group.Servers {
		k.await(server, "join the Cluster", func(ctx context.Context, client *redis.Client) (bool, error) {
			info, err := client.ClusterInfo(ctx).Result()
			return strings.Contains(info, "cluster_state:ok"), err
		})
	}
	group.URL = k.url("cluster", []string{group.Servers[0].Addr()}, "", nil)
	return group
}

// A redisKit starts the processes of one group, which trust each other and nobody else.
type redisKit struct {
	t         testing.TB
	access    RedisAccess
	authority *authority // nil without TLS
}

func newRedisKit(t testing.TB, access RedisAccess) *redisKit {
	t.Helper()
	k := &redisKit{t: t, access: access}
	if access.TLS {
		var err error
		if k.authority, err = newAuthority(t.TempDir()); err != nil {
			t.Fatalf("testenv: make certificates for Redis: %v", err)
		}
	}
	return k
}

// startServer starts a Redis that holds keys, with more lines of configuration. It takes replicas on without the usual
// wait for others to come along.
func (k *redisKit) startServer(lines string) *RedisServer {
	k.t.Helper()
	return k.start("Redis", "Ready to accept connections", func(port int) (string, error) {
		guard, err := k.guard(port, "127.0.0.1")
		if k.access.Password != "" {
			guard += fmt.Sprintf("masterauth %q\n", k.access.Password)
		}
		return redisConf(port) + "repl-diskless-sync-delay 0\n" + guard + lines, err
	})
}

func (k *redisKit) startSentinel(master, quorum int) *RedisServer {
	k.t.Helper()
	return k.start("Redis Sentinel", "+monitor master", func(port int) (string, error) {
		guard, err := k.guard(port, "localhost")
		conf := fmt.Sprintf("port %d\nbind 127.0.0.1\n%ssentinel monitor %s 127.0.0.1 %d %d\n", port, guard, sentinelMaster, master, quorum)
		if k.access.Password != "" {
			conf += fmt.Sprintf("sentinel auth-pass %s %q\nsentinel sentinel-pass %q\n", sentinelMaster, k.access.Password, k.access.Password)
		}
		return conf + fmt.Sprintf("sentinel down-after-milliseconds %[1]s 500\nsentinel failover-timeout %[1]s 2000\n", sentinelMaster), err
	}, "--sentinel")
}

// startMember starts a member of a Cluster and says on which port the others reach it. That one is chosen too: by itself it
// would be 10000 above the first, where there may be no port.
func (k *redisKit) startMember() (server *RedisServer, bus int) {
	k.t.Helper()
	server = k.start("Redis Cluster member", "Ready to accept connections", func(port int) (string, error) {
		var err error
		if bus, err = freePort(); err != nil {
			return "", err
		}
		guard, err := k.guard(port, "127.0.0.1")
		if k.access.TLS {
			guard += "tls-cluster yes\n"
		}
		return redisConf(port) + guard + fmt.Sprintf("cluster-enabled yes\ncluster-port %d\n", bus), err
	})
	return server, bus
}

// guard is the configuration of who may connect to a server that goes by name.
func (k *redisKit) guard(port int, name string) (string, error) {
	var lines string
	if k.access.Password != "" {
		lines = fmt.Sprintf("requirepass %q\n", k.access.Password)
	}
	if !k.access.TLS {
		return lines, nil
	}
	cert, key, err := k.authority.issue(name)
	return lines + fmt.Sprintf("port 0\ntls-port %d\ntls-replication yes\ntls-auth-clients no\n"+
		"tls-ca-cert-file %q\ntls-cert-file %q\ntls-key-file %q\n", port, k.authority.file, cert, key), err
}

// start starts one process, which ends with the test.
func (k *redisKit) start(name, ready string, conf func(port int) (string, error), args ...string) *RedisServer {
	k.t.Helper()
	process, port, err := startConfigured(name, ready, conf, args)
	if err != nil {
		k.t.Fatalf("testenv: start a %s: %v\nNext: %s; it has to be 7.0 or newer, built with TLS.", name, err, redisNextStep)
	}
	k.t.Cleanup(func() {
		if err := process.end(); err != nil {
			k.t.Errorf("testenv: %v", err)
		}
	})
	return &RedisServer{t: k.t, process: process, port: port}
}

// awaitSentinel waits until a sentinel can do its work: it has met the replica and the other sentinels.
func (k *redisKit) awaitSentinel(sentinel *RedisServer, others int) {
	k.t.Helper()
	client := redis.NewSentinelClient(k.options("localhost:" + strconv.Itoa(sentinel.port)))
	defer client.Close()
	k.poll(sentinel, "meet the replica and the other sentinels", func(ctx context.Context) (bool, error) {
		replicas, err := client.Replicas(ctx, sentinelMaster).Result()
		if err != nil {
			return false, err
		}
		met, err := client.Sentinels(ctx, sentinelMaster).Result()
		return len(replicas) == 1 && replicas[0]["master-link-status"] == "ok" && len(met) == others, err
	})
}

// await asks a server until it answers yes, which all of them do within seconds.
func (k *redisKit) await(server *RedisServer, what string, ask func(context.Context, *redis.Client) (bool, error)) {
	k.t.Helper()
	client := redis.NewClient(k.options(server.Addr()))
	defer client.Close()
	k.poll(server, what, func(ctx context.Context) (bool, error) { return ask(ctx, client) })
}

func (k *redisKit) poll(server *RedisServer, what string, ask func(context.Context) (bool, error)) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		yes, err := ask(ctx)
		if yes && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			k.t.Fatalf("testenv: the %s at %s did not %s within %v (%v); its last words:\n%s",
				server.process.name, server.Addr(), what, startLimit, err, lastLines(server.process.log()))
		case <-time.After(pollEvery):
		}
	}
}

// do has a server carry one command out.
func (k *redisKit) do(server *RedisServer, command ...any) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	client := redis.NewClient(k.options(server.Addr()))
	defer client.Close()
	if err := client.Do(ctx, command...).Err(); err != nil {
		k.t.Fatalf("testenv: %v at the %s at %s: %v", command, server.process.name, server.Addr(), err)
	}
}

func (k *redisKit) options(address string) *redis.Options {
	options := &redis.Options{Addr: address, Password: k.access.Password, ContextTimeoutEnabled: true}
	if k.access.TLS {
		options.TLSConfig = k.authority.trusted()
	}
	return options
}

// url writes the address of a group as operators do.
func (k *redisKit) url(kind string, hosts []string, path string, query url.Values) string {
	scheme, user := "redis", ""
	if k.access.TLS {
		scheme = "rediss"
		if query == nil {
			query = url.Values{}
		}
		query.Set("ca", k.authority.file)
	}
	if kind != "redis" {
		scheme += "-" + kind
	}
	if k.access.Password != "" {
		user = url.UserPassword("", k.access.Password).String() + "@"
	}
	address := scheme + "://" + user + strings.Join(hosts, ",") + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}
