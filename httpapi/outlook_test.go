package httpapi

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// foreseen answers what it is asked with what it was asked.
type foreseen struct{}

func (foreseen) Plan(_ context.Context, until time.Time, rules []lifecycle.RuleName, _ string) (Plan, error) {
	if len(rules) > 2 {
		return Plan{}, context.DeadlineExceeded
	}
	if len(rules) > 1 {
		return Plan{}, errors.New("the database is away")
	}
	sum := PlanSum{Relationships: 3, Times: 3, Told: 6, Unsaid: 1}
	plan := Plan{AsOfDateTime: "2026-03-02T12:00:00.123456Z", UntilDateTime: lifecycle.FormatInstant(until), PlanSum: sum, Rules: []PlanRule{{"end-term", sum}},
		Days: []PlanDay{{"2026-03-02", "end-term", sum}}, UnsaidFor: []PlanUnsaid{{"nobodyToTell", 1}}, Held: []PlanHeld{}, Failures: []PlanFailures{}}
	return plan, nil
}

func (foreseen) Forecast(context.Context, int, []lifecycle.RuleName, string) (Forecast, error) {
	sum := PlanSum{Relationships: 3, Times: 3, Told: 6, Unsaid: 1}
	return Forecast{AsOfDateTime: "2026-03-02T12:00:00.123456Z", UntilDateTime: "2027-03-02T12:00:00.123456Z", Times: 3, Rules: []PlanRule{{"end-term", sum}},
		Weeks: []ForecastWeek{{"2026-W10", "2026-03-02", 3, 6, []PlanRule{{"end-term", sum}}}}}, nil
}

func outlookExchanges() []exchange {
	return []exchange{
		{operation: "getPlan", want: 200, method: "GET", path: "/v1/plan?until=2026-04-01T00:00:00Z&rule=end-term"},
		{operation: "getPlan", want: 422, method: "GET", path: "/v1/plan?until=2025-04-01T00:00:00Z&rule=ends&partner=them"},
		{operation: "getPlan", want: 500, method: "GET", path: "/v1/plan?rule=end-term,warn-expiry"},
		{operation: "getForecast", want: 200, method: "GET", path: "/v1/forecast?months=12"},
		{operation: "getForecast", want: 422, method: "GET", path: "/v1/forecast?months=0"},
	}
}

func TestAPlanLooksAheadAndNotTooFar(t *testing.T) {
	w := newWorld(t)
	var plan Plan
	w.do("GET", "/v1/plan", "").read(&plan)
	require.Equal(t, lifecycle.FormatInstant(noon), plan.UntilDateTime, "what is due now")
	w.do("GET", "/v1/plan?until=2027-01-01T00:00:00%2B09:00", "").read(&plan)
	require.Equal(t, "2026-12-31T15:00:00Z", plan.UntilDateTime)
	for _, until := range []string{"2026-01-01T00:00:00Z", "2040-01-01T00:00:00Z", "tomorrow"} {
		w.do("GET", "/v1/plan?until="+until, "").problem(badValue)
	}
	w.do("GET", "/v1/forecast?partner=them", "").problem(badValue)
	late := w.do("GET", "/v1/plan?rule=end-term,warn-expiry,auto-extend", "").problem(timedOut)
	require.Contains(t, late.Detail, "Ask for those of one partner")
}
