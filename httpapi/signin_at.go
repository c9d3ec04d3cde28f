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
	"slices"
	"strings"
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
	scopes       []string // that are asked for
}

// A Client is what an issuer knows a deployment as.
type Client struct {
	ID     string
	Secret string   // empty: a public client
	Scopes []string // asked for beside openid and profile, such as groups
}

// endpoints are where an issuer lets people sign in, and gives tokens for the codes with which they come back.
type endpoints struct {
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	SignOut       string `json:"end_session_endpoint"` // OpenID Connect RP-Initiated Logout 1.0; empty where the issuer has none
}

// SignInAt lets people sign in at the first of the issuers, as the client that it knows the deployment as.
func (v *OIDCVerifier) SignInAt(as Client) *SignInAt {
	itself := *v
	itself.audiences = []string{as.ID} // an ID token is meant for the client
	return &SignInAt{issuer: v.issuers[0], verifier: &itself, clientID: as.ID, clientSecret: as.Secret,
		scopes: append([]string{"openid", "profile"}, as.Scopes...)}
}

// An attempt to sign in is kept by the browser until it comes back: whoever has been sent there by somebody else has none.
type attempt struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Back     string `json:"back"`  // the page that they wanted
	Again    bool   `json:"again"` // they have a session, and the issuer is to say without asking them whether it still knows them
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

// SignOutAt is where at the issuer somebody who has signed out here can sign out there too, of all else that they are signed in to by it;
// empty where it has no such place.
// Source: OpenID Connect RP-Initiated Logout 1.0, section 2: without an ID token, which we do not keep, the issuer asks them whether they mean it.
func (s *Server) SignOutAt(r *http.Request) string {
	if s.signInAt == nil {
		return ""
	}
	config, found, err := s.signInAt.config(r.Context(), s.callback(r), s.wall())
	if err != nil || found.SignOut == "" {
		return ""
	}
	u, err := url.Parse(found.SignOut)
	if err != nil || fetchable(u) != nil {
		return ""
	}
	query := u.Query()
	query.Set("client_id", config.ClientID)
	query.Set("post_logout_redirect_uri", strings.TrimSuffix(config.RedirectURL, "/done"))
	u.RawQuery = query.Encode()
	return u.String()
}

// LeaveToSignIn says where at the issuer somebody signs in who wants a page, and what their browser has to keep meanwhile. Where they are to
// be known again, the issuer shows them nothing.
func (s *Server) LeaveToSignIn(r *http.Request, back string, again bool) (address, kept string, err error) {
	if s.signInAt == nil {
		return "", "", unknownPath.says(noIssuer.Say())
	}
	begun := attempt{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), back, again}
	config, _, err := s.signInAt.config(r.Context(), s.callback(r), s.wall())
	if err != nil {
		return "", "", s.issuerSilent(err)
	}
	text, err := json.Marshal(begun)
	if err != nil {
		return "", "", err
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(begun.Verifier), oauth2.SetAuthURLParam("nonce", begun.Nonce)}
	if again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "none")) // OpenID Connect Core 1.0, section 3.1.2.1
	}
	address = config.AuthCodeURL(begun.State, options...)
	return address, base64.RawURLEncoding.EncodeToString(text), nil
}

// ReturnFromSignIn begins a session for somebody who comes back from the issuer, with what their browser has kept; back is the page that
// they wanted. Where secret is that of a session of theirs, that one goes on instead, with what they may do now.
func (s *Server) ReturnFromSignIn(r *http.Request, kept, secret string) (now, back string, ends time.Time, err error) {
	var begun attempt
	text, broken := base64.RawURLEncoding.DecodeString(kept)
	if broken != nil || json.Unmarshal(text, &begun) != nil || begun.State == "" || s.signInAt == nil ||
		subtle.ConstantTimeCompare([]byte(begun.State), []byte(r.URL.Query().Get("state"))) != 1 {
		return "", "", time.Time{}, tokenUnknown.says(otherSignIn.Say())
	}
	if from := r.URL.Query().Get("iss"); from != "" && from != s.signInAt.issuer.name { // RFC 9207
		return "", "", time.Time{}, tokenUnknown.problem("This comes from another issuer than the one you were sent to; sign in again.")
	}
	who, err := s.whoReturns(r, &begun)
	if err != nil {
		return "", "", time.Time{}, errors.Join(s.refuseSignIn(r, err), s.forget(r, secret, err))
	}
	now, ends, err = s.goOnOrBegin(r, secret, operator(who.Name, "jwt "+who.Subject, who.Scopes))
	return now, begun.Back, ends, err
}

