package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Problem is an RFC 9457 problem document. Programs go by its type, people by its detail.
type Problem struct {
	Type      string     `json:"type" format:"uri" doc:"The kind of problem; an address in the HTTP reference, and the same for every problem of the kind"`
	Title     string     `json:"title" doc:"The kind of problem, for people"`
	Status    int        `json:"status" doc:"The HTTP status"`
	Detail    string     `json:"detail" doc:"What went wrong this time"`
	RequestID string     `json:"requestId" doc:"As in the X-Request-Id header and in the log"`
	Errors    []BadValue `json:"errors,omitempty" nullable:"false" maxItems:"10" doc:"Each value that was refused, up to ten"`
	Sentence
	headers http.Header      // to be sent along
	cause   error            // for the log only
	code    lifecycle.Reason // in the log of activities; empty: the kind
}

// A BadValue is a part of a request that was refused.
type BadValue struct {
	Location string `json:"location" example:"body.rules[0]" doc:"Where it stands: in the body, the query, the path or a header"`
	Value    any    `json:"value,omitempty" doc:"What was sent there, cut if it is long"`
	Detail   string `json:"detail" doc:"What is wrong with it"`
	Sentence
}

// A Sentence is what detail says, for those who say it in another language.
type Sentence struct {
	Name  string         `json:"sentence,omitempty" example:"sweepOver" doc:"A name that stays the same for what detail says; missing: it has none"`
	Facts map[string]any `json:"facts,omitempty" doc:"What it speaks of, by name"`
}

// sentenceOf is what was said; nil is the empty Sentence.
func sentenceOf(said *lifecycle.Said) Sentence {
	if said == nil {
		return Sentence{}
	}
	return Sentence{said.Code, said.Facts}
}

// with names what the problem says.
func (p *Problem) with(said *lifecycle.Said) *Problem {
	p.Sentence = sentenceOf(said)
	return p
}

// A kind is a kind of problem. Its slug is part of the contract, and a heading in docs/http.md.
type kind struct {
	slug   string
	status int
	title  string
}

// The kinds of problem: 400 where the request cannot be read, 422 where it can and what it says will not do.
var (
	badJSON          = kind{"bad-json", 400, "The body is not JSON"}
	unreadableBody   = kind{"unreadable-body", 400, "The body did not arrive whole"}
	tokenMissing     = kind{"token-missing", 401, "A token is needed"}
	tokenUnknown     = kind{"token-unknown", 401, "The token is not known"}
	scopeMissing     = kind{"scope-missing", 403, "The token does not allow this"}
	roleMissing      = kind{"role-missing", 403, "The role does not allow this"}
	badStanding      = kind{"partner-standing", 403, "The partner's standing does not allow this"}
	localOnly        = kind{"local-only", 403, "Only this machine is answered"}
	crossSite        = kind{"cross-site", 403, "Requests of other web pages are refused"}
	unknownPath      = kind{"unknown-path", 404, "There is nothing here"}
	unknownSweep     = kind{"unknown-sweep", 404, "There is no such sweep"}
	unknownNotice    = kind{"unknown-notice", 404, "There is no such notice"}
	unknownChannel   = kind{"unknown-channel", 404, "There is no such channel"}
	unknownRecord    = kind{"unknown-relationship", 404, "There is no such relationship"}
	unknownBulk      = kind{"unknown-bulk-job", 404, "There is no such bulk job"}
	unknownHold      = kind{"unknown-hold", 404, "There is no such hold"}
	unknownTarget    = kind{"unknown-subscription", 404, "There is no such subscription"}
	unknownQueue     = kind{"unknown-queue", 404, "There is no such queue"}
	wrongMethod      = kind{"wrong-method", 405, "The method is not allowed here"}
	bodyTimeout      = kind{"body-timeout", 408, "The body took too long"}
	notRunning       = kind{"not-running", 409, "The sweep is over"}
	actionRefused    = kind{"action-refused", 409, "The relationship does not allow this now"}
	heldAlready      = kind{"held-already", 409, "It is on hold already"}
	holdReleased     = kind{"hold-released", 409, "The hold is released already"}
	notHeld          = kind{"not-held", 409, "The sweep does not wait for a word"}
	standstill       = kind{"standstill", 409, "Everything is on hold"}
	bulkOver         = kind{"bulk-job-over", 409, "The bulk job is over"}
	notWaiting       = kind{"not-waiting", 409, "The relationship does not wait for provisioning"}
	staleOrder       = kind{"stale-order", 409, "The order is not the one that waits"}
	enoughTargets    = kind{"enough-subscriptions", 409, "There are enough subscriptions"}
	bodyTooLarge     = kind{"body-too-large", 413, "The body is too large"}
	wrongContentType = kind{"wrong-content-type", 415, "The body is not sent as JSON"}
	badValue         = kind{"bad-value", 422, "A value will not do"}
	unknownField     = kind{"unknown-field", 422, "A field is unknown"}
	unknownRule      = kind{"unknown-rule", 422, "A rule is unknown"}
	keyReused        = kind{"key-reused", 422, "The idempotency key was used for another request"}
	tooManyRequests  = kind{"too-many-requests", 429, "This caller asks too often"}
	headersTooLarge  = kind{"headers-too-large", 431, "The headers are too large"}
	internal         = kind{"internal", 500, "Something broke"}
	issuerAway       = kind{"issuer-away", 503, "The token cannot be checked"}
	clockAstray      = kind{"clock-astray", 503, "The clock is not believed"}
	queueAway        = kind{"queue-away", 503, "The queue does not answer"}
	timedOut         = kind{"timed-out", 503, "It took too long"}
	notReady         = kind{"not-ready", 503, "A dependency is missing"}
)

