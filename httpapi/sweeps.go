package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Sweep is a sweep as it is shown.
type Sweep struct {
	ID               int64      `json:"id" minimum:"1" example:"42"`
	Rules            []RuleName `json:"rules" nullable:"false" doc:"The rules that it fires; empty: all"`
	DryRun           bool       `json:"dryRun" doc:"It looks and counts, and changes nothing"`
	Trigger          string     `json:"trigger" enum:"schedule,catch-up,request,clock" doc:"What opened it"`
	AsOf             string     `json:"asOf" format:"date-time" doc:"What was due by this instant is looked at"`
	State            string     `json:"state" enum:"running,done,cancelled,held,rejected" doc:"held: planned, and waiting for an operator's word; rejected: an operator said no"`
	Found            int64      `json:"found" doc:"Records that were due"`
	Changed          int64      `json:"changed" doc:"Records that it changed, or would have in a dry run"`
	Skipped          int64      `json:"skipped" doc:"Records that somebody else changed in between, or where nothing was left to do"`
	Failed           int64      `json:"failed" doc:"Records that could not be evaluated or written; they stay due"`
	Notices          int64      `json:"notices" doc:"Notices to be sent"`
	Chunks           Chunks     `json:"chunks"`
	LatenessSeconds  float64    `json:"latenessSeconds" minimum:"0" doc:"The greatest distance between when a change took effect and when it was recorded"`
	OpenedDateTime   string     `json:"openedDateTime" format:"date-time"`
	FinishedDateTime *string    `json:"finishedDateTime" format:"date-time" doc:"null while it is running or held"`
	Plan             *SweepPlan `json:"plan,omitempty" doc:"Why it is, or was, held, and what it would do; missing where it never was"`
	Ruling           *Ruling    `json:"ruling,omitempty" doc:"Of the operator who approved or rejected it; missing where nobody has"`
}

// A SweepPlan is what a sweep that is held would do.
type SweepPlan struct {
	Cause      string        `json:"cause" example:"breakerTripped" doc:"breakerTripped, or why everything was on hold"`
	Rules      []PlannedRule `json:"rules" nullable:"false"`
	Population int64         `json:"population" doc:"All relationships"`
	Notices    int64         `json:"notices" doc:"Notices that would be sent"`
}

// A PlannedRule is what a sweep would do under one rule.
type PlannedRule struct {
	Rule    RuleName `json:"rule"`
	Records int64    `json:"records" doc:"Relationships that would change, cascades included"`
	Limit   *int64   `json:"limit" doc:"How many its breaker lets through; null where that has not tripped"`
}

// A Ruling is an operator's word.
type Ruling struct {
	By       string `json:"by"`
	Reason   string `json:"reason"`
	DateTime string `json:"dateTime" format:"date-time"`
}

func showPlan(s *lifecycle.Sweep) *SweepPlan {
	if s.Plan == nil {
		return nil
	}
	shown := &SweepPlan{Cause: string(s.Plan.Cause), Rules: []PlannedRule{}, Population: s.Plan.Population, Notices: s.Plan.Notices}
	for _, rule := range s.Fires() {
		planned := PlannedRule{Rule: RuleName(rule), Records: s.Plan.Records[rule]}
		if most, limited := s.Plan.Limits[rule]; limited {
			planned.Limit = &most
		}
		shown.Rules = append(shown.Rules, planned)
	}
	return shown
}

func showRuling(r *lifecycle.Ruling) *Ruling {
	if r == nil {
		return nil
	}
	return &Ruling{By: r.By, Reason: r.Note, DateTime: lifecycle.FormatInstant(r.At)}
}

// Chunks is how far a sweep has come.
type Chunks struct {
	Done  int  `json:"done"`
	Total int  `json:"total"`
	Final bool `json:"final" doc:"No more chunks will come: the total is final"`
}

// A SweepOpened is the answer to a request for a sweep.
type SweepOpened struct {
	Sweep
	Opened string `json:"opened" enum:"opened,joined,repeated" doc:"opened: a sweep of its own; joined: one that is running does the same already; repeated: the idempotency key was used before, for the same request"`
}

// SweepDetails is one sweep and what went wrong in it.
type SweepDetails struct {
	Sweep
	Failures []SweepFailure `json:"failures" nullable:"false" maxItems:"20" doc:"The first failures; failed counts all of them"`
}

// A SweepFailure is a record that a sweep could not change, and why.
type SweepFailure struct {
	RelationshipID string `json:"relationshipId"`
	Reason         string `json:"reason"`
	DateTime       string `json:"dateTime" format:"date-time"`
}

// A SweepList is a page of sweeps, the latest first.
type SweepList struct {
	Sweeps []Sweep `json:"sweeps" nullable:"false"`
	Next   string  `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last"`
}

// A RuleName is the name of a rule. The names that there are come from the table of rules.
type RuleName string

