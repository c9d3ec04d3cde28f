//go:build unix

package storm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/testenv"
)

// Who takes part. Everybody has somebody to tell: one agent on each partner's side, two administrators on each customer's.
var (
	partners  = tenants('a', 3)
	customers = tenants('b', 4)
	groups    = tenants('c', 3)
)

func tenants(letter rune, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-0000-4000-8000-%012d", strings.Repeat(string(letter), 8), i+1))
	}
	return ids
}

// begins is where the sandbox's clock begins; two years later it is over.
var (
	begins = time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC)
	ends   = begins.AddDate(2, 0, 0)
)

// A world is a deployment, and everything that it stands on.
type world struct {
	t        *testing.T
	settings settings
	postgres *testenv.PostgresServer
	redis    *testenv.RedisGroup
	inbox    *inbox
	wires    map[string]*wire // postgres, mail, and redis where it is one server
	fleet    *fleet
	clock    *testClock
	db       *storage.DB // past the wires
	apis     []string    // addresses
	token    string
}

// newWorld starts it all, and returns once the APIs answer.
func newWorld(t *testing.T, s settings) *world {
	t.Helper()
	w := &world{t: t, settings: s, wires: map[string]*wire{}}
	w.postgres = testenv.StartPostgres(t)
	w.wires["postgres"] = newWire(t, w.postgres.Addr())
	redisURL := w.startRedis()
	var mailServer string
	w.inbox, mailServer = startInbox(t)
	w.wires["mail"] = newWire(t, mailServer)

	database := strings.Replace(w.postgres.URL(), w.postgres.Addr(), w.wires["postgres"].addr(), 1)
	w.fleet = newFleet(t, "TENURE_DB="+database, "TENURE_REDIS="+redisURL, "TENURE_LOG_LEVEL=warn", "TENURE_OUTPUT=json",
		"TENURE_CHANNEL=mail=smtp://"+w.wires["mail"].addr()+"#tls=none&connections=2", "HOME="+t.TempDir(), "TENURE_RATE_LIMIT=0")
	w.prepare()
	db, err := storage.Open(t.Context(), w.postgres.URL())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	w.db, w.clock = db, newTestClock(db, w.fleet)
	w.fleet.start(w.members()...)
	for _, api := range w.apis {
		require.Eventually(t, func() bool { return answers(api + "/readyz") }, 30*time.Second, 20*time.Millisecond)
	}
	return w
}

// startRedis starts one of the kind that is wanted. Clients of Sentinel and of a Cluster are told by the servers where to go,
// so that only one by itself is behind a wire.
func (w *world) startRedis() (url string) {
	switch w.settings.redis {
	case "sentinel":
		w.redis = testenv.StartRedisSentinel(w.t, 3, testenv.RedisAccess{})
	case "cluster":
		w.redis = testenv.StartRedisCluster(w.t, testenv.RedisAccess{})
	default:
		one := testenv.StartRedis(w.t)
		w.redis = &testenv.RedisGroup{Servers: []*testenv.RedisServer{one}}
		w.wires["redis"] = newWire(w.t, one.Addr())
		return "redis://" + w.wires["redis"].addr() + "/0"
	}
	return w.redis.URL
}

// prepare makes the sandbox and says who is told.
func (w *world) prepare() {
	w.t.Helper()
	w.fleet.must("migrate", "--sandbox", "--at", begins.Format(time.RFC3339))
	takeAway(w.t, w.postgres.URL())
	contacts := "tenantId,role,mail,displayName,preferredLanguage\n"
	for i, tenant := range partners {
		contacts += fmt.Sprintf("%s,adminAgent,agent%d@partner.example,,en\n", tenant, i)
	}
	for i, tenant := range customers {
		contacts += fmt.Sprintf("%s,globalAdministrator,first%d@customer.example,,ja\n", tenant, i)
		contacts += fmt.Sprintf("%s,globalAdministrator,second%d@customer.example,,en\n", tenant, i)
	}
	file := filepath.Join(w.t.TempDir(), "contacts.csv")
	require.NoError(w.t, os.WriteFile(file, []byte(contacts), 0o600))
	w.fleet.must("contacts", "import", file)
	w.token = w.fleet.must("token", "create", "storm", "--scope", "manage")
}

