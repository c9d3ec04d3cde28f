package jobs_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/testenv"
)

// A void takes letters of a usual size and costs nothing, so that what is left is the outbox.
type void struct{ message []byte }

func (void) Channels(context.Context) map[string]int {
	return map[string]int{lifecycle.DefaultChannel: 8}
}

func (v void) Render(l lifecycle.Letter) (string, []byte, error) { return l.String(), v.message, nil }

func (void) Send(context.Context, lifecycle.Letter) error { return nil }

// BenchmarkCourier delivers letters of 6 KB: claimed, begun with their message, and settled.
func BenchmarkCourier(b *testing.B) {
	for _, database := range []string{"sqlite", "postgres"} {
		b.Run(database, func(b *testing.B) {
			const letters = 20_000
			for b.Loop() {
				b.StopTimer()
				dsn := "sqlite:" + filepath.Join(b.TempDir(), "bench.db")
				if database == "postgres" {
					dsn = testenv.Postgres(b)
				}
				db, err := storage.Open(b.Context(), dsn)
				require.NoError(b, err)
				require.NoError(b, db.Migrate(b.Context(), storage.Live, start))
				d := &deployment{policy: lifecycle.DefaultPolicy()}
				_, err = db.ImportContacts(b.Context(), []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "agent@partner.example"}},
					&d.policy.Notices, start)
				require.NoError(b, err)
				batch := make([]lifecycle.Incoming, letters)
				for i, r := range many(letters, start) {
					batch[i] = lifecycle.Incoming{Record: r, Digest: r.ID}
				}
				_, err = db.ImportRelationships(b.Context(), batch, d.policy, start)
				require.NoError(b, err)
				log, wall := slog.New(slog.DiscardHandler), func() time.Time { return time.Now().UTC() }
				clock := func() time.Time { return start }
				sweeper := &jobs.Sweeper{Store: db, Policy: d.policy, Bell: jobs.Silence{}, Now: clock, Wall: wall, Log: log, Parallel: 1}
				_, err = sweeper.Run(b.Context(), lifecycle.SweepRequest{}, nil)
				require.NoError(b, err)
				courier := &jobs.Courier{Store: db, Policy: d.policy, Notifier: void{make([]byte, 6<<10)}, Now: clock, Wall: wall, Log: log}
				b.StartTimer()

				require.NoError(b, courier.Deliver(b.Context()))

				b.StopTimer()
				counts, err := db.NoticeCounts(b.Context())
				require.NoError(b, err)
				require.EqualValues(b, letters, counts[lifecycle.NoticeSent])
				require.NoError(b, db.Close())
				b.StartTimer()
			}
			b.ReportMetric(letters*float64(b.N)/b.Elapsed().Seconds(), "letters/s")
		})
	}
}