// kinds lists them all.
var kinds = []kind{badJSON, unreadableBody, tokenMissing, tokenUnknown, scopeMissing, roleMissing, badStanding, localOnly, crossSite, unknownPath,
	unknownSweep, unknownNotice, unknownChannel, unknownRecord, unknownBulk, unknownHold, unknownTarget, unknownQueue, wrongMethod, bodyTimeout, notRunning, actionRefused, heldAlready, holdReleased, notHeld, standstill, bulkOver,
	notWaiting, staleOrder, enoughTargets, bodyTooLarge, wrongContentType, badValue, unknownField, unknownRule,
	keyReused, tooManyRequests, headersTooLarge, internal, issuerAway, clockAstray, queueAway, timedOut, notReady}

// ProblemKinds are the names of all kinds of problem, as the type of a problem ends.
func ProblemKinds() []string {
	slugs := make([]string, len(kinds))
	for i, k := range kinds {
		slugs[i] = k.slug
	}
	return slugs
}

const (
	problemType    = "https://github.com/tenure-dev/tenure/blob/main/docs/http.md#"
	problemContent = "application/problem+json"
	internalDetail = "The cause is in the log, under the request id."
	mostBadValues  = 10
)

// says is a problem of which detail is a sentence.
func (k kind) says(said *lifecycle.Said) *Problem { return k.problem("%s", said).with(said) }

func (k kind) problem(format string, args ...any) *Problem {
	return &Problem{Type: problemType + k.slug, Title: k.title, Status: k.status, Detail: fmt.Sprintf(format, args...)}
}

// A problemDocument is a Problem, or one with more to it.
type problemDocument interface {
	huma.StatusError
	base() *Problem
}

func (p *Problem) base() *Problem { return p }

func (p *Problem) header(name, value string) {
	if p.headers == nil {
		p.headers = http.Header{}
	}
	p.headers.Set(name, value)
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus is the HTTP status. It satisfies [huma.StatusError].
func (p *Problem) GetStatus() int { return p.Status }

// Explain is what went wrong this time.
func (p *Problem) Explain() string { return p.Detail }

// GetHeaders are the headers that go with it. It satisfies [huma.HeadersError].
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType is that of problem documents. It satisfies [huma.ContentTypeFilter].
func (p *Problem) ContentType(string) string { return problemContent }

// problemOf tells an error of the store or the sweeper as a problem. What is inside an unexpected one is for the log.
func problemOf(err error) problemDocument {
	var known problemDocument
	var p *Problem
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, lifecycle.ErrNotFound):
		return unknownSweep.problem("There is no sweep with this id, or not any more; GET /v1/sweeps lists those that there are.")
	case errors.Is(err, lifecycle.ErrClockAstray):
		p = clockAstray.problem("This server's clock shows a time that cannot be right, or nothing has run for long. Whoever runs this deployment can set it right, or say that it is; GET %s says what is wrong.", quarantinePath)
	case errors.Is(err, context.Canceled):
		return timedOut.problem("The caller hung up.") // so nobody reads this, and there is nothing to log
	case errors.Is(err, context.DeadlineExceeded):
		p = timedOut.problem("The database did not answer in time. Ask again; a request for a sweep may be repeated safely with the same Idempotency-Key.")
		p.header("Retry-After", "5")
	default:
		p = internal.problem("%s", internalDetail)
	}
	p.cause = err
	return p
}