// Schema describes the names. It satisfies [huma.SchemaProvider].
func (RuleName) Schema(huma.Registry) *huma.Schema {
	schema := &huma.Schema{Type: huma.TypeString}
	for _, n := range lifecycle.RuleNames() {
		schema.Enum = append(schema.Enum, string(n))
	}
	return schema
}

const (
	sweepsPath   = "/v1/sweeps"
	mostFailures = 20 // shown with a sweep
	sweepTag     = "Sweeps"
)

// Show brings a sweep into the form in which it is shown, here and on the command line.
func Show(s *lifecycle.Sweep) Sweep {
	shown := Sweep{
		ID: s.ID, Rules: make([]RuleName, 0, len(s.Rules)), DryRun: s.DryRun, Trigger: string(s.Trigger),
		AsOf: lifecycle.FormatInstant(s.AsOf), State: string(s.State),
		Found: s.Found, Changed: s.Changed, Skipped: s.Skipped, Failed: s.Failed, Notices: s.Notices,
		Chunks:          Chunks{Done: s.ChunksDone, Total: s.Chunks, Final: s.Cut},
		LatenessSeconds: s.Lateness.Truncate(time.Microsecond).Seconds(),
		OpenedDateTime:  lifecycle.FormatInstant(s.OpenedAt),
		Plan:            showPlan(s), Ruling: showRuling(s.Ruling),
	}
	for _, r := range s.Rules {
		shown.Rules = append(shown.Rules, RuleName(r))
	}
	if !s.FinishedAt.IsZero() {
		finished := lifecycle.FormatInstant(s.FinishedAt)
		shown.FinishedDateTime = &finished
	}
	return shown
}

// ShowDetails does so with the records that failed.
func ShowDetails(s *lifecycle.Sweep, failures []lifecycle.Failure) SweepDetails {
	shown := SweepDetails{Sweep: Show(s), Failures: make([]SweepFailure, 0, len(failures))}
	for _, f := range failures {
		shown.Failures = append(shown.Failures, SweepFailure{f.RelationshipID, f.Reason, lifecycle.FormatInstant(f.At)})
	}
	return shown
}

func (s *Server) addSweeps() {
	register(s, ScopeSweep, huma.Operation{
		OperationID: "requestSweep", Method: http.MethodPost, Path: sweepsPath, DefaultStatus: http.StatusAccepted, Tags: []string{sweepTag},
		Summary: "Ask for a sweep",
		Description: "Opens a sweep of what is due now, or joins a running one that does the same. An empty body asks for all rules. " +
			"With an Idempotency-Key the request may be repeated safely.",
		Responses: s.answers(append(bodyProblems, unknownRule, keyReused)...),
	}, s.requestSweep)
	s.describeBody(s.api.OpenAPI().Paths[sweepsPath].Post, schemaOf[SweepRequest](s), false)
	register(s, ScopeRead, huma.Operation{
		OperationID: "listSweeps", Method: http.MethodGet, Path: sweepsPath, Tags: []string{sweepTag},
		Summary:   "List the sweeps, the latest first",
		Responses: s.answers(badValue),
	}, s.listSweeps)
	register(s, ScopeRead, huma.Operation{
		OperationID: "getSweep", Method: http.MethodGet, Path: sweepsPath + "/{id}", Tags: []string{sweepTag},
		Summary:   "Show how far a sweep has come",
		Responses: s.answers(unknownSweep, badValue),
	}, s.getSweep)
	register(s, ScopeSweep, huma.Operation{
		OperationID: "cancelSweep", Method: http.MethodPost, Path: sweepsPath + "/{id}/cancel", Tags: []string{sweepTag},
		Summary: "Cancel a running or a held sweep",
		Description: "Chunks that nobody works on are dropped, those at work finish; what was changed stays changed. After a held one the next tick looks anew. " +
			"Cancelling a sweep that was cancelled before answers as the first time did.",
		Responses: s.answers(unknownSweep, notRunning, badValue),
	}, s.cancelSweep)
	s.addWords()
}

func (s *Server) addWords() {
	word := func(id, path, summary, description string, say func(context.Context, int64, string, lifecycle.Caller) error) {
		register(s, ScopeManage, s.about(huma.Operation{
			OperationID: id, Method: http.MethodPost, Path: path, Tags: []string{sweepTag}, Summary: summary, Description: description,
			Responses: s.answers(append(bodyProblems, unknownSweep, notHeld, standstill)...),
		}, strings.ToLower(summary)), func(ctx context.Context, in *sweepWordInput) (*cancelSweepOutput, error) {
			reason, p := s.readWord(in.request)
			if p != nil {
				return nil, p
			}
			if err := say(ctx, in.ID, reason, *in.caller()); err != nil {
				return nil, problemOfHeld(in.ID, err)
			}
			sweep, err := s.store.Sweep(ctx, in.ID)
			if err != nil {
				return nil, fmt.Errorf("reading sweep %d: %w", in.ID, err)
			}
			return &cancelSweepOutput{Body: Show(&sweep)}, nil
		})
		s.describeBody(s.api.OpenAPI().Paths[path].Post, schemaOf[Word](s), true)
	}
	word("approveSweep", sweepsPath+"/{id}/approve", "Approve sweep", "Lets a held sweep do what was due when it was opened.", s.sweeper.ApproveSweep)
	word("rejectSweep", sweepsPath+"/{id}/reject", "Reject sweep",
		"Drops a held sweep, and pauses the rules that would do too much; each goes on when its hold is released. To have a sweep looked at anew, cancel it.", s.sweeper.RejectSweep)
}

