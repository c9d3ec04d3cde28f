package httpapi

import (
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestTokensAreLongRandomAndKeptHashed(t *testing.T) {
	a, hash, err := NewToken()
	require.NoError(t, err)
	b, _, err := NewToken()
	require.NoError(t, err)
	require.Regexp(t, `^tnr_[A-Za-z0-9_-]{43}$`, a)
	require.NotEqual(t, a, b)
	require.Equal(t, HashToken(a), hash)
	// The hash must not change from one release to the next: it is what stands in databases.
	require.Equal(t, "5ab1eaa67d7e4b2fec4c6c82920576ff465fbe4509f9f01d0ff120e34700bcd2", hex.EncodeToString(HashToken("tnr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")))
}

func TestScopesOpenWhatTheyName(t *testing.T) {
	w := newWorld(t)
	w.fake.open(nil, false)
	routes := []struct {
		method, path string
		needs        Scope
	}{
		{"GET", "/v1/sweeps", ScopeRead}, {"GET", "/v1/sweeps/1", ScopeRead}, {"GET", "/metrics", ScopeRead}, {"HEAD", "/v1/sweeps", ScopeRead},
		{"POST", "/v1/sweeps", ScopeSweep}, {"POST", "/v1/sweeps/1/cancel", ScopeSweep},
		{"GET", "/v1/notices", ScopeRead}, {"GET", "/v1/notices/1-7-1", ScopeRead}, {"GET", "/v1/channels", ScopeRead}, {"GET", "/v1/contacts/unreached", ScopeRead},
		{"GET", "/v1/contacts", ScopeManage}, {"DELETE", "/v1/contacts?tenantId=" + contoso, ScopeManage},
	}
	w.fake.letters = []lifecycle.Letter{letter(1)}
	for _, has := range []Scope{ScopeRead, ScopeSweep, ScopeManage, "ruler"} {
		w.token = w.newToken("ci", has)
		for _, route := range routes {
			r := w.do(route.method, route.path, "")
			if has == route.needs || has == ScopeManage {
				require.Less(t, r.status, 300, "%s %s with %s", route.method, route.path, has)
				continue
			}
			require.Equal(t, 403, r.status)
			require.Equal(t, `Bearer realm="tenure", error="insufficient_scope", scope="`+string(route.needs)+`"`, r.header.Get("WWW-Authenticate"))
			if route.method != "HEAD" {
				require.Equal(t, `This needs the scope "`+string(route.needs)+`", and the token "ci" has `+string(has)+`.`, r.problem(scopeMissing).Detail)
			}
		}
	}
}

func TestWithoutATokenNothingIsAnsweredOnceThereIsOne(t *testing.T) {
	w := newWorld(t)
	w.token = ""
	for _, path := range []string{"/v1/sweeps", "/v1/sweeps/1", "/metrics"} {
		r := w.do("GET", path, "")
		r.problem(tokenMissing)
		require.Equal(t, `Bearer realm="tenure"`, r.header.Get("WWW-Authenticate"))
	}
	w.do("POST", "/v1/sweeps", `{"rules":["no-matter"]}`).problem(tokenMissing)
	for _, route := range []string{"PUT /v1/contacts", "POST /v1/notices/actions", "POST /v1/channels/mail/off"} {
		method, path, _ := strings.Cut(route, " ")
		w.do(method, path, "").problem(tokenMissing)
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml"} {
		require.Equal(t, 200, w.do("GET", path, "").status, path)
	}
}

func TestTokensThatAreNotKnownAreRefused(t *testing.T) {
	w := newWorld(t)
	token := w.token
	w.token = ""
	unknown, _, _ := NewToken()
	for _, sent := range []string{"", "Bearer", "Bearer " + unknown, "Bearer " + token[:46], "Bearer " + token + "x", "Basic " + token, token,
		"Bearer " + token + " " + token, "Bearer " + strings.ToUpper(token)} {
		r := w.do("GET", "/v1/sweeps", "", "Authorization: "+sent)
		r.problem(tokenUnknown)
		require.Equal(t, `Bearer realm="tenure", error="invalid_token"`, r.header.Get("WWW-Authenticate"))
		require.NotContains(t, w.log.String(), token[4:])
	}
	require.Equal(t, 200, w.do("GET", "/v1/sweeps", "", "Authorization: bearer  "+token).status, "the scheme's case does not matter")
}

func TestTokenCountsFromWhenItIsMadeUntilItIsWithdrawn(t *testing.T) {
	w := bareWorld(t)
	require.Equal(t, 200, w.do("GET", "/v1/sweeps", "").status)
	token := w.newToken("first", ScopeRead)
	w.do("GET", "/v1/sweeps", "").problem(tokenMissing)
	require.Equal(t, 200, w.do("GET", "/v1/sweeps", "", "Authorization: Bearer "+token).status)
	delete(w.fake.tokens, string(HashToken(token)))
	w.do("GET", "/v1/sweeps", "", "Authorization: Bearer "+token).problem(tokenUnknown)
	require.Equal(t, 200, w.do("GET", "/v1/sweeps", "").status)
}

// ask sends a request as it comes from an address, without a connection.
func (w *world) ask(from, method, path string, headers ...string) reply {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr, r.Host = from, "localhost:8080"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, r)
	return reply{w.TB, answer.Code, answer.Header(), answer.Body.Bytes()}
}

