package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// An identityProvider issues tokens for scripts.
type identityProvider struct {
	url string
	key *rsa.PrivateKey
}

// identityProviders are those of all scripts that run, by folder.
var identityProviders sync.Map

// issuer starts an OpenID Connect issuer and puts its address into a variable: issuer VARIABLE.
func issuer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: issuer VARIABLE")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ts.Check(err)
	p := &identityProvider{key: key}
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": p.url, "jwks_uri": p.url + "/keys", "authorization_endpoint": p.url + "/authorize", "token_endpoint": p.url + "/token",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"pairwise"}, "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one",
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}}})
	})
	server := httptest.NewServer(mux)
	p.url = server.URL
	identityProviders.Store(ts.Getenv("WORK"), p)
	ts.Defer(func() {
		server.CloseClientConnections()
		server.Close()
		identityProviders.Delete(ts.Getenv("WORK"))
	})
	ts.Setenv(args[0], p.url)
}

// issue puts a token of the issuer into a variable, good for an hour: issue VARIABLE AUDIENCE TENANT ROLE.
func issue(ts *testscript.TestScript, neg bool, args []string) {
	found, ok := identityProviders.Load(ts.Getenv("WORK"))
	if neg || len(args) != 4 || !ok {
		ts.Fatalf("usage: issue VARIABLE AUDIENCE TENANT ROLE, after issuer")
	}
	p := found.(*identityProvider)
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{"iss": p.url, "aud": args[1], "tid": args[2], "roles": []string{args[3]}, "sub": "subject-1",
		"preferred_username": "ann@example.com", "iat": now, "nbf": now, "exp": now + 3600})
	ts.Check(err)
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT","kid":"one"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, digest[:])
	ts.Check(err)
	ts.Setenv(args[0], fmt.Sprintf("%s.%s", signed, base64.RawURLEncoding.EncodeToString(signature)))
}
