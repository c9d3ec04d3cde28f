package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/httpapi"
)

func TestLinesNameTheSpanThatTheyBelongTo(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, slog.LevelInfo, "json").With("role", "worker")
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	log.InfoContext(trace.ContextWithSpanContext(context.Background(), span), "sweep", "sweep", 7)
	log.InfoContext(context.Background(), "sweep")
	log.InfoContext(httpapi.WithRequestID(context.Background(), "nightly-7"), "sweep")
	log.InfoContext(httpapi.WithRequestID(context.Background(), "nightly-7"), "request", "request", "nightly-7")
	require.Equal(t, 1, bytes.Count(out.Bytes(), []byte(`"msg":"request","role":"worker","request":"nightly-7"}`)), "once is enough")
	var lines []map[string]any
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var line map[string]any
		require.NoError(t, decoder.Decode(&line))
		delete(line, "time")
		lines = append(lines, line)
	}
	require.Equal(t, []map[string]any{
		{"level": "INFO", "msg": "sweep", "role": "worker", "sweep": 7., "trace_id": "01000000000000000000000000000000", "span_id": "0200000000000000"},
		{"level": "INFO", "msg": "sweep", "role": "worker"},
		{"level": "INFO", "msg": "sweep", "role": "worker", "request": "nightly-7"},
		{"level": "INFO", "msg": "request", "role": "worker", "request": "nightly-7"},
	}, lines)
}
