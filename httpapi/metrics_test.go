package httpapi

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestMetricsTellWhatTheDatabaseHolds(t *testing.T) {
	w := newWorld(t)
	w.fake.chunks = 4
	w.fake.notices = map[string]map[lifecycle.NoticeStatus]int64{"crm": {lifecycle.NoticeSent: 12, lifecycle.NoticeDead: 1}}
	w.fake.unreached = []lifecycle.Unreached{{Notices: 7}, {Notices: 1}}
	w.fake.backlogs = []lifecycle.Backlog{{Rule: "end-term", Due: 31, Oldest: noon.Add(-90 * time.Second)}, {Rule: "auto-extend", Due: 1, Oldest: noon.Add(time.Hour)}}
	r := w.do("GET", "/metrics?collect[]=all", "")
	require.Equal(t, 200, r.status)
	require.True(t, strings.HasPrefix(r.header.Get("Content-Type"), "text/plain"))
	for _, line := range []string{
		`tenure_due_records{rule="end-term"} 31`, `tenure_due_records{rule="warn-expiry"} 0`,
		`tenure_oldest_overdue_seconds{rule="end-term"} 90`, `tenure_oldest_overdue_seconds{rule="warn-expiry"} 0`,
		`tenure_oldest_overdue_seconds{rule="auto-extend"} 0`,
		`tenure_open_chunks 4`, `tenure_notices{channel="crm",status="sent"} 12`, `tenure_notices{channel="crm",status="dead"} 1`, `tenure_notices{channel="crm",status="queued"} 0`,
		`tenure_notices{channel="mail",status="sent"} 0`, `tenure_unreached_audiences 2`, `tenure_store_up 1`,
	} {
		require.Contains(t, string(r.body), "\n"+line+"\n")
	}
	require.Regexp(t, `\ntenure_build_info\{goversion="go[^"]+",version="1.2.3"\} 1\n`, string(r.body))
}

func TestRulesThatWaitForSomebodyAreShown(t *testing.T) {
	shown := func(w *world) (on []string) {
		for line := range strings.Lines(string(w.do("GET", "/metrics", "").body)) {
			if rule, is := strings.CutPrefix(strings.TrimSpace(line), `tenure_rule_on_hold{rule="`); is && strings.HasSuffix(rule, `"} 1`) {
				on = append(on, strings.TrimSuffix(rule, `"} 1`))
			}
		}
		return on
	}
	w := recordsWorld(t)
	require.Empty(t, shown(w))
	require.Equal(t, 201, w.do("POST", "/v1/holds", `{"kind":"rule","subject":"end-term","note":"looking"}`).status)
	require.Equal(t, 201, w.do("POST", "/v1/holds", `{"kind":"tenant","subject":"`+partner+`","note":"they alone"}`).status)
	require.Equal(t, []string{"end-term"}, shown(w))

	still := newWorld(t)
	still.fake.sweeps = []lifecycle.Sweep{{ID: 1, State: lifecycle.SweepHeld, Rules: []lifecycle.RuleName{lifecycle.WarnExpiry}}}
	require.Equal(t, []string{"warn-expiry"}, shown(still))
	still.fake.still = &lifecycle.Hold{Kind: lifecycle.HoldEverything, PlacedAt: noon}
	require.Len(t, shown(still), len(lifecycle.RuleNames()))
}

func TestRequestsAreCountedByRouteAndNotByPath(t *testing.T) {
	w := newWorld(t)
	w.do("GET", "/v1/sweeps/1", "")
	w.do("GET", "/v1/sweeps/2", "")
	w.do("GET", "/made/up", "")
	w.do("MADEUP", "/v1/sweeps", "")
	body := string(w.do("GET", "/metrics", "").body)
	require.Contains(t, body, `tenure_http_requests_total{code="404",route="GET /v1/sweeps/{id}"} 2`)
	require.Contains(t, body, `tenure_http_requests_total{code="404",route="none"} 1`)
	require.Contains(t, body, `tenure_http_requests_total{code="405",route="none"} 1`)
	require.Contains(t, body, `tenure_http_request_duration_seconds_count{route="GET /v1/sweeps/{id}"} 2`)
	require.NotContains(t, strings.ToLower(body), "made")
}