type sweepWordInput struct {
	Asked
	ID int64 `path:"id" minimum:"1" doc:"The sweep's id"`
}

type requestSweepInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" pattern:"^[!-~]+$" patternDescription:"printable ASCII without spaces" doc:"Any name for this request: repeated with the same key, it answers with the same sweep"`

	request *http.Request
}

// Resolve keeps the request, whose body we read ourselves. It satisfies [huma.Resolver].
func (in *requestSweepInput) Resolve(ctx huma.Context) []error {
	in.request, _ = humago.Unwrap(ctx)
	return nil
}

type requestSweepOutput struct {
	Location string `header:"Location" format:"uri-reference" doc:"Where the sweep is shown"`
	Body     SweepOpened
}

func (s *Server) requestSweep(ctx context.Context, in *requestSweepInput) (*requestSweepOutput, error) {
	rules, dryRun, p := s.readSweepRequest(in.request)
	if p != nil {
		return nil, p
	}
	sweep, opened, err := s.sweeper.RequestSweep(ctx, rules, dryRun, in.IdempotencyKey)
	if errors.Is(err, lifecycle.ErrKeyReused) {
		return nil, refused(keyReused, []BadValue{{"header.Idempotency-Key", in.IdempotencyKey, "was used for a request with other rules or another dryRun; take a new key", Sentence{}}})
	}
	if err != nil {
		return nil, fmt.Errorf("requesting a sweep: %w", err)
	}
	return &requestSweepOutput{Location: sweepPath(sweep.ID), Body: SweepOpened{Show(&sweep), string(opened)}}, nil
}

func sweepPath(id int64) string { return sweepsPath + "/" + strconv.FormatInt(id, 10) }

type listSweepsInput struct {
	Before int64 `query:"before" minimum:"1" doc:"Only sweeps that are older than the one with this id"`
	Limit  int   `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most this many"`
}

type listSweepsOutput struct{ Body SweepList }

func (s *Server) listSweeps(ctx context.Context, in *listSweepsInput) (*listSweepsOutput, error) {
	sweeps, err := s.store.Sweeps(ctx, in.Before, in.Limit+1) // one more, to know whether there is a next page
	if err != nil {
		return nil, fmt.Errorf("listing sweeps: %w", err)
	}
	out := &listSweepsOutput{Body: SweepList{Sweeps: []Sweep{}}}
	for i := range sweeps {
		if i == in.Limit {
			out.Body.Next = sweepsPath + "?" + url.Values{
				"before": {strconv.FormatInt(sweeps[i-1].ID, 10)}, "limit": {strconv.Itoa(in.Limit)}}.Encode()
			break
		}
		out.Body.Sweeps = append(out.Body.Sweeps, Show(&sweeps[i]))
	}
	return out, nil
}

type sweepInput struct {
	ID int64 `path:"id" minimum:"1" doc:"The sweep's id"`
}

type getSweepOutput struct{ Body SweepDetails }

func (s *Server) getSweep(ctx context.Context, in *sweepInput) (*getSweepOutput, error) {
	sweep, err := s.store.Sweep(ctx, in.ID)
	if err != nil {
		return nil, fmt.Errorf("reading sweep %d: %w", in.ID, err)
	}
	var failures []lifecycle.Failure
	if sweep.Failed > 0 {
		if failures, err = s.store.SweepFailures(ctx, in.ID, mostFailures); err != nil {
			return nil, fmt.Errorf("reading the failures of sweep %d: %w", in.ID, err)
		}
	}
	return &getSweepOutput{Body: ShowDetails(&sweep, failures)}, nil
}

type cancelSweepOutput struct{ Body Sweep }

func (s *Server) cancelSweep(ctx context.Context, in *sweepInput) (*cancelSweepOutput, error) {
	over := s.sweeper.CancelSweep(ctx, in.ID)
	if over != nil && !errors.Is(over, lifecycle.ErrNotRunning) {
		return nil, fmt.Errorf("cancelling sweep %d: %w", in.ID, over)
	}
	sweep, err := s.store.Sweep(ctx, in.ID)
	if err != nil {
		return nil, fmt.Errorf("reading sweep %d: %w", in.ID, err)
	}
	if over != nil && sweep.State != lifecycle.SweepCancelled {
		return nil, notRunning.says(sweepOver.Say("sweep", in.ID, "state", sweep.State))
	}
	return &cancelSweepOutput{Body: Show(&sweep)}, nil
}
