package main

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/graph"
	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/notify"
)

// apiSettings are those of the HTTP interface.
type apiSettings struct {
	Listen         string   `env:"TENURE_LISTEN" placeholder:"ADDRESS" default:"127.0.0.1:8080" help:"Address of the HTTP interface (default: ${default})."`
	PublicURL      string   `name:"public-url" env:"TENURE_PUBLIC_URL" placeholder:"URL" help:"Where callers reach the HTTP interface, for the links in its answers (default: as each request says)."`
	RateLimit      float64  `env:"TENURE_RATE_LIMIT" placeholder:"NUMBER" default:"50" help:"Requests a second that each caller may make (default: ${default}); 0: any number."`
	RateBurst      int      `env:"TENURE_RATE_BURST" placeholder:"NUMBER" default:"200" help:"Requests that a caller may make at once (default: ${default})."`
	TrustedProxies []string `name:"trusted-proxy" env:"TENURE_TRUSTED_PROXY" placeholder:"CIDR" help:"Network of proxies whose X-Forwarded-For is believed, for the address of a caller; may be given again."`
	oidcSettings
}

// oidcSettings say whose tokens are good beside our own.
type oidcSettings struct {
	Issuers    []string          `name:"oidc-issuer" env:"TENURE_OIDC_ISSUER" placeholder:"URL" help:"OpenID Connect issuer whose tokens are accepted beside tenure's own; {tenantid} in it stands for the tenant of the token. May be given again."`
	Audiences  []string          `name:"oidc-audience" env:"TENURE_OIDC_AUDIENCE" placeholder:"AUDIENCE" help:"What such a token has to be made out to; may be given again, and one is enough."`
	Roles      map[string]string `name:"oidc-role" env:"TENURE_OIDC_ROLE" placeholder:"NAME=ROLE" mapsep:";" help:"What a role is called in such tokens: adminAgent, globalAdministrator, reader, operator, or an operator who may do less, such as operator:read or operator:read+sweep; may be given again for another name (default: the roles' own names)."`
	RoleClaim  string            `name:"oidc-role-claim" env:"TENURE_OIDC_ROLE_CLAIM" placeholder:"CLAIM" default:"roles" help:"Claim of such tokens that names roles; dots lead into it, as in realm_access.roles (default: ${default})."`
	Operators  bool              `name:"oidc-operators" env:"TENURE_OIDC_OPERATORS" help:"Let such a token make its bearer an operator."`
	ClientID   string            `name:"oidc-client-id" env:"TENURE_OIDC_CLIENT_ID" placeholder:"ID" help:"As which client operators sign in to the console at the first issuer; needs --oidc-operators (default: they show a token)."`
	SecretFile string            `name:"oidc-client-secret-file" env:"TENURE_OIDC_CLIENT_SECRET_FILE" placeholder:"FILE" help:"File that holds the client's secret; a public client has none."`
	Scopes     []string          `name:"oidc-scope" env:"TENURE_OIDC_SCOPE" placeholder:"SCOPE" help:"What is asked for at the issuer when operators sign in there, beside openid and profile, such as groups; may be given again."`
	Skew       time.Duration     `name:"oidc-skew" env:"TENURE_OIDC_SKEW" placeholder:"DURATION" default:"60s" help:"How far the issuer's clock may be off (default: ${default})."`
}

// mostSkew is more than any clock that is looked after is off.
const mostSkew = 10 * time.Minute

// faults finds everything that is wrong with the settings.
func (s *apiSettings) faults() (faults []error) {
	if _, _, err := net.SplitHostPort(s.Listen); err != nil {
		faults = append(faults, usageError("--listen %q is no address; write it like 127.0.0.1:8080", s.Listen))
	}
	if s.PublicURL != "" {
		if u, err := url.Parse(s.PublicURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			faults = append(faults, usageError("--public-url %q is no address that links could begin with; write it like https://tenure.example.com", s.PublicURL))
		}
	}
	if !(s.RateLimit >= 0) || s.RateLimit > 1e6 { // that is not a number is not at least 0 either
		faults = append(faults, usageError("--rate-limit %v: from 0 (any number) to 1000000 requests a second", s.RateLimit))
	}
	if s.RateBurst < 1 || s.RateBurst > 1e6 {
		faults = append(faults, usageError("--rate-burst %d: from 1 to 1000000", s.RateBurst))
	}
	_, err := s.proxies()
	return append(append(faults, compactErrors(err)...), s.oidcSettings.faults()...)
}

// proxies are the networks of the proxies that are believed.
func (s *apiSettings) proxies() (prefixes []netip.Prefix, err error) {
	var faults []error
	for _, text := range s.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if addr, notOne := netip.ParseAddr(text); notOne == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		switch {
		case err != nil:
			faults = append(faults, usageError("--trusted-proxy %q is no network; write it like 10.1.0.0/16, or 10.1.2.3 for one machine", text))
		case prefix.Bits() == 0:
			faults = append(faults, usageError("--trusted-proxy %s would believe everybody; name the networks that your proxies are in", text))
		default:
			prefixes = append(prefixes, prefix.Masked())
		}
	}
	return prefixes, errors.Join(faults...)
}

