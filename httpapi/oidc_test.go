package httpapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An idp is an issuer of tokens, with keys that tests exchange.
type idp struct {
	*httptest.Server
	keys   []jose.JSONWebKey // public and private
	calls  itself            // itself as it writes itself
	asked  atomic.Int64      // how often for its keys
	broken atomic.Bool
}

type itself string

func newIDP(t *testing.T) *idp {
	i := &idp{keys: []jose.JSONWebKey{signingKey(t, "k1")}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		if i.broken.Load() {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": string(i.calls), "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		set := struct {
			Keys []any `json:"keys"`
		}{[]any{map[string]string{"kty": "unheard-of", "kid": "odd"}}}
		for _, k := range i.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		_ = json.NewEncoder(w).Encode(set)
	})
	i.Server = httptest.NewServer(mux)
	i.calls = itself(i.URL)
	t.Cleanup(i.Close)
	return i
}

func signingKey(t *testing.T, id string) jose.JSONWebKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}
}

// good are claims with which a token lets an Admin agent in.
func (i *idp) good() map[string]any {
	return map[string]any{"iss": i.URL, "aud": "api://tenure", "sub": "ann", "tid": strings.ToUpper(partner), "roles": []string{"adminAgent"},
		"exp": noon.Add(time.Hour).Unix(), "nbf": noon.Unix(), "iat": noon.Unix(), "preferred_username": "ann@partner.example"}
}

// with changes claims; nil takes one away.
func with(claims map[string]any, changes map[string]any) map[string]any {
	changed := maps.Clone(claims)
	for name, value := range changes {
		if changed[name] = value; value == nil {
			delete(changed, name)
		}
	}
	return changed
}

func sign(t *testing.T, key jose.JSONWebKey, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, nil)
	require.NoError(t, err)
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(t, err)
	return token
}

func (i *idp) verifier(t *testing.T, change ...func(*OIDC)) *OIDCVerifier {
	o := OIDC{Issuers: []string{i.URL}, Audiences: []string{"api://tenure"}, Skew: time.Minute, Client: i.Client()}
	for _, c := range change {
		c(&o)
	}
	v, err := NewOIDC(o)
	require.NoError(t, err)
	return v
}

func TestTokenOfAnIssuerSaysWhoComes(t *testing.T) {
	i := newIDP(t)
	who, err := i.verifier(t).Verify(t.Context(), sign(t, i.keys[0], i.good()), noon)
	require.NoError(t, err)
	require.Equal(t, Identity{Subject: i.URL + " ann", Caller: lifecycle.Caller{Name: "oidc:ann@partner.example", Tenant: partner, Role: lifecycle.AdminAgents}}, who)
}

func TestTokensThatAreNotGoodAreRefused(t *testing.T) {
	i := newIDP(t)
	v, key, good := i.verifier(t), i.keys[0], i.good()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public().Key)
	require.NoError(t, err)
	encoded := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	claims, err := json.Marshal(good)
	require.NoError(t, err)
	forged := signingKey(t, "k1")
	stranger := signingKey(t, "k9")
	genuine := sign(t, key, good)
	signature := genuine[strings.LastIndexByte(genuine, '.'):]
	for name, token := range map[string]string{
		"another audience":            sign(t, key, with(good, map[string]any{"aud": "api://other"})),
		"no audience":                 sign(t, key, with(good, map[string]any{"aud": nil})),
		"another issuer":              sign(t, key, with(good, map[string]any{"iss": "https://evil.example"})),
		"no issuer":                   sign(t, key, with(good, map[string]any{"iss": nil})),
		"issuer with a slash":         sign(t, key, with(good, map[string]any{"iss": i.URL + "/"})),
		"expired":                     sign(t, key, with(good, map[string]any{"exp": noon.Add(-62 * time.Second).Unix()})),
		"never expires":               sign(t, key, with(good, map[string]any{"exp": nil})),
		"not yet":                     sign(t, key, with(good, map[string]any{"nbf": noon.Add(62 * time.Second).Unix()})),
		"of the future":               sign(t, key, with(good, map[string]any{"iat": noon.Add(62 * time.Second).Unix()})),
		"of nobody":                   sign(t, key, with(good, map[string]any{"sub": nil})),
		"claims of odd types":         sign(t, key, with(good, map[string]any{"tid": 7})),
		"same kid, another key":       sign(t, forged, good),
		"unknown kid":                 sign(t, stranger, good),
		"another algorithm":           sign(t, jose.JSONWebKey{Key: rsaKey, KeyID: "k1", Algorithm: string(jose.RS256)}, good),
		"public key as a secret":      sign(t, jose.JSONWebKey{Key: public, KeyID: "k1", Algorithm: string(jose.HS256)}, good),
		"alg none":                    encoded(`{"alg":"none","kid":"k1"}`) + "." + encoded(string(claims)) + ".",
		"alg none, with a signature":  encoded(`{"alg":"none","kid":"k1"}`) + "." + encoded(string(claims)) + signature,
		"no signature":                strings.TrimSuffix(genuine, signature) + ".",
		"other claims, its signature": encoded(`{"alg":"ES256","kid":"k1"}`) + "." + encoded(strings.Replace(string(claims), "ann", "bob", 1)) + signature,
		"huge":                        sign(t, key, with(good, map[string]any{"padding": strings.Repeat("x", longestJWT)})),
		"nonsense":                    "a.b.c",
	} {
		_, err := v.Verify(t.Context(), token, noon)
		require.ErrorIs(t, err, ErrTokenInvalid, name)
	}
	require.EqualValues(t, 1, i.asked.Load(), "kids that there are not do not keep the issuer busy")
}

