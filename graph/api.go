package graph

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Options are the parts that an API is made of.
type Options struct {
	Store     Store
	Policy    *lifecycle.Policy
	Now       func() time.Time // the deployment's clock
	Logger    *slog.Logger     // nil: nothing is logged
	PublicURL string           // what callers put before /v1.0, e.g. "https://tenure.example"; empty: as the request says
}

// An API answers requests under /v1.0/. It is made by [New], and may be asked from many goroutines.
type API struct {
	store     Store
	policy    *lifecycle.Policy
	now       func() time.Time
	log       *slog.Logger
	publicURL string
	routes    []route
}

// New makes an API.
func New(o Options) (*API, error) {
	if o.Store == nil || o.Policy == nil || o.Now == nil {
		return nil, errors.New("graph needs a Store, a Policy and a clock")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &API{store: o.Store, policy: o.Policy, now: o.Now, log: o.Logger, publicURL: strings.TrimSuffix(o.PublicURL, "/"), routes: routes()}, nil
}

// The headers by which a request is found again.
const (
	ourRequestHeader    = "X-Request-Id"      // on w before we are asked
	requestHeader       = "request-id"        // what Graph calls it
	clientRequestHeader = "client-request-id" // what the caller calls it
)

// A meter is a writer that knows how often its caller may still ask. The requests of a batch count one by one.
type meter interface {
	Spend() (wait time.Duration) // takes one, or says for how long the caller must not ask
}

// ServeAs answers a request whose caller is known. Its path begins with /v1.0/, its body is bounded, and its id is on w.
func (a *API) ServeAs(w http.ResponseWriter, r *http.Request, by lifecycle.Caller) {
	if by.Request == "" {
		by.Request = w.Header().Get(ourRequestHeader)
	}
	x := a.exchange(r, w.Header(), by)
	if limited, ok := w.(meter); ok {
		x.spend = limited.Spend
	}
	ans := x.answer()
	x.send(w, ans)
}

// Refuse answers, in Graph's form, a request that was stopped before its caller was known, or for another reason that has
// nothing to do with what it asks for. Headers that go with that are on w.
func (a *API) Refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	x := a.exchange(r, w.Header(), lifecycle.Caller{Request: w.Header().Get(ourRequestHeader)})
	x.send(w, x.problem(refused(status, "%s", message)))
}

// An exchange is a request while it is being answered.
type exchange struct {
	*API
	r      *http.Request
	header http.Header // of the answer
	by     lifecycle.Caller
	now    time.Time // read once
	client string    // what the caller calls the request; its id where they call it nothing
	prefer preferences
	nested bool // it came inside a batch
	spend  func() (wait time.Duration)

	op      operation
	ids     []string // of the path
	options options
	reason  string // why it is asked for, to be kept with the change; empty: nobody says

	subject      string // what it is about, for the record of a refusal
	relationship string // the id of a relationship that it is about and the caller sees
}

func (a *API) exchange(r *http.Request, header http.Header, by lifecycle.Caller) *exchange {
	if by.Request == "" {
		by.Request = uuid.NewString()
	}
	x := &exchange{API: a, r: r, header: header, by: by, now: lifecycle.Instant(a.now()), prefer: preferred(r.Header), subject: r.URL.Path,
		spend: func() time.Duration { return 0 }}
	x.client = by.Request
	if client := r.Header.Get(clientRequestHeader); saneRequestID.MatchString(client) {
		x.client = client
	}
	header.Set(requestHeader, by.Request)
	header.Set(clientRequestHeader, x.client)
	return x
}

var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9_.:{}-]{1,128}$`)

// An answer is what a request is answered with. Its headers are in the exchange.
type answer struct {
	status int
	body   []byte // JSON, unless the headers say otherwise; nil: none
}

const jsonContent = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// answer does what is asked for, or says why not, and sees to it that a refused write is on record.
func (x *exchange) answer() answer {
	ans, err := x.do()
	if err == nil {
		x.prefer.applied(x.header)
		return ans
	}
	p := problemOf(err)
	x.record(p)
	return x.problem(p)
}

func (x *exchange) do() (answer, error) {
	if err := x.find(); err != nil {
		return answer{}, err
	}
	if err := x.readOptions(); err != nil {
		return answer{}, err
	}
	return x.op.do(x)
}

// problem makes an answer of a problem, and logs its cause, if there is one.
func (x *exchange) problem(p *problem) answer {
	if p.cause != nil {
		x.log.ErrorContext(x.r.Context(), "request failed", "request", x.by.Request, "error", p.cause)
	}
	for name, values := range p.header {
		x.header[name] = values
	}
	return answer{p.status, p.body(x.now, x.by.Request, x.client)}
}

// record keeps a refused write in the log of activities. Where that fails the refusal stands, and our own log has both.
func (x *exchange) record(p *problem) {
	switch {
	case x.r.Method == http.MethodGet || x.r.Method == http.MethodHead || x.by.Role == "":
		return
	case p.status < 400 || p.status > 499 || p.status == http.StatusUnauthorized || p.status == http.StatusTooManyRequests:
		return
	}
	action := x.op.action
	if action == "" {
		action = x.r.Method
	}
	refusal := lifecycle.RefusedRequest{RelationshipID: x.relationship, Subject: x.subject, Action: action,
		Code: lifecycle.Reason(p.code), Detail: p.message, By: x.by, At: x.now}
	const patience = 5 * time.Second // a caller who hangs up leaves a trace nevertheless
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), patience)
	defer cancel()
	if err := x.store.RecordRefusal(ctx, refusal); err != nil {
		x.log.ErrorContext(ctx, "a refusal could not be recorded", "request", x.by.Request, "action", action, "subject", clip(x.subject),
			"code", p.code, "caller", x.by.Name, "error", err)
	}
}

// send writes the answer.
func (x *exchange) send(w http.ResponseWriter, ans answer) {
	x.header.Set("OData-Version", "4.0")
	if ans.body != nil {
		if x.header.Get("Content-Type") == "" {
			x.header.Set("Content-Type", jsonContent)
		}
		x.header.Set("Content-Length", strconv.Itoa(len(ans.body)))
	}
	w.WriteHeader(ans.status)
	if ans.body != nil && x.r.Method != http.MethodHead {
		_, _ = w.Write(ans.body) // it fails only if the caller has hung up
	}
}

// base is what stands before everything that is served here, /v1.0 included.
func (x *exchange) base() string {
	if x.publicURL != "" {
		return x.publicURL + "/v1.0"
	}
	scheme := "http"
	if x.r.TLS != nil {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: x.r.Host, Path: "/v1.0"}).String()
}

// The folders of what is served.
const (
	tenantRelationships = "tenantRelationships"
	relationshipsFolder = "delegatedAdminRelationships"
	customersFolder     = "delegatedAdminCustomers"
	requestsFolder      = "requests"
	operationsFolder    = "operations"
	assignmentsFolder   = "accessAssignments"
)

// at is the address of something that belongs to relationships.
func (x *exchange) at(elements ...string) string {
	var b strings.Builder
	b.WriteString(x.base() + "/" + tenantRelationships + "/" + relationshipsFolder)
	for _, e := range elements {
		b.WriteString("/" + url.PathEscape(e))
	}
	return b.String()
}

// describedBy is what @odata.context says of an answer that holds set, e.g. "requests/$entity".
func (x *exchange) describedBy(set string) string {
	return x.base() + "/" + tenantRelationships + "/$metadata#" + set
}
