package storage

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// BenchmarkChunk is one chunk of 1,000 ending relationships from claim to close, with two letters each, out of 20,000.
func BenchmarkChunk(b *testing.B) {
	for name, url := range map[string]string{"SQLite": "sqlite:" + b.TempDir() + "/bench.db", "PostgreSQL": testenv.Postgres(b)} {
		b.Run(name, func(b *testing.B) { benchmarkChunk(b, url) })
	}
}

// BenchmarkOutbox is one batch of 300 letters with messages of 6 KB from claim to sent.
func BenchmarkOutbox(b *testing.B) {
	for name, url := range map[string]string{"SQLite": "sqlite:" + b.TempDir() + "/bench.db", "PostgreSQL": testenv.Postgres(b)} {
		b.Run(name, func(b *testing.B) { benchmarkOutbox(b, url) })
	}
}

func benchmarkOutbox(b *testing.B, url string) {
	const size, stock = 300, 6000
	db, err := Open(ctx, url)
	require.NoError(b, err)
	defer db.Close()
	require.NoError(b, db.Migrate(ctx, Live, start))
	_, err = db.ImportContacts(ctx, []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "a@example.com"}}, &policy.Notices, start)
	require.NoError(b, err)
	message := bytes.Repeat([]byte("0123456789abcde\n"), 6*1024/16)
	var times [3]time.Duration
	left, wall := 0, start
	for b.Loop() {
		if left < size {
			b.StopTimer()
			end(b, db, stock)
			left += stock
			b.StartTimer()
		}
		left -= size
		began := time.Now()
		lap := func(i int) { times[i], began = times[i]+time.Since(began), time.Now() }
		letters := claimed(b, db, asked(wall, size))
		require.Len(b, letters, size)
		lap(0)
		for i := range letters {
			letters[i].MessageID, letters[i].Message = letters[i].String(), message
		}
		letters = begun(b, db, letters...)
		lap(1)
		outcomes := make([]lifecycle.Settled, len(letters))
		for i := range letters {
			outcomes[i] = outcome(&letters[i], lifecycle.NoticeSent, wall)
		}
		settled(b, db, outcomes...)
		lap(2)
	}
	for i, what := range []string{"claim", "begin", "settle"} {
		b.ReportMetric(float64(times[i].Microseconds())/float64(b.N)/1000, "ms-"+what+"/op")
	}
	b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "letters/s")
}

func benchmarkChunk(b *testing.B, url string) {
	const records, size = 20_000, 1000
	db, err := Open(ctx, url)
	require.NoError(b, err)
	defer db.Close()
	require.NoError(b, db.Migrate(ctx, Live, start))
	_, err = db.ImportContacts(ctx, []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "a@example.com"},
		{TenantID: customer, Role: lifecycle.GlobalAdministrators, Mail: "b@example.com"}}, &policy.Notices, start)
	require.NoError(b, err)
	n, asOf := 0, start
	var refs []lifecycle.ChunkRef
	var read, write time.Duration
	for b.Loop() {
		if len(refs) == 0 {
			b.StopTimer()
			for range records / size {
				batch := make([]lifecycle.Incoming, size)
				for i := range batch {
					n++
					batch[i] = incoming(active(n, asOf.Add(time.Duration(n%977)*time.Second)))[0]
				}
				_, err := db.ImportRelationships(ctx, batch, policy, asOf)
				require.NoError(b, err)
			}
			asOf = asOf.Add(time.Hour)
			sweep, how, err := db.OpenSweep(ctx, lifecycle.SweepRequest{AsOf: asOf, OpenedAt: asOf, Rules: []lifecycle.RuleName{lifecycle.EndTerm}})
			require.NoError(b, err)
			require.Equal(b, lifecycle.OpenedNew, how)
			refs, _, err = db.CutChunks(ctx, sweep.ID, size, 100)
			require.NoError(b, err)
			b.StartTimer()
		}
		began := time.Now()
		chunk, sweep, ok, err := db.ClaimChunk(ctx, refs[0], asOf, asOf.Add(time.Minute))
		require.NoError(b, err)
		require.True(b, ok)
		due, _, err := db.DueRecords(ctx, chunk, sweep.Rules, sweep.AsOf)
		require.NoError(b, err)
		apply := db.PrepareChunk(ctx, chunk.ChunkRef, decide(asOf, due...))
		decidedAt := time.Now()
		tally, err := apply(ctx, lifecycle.Tally{Found: int64(len(due))}, nil, asOf)
		require.NoError(b, err)
		require.EqualValues(b, size, tally.Changed)
		read, write = read+decidedAt.Sub(began), write+time.Since(decidedAt)
		if refs = refs[1:]; len(refs) == 0 {
			_, _, err = db.CutChunks(ctx, sweep.ID, size, 1) // finds that there is nothing left
			require.NoError(b, err)
			_, _, err = db.FinishSweep(ctx, sweep.ID, asOf)
			require.NoError(b, err)
		}
	}
	b.ReportMetric(float64(read.Milliseconds())/float64(b.N), "ms-read/op")
	b.ReportMetric(float64(write.Milliseconds())/float64(b.N), "ms-write/op")
}
