package console_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/console"
	"github.com/tenure-dev/tenure/graph"
	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
	"github.com/tenure-dev/tenure/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)

// A world is a console on a real database, behind the real HTTP interface, with a clock that the test moves.
type world struct {
	t       testing.TB
	db      *storage.DB
	policy  *lifecycle.Policy
	sweeper *jobs.Sweeper
	queue   redis.UniversalClient // inside this process
	queues  *jobs.Inspector
	server  *httptest.Server
	anyone  *http.Client // who has not signed in; it follows no redirects

	frozen func() // waits until the database answers; nil: it does

	blind bool // nobody can say what timers are going to do

	kind  storage.Kind                         // empty: live
	every map[lifecycle.RuleName]time.Duration // from one tick of a rule to the next; of those that are missing it is not known

	mu  sync.Mutex
	now time.Time
}

func newWorld(t testing.TB, set ...func(*httpapi.Options)) *world {
	t.Helper()
	return newWorldOn(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), set...)
}

func newWorldOn(t testing.TB, database string, set ...func(*httpapi.Options)) *world {
	t.Helper()
	w := &world{t: t, now: start, policy: lifecycle.DefaultPolicy()}
	w.open(database, set...)
	return w
}

// open begins the world that has been put together so far.
func (w *world) open(database string, set ...func(*httpapi.Options)) {
	t := w.t
	t.Helper()
	db, err := storage.Open(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Migrate(context.WithoutCancel(t.Context()), cmp.Or(w.kind, storage.Live), start))
	w.db = db
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	w.sweeper = &jobs.Sweeper{Store: db, Policy: w.policy, Bell: jobs.Silence{}, Now: w.clock, Wall: w.wall, Log: log}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	w.queue, err = jobs.InProcessRedis(ctx)
	require.NoError(t, err)
	w.queues = jobs.NewInspector(w.queue)
	shaped, err := graph.New(graph.Options{Store: db, Policy: w.policy, Now: w.clock, Logger: log})
	require.NoError(t, err)
	o := httpapi.Options{Store: db, Sweeper: w.sweeper, Policy: w.policy, Graph: shaped, Now: w.clock, Wall: w.wall, Logger: log,
		Rate: httpapi.Rate{PerSecond: -1}, ParseFilter: w.parseFilter, Condition: w.condition, Explain: explained, Queues: w.queues, Console: func(door *httpapi.Server) (http.Handler, error) { return console.New(w.options(door)) }}
	for _, one := range set {
		one(&o)
	}
	server, err := httpapi.New(o)
	require.NoError(t, err)
	w.server = httptest.NewServer(server)
	t.Cleanup(w.server.Close)
	w.anyone = w.visitor()
}

func (w *world) options(door console.Door) console.Options {
	o := console.Options{Store: w.db, Door: door, Policy: w.policy, Condition: w.condition, Queues: w.queues, Now: w.clock, Wall: w.wall, Version: "test",
		Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil)), Prospect: w.prospect, Written: func(f lifecycle.Filter) string { return odata.Format(f, w.policy) }}
	if w.blind {
		o.Prospect = nil
	}
	return o
}

func (w *world) parseFilter(text string) (lifecycle.Filter, error) {
	return odata.ParseFilter(text, w.policy)
}

func (w *world) prospect(ctx context.Context, until time.Time) (p console.Prospect, err error) {
	records, err := w.db.Outlook(ctx, storage.OutlookQuery{Timers: true})
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	plan, err := outlook.Look(ctx, records, outlook.Question{Policy: w.policy, Now: w.clock(), Until: until}, nil)
	if err != nil {
		return p, err
	}
	p.Held, p.Waiting, p.Failed = plan.Held, plan.Waiting, plan.Failed
	for _, day := range plan.InOrder() {
		p.Days = append(p.Days, console.ProspectDay{Day: day.Date, Rule: day.Rule, Times: plan.Days[day].Times, Told: plan.Days[day].Told})
	}
	return p, nil
}

func (w *world) condition(ctx context.Context) lifecycle.Condition {
	w.mu.Lock()
	frozen := w.frozen
	w.mu.Unlock()
	if frozen != nil {
		frozen()
	}
	c, err := w.db.Condition(ctx, w.policy, w.clock(), w.wall())
	if err != nil {
		c.Database.Fault = err.Error()
	}
	for i := range c.Rules {
		c.Rules[i].Interval = w.every[c.Rules[i].Rule]
		if c.Rules[i].Interval > 0 {
			c.Rules[i].LastTick = w.wall()
		}
	}
	return c
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// wall is the machine's clock, as far ahead as the test has moved the other: connections go by the real one.
func (w *world) wall() time.Time { return time.Now().UTC().Add(w.clock().Sub(start)) }

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// explained says little, where the real explanations are somebody else's to test.
func explained(_ context.Context, d *lifecycle.Dossier, _ *lifecycle.Caller, language string) (httpapi.Explanation, error) {
	return httpapi.Explanation{RelationshipID: d.ID, Language: language, Sections: []httpapi.ExplanationSection{{Name: "summary", Heading: "In short, " + language,
		Sentences: []httpapi.ExplanationSentence{{Text: "It is called " + d.DisplayName}}}}}, nil
}

// visitor is a browser without a session. It follows no redirects.
func (w *world) visitor() *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	return &http.Client{Transport: w.server.Client().Transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// token makes a token with scopes.
func (w *world) token(name string, scopes ...string) string {
	w.t.Helper()
	token, hash, err := httpapi.NewToken()
	require.NoError(w.t, err)
	_, err = w.db.CreateToken(w.t.Context(), lifecycle.Token{Name: name, Scopes: scopes, Created: w.clock()}, hash)
	require.NoError(w.t, err)
	return token
}

// signedIn is a browser of somebody who has signed in with these scopes.
func (w *world) signedIn(name string, scopes ...string) *http.Client {
	w.t.Helper()
	browser := w.visitor()
	p := w.post(browser, "/console/sign-in", "token", w.token(name, scopes...))
	require.Equal(w.t, http.StatusSeeOther, p.status, p.body)
	return browser
}

// A seen page is what a browser got.
type seen struct {
	status int
	header http.Header
	body   string
}

func (w *world) get(browser *http.Client, path string, headers ...string) seen {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.server.URL+path, nil)
	require.NoError(w.t, err)
	return w.do(browser, r, headers)
}

// post sends a form of names and values in turn.
func (w *world) post(browser *http.Client, path string, fields ...string) seen {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL+path, strings.NewReader(form.Encode()))
	require.NoError(w.t, err)
	return w.do(browser, r, []string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"})
}

func (w *world) do(browser *http.Client, r *http.Request, headers []string) seen {
	w.t.Helper()
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := browser.Do(r)
	require.NoError(w.t, err)
	defer res.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	require.NotContains(w.t, string(body), "⟦", "a phrase is missing")
	return seen{res.StatusCode, res.Header, string(body)}
}

// inJapanese has a browser choose Japanese.
func (w *world) inJapanese(browser *http.Client) *http.Client {
	w.t.Helper()
	require.Equal(w.t, http.StatusSeeOther, w.post(browser, "/console/preferences", "lang", "ja", "back", "/").status)
	return browser
}
