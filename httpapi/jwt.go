package httpapi

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Tokens says who shows a JSON Web Token. It may be called from many goroutines.
type Tokens interface {
	// Verify reads a token at an instant of the machine's clock. The error is an [ErrTokenInvalid], an [ErrNoRole] or an
	// [ErrIssuerAway]; its text is for whoever showed the token.
	Verify(ctx context.Context, token string, wall time.Time) (Identity, error)
}

// An Identity is who shows a token that somebody else has issued.
type Identity struct {
	lifecycle.Caller
	Scopes  []string // of an operator: what they may do
	Subject string   // one of their own, of the issuer and whom it speaks of
	Nonce   string   // of the attempt to sign in that it was issued for; empty where it was for none
}

// Why a token lets nobody in.
var (
	ErrTokenInvalid = errors.New("the token is not good")
	ErrNoRole       = errors.New("the token gives no role here")
	ErrIssuerAway   = errors.New("the issuer of the token does not answer")
)

// jwtForm is three parts, each in base64url; whatever else is shown is none.
var jwtForm = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$`)

func (s *Server) identifyJWT(r *http.Request, token string) (*bearer, *Problem) {
	found, err := s.tokens.Verify(r.Context(), token, s.wall())
	switch {
	case errors.Is(err, ErrNoRole):
		return nil, roleMissing.problem("%s.", upperFirst(err.Error()))
	case errors.Is(err, ErrTokenInvalid):
		return nil, notKnown(tokenNotGood.Say("why", upperFirst(err.Error())))
	case err != nil:
		p := issuerAway.problem("The issuer of the token does not answer, so nobody knows whether it is good. Ask again; tokens of tenure's own go on working.")
		p.header("Retry-After", "10")
		p.cause = err
		return nil, p
	}
	return &bearer{Caller: found.Caller, key: "jwt " + found.Subject, scopes: found.Scopes}, nil
}
