package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Sweeper opens and stops sweeps. It may be called from many goroutines.
type Sweeper interface {
	// RequestSweep opens a sweep of the rules (none named: all) and sees to it that it runs, or finds the one that answers
	// already. [lifecycle.ErrKeyReused] where the key was used for another request.
	RequestSweep(ctx context.Context, rules []lifecycle.RuleName, dryRun bool, idempotencyKey string) (lifecycle.Sweep, lifecycle.Opened, error)

	// CancelSweep stops a running sweep, or drops one that is held. [lifecycle.ErrNotFound], or [lifecycle.ErrNotRunning] if it is over.
	CancelSweep(ctx context.Context, id int64) error

	// ApproveSweep lets a held sweep do what it would. [lifecycle.ErrNotFound], [lifecycle.ErrNotHeld], or [lifecycle.ErrStandstill]
	// where everything is on hold.
	ApproveSweep(ctx context.Context, id int64, note string, by lifecycle.Caller) error

	// RejectSweep drops a held sweep, and pauses the rules that would do too much. The errors are the same.
	RejectSweep(ctx context.Context, id int64, note string, by lifecycle.Caller) error
}

// A Store is what httpapi reads of a database, and the little that it writes. It may be called from many goroutines.
type Store interface {
	DirectoryStore
	NoticeStore
	ChannelStore
	RelationshipStore
	ActivityStore
	BulkStore
	SessionStore
	SubscriptionStore
	ProvisioningStore
	PartnerStore
	QuarantineStore
	QuarantineReleaser
	HoldStore
	DossierStore
	DeedStore

	// Sweep reads a sweep with its totals; [lifecycle.ErrNotFound].
	Sweep(ctx context.Context, id int64) (lifecycle.Sweep, error)

	// Sweeps lists at most limit sweeps, the latest first, older than beforeID where that is not 0.
	Sweeps(ctx context.Context, beforeID int64, limit int) ([]lifecycle.Sweep, error)

	// SweepFailures lists the first records, at most limit, that a sweep could not change.
	SweepFailures(ctx context.Context, id int64, limit int) ([]lifecycle.Failure, error)

	// TokenByHash finds a token by what [HashToken] makes of it; [lifecycle.ErrNotFound].
	TokenByHash(ctx context.Context, hash []byte) (lifecycle.Token, error)

	// AnyTokens says whether there is a token at all.
	AnyTokens(ctx context.Context) (bool, error)

	// NoticeCountsByChannel counts the notices. A channel or a status without any may be missing.
	NoticeCountsByChannel(ctx context.Context) (map[string]map[lifecycle.NoticeStatus]int64, error)

	// OpenChunks counts the chunks of running sweeps that are not done.
	OpenChunks(ctx context.Context) (int64, error)
}

// Options are the parts that a server is made of.
type Options struct {
	Store   Store
	Sweeper Sweeper
	Checks  []Check // what must answer for /readyz to say so
	Policy  *lifecycle.Policy

	Channels []string // the names of those that the deployment has; others are known once something was sent on them

	Graph  Graph  // what answers under /v1.0/; nil: nothing does
	Tokens Tokens // reads the tokens of other issuers; nil: only tenure's own are taken

	SignInAt  *SignInAt // the issuer at which people sign in to the console; nil: they show a token
	PublicURL string    // where callers reach the interface, without a slash at the end; empty: as each request says

	// Console makes what answers at / and below /console/, given the door through which it lets people in; nil: nothing does.
	Console func(door *Server) (http.Handler, error)

	Condition func(ctx context.Context) lifecycle.Condition // how the deployment fares; nil: nobody tells

	Explain Explainer // of relationships; nil: they are not explained over HTTP
	Queues  Queues    // in which tasks wait for workers; nil: nobody shows them
	Outlook Outlook   // says what is going to happen; nil: nobody does

	ParseFilter       func(text string) (lifecycle.Filter, error) // of relationships, for bulk jobs; nil: there are none over HTTP
	CheckSubscription func(url string) error                      // says why messages must not be sent there; nil: any https address will do

	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	Rate           Rate           // how often each caller may ask

	Now      func() time.Time     // the deployment's clock, against which records are overdue
	Wall     func() time.Time     // the machine's clock, by which tokens expire: that of a sandbox has no say over them
	Logger   *slog.Logger         // nil: nothing is logged
	Tracer   trace.Tracer         // nil: nothing is traced
	Registry *prometheus.Registry // shown at /metrics; nil: one of its own
	Version  string               // of the build, for tenure_build_info
}

