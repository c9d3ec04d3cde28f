package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/tenure-dev/tenure/lifecycle"
)

// OIDC says whose JSON Web Tokens are taken, and for what. Source: OpenID Connect Core 1.0 and Discovery 1.0; RFC 8725.
type OIDC struct {
	// Issuers are those that are trusted, as they write themselves into iss. {tenantid} stands for the token's tid, as Microsoft
	// Entra has it: https://login.microsoftonline.com/{tenantid}/v2.0.
	Issuers   []string
	Audiences []string // a token must be meant for one of them

	RoleClaim string           // the claim that names roles; empty: roles. Where no claim has the name, its dots lead into claims
	Roles     map[string]Grant // what a name in it means; beside the grants' own names
	Operators bool             // the role operator is taken from tokens, of issuers without {tenantid}; else it counts for nothing

	Skew   time.Duration // by which clocks may differ
	Client *http.Client  // nil: one that waits for ten seconds
}

// An OIDCVerifier reads tokens of OpenID Connect issuers. It satisfies [Tokens].
type OIDCVerifier struct {
	issuers   []*issuer
	audiences []string
	claim     string // that names roles
	roles     map[string]Grant
	operators bool
	skew      time.Duration
}

// asymmetric are the algorithms that are taken: with any other, whoever may read the keys could sign, or nobody signs at all.
var asymmetric = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

const (
	tenantPlaceholder = "{tenantid}"
	longestJWT        = 12 << 10 // bytes; those of Entra with 200 groups have about 10 KiB
	longestName       = 200      // bytes of a name that are kept
)

// NewOIDC checks the settings. It asks no issuer: one that is away is no reason not to start.
func NewOIDC(o OIDC) (*OIDCVerifier, error) {
	v := &OIDCVerifier{audiences: o.Audiences, operators: o.Operators, skew: o.Skew, claim: cmp.Or(o.RoleClaim, "roles"), roles: o.Roles}
	var faults []error
	for name, grant := range o.Roles {
		if !slices.Contains(lifecycle.CallerRoles, grant.Role) {
			faults = append(faults, fmt.Errorf("role %q: %q is no role; there are %s", name, grant.Role, strings.ReplaceAll(joined(lifecycle.CallerRoles), ",", ", ")))
		}
	}
	if len(o.Issuers) == 0 || len(o.Audiences) == 0 || slices.Contains(o.Audiences, "") {
		faults = append(faults, errors.New("an issuer and an audience are needed: whose tokens are taken, and that they are meant for this deployment"))
	}
	for _, name := range o.Issuers {
		i, err := newIssuer(name, o.Client)
		if err != nil {
			faults = append(faults, fmt.Errorf("issuer %q: %w", name, err))
			continue
		}
		v.issuers = append(v.issuers, i)
	}
	return v, errors.Join(faults...)
}

// claims are what is read of a token.
type claims struct {
	jwt.Claims
	Tenant   string `json:"tid"`
	Username string `json:"preferred_username"`
	Party    string `json:"azp"`
	App      string `json:"appid"`
	Nonce    string `json:"nonce"`
}

// Verify reads a token; see [Tokens].
func (v *OIDCVerifier) Verify(ctx context.Context, token string, wall time.Time) (Identity, error) {
	invalid := func(why string) (Identity, error) { return Identity{}, fmt.Errorf("%w: %s", ErrTokenInvalid, why) }
	if len(token) > longestJWT {
		return invalid("it is too large")
	}
	parsed, err := jwt.ParseSigned(token, asymmetric)
	if err != nil || len(parsed.Headers) != 1 {
		return invalid("it is no JSON Web Token with an asymmetric signature")
	}
	var said claims
	if err := parsed.UnsafeClaimsWithoutVerification(&said); err != nil {
		return invalid("its claims cannot be read")
	}
	from := v.issuerOf(&said)
	if from == nil {
		return invalid("its issuer is not one that is trusted")
	}
	keys, err := from.keysFor(ctx, parsed.Headers[0], wall)
	if err != nil {
		return Identity{}, err
	}
	var all map[string]any
	verified := slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool {
		said, all = claims{}, nil
		return parsed.Claims(k.Key, &said, &all) == nil
	})
	if !verified {
		return invalid("no key of its issuer has signed it")
	}
	if why := v.unfit(&said, wall); why != "" {
		return invalid(why)
	}
	return v.identity(&said, namesIn(all, v.claim), from)
}

// issuerOf is the trusted issuer that the token says it is from.
func (v *OIDCVerifier) issuerOf(said *claims) *issuer {
	for _, i := range v.issuers {
		if said.Issuer != "" && i.named(strings.ToLower(said.Tenant)) == said.Issuer {
			return i
		}
	}
	return nil
}

// unfit says why a token that is genuine is not good here and now.
func (v *OIDCVerifier) unfit(said *claims, wall time.Time) string {
	switch err := said.ValidateWithLeeway(jwt.Expected{AnyAudience: v.audiences, Time: wall}, v.skew); {
	case errors.Is(err, jwt.ErrInvalidAudience):
		return "it is meant for somebody else (aud)"
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return "it is not valid yet (nbf, iat)"
	case errors.Is(err, jwt.ErrExpired):
		return "it has expired (exp)"
	case err != nil:
		return "its claims do not fit"
	case said.Expiry == nil:
		return "it does not say when it expires (exp)"
	case said.Subject == "":
		return "it does not say of whom it speaks (sub)"
	}
	return ""
}

// identity is who shows the token, with the role of theirs that may most.
func (v *OIDCVerifier) identity(said *claims, names []string, from *issuer) (Identity, error) {
	who := Identity{Subject: said.Issuer + " " + said.Subject, Nonce: said.Nonce}
	who.Name, who.Tenant = "oidc:"+nameOf(said), strings.ToLower(said.Tenant)
	grants := v.grants(names)
	for _, role := range []lifecycle.Role{lifecycle.Operator, lifecycle.AdminAgents, lifecycle.GlobalAdministrators, lifecycle.Reader} {
		has := slices.ContainsFunc(grants, func(g Grant) bool { return g.Role == role })
		if !has || role == lifecycle.Operator && (!v.operators || from.manyTenants()) {
			continue
		}
		if who.Role = role; role == lifecycle.Operator {
			who.Tenant, who.Scopes = "", scopesOf(grants)
			who.ReadsOnly = !slices.Contains(who.Scopes, lifecycle.Manage)
		} else if !lifecycle.IsGUID(who.Tenant) {
			return Identity{}, fmt.Errorf("%w: it names no tenant (tid)", ErrNoRole)
		}
		return who, nil
	}
	return Identity{}, fmt.Errorf("%w: it has none of %s (%s)", ErrNoRole, strings.ReplaceAll(joined(lifecycle.CallerRoles[:3]), ",", ", "), v.claim)
}

// nameOf is what the log calls whoever shows the token: what people are called, else the program, else the subject.
func nameOf(said *claims) string {
	name := said.Subject
	for _, better := range []string{said.App, said.Party, said.Username} {
		if better != "" {
			name = better
		}
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
	for len(name) > longestName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}

// upperFirst begins a sentence.
func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
