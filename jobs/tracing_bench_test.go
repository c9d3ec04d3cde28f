package jobs_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/testenv"
)

// BenchmarkTracing says what it costs to trace: sweeps of the same records without a tracer, with one, and with one that keeps
// nothing, in turn, so that whatever else the machine does hits all of them. 1 is no difference.
func BenchmarkTracing(b *testing.B) {
	const records = 5000
	samplers := map[string]sdktrace.Sampler{"off": nil, "kept": sdktrace.AlwaysSample(), "dropped": sdktrace.NeverSample()}
	took := map[string]time.Duration{}
	for b.Loop() {
		for name, sampler := range samplers {
			db, err := storage.Open(b.Context(), testenv.Postgres(b))
			require.NoError(b, err)
			require.NoError(b, db.Migrate(b.Context(), storage.Live, start))
			batch := make([]lifecycle.Incoming, records)
			for i, r := range many(records, start) {
				batch[i] = lifecycle.Incoming{Record: r, Digest: r.ID}
			}
			sweeper := &jobs.Sweeper{Store: db, Policy: lifecycle.DefaultPolicy(), Bell: jobs.Silence{}, Now: func() time.Time { return start },
				Wall: func() time.Time { return time.Now().UTC() }, Log: slog.New(slog.DiscardHandler)}
			if sampler != nil {
				sweeper.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)).Tracer("bench")
			}
			_, err = db.ImportRelationships(b.Context(), batch, sweeper.Policy, start)
			require.NoError(b, err)
			began := time.Now()
			sweep, err := sweeper.Run(b.Context(), lifecycle.SweepRequest{}, nil)
			took[name] += time.Since(began)
			require.NoError(b, err)
			require.EqualValues(b, records, sweep.Changed)
			require.NoError(b, db.Close())
		}
	}
	b.ReportMetric(took["kept"].Seconds()/took["off"].Seconds(), "kept/off")
	b.ReportMetric(took["dropped"].Seconds()/took["off"].Seconds(), "dropped/off")
	b.ReportMetric(records*float64(b.N)/took["off"].Seconds(), "records/s-off")
}
