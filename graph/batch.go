package graph

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const largestBatch = 20 // requests, as in Graph

// A batched is one request of a batch.
type batched struct {
	id, method, url string
	headers         http.Header
	body            json.RawMessage // nil: none
	after           []string        // ids of those that have to succeed first

	done   bool
	status int
}

// postBatch answers several requests one after the other, in their order, but each after those that it depends on.
func (x *exchange) postBatch() (answer, error) {
	x.subject = ""
	if x.nested {
		return answer{}, refused(http.StatusBadRequest, "A batch cannot hold a batch; send its requests by themselves.")
	}
	body, err := x.readBody()
	if err != nil {
		return answer{}, err
	}
	requests, err := readBatch(body)
	if err != nil {
		return answer{}, err
	}
	sequence, err := inSequence(requests)
	if err != nil {
		return answer{}, err
	}
	responses := make([]batchedResponse, 0, len(requests))
	for i, b := range sequence {
		var wait time.Duration
		if i > 0 { // the first one came with the batch
			wait = x.spend()
		}
		responses = append(responses, x.answerOne(b, sequence, wait))
	}
	return answer{http.StatusOK, asJSON(struct {
		Responses []batchedResponse `json:"responses"`
	}{responses})}, nil
}

// A batchedResponse is the answer to one request of a batch.
type batchedResponse struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// answerOne answers one request as if it had come by itself, under an id of its own. wait is for how long the caller must not ask.
func (x *exchange) answerOne(b *batched, all []*batched, wait time.Duration) batchedResponse {
	header := http.Header{}
	by := x.by
	by.Request = uuid.NewString()
	r := x.r.Clone(x.r.Context())
	r.Method, r.Header, r.Body, r.ContentLength = b.method, b.headers, io.NopCloser(bytes.NewReader(b.body)), int64(len(b.body))
	var ans answer
	target, err := url.Parse(b.url)
	if err != nil { // it has been read before, so it is always one
		target = &url.URL{}
	}
	r.URL = target
	sub := x.exchange(r, header, by)
	sub.nested = true
	switch failed := failedBefore(b, all); {
	case failed != "":
		p := refused(http.StatusFailedDependency, "This depends on the request %q, which failed.", clip(failed))
		sub.op.action = "batch"
		_ = sub.find() // for the name of what was asked for
		sub.record(p)
		ans = sub.problem(p)
	case wait > 0:
		p := refused(http.StatusTooManyRequests, "You have asked too often. Ask again in %s.", wait.Round(time.Millisecond))
		ans = sub.problem(p.with("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds())))))
	default:
		ans = sub.guarded()
	}
	b.done, b.status = true, ans.status
	return b.response(header, ans)
}

// guarded is answer; what breaks in one request of a batch does not take the others' answers along.
func (x *exchange) guarded() (ans answer) {
	defer func() {
		if cause := recover(); cause != nil {
			x.log.ErrorContext(x.r.Context(), "request panicked", "request", x.by.Request, "panic", cause, "stack", string(debug.Stack()))
			ans = x.problem(refused(http.StatusInternalServerError, "Something broke. The cause is in the log, under the request-id."))
		}
	}()
	return x.answer()
}

func failedBefore(b *batched, all []*batched) string {
	for _, other := range all {
		if other.done && other.status >= 400 && slices.ContainsFunc(b.after, func(id string) bool { return strings.EqualFold(id, other.id) }) {
			return other.id
		}
	}
	return ""
}

// response writes an answer into the batch's. A body that is no JSON is written as a text.
func (b *batched) response(header http.Header, ans answer) batchedResponse {
	response := batchedResponse{ID: b.id, Status: ans.status, Headers: map[string]string{}}
	if ans.body != nil && header.Get("Content-Type") == "" {
		header.Set("Content-Type", jsonContent)
	}
	for name, values := range header {
		response.Headers[name] = strings.Join(values, ", ")
	}
	switch {
	case ans.body == nil || b.method == http.MethodHead:
	case strings.HasPrefix(header.Get("Content-Type"), "application/json"):
		response.Body = ans.body
	default:
		response.Body = asJSON(string(ans.body))
	}
	return response
}

// inSequence puts the requests in an order in which each comes after those it depends on.
func inSequence(requests []*batched) ([]*batched, error) {
	var sequence []*batched
	placed := map[string]bool{}
	for len(sequence) < len(requests) {
		next := slices.IndexFunc(requests, func(b *batched) bool {
			return !placed[strings.ToLower(b.id)] && !slices.ContainsFunc(b.after, func(id string) bool { return !placed[strings.ToLower(id)] })
		})
		if next < 0 {
			return nil, refused(http.StatusBadRequest, "dependsOn: some requests of the batch wait for each other in a circle.")
		}
		sequence = append(sequence, requests[next])
		placed[strings.ToLower(requests[next].id)] = true
	}
	return sequence, nil
}

// readBatch reads the requests of a batch. What is wrong with the batch itself refuses all of it.
func readBatch(body json.RawMessage) ([]*batched, error) {
	var b bodyReader
	var requests []*batched
	said := false
	b.object("", body, part{"requests", func(target string, value json.RawMessage) {
		said = true
		b.list("requests", func(target string, value json.RawMessage) {
			if len(requests) <= largestBatch { // one more is enough to know
				requests = append(requests, b.batched(target, value))
			}
		})(target, value)
	}})
	switch {
	case !said && len(b.faults) == 0:
		b.refuse(codeMissing, "requests", "is missing; send a list of up to %d requests", largestBatch)
	case len(requests) > largestBatch:
		return nil, refused(http.StatusBadRequest, "The batch holds more than the %d requests that are allowed.", largestBatch)
	case len(requests) == 0 && len(b.faults) == 0:
		b.refuse(codeMissing, "requests", "is empty; send at least one request")
	}
	b.checkIDs(requests)
	return requests, b.problem()
}

// checkIDs sees to it that each id is there once, and that nothing depends on what there is not.
func (b *bodyReader) checkIDs(requests []*batched) {
	seen := map[string]bool{}
	for _, r := range requests {
		if id := strings.ToLower(r.id); seen[id] {
			b.refuse(codeDuplicate, "requests", "have the id %q twice; ids differ in more than upper and lower case", clip(r.id))
		} else {
			seen[id] = true
		}
	}
	for _, r := range requests {
		for _, id := range r.after {
			if !seen[strings.ToLower(id)] {
				b.refuse(codeInvalid, "dependsOn", "of the request %q names %q, and there is no request with this id", clip(r.id), clip(id))
			}
		}
	}
}

func (b *bodyReader) batched(target string, value json.RawMessage) *batched {
	r := &batched{headers: http.Header{}}
	b.object(target, value,
		part{"id", b.text(func(_, text string) { r.id = text })},
		part{"method", b.text(func(_, text string) { r.method = strings.ToUpper(text) })},
		part{"url", b.text(func(target, text string) { r.url = b.batchedURL(target, text) })},
		part{"headers", func(target string, value json.RawMessage) { b.batchedHeaders(r.headers, target, value) }},
		part{"body", func(_ string, value json.RawMessage) {
			if !isNull(value) {
				r.body = value
			}
		}},
		part{"dependsOn", func(target string, value json.RawMessage) {
			if !isNull(value) {
				b.list("ids", b.text(func(_, text string) { r.after = append(r.after, text) }))(target, value)
			}
		}})
	for _, field := range []struct{ name, value string }{{"id", r.id}, {"method", r.method}, {"url", r.url}} {
		if path := target + "." + field.name; field.value == "" && !b.refuses(path) {
			b.refuse(codeMissing, path, "is missing")
		}
	}
	return r
}

// batchedURL reads an address that is relative to /v1.0, as a path of ours.
func (b *bodyReader) batchedURL(target, text string) string {
	if u, err := url.Parse(text); err == nil && u.IsAbs() {
		b.refuse(codeInvalid, target, "is an absolute address; leave out what stands before %s", tenantRelationships)
		return ""
	}
	path := "/" + strings.TrimPrefix(text, "/")
	if !strings.HasPrefix(path, "/v1.0/") {
		path = "/v1.0" + path
	}
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" {
		b.refuse(codeInvalid, target, "%q is no address relative to /v1.0, like /tenantRelationships/delegatedAdminRelationships", clip(text))
		return ""
	}
	return path
}

// mostHeaders is how many headers a request of a batch may have.
const mostHeaders = 50

func (b *bodyReader) batchedHeaders(into http.Header, target string, value json.RawMessage) {
	if isNull(value) {
		return
	}
	var headers map[string]string
	if err := json.Unmarshal(value, &headers); err != nil || len(headers) > mostHeaders {
		b.refuse(codeInvalid, target, "is not an object of up to %d strings", mostHeaders)
		return
	}
	for name, text := range headers {
		into.Add(name, text)
	}
}
