package httpapi

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Scope is something that the bearer of a token may do.
type Scope string

// The scopes. No scope but manage holds another.
const (
	ScopeRead      Scope = "read"           // look at relationships, sweeps, notices, channels and metrics
	ScopeSweep     Scope = "sweep"          // start and cancel sweeps
	ScopeProvision Scope = "provision"      // say what became of provisioning
	ScopeManage    Scope = lifecycle.Manage // all of it
)

// Scopes lists them all.
var Scopes = []Scope{ScopeRead, ScopeSweep, ScopeProvision, ScopeManage}

// Routes need a scope, or one of these. Neither is the empty scope, so that a route that was forgotten is closed.
const (
	open  Scope = "open"  // no permission, from wherever it is asked
	party Scope = "party" // any role in a tenant, or an operator who may at least read; the operation asks what exactly the caller may
)

// metricsPattern is the route of the metrics.
const metricsPattern = "GET /metrics"

// localCaller is who asks while there is no token.
const localCaller = "local"

const tokenPrefix = "tnr_"

// tokenForm is what NewToken makes; anything else needs no looking up.
var tokenForm = regexp.MustCompile(`^` + tokenPrefix + `[A-Za-z0-9_-]{43}$`)

// NewToken makes a token of 256 random bits, to be shown once and then forgotten, and its hash, to be kept.
func NewToken() (token string, hash []byte, err error) {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return "", nil, fmt.Errorf("making a token: %w", err)
	}
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return token, HashToken(token), nil
}

// HashToken is what is kept of a token: its SHA-256. With 256 random bits there is nothing to guess, so a slow hash with a
// salt would protect no better, and would cost every request.
func HashToken(token string) []byte {
	hash := sha256.Sum256([]byte(token))
	return hash[:]
}

// A bearer is a caller who has shown something, and what it is good for.
type bearer struct {
	lifecycle.Caller
	key    string   // one of their own, by which their requests are counted
	scopes []string // of an operator
}

// operator is who may use the scopes.
func operator(name, key string, scopes []string) *bearer {
	manages := slices.Contains(scopes, string(ScopeManage))
	return &bearer{lifecycle.Caller{Name: name, Role: lifecycle.Operator, ReadsOnly: !manages}, key, scopes}
}

// manages says whether the bearer may do everything.
func (b *bearer) manages() bool { return b.Role == lifecycle.Operator && !b.ReadsOnly }

// refused says why the bearer may not take a route that needs a scope; nil if they may.
func (b *bearer) refused(needs Scope) *Problem {
	if needs == party && b.Role == lifecycle.Operator {
		needs = ScopeRead
	}
	switch {
	case needs == party || b.manages() || slices.Contains(b.scopes, string(needs)):
		return nil
	case b.Role != lifecycle.Operator:
		return roleMissing.problem("This is for operators, and %q has the role %s in a tenant.", b.Name, b.Role)
	}
	p := scopeMissing.says(needsScope.Say("scope", needs, "name", b.Name, "scopes", listScopes(b.scopes)))
	p.header("WWW-Authenticate", fmt.Sprintf(`Bearer realm="tenure", error="insufficient_scope", scope=%q`, needs))
	return p
}

// permit says why the request may not take the route; nil if it may. It asks the store each time, so a token counts from
// the moment it is made until the moment it is withdrawn.
func (s *Server) permit(a *answer, r *http.Request, pattern string) *Problem {
	if err := s.crossOrigin.Check(r); err != nil {
		return crossSite.problem("A web page of another origin asked for this, and such requests are refused.")
	}
	if s.isConsole(r) && saysNothingOfItsOrigin(r) {
		return crossSite.problem("The browser does not say from which page this comes (Sec-Fetch-Site, Origin), as all have done since 2020, so nobody knows whether you meant it. " +
			"Use a newer browser; programs ask the HTTP interface, with a token.")
	}
	needs := s.needs[pattern]
	if needs == open {
		return nil
	}
	b, p := a.as, (*Problem)(nil)
	if b == nil {
		b, p = s.identify(r, pattern)
	}
	if p != nil || b == nil {
		return p
	}
	b.Address, b.Request = s.addressOf(r), a.Header().Get(requestIDHeader)
	a.bearer = *b
	if p := b.refused(needs); p != nil {
		return p
	}
	return s.restrain(b)
}