// limits are how much a request may take. None of them depends on the clock of the deployment.
type limits struct {
	body          int64         // bytes
	headers       int           // bytes, names and values together, told as a problem document
	headersHard   int           // bytes, after which net/http hangs up with a line of its own
	headerRead    time.Duration // to send the headers
	read          time.Duration // to send all of the request
	request       time.Duration // to work on it
	write         time.Duration // to take the answer, the work included
	idle          time.Duration // between two requests on one connection
	shutdown      time.Duration // for requests that are under way when the server stops
	probe, scrape time.Duration // for the readiness checks, for the metrics that come from the store
	exports       int           // at one time: each holds a connection to the database
}

var defaultLimits = limits{
	body: 1 << 20, headers: 16 << 10, headersHard: 64 << 10,
	headerRead: 5 * time.Second, read: 15 * time.Second, request: 10 * time.Second, write: 30 * time.Second,
	idle: 2 * time.Minute, shutdown: 15 * time.Second, probe: 2 * time.Second, scrape: 5 * time.Second, exports: 4,
}

// A Server answers HTTP requests. It is made by [New].
type Server struct {
	store    Store
	sweeper  Sweeper
	policy   *lifecycle.Policy
	channels []string
	now      func() time.Time
	wall     func() time.Time
	log      *slog.Logger
	limits   limits

	graph             Graph
	console           http.Handler
	signInAt          *SignInAt
	publicURL         string
	stopping          chan struct{} // closed when the server stops: whoever watches a page is sent away
	tokens            Tokens
	parseFilter       func(text string) (lifecycle.Filter, error)
	explain           Explainer
	outlook           Outlook
	queues            Queues
	checkSubscription func(url string) error
	condition         func(ctx context.Context) lifecycle.Condition
	proxies           []netip.Prefix
	allowances        *allowances
	signIns           *allowances   // by address
	exporting         chan struct{} // has room for as many exports as there may be at one time

	mux         *http.ServeMux
	api         huma.API
	needs       map[string]Scope  // of each route, by its pattern
	actions     map[string]string // what a route asks for about relationships, by its pattern: refused, it is recorded
	streams     map[string]bool   // the routes whose answers may take as long as somebody reads them, by their patterns
	crossOrigin *http.CrossOriginProtection
	readiness   readiness
	still       sparing[string]        // why everything is on hold
	stillLast   atomic.Pointer[string] // the same, as it was found last
	scrapers    sync.Map               // who was let in to the metrics last time, by what they showed
	metrics     *requestMetrics
	tracer      trace.Tracer // nil: there is none
	registry    *prometheus.Registry
}

// New makes a server and registers its metrics.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Sweeper == nil || o.Policy == nil || o.Now == nil || o.Wall == nil {
		return nil, errors.New("httpapi needs a Store, a Sweeper, a Policy and both clocks")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.CheckSubscription == nil {
		o.CheckSubscription = isHTTPS
	}
	s := &Server{
		store: o.Store, sweeper: o.Sweeper, policy: o.Policy, channels: o.Channels, now: o.Now, wall: o.Wall, log: o.Logger, limits: defaultLimits, registry: o.Registry,
		graph: o.Graph, signInAt: o.SignInAt, publicURL: o.PublicURL, tokens: o.Tokens, parseFilter: o.ParseFilter, explain: o.Explain, outlook: o.Outlook, queues: o.Queues, checkSubscription: o.CheckSubscription, condition: o.Condition, proxies: o.TrustedProxies,
		stopping: make(chan struct{}), allowances: newAllowances(o.Rate), signIns: newAllowances(signInRate), exporting: make(chan struct{}, defaultLimits.exports),
		mux: http.NewServeMux(), needs: map[string]Scope{}, actions: map[string]string{}, streams: map[string]bool{}, crossOrigin: http.NewCrossOriginProtection(),
		readiness: readiness{checks: o.Checks, log: o.Logger}, metrics: newRequestMetrics(), tracer: o.Tracer,
	}
	if u, err := url.Parse(o.PublicURL); err == nil && u.Host != "" {
		// A proxy may call us something else than browsers do.
		if err := s.crossOrigin.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, fmt.Errorf("public URL %q: %w", o.PublicURL, err)
		}
	}
	if err := s.registerMetrics(o.Version); err != nil {
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	s.api = humago.New(s.mux, s.describe())
	s.addSweeps()
	s.addQuarantine()
	s.addContacts()
	s.addNotices()
	s.addChannels()
	s.addCustomer()
	s.addActivity()
	s.addDeeds()
	s.addExplain()
	s.addOutlook()
	s.addBulk()
	s.addSubscriptions()
	s.addProvisioning()
	s.addPartners()
	s.addHolds()
	s.addQueues()
	s.addGraph()
	s.addStatus()
	s.addHealth()
	s.addMetrics()
	s.addDescription()
	return s, s.addConsole(o.Console)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = s.graphPath(r)
	s.serve(&answer{ResponseWriter: w, request: r}, r)
}

