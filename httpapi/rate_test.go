package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestWhoAsksTooOftenWaits(t *testing.T) {
	wall := noon
	w := newWorld(t, func(o *Options) {
		o.Rate, o.Wall = Rate{PerSecond: 2, Burst: 3}, func() time.Time { return wall }
	})
	for range 3 {
		require.Equal(t, 200, w.do("GET", "/v1/sweeps", "").status)
	}
	r := w.do("GET", "/v1/sweeps", "")
	require.Equal(t, "This caller may ask 2 times a second, and 3 times at once after a pause; wait 0.5 s.", r.problem(tooManyRequests).Detail)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.Equal(t, 200, w.as(w.newToken("another", ScopeRead)).do("GET", "/v1/sweeps", "").status)
	require.Equal(t, 200, w.do("GET", "/healthz", "").status)
	wall = wall.Add(500 * time.Millisecond)
	require.Equal(t, 200, w.do("GET", "/v1/sweeps", "").status, "what was refused has cost nothing")
	w.do("GET", "/v1/sweeps", "").problem(tooManyRequests)
	require.Empty(t, w.fake.refusals)
}

func TestRateMayBeWithoutLimit(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Rate, o.Wall = Rate{PerSecond: -1}, func() time.Time { return noon } })
	for range 300 {
		require.Equal(t, 200, w.ask("127.0.0.1:5", "GET", "/v1/sweeps", "Authorization: Bearer "+w.token).status)
	}
}

func TestCallersWhoAreIdleAreForgotten(t *testing.T) {
	a := newAllowances(Rate{PerSecond: 1, Burst: 1})
	require.Zero(t, a.take("first", noon))
	for i := range 2 * mostCallers {
		require.Zero(t, a.take(strconv.Itoa(i), noon))
		require.NotZero(t, a.take("busy", noon.Add(-time.Duration(i)))+a.take("busy", noon))
	}
	require.Len(t, a.callers, mostCallers)
	require.Equal(t, mostCallers, a.recent.Len())
	require.NotZero(t, a.take("busy", noon), "who is not idle is not")
	require.Zero(t, a.take("first", noon))
}

func TestAddressIsThatOfTheLastHopThatIsNotTrusted(t *testing.T) {
	s := &Server{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.7:99", nil, "192.0.2.7"},
		{"[2001:db8::7]:99", nil, "2001:db8::7"},
		{"[::ffff:192.0.2.7]:99", nil, "192.0.2.7"},
		{"[fe80::1%eth0]:99", nil, "fe80::1"},
		{"192.0.2.7:99", []string{"203.0.113.9"}, "192.0.2.7"}, // who is not trusted may write what they like
		{"10.0.0.1:99", []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:99", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:99", []string{"198.51.100.1", "203.0.113.9, 10.2.2.2"}, "203.0.113.9"},
		{"10.0.0.1:99", []string{"203.0.113.9:4711, [2001:db8::2]:80"}, "203.0.113.9"},
		{"10.0.0.1:99", []string{"203.0.113.9, nonsense"}, "10.0.0.1"},
		{"10.0.0.1:99", []string{"10.9.9.9"}, "10.9.9.9"},
		{"10.0.0.1:99", []string{""}, "10.0.0.1"},
		{"@", []string{"203.0.113.9"}, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.forwarded
		require.Equal(t, c.want, s.addressOf(r), "%+v", c)
	}
}

// A recordingGraph writes down who comes to it.
type recordingGraph struct {
	by       []lifecycle.Caller
	paths    []string
	refused  []string
	statuses []int
	panics   bool
}

func (g *recordingGraph) ServeAs(w http.ResponseWriter, r *http.Request, by lifecycle.Caller) {
	g.by, g.paths = append(g.by, by), append(g.paths, r.URL.EscapedPath())
	if g.panics {
		panic("inside out")
	}
	w.WriteHeader(http.StatusTeapot)
}

func (g *recordingGraph) Refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	g.refused, g.statuses = append(g.refused, message), append(g.statuses, status)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
}

func graphWorld(t *testing.T, change ...func(*Options)) (*world, *recordingGraph) {
	g := &recordingGraph{}
	return newWorld(t, append(change, func(o *Options) { o.Graph = g })...), g
}

