package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/lifecycle"
)

// requestMetrics counts the requests. A route is a pattern, or "none": paths that callers make up must not become series.
type requestMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newRequestMetrics() *requestMetrics {
	return &requestMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tenure_http_requests_total", Help: "HTTP requests, by route and status code.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tenure_http_request_duration_seconds", Help: "Time to answer HTTP requests, by route.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
}

// start begins to measure a request. The timer is on the machine's clock, whatever that of the deployment says.
func (m *requestMetrics) start(ctx context.Context, a *answer) *prometheus.Timer {
	return prometheus.NewTimer(prometheus.ObserverFunc(func(seconds float64) {
		m.requests.WithLabelValues(a.pattern(), strconv.Itoa(a.status())).Inc()
		duration := m.duration.WithLabelValues(a.pattern())
		span := trace.SpanContextFromContext(ctx)
		if exemplars, ok := duration.(prometheus.ExemplarObserver); ok && span.IsSampled() {
			exemplars.ObserveWithExemplar(seconds, prometheus.Labels{"trace_id": span.TraceID().String()})
			return
		}
		duration.Observe(seconds)
	}))
}

// BuildInfo says which version this is.
func BuildInfo(version string) prometheus.Collector {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tenure_build_info", Help: "1, with the version as a label.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	return build
}

func (s *Server) registerMetrics(version string) error {
	var errs []error
	for _, c := range []prometheus.Collector{BuildInfo(version), s.metrics.requests, s.metrics.duration, &storeCollector{server: s}} {
		errs = append(errs, s.registry.Register(c))
	}
	return errors.Join(errs...)
}

// storeCollector reads the metrics that stand in the database, when they are asked for.
type storeCollector struct {
	server *Server
	failed atomic.Bool // the last time

	backlogs  sparing[[]lifecycle.Backlog]
	counts    sparing[map[string]map[lifecycle.NoticeStatus]int64]
	unreached sparing[int]
}

var (
	dueRecords = prometheus.NewDesc("tenure_due_records", "Records whose next timer is due, by rule.", []string{"rule"}, nil)
	overdue    = prometheus.NewDesc("tenure_oldest_overdue_seconds", "How long ago the oldest due timer fell due, by rule; 0 where none is due.", []string{"rule"}, nil)
	openChunks = prometheus.NewDesc("tenure_open_chunks", "Chunks of running sweeps that are not done.", nil, nil)
	notices    = prometheus.NewDesc("tenure_notices", "Notices, by channel and status.", []string{"channel", "status"}, nil)
	unreached  = prometheus.NewDesc("tenure_unreached_audiences", "Tenants and roles of which notices found nobody; counted up to 1,000.", nil, nil)
	holdsNow   = prometheus.NewDesc("tenure_holds", "Holds in force, by kind: relationship, tenant, rule, everything.", []string{"kind"}, nil)
	heldSweeps = prometheus.NewDesc("tenure_held_sweeps", "Sweeps that wait for an operator's word.", nil, nil)
	ruleOnHold = prometheus.NewDesc("tenure_rule_on_hold", "1 where nothing happens under a rule until an operator says so: it is paused, everything is on hold, or a sweep of it is held.", []string{"rule"}, nil)
	storeUp    = prometheus.NewDesc("tenure_store_up", "1 if the database answered for the metrics above, 0 if some are missing.", nil, nil)
)

// Describe satisfies [prometheus.Collector].
func (c *storeCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{dueRecords, overdue, openChunks, notices, unreached, holdsNow, heldSweeps, ruleOnHold, storeUp} {
		descs <- d
	}
}

// Collect satisfies [prometheus.Collector]. What the database does not answer in time is left out, and tenure_store_up
// says so: the other metrics are needed most when the database is in trouble.
func (c *storeCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), c.server.limits.scrape)
	defer cancel()
	err := errors.Join(c.collectBacklogs(ctx, metrics), c.collectNotices(ctx, metrics), c.collectUnreached(ctx, metrics), c.collectChunks(ctx, metrics),
		c.collectHolds(ctx, metrics))
	up := 1.0
	if err != nil {
		up = 0
	}
	metrics <- prometheus.MustNewConstMetric(storeUp, prometheus.GaugeValue, up)
	if failed := err != nil; c.failed.Swap(failed) != failed {
		c.logChange(c.server.log, err)
	}
}

func (c *storeCollector) logChange(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("metrics of the database are missing", "error", redact(err.Error()))
		return
	}
	log.Info("metrics of the database are back")
}