// members are two schedulers, three workers and two APIs; a long storm has more. Every rule ticks each second.
func (w *world) members() (members []*member) {
	often := "TENURE_SCHEDULE="
	for _, rule := range lifecycle.RuleNames() {
		often += string(rule) + "=* * * * * *;"
	}
	add := func(role string, n int, env ...string) {
		for i := range n {
			members = append(members, &member{name: fmt.Sprintf("%s-%d", role, i+1), args: []string{role}, env: env})
		}
	}
	add("scheduler", w.settings.schedulers, strings.TrimSuffix(often, ";"))
	add("worker", w.settings.workers)
	for i := range w.settings.apis {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(w.t, err)
		addr := listener.Addr().String()
		require.NoError(w.t, listener.Close())
		w.apis = append(w.apis, "http://"+addr)
		members = append(members, &member{name: fmt.Sprintf("api-%d", i+1), args: []string{"api"}, env: []string{"TENURE_LISTEN=" + addr}})
	}
	return members
}

func answers(url string) bool {
	response, err := http.Get(url) //nolint:gosec // ours
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// A testClock is the sandbox's clock, which only we move.
type testClock struct {
	db      *storage.DB
	fleet   *fleet
	mu      sync.Mutex
	at      time.Time // that is certain
	perhaps time.Time // while it is being moved
}

func newTestClock(db *storage.DB, f *fleet) *testClock {
	return &testClock{db: db, fleet: f, at: begins, perhaps: begins}
}

// stood is not later than what anybody reads from now on.
func (c *testClock) stood() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// stands is not earlier than what anybody has read so far.
func (c *testClock) stands() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.perhaps
}

// move moves the clock on; false where the database is away just now, and nobody knows whether it has.
func (c *testClock) move(ctx context.Context, by time.Duration) bool {
	return c.moveWith(by, func(from, to time.Time) error { return c.db.SetTestClock(ctx, from, to) })
}

// advance is move as people do it, who have done what falls due at each day on the way. It gives up after some seconds.
func (c *testClock) advance(ctx context.Context, by time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c.moveWith(by, func(_, to time.Time) error {
		_, err := c.fleet.run(ctx, "clock", "advance", "--to", lifecycle.FormatInstant(to), "--step", "P7D")
		return err
	})
}

func (c *testClock) moveWith(by time.Duration, set func(from, to time.Time) error) bool {
	from := c.stood()
	to := lifecycle.Instant(from.Add(by))
	c.mu.Lock()
	if c.perhaps.After(to) {
		to = c.perhaps // of a move that came to nothing, as far as we know
	}
	c.perhaps = to
	c.mu.Unlock()
	if err := set(from, to); err != nil {
		now, err := c.db.TestClock(context.Background())
		if err != nil || now.Equal(from) {
			return false
		}
		to = now // somebody came this far, before it broke
	}
	c.mu.Lock()
	c.at = to
	c.mu.Unlock()
	return true
}

// pass lets time pass until two years are over or ctx ends: mostly hours and days, now and then a month, or no time at all.
func (c *testClock) pass(ctx context.Context, random *rand.Rand, lasting time.Duration) {
	const beat = 60 * time.Millisecond
	mean := float64(ends.Sub(begins)) / (float64(lasting) / float64(beat))
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for c.stood().Before(ends) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		by := time.Duration(random.ExpFloat64() * mean)
		switch random.IntN(40) {
		case 0:
			by *= 8
		case 1:
			by = time.Microsecond
		case 2:
			c.advance(ctx, min(by, ends.Sub(c.stood())))
			continue
		}
		c.move(ctx, min(by, ends.Sub(c.stood())))
	}
}
