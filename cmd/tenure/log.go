package main

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/httpapi"
)

// newLog writes a line for each event, as the settings say, with the ids of the request and the span that it belongs to.
func newLog(w io.Writer, level slog.Level, format string) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	var lines slog.Handler = slog.NewTextHandler(w, o)
	if format == "json" {
		lines = slog.NewJSONHandler(w, o)
	}
	return slog.New(joining{lines})
}

// joining adds to a line what joins it with traces and requests: trace_id, span_id and request, as far as the context knows of them.
type joining struct{ slog.Handler }

// Handle satisfies [slog.Handler].
func (h joining) Handle(ctx context.Context, record slog.Record) error {
	if id := httpapi.RequestID(ctx); id != "" && !says(record, "request") {
		record.AddAttrs(slog.String("request", id))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs satisfies [slog.Handler].
func (h joining) WithAttrs(attrs []slog.Attr) slog.Handler {
	return joining{h.Handler.WithAttrs(attrs)}
}

// WithGroup satisfies [slog.Handler].
func (h joining) WithGroup(name string) slog.Handler {
	return joining{h.Handler.WithGroup(name)}
}

func says(record slog.Record, key string) (said bool) {
	record.Attrs(func(a slog.Attr) bool {
		said = a.Key == key
		return !said
	})
	return said
}