func TestClocksMayDifferByTheSkew(t *testing.T) {
	i := newIDP(t)
	narrow := i.verifier(t, func(o *OIDC) { o.Skew = 0 })
	for _, claims := range []map[string]any{{"exp": noon.Add(-50 * time.Second).Unix()}, {"nbf": noon.Add(50 * time.Second).Unix()}} {
		token := sign(t, i.keys[0], with(i.good(), claims))
		_, err := i.verifier(t).Verify(t.Context(), token, noon)
		require.NoError(t, err)
		_, err = narrow.Verify(t.Context(), token, noon)
		require.ErrorIs(t, err, ErrTokenInvalid)
	}
}

func TestRoleThatMayMostCounts(t *testing.T) {
	i := newIDP(t)
	mapped := func(o *OIDC) {
		o.Roles = map[string]Grant{"Tenure.Admins": {Role: lifecycle.AdminAgents}, "Tenure.Root": {lifecycle.Operator, []string{"manage"}}}
	}
	operators := func(o *OIDC) { mapped(o); o.Operators = true }
	for _, c := range []struct {
		roles  any
		change func(*OIDC)
		want   lifecycle.Role
	}{
		{[]string{"reader", "adminAgent", "else"}, mapped, lifecycle.AdminAgents},
		{[]string{"reader", "globalAdministrator"}, mapped, lifecycle.GlobalAdministrators},
		{"reader", mapped, lifecycle.Reader},
		{[]string{"Tenure.Admins"}, mapped, lifecycle.AdminAgents},
		{[]string{"operator", "reader"}, mapped, lifecycle.Reader},
		{[]string{"operator"}, mapped, ""},
		{[]string{"Tenure.Root"}, mapped, ""},
		{[]string{"Tenure.Root", "reader"}, operators, lifecycle.Operator},
		{[]string{"tenure.admins", "ADMINAGENT", ""}, mapped, ""},
		{[]string{}, mapped, ""}, {nil, mapped, ""},
	} {
		who, err := i.verifier(t, c.change).Verify(t.Context(), sign(t, i.keys[0], with(i.good(), map[string]any{"roles": c.roles})), noon)
		if c.want == "" {
			require.ErrorIs(t, err, ErrNoRole, "%v", c.roles)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, who.Role, "%v", c.roles)
		require.Equal(t, c.want == lifecycle.Operator, who.Tenant == "")
	}
	_, err := i.verifier(t).Verify(t.Context(), sign(t, i.keys[0], with(i.good(), map[string]any{"tid": "contoso"})), noon)
	require.ErrorIs(t, err, ErrNoRole, "a role is one in a tenant")
}

func TestNameIsThatOfThePersonElseTheProgramElseTheSubject(t *testing.T) {
	i := newIDP(t)
	for want, claims := range map[string]map[string]any{
		"oidc:ann":       {"preferred_username": nil},
		"oidc:app":       {"preferred_username": nil, "appid": "app"},
		"oidc:azp":       {"preferred_username": nil, "appid": "app", "azp": "azp"},
		"oidc:two lines": {"preferred_username": "two\r\n lines"},
		"oidc:" + strings.Repeat("x", longestName): {"preferred_username": strings.Repeat("x", 1000)},
	} {
		who, err := i.verifier(t).Verify(t.Context(), sign(t, i.keys[0], with(i.good(), claims)), noon)
		require.NoError(t, err)
		require.Equal(t, want, who.Name)
	}
}

