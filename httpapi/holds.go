package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A HoldStore keeps what stops timers. It may be called from many goroutines.
type HoldStore interface {
	// PlaceHold puts on hold what h says; [lifecycle.Faults], [lifecycle.ErrNotFound] or [lifecycle.ErrHeldAlready].
	PlaceHold(ctx context.Context, h lifecycle.Hold, by lifecycle.Caller, now time.Time) (lifecycle.Hold, error)

	// ReleaseHold ends a hold; [lifecycle.Faults], [lifecycle.ErrNotFound] or [lifecycle.ErrReleased].
	ReleaseHold(ctx context.Context, id int64, note string, by lifecycle.Caller, now, wall time.Time) (lifecycle.Hold, error)

	// Hold reads one, released or not; [lifecycle.ErrNotFound].
	Hold(ctx context.Context, id int64) (lifecycle.Hold, error)

	// Holds lists those that the query wants, the latest first.
	Holds(ctx context.Context, q lifecycle.HoldQuery) ([]lifecycle.Hold, error)
}

// A Hold is what keeps timers from taking effect, as it is shown.
type Hold struct {
	ID               int64    `json:"id" minimum:"1"`
	Kind             HoldKind `json:"kind" doc:"relationship: all timers of one; tenant: those of all relationships of a partner or customer; rule: one rule is paused; everything: no timer takes effect, and no notice is sent"`
	Subject          *string  `json:"subject" doc:"The relationship's id, the tenant, the rule; null for everything"`
	Cause            *string  `json:"cause" doc:"Why tenure itself has placed it; null: somebody did"`
	Note             string   `json:"note" doc:"Why, for people"`
	Active           bool     `json:"active" doc:"It is in force"`
	PlacedDateTime   string   `json:"placedDateTime" format:"date-time"`
	PlacedBy         *string  `json:"placedBy" doc:"null: tenure itself"`
	ReleasedDateTime *string  `json:"releasedDateTime" format:"date-time" doc:"null while it is in force"`
	ReleasedBy       *string  `json:"releasedBy"`
	ReleaseNote      *string  `json:"releaseNote" doc:"Why it was released"`
}

// A HoldList is a page of holds, the latest first.
type HoldList struct {
	Holds []Hold `json:"holds" nullable:"false"`
	Next  string `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last"`
}

// A NewHold is the body of a request to put something on hold.
type NewHold struct {
	Kind    HoldKind `json:"kind"`
	Subject string   `json:"subject,omitempty" doc:"The relationship's id, the tenant, the rule; left out for everything"`
	Note    string   `json:"note" minLength:"1" maxLength:"500" doc:"Why"`
	_       struct{} `additionalProperties:"false"`
}

// A HoldRelease is the body of a request to release a hold.
type HoldRelease struct {
	Note string   `json:"note" minLength:"1" maxLength:"500" doc:"Why"`
	_    struct{} `additionalProperties:"false"`
}

// A HoldKind says what a hold is about.
type HoldKind string

// Schema describes the kinds. It satisfies [huma.SchemaProvider].
func (HoldKind) Schema(huma.Registry) *huma.Schema { return enumSchema(lifecycle.HoldKinds) }

const (
	holdsPath      = "/v1/holds"
	holdTag        = "Holds"
	holdExample    = `write {"kind":"relationship","subject":"<its id>","note":"a court asks for it"}`
	releaseExample = `write {"note":"the court has decided"}`
)

// ShowHold brings a hold into the form in which it is shown, here and on the command line.
func ShowHold(h *lifecycle.Hold) Hold {
	return Hold{ID: h.ID, Kind: HoldKind(h.Kind), Subject: textOrNull(h.Subject), Cause: textOrNull(string(h.Cause)), Note: h.Note, Active: h.Active(),
		PlacedDateTime: lifecycle.FormatInstant(h.PlacedAt), PlacedBy: textOrNull(h.PlacedBy), ReleasedDateTime: instantOrNull(h.ReleasedAt),
		ReleasedBy: textOrNull(h.ReleasedBy), ReleaseNote: textOrNull(h.ReleaseNote)}
}

