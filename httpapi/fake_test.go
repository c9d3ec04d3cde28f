package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when everything happens here.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC)

// A fake is a Store and a Sweeper in memory. It keeps the promises of both, and breaks them on demand.
type fake struct {
	mu       sync.Mutex
	sweeps   []lifecycle.Sweep // the sweep with id n is at n-1
	keys     map[string]lifecycle.Sweep
	failures map[int64][]lifecycle.Failure
	tokens   map[string]lifecycle.Token
	backlogs []lifecycle.Backlog
	notices  map[string]map[lifecycle.NoticeStatus]int64
	chunks   int64

	fakeDirectory
	fakeOutbox
	fakeHolds
	*storage.DB // what is about relationships is real; nil until a test asks for it
	refusals    []lifecycle.RefusedRequest
	fakeDeeds

	broken   error                     // what every method about sweeps and metrics answers
	lockedUp error                     // what every method about tokens answers
	before   func(ctx context.Context) // called first by every method about sweeps and metrics
}

func (f *fake) enter(ctx context.Context) (func(), error) {
	if f.before != nil {
		f.before(ctx)
	}
	f.mu.Lock()
	if err := ctx.Err(); err != nil {
		return f.mu.Unlock, err
	}
	return f.mu.Unlock, f.broken
}

func (f *fake) RequestSweep(ctx context.Context, rules []lifecycle.RuleName, dryRun bool, key string) (lifecycle.Sweep, lifecycle.Opened, error) {
	leave, err := f.enter(ctx)
	defer leave()
	if err != nil {
		return lifecycle.Sweep{}, "", err
	}
	if was, used := f.keys[key]; used && key != "" {
		if !slices.Equal(was.Rules, rules) || was.DryRun != dryRun {
			return lifecycle.Sweep{}, "", lifecycle.ErrKeyReused
		}
		return f.sweeps[was.ID-1], lifecycle.OpenedBefore, nil
	}
	sweep, opened := f.open(rules, dryRun)
	if f.keys == nil {
		f.keys = map[string]lifecycle.Sweep{}
	}
	f.keys[key] = lifecycle.Sweep{ID: sweep.ID, Rules: rules, DryRun: dryRun}
	return sweep, opened, nil
}

func (f *fake) open(rules []lifecycle.RuleName, dryRun bool) (lifecycle.Sweep, lifecycle.Opened) {
	for _, s := range f.sweeps {
		if s.State == lifecycle.SweepRunning && s.DryRun == dryRun && s.Covers(rules) {
			return s, lifecycle.OpenedJoined
		}
	}
	sweep := lifecycle.Sweep{ID: int64(len(f.sweeps) + 1), Rules: rules, DryRun: dryRun, Trigger: lifecycle.TriggerRequest,
		AsOf: noon, State: lifecycle.SweepRunning, OpenedAt: noon}
	f.sweeps = append(f.sweeps, sweep)
	return sweep, lifecycle.OpenedNew
}

func (f *fake) CancelSweep(ctx context.Context, id int64) error {
	leave, err := f.enter(ctx)
	defer leave()
	switch {
	case err != nil:
		return err
	case id > int64(len(f.sweeps)):
		return lifecycle.ErrNotFound
	case f.sweeps[id-1].State != lifecycle.SweepRunning:
		return lifecycle.ErrNotRunning
	}
	f.sweeps[id-1].State, f.sweeps[id-1].FinishedAt = lifecycle.SweepCancelled, noon
	return nil
}

func (f *fake) Sweep(ctx context.Context, id int64) (lifecycle.Sweep, error) {
	leave, err := f.enter(ctx)
	defer leave()
	if err != nil {
		return lifecycle.Sweep{}, err
	}
	if id > int64(len(f.sweeps)) {
		return lifecycle.Sweep{}, lifecycle.ErrNotFound
	}
	return f.sweeps[id-1], nil
}

func (f *fake) Sweeps(ctx context.Context, before int64, limit int) ([]lifecycle.Sweep, error) {
	leave, err := f.enter(ctx)
	defer leave()
	var page []lifecycle.Sweep
	for i := len(f.sweeps) - 1; i >= 0 && len(page) < limit; i-- {
		if before == 0 || f.sweeps[i].ID < before {
			page = append(page, f.sweeps[i])
		}
	}
	return page, err
}

func (f *fake) SweepFailures(ctx context.Context, id int64, limit int) ([]lifecycle.Failure, error) {
	leave, err := f.enter(ctx)
	defer leave()
	all := f.failures[id]
	return all[:min(limit, len(all))], err
}

func (f *fake) TokenByHash(_ context.Context, hash []byte) (lifecycle.Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lockedUp != nil {
		return lifecycle.Token{}, f.lockedUp
	}
	if t, ok := f.tokens[string(hash)]; ok {
		return t, nil
	}
	return lifecycle.Token{}, lifecycle.ErrNotFound
}

func (f *fake) RecordRefusal(ctx context.Context, r lifecycle.RefusedRequest) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusals = append(f.refusals, r)
	if f.DB == nil {
		return nil
	}
	return f.DB.RecordRefusal(ctx, r)
}

