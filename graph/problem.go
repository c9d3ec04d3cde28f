package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A problem is an answer to a request that was refused, or failed.
type problem struct {
	status  int
	code    string // in a word, for programs
	message string // what is wrong, and what to do about it
	details []problemDetail
	header  http.Header // what goes with it; nil: nothing
	cause   error       // for the log, not for the caller

	said *lifecycle.Said // what message says, for those who say it in another language; nil: it has no name
}

// A problemDetail is one of several things that are wrong.
type problemDetail struct {
	Code    string `json:"code"`
	Target  string `json:"target"` // the field or parameter
	Message string `json:"message"`
}

func (p *problem) Error() string { return p.code + ": " + p.message }

// with adds a header.
func (p *problem) with(name, value string) *problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

// The codes of problems, in the style of this service of Graph, which documents none of them; docs/graph.md lists ours.
const (
	codeBadRequest    = "badRequest"
	codeUnauthorized  = "InvalidAuthenticationToken"
	codeForbidden     = "accessDenied"
	codeNotFound      = "notFound"
	codeMethod        = "methodNotAllowed"
	codeTimeout       = "requestTimeout"
	codeNameConflict  = "nameAlreadyExists"
	codeWrongStatus   = "invalidStatus"
	codeConflict      = "conflict"
	codeStale         = "preconditionFailed"
	codeTooLarge      = "requestTooLarge"
	codeMedia         = "unsupportedMediaType"
	codeNoMatch       = "preconditionRequired"
	codeDependency    = "failedDependency"
	codeTooMany       = "activityLimitReached"
	codeHeaders       = "requestHeaderFieldsTooLarge"
	codeInternal      = "unexpectedError"
	codeUnavailable   = "serviceNotAvailable"
	codeMissing       = "missingValue" // from here on: of details
	codeInvalid       = "invalidValue"
	codeUnknown       = "unknownProperty"
	codeReadOnly      = "readOnlyProperty"
	codeDuplicate     = "duplicateProperty"
	codeUnknownOption = "unsupportedQueryOption"
)

// codes are those of problems that are known by their status alone.
var codes = map[int]string{400: codeBadRequest, 401: codeUnauthorized, 403: codeForbidden, 404: codeNotFound, 405: codeMethod,
	408: codeTimeout, 409: codeConflict, 412: codeStale, 413: codeTooLarge, 415: codeMedia, 424: codeDependency, 428: codeNoMatch,
	429: codeTooMany, 431: codeHeaders, 500: codeInternal, 503: codeUnavailable, 504: codeUnavailable}

// ProblemCodes are the codes of all problems, those of details apart.
func ProblemCodes() []string {
	all := []string{codeNameConflict, codeWrongStatus, string(lifecycle.WrongStanding), string(lifecycle.OnHold)}
	for _, code := range codes {
		all = append(all, code)
	}
	return all
}

func codeOf(status int) string {
	switch code := codes[status]; {
	case code != "":
		return code
	case status < 500:
		return codeBadRequest
	}
	return codeInternal
}

func refused(status int, format string, args ...any) *problem {
	return &problem{status: status, code: codeOf(status), message: fmt.Sprintf(format, args...)}
}

// notFound is the answer about what there is not, and about what is not the caller's: nobody can tell one from the other.
func notFound(what string) *problem {
	return refused(http.StatusNotFound, "There is no %s with this id, or not for you. Look at the list for those that there are.", what)
}