func TestWhoeverWatchesIsNotLockedOutByTheDatabaseThatIsAway(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, 200, w.do("GET", "/metrics", "").status)
	w.fake.lockedUp, w.fake.broken = errors.New("gone"), errors.New("gone")
	r := w.do("GET", "/metrics", "")
	require.Equal(t, 200, r.status)
	require.Contains(t, string(r.body), "\ntenure_store_up 0\n")
	require.Equal(t, 500, w.do("GET", "/v1/sweeps", "").status, "nothing else")

	stranger := newWorld(t)
	stranger.fake.lockedUp = errors.New("gone")
	require.Equal(t, 500, stranger.do("GET", "/metrics", "").status, "who has not been let in before is not now")

	withdrawn := newWorld(t)
	require.Equal(t, 200, withdrawn.do("GET", "/metrics", "").status)
	withdrawn.fake.tokens = map[string]lifecycle.Token{}
	require.NotEqual(t, 200, withdrawn.do("GET", "/metrics", "").status)
	withdrawn.fake.lockedUp = errors.New("gone")
	require.Equal(t, 500, withdrawn.do("GET", "/metrics", "").status)
}

func TestMetricsSurviveTheDatabase(t *testing.T) {
	w := newWorld(t)
	w.fake.broken = errors.New("postgres://u:hunter2@h is gone")
	for range 3 {
		r := w.do("GET", "/metrics", "")
		require.Equal(t, 200, r.status)
		require.Contains(t, string(r.body), "\ntenure_store_up 0\n")
		require.Contains(t, string(r.body), "\ntenure_build_info{")
		require.NotContains(t, string(r.body), "tenure_due_records")
	}
	require.Equal(t, 1, strings.Count(w.log.String(), "metrics of the database are missing"))
	require.NotContains(t, w.log.String(), "hunter2")
	w.fake.broken = nil
	require.Contains(t, string(w.do("GET", "/metrics", "").body), "\ntenure_store_up 1\n")
	require.Contains(t, w.log.String(), "metrics of the database are back")
}

func TestScrapeDoesNotWaitForEver(t *testing.T) {
	w := newWorld(t)
	w.server.limits.scrape = time.Millisecond
	w.fake.before = func(ctx context.Context) { <-ctx.Done() }
	require.Contains(t, string(w.do("GET", "/metrics", "").body), "\ntenure_store_up 0\n")
}

func TestMetricsOfOthersAreShownToo(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, func(o *Options) { o.Registry = registry })
	other := prometheus.NewCounter(prometheus.CounterOpts{Name: "tenure_sweeps_total", Help: "Sweeps."})
	registry.MustRegister(other)
	require.Contains(t, string(w.do("GET", "/metrics", "").body), "\ntenure_sweeps_total 0\n")

	_, err := New(Options{Store: w.fake, Sweeper: w.fake, Policy: w.server.policy, Now: w.server.now, Wall: w.server.wall, Registry: registry})
	require.ErrorContains(t, err, "registering the metrics")
}

// brokenCollector has nothing to show.
type brokenCollector struct{}

func (brokenCollector) Describe(chan<- *prometheus.Desc) {}
func (brokenCollector) Collect(metrics chan<- prometheus.Metric) {
	metrics <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "", nil, nil), errors.New("broken"))
}

func TestMetricsOfOneThatIsBrokenDoNotHideTheRest(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, func(o *Options) { o.Registry = registry })
	registry.MustRegister(brokenCollector{})
	r := w.do("GET", "/metrics", "")
	require.Equal(t, 200, r.status)
	require.Contains(t, string(r.body), "tenure_store_up 1")
	require.Contains(t, w.log.String(), "some metrics are missing")

	w.server.registry = prometheus.NewRegistry()
	w.server.registry.MustRegister(brokenCollector{})
	w.do("GET", "/metrics", "").problem(internal)
}

func TestServerNeedsItsParts(t *testing.T) {
	_, err := New(Options{})
	require.EqualError(t, err, "httpapi needs a Store, a Sweeper, a Policy and both clocks")
}