func (s *Server) addHolds() {
	register(s, ScopeRead, huma.Operation{
		OperationID: "listHolds", Method: http.MethodGet, Path: holdsPath, Tags: []string{holdTag},
		Summary:     "List the holds, the latest first",
		Description: "Those in force, unless active=false asks for the released ones too.",
		Responses:   s.answers(badValue),
	}, s.listHolds)
	register(s, ScopeManage, s.about(huma.Operation{
		OperationID: "placeHold", Method: http.MethodPost, Path: holdsPath, DefaultStatus: http.StatusCreated, Tags: []string{holdTag},
		Summary: "Put a relationship, a tenant, a rule or everything on hold",
		Description: "Once it has answered, no timer that the hold covers takes effect until somebody releases it. What falls due meanwhile is not lost: " +
			"it happens after the release, with the effective instant that it has anyway.",
		Responses: s.answers(append(bodyProblems, unknownRecord, heldAlready)...),
	}, "place hold"), s.placeHold)
	s.describeBody(s.api.OpenAPI().Paths[holdsPath].Post, schemaOf[NewHold](s), true)
	register(s, ScopeRead, huma.Operation{
		OperationID: "getHold", Method: http.MethodGet, Path: holdsPath + "/{id}", Tags: []string{holdTag},
		Summary:   "Show a hold, released or not",
		Responses: s.answers(unknownHold, badValue),
	}, s.getHold)
	path := holdsPath + "/{id}/release"
	register(s, ScopeManage, s.about(huma.Operation{
		OperationID: "releaseHold", Method: http.MethodPost, Path: path, Tags: []string{holdTag},
		Summary:     "Release a hold",
		Description: "What fell due meanwhile happens at the next tick, unless another hold covers it too. To release everything is to release the quarantine.",
		Responses:   s.answers(append(bodyProblems, unknownHold, holdReleased)...),
	}, "release hold"), s.releaseHold)
	s.describeBody(s.api.OpenAPI().Paths[path].Post, schemaOf[HoldRelease](s), true)
}

type listHoldsInput struct {
	Kind    string `query:"kind" enum:"relationship,tenant,rule,everything" doc:"Only those of this kind"`
	Subject string `query:"subject" doc:"Only those about this relationship, tenant or rule"`
	Active  bool   `query:"active" default:"true" doc:"Only those in force; false: the released ones too"`
	Before  int64  `query:"before" minimum:"1" doc:"Only holds that are older than the one with this id"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most this many"`
}

type listHoldsOutput struct{ Body HoldList }

func (s *Server) listHolds(ctx context.Context, in *listHoldsInput) (*listHoldsOutput, error) {
	holds, err := s.store.Holds(ctx, lifecycle.HoldQuery{Kind: lifecycle.HoldKind(in.Kind), Subject: lifecycle.CanonicalID(in.Subject), Active: in.Active,
		Before: in.Before, Limit: in.Limit + 1}) // one more, to know whether there is a next page
	if err != nil {
		return nil, fmt.Errorf("listing holds: %w", err)
	}
	out := &listHoldsOutput{HoldList{Holds: []Hold{}}}
	for i := range holds {
		if i == in.Limit {
			next := url.Values{"before": {strconv.FormatInt(holds[i-1].ID, 10)}, "limit": {strconv.Itoa(in.Limit)}}
			setNonEmpty(next, map[string]string{"kind": in.Kind, "subject": in.Subject})
			if !in.Active {
				next.Set("active", "false")
			}
			out.Body.Next = holdsPath + "?" + next.Encode()
			break
		}
		out.Body.Holds = append(out.Body.Holds, ShowHold(&holds[i]))
	}
	return out, nil
}

type placeHoldInput struct{ Asked }

type placeHoldOutput struct {
	Location string `header:"Location" format:"uri-reference" doc:"Where the hold is shown"`
	Body     Hold
}

