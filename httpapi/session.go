package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A SessionStore keeps who has signed in to the console.
type SessionStore interface {
	// BeginSession keeps a session under the hash of its secret.
	BeginSession(ctx context.Context, s lifecycle.Session, hash []byte) error

	// SessionByHash finds a session that is good at an instant of the machine's clock; [lifecycle.ErrNotFound].
	SessionByHash(ctx context.Context, hash []byte, wall time.Time) (lifecycle.Session, error)

	// CheckSession notes that an issuer has vouched for somebody again, and what they may do now.
	CheckSession(ctx context.Context, hash []byte, checked lifecycle.Session) error

	// EndSession forgets a session.
	EndSession(ctx context.Context, hash []byte) error
}

// sessionLasts is a working day and a little: whoever signs in in the morning is not sent away before the evening.
const sessionLasts = 12 * time.Hour

// SignIn begins a session for whoever shows a token of an operator, tenure's own or an issuer's. The secret is for their cookie, and
// kept nowhere; the session whose secret they had before ends. The error is a [Problem], to be shown to them.
func (s *Server) SignIn(r *http.Request, token, before string) (secret string, ends time.Time, err error) {
	if p := s.restrainSignIn(r); p != nil {
		return "", time.Time{}, p
	}
	shown := r.Clone(r.Context())
	shown.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	b, p := s.identify(shown, "")
	switch {
	case p != nil:
	case b.Role != lifecycle.Operator:
		p = roleMissing.says(consoleForOperators.Say("name", b.Name, "role", b.Role))
	default:
		p = b.refused(ScopeRead)
	}
	if p != nil {
		return "", time.Time{}, s.refuseSignIn(r, p)
	}
	if before != "" {
		if err := s.SignOut(r, before); err != nil {
			return "", time.Time{}, err
		}
	}
	return s.beginSession(r, b)
}

// signInRate is how often there may be attempts to sign in from one address: enough for all who sit behind one proxy, and too few to
// keep the database busy. Guessing a token is hopeless at any rate.
var signInRate = Rate{PerSecond: 1, Burst: 30}

// restrainSignIn says that there were too many attempts from one address; nil where there were not.
func (s *Server) restrainSignIn(r *http.Request) *Problem {
	wait := s.signIns.take(s.addressOf(r), s.wall())
	if wait == 0 {
		return nil
	}
	p := tooManyRequests.says(signInsTooOften.Say("wait", seconds(wait.Round(time.Second)+time.Second)))
	p.header("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return p
}

// refuseSignIn keeps that somebody could not sign in, and hands the reason on.
func (s *Server) refuseSignIn(r *http.Request, why error) error {
	var p *Problem
	if !errors.As(why, &p) || p.Status >= http.StatusInternalServerError {
		return why // nobody was refused: something was away
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), s.limits.request)
	defer cancel()
	refused := lifecycle.Deed{At: s.now(), By: lifecycle.Caller{Address: s.addressOf(r), Request: requestID(r)}, What: lifecycle.SignedIn, Status: p.Status, Detail: p.Detail}
	if err := s.store.RecordRefusedSignIn(ctx, refused); err != nil {
		s.log.Error("that somebody could not sign in could not be recorded", "address", refused.By.Address, "error", redact(err.Error()))
	}
	return why
}

func (s *Server) beginSession(r *http.Request, b *bearer) (secret string, ends time.Time, err error) {
	begun := lifecycle.Session{Caller: b.Caller, Scopes: b.scopes, Began: s.wall()}
	begun.Ends = begun.Began.Add(sessionLasts)
	if id, ok := strings.CutPrefix(b.key, "token "); ok {
		begun.Token, _ = strconv.ParseInt(id, 10, 64) // it was made of a number
	} else {
		begun.Subject, begun.Checked = b.key, begun.Began
	}
	secret = rand.Text()
	if err := s.store.BeginSession(r.Context(), begun, HashToken(secret)); err != nil {
		return "", time.Time{}, problemOf(fmt.Errorf("beginning a session: %w", err)).base()
	}
	s.log.Info("signed in", "by", b.Name, "address", s.addressOf(r))
	s.recordVisit(r, lifecycle.SignedIn, b.Caller)
	return secret, begun.Ends, nil
}

// SignOut ends a session.
func (s *Server) SignOut(r *http.Request, secret string) error {
	ended, unknown := s.store.SessionByHash(r.Context(), HashToken(secret), s.wall())
	if err := s.store.EndSession(r.Context(), HashToken(secret)); err != nil {
		return problemOf(fmt.Errorf("ending a session: %w", err)).base()
	}
	if unknown == nil { // one that had ended by itself is no news
		s.recordVisit(r, lifecycle.SignedOut, ended.Caller)
	}
	return nil
}

// Enter says who wants to look at the console; secret is what their cookie holds, or empty. The error is a [Problem], with status 401 where
// they have to sign in. While there is no token, whoever works on this machine needs none, as for the API.
func (s *Server) Enter(r *http.Request, secret string) (lifecycle.Session, error) {
	var found lifecycle.Session
	err := lifecycle.ErrNotFound
	if secret != "" {
		found, err = s.store.SessionByHash(r.Context(), HashToken(secret), s.wall())
	}
	if errors.Is(err, lifecycle.ErrNotFound) {
		anonymous := r.Clone(r.Context())
		anonymous.Header.Del("Authorization")
		b, p := s.identify(anonymous, "")
		if p != nil {
			return lifecycle.Session{}, p
		}
		found, err = lifecycle.Session{Caller: b.Caller, Scopes: b.scopes}, nil
	}
	if err != nil {
		return lifecycle.Session{}, problemOf(fmt.Errorf("looking up a session: %w", err)).base()
	}
	found.Caller = operator(found.Caller.Name, "", found.Scopes).Caller
	found.Caller.Address = s.addressOf(r)
	b := bearer{key: sessionKey(&found)}
	if p := s.restrain(&b); p != nil {
		return lifecycle.Session{}, p
	}
	return found, nil
}

// sessionKey is by what the requests of whoever has signed in are counted: those of one token with the token's own.
func sessionKey(as *lifecycle.Session) string {
	if as.Token != 0 {
		return "token " + strconv.FormatInt(as.Token, 10)
	}
	return "console " + as.Caller.Name
}
