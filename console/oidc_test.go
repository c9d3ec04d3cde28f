package console_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/httpapi"
)

// An issuer is an OpenID Connect provider that lets everybody in, as whom the test says.
type issuer struct {
	*httptest.Server
	t     testing.TB
	key   *ecdsa.PrivateKey
	asked url.Values // of the last one who was sent here
	roles []string   // that the next token names
	who   string     // it speaks of
	lost  string     // why it lets nobody in without asking them; empty: it does
	nonce string     // that the next token names instead of the one asked for
}

func newIssuer(t testing.TB) *issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := &issuer{t: t, key: key, roles: []string{"operator"}, who: "42"}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, body any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body)
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "end_session_endpoint": i.URL + "/leave?realm=x"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if r.PostFormValue("code") != "the-code" || base64.RawURLEncoding.EncodeToString(challenge[:]) != i.asked.Get("code_challenge") ||
			r.PostFormValue("redirect_uri") != i.asked.Get("redirect_uri") {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]string{"error": "invalid_grant"})
			return
		}
		answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": i.idToken()})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) idToken() string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key}, (&jose.SignerOptions{}).WithHeader("kid", "one"))
	require.NoError(i.t, err)
	nonce := i.asked.Get("nonce")
	if i.nonce != "" {
		nonce = i.nonce
	}
	claims := map[string]any{"groups": i.roles, "iss": i.URL, "sub": i.who, "aud": "console", "exp": start.Add(time.Hour * 24 * 365).Unix(),
		"preferred_username": "mika@contoso.example", "nonce": nonce}
	if i.roles != nil {
		claims["roles"] = i.roles
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(i.t, err)
	return token
}

// leave goes to the issuer, and answers with where it sends the browser back to.
func (w *world) leave(browser *http.Client, i *issuer) string {
	w.t.Helper()
	return w.leaveBy(browser, i, "/console/sign-in/leave?next=/console/x")
}

func (w *world) leaveBy(browser *http.Client, i *issuer, path string) string {
	w.t.Helper()
	p := w.get(browser, path)
	require.Equal(w.t, http.StatusSeeOther, p.status, p.body)
	to := mustURL(w.t, p.header.Get("Location"))
	require.Equal(w.t, i.URL+"/authorize", to.Scheme+"://"+to.Host+to.Path)
	i.asked = to.Query()
	require.Equal(w.t, "S256", i.asked.Get("code_challenge_method"))
	back := mustURL(w.t, i.asked.Get("redirect_uri"))
	if i.asked.Get("prompt") == "none" && i.lost != "" {
		return back.Path + "?" + url.Values{"error": {i.lost}, "state": {i.asked.Get("state")}}.Encode()
	}
	return back.Path + "?" + url.Values{"code": {"the-code"}, "state": {i.asked.Get("state")}}.Encode()
}

func newWorldWithIssuer(t *testing.T, set ...func(*httpapi.OIDC)) (*world, *issuer) {
	i := newIssuer(t)
	o := httpapi.OIDC{Issuers: []string{i.URL}, Audiences: []string{"api"}, Operators: true}
	for _, one := range set {
		one(&o)
	}
	v, err := httpapi.NewOIDC(o)
	require.NoError(t, err)
	w := newWorld(t, func(o *httpapi.Options) {
		o.Tokens, o.SignInAt = v, v.SignInAt(httpapi.Client{ID: "console", Secret: "secret", Scopes: []string{"groups"}})
	})
	w.token("somebody", "manage") // or else this machine needs no session
	return w, i
}

func TestOperatorsSignInAtTheirIssuer(t *testing.T) {
	w, i := newWorldWithIssuer(t)
	require.Contains(t, w.get(w.anyone, "/console/sign-in").body, `href="/console/sign-in/leave?next=%2f"`)
	p := w.get(w.anyone, w.leave(w.anyone, i))
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Equal(t, "/console/x", p.header.Get("Location"))
	p = w.get(w.anyone, "/")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, "oidc:mika@contoso.example")
}

func TestASignInThatIsNotTheirsLetsNobodyIn(t *testing.T) {
	w, i := newWorldWithIssuer(t)
	for name, c := range map[string]struct {
		prepare func()
		forge   func(back string) string
		as      *http.Client // who comes back; nil: who has left
		status  int
	}{
		"begun in another browser": {as: w.visitor(), status: http.StatusUnauthorized},
		"another state":            {forge: func(back string) string { return strings.Replace(back, "state=", "state=x", 1) }, status: http.StatusUnauthorized},
		"another code":             {forge: func(back string) string { return strings.Replace(back, "the-code", "other", 1) }, status: http.StatusUnauthorized},
		"another issuer's code":    {forge: func(back string) string { return back + "&iss=https%3A%2F%2Fevil.example" }, status: http.StatusUnauthorized},
		"refused by the issuer":    {forge: func(back string) string { return back + "&error=access_denied" }, status: http.StatusUnauthorized},
		"a token of another time":  {prepare: func() { i.nonce = "old" }, status: http.StatusUnauthorized},
		"no operator":              {prepare: func() { i.roles = []string{"reader"} }, status: http.StatusForbidden},
		"no role":                  {prepare: func() { i.roles = nil }, status: http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			i.roles, i.nonce = []string{"operator"}, ""
			if c.prepare != nil {
				c.prepare()
			}
			leaves := w.visitor()
			back := w.leave(leaves, i)
			if c.forge != nil {
				back = c.forge(back)
			}
			comes := leaves
			if c.as != nil {
				comes = c.as
			}
			p := w.get(comes, back)
			require.Equal(t, c.status, p.status, p.body)
			require.Contains(t, p.body, `role="alert"`)
			require.Equal(t, http.StatusSeeOther, w.get(comes, "/").status, "nobody is in")
		})
	}
	t.Run("twice", func(t *testing.T) {
		i.roles, i.nonce = []string{"operator"}, ""
		leaves := w.visitor()
		back := w.leave(leaves, i)
		require.Equal(t, http.StatusSeeOther, w.get(leaves, back).status)
		require.Equal(t, http.StatusUnauthorized, w.get(leaves, back).status)
	})
}