func TestWhileThereIsNoTokenOnlyThisMachineIsAnswered(t *testing.T) {
	w := bareWorld(t)
	for _, from := range []string{"127.0.0.1:5", "127.8.8.8:5", "[::1]:5", "[::ffff:127.0.0.1]:5"} {
		require.Equal(t, 200, w.ask(from, "GET", "/v1/sweeps").status, from)
		require.Equal(t, 202, w.ask(from, "POST", "/v1/sweeps").status, from)
	}
	for _, from := range []string{"192.168.1.7:5", "[fe80::1%eth0]:5", "[2001:db8::1]:5", "0.0.0.0:5", "@", ""} {
		w.ask(from, "GET", "/v1/sweeps").problem(localOnly)
		w.ask(from, "POST", "/v1/sweeps").problem(localOnly)
		w.ask(from, "GET", "/metrics").problem(localOnly)
		require.Equal(t, 200, w.ask(from, "GET", "/healthz").status, "to withdraw the last token is no reason to be restarted")
		require.Equal(t, 200, w.ask(from, "GET", "/readyz").status)
	}
	token := w.newToken("ci", ScopeRead)
	require.Equal(t, 200, w.ask("192.168.1.7:5", "GET", "/v1/sweeps", "Authorization: Bearer "+token, "Host: tenure.example").status)
}

func TestWhileThereIsNoTokenTheHostMustBeLoopback(t *testing.T) {
	w := bareWorld(t)
	for _, host := range []string{"localhost", "LOCALHOST:80", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]"} {
		require.Equal(t, 200, w.ask("127.0.0.1:5", "GET", "/v1/sweeps", "Host: "+host).status, host)
	}
	for _, host := range []string{"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "0.0.0.0:8080"} {
		w.ask("127.0.0.1:5", "GET", "/v1/sweeps", "Host: "+host).problem(localOnly)
	}
}

func TestWhileThereIsNoTokenProxiesAreRefused(t *testing.T) {
	w := bareWorld(t)
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"} {
		w.ask("127.0.0.1:5", "GET", "/v1/sweeps", name+": 203.0.113.9").problem(localOnly)
	}
}

func TestWebPagesOfOtherOriginsAreRefused(t *testing.T) {
	w := bareWorld(t)
	foreign := [][]string{{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Origin: https://evil.example"}, {"Origin: null"}}
	for _, headers := range foreign {
		w.ask("127.0.0.1:5", "POST", "/v1/sweeps", headers...).problem(crossSite)
		w.ask("127.0.0.1:5", "GET", "/v1/sweeps", headers...).problem(crossSite)
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site: same-origin"}, {"Sec-Fetch-Site: none"}, {"Origin: http://localhost:8080"}} {
		require.Equal(t, 202, w.ask("127.0.0.1:5", "POST", "/v1/sweeps", headers...).status)
		require.Equal(t, 200, w.ask("127.0.0.1:5", "GET", "/v1/sweeps", headers...).status)
	}
	token := w.newToken("ci", ScopeManage)
	for _, headers := range foreign {
		w.ask("127.0.0.1:5", "POST", "/v1/sweeps", append(headers, "Authorization: Bearer "+token)...).problem(crossSite)
	}
}

func TestWhatCannotBeLookedUpIsNotLetIn(t *testing.T) {
	w := newWorld(t)
	w.fake.lockedUp = errors.New("database is gone")
	w.do("GET", "/v1/sweeps", "").problem(internal)
	w.ask("127.0.0.1:5", "GET", "/v1/sweeps").problem(internal)
	require.Contains(t, w.log.String(), "looking up a token: database is gone")
	require.Contains(t, w.log.String(), "finding out whether there is a token: database is gone")
}

func TestRouteThatNobodyDeclaredIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.server.mux.HandleFunc("GET /forgotten", func(http.ResponseWriter, *http.Request) { t.Error("reached") })
	w.do("GET", "/forgotten", "").problem(unknownPath)
}
