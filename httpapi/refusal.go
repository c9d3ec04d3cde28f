package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A RefusedAction is the problem that the relationship does not allow what was asked for, and what it does allow.
type RefusedAction struct {
	Problem
	RelationshipStatus string   `json:"relationshipStatus" enum:"created,approvalPending,approved,activating,active,expiring,expired,terminationRequested,terminating,terminated" doc:"In which the relationship was met"`
	Allowed            []string `json:"allowed" nullable:"false" doc:"What the same side may ask for now"`
}

// refusedAction tells a refusal as a problem.
func refusedAction(r *lifecycle.Refusal) problemDocument {
	if r.Reason == lifecycle.WrongStanding {
		p := badStanding.problem("%s.", upperFirst(r.Error())).with(r.Told())
		p.code = r.Reason
		return p
	}
	p := &RefusedAction{*actionRefused.problem("%s.", upperFirst(r.Error())).with(r.Told()), string(r.Status), []string{}}
	p.code = r.Reason
	for _, allowed := range r.Allowed {
		p.Allowed = append(p.Allowed, string(allowed))
	}
	return p
}

// about declares that a route asks for something about relationships or their timers: what is done is an event, and what is refused
// becomes one.
func (s *Server) about(op huma.Operation, action string) huma.Operation {
	s.actions[op.Method+" "+op.Path] = action
	return op
}

// recordRefusal keeps what somebody asked for about relationships and did not get. To fail at that is no reason to do it after all.
func (s *Server) recordRefusal(a *answer, p *Problem) {
	action := s.actions[a.route]
	if action == "" || a.bearer.Role == "" || p.Status < 400 || p.Status >= 500 ||
		slices.Contains([]int{http.StatusUnauthorized, http.StatusTooManyRequests}, p.Status) {
		return
	}
	code := p.code
	if code == "" {
		code = lifecycle.Reason(strings.TrimPrefix(p.Type, problemType))
	}
	subject := a.request.PathValue("id")
	if subject == "" {
		subject = a.request.URL.Path
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.request.Context()), s.limits.request)
	defer cancel()
	err := s.store.RecordRefusal(ctx, lifecycle.RefusedRequest{RelationshipID: a.about, Subject: shorten(subject), Action: action, Code: code,
		Detail: p.Detail, By: a.bearer.Caller, At: s.now()})
	if err != nil {
		s.log.ErrorContext(ctx, "a refusal could not be recorded", "request", p.RequestID, "action", action, "by", a.bearer.Name, "error", redact(err.Error()))
	}
}

// problemOfAction tells what became of an action on a relationship.
func problemOfAction(err error) error {
	var refusal *lifecycle.Refusal
	switch {
	case errors.As(err, &refusal):
		return refusedAction(refusal)
	case errors.Is(err, lifecycle.ErrNotFound):
		return noRelationship()
	}
	return err
}

// noRelationship is the answer about one that there is not, and about one that the caller must not know of.
func noRelationship() *Problem {
	return unknownRecord.problem("There is no relationship with this id that the caller may see.")
}

// A RelationshipStore reads relationships and acts on them. It may be called from many goroutines.
type RelationshipStore interface {
	// Relationship reads one as it is stored; [lifecycle.ErrNotFound].
	Relationship(ctx context.Context, id string) (lifecycle.Stored, error)

	// Relationships lists those that the query wants.
	Relationships(ctx context.Context, q lifecycle.RelationshipQuery) ([]lifecycle.Stored, error)

	// Act writes what decide makes of a relationship, unless it answers with an error; [lifecycle.ErrNotFound].
	Act(ctx context.Context, id string, p *lifecycle.Policy, decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.Decision, error)

	// RecordRefusal keeps what somebody asked for and did not get.
	RecordRefusal(ctx context.Context, r lifecycle.RefusedRequest) error
}
