package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An Explainer says in plain words all there is to say about one relationship. What the caller may not know it leaves out; that
// they see the relationship at all is seen to. The language is one of [ExplanationLanguages].
type Explainer func(ctx context.Context, d *lifecycle.Dossier, by *lifecycle.Caller, language string) (Explanation, error)

// ExplanationLanguages are those in which relationships are explained, the one that nobody asked for first.
var ExplanationLanguages = []string{"en", "ja"}

// A DossierStore reads everything about a relationship.
type DossierStore interface {
	// Dossier reads it as it is at one moment; [lifecycle.ErrNotFound] where there is none and never was.
	Dossier(ctx context.Context, id string) (lifecycle.Dossier, error)
}

// An Explanation says why a relationship is in its state, what happens to it next, and who was told of it and will be.
type Explanation struct {
	RelationshipID string               `json:"relationshipId"`
	Title          string               `json:"title" doc:"Its name"`
	AsOfDateTime   string               `json:"asOfDateTime" format:"date-time" doc:"By the deployment's clock"`
	Language       string               `json:"language" enum:"en,ja"`
	Sections       []ExplanationSection `json:"sections" nullable:"false" doc:"Without those of which there is nothing to say"`
}

// An ExplanationSection answers one question.
type ExplanationSection struct {
	Name      string                `json:"name" enum:"summary,attention,why,next,otherwise,following,told,telling,access,name,possible"`
	Heading   string                `json:"heading"`
	Sentences []ExplanationSentence `json:"sentences" nullable:"false"`
}

// An ExplanationSentence is one fact.
type ExplanationSentence struct {
	Text     string             `json:"text"`
	DateTime *string            `json:"dateTime" format:"date-time" doc:"When it happened, or will; null: at no one instant"`
	Policy   *ExplanationPolicy `json:"policy,omitempty" doc:"The line of the policy that says so"`
}

// An ExplanationPolicy is a line of the policy.
type ExplanationPolicy struct {
	Key    string `json:"key" example:"requests.lapseAfter"`
	Value  string `json:"value" example:"P90D"`
	Source string `json:"source,omitempty" enum:"default,file" doc:"Whether the policy file sets it; missing: not known"`
}

func (s *Server) addExplain() {
	if s.explain == nil {
		return
	}
	register(s, party, huma.Operation{
		OperationID: "explainRelationship", Method: http.MethodGet, Path: "/v1/relationships/{id}/explain", Tags: []string{explainTag},
		Summary: "Explain a relationship in plain words",
		Description: "Why it is in its state, what acts next and when, why nothing else does, what follows, who was told and will be. As it stands now. " +
			"A tenant is shown no mail addresses, no notes of operators, and of others only on which side they are.",
		Responses: s.answers(unknownRecord, badValue),
	}, s.explainRelationship)
}

const explainTag = "Explanations"

type explainInput struct {
	Asked
	ID       string `path:"id" doc:"The relationship's id"`
	Language string `query:"lang" enum:"en,ja" default:"en" doc:"In which language"`
}

type explainOutput struct{ Body Explanation }

func (s *Server) explainRelationship(ctx context.Context, in *explainInput) (*explainOutput, error) {
	d, err := s.store.Dossier(ctx, lifecycle.CanonicalID(in.ID))
	if err != nil && !errors.Is(err, lifecycle.ErrNotFound) {
		return nil, fmt.Errorf("reading all about relationship %s: %w", shorten(in.ID), err)
	}
	now := lifecycle.Evaluate(d.Record, s.policy, s.now()).Record
	if err != nil || !in.caller().Sees(&now) {
		return nil, noRelationship()
	}
	explanation, err := s.explain(ctx, &d, in.caller(), in.Language)
	if err != nil {
		return nil, fmt.Errorf("explaining relationship %s: %w", shorten(in.ID), err)
	}
	return &explainOutput{explanation}, nil
}