func (s *Server) serve(a *answer, r *http.Request) {
	ctx, span := s.beginSpan(r)
	id := requestID(r)
	r.Header.Set(requestIDHeader, id)
	r = r.WithContext(WithRequestID(ctx, id))
	a.request = r
	a.Header().Set(requestIDHeader, id)
	a.Header().Set("Cache-Control", "no-store")
	a.Header().Set("X-Content-Type-Options", "nosniff")

	ctx, cancel := context.WithTimeout(r.Context(), s.limits.request)
	defer cancel()
	r.Body = http.MaxBytesReader(a.ResponseWriter, r.Body, s.limits.body)

	timer := s.metrics.start(r.Context(), a)
	defer func() {
		cause := recover()
		aborted := s.recovered(a, r, cause)
		timer.ObserveDuration()
		s.logChange(a, r)
		s.recordDeed(a, r)
		endSpan(span, a, r.Method)
		if aborted {
			panic(http.ErrAbortHandler) // net/http hangs up: half an answer must not look like a whole one
		}
	}()
	if p := s.admit(a, r.WithContext(ctx)); p != nil {
		s.refuse(a, r, p)
		return
	}
	if s.isDeed(a.route) {
		a.sent = &opening{ReadCloser: r.Body}
		r.Body = a.sent
	}
	if !s.streams[a.route] {
		r = r.WithContext(ctx)
	}
	a.request = r // the mux keeps in it what the path says
	if s.isGraph(r) {
		a.spend = func() time.Duration { return s.allowances.take(a.bearer.key, s.wall()) }
		s.graph.ServeAs(a, r, a.bearer.Caller)
		return
	}
	if s.isConsole(r) {
		s.console.ServeHTTP(a, r)
		return
	}
	s.mux.ServeHTTP(a, r)
}

// refuse answers a request that goes no further, in the form of the API that it was meant for.
func (s *Server) refuse(a *answer, r *http.Request, p *Problem) {
	if !s.isGraph(r) {
		s.writeProblem(a, p)
		return
	}
	s.stamp(a, p)
	for name, values := range p.headers {
		a.Header()[name] = values
	}
	s.graph.Refuse(a, r, p.Status, p.Detail)
}

// admit finds the route and says why the request may not take it; nil if it may.
func (s *Server) admit(a *answer, r *http.Request) *Problem {
	if size := headerSize(r); size > s.limits.headers {
		return headersTooLarge.problem("The headers take %d bytes, %d are allowed.", size, s.limits.headers)
	}
	pattern, p := s.route(r)
	if p != nil {
		return p
	}
	a.route = pattern
	if p := s.permit(a, r, pattern); p != nil {
		return p
	}
	if r.ContentLength > s.limits.body {
		a.Header().Set("Connection", "close") // what is on its way is not going to be read
		return bodyTooLarge.problem("The body has %d bytes, %d are allowed.", r.ContentLength, s.limits.body)
	}
	return nil
}