// saysNothingOfItsOrigin says whether a request that may change something came without either header by which browsers say of what page it
// is. [http.CrossOriginProtection] lets such through, since programs send neither; programs have no cookies.
func saysNothingOfItsOrigin(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == ""
}

// identify finds out who asks. Nobody and no problem are whoever may see the metrics while the database cannot say who it is.
func (s *Server) identify(r *http.Request, pattern string) (*bearer, *Problem) {
	if values := r.Header.Values("Authorization"); len(values) > 0 {
		return s.identifyBearer(r, values, pattern)
	}
	tokens, err := s.store.AnyTokens(r.Context())
	if err != nil && s.scrapedBefore(pattern, localCaller) {
		return nil, s.permitLocal(r)
	}
	if err != nil {
		return nil, problemOf(fmt.Errorf("finding out whether there is a token: %w", err)).base()
	}
	if tokens {
		s.scrapers.Delete(localCaller)
		p := tokenMissing.problem("Send a token as `Authorization: Bearer %s…`; `tenure token create NAME --scope SCOPE` makes one.", tokenPrefix)
		p.header("WWW-Authenticate", `Bearer realm="tenure"`)
		return nil, p
	}
	s.scrapers.Store(localCaller, true)
	return operator(localCaller, localCaller, []string{string(ScopeManage)}), s.permitLocal(r)
}

// scrapedBefore says whether whoever shows this was let in last time, and now asks for the metrics: while the database cannot
// say who may, whoever watches over it must not go blind.
func (s *Server) scrapedBefore(pattern, shown string) bool {
	_, before := s.scrapers.Load(shown)
	return before && pattern == metricsPattern
}

func (s *Server) identifyBearer(r *http.Request, values []string, pattern string) (*bearer, *Problem) {
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	if len(values) == 1 && strings.EqualFold(scheme, "Bearer") && s.tokens != nil && jwtForm.MatchString(token) {
		return s.identifyJWT(r, token)
	}
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || !tokenForm.MatchString(token) {
		return nil, notKnown(noBearerToken.Say("prefix", tokenPrefix))
	}
	hash := HashToken(token)
	found, err := s.store.TokenByHash(r.Context(), hash)
	if errors.Is(err, lifecycle.ErrNotFound) {
		s.scrapers.Delete(string(hash))
		return nil, notKnown(noSuchToken.Say())
	}
	if err != nil && s.scrapedBefore(pattern, string(hash)) {
		return nil, nil
	}
	if err != nil {
		return nil, problemOf(fmt.Errorf("looking up a token: %w", err)).base()
	}
	key := "token " + strconv.FormatInt(found.ID, 10)
	if found.Role != "" {
		return &bearer{lifecycle.Caller{Name: found.Name, Tenant: found.Tenant, Role: found.Role}, key, nil}, nil
	}
	b := operator(found.Name, key, found.Scopes)
	if pattern == metricsPattern && b.refused(s.needs[pattern]) == nil {
		s.scrapers.Store(string(hash), true)
	}
	return b, nil
}

func notKnown(said *lifecycle.Said) *Problem {
	p := tokenUnknown.says(said)
	p.header("WWW-Authenticate", `Bearer realm="tenure", error="invalid_token"`)
	return p
}

func listScopes(scopes []string) string {
	if len(scopes) == 0 {
		return "none"
	}
	return strings.Join(scopes, ", ")
}

// permitLocal is the rule while there is no token: whoever works on this machine may do everything, and nobody else may do
// anything, be it through the network, a proxy, or a web page that somebody here looks at.
func (s *Server) permitLocal(r *http.Request) *Problem {
	if !isLoopback(r.RemoteAddr) {
		return localOnly.says(onlyThisMachine.Say())
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return localOnly.says(noProxy.Say("header", name))
		}
	}
	if !isLoopbackHost(r.Host) {
		// A page of evil.example whose name was made to point to 127.0.0.1 would otherwise be of the same origin as we.
		return localOnly.says(onlyLocalHost.Say("host", shorten(r.Host)))
	}
	asIfUnsafe := *r // while everything is open, another origin may not even look
	asIfUnsafe.Method = http.MethodPost
	if err := s.crossOrigin.Check(&asIfUnsafe); err != nil {
		return crossSite.says(noOtherOrigin.Say())
	}
	return nil
}

func isLoopback(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

func isLoopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil && a.Unmap().IsLoopback()
}
