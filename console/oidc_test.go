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
	nonce string     // that the next token names instead of the one asked for
}

func newIssuer(t testing.TB) *issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := &issuer{t: t, key: key, roles: []string{"operator"}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, body any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body)
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token"})
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
	claims := map[string]any{"iss": i.URL, "sub": "42", "aud": "console", "exp": start.Add(time.Hour * 24 * 365).Unix(),
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
	p := w.get(browser, "/console/sign-in/leave?next=/console/x")
	require.Equal(w.t, http.StatusSeeOther, p.status, p.body)
	to := mustURL(w.t, p.header.Get("Location"))
	require.Equal(w.t, i.URL+"/authorize", to.Scheme+"://"+to.Host+to.Path)
	i.asked = to.Query()
	require.Equal(w.t, "S256", i.asked.Get("code_challenge_method"))
	back := mustURL(w.t, i.asked.Get("redirect_uri"))
	return back.Path + "?" + url.Values{"code": {"the-code"}, "state": {i.asked.Get("state")}}.Encode()
}

func newWorldWithIssuer(t *testing.T) (*world, *issuer) {
	i := newIssuer(t)
	v, err := httpapi.NewOIDC(httpapi.OIDC{Issuers: []string{i.URL}, Audiences: []string{"api"}, Operators: true})
	require.NoError(t, err)
	w := newWorld(t, func(o *httpapi.Options) { o.Tokens, o.SignInAt = v, v.SignInAt("console", "secret") })
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
