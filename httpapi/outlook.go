package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// An Outlook says what the timers are going to do. It may be asked from many goroutines.
type Outlook interface {
	// Plan is what happens from now until an instant, by the policy in force. Only what these rules do is counted; none: all.
	Plan(ctx context.Context, until time.Time, rules []lifecycle.RuleName, partner string) (Plan, error)

	// Forecast is the same, counted by weeks.
	Forecast(ctx context.Context, months int, rules []lifecycle.RuleName, partner string) (Forecast, error)
}

// A Plan is what happens from now until an instant, if nobody acts meanwhile and nothing is late.
type Plan struct {
	AsOfDateTime  string `json:"asOfDateTime" format:"date-time" doc:"By the deployment's clock"`
	UntilDateTime string `json:"untilDateTime" format:"date-time"`
	PlanSum
	Overdue   int64          `json:"overdue" doc:"Times of those that fell due before now"`
	Rules     []PlanRule     `json:"rules" nullable:"false" doc:"All rules, in their order"`
	Days      []PlanDay      `json:"days" nullable:"false" doc:"The days on which something happens, by the instant at which it will be recorded: what is due already is today's"`
	UnsaidFor []PlanUnsaid   `json:"unsaidFor" nullable:"false" doc:"Why addressees are not told"`
	Held      []PlanHeld     `json:"held" nullable:"false" doc:"What would be due by then, and is on hold"`
	Waiting   int64          `json:"waitingForAnotherSystem" doc:"Relationships that go on only when another system has given access, or has taken it away"`
	OtherRule int64          `json:"waitingForAnotherRule" doc:"Relationships that a rule which was not asked for keeps from going on"`
	Failed    int64          `json:"failed" doc:"Relationships on which nobody can decide"`
	Failures  []PlanFailures `json:"failures" nullable:"false" doc:"The first of them"`
}

// A PlanSum counts what happens.
type PlanSum struct {
	Relationships int64 `json:"relationships" doc:"That it happens to"`
	Times         int64 `json:"times" doc:"That a rule does something"`
	Told          int64 `json:"told" doc:"Letters: one for each person, on each channel, and for each endpoint"`
	Unsaid        int64 `json:"unsaid" doc:"Addressees that are not told"`
}

// A PlanRule is what one rule does.
type PlanRule struct {
	Rule string `json:"rule"`
	PlanSum
}

// A PlanDay is what one rule does on one day, UTC.
type PlanDay struct {
	Date string `json:"date" format:"date"`
	Rule string `json:"rule"`
	PlanSum
}

// A PlanUnsaid counts the addressees that are not told for one reason.
type PlanUnsaid struct {
	Reason     string `json:"reason"`
	Addressees int64  `json:"addressees"`
}

// A PlanHeld counts the relationships of which a timer would be due, and is on hold.
type PlanHeld struct {
	Rule          string `json:"rule"`
	Relationships int64  `json:"relationships"`
}

// PlanFailures names a relationship on which nobody can decide.
type PlanFailures struct {
	RelationshipID string `json:"relationshipId"`
	Reason         string `json:"reason"`
}

// A Forecast is a plan, counted by weeks.
type Forecast struct {
	AsOfDateTime  string         `json:"asOfDateTime" format:"date-time" doc:"By the deployment's clock"`
	UntilDateTime string         `json:"untilDateTime" format:"date-time"`
	Times         int64          `json:"times" doc:"That a rule does something"`
	Rules         []PlanRule     `json:"rules" nullable:"false"`
	Weeks         []ForecastWeek `json:"weeks" nullable:"false" doc:"From this week on, those included in which nothing happens"`
}

// A ForecastWeek is what happens from a Monday to the Sunday after it, UTC.
type ForecastWeek struct {
	Week   string     `json:"week" example:"2026-W05" doc:"By ISO 8601"`
	Monday string     `json:"monday" format:"date"`
	Times  int64      `json:"times"`
	Told   int64      `json:"told"`
	Rules  []PlanRule `json:"rules" nullable:"false" doc:"All rules that were asked for, in their order"`
}

func (s *Server) addOutlook() {
	if s.outlook == nil {
		return
	}
	register(s, ScopeRead, huma.Operation{
		OperationID: "getPlan", Method: http.MethodGet, Path: "/v1/plan", Tags: []string{outlookTag},
		Summary: "Say what is going to happen until an instant",
		Description: "If nobody acts meanwhile and nothing is late, by the policy in force: how often each rule acts on each day, and how many are told. " +
			"Nothing is changed. The command `tenure plan` says it relationship by relationship.",
		Responses: s.answers(badValue, timedOut),
	}, s.getPlan)
	register(s, ScopeRead, huma.Operation{
		OperationID: "getForecast", Method: http.MethodGet, Path: "/v1/forecast", Tags: []string{outlookTag},
		Summary:     "Say what is going to happen, week by week",
		Description: "If nobody acts meanwhile and nothing is late, by the policy in force.",
		Responses:   s.answers(badValue, timedOut),
	}, s.getForecast)
}

const outlookTag = "Outlook"

type planInput struct {
	Until   string     `query:"until" doc:"Missing: now, which is to say what is due already; at most ten years from now"`
	Rules   []RuleName `query:"rule" doc:"Only what these rules do, with commas between them"`
	Partner string     `query:"partner" doc:"Only relationships of this partner"`
}

type planOutput struct{ Body Plan }

type forecastInput struct {
	Months  int        `query:"months" minimum:"1" maximum:"60" default:"12"`
	Rules   []RuleName `query:"rule" doc:"Only what these rules do, with commas between them"`
	Partner string     `query:"partner" doc:"Only relationships of this partner"`
}

type forecastOutput struct{ Body Forecast }

// mostAhead is how far a plan looks.
var mostAhead = lifecycle.Months(12 * 10)

func (s *Server) getPlan(ctx context.Context, in *planInput) (*planOutput, error) {
	var bad badValues
	now := s.now()
	until := now
	if in.Until != "" {
		until = bad.instant("query.until", in.Until)
	}
	if !until.IsZero() && (until.Before(now) || until.After(mostAhead.After(now))) {
		bad.refuse(badValue, "query.until", quoted(in.Until), "must be from now, "+lifecycle.FormatInstant(now)+", to ten years ahead")
	}
	partner := bad.tenant("query.partner", in.Partner)
	if p := bad.problem(); p != nil {
		return nil, p
	}
	plan, err := s.outlook.Plan(ctx, until, ruleNamesOf(in.Rules), partner)
	if err != nil {
		return nil, lookedTooFar("planning", err)
	}
	return &planOutput{plan}, nil
}

func (s *Server) getForecast(ctx context.Context, in *forecastInput) (*forecastOutput, error) {
	var bad badValues
	partner := bad.tenant("query.partner", in.Partner)
	if p := bad.problem(); p != nil {
		return nil, p
	}
	forecast, err := s.outlook.Forecast(ctx, in.Months, ruleNamesOf(in.Rules), partner)
	if err != nil {
		return nil, lookedTooFar("forecasting", err)
	}
	return &forecastOutput{forecast}, nil
}

func ruleNamesOf(names []RuleName) []lifecycle.RuleName {
	rules := make([]lifecycle.RuleName, len(names))
	for i, name := range names {
		rules[i] = lifecycle.RuleName(name)
	}
	return rules
}

// lookedTooFar says so where there was more to look at than a request has time for: to ask the same again is of no use.
func lookedTooFar(doing string, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	p := timedOut.says(tooManyToPlan.Say())
	p.cause = err
	return p
}
