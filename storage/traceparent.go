package storage

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

// traceparent is the span under which something is written, as it is kept beside it: empty while nobody traces.
func traceparent(ctx context.Context) string {
	var carrier propagation.MapCarrier = map[string]string{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}