func TestAnIssuerThatIsAwayIsSaidSo(t *testing.T) {
	w, i := newWorldWithIssuer(t)
	i.Close()
	p := w.get(w.anyone, "/console/sign-in/leave")
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.Contains(t, p.body, "does not answer")
	require.Contains(t, p.body, `name="token"`, "a token still does")
}

// signedInAt is a browser of somebody who has signed in at the issuer.
func (w *world) signedInAt(i *issuer) *http.Client {
	w.t.Helper()
	browser := w.visitor()
	p := w.get(browser, w.leave(browser, i))
	require.Equal(w.t, http.StatusSeeOther, p.status, p.body)
	return browser
}

// look is a page as a browser asks for it that somebody looks at.
func (w *world) look(browser *http.Client, path string) seen {
	w.t.Helper()
	return w.get(browser, path, "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
}

// askedAgain is where the page leads on to that asks the issuer again; empty where the page is another.
func (w *world) askedAgain(p seen) string {
	w.t.Helper()
	to, _ := strings.CutPrefix(p.header.Get("Refresh"), "0; url=")
	if to != "" {
		require.Equal(w.t, http.StatusOK, p.status)
		require.Contains(w.t, p.body, "are you still signed in?")
		require.Empty(w.t, p.header.Get("Location"), "browsers let no redirect lead to another site after a form")
	}
	return to
}

func TestWhoReadsByTheWordOfAnIssuerSeesNoButtons(t *testing.T) {
	w, i := newWorldWithIssuer(t, func(o *httpapi.OIDC) {
		watch, err := httpapi.ParseGrant("operator:read")
		require.NoError(t, err)
		o.RoleClaim, o.Roles = "groups", map[string]httpapi.Grant{"night-watch": watch}
	})
	i.roles = []string{"everybody", "night-watch"}
	reader := w.signedInAt(i)
	require.Equal(t, "openid profile groups", i.asked.Get("scope"))
	page := w.get(reader, "/console/sweeps")
	require.Equal(t, http.StatusOK, page.status)
	require.NotContains(t, page.body, "/console/sweeps/new")
	require.Equal(t, http.StatusForbidden, w.post(reader, "/console/sweeps/rules/end-term/pause", "reason", "x").status)
	require.Equal(t, http.StatusForbidden, w.get(reader, "/console/sweeps/new").status)

	i.roles = []string{"operator"}
	require.Contains(t, w.get(w.signedInAt(i), "/console/sweeps").body, "/console/sweeps/new", "others see them")

	for says, roles := range map[string][]string{"for a role in the claim groups": {"everybody"}, "needs the scope": {"operator:sweep"}} {
		i.roles = roles
		browser := w.visitor()
		p := w.get(browser, w.leave(browser, i))
		require.Equal(t, http.StatusForbidden, p.status)
		require.Contains(t, wordsOf(p), says)
	}
}

func TestIssuerIsAskedAgainWhetherItStillKnowsThem(t *testing.T) {
	w, i := newWorldWithIssuer(t)
	browser := w.signedInAt(i)
	w.advance(29 * time.Minute)
	require.Empty(t, w.askedAgain(w.look(browser, "/console/sweeps")))
	w.advance(time.Minute)
	require.Equal(t, http.StatusOK, w.get(browser, "/console/sweeps", "Sec-Fetch-Mode", "cors", "Accept", "text/html").status, "what is no page goes on")
	to := w.askedAgain(w.look(browser, "/console/sweeps?all=1"))
	require.Equal(t, "/console/sign-in/leave?again=1&next=%2Fconsole%2Fsweeps%3Fall%3D1", to)
	require.Equal(t, to, w.askedAgain(w.get(browser, "/console/sweeps?all=1", "Accept", "text/html,*/*;q=0.8")), "an old browser's, too")

	i.roles = []string{"operator:read"} // what they may do has changed meanwhile
	before := browser.Jar.Cookies(mustURL(t, w.server.URL))
	p := w.get(browser, w.leaveBy(browser, i, to))
	require.Equal(t, "none", i.asked.Get("prompt"))
	require.Equal(t, "/console/sweeps?all=1", p.header.Get("Location"), p.body)
	require.Equal(t, before[0].Value, browser.Jar.Cookies(mustURL(t, w.server.URL))[0].Value, "the session goes on")
	page := w.look(browser, "/console/sweeps")
	require.Empty(t, w.askedAgain(page))
	require.NotContains(t, page.body, "/console/sweeps/new")

	for range 23 { // half an hour each, until the twelve hours are over that a session lasts at most
		w.advance(30 * time.Minute)
		if to = w.askedAgain(w.look(browser, "/")); to == "" {
			break
		}
		require.Equal(t, http.StatusSeeOther, w.get(browser, w.leaveBy(browser, i, to)).status)
	}
	require.Equal(t, "/console/sign-in?next=%2F", w.look(browser, "/").header.Get("Location"), "twelve hours, however often it was asked")
	deeds := wordsOf(w.get(w.signedIn("other", "manage"), "/console/activity/operators"))
	require.Equal(t, 2, strings.Count(deeds, "Signed in to the console"), "to be known again is no news: %s", deeds)
}

func TestWhoIsNotAskedAboutForAnHourIsOut(t *testing.T) {
	w, i := newWorldWithIssuer(t)
	browser := w.signedInAt(i)
	w.advance(59 * time.Minute)
	require.Equal(t, http.StatusOK, w.get(browser, "/console/sweeps").status, "what somebody had begun to fill in")
	w.advance(time.Minute)
	require.Equal(t, http.StatusSeeOther, w.get(browser, "/console/sweeps").status)
	require.Equal(t, http.StatusUnauthorized, w.post(browser, "/console/sweeps/rules/end-term/pause", "reason", "x").status)
}

func TestWhomTheIssuerNoLongerKnowsIsOut(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(i *issuer)
		status  int
		says    string
	}{
		"signed out there":       {func(i *issuer) { i.lost = "login_required" }, http.StatusUnauthorized, "does not know you any more: login_required"},
		"the role is taken away": {func(i *issuer) { i.roles = []string{"else"} }, http.StatusForbidden, "does not say that you are one"},
	} {
		t.Run(name, func(t *testing.T) {
			w, i := newWorldWithIssuer(t)
			browser := w.signedInAt(i)
			kept := browser.Jar.Cookies(mustURL(t, w.server.URL))
			w.advance(31 * time.Minute)
			c.prepare(i)
			p := w.get(browser, w.leaveBy(browser, i, w.askedAgain(w.look(browser, "/"))))
			require.Equal(t, c.status, p.status)
			require.Contains(t, wordsOf(p), c.says)
			browser.Jar.SetCookies(mustURL(t, w.server.URL), kept)
			require.Equal(t, http.StatusSeeOther, w.get(browser, "/").status, "whatever they kept")
		})
	}
}