func TestIssuerOfManyTenantsIsNamedByTheTenant(t *testing.T) {
	i := newIDP(t)
	base := i.URL
	i.calls = itself(base + "/{tenantid}")
	i.Config.Handler = http.StripPrefix("/organizations", i.Config.Handler) // it answers nothing else
	i.URL = base + "/organizations"
	v := i.verifier(t, func(o *OIDC) { o.Issuers, o.Operators = []string{string(i.calls)}, true })
	ours := with(i.good(), map[string]any{"iss": base + "/" + partner})
	who, err := v.Verify(t.Context(), sign(t, i.keys[0], ours), noon)
	require.NoError(t, err)
	require.Equal(t, partner, who.Tenant)

	_, err = v.Verify(t.Context(), sign(t, i.keys[0], with(ours, map[string]any{"tid": contoso})), noon)
	require.ErrorIs(t, err, ErrTokenInvalid, "a tenant cannot speak for another")
	_, err = v.Verify(t.Context(), sign(t, i.keys[0], with(ours, map[string]any{"roles": "operator"})), noon)
	require.ErrorIs(t, err, ErrNoRole, "nor make itself the operator")
}

func TestKeysAreFollowedAsTheyRotate(t *testing.T) {
	i := newIDP(t)
	v, old := i.verifier(t), i.keys[0]
	verify := func(key jose.JSONWebKey, wall time.Time) error {
		_, err := v.Verify(t.Context(), sign(t, key, with(i.good(), map[string]any{"exp": wall.Add(time.Hour).Unix()})), wall)
		return err
	}
	require.NoError(t, verify(old, noon))
	fresh := signingKey(t, "k2")
	i.keys = append(i.keys, fresh)
	require.ErrorIs(t, verify(fresh, noon.Add(59*time.Second)), ErrTokenInvalid, "it was asked a moment ago")
	require.NoError(t, verify(fresh, noon.Add(60*time.Second)))
	require.NoError(t, verify(old, noon.Add(60*time.Second)))
	require.EqualValues(t, 2, i.asked.Load())

	i.keys = i.keys[1:]
	require.NoError(t, verify(old, noon.Add(time.Hour)))
	require.ErrorIs(t, verify(old, noon.Add(25*time.Hour)), ErrTokenInvalid, "after a day it is known to be withdrawn")
	i.broken.Store(true)
	require.NoError(t, verify(fresh, noon.Add(72*time.Hour)), "keys that are known outlive an issuer that is away")
}

func TestIssuerThatIsAwayIsNotATokenThatIsBad(t *testing.T) {
	i := newIDP(t)
	v := i.verifier(t)
	i.broken.Store(true)
	token := sign(t, i.keys[0], i.good())
	_, err := v.Verify(t.Context(), token, noon)
	require.ErrorIs(t, err, ErrIssuerAway)
	i.broken.Store(false)
	_, err = v.Verify(t.Context(), token, noon.Add(9*time.Second))
	require.ErrorIs(t, err, ErrIssuerAway, "it is left alone for a moment")
	_, err = v.Verify(t.Context(), token, noon.Add(10*time.Second))
	require.NoError(t, err)
}

func TestIssuerMustCallItselfWhatItIsCalledHere(t *testing.T) {
	i := newIDP(t)
	i.calls = "https://login.example.com"
	_, err := i.verifier(t).Verify(t.Context(), sign(t, i.keys[0], i.good()), noon)
	require.ErrorIs(t, err, ErrIssuerAway)
	require.ErrorContains(t, err, "it calls itself https://login.example.com")
}

func TestSettingsOfIssuersAreChecked(t *testing.T) {
	for want, o := range map[string]OIDC{
		"an issuer and an audience are needed":   {},
		"is not https":                           {Issuers: []string{"http://login.example.com"}, Audiences: []string{"a"}},
		"is no address":                          {Issuers: []string{"login"}, Audiences: []string{"a"}},
		"has more to it":                         {Issuers: []string{"https://login.example.com?x=1"}, Audiences: []string{"a"}},
		`role "x": "king" is no role; there are`: {Issuers: []string{"https://login.example.com"}, Audiences: []string{"a"}, Roles: map[string]Grant{"x": {Role: "king"}}},
	} {
		_, err := NewOIDC(o)
		require.ErrorContains(t, err, want)
	}
}

