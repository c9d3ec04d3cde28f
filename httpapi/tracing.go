package httpapi

import (
	"context"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// A requestKey is what a context keeps the id of its request under. It is there for the log alone: nothing is decided by it.
type requestKey struct{}

// RequestID is the id of the request that ctx is of, as the caller was told it; empty where it is of none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// WithRequestID is a context of a request.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// untraced are the paths that machines ask every few seconds.
var untraced = []string{"/healthz", "/readyz", "/metrics"}

// beginSpan begins the span of a request, as part of the caller's trace where the request names one. Neither path nor query are told: they may
// name people. A caller chooses the id of its trace, and no more than that: whether it is kept is the sampler's to say.
func (s *Server) beginSpan(r *http.Request) (context.Context, trace.Span) {
	if s.tracer == nil || slices.Contains(untraced, r.URL.Path) {
		return r.Context(), trace.SpanFromContext(context.Background())
	}
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	return s.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
}

// endSpan ends it with what became of the request.
func endSpan(span trace.Span, a *answer, method string) {
	if !span.IsRecording() {
		return
	}
	span.SetName(a.pattern())
	span.SetAttributes(attribute.String("tenure.request", a.Header().Get(requestIDHeader)), attribute.String("http.route", a.pattern()),
		attribute.String("http.request.method", knownMethod(method)), attribute.Int("http.response.status_code", a.status()))
	if location := a.location(); location != "" {
		span.SetAttributes(attribute.String("tenure.location", location))
	}
	if a.status() >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(a.status()))
	}
	span.End()
}

// knownMethod is a method as it is told: what callers make up is not.
func knownMethod(method string) string {
	if slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}, method) {
		return method
	}
	return "_OTHER"
}
