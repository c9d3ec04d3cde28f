package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Door lets people in, and takes what they do to the HTTP interface. Its errors may have a GetStatus, the HTTP status.
type Door interface {
	// Enter says who wants to look, by the secret in their cookie. An error with status 401 asks them to sign in.
	Enter(r *http.Request, secret string) (lifecycle.Session, error)

	// SignIn begins a session for whoever shows a token; the one whose secret they had before ends.
	SignIn(r *http.Request, token, before string) (secret string, ends time.Time, err error)

	// SignsInAt is the issuer at which people can sign in; empty where there is none.
	SignsInAt() string

	// LeaveToSignIn says where they do, on the way to a page, and what their browser keeps meanwhile. Who has signed in and is only to be
	// known again is shown nothing there.
	LeaveToSignIn(r *http.Request, back string, again bool) (address, kept string, err error)

	// ReturnFromSignIn begins a session for whoever comes back from there with what their browser has kept, or goes on with theirs.
	ReturnFromSignIn(r *http.Request, kept, secret string) (now, back string, ends time.Time, err error)

	// SignOutAt is where at the issuer they sign out there, too; empty where it has no such place.
	SignOutAt(r *http.Request) string

	// SignOut ends a session.
	SignOut(r *http.Request, secret string) error

	// Ask answers a request to the HTTP interface with what the session may do.
	Ask(w http.ResponseWriter, r *http.Request, as lifecycle.Session)

	// Stopping is closed when pages must no longer be kept up to date.
	Stopping() <-chan struct{}
}

// A Store is what the console reads. It may be called from many goroutines.
type Store interface {
	AheadStore
	ExpiringStore
	AnalyticsStore
	SweepStore
	RelationshipStore
	FindStore
	HoldStore
	ProvisioningStore
}

// Options are what a console is made of. Store, Door, Policy, Condition, Written and both clocks must be there.
type Options struct {
	Store     Store
	Door      Door
	Policy    *lifecycle.Policy
	Condition func(ctx context.Context) lifecycle.Condition // how the deployment fares
	Queues    Queues                                        // in which tasks wait for workers; nil: they are not shown
	Now       func() time.Time                              // the deployment's clock
	Wall      func() time.Time                              // the machine's
	Logger    *slog.Logger                                  // nil: nothing is logged
	Version   string
	PublicURL string // where people reach the console; empty: as each request says

	Prospect func(ctx context.Context, until time.Time) (Prospect, error) // what timers are going to do; nil: nobody can say
	Written  func(lifecycle.Filter) string                                // a filter as the HTTP interface reads it
}

// A Console answers requests for pages. It is made by [New].
type Console struct {
	Options
	mux    *http.ServeMux
	pages  map[language]*pages
	glance glance
	ahead  aheadKept
	plans  sweepPlans // of new sweeps

	buckets   kept[[]int64] // how much ends within which time
	analytics kept[analyticsNumbers]
}

// New reads the templates and words. An error is a fault of the program, not of a setting.
func New(o Options) (*Console, error) {
	if o.Store == nil || o.Door == nil || o.Policy == nil || o.Condition == nil || o.Written == nil || o.Now == nil || o.Wall == nil {
		return nil, errors.New("console needs a Store, a Door, a Policy, a Condition, a Written and both clocks")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Console{Options: o, mux: http.NewServeMux(), pages: map[language]*pages{}}
	for _, l := range languages {
		p, err := readPages(l)
		if err != nil {
			return nil, fmt.Errorf("the pages in %q: %w", l, err)
		}
		c.pages[l] = p
	}
	c.addAssets()
	c.addSignIn()
	c.addPreferences()
	for _, almost := range []string{"GET /console", "GET /console/{$}"} {
		c.mux.Handle(almost, http.RedirectHandler("/", http.StatusSeeOther))
	}
	c.addToday()
	c.addAhead()
	c.addExpiring()
	c.addBulk()
	c.addAnalytics()
	c.addSweeps()
	c.addSweepActs()
	c.addRule()
	c.addNewSweep()
	c.addQueue()
	c.addNotices()
	c.addNoticeOrders()
	c.addChannels()
	c.addContacts()
	c.addActivity()
	c.addRelationships()
	c.addHolds()
	c.addPartners()
	c.addProvisioning()
	c.addSubscriptions()
	return c, nil
}

// ServeHTTP shows a page, or does what a form asks for.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	if _, pattern := c.mux.Handler(r); pattern == "" {
		c.handle(func(v *visit) error { return v.notFound() })(w, r)
		return
	}
	c.mux.ServeHTTP(w, r)
}

// protect forbids pages whatever they do not need: scripts and styles of others and such that stand in the page, frames, and being framed.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "+
		"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
}

// A handler answers one request. An error becomes a page that tells of it.
type handler func(v *visit) error

// get shows a page to whoever may look.
func (c *Console) get(path string, h handler) { c.mux.HandleFunc("GET "+path, c.handle(within(h))) }

// form shows a page that asks for something which needs the scope: whoever lacks it is told so before they have typed anything.
func (c *Console) form(path, scope string, h handler) {
	c.get(path, func(v *visit) error {
		if err := v.needs(scope); err != nil {
			return err
		}
		return h(v)
	})
}

// post does something for whoever has the scope. The HTTP interface asks for itself again; here it is for a better answer.
func (c *Console) post(path, scope string, h handler) {
	c.mux.HandleFunc("POST "+path, c.handle(within(func(v *visit) error {
		if err := v.needs(scope); err != nil {
			return err
		}
		return h(v)
	})))
}

// handle makes a visit of a request.
func (c *Console) handle(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := c.visit(w, r)
		if err := h(v); err != nil {
			v.fail(err)
		}
	}
}

// within lets nobody past who has not signed in.
func within(h handler) handler {
	return func(v *visit) error {
		session, err := v.console.Door.Enter(v.Request, v.secret())
		if err != nil {
			return err
		}
		v.Session = session
		if v.shouldAskAgain() {
			return v.askAgain()
		}
		return h(v)
	}
}
