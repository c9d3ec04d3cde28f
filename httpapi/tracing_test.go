package httpapi

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/lifecycle"
)

// tracedWorld keeps the spans of its requests.
func tracedWorld(t *testing.T, change ...func(*Options)) (*world, *tracetest.InMemoryExporter) {
	kept := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
	return newWorld(t, append(change, func(o *Options) { o.Tracer = provider.Tracer("test") })...), kept
}

// theOnly span there is, with its attributes by name.
func theOnly(t *testing.T, kept *tracetest.InMemoryExporter) (tracetest.SpanStub, map[string]attribute.Value) {
	t.Helper()
	spans := kept.GetSpans()
	require.Len(t, spans, 1)
	kept.Reset()
	attributes := map[string]attribute.Value{}
	for _, a := range spans[0].Attributes {
		attributes[string(a.Key)] = a.Value
	}
	return spans[0], attributes
}

func TestSpanOfARequestIsNamedByItsRouteAndTellsNothingOfWhom(t *testing.T) {
	w, kept := tracedWorld(t)
	r := w.do("GET", "/v1/sweeps/7", "")
	require.Equal(t, 404, r.status)
	span, attributes := theOnly(t, kept)
	require.Equal(t, "GET /v1/sweeps/{id}", span.Name)
	require.Equal(t, trace.SpanKindServer, span.SpanKind)
	require.Equal(t, codes.Unset, span.Status.Code, "that there is none is no fault of ours")
	require.Equal(t, r.header.Get("X-Request-Id"), attributes["tenure.request"].AsString())
	require.EqualValues(t, 404, attributes["http.response.status_code"].AsInt64())
	require.Equal(t, "GET", attributes["http.request.method"].AsString())
	require.Len(t, attributes, 4)

	w.do("MADEUP", "/made/up", "")
	span, attributes = theOnly(t, kept)
	require.Equal(t, "none", span.Name)
	require.Equal(t, "_OTHER", attributes["http.request.method"].AsString())

	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		w.do("GET", path, "")
	}
	require.Empty(t, kept.GetSpans(), "machines ask for them each few seconds")
}

func TestSpanOfARequestThatPanicsIsAFault(t *testing.T) {
	w, kept := tracedWorld(t)
	w.fake.before = func(context.Context) { panic("boom") }
	require.Equal(t, 500, w.do("GET", "/v1/sweeps", "").status)
	span, _ := theOnly(t, kept)
	require.Equal(t, codes.Error, span.Status.Code)
}

// loudSweeper logs what it is asked for, as jobs does, and knows of the request only what the context says.
type loudSweeper struct {
	*fake
	seen trace.SpanContext
	id   string
}

func (s *loudSweeper) RequestSweep(ctx context.Context, rules []lifecycle.RuleName, dryRun bool, key string) (lifecycle.Sweep, lifecycle.Opened, error) {
	s.seen, s.id = trace.SpanContextFromContext(ctx), RequestID(ctx)
	return s.fake.RequestSweep(ctx, rules, dryRun, key)
}

func TestLogsAndTracesKeepNothingOfWhatPeopleTyped(t *testing.T) {
	w, kept := tracedWorld(t, func(o *Options) {
		o.Console = func(*Server) (http.Handler, error) {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // 202: what asks here would follow a redirect
				w.Header().Set("Location", "/console/sign-in?next=%2F%3Freason%3Dthey+pay+late")
				w.WriteHeader(http.StatusAccepted)
			}), nil
		}
	})
	r := w.do("POST", "/console/holds/place", "", "Sec-Fetch-Site: same-origin")
	require.Equal(t, http.StatusAccepted, r.status, string(r.body))
	require.Contains(t, r.header.Get("Location"), "late", "the browser is told")
	_, attributes := theOnly(t, kept)
	require.Equal(t, "/console/sign-in", attributes["tenure.location"].AsString())
	require.Contains(t, w.log.String(), "location=/console/sign-in request=")
	require.NotContains(t, w.log.String(), "late")
}

func TestWhatARequestCallsForKnowsItsTraceAndItsID(t *testing.T) {
	sweeper := &loudSweeper{}
	w, kept := tracedWorld(t, func(o *Options) {
		sweeper.fake = o.Sweeper.(*fake)
		o.Sweeper = sweeper
	})
	const caller = "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01"
	r := w.do("POST", "/v1/sweeps", "", "Traceparent: "+caller, "X-Request-Id: nightly-7")
	require.Equal(t, 202, r.status)
	span, attributes := theOnly(t, kept)
	require.Equal(t, "0102030405060708090a0b0c0d0e0f10", span.SpanContext.TraceID().String(), "the caller's trace goes on")
	require.True(t, span.Parent.IsRemote())
	require.Equal(t, span.SpanContext.SpanID(), sweeper.seen.SpanID())
	require.Equal(t, "nightly-7", sweeper.id)
	require.Equal(t, r.header.Get("Location"), attributes["tenure.location"].AsString())

	metrics := w.do("GET", "/metrics", "", "Accept: application/openmetrics-text; version=1.0.0")
	require.Contains(t, metrics.header.Get("Content-Type"), "application/openmetrics-text")
	require.Regexp(t, `tenure_http_request_duration_seconds_bucket\{route="POST /v1/sweeps",le="[^"]+"\} 1 # \{trace_id="0102030405060708090a0b0c0d0e0f10"\}`, string(metrics.body))
	require.Empty(t, RequestID(t.Context()))
}
