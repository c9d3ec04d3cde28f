package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// A deployment is a database with everything around it, and a clock that the test moves.
type deployment struct {
	t        *testing.T
	db       *storage.DB
	policy   *lifecycle.Policy
	now      time.Time
	wall     time.Time // offset to the real one is what tests move
	sweeper  *jobs.Sweeper
	courier  *jobs.Courier
	watchdog *jobs.Watchdog
	outbox   *postbox
	bell     *bell
}

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func scratchFile(t *testing.T) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db") + "?scratch"
}

func deploy(t *testing.T) *deployment { return deployOn(t, scratchFile(t)) }

func deployOn(t *testing.T, dsn string) *deployment {
	db, err := storage.Open(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Migrate(t.Context(), storage.Live, start))

	d := &deployment{t: t, db: db, policy: lifecycle.DefaultPolicy(), now: start, wall: start, outbox: &postbox{}, bell: &bell{}}
	log := slog.New(slog.DiscardHandler)
	clock := func() time.Time { return d.now }
	wall := func() time.Time { return d.wall }
	d.sweeper = &jobs.Sweeper{Store: db, Policy: d.policy, Bell: d.bell, Now: clock, Wall: wall, Log: log, ChunkSize: 10}
	d.courier = &jobs.Courier{Store: db, Policy: d.policy, Notifier: d.outbox, Now: clock, Wall: wall, Log: log}
	d.watchdog = &jobs.Watchdog{Sweeper: d.sweeper, Courier: d.courier, Log: log}
	return d
}

const (
	partner  = "aaaaaaaa-0000-4000-8000-000000000001"
	customer = "bbbbbbbb-0000-4000-8000-000000000001"
)

// active is a relationship that ends at end, of whose end nobody is warned any more.
func active(n int, end time.Time) lifecycle.Record {
	return lifecycle.Record{ID: fmt.Sprintf("r-%04d", n), Partner: partner, DisplayName: fmt.Sprintf("Relationship %d", n), Duration: lifecycle.Days(90),
		Status: lifecycle.Active, Customer: lifecycle.Tenant{TenantID: customer, DisplayName: "Contoso"}, Created: end.Add(-91 * lifecycle.Day),
		Modified: end.Add(-90 * lifecycle.Day), Activated: end.Add(-90 * lifecycle.Day), End: end, WarnAfter: end}
}

// many are n of them, numbered from 0.
func many(n int, end time.Time) []lifecycle.Record {
	records := make([]lifecycle.Record, n)
	for i := range records {
		records[i] = active(i, end)
	}
	return records
}

func (d *deployment) load(records ...lifecycle.Record) {
	d.t.Helper()
	batch := make([]lifecycle.Incoming, len(records))
	for i, r := range records {
		batch[i] = lifecycle.Incoming{Record: r, Digest: r.ID}
	}
	taken, err := d.db.ImportRelationships(d.t.Context(), batch, d.policy, d.now)
	require.NoError(d.t, err)
	for _, in := range taken {
		require.Equal(d.t, lifecycle.TakenNew, in.Taken)
	}
}

func (d *deployment) agents(mails ...string) {
	d.t.Helper()
	into, err := d.db.BeginImport(d.t.Context(), false)
	require.NoError(d.t, err)
	var contacts []lifecycle.Contact
	for _, m := range mails {
		contacts = append(contacts, lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents, Mail: m})
	}
	_, err = into.Contacts(d.t.Context(), contacts, &d.policy.Notices, d.now)
	require.NoError(d.t, err)
	require.NoError(d.t, into.Commit())
}

func (d *deployment) status(n int) lifecycle.Status {
	d.t.Helper()
	r, err := d.db.Relationship(d.t.Context(), fmt.Sprintf("r-%04d", n))
	require.NoError(d.t, err)
	return r.Status
}

// cut cuts a sweep and rings for its chunks, even for a single one, which the sweeper would do by itself.
func (d *deployment) cut(sweep int64) {
	d.t.Helper()
	chunks, cut, err := d.db.CutChunks(d.t.Context(), sweep, d.sweeper.ChunkSize, 100)
	require.NoError(d.t, err)
	require.True(d.t, cut)
	require.NoError(d.t, d.sweeper.Bell.RingChunks(d.t.Context(), chunks))
}

// changes counts the events that timers made.
func (d *deployment) changes() int {
	d.t.Helper()
	n := 0
	require.NoError(d.t, d.db.EachEvent(d.t.Context(), func(e lifecycle.Event) error {
		if e.Rule != "" {
			n++
		}
		return nil
	}))
	return n
}

func (d *deployment) letters() map[lifecycle.NoticeStatus]int {
	d.t.Helper()
	n := map[lifecycle.NoticeStatus]int{}
	counts, err := d.db.NoticeCounts(d.t.Context())
	require.NoError(d.t, err)
	for status, count := range counts {
		if count > 0 {
			n[status] = int(count)
		}
	}
	return n
}

// A bell remembers who was rung for. While it is broken it answers with an error, as Redis does when it is away.
type bell struct {
	mu     sync.Mutex
	broken bool
	cuts   []int64
	chunks []lifecycle.ChunkRef
	posts  int
}

var errBroken = errors.New("nobody hears the bell")

func (b *bell) ring(note func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return errBroken
	}
	note()
	return nil
}

func (b *bell) RingCut(_ context.Context, sweep int64) error {
	return b.ring(func() { b.cuts = append(b.cuts, sweep) })
}

func (b *bell) RingChunks(_ context.Context, chunks []lifecycle.ChunkRef) error {
	return b.ring(func() { b.chunks = append(b.chunks, chunks...) })
}

func (b *bell) RingAgain(ctx context.Context, chunks []lifecycle.ChunkRef) error {
	return b.RingChunks(ctx, chunks)
}

func (b *bell) RingDelivery(context.Context) error { return b.ring(func() { b.posts++ }) }

// A postbox is a notifier that keeps what it is handed, and answers as the test wants it to.
type postbox struct {
	mu       sync.Mutex
	refuse   error
	answer   func(l lifecycle.Letter) error // in place of refuse, where it is not nil
	channels map[string]int                 // nil: the default one
	handed   []lifecycle.Letter
	asked    int
	renders  int
}

func (p *postbox) Channels(context.Context) map[string]int {
	if p.channels == nil {
		return map[string]int{lifecycle.DefaultChannel: 4}
	}
	return p.channels
}

func (p *postbox) Render(l lifecycle.Letter) (string, []byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.renders++
	return fmt.Sprintf("<%s@test>", l.NoticeID), fmt.Appendf(nil, "%s, rendering %d", l.Kind, p.renders), nil
}

func (p *postbox) Send(_ context.Context, l lifecycle.Letter) error {
	p.mu.Lock()
	refuse, answer := p.refuse, p.answer
	p.asked++
	p.mu.Unlock()
	if answer != nil {
		refuse = answer(l)
	}
	if refuse != nil {
		return refuse
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handed = append(p.handed, l)
	return nil
}

// textLog writes to w.
func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
