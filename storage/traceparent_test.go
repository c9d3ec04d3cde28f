package storage

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestSweepsAndNoticesKeepTheTraceTheyWereWrittenIn(t *testing.T) {
	const sampled, notSampled = "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01", "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-00"
	eachDatabase(t, func(t *testing.T, db *DB) {
		span := trace.SpanContextConfig{TraceID: trace.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, SpanID: trace.SpanID{1, 2, 3, 4, 5, 6, 7, 8}}
		dropped := trace.ContextWithSpanContext(ctx, trace.NewSpanContext(span))
		span.TraceFlags = trace.FlagsSampled
		kept := trace.ContextWithSpanContext(ctx, trace.NewSpanContext(span))
		load(t, db, active(1, start), active(2, start), active(3, start))

		sweep, _, err := db.OpenSweep(kept, lifecycle.SweepRequest{AsOf: start, OpenedAt: start})
		require.NoError(t, err)
		require.Equal(t, sampled, sweep.Trace)
		joined, opened, err := db.OpenSweep(dropped, lifecycle.SweepRequest{AsOf: start, OpenedAt: start, Trigger: lifecycle.TriggerRequest})
		require.NoError(t, err)
		require.Equal(t, lifecycle.OpenedJoined, opened)
		require.Equal(t, sampled, joined.Trace, "of whoever opened it")
		_, claimed, ok, err := db.ClaimChunk(ctx, cutAll(t, db, sweep.ID, 100, 1)[0], start, start)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, sampled, claimed.Trace)

		records, _, err := db.DueRecords(ctx, lifecycle.Chunk{UpTo: lifecycle.Position{At: start, Key: 1 << 60}}, nil, start)
		require.NoError(t, err)
		require.Len(t, records, 3)
		decided := decide(start, records...)
		_, err = db.Apply(kept, decided[:1])
		require.NoError(t, err)
		_, err = db.Apply(dropped, decided[1:2])
		require.NoError(t, err)
		_, err = db.Apply(ctx, decided[2:])
		require.NoError(t, err)
		letters, err := db.Letters(ctx, lifecycle.LetterQuery{})
		require.NoError(t, err)
		traces := map[int64]string{}
		for _, l := range letters {
			traces[l.Key] = l.Trace
		}
		require.Equal(t, map[int64]string{records[0].Key: sampled, records[1].Key: notSampled, records[2].Key: ""}, traces,
			"that nobody wants to see it is kept, too")
	})
}