func TestTokensOfIssuersOpenWhatTheirRoleMay(t *testing.T) {
	i := newIDP(t)
	wall := func(o *Options) { o.Wall = func() time.Time { return noon } }
	w := recordsWorld(t, wall, func(o *Options) { o.Tokens = i.verifier(t) })
	w.token = sign(t, i.keys[0], with(i.good(), map[string]any{"tid": contoso, "roles": "globalAdministrator"}))
	require.Equal(t, 200, w.do("GET", customerPath+"/"+pendingID, "").status)
	w.do("GET", "/v1/sweeps", "").problem(roleMissing)
	w.as(sign(t, i.keys[0], with(i.good(), map[string]any{"roles": nil}))).do("GET", customerPath, "").problem(roleMissing)
	r := w.as(sign(t, i.keys[0], with(i.good(), map[string]any{"exp": 7}))).do("GET", customerPath, "")
	require.Contains(t, r.problem(tokenUnknown).Detail, "it has expired (exp)")
	require.Equal(t, `Bearer realm="tenure", error="invalid_token"`, r.header.Get("WWW-Authenticate"))
	require.NotContains(t, w.log.String(), w.token[20:])

	i.broken.Store(true)
	w.server.tokens = i.verifier(t)
	r = w.do("GET", customerPath, "")
	r.problem(issuerAway)
	require.Equal(t, "10", r.header.Get("Retry-After"))
	require.Equal(t, 200, w.as(w.newToken("ours", ScopeRead)).do("GET", customerPath, "").status, "our own go on working")

	w.server.tokens = nil
	w.do("GET", customerPath, "").problem(tokenUnknown)
}

func TestWhoHangsUpDoesNotWaitForTheIssuer(t *testing.T) {
	i := newIDP(t)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	_, err := i.verifier(t).Verify(ctx, sign(t, i.keys[0], i.good()), noon)
	if err != nil { // the keys may have come all the same
		require.ErrorIs(t, err, ErrIssuerAway)
	}
}

func TestOperatorsMayDoWhatTheirRolesSayTogether(t *testing.T) {
	i := newIDP(t)
	watch, err := ParseGrant("operator:read")
	require.NoError(t, err)
	both, err := ParseGrant("operator:read+sweep")
	require.NoError(t, err)
	v := i.verifier(t, func(o *OIDC) {
		o.Operators, o.RoleClaim = true, "realm_access.roles"
		o.Roles = map[string]Grant{"watchers": watch, "sweepers": both}
	})
	for _, c := range []struct {
		claims    map[string]any
		scopes    []string
		readsOnly bool
	}{
		{map[string]any{"realm_access": map[string]any{"roles": []string{"watchers", "offline_access"}}}, []string{"read"}, true},
		{map[string]any{"realm_access": map[string]any{"roles": []string{"watchers", "sweepers"}}}, []string{"read", "sweep"}, true},
		{map[string]any{"realm_access": map[string]any{"roles": []string{"watchers", "operator"}}}, []string{"manage", "read"}, false},
		{map[string]any{"realm_access": map[string]any{"roles": "operator:sweep"}}, []string{"sweep"}, true},
		{map[string]any{"realm_access.roles": []string{"watchers"}}, []string{"read"}, true},
	} {
		who, err := v.Verify(t.Context(), sign(t, i.keys[0], with(i.good(), c.claims)), noon)
		require.NoError(t, err, c.claims)
		require.Equal(t, lifecycle.Operator, who.Role)
		require.Equal(t, c.scopes, who.Scopes)
		require.Equal(t, c.readsOnly, who.ReadsOnly)
		require.Empty(t, who.Tenant)
	}
	for _, none := range []map[string]any{{"roles": []string{"operator"}}, {"realm_access": "watchers"}, {"realm_access": map[string]any{"roles": map[string]any{"watchers": true}}}, {"realm_access": nil}} {
		_, err := v.Verify(t.Context(), sign(t, i.keys[0], with(i.good(), none)), noon)
		require.ErrorIs(t, err, ErrNoRole, none)
		require.ErrorContains(t, err, "realm_access.roles")
	}
}

func TestGrantsAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]Grant{
		"reader": {Role: lifecycle.Reader}, "adminAgent": {Role: lifecycle.AdminAgents},
		"operator": {lifecycle.Operator, []string{"manage"}}, "operator:read": {lifecycle.Operator, []string{"read"}},
		"operator:read+sweep": {lifecycle.Operator, []string{"read", "sweep"}},
	} {
		g, err := ParseGrant(text)
		require.NoError(t, err)
		require.Equal(t, want, g)
	}
	for text, says := range map[string]string{"": `no role ""`, "king": `no role "king"`, "operator:": `no scope ""`, "operator:rule": `no scope "rule"`,
		"operator:read,sweep": "no scope", "reader:read": "write reader"} {
		_, err := ParseGrant(text)
		require.ErrorContains(t, err, says, text)
	}
}
