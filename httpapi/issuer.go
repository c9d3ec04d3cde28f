package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

// An issuer is one whose tokens are taken, and its keys as they were when it was last asked. It is asked for them when the first
// token comes, when one names a key that is not among them, and once a day, since a key may have been withdrawn.
type issuer struct {
	name   string // as in iss; may hold {tenantid}
	client *http.Client
	asking singleflight.Group

	mu     sync.Mutex
	keys   []jose.JSONWebKey
	signIn endpoints // where people sign in; zero where the issuer does not say
	got    time.Time // when the keys were got
	asked  time.Time // when the issuer was last asked
	failed error     // what came of it then; nil: keys
}

const (
	keysKept     = 24 * time.Hour
	askAgain     = time.Minute      // no more often, however many tokens name keys that there are not
	askAgainSoon = 10 * time.Second // where it did not answer
	askPatience  = 5 * time.Second
	largestKeys  = 1 << 20 // bytes of a document of an issuer's
	mostKeys     = 100     // of an issuer that are looked at
)

func newIssuer(name string, client *http.Client) (*issuer, error) {
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	secured := *client
	secured.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("is redirected too often")
		}
		return fetchable(r.URL)
	}
	u, err := url.Parse(strings.ReplaceAll(name, tenantPlaceholder, "organizations"))
	if err != nil || u.Host == "" {
		return nil, errors.New("is no address; write it like https://login.example.com/tenure, as iss has it")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("has more to it than a scheme, a host and a path; take the rest away")
	}
	return &issuer{name: name, client: &secured}, fetchable(u)
}

// fetchable says why keys must not come from there: whoever stands in between could put theirs in.
func fetchable(u *url.URL) error {
	if u.Scheme == "https" {
		return nil
	}
	a, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && a.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%s://%s is not https", u.Scheme, u.Host)
}

// manyTenants says whether everybody's tokens come from it, as those of Entra do.
func (i *issuer) manyTenants() bool { return strings.Contains(i.name, tenantPlaceholder) }

// named is what stands in iss of a token of a tenant.
func (i *issuer) named(tenant string) string {
	return strings.ReplaceAll(i.name, tenantPlaceholder, tenant)
}

// keysFor are the issuer's keys that may have signed a token with this header; none where there is no such key.
func (i *issuer) keysFor(ctx context.Context, header jose.Header, wall time.Time) ([]jose.JSONWebKey, error) {
	keys, ask := i.known(header, wall)
	if !ask {
		return keys, nil
	}
	if err := i.ask(ctx, wall); err != nil && len(keys) == 0 {
		return nil, fmt.Errorf("%w: %s: %w", ErrIssuerAway, i.name, err)
	}
	keys, _ = i.known(header, wall)
	return keys, nil
}

// known are the keys that fit among those that the issuer had last, and whether it should be asked for them.
func (i *issuer) known(header jose.Header, wall time.Time) (fit []jose.JSONWebKey, ask bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, k := range i.keys {
		if (header.KeyID == "" || k.KeyID == header.KeyID) && (k.Algorithm == "" || k.Algorithm == header.Algorithm) {
			fit = append(fit, k)
		}
	}
	stale := i.got.IsZero() || wall.Sub(i.got) >= keysKept
	return fit, stale || len(fit) == 0
}

// ask gets the keys, once for everybody who waits for them, and not at all so soon after the last time. Nobody who hangs up takes
// them from the others.
func (i *issuer) ask(ctx context.Context, wall time.Time) error {
	if err, over := i.justAsked(wall); over {
		return err
	}
	asked := i.asking.DoChan("", func() (any, error) {
		if err, over := i.justAsked(wall); over {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askPatience)
		defer cancel()
		keys, signIn, err := i.fetch(ctx)
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.asked, i.failed = wall, err; err == nil {
			i.keys, i.signIn, i.got = keys, signIn, wall
		}
		return nil, err
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case done := <-asked:
		return done.Err
	}
}

// justAsked says whether the issuer was asked a moment ago, and what came of it.
func (i *issuer) justAsked(wall time.Time) (err error, over bool) { //nolint:revive,staticcheck // it is no error of its own
	i.mu.Lock()
	defer i.mu.Unlock()
	pause := askAgain
	if i.failed != nil {
		pause = askAgainSoon
	}
	return i.failed, !i.asked.IsZero() && wall.Sub(i.asked) < pause
}

// fetch asks where the keys are, and then for the keys. Source: OpenID Connect Discovery 1.0, section 4.
func (i *issuer) fetch(ctx context.Context) ([]jose.JSONWebKey, endpoints, error) {
	var described struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
		endpoints
	}
	at := strings.ReplaceAll(i.name, tenantPlaceholder, "organizations") // as Entra calls them all
	if err := i.get(ctx, strings.TrimSuffix(at, "/")+"/.well-known/openid-configuration", &described); err != nil {
		return nil, endpoints{}, err
	}
	if described.Issuer != i.name {
		return nil, endpoints{}, fmt.Errorf("it calls itself %s", shorten(described.Issuer))
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := i.get(ctx, described.Keys, &set); err != nil {
		return nil, endpoints{}, err
	}
	keys := publicKeys(set.Keys)
	if len(keys) == 0 {
		return nil, endpoints{}, errors.New("it has no key to verify signatures with")
	}
	return keys, described.endpoints, nil
}

// publicKeys are those of the keys that signatures can be verified with. Others are passed over, as there may be some of kinds
// that nobody here knows.
func publicKeys(written []json.RawMessage) []jose.JSONWebKey {
	var keys []jose.JSONWebKey
	for _, text := range written[:min(len(written), mostKeys)] {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(text) == nil && k.Valid() && k.IsPublic() && slices.Contains([]string{"", "sig"}, k.Use) {
			keys = append(keys, k)
		}
	}
	return keys
}

// get reads a JSON document of the issuer's.
func (i *issuer) get(ctx context.Context, address string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil) //nolint:gosec // the issuer that the operator has named
	if err != nil {
		return err
	}
	if err := fetchable(r.URL); err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := i.client.Do(r) //nolint:gosec // the same
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // nothing was written
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, largestKeys)).Decode(into); err != nil {
		return fmt.Errorf("reading %s: %w", address, err)
	}
	return nil
}