// problemOf tells an error as a problem. What is inside an unexpected one is for the log.
func problemOf(err error) *problem {
	var known *problem
	var refusal *lifecycle.Refusal
	var faults lifecycle.Faults
	var held *lifecycle.NameHeld
	var taken *lifecycle.AssignmentTaken
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &refusal):
		return refusedBy(refusal)
	case errors.As(err, &faults):
		return faulty(faults)
	case errors.As(err, &held):
		return &problem{status: http.StatusConflict, code: codeNameConflict, message: sentence(held.Error())}
	case errors.As(err, &taken):
		return &problem{status: http.StatusConflict, code: codeConflict, message: sentence(taken.Error())}
	case errors.Is(err, lifecycle.ErrNotFound):
		return notFound("relationship")
	case errors.Is(err, lifecycle.ErrStaleVersion):
		return stale()
	case errors.Is(err, lifecycle.ErrClockAstray):
		p := refused(http.StatusServiceUnavailable, "This server's clock shows a time that cannot be right, or nothing has run for long. Whoever runs this deployment can set it right, or say that it is.")
		p.cause = err
		return p
	case errors.Is(err, context.Canceled):
		return refused(http.StatusServiceUnavailable, "The caller hung up.") // so nobody reads this
	case errors.Is(err, context.DeadlineExceeded):
		p := refused(http.StatusServiceUnavailable, "The database did not answer in time. Ask again.")
		p.cause = err
		return p.with("Retry-After", "5")
	}
	p := refused(http.StatusInternalServerError, "Something broke. The cause is in the log, under the request-id.")
	p.cause = err
	return p
}

func stale() *problem {
	return refused(http.StatusPreconditionFailed, "It has changed since this etag was read. Read it again, and decide again whether you still want this.")
}

// refusedBy tells why the relationship, or the partner's standing, does not allow something.
func refusedBy(r *lifecycle.Refusal) *problem {
	p := &problem{status: http.StatusConflict, code: codeWrongStatus, message: sentence(r.Error()), said: r.Told()}
	switch r.Reason {
	case lifecycle.WrongStanding:
		p.status, p.code = http.StatusForbidden, string(lifecycle.WrongStanding)
	case lifecycle.WrongActor:
		p.status, p.code = http.StatusForbidden, codeForbidden
	case lifecycle.WrongContent:
		p.code = codeConflict
	case lifecycle.OnHold:
		p.code = string(lifecycle.OnHold)
	}
	return p
}

const mostDetails = 20 // faults that are told at once

// faulty tells everything that is wrong with what was sent.
func faulty(faults []lifecycle.Fault) *problem {
	p := &problem{status: http.StatusBadRequest, code: codeBadRequest}
	for _, f := range faults[:min(len(faults), mostDetails)] {
		code := codeInvalid
		if f.Value == "" {
			code = codeMissing
		}
		p.details = append(p.details, problemDetail{code, clip(f.Field), clip(sentence(f.Error()))})
	}
	p.tell(len(faults))
	return p
}

// tell makes the message of the details, the first few in full.
func (p *problem) tell(found int) {
	const most = 3
	var texts []string
	for _, d := range p.details[:min(len(p.details), most)] {
		texts = append(texts, d.Message)
	}
	if more := found - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("And %d more.", more))
	}
	p.message = strings.Join(texts, " ")
}

// sentence ends with a full stop. How it begins stays, since that may be a name.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}

// clip keeps a hostile text from coming back whole.
func clip(s string) string {
	const longest = 400
	if len(s) <= longest {
		return s
	}
	cut := longest
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// An envelope is how Graph tells a problem.
type envelope struct {
	Error struct {
		Code       string          `json:"code"`
		Message    string          `json:"message"`
		Details    []problemDetail `json:"details,omitempty"`
		Sentence   string          `json:"sentence,omitempty"` // ours: a name for what message says
		Facts      map[string]any  `json:"facts,omitempty"`    // ours: what it speaks of
		InnerError struct {
			Date    string `json:"date"`
			Request string `json:"request-id"`
			Client  string `json:"client-request-id"`
		} `json:"innerError"`
	} `json:"error"`
}

// body writes the problem in Graph's form.
func (p *problem) body(now time.Time, request, client string) json.RawMessage {
	var e envelope
	e.Error.Code, e.Error.Message, e.Error.Details = p.code, p.message, p.details
	if p.said != nil {
		e.Error.Sentence, e.Error.Facts = p.said.Code, p.said.Facts
	}
	e.Error.InnerError.Date = lifecycle.FormatInstant(now)
	e.Error.InnerError.Request, e.Error.InnerError.Client = request, client
	return asJSON(e)
}