func TestGraphIsServedToThoseWithARole(t *testing.T) {
	w, g := graphWorld(t)
	const path = "/v1.0/tenantRelationships/delegatedAdminRelationships"
	for _, c := range []struct {
		token string
		want  lifecycle.Caller
	}{
		{w.token, lifecycle.Caller{Name: "operator", Role: lifecycle.Operator}},
		{w.newToken("watcher", ScopeRead, ScopeSweep), lifecycle.Caller{Name: "watcher", Role: lifecycle.Operator, ReadsOnly: true}},
		{w.tenantToken(partner, lifecycle.AdminAgents), lifecycle.Caller{Name: "adminAgent of 9999", Tenant: partner, Role: lifecycle.AdminAgents}},
		{w.tenantToken(contoso, lifecycle.Reader), lifecycle.Caller{Name: "reader of 1111", Tenant: contoso, Role: lifecycle.Reader}},
	} {
		g.by = nil
		require.Equal(t, 418, w.as(c.token).do("POST", path, "{}", "X-Request-Id: mine").status)
		c.want.Address, c.want.Request = "127.0.0.1", "mine"
		require.Equal(t, []lifecycle.Caller{c.want}, g.by)
	}
	require.Equal(t, 418, w.do("FROB", "/v1.0//odd/../path", "").status, "what there is the Graph knows")
	require.Contains(t, string(w.do("GET", "/metrics", "").body), `tenure_http_requests_total{code="418",route="POST /v1.0/*"} 4`)
	require.Contains(t, string(w.do("GET", "/metrics", "").body), `tenure_http_requests_total{code="418",route="OTHER /v1.0/*"} 1`)
}

func TestWhatComesNoFurtherIsRefusedInGraphsForm(t *testing.T) {
	w, g := graphWorld(t)
	for _, c := range []struct {
		status  int
		token   string
		headers []string
	}{
		{401, "", nil}, {401, "", []string{"Authorization: Bearer nonsense"}},
		{403, w.newToken("sweeper", ScopeSweep), nil}, {403, w.newToken("provisioner", ScopeProvision), nil},
		{403, w.token, []string{"Sec-Fetch-Site: cross-site"}},
		{431, w.token, []string{"X-Long: " + strings.Repeat("x", 20_000)}},
	} {
		r := w.as(c.token).do("POST", "/v1.0/x", "{}", c.headers...)
		require.Equal(t, c.status, r.status)
		require.Equal(t, "application/json", r.header.Get("Content-Type"))
		require.Equal(t, c.status == 401, r.header.Get("WWW-Authenticate") == `Bearer realm="tenure"` || r.header.Get("WWW-Authenticate") == `Bearer realm="tenure", error="invalid_token"`)
	}
	require.Empty(t, g.by)
	require.Len(t, w.fake.refusals, 2, "those of callers who are known")
	require.Equal(t, "scope-missing", string(w.fake.refusals[0].Code))
	require.Equal(t, "/v1.0/x", w.fake.refusals[0].Subject)

	w.server.limits.body = 1
	require.Equal(t, 413, w.do("POST", "/v1.0/x", "{}").status)
	w.server.allowances = exhausted()
	r := w.do("GET", "/v1.0/x", "")
	require.Equal(t, 429, r.status)
	require.NotEmpty(t, r.header.Get("Retry-After"))
}

func TestPanicOfTheGraphIsToldInItsForm(t *testing.T) {
	w, g := graphWorld(t)
	g.panics = true
	require.Equal(t, 500, w.do("GET", "/v1.0/x", "").status)
	require.Equal(t, []string{internalDetail}, g.refused)
}

func TestGraphIsAnsweredUnderItsOtherNames(t *testing.T) {
	w, g := graphWorld(t)
	for asked, want := range map[string]string{"/beta/tenantRelationships/x": "/v1.0/tenantRelationships/x", "/beta/a%2Fb": "/v1.0/a%2Fb", "/beta": "/v1.0/", "/v1.0": "/v1.0/"} {
		require.Equal(t, 418, w.do("GET", asked, "").status, asked)
		require.Equal(t, want, g.paths[len(g.paths)-1])
	}
	w.do("GET", "/betamax", "").problem(unknownPath)
}

func TestWithoutAGraphThereIsNothing(t *testing.T) {
	newWorld(t).do("GET", "/v1.0/x", "").problem(unknownPath)
}