func (s *Server) placeHold(ctx context.Context, in *placeHoldInput) (*placeHoldOutput, error) {
	body, p := s.readBody(in.request)
	if p != nil {
		return nil, p
	}
	hold, p := readHold(body)
	if p != nil {
		return nil, p
	}
	placed, err := s.store.PlaceHold(ctx, hold, *in.caller(), s.now())
	switch {
	case errors.Is(err, lifecycle.ErrHeldAlready):
		return nil, heldAlready.problem("%s.", upperFirst(err.Error()))
	case errors.Is(err, lifecycle.ErrNotFound):
		return nil, noRelationship()
	case err != nil:
		return nil, fmt.Errorf("placing a hold: %w", err)
	}
	return &placeHoldOutput{holdsPath + "/" + strconv.FormatInt(placed.ID, 10), ShowHold(&placed)}, nil
}

// readHold reads what is to be put on hold.
func readHold(body json.RawMessage) (h lifecycle.Hold, p *Problem) {
	var bad badValues
	if body == nil {
		bad.refuse(badValue, "body", nil, "is missing; "+holdExample)
		return h, bad.problem()
	}
	bad.object("body", body, holdExample,
		field("kind", bad.text(func(s string) error { h.Kind = lifecycle.HoldKind(s); return known(h.Kind, lifecycle.HoldKinds) })),
		field("subject", bad.text(func(s string) error { h.Subject = s; return nil })),
		field("note", bad.text(func(s string) error { h.Note = strings.TrimSpace(s); return badReason(s) })))
	if p := bad.problem(); p != nil {
		return h, p
	}
	var faults lifecycle.Faults
	if errors.As(h.Check(), &faults) {
		for _, f := range faults {
			bad.refuse(badValue, "body."+f.Field, sentOf(f.Value), f.Reason)
			bad.bad[len(bad.bad)-1].Sentence = sentenceOf(f.Said)
		}
	}
	return h, bad.problem()
}

// sentOf is a value as it was sent; nil where nothing was.
func sentOf(value string) json.RawMessage {
	if value == "" {
		return nil
	}
	return quoted(value)
}

type holdInput struct {
	Asked
	ID int64 `path:"id" minimum:"1" doc:"The hold's id"`
}

type holdOutput struct{ Body Hold }

func (s *Server) getHold(ctx context.Context, in *holdInput) (*holdOutput, error) {
	hold, err := s.store.Hold(ctx, in.ID)
	if err != nil {
		return nil, problemOfHold(in.ID, err)
	}
	return &holdOutput{ShowHold(&hold)}, nil
}

func (s *Server) releaseHold(ctx context.Context, in *holdInput) (*holdOutput, error) {
	body, p := s.readBody(in.request)
	if p != nil {
		return nil, p
	}
	note, p := readRelease(body)
	if p != nil {
		return nil, p
	}
	released, err := s.store.ReleaseHold(ctx, in.ID, note, *in.caller(), s.now(), s.wall())
	if err != nil {
		return nil, problemOfHold(in.ID, err)
	}
	return &holdOutput{ShowHold(&released)}, nil
}

// readRelease reads why a hold is released.
func readRelease(body json.RawMessage) (note string, p *Problem) {
	var bad badValues
	if body != nil {
		bad.object("body", body, releaseExample, field("note", bad.text(func(s string) error { note = strings.TrimSpace(s); return badReason(s) })))
	}
	if note == "" && len(bad.bad) == 0 {
		bad.refuse(badValue, "body.note", nil, "is missing; "+releaseExample)
	}
	return note, bad.problem()
}

// problemOfHold tells what went wrong with one hold.
func problemOfHold(id int64, err error) error {
	switch {
	case errors.Is(err, lifecycle.ErrReleased):
		return holdReleased.problem("%s.", upperFirst(err.Error()))
	case errors.Is(err, lifecycle.ErrNotFound):
		return unknownHold.problem("There is no hold %d; GET %s lists those that there are.", id, holdsPath)
	}
	return fmt.Errorf("hold %d: %w", id, err)
}