func (f *fake) AnyTokens(context.Context) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.tokens) > 0, f.lockedUp
}

func (f *fake) Backlogs(ctx context.Context, _ time.Time) ([]lifecycle.Backlog, error) {
	leave, err := f.enter(ctx)
	defer leave()
	return f.backlogs, err
}

func (f *fake) NoticeCountsByChannel(ctx context.Context) (map[string]map[lifecycle.NoticeStatus]int64, error) {
	leave, err := f.enter(ctx)
	defer leave()
	return f.notices, err
}

func (f *fake) OpenChunks(ctx context.Context) (int64, error) {
	leave, err := f.enter(ctx)
	defer leave()
	return f.chunks, err
}

// A world is a server under test, its fake, its log, and a client.
type world struct {
	testing.TB
	fake   *fake
	server *Server
	url    string
	token  string // sent with every request, unless it is empty
	log    *syncBuffer
}

// newWorld has one token, which may do everything.
func newWorld(t testing.TB, change ...func(*Options)) *world {
	w := bareWorld(t, change...)
	w.token = w.newToken("operator", ScopeManage)
	return w
}

// bareWorld has no token.
func bareWorld(t testing.TB, change ...func(*Options)) *world {
	f, log := &fake{}, &syncBuffer{}
	o := Options{Store: f, Sweeper: f, Policy: lifecycle.DefaultPolicy(), Channels: []string{"mail"}, Now: func() time.Time { return noon },
		Wall: time.Now, ParseFilter: onlyActive, Condition: f.fares, Explain: explained, Outlook: foreseen{}, Queues: &lined{}, Logger: slog.New(slog.NewTextHandler(log, nil)), Version: "1.2.3"}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	require.NoError(t, err)
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return &world{TB: t, fake: f, server: s, url: listening.URL, log: log}
}

// onlyActive reads the one filter that the tests here use.
func onlyActive(text string) (lifecycle.Filter, error) {
	if text != "status eq 'active'" {
		return nil, errors.New("column 1: is not understood")
	}
	return lifecycle.Compare{Field: lifecycle.FieldStatus, By: lifecycle.Equal, Value: lifecycle.Value{Text: string(lifecycle.Active)}}, nil
}

func (w *world) newToken(name string, scopes ...Scope) string {
	t := lifecycle.Token{Name: name}
	for _, s := range scopes {
		t.Scopes = append(t.Scopes, string(s))
	}
	return w.addToken(t)
}

// tenantToken is one of a tenant's.
func (w *world) tenantToken(tenant string, role lifecycle.Role) string {
	return w.addToken(lifecycle.Token{Name: string(role) + " of " + tenant[:4], Tenant: tenant, Role: role})
}

func (w *world) addToken(t lifecycle.Token) string {
	token, hash, err := NewToken()
	if err != nil {
		panic(err)
	}
	w.fake.mu.Lock()
	defer w.fake.mu.Unlock()
	if w.fake.tokens == nil {
		w.fake.tokens = map[string]lifecycle.Token{}
	}
	t.ID = int64(len(w.fake.tokens) + 1)
	w.fake.tokens[string(hash)] = t
	return token
}

// A reply is an answer that has been read.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// do sends a request. Headers are given as "Name: value"; a body is sent as JSON unless they say otherwise.
func (w *world) do(method, path, body string, headers ...string) reply {
	w.Helper()
	r, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	require.NoError(w, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	return w.send(r)
}

// send asks again where the connection was reset while the body was on its way: a server that answers before it has read all of it may
// be done with the connection before the client has read the answer.
func (w *world) send(r *http.Request) reply {
	w.Helper()
	answer, err := http.DefaultClient.Do(r)
	for i := 0; i < 10 && errors.Is(err, syscall.ECONNRESET) && r.GetBody != nil; i++ {
		var body io.ReadCloser
		body, err = r.GetBody()
		require.NoError(w, err)
		r.Body = body
		answer, err = http.DefaultClient.Do(r)
	}
	require.NoError(w, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(w, err)
	return reply{w.TB, answer.StatusCode, answer.Header, body}
}

func (r reply) read(into any) {
	r.t.Helper()
	require.NoError(r.t, json.Unmarshal(r.body, into), "%s", r.body)
}

// problem requires the answer to be a problem document of the kind, complete in every part.
func (r reply) problem(k kind) Problem {
	r.t.Helper()
	require.Equal(r.t, k.status, r.status, "%s", r.body)
	require.Equal(r.t, "application/problem+json", r.header.Get("Content-Type"))
	var p Problem
	r.read(&p)
	require.Equal(r.t, "https://github.com/tenure-dev/tenure/blob/main/docs/http.md#"+k.slug, p.Type, "%s", r.body)
	require.Equal(r.t, k.title, p.Title)
	require.Equal(r.t, k.status, p.Status)
	require.NotEmpty(r.t, p.Detail)
	require.NotEmpty(r.t, p.RequestID)
	require.Equal(r.t, r.header.Get("X-Request-Id"), p.RequestID)
	return p
}

// syncBuffer is a log that may be written to and read at once.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
