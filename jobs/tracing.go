package jobs

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/lifecycle"
)

// What spans say of themselves, by the names that the log uses too.
const (
	attrSweep   = attribute.Key("tenure.sweep")
	attrChunk   = attribute.Key("tenure.chunk")
	attrNotice  = attribute.Key("tenure.notice")
	attrRule    = attribute.Key("tenure.rule")
	attrRules   = attribute.Key("tenure.rules")
	attrTrigger = attribute.Key("tenure.trigger")
	attrOpened  = attribute.Key("tenure.opened")
	attrChannel = attribute.Key("tenure.channel")
	attrOutcome = attribute.Key("tenure.outcome")
	attrAttempt = attribute.Key("tenure.attempt")
	attrKind    = attribute.Key("tenure.kind")
	attrJob     = attribute.Key("tenure.job")
	attrAction  = attribute.Key("tenure.action")
	attrWhat    = attribute.Key("tenure.what")
)

// mostLinks is of how many of its items a digest's span names the traces.
const mostLinks = 32

// startSpan begins a span under the one that is under way. Without a tracer there is none, and it costs nothing.
func startSpan(ctx context.Context, tracer trace.Tracer, name string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	if tracer == nil {
		return ctx, trace.SpanFromContext(context.Background())
	}
	return tracer.Start(ctx, name, trace.WithAttributes(attributes...))
}

// endSpan ends a span, and says why it went wrong where it did.
func endSpan(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// remote is the span that a row or a task remembers; it is not valid where nobody traced.
func remote(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(heard(context.Background(), map[string]string{"traceparent": traceparent}))
}

// headers are what a task takes along of the span that is under way; nil where none is.
func headers(ctx context.Context) map[string]string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier
}

// heard goes on with the span of whoever rang.
func heard(ctx context.Context, headers map[string]string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(headers))
}

// within goes on with a span that a row remembers, unless what is under way belongs to the same trace already. Redis may have lost the
// task that carried it, and the watchdog that rings instead knows no span: the row does.
func within(ctx context.Context, traceparent string) context.Context {
	stored := remote(traceparent)
	if trace.SpanContextFromContext(ctx).TraceID() == stored.TraceID() {
		return ctx
	}
	return under(ctx, stored)
}

// under goes on with a span, if it is one.
func under(ctx context.Context, span trace.SpanContext) context.Context {
	if !span.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, span)
}

// beginChunk begins the span of a chunk in the trace of its sweep, whoever works on it.
func (s *Sweeper) beginChunk(ctx context.Context, chunk *lifecycle.Chunk, sweep *lifecycle.Sweep) (context.Context, trace.Span) {
	if s.Tracer == nil {
		return ctx, trace.SpanFromContext(context.Background())
	}
	return startSpan(within(ctx, sweep.Trace), s.Tracer, "do chunk", attrSweep.Int64(sweep.ID), attrChunk.String(chunk.String()), attrAttempt.Int(chunk.Attempts+1))
}

// beginLetter begins the span of an attempt to hand a letter over, in the trace of what called for it; that of a digest in one of its
// own, with links to what called for its items.
func (c *Courier) beginLetter(ctx context.Context, l *lifecycle.Letter) (context.Context, trace.Span) {
	if c.Tracer == nil {
		return ctx, trace.SpanFromContext(context.Background())
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attrNotice.String(l.String()),
		attrKind.String(string(l.Kind)), attrChannel.String(l.Channel), attrAttempt.Int(l.Attempts))}
	seen := map[string]bool{"": true}
	for i := range l.Items {
		if item := &l.Items[i]; !seen[item.Trace] && len(seen) <= mostLinks {
			seen[item.Trace] = true
			options = append(options, trace.WithLinks(trace.Link{SpanContext: remote(item.Trace)}))
		}
	}
	return c.Tracer.Start(within(ctx, l.Trace), "send notice", options...)
}

// endLetter ends it. What a server answered may name the recipient, so only its kind is told.
func endLetter(span trace.Span, outcome string) {
	span.SetAttributes(attrOutcome.String(outcome))
	if outcome != outcomeSent {
		span.SetStatus(codes.Error, outcome)
	}
	span.End()
}

// endChunk ends the span of a chunk with what became of it.
func endChunk(span trace.Span, tally *lifecycle.Tally, err error) {
	if span.IsRecording() {
		span.SetAttributes(attribute.Int64("tenure.found", tally.Found), attribute.Int64("tenure.changed", tally.Changed),
			attribute.Int64("tenure.skipped", tally.Skipped), attribute.Int64("tenure.failed", tally.Failed), attribute.Int64("tenure.notices", tally.Notices))
	}
	endSpan(span, err)
}

// observe counts a value in a histogram, with the trace that it is an example of, where one is kept.
func observe(ctx context.Context, histogram prometheus.Observer, value float64) {
	span := trace.SpanContextFromContext(ctx)
	if exemplars, ok := histogram.(prometheus.ExemplarObserver); ok && span.IsSampled() {
		exemplars.ObserveWithExemplar(value, prometheus.Labels{"trace_id": span.TraceID().String()})
		return
	}
	histogram.Observe(value)
}