// route finds the pattern that the request matches. The answers that net/http's mux gives where there is none become
// problem documents.
func (s *Server) route(r *http.Request) (pattern string, p *Problem) {
	if s.isGraph(r) {
		return graphRoute(r.Method), nil
	}
	if s.isConsole(r) {
		return consoleRoute(r), nil
	}
	h, pattern := s.mux.Handler(r)
	if s.needs[pattern] != "" {
		return pattern, nil
	}
	refused := headersOnly{header: http.Header{}}
	if pattern == "" {
		h.ServeHTTP(refused, r)
	}
	if allow := refused.header.Get("Allow"); allow != "" {
		p = wrongMethod.problem("%s is not for %s; allowed: %s.", shorten(r.URL.Path), shorten(r.Method), allow)
		p.header("Allow", allow)
		return "", p
	}
	return "", unknownPath.problem("There is nothing at %s; %s describes what there is.", shorten(r.URL.Path), descriptionPath)
}

// recovered answers for a panic, and says whether the connection has to be cut because an answer had begun.
func (s *Server) recovered(a *answer, r *http.Request, cause any) (abort bool) {
	if cause == nil {
		return false
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	s.log.ErrorContext(r.Context(), "request panicked", "request", a.Header().Get(requestIDHeader), "route", a.route,
		"panic", redact(fmt.Sprint(cause)), "stack", string(debug.Stack()))
	if a.code != 0 {
		return true
	}
	s.refuse(a, r, internal.problem("%s", internalDetail))
	return false
}

// logChange leaves a line about who has changed something, or tried to.
func (s *Server) logChange(a *answer, r *http.Request) {
	if a.route == "" || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return
	}
	s.log.InfoContext(r.Context(), "request", "route", a.route, "path", r.URL.Path, "by", a.bearer.Name, "status", a.status(),
		"location", a.location(), "request", a.Header().Get(requestIDHeader))
}

// An answer is the response to one request, and what is to be known about it afterwards.
type answer struct {
	http.ResponseWriter
	code    int    // 0: nothing is written yet
	route   string // the pattern; empty: none matched
	request *http.Request
	bearer  bearer  // who asks; the zero bearer: nobody was asked
	as      *bearer // who has signed in to the console, which asks for them; nil: the request itself says who it is from

	spend func() time.Duration // takes one more request from what the caller may ask for; nil: they may ask as often as they like
	sent  *opening             // how the body of a request begins that is kept as a deed; nil: of another one, or it was not read
	told  string               // why it was refused
	about string               // the id of the relationship that it is about, once it is known that the caller sees it
}

// Spend has the caller ask once more, for one of several requests that came as one, or says for how long they must not.
func (a *answer) Spend() (wait time.Duration) {
	if a.spend == nil {
		return 0
	}
	return a.spend()
}

// WriteHeader remembers the code.
func (a *answer) WriteHeader(code int) {
	if a.code == 0 && code >= http.StatusOK {
		a.code = code
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write remembers that there was no other code.
func (a *answer) Write(b []byte) (int, error) {
	if a.code == 0 {
		a.code = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// location is where the answer sends the caller, as far as logs and traces may know it. What stands behind the path stays out of them: people have typed
// it, and an issuer is handed secrets there.
func (a *answer) location() string {
	path, _, _ := strings.Cut(a.Header().Get("Location"), "?")
	return path
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// pattern is the route, or what stands for it where there is none: what callers make up must not become series.
func (a *answer) pattern() string {
	if a.route == "" {
		return "none"
	}
	return a.route
}

func (a *answer) status() int {
	if a.code == 0 {
		return http.StatusOK
	}
	return a.code
}

// headersOnly takes an answer of which only the headers matter.
type headersOnly struct{ header http.Header }

// Header satisfies [http.ResponseWriter].
func (h headersOnly) Header() http.Header { return h.header }

// Write forgets the body.
func (h headersOnly) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader forgets the code.
func (h headersOnly) WriteHeader(int) {}

const requestIDHeader = "X-Request-Id"

var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID is the id that the caller gave the request, if it is fit to be logged, else a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); saneRequestID.MatchString(id) {
		return id
	}
	return rand.Text()
}

// headerSize is how much the request line and the headers take, about as they were sent.
func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI)
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	return size
}
