package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A DeedStore keeps what people ask of the deployment itself. It may be called from many goroutines.
type DeedStore interface {
	// RecordDeed keeps what somebody did or was refused.
	RecordDeed(ctx context.Context, d lifecycle.Deed) error

	// RecordRefusedSignIn keeps that somebody nobody knows tried to sign in: one deed for an address and an hour, and no more than
	// there is room for however many addresses try.
	RecordRefusedSignIn(ctx context.Context, d lifecycle.Deed) error

	// Deeds lists what people did and were refused, the latest first.
	Deeds(ctx context.Context, q lifecycle.DeedQuery) ([]lifecycle.Deed, error)
}

// A Deed is something that somebody asked of the deployment itself, as it is shown.
type Deed struct {
	ID       int64          `json:"id"`
	DateTime string         `json:"dateTime" format:"date-time" doc:"By the deployment's clock"`
	Caller   ActivityCaller `json:"caller"`
	What     string         `json:"what" example:"POST /v1/notices/actions" doc:"The route of the request, sign in or sign out"`
	Subject  *string        `json:"subject" example:"/v1/sweeps/42" doc:"What it was about, or what came into being"`
	Status   int            `json:"status" example:"200" doc:"Of the answer; from 400 on it was refused, from 500 on it is not known whether it was done"`
	Detail   *string        `json:"detail" doc:"The reason that was given; of a refusal, why"`
	Times    int64          `json:"times" minimum:"1" doc:"That it was tried: of refused attempts to sign in there is one deed for an address and an hour, of the latest of them"`
}

// A DeedList is a page of deeds, the latest first.
type DeedList struct {
	Deeds []Deed `json:"deeds" nullable:"false"`
	Next  string `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last"`
}

const deedsPath = "/v1/deeds"

func (s *Server) addDeeds() {
	register(s, ScopeRead, huma.Operation{
		OperationID: "listDeeds", Method: http.MethodGet, Path: deedsPath, Tags: []string{activityTag},
		Summary: "List what people asked of the deployment itself, done or refused, the latest first",
		Description: "Sweeps, bulk jobs, orders about notices, channels, contacts, subscriptions and queues, and who signed in to the console. What is asked about " +
			"relationships, holds and held sweeps is in the activity. Addresses in texts are masked for whoever may only read.",
		Responses: s.answers(badValue),
	}, s.listDeeds)
}