func (s *oidcSettings) faults() (faults []error) {
	for _, issuer := range s.Issuers {
		if err := issuerFault(issuer); err != nil {
			faults = append(faults, err)
		}
	}
	switch {
	case len(s.Issuers) > 0 && len(s.Audiences) == 0:
		faults = append(faults, usageError("--oidc-issuer needs --oidc-audience: without it a token that was made out to another program would do, too"))
	case len(s.Issuers) == 0 && (len(s.Audiences) > 0 || len(s.Roles) > 0 || s.Operators):
		faults = append(faults, usageError("--oidc-audience, --oidc-role and --oidc-operators say something of tokens whose issuer is missing; name it with --oidc-issuer"))
	}
	switch {
	case s.ClientID != "" && (len(s.Issuers) == 0 || !s.Operators):
		faults = append(faults, usageError("--oidc-client-id lets operators sign in to the console at an issuer; it needs --oidc-issuer, and --oidc-operators, which says that its word makes somebody one"))
	case s.ClientID != "" && strings.Contains(s.Issuers[0], "{tenantid}"):
		faults = append(faults, usageError("--oidc-client-id: operators sign in at the first --oidc-issuer, and %s is of many tenants, whose tokens make nobody an operator; name your own first", s.Issuers[0]))
	case s.ClientID == "" && (s.SecretFile != "" || len(s.Scopes) > 0):
		faults = append(faults, usageError("--oidc-client-secret-file and --oidc-scope are of a client that is missing; name it with --oidc-client-id"))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Roles)) {
		if _, err := httpapi.ParseGrant(s.Roles[name]); err != nil {
			faults = append(faults, usageError("--oidc-role %s=%s: %w", name, s.Roles[name], err))
		}
	}
	if s.Skew < 0 || s.Skew > mostSkew {
		faults = append(faults, usageError("--oidc-skew %v: from 0s to %v", s.Skew, mostSkew))
	}
	return faults
}

// issuerFault says why an issuer cannot be asked for its keys.
func issuerFault(issuer string) error {
	u, err := url.Parse(strings.ReplaceAll(issuer, "{tenantid}", "tenant"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return usageError("--oidc-issuer %q is no address of an issuer; write it as the claim iss of its tokens has it, like https://login.example.com/tenant/v2.0", issuer)
	}
	if host := u.Hostname(); u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(host)) {
		return usageError("--oidc-issuer %q: keys that came unencrypted prove nothing; write https://", issuer)
	}
	return nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// verifier knows the tokens of the issuers; nil where there is none.
func (s *oidcSettings) verifier() (*httpapi.OIDCVerifier, error) {
	if len(s.Issuers) == 0 {
		return nil, nil
	}
	roles := make(map[string]httpapi.Grant, len(s.Roles))
	for name, text := range s.Roles {
		grant, err := httpapi.ParseGrant(text)
		if err != nil {
			return nil, usageError("--oidc-role %s=%s: %w", name, text, err)
		}
		roles[name] = grant
	}
	v, err := httpapi.NewOIDC(httpapi.OIDC{Issuers: s.Issuers, Audiences: s.Audiences, RoleClaim: s.RoleClaim, Roles: roles, Operators: s.Operators, Skew: s.Skew})
	if err != nil {
		return nil, codedError{exitUsage, err}
	}
	return v, nil
}

// admit sets who is let in beside those who have a token of ours.
func (s *oidcSettings) admit(o *httpapi.Options) error {
	v, err := s.verifier()
	if err != nil || v == nil {
		return err
	}
	o.Tokens = v
	if s.ClientID == "" {
		return nil
	}
	var secret string
	if s.SecretFile != "" {
		text, err := os.ReadFile(s.SecretFile)
		if err != nil {
			return usageError("--oidc-client-secret-file: %w", err)
		}
		if secret = strings.TrimSpace(string(text)); secret == "" {
			return usageError("--oidc-client-secret-file %s is empty", s.SecretFile)
		}
	}
	o.SignInAt = v.SignInAt(httpapi.Client{ID: s.ClientID, Secret: secret, Scopes: s.Scopes})
	return nil
}

// options are what the HTTP interface is made of, as far as it follows from the settings and the parts that do the work.
func (s *apiSettings) options(w *works, subscriptions *subscriptionSettings) (httpapi.Options, error) {
	proxies, err := s.proxies()
	if err != nil {
		return httpapi.Options{}, err
	}
	publicURL := strings.TrimRight(s.PublicURL, "/")
	shaped, err := graph.New(graph.Options{Store: w.db, Policy: w.policy, Now: w.sweeper.Now, Logger: w.log, PublicURL: publicURL})
	if err != nil {
		return httpapi.Options{}, err
	}
	o := httpapi.Options{
		Store: w.db, Sweeper: w.sweeper, Policy: w.policy, Now: w.sweeper.Now, Wall: wall, Logger: w.log, Version: version,
		Graph: shaped, ParseFilter: w.bulkFilter, PublicURL: publicURL, TrustedProxies: proxies, Rate: s.rate(),
		CheckSubscription: func(url string) error { return notify.CheckSubscription(url, subscriptions.AllowPrivateSubscriptions) },
	}
	return o, s.admit(&o)
}

// rate is what each caller may ask for.
func (s *apiSettings) rate() httpapi.Rate {
	if s.RateLimit == 0 {
		return httpapi.Rate{PerSecond: -1, Burst: s.RateBurst}
	}
	return httpapi.Rate{PerSecond: s.RateLimit, Burst: s.RateBurst}
}