// writeProblem answers with p where huma is not asked.
func (s *Server) writeProblem(w http.ResponseWriter, p *Problem) {
	s.stamp(w, p)
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemContent)
	w.WriteHeader(p.Status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(p) // it fails only if the caller has hung up
}

// stamp puts the request's id on p, and logs the cause, once, if there is one. What was refused is recorded here, before the
// caller hears of it.
func (s *Server) stamp(w http.ResponseWriter, p *Problem) {
	p.RequestID = w.Header().Get(requestIDHeader)
	ctx := context.Background()
	if a, ok := w.(*answer); ok {
		ctx = a.request.Context()
		a.told = p.Detail
		s.recordRefusal(a, p)
	}
	if p.cause != nil {
		s.log.ErrorContext(ctx, "request failed", "request", p.RequestID, "error", redact(p.cause.Error()))
	}
}

// finishProblem is the last to see whatever huma is about to write. It completes our own problems, and brings huma's, about
// parameters, into the same form.
func (s *Server) finishProblem(ctx huma.Context, _ string, v any) (any, error) {
	_, w := humago.Unwrap(ctx)
	switch v := v.(type) {
	case problemDocument:
		s.stamp(w, v.base())
		return v, nil
	case *huma.ErrorModel:
		p := fromHuma(v)
		s.stamp(w, p)
		return p, nil
	}
	return v, nil
}

// fromHuma keeps the status, which huma has decided on before it asks us. That is 422; others are not expected.
func fromHuma(m *huma.ErrorModel) *Problem {
	if m.Status != http.StatusUnprocessableEntity {
		p := internal.problem("%s", internalDetail)
		p.Status, p.cause = m.Status, errors.New(m.Detail)
		return p
	}
	var bad []BadValue
	for _, e := range m.Errors {
		bad = append(bad, BadValue{e.Location, shortenValue(e.Value), e.Message, Sentence{}})
	}
	// Huma goes through unknown query parameters in the order of a map.
	slices.SortStableFunc(bad, func(a, b BadValue) int { return strings.Compare(a.Location, b.Location) })
	return refused(badValue, bad)
}

// refused is a problem with at least one value.
func refused(k kind, bad []BadValue) *Problem {
	detail := bad[0].Location + ": " + bad[0].Detail
	if more := len(bad) - 1; more > 0 {
		detail += fmt.Sprintf(" (and %d more)", more)
	}
	p := k.problem("%s", detail)
	p.Errors = bad[:min(len(bad), mostBadValues)]
	return p
}

const longestValue = 100 // bytes of what was sent that are sent back

func shorten(s string) string {
	if len(s) <= longestValue {
		return s
	}
	return strings.ToValidUTF8(s[:longestValue], "") + "…"
}

func shortenValue(v any) any {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
		return shorten(v)
	case bool, int, int64, float64:
		return v
	}
	return nil
}

// redact takes out of an error what must not be logged: the user and password of a URL, and the password of a DSN.
func redact(s string) string {
	s = credentials.ReplaceAllString(s, "://…@")
	return passwords.ReplaceAllString(s, "${1}…")
}

var (
	credentials = regexp.MustCompile(`://[^\s"]*@`)
	passwords   = regexp.MustCompile(`(?i)(pass(?:word|wd)?=)('[^']*'|[^\s&"]+)`)
)

// answers describes, for the OpenAPI file, the problems that an operation may answer with.
func (s *Server) answers(known ...kind) map[string]*huma.Response {
	responses := map[string]*huma.Response{}
	for _, k := range known {
		code := strconv.Itoa(k.status)
		if r := responses[code]; r != nil {
			r.Description += "; " + k.slug
			continue
		}
		responses[code] = &huma.Response{
			Description: k.slug,
			Content:     map[string]*huma.MediaType{problemContent: {Schema: schemaOf[Problem](s)}},
		}
	}
	return responses
}

// seconds writes a duration for people and headers.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s" }