type listDeedsInput struct {
	Asked
	Caller  string `query:"caller" doc:"Only those of the caller of this name"`
	Request string `query:"requestId" doc:"Only that of the request with this id"`
	Refused bool   `query:"refused" default:"false" doc:"Only those that were not done"`
	Since   string `query:"since" doc:"Only those at this instant or later"`
	Before  string `query:"before" doc:"Only those before this instant"`
	After   int64  `query:"after" minimum:"1" doc:"Only those behind the one with this id"`
	Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"At most this many"`
}

// address is that of the page behind the deed with an id.
func (in *listDeedsInput) address(after int64) string {
	next := url.Values{"after": {strconv.FormatInt(after, 10)}, "limit": {strconv.Itoa(in.Limit)}}
	setNonEmpty(next, map[string]string{"caller": in.Caller, "requestId": in.Request, "since": in.Since, "before": in.Before})
	if in.Refused {
		next.Set("refused", "true")
	}
	return deedsPath + "?" + next.Encode()
}

type listDeedsOutput struct{ Body DeedList }

func (s *Server) listDeeds(ctx context.Context, in *listDeedsInput) (*listDeedsOutput, error) {
	var bad badValues
	q := lifecycle.DeedQuery{Caller: in.Caller, Request: in.Request, Refused: in.Refused, Since: bad.instant("query.since", in.Since),
		Before: bad.instant("query.before", in.Before), After: in.After, Limit: in.Limit + 1}
	if p := bad.problem(); p != nil {
		return nil, p
	}
	deeds, err := s.store.Deeds(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("listing deeds: %w", err)
	}
	out := &listDeedsOutput{Body: DeedList{Deeds: []Deed{}}}
	for i := range deeds {
		if i == in.Limit {
			out.Body.Next = in.address(deeds[i-1].ID)
			break
		}
		shown := showDeed(&deeds[i])
		shown.Detail = maskedBy(shown.Detail, in.maskText)
		out.Body.Deeds = append(out.Body.Deeds, shown)
	}
	return out, nil
}

func showDeed(d *lifecycle.Deed) Deed {
	return Deed{ID: d.ID, DateTime: lifecycle.FormatInstant(d.At), What: d.What, Subject: textOrNull(d.Subject), Status: d.Status, Detail: textOrNull(d.Detail), Times: max(d.Times, 1),
		Caller: ActivityCaller{Name: textOrNull(d.By.Name), TenantID: textOrNull(d.By.Tenant), Role: textOrNull(d.By.Role),
			Address: textOrNull(d.By.Address), RequestID: textOrNull(d.By.Request)}}
}

// isDeed says whether what is asked on a route is kept as a deed: all that changes something, but what is about relationships and their
// timers, of which events tell, done or refused. Nothing stands in both.
func (s *Server) isDeed(route string) bool {
	method, path, _ := strings.Cut(route, " ")
	return method != http.MethodGet && method != http.MethodHead && strings.HasPrefix(path, "/v1/") && s.actions[route] == "" &&
		!slices.Contains([]Scope{open, ScopeRead, ScopeProvision}, s.needs[route])
}

// recordDeed keeps what somebody has done, or tried to. What was done stays done where that fails, and so it is at least logged.
func (s *Server) recordDeed(a *answer, r *http.Request) {
	unknown := a.bearer.Role == "" || slices.Contains([]int{http.StatusUnauthorized, http.StatusTooManyRequests}, a.status())
	if !s.isDeed(a.route) || unknown {
		return
	}
	said := a.sent.said()
	made := a.Header().Get("Location")
	if said.DryRun && made == "" && a.status() < http.StatusBadRequest {
		return // nothing was done, and nothing is left of it
	}
	d := lifecycle.Deed{At: s.now(), By: a.bearer.Caller, What: a.route, Subject: subjectOf(r.URL), Status: a.status(), Detail: said.detail()}
	switch {
	case a.status() >= http.StatusBadRequest:
		d.Detail = a.told
	case made != "":
		d.Subject = made
	}
	s.keepDeed(r, d)
}

// recordVisit keeps that somebody has signed in or out.
func (s *Server) recordVisit(r *http.Request, what string, by lifecycle.Caller) {
	by.Address, by.Request = s.addressOf(r), requestID(r)
	s.keepDeed(r, lifecycle.Deed{At: s.now(), By: by, What: what, Status: http.StatusOK})
}

func (s *Server) keepDeed(r *http.Request, d lifecycle.Deed) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), s.limits.request)
	defer cancel()
	if err := s.store.RecordDeed(ctx, d); err != nil {
		s.log.Error("what somebody did could not be recorded", "request", d.By.Request, "what", d.What, "subject", d.Subject, "by", d.By.Name,
			"status", d.Status, "error", redact(err.Error()))
	}
}

// subjectOf is what a request is about, but no mail address: those are not kept for ever.
func subjectOf(u *url.URL) string {
	query := u.Query()
	query.Del("mail")
	if len(query) == 0 {
		return u.Path
	}
	return u.Path + "?" + query.Encode()
}

// An opening is a body that is read, and remembers how it begins.
type opening struct {
	io.ReadCloser
	kept bytes.Buffer
}

// mostOpening holds an order about a thousand notices. Of a longer body the reason is not kept.
const mostOpening = 64 << 10

// Read satisfies [io.Reader].
func (o *opening) Read(b []byte) (int, error) {
	n, err := o.ReadCloser.Read(b)
	if room := mostOpening - o.kept.Len(); room > 0 {
		o.kept.Write(b[:min(n, room)])
	}
	return n, err
}

// A wish is what bodies have in common that ask for something.
type wish struct {
	Action string `json:"action"`
	Reason string `json:"reason"`
	Note   string `json:"note"`
	DryRun bool   `json:"dryRun"`
}

// said is what the body asks for; the zero wish where it has another form.
func (o *opening) said() (w wish) {
	if o == nil || json.Unmarshal(o.kept.Bytes(), &w) != nil {
		return wish{}
	}
	return w
}

func (w *wish) detail() string {
	var parts []string
	for _, part := range []string{w.Action, w.Reason, w.Note} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}