func (c *storeCollector) collectBacklogs(ctx context.Context, metrics chan<- prometheus.Metric) error {
	now := c.server.now()
	backlogs, err := c.backlogs.get(func() ([]lifecycle.Backlog, error) { return c.server.store.Backlogs(ctx, now) })
	if err != nil {
		return fmt.Errorf("reading the backlogs: %w", err)
	}
	found := map[lifecycle.RuleName]lifecycle.Backlog{}
	for _, b := range backlogs {
		found[b.Rule] = b
	}
	for _, rule := range lifecycle.RuleNames() {
		b, late := found[rule], time.Duration(0)
		if !b.Oldest.IsZero() {
			late = max(0, now.Sub(b.Oldest))
		}
		metrics <- prometheus.MustNewConstMetric(dueRecords, prometheus.GaugeValue, float64(b.Due), string(rule))
		metrics <- prometheus.MustNewConstMetric(overdue, prometheus.GaugeValue, late.Seconds(), string(rule))
	}
	return nil
}

func (c *storeCollector) collectNotices(ctx context.Context, metrics chan<- prometheus.Metric) error {
	counts, err := c.counts.get(func() (map[string]map[lifecycle.NoticeStatus]int64, error) {
		return c.server.store.NoticeCountsByChannel(ctx)
	})
	if err != nil {
		return fmt.Errorf("counting the notices: %w", err)
	}
	channels := slices.AppendSeq(slices.Clone(c.server.channels), maps.Keys(counts)) // one that is quiet has its zeros, too
	slices.Sort(channels)
	for _, channel := range slices.Compact(channels) {
		for _, status := range lifecycle.NoticeStatuses {
			metrics <- prometheus.MustNewConstMetric(notices, prometheus.GaugeValue, float64(counts[channel][status]), channel, string(status))
		}
	}
	return nil
}

const mostUnreached = 1000 // that are counted

func (c *storeCollector) collectUnreached(ctx context.Context, metrics chan<- prometheus.Metric) error {
	found, err := c.unreached.get(func() (int, error) {
		audiences, err := c.server.store.Unreached(ctx, mostUnreached)
		return len(audiences), err
	})
	if err != nil {
		return fmt.Errorf("counting whom nobody reaches: %w", err)
	}
	metrics <- prometheus.MustNewConstMetric(unreached, prometheus.GaugeValue, float64(found))
	return nil
}

func (c *storeCollector) collectChunks(ctx context.Context, metrics chan<- prometheus.Metric) error {
	open, err := c.server.store.OpenChunks(ctx)
	if err != nil {
		return fmt.Errorf("counting the open chunks: %w", err)
	}
	metrics <- prometheus.MustNewConstMetric(openChunks, prometheus.GaugeValue, float64(open))
	return nil
}

func (c *storeCollector) collectHolds(ctx context.Context, metrics chan<- prometheus.Metric) error {
	holds, err := c.server.store.Holds(ctx, lifecycle.HoldQuery{Active: true})
	if err != nil {
		return fmt.Errorf("counting the holds: %w", err)
	}
	held, err := c.server.store.HeldSweeps(ctx)
	if err != nil {
		return fmt.Errorf("counting the held sweeps: %w", err)
	}
	counts := map[lifecycle.HoldKind]int{}
	for i := range holds {
		counts[holds[i].Kind]++
	}
	for _, kind := range lifecycle.HoldKinds {
		metrics <- prometheus.MustNewConstMetric(holdsNow, prometheus.GaugeValue, float64(counts[kind]), string(kind))
	}
	metrics <- prometheus.MustNewConstMetric(heldSweeps, prometheus.GaugeValue, float64(len(held)))
	paused := lifecycle.Paused(holds)
	for _, rule := range lifecycle.RuleNames() {
		// What is due under it then is no fault of a scheduler.
		waits := slices.Contains(paused, rule) || slices.ContainsFunc(held, func(s lifecycle.Sweep) bool { return s.Covers([]lifecycle.RuleName{rule}) })
		on := 0.0
		if waits {
			on = 1
		}
		metrics <- prometheus.MustNewConstMetric(ruleOnHold, prometheus.GaugeValue, on, string(rule))
	}
	return nil
}

func (s *Server) addMetrics() {
	register(s, ScopeRead, huma.Operation{
		OperationID: "getMetrics", Method: http.MethodGet, Path: "/metrics", SkipValidateParams: true, Tags: []string{healthTag},
		Summary:   "Show the metrics, for Prometheus",
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"text/plain": {}}}},
	}, s.getMetrics)
}

// getMetrics gathers before promhttp does, whose own way of saying that it could not is a line of plain text.
func (s *Server) getMetrics(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	gather := sync.OnceValues(s.registry.Gather)
	families, err := gather()
	if err != nil && len(families) == 0 {
		return nil, fmt.Errorf("gathering the metrics: %w", err)
	}
	if err != nil {
		s.log.WarnContext(ctx, "some metrics are missing", "error", redact(err.Error()))
	}
	handler := promhttp.HandlerFor(prometheus.GathererFunc(gather), promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true})
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		handler.ServeHTTP(w, r)
	}}, nil
}