func TestAnIssuerThatIsAwaySendsNobodyOutBeforeTheHour(t *testing.T) {
	w, i := newWorldWithIssuer(t)
	browser := w.signedInAt(i)
	w.advance(31 * time.Minute)
	i.Close()
	to := w.askedAgain(w.look(browser, "/"))
	p := w.get(browser, w.leaveBy(browser, i, to))
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.Contains(t, p.body, "does not answer")
	require.Equal(t, http.StatusOK, w.get(browser, "/").status, "the session is good for a while yet")
}

func TestSomebodyElseAtTheIssuerGetsASessionOfTheirOwn(t *testing.T) {
	w, i := newWorldWithIssuer(t)
	browser := w.signedInAt(i)
	kept := browser.Jar.Cookies(mustURL(t, w.server.URL))
	w.advance(31 * time.Minute)
	i.who = "43"
	require.Equal(t, http.StatusSeeOther, w.get(browser, w.leaveBy(browser, i, w.askedAgain(w.look(browser, "/")))).status)
	require.Equal(t, http.StatusOK, w.get(browser, "/").status)
	require.NotEqual(t, kept[0].Value, browser.Jar.Cookies(mustURL(t, w.server.URL))[0].Value)
	first := w.visitor()
	first.Jar.SetCookies(mustURL(t, w.server.URL), kept)
	require.Equal(t, http.StatusSeeOther, w.get(first, "/").status, "the one before is over")
}

func TestWhoSignsOutCanDoSoAtTheIssuerToo(t *testing.T) {
	w, i := newWorldWithIssuer(t)
	browser := w.signedInAt(i)
	p := w.post(browser, "/console/sign-out")
	require.Equal(t, "/console/sign-in?left", p.header.Get("Location"))
	p = w.get(browser, p.header.Get("Location"))
	require.Contains(t, wordsOf(p), "You have signed out.")
	want := i.URL + "/leave?client_id=console&amp;post_logout_redirect_uri=" + url.QueryEscape(w.server.URL+"/console/sign-in") + "&amp;realm=x"
	require.Contains(t, p.body, `<a href="`+want+`" rel="noreferrer">`)
	require.NotContains(t, w.get(browser, "/console/sign-in").body, "/leave?client_id", "only who has just signed out")
}