// whoReturns is who the issuer says it is. The error is a [Problem].
func (s *Server) whoReturns(r *http.Request, begun *attempt) (Identity, error) {
	if refused := r.URL.Query().Get("error"); refused != "" {
		if begun.Again {
			return Identity{}, tokenUnknown.says(issuerKnowsNoMore.Say("why", shorten(refused)))
		}
		return Identity{}, tokenUnknown.says(issuerRefused.Say("why", shorten(refused)))
	}
	who, err := s.signInAt.exchange(r.Context(), s.callback(r), r.URL.Query().Get("code"), begun, s.wall())
	switch {
	case errors.Is(err, ErrNoRole), err == nil && who.Role != lifecycle.Operator:
		return Identity{}, roleMissing.says(issuerNamesNoOperator.Say("claim", s.signInAt.verifier.claim))
	case err == nil && !slices.Contains(who.Scopes, string(ScopeRead)) && !slices.Contains(who.Scopes, string(ScopeManage)):
		return Identity{}, scopeMissing.says(issuerGivesNoScope.Say("scope", ScopeRead, "scopes", listScopes(who.Scopes)))
	case errors.Is(err, ErrTokenInvalid):
		return Identity{}, notKnown(tokenNotGood.Say("why", upperFirst(err.Error())))
	case err != nil:
		return Identity{}, s.issuerSilent(err)
	}
	return who, nil
}

// goOnOrBegin lets a session go on whose bearer the issuer has just named again, or begins one. One of somebody else's, or of a token's,
// that the browser had is over then: nobody has two.
func (s *Server) goOnOrBegin(r *http.Request, secret string, b *bearer) (now string, ends time.Time, err error) {
	if secret != "" {
		going, err := s.store.SessionByHash(r.Context(), HashToken(secret), s.wall())
		if err == nil && going.Vouched() && going.Subject == b.key {
			going.Scopes, going.Checked = b.scopes, s.wall()
			if err := s.store.CheckSession(r.Context(), HashToken(secret), going); err != nil {
				return "", time.Time{}, problemOf(fmt.Errorf("going on with a session: %w", err)).base()
			}
			return secret, going.Ends, nil
		}
		if err := s.SignOut(r, secret); err != nil {
			return "", time.Time{}, err
		}
	}
	return s.beginSession(r, b)
}

// forget ends the session of somebody who came back without the issuer's word, unless the issuer just did not answer.
func (s *Server) forget(r *http.Request, secret string, why error) error {
	var p *Problem
	if secret == "" || errors.As(why, &p) && p.Status >= http.StatusInternalServerError {
		return nil
	}
	going, err := s.store.SessionByHash(r.Context(), HashToken(secret), s.wall())
	if err != nil || !going.Vouched() {
		return nil //nolint:nilerr // there is none to end
	}
	return s.SignOut(r, secret)
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

// config is how the issuer is asked, and where it says that it is.
func (a *SignInAt) config(ctx context.Context, callback string, wall time.Time) (*oauth2.Config, endpoints, error) {
	found := a.issuer.endpoints(wall)
	if found == (endpoints{}) {
		if err := a.issuer.ask(ctx, wall); err != nil {
			return nil, found, err
		}
		found = a.issuer.endpoints(wall)
	}
	for _, address := range []string{found.Authorization, found.Token} {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return nil, found, fmt.Errorf("%s does not say where people sign in", a.issuer.name)
		}
		if err := fetchable(u); err != nil {
			return nil, found, err
		}
	}
	return &oauth2.Config{ClientID: a.clientID, ClientSecret: a.clientSecret, RedirectURL: callback, Scopes: a.scopes,
		Endpoint: oauth2.Endpoint{AuthURL: found.Authorization, TokenURL: found.Token}}, found, nil
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
	config, _, err := a.config(ctx, callback, wall)
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
