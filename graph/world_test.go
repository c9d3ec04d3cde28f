package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/graph"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/testenv"
)

const (
	fabrikam  = "aaaaaaaa-0000-4000-8000-000000000001" // a partner
	northwind = "aaaaaaaa-0000-4000-8000-000000000002" // another
	contoso   = "bbbbbbbb-0000-4000-8000-000000000001" // a customer
	adatum    = "bbbbbbbb-0000-4000-8000-000000000002" // another
	helpdesk  = "729827e3-9c14-49f7-bb1b-9608f156bbb8" // a role
	reader    = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b" // another
	group     = "cccccccc-0000-4000-8000-000000000001"
	nowhere   = "00000000-0000-4000-8000-000000000001-00000000-0000-4000-8000-000000000002"

	list = "/v1.0/tenantRelationships/delegatedAdminRelationships"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)

// callers are those who may ask, by what they show.
var callers = map[string]lifecycle.Caller{
	"agent":    {Name: "agent", Tenant: fabrikam, Role: lifecycle.AdminAgents},
	"reader":   {Name: "reader", Tenant: fabrikam, Role: lifecycle.Reader},
	"rival":    {Name: "rival", Tenant: northwind, Role: lifecycle.AdminAgents},
	"contoso":  {Name: "contoso", Tenant: contoso, Role: lifecycle.GlobalAdministrators},
	"adatum":   {Name: "adatum", Tenant: adatum, Role: lifecycle.GlobalAdministrators},
	"operator": {Name: "operator", Role: lifecycle.Operator},
	"watcher":  {Name: "watcher", Role: lifecycle.Operator, ReadsOnly: true},
}

// A world is an API on a real database, behind a real server, with a clock that the test moves.
type world struct {
	t      testing.TB
	db     *storage.DB
	policy *lifecycle.Policy
	server *httptest.Server

	mu  sync.Mutex
	now time.Time
}

// eachDatabase runs a test on either database.
func eachDatabase(t *testing.T, what func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { what(t, newWorld(t, sqlite(t))) })
	t.Run("PostgreSQL", func(t *testing.T) { what(t, newWorld(t, testenv.Postgres(t))) })
}

func sqlite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") }

func newWorld(t testing.TB, url string) *world {
	t.Helper()
	w := &world{t: t, now: start, policy: lifecycle.DefaultPolicy()}
	db, err := storage.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Migrate(context.WithoutCancel(t.Context()), storage.Live, start))
	w.db = db
	api, err := graph.New(graph.Options{Store: db, Policy: w.policy, Now: w.clock, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	require.NoError(t, err)
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(rw, r.Body, 1<<20)
		rw.Header().Set("X-Request-Id", uuid.NewString())
		by, ok := callers[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		if !ok {
			api.Refuse(rw, r, http.StatusUnauthorized, "Show a token.")
			return
		}
		by.Address, by.Request = "192.0.2.1", rw.Header().Get("X-Request-Id")
		api.ServeAs(rw, r, by)
	}))
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// A reply is what came back.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// ask sends a request as a caller. Headers are written "Name: value".
func (w *world) ask(caller, method, path, body string, headers ...string) *reply {
	w.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = w.server.URL + strings.ReplaceAll(path, " ", "%20")
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+caller)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Content-Type" {
			r.Header.Del(name)
		}
		r.Header.Add(name, value)
	}
	res, err := w.server.Client().Do(r)
	require.NoError(w.t, err)
	defer res.Body.Close()
	answered, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	return &reply{w.t, method + " " + path + " " + body[:min(len(body), 300)], res.StatusCode, res.Header, answered}
}

// is requires a status.
func (r *reply) is(status int) *reply {
	r.t.Helper()
	require.Equal(r.t, status, r.status, "%s\n%s", r.what, r.body)
	return r
}

// refused requires a status and a code, and answers with the message.
func (r *reply) refused(status int, code string) string {
	r.t.Helper()
	r.is(status)
	e := r.envelope()
	require.Equal(r.t, code, e.Code, "%s\n%s", r.what, r.body)
	require.NotEmpty(r.t, e.Message)
	require.Equal(r.t, r.header.Get("request-id"), e.Inner["request-id"])
	return e.Message
}

type errorBody struct {
	Code, Message string
	Details       []struct{ Code, Target, Message string }
	Inner         map[string]string `json:"innerError"`
}

func (r *reply) envelope() errorBody {
	r.t.Helper()
	var e struct{ Error errorBody }
	require.NoError(r.t, json.Unmarshal(r.body, &e), "%s\n%s", r.what, r.body)
	return e.Error
}

func (r *reply) targets() []string {
	var targets []string
	for _, d := range r.envelope().Details {
		targets = append(targets, d.Target+" "+d.Code)
	}
	return targets
}

func (r *reply) object() map[string]any {
	r.t.Helper()
	var v map[string]any
	require.NoError(r.t, json.Unmarshal(r.body, &v), "%s\n%s", r.what, r.body)
	return v
}

func (r *reply) field(name string) string {
	r.t.Helper()
	return fmt.Sprint(r.object()[name])
}

// values are the entities of a list.
func (r *reply) values() []map[string]any {
	r.t.Helper()
	var v struct{ Value []map[string]any }
	require.NoError(r.t, json.Unmarshal(r.is(200).body, &v))
	return v.Value
}

// draft is the body of a relationship that is fine.
func draft(name string) string {
	return `{"displayName":"` + name + `","duration":"P365D","autoExtendDuration":"PT0S","customer":{"tenantId":"` + contoso + `","displayName":"Contoso"},
		"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"` + helpdesk + `"},{"roleDefinitionId":"` + reader + `"}]}}`
}

// created makes a draft, and answers with its id.
func (w *world) created(name string) string {
	w.t.Helper()
	return w.ask("agent", "POST", list, draft(name)).is(201).field("id")
}

// request posts a request for an action.
func (w *world) request(caller, id, action string) *reply {
	w.t.Helper()
	return w.ask(caller, "POST", list+"/"+id+"/requests", `{"action":"`+action+`"}`)
}

// active makes a relationship that is active.
func (w *world) active(name string) string {
	w.t.Helper()
	id := w.created(name)
	w.request("agent", id, "lockForApproval").is(201)
	w.request("contoso", id, "approve").is(201)
	return id
}

const anyTag = "If-Match: *"

func assign(group string, roles ...string) string {
	var b bytes.Buffer
	for i, role := range roles {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"roleDefinitionId":%q}`, role)
	}
	container := ""
	if group != "" {
		container = fmt.Sprintf(`"accessContainer":{"accessContainerId":%q,"accessContainerType":"securityGroup"},`, group)
	}
	return `{` + container + `"accessDetails":{"unifiedRoles":[` + b.String() + `]}}`
}

// refusals are what is on record of what people did not get, the latest first.
func (w *world) refusals() []lifecycle.Event {
	w.t.Helper()
	events, err := w.db.Activity(w.t.Context(), lifecycle.ActivityQuery{Types: []lifecycle.EventType{lifecycle.EventRefused}})
	require.NoError(w.t, err)
	return events
}
