package jobs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// go-redis writes a line to standard error for each connection that it cannot make. The same errors come back to us from
// every call, and are logged once, where they mean something.
func init() { redis.SetLogger(mute{}) }

type mute struct{}

// Printf prints nothing.
func (mute) Printf(context.Context, string, ...any) {}

// ConnectRedis makes a client for an address as operators write it. It does not connect yet.
//
//	redis://[user:password@]host:port[/db]                          one server
//	rediss://…                                                      the same over TLS
//	redis-sentinel://[user:password@]host:port,host:port[/db]?master=NAME
//	redis-cluster://[user:password@]host:port,host:port
//
// rediss-sentinel and rediss-cluster speak TLS. With it, ?ca=FILE names a PEM file of the only authorities to trust; without,
// those of the system are. Each server has to show a certificate for the name or address by which it is reached, which
// behind Sentinel and in a Cluster is the one that it announces. There is no way to skip the check. The sentinels' own
// password is given as ?sentinelPassword=….
func ConnectRedis(address string) (redis.UniversalClient, error) {
	o, err := redisOptions(address)
	if err != nil {
		return nil, fmt.Errorf("the address of Redis: %w; write it like redis://localhost:6379/0, rediss://…, "+
			"redis-sentinel://host:26379,host:26379/0?master=NAME or redis-cluster://host:6379,host:6379", err)
	}
	return redis.NewUniversalClient(o), nil
}

func redisOptions(address string) (*redis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return nil, errors.New("it has no scheme")
	}
	kind, isTLS := strings.CutPrefix(scheme, "rediss")
	if !isTLS {
		kind, ok = strings.CutPrefix(scheme, "redis")
		if !ok {
			return nil, fmt.Errorf("the scheme %q is unknown", scheme)
		}
	}
	// A list of hosts is no host to net/url: it is taken out, and the rest parsed.
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	hosts := authority
	user := ""
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	u, err := url.Parse("redis://" + user + "host" + tail)
	if err != nil {
		return nil, errors.New("it cannot be parsed; special characters in a password are written as %XX")
	}
	password, _ := u.User.Password()
	o := &redis.UniversalOptions{
		Addrs: redisAddrs(hosts, kind), Username: u.User.Username(), Password: password,
		// Redis is a bell. A process that cannot ring goes on by itself, so it must learn of it soon.
		DialTimeout: 2 * time.Second, DialerRetries: 1, MaxRetries: 1, ContextTimeoutEnabled: true,
	}
	query := u.Query()
	switch {
	case isTLS:
		if o.TLSConfig, err = redisTLS(query); err != nil {
			return nil, err
		}
	case query.Has("ca"):
		return nil, errors.New("?ca=… is for TLS; say rediss instead of redis, or leave it out")
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		if o.DB, err = strconv.Atoi(db); err != nil || o.DB < 0 {
			return nil, fmt.Errorf("the database number %q is not a number", db)
		}
	}
	return o, finishRedisOptions(o, kind, query)
}

// redisTLS takes what concerns TLS out of the options. It leaves the name that a certificate must bear to be filled in at
// each dialling: the servers behind Sentinel, and those of a Cluster, are not the ones that the address names.
func redisTLS(query url.Values) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if !query.Has("ca") {
		return config, nil
	}
	file := query.Get("ca")
	query.Del("ca")
	authorities, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities to trust, ?ca=FILE: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("?ca=%s holds no certificate in PEM form", file)
	}
	return config, nil
}

// finishRedisOptions checks what belongs to one kind of Redis only.
func finishRedisOptions(o *redis.UniversalOptions, kind string, query url.Values) error {
	known := map[string]bool{}
	switch kind {
	case "":
		if len(o.Addrs) > 1 {
			return errors.New("it names several hosts; say redis-cluster:// or redis-sentinel://")
		}
	case "-sentinel":
		known = map[string]bool{"master": true, "sentinelPassword": true}
		o.MasterName, o.SentinelPassword = query.Get("master"), query.Get("sentinelPassword")
		if o.MasterName == "" {
			return errors.New("a Sentinel address needs ?master=NAME")
		}
	case "-cluster":
		o.IsClusterMode = true
		if o.DB != 0 {
			return errors.New("a Cluster has no database numbers")
		}
	default:
		return fmt.Errorf("redis%s is not a kind of Redis", kind)
	}
	for key := range query {
		if !known[key] {
			return fmt.Errorf("the option %q is unknown", key)
		}
	}
	return nil
}

func redisAddrs(hosts, kind string) []string {
	port := ":6379"
	if kind == "-sentinel" {
		port = ":26379"
	}
	addrs := strings.Split(hosts, ",")
	for i, a := range addrs {
		switch {
		case a == "" || strings.HasPrefix(a, ":"):
			addrs[i] = "localhost" + a
			if a == "" {
				addrs[i] += port
			}
		case !strings.Contains(a[strings.LastIndex(a, "]")+1:], ":"):
			addrs[i] = a + port
		}
	}
	return addrs
}

// oldestRedis is what asynq's scripts need.
var oldestRedis = [2]int{6, 2}

// ErrRedisUnfit is a server that answers but must not be used.
var ErrRedisUnfit = errors.New("this Redis cannot be used")

// CheckRedis asks the server what it is: one older than 6.2 is refused with [ErrRedisUnfit], one that may throw tasks away
// when its memory is full is warned about. Any other error means that it could not be asked.
func CheckRedis(ctx context.Context, client redis.UniversalClient, log *slog.Logger) error {
	fields, err := askRedis(ctx, client)
	if err != nil {
		return fmt.Errorf("asking Redis for its version: %w", err)
	}
	if v := fields["redis_version"]; v != "" && olderThan(v, oldestRedis) {
		return fmt.Errorf("%w: it is version %s, and %d.%d is the oldest that will do; upgrade it", ErrRedisUnfit, v, oldestRedis[0], oldestRedis[1])
	}
	if policy := fields["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		log.WarnContext(ctx, "Redis may throw tasks away when its memory is full; nothing will be lost, but work will be late: "+
			"set maxmemory-policy to noeviction", "maxmemory-policy", policy)
	}
	return nil
}

// askRedis asks the server what it is, and how it fares.
func askRedis(ctx context.Context, client redis.UniversalClient) (map[string]string, error) {
	info, err := client.Info(ctx).Result()
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[key] = value
		}
	}
	return fields, nil
}

func olderThan(version string, oldest [2]int) bool {
	parts := strings.SplitN(version, ".", 3)
	for i, want := range oldest {
		if i >= len(parts) {
			return true
		}
		got, err := strconv.Atoi(parts[i])
		if err != nil || got != want {
			return err == nil && got < want
		}
	}
	return false
}
