package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A SignInAt is an OpenID Connect issuer at which people sign in to the console, by the authorization code flow with PKCE. It is made by
// [OIDCVerifier.SignInAt]. Source: OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9700.
type SignInAt struct {
	issuer       *issuer
	verifier     *OIDCVerifier
	clientID     string
	clientSecret string
}

// endpoints are where an issuer lets people sign in, and gives tokens for the codes with which they come back.
type endpoints struct {
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
}

// SignInAt lets people sign in at the first of the issuers, as the client that it knows under an id. A public client has no secret.
func (v *OIDCVerifier) SignInAt(clientID, clientSecret string) *SignInAt {
	itself := *v
	itself.audiences = []string{clientID} // an ID token is meant for the client
	return &SignInAt{issuer: v.issuers[0], verifier: &itself, clientID: clientID, clientSecret: clientSecret}
}

// An attempt to sign in is kept by the browser until it comes back: whoever has been sent there by somebody else has none.
type attempt struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Back     string `json:"back"` // the page that they wanted
}

// callbackPath is where an issuer sends people back to.
const callbackPath = consolePrefix + "sign-in/done"

// SignsInAt is the issuer at which people sign in; empty where there is none.
func (s *Server) SignsInAt() string {
	if s.signInAt == nil {
		return ""
	}
	return s.signInAt.issuer.name
}

// LeaveToSignIn says where at the issuer somebody signs in who wants a page, and what their browser has to keep meanwhile.
func (s *Server) LeaveToSignIn(r *http.Request, back string) (address, kept string, err error) {
	if s.signInAt == nil {
		return "", "", unknownPath.says(noIssuer.Say())
	}
	begun := attempt{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), back}
	config, err := s.signInAt.config(r.Context(), s.callback(r), s.wall())
	if err != nil {
		return "", "", s.issuerSilent(err)
	}
	text, err := json.Marshal(begun)
	if err != nil {
		return "", "", err
	}
	address = config.AuthCodeURL(begun.State, oauth2.S256ChallengeOption(begun.Verifier), oauth2.SetAuthURLParam("nonce", begun.Nonce))
	return address, base64.RawURLEncoding.EncodeToString(text), nil
}

// ReturnFromSignIn begins a session for somebody who comes back from the issuer, with what their browser has kept; back is the page that
// they wanted.
func (s *Server) ReturnFromSignIn(r *http.Request, kept string) (secret, back string, ends time.Time, err error) {
	var begun attempt
	text, broken := base64.RawURLEncoding.DecodeString(kept)
	if broken != nil || json.Unmarshal(text, &begun) != nil || begun.State == "" || s.signInAt == nil ||
		subtle.ConstantTimeCompare([]byte(begun.State), []byte(r.URL.Query().Get("state"))) != 1 {
		return "", "", time.Time{}, tokenUnknown.says(otherSignIn.Say())
	}
	if refused := r.URL.Query().Get("error"); refused != "" {
		return "", "", time.Time{}, tokenUnknown.says(issuerRefused.Say("why", shorten(refused)))
	}
	who, err := s.signInAt.exchange(r.Context(), s.callback(r), r.URL.Query().Get("code"), &begun, s.wall())
	switch {
	case errors.Is(err, ErrNoRole), err == nil && who.Role != lifecycle.Operator:
		return "", "", time.Time{}, roleMissing.says(issuerNamesNoOperator.Say())
	case errors.Is(err, ErrTokenInvalid):
		return "", "", time.Time{}, notKnown(tokenNotGood.Say("why", upperFirst(err.Error())))
	case err != nil:
		return "", "", time.Time{}, s.issuerSilent(err)
	}
	secret, ends, err = s.beginSession(r, operator(who.Name, "jwt "+who.Subject, []string{string(ScopeManage)}))
	return secret, begun.Back, ends, err
}

func (s *Server) issuerSilent(cause error) *Problem {
	p := issuerAway.problem("The issuer does not answer, so nobody can sign in there. Try again; tokens of tenure's own go on working.")
	p.cause = cause
	s.log.Warn("the issuer at which people sign in does not answer", "error", redact(cause.Error()))
	return p
}

// callback is where the issuer sends people back to; it must know the address.
func (s *Server) callback(r *http.Request) string {
	if s.publicURL != "" {
		return s.publicURL + callbackPath
	}
	here := url.URL{Scheme: "http", Host: r.Host, Path: callbackPath}
	if r.TLS != nil {
		here.Scheme = "https"
	}
	return here.String()
}

// config is how the issuer is asked.
func (a *SignInAt) config(ctx context.Context, callback string, wall time.Time) (*oauth2.Config, error) {
	found := a.issuer.endpoints(wall)
	if found == (endpoints{}) {
		if err := a.issuer.ask(ctx, wall); err != nil {
			return nil, err
		}
		found = a.issuer.endpoints(wall)
	}
	for _, address := range []string{found.Authorization, found.Token} {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("%s does not say where people sign in", a.issuer.name)
		}
		if err := fetchable(u); err != nil {
			return nil, err
		}
	}
	return &oauth2.Config{ClientID: a.clientID, ClientSecret: a.clientSecret, RedirectURL: callback, Scopes: []string{"openid", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: found.Authorization, TokenURL: found.Token}}, nil
}

// endpoints are those that the issuer named when it was last asked; none where that is long ago.
func (i *issuer) endpoints(wall time.Time) endpoints {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.got.IsZero() || wall.Sub(i.got) >= keysKept {
		return endpoints{}
	}
	return i.signIn
}

// exchange gives the code for an ID token, and reads who it speaks of.
func (a *SignInAt) exchange(ctx context.Context, callback, code string, begun *attempt, wall time.Time) (Identity, error) {
	config, err := a.config(ctx, callback, wall)
	if err != nil {
		return Identity{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, a.issuer.client), askPatience)
	defer cancel()
	given, err := config.Exchange(ctx, code, oauth2.VerifierOption(begun.Verifier))
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return Identity{}, fmt.Errorf("%w: the issuer does not take its own code (%s)", ErrTokenInvalid, shorten(refused.ErrorCode))
	}
	if err != nil {
		return Identity{}, err
	}
	token, _ := given.Extra("id_token").(string)
	who, err := a.verifier.Verify(ctx, token, wall)
	if err == nil && subtle.ConstantTimeCompare([]byte(who.Nonce), []byte(begun.Nonce)) != 1 {
		return Identity{}, fmt.Errorf("%w: it was issued for another sign-in", ErrTokenInvalid)
	}
	return who, err
}
