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

// A BulkStore keeps bulk jobs, which workers carry out. It may be called from many goroutines.
type BulkStore interface {
	// OpenBulk takes a job in.
	OpenBulk(ctx context.Context, r lifecycle.BulkRequest) (lifecycle.BulkJob, error)

	// BulkJob reads how far a job has come; [lifecycle.ErrNotFound].
	BulkJob(ctx context.Context, id int64) (lifecycle.BulkJob, error)

	// BulkJobs lists jobs, the latest first, older than before where that is not 0; those of a tenant's callers, or all.
	BulkJobs(ctx context.Context, before int64, limit int, tenant string) ([]lifecycle.BulkJob, error)

	// BulkResults lists what became of the records, those with one of the outcomes or all, behind the one with a key.
	BulkResults(ctx context.Context, job, after int64, limit int, outcomes []lifecycle.BulkOutcome) ([]lifecycle.BulkResult, error)

	// CancelBulk stops a job; [lifecycle.ErrNotFound], or [lifecycle.ErrNotRunning] if it is over.
	CancelBulk(ctx context.Context, id int64, now time.Time) error
}

// A BulkRequest is the body of a request to switch autoExtend of many relationships.
type BulkRequest struct {
	Filter             string   `json:"filter" minLength:"1" example:"status eq 'active'" doc:"Which relationships, as $filter of Microsoft Graph has it"`
	AutoExtendDuration string   `json:"autoExtendDuration" example:"P180D" doc:"P180D: on; PT0S: off"`
	DryRun             bool     `json:"dryRun,omitempty" default:"false" doc:"Decide, and change nothing"`
	_                  struct{} `additionalProperties:"false"`
}

// A BulkJob is a bulk job as it is shown.
type BulkJob struct {
	ID               int64   `json:"id" minimum:"1"`
	Action           string  `json:"action" enum:"setAutoExtend,approve,terminate"`
	AutoExtend       *string `json:"autoExtendDuration" example:"P180D" doc:"Of setAutoExtend: what it is to be"`
	Filter           string  `json:"filter"`
	DryRun           bool    `json:"dryRun"`
	Side             string  `json:"side" enum:"partner,customer" doc:"On whose behalf"`
	By               string  `json:"by" doc:"Who asked for it"`
	State            string  `json:"state" enum:"running,done,cancelled"`
	Found            int64   `json:"found" doc:"Relationships looked at so far; the three below add up to it"`
	Changed          int64   `json:"changed" doc:"Or would be, in a dry run"`
	Unchanged        int64   `json:"unchanged" doc:"Were so already"`
	Refused          int64   `json:"refused"`
	AskedDateTime    string  `json:"askedDateTime" format:"date-time"`
	FinishedDateTime *string `json:"finishedDateTime" format:"date-time" doc:"null while it is running"`
}

// A BulkJobList is a page of bulk jobs, the latest first.
type BulkJobList struct {
	Jobs []BulkJob `json:"jobs" nullable:"false"`
	Next string    `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last"`
}

// A BulkResult is what became of one relationship.
type BulkResult struct {
	RelationshipID string  `json:"relationshipId"`
	Outcome        string  `json:"outcome" enum:"changed,unchanged,refused"`
	Reason         *string `json:"reason" example:"wrongContent" doc:"Of a refusal, in a word"`
	Detail         *string `json:"detail"`
}

// A BulkResultList is a page of results.
type BulkResultList struct {
	Results []BulkResult `json:"results" nullable:"false"`
	Next    string       `json:"next,omitempty" format:"uri-reference" doc:"The next page; missing on the last, which need not be the last for good while the job runs"`
}

// A BulkOutcome is what may become of a relationship.
type BulkOutcome string

var bulkOutcomes = []lifecycle.BulkOutcome{lifecycle.BulkChanged, lifecycle.BulkUnchanged, lifecycle.BulkRefused}

// Schema describes the outcomes. It satisfies [huma.SchemaProvider].
func (BulkOutcome) Schema(huma.Registry) *huma.Schema { return enumSchema(bulkOutcomes) }

const (
	bulkPath    = "/v1/bulk"
	bulkTag     = "Bulk jobs"
	bulkExample = `write {"filter":"status eq 'active'","autoExtendDuration":"P180D"}`
)

// ShowBulk brings a bulk job into the form in which it is shown, here and on the command line.
func ShowBulk(j *lifecycle.BulkJob, p *lifecycle.Policy) BulkJob {
	shown := BulkJob{ID: j.ID, Action: string(j.Action), Filter: j.Filter, DryRun: j.DryRun, Side: string(j.Side), By: j.Caller.Name, State: string(j.State),
		Found: j.Found, Changed: j.Changed, Unchanged: j.Same, Refused: j.Refused,
		AskedDateTime: lifecycle.FormatInstant(j.At), FinishedDateTime: instantOrNull(j.Finished)}
	if j.Action == lifecycle.SetAutoExtend {
		shown.AutoExtend = textOrNull(p.AutoExtendDuration(j.AutoExtend).String())
	}
	return shown
}

func (s *Server) addBulk() {
	path := bulkPath + "/auto-extend"
	register(s, party, huma.Operation{
		OperationID: "requestBulkAutoExtend", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusAccepted, Tags: []string{bulkTag},
		Summary: "Switch autoExtend of all relationships that a filter leaves",
		Description: "Opens a job that goes through them, those only that the caller sees, and keeps a result for each. " +
			"Relationships that came in later are left alone.",
		Responses: s.answers(bodyProblems...),
	}, s.requestBulk)
	s.describeBody(s.api.OpenAPI().Paths[path].Post, schemaOf[BulkRequest](s), true)
	register(s, party, huma.Operation{
		OperationID: "listBulkJobs", Method: http.MethodGet, Path: bulkPath, Tags: []string{bulkTag},
		Summary:     "List bulk jobs, the latest first",
		Description: "A tenant is shown those of its own callers.",
		Responses:   s.answers(badValue),
	}, s.listBulk)
	register(s, party, huma.Operation{
		OperationID: "getBulkJob", Method: http.MethodGet, Path: bulkPath + "/{id}", Tags: []string{bulkTag},
		Summary:   "Show how far a bulk job has come",
		Responses: s.answers(unknownBulk, badValue),
	}, s.getBulk)
	register(s, party, huma.Operation{
		OperationID: "listBulkResults", Method: http.MethodGet, Path: bulkPath + "/{id}/results", Tags: []string{bulkTag},
		Summary:   "List what became of each relationship",
		Responses: s.answers(unknownBulk, badValue),
	}, s.listBulkResults)
	register(s, party, huma.Operation{
		OperationID: "cancelBulkJob", Method: http.MethodPost, Path: bulkPath + "/{id}/cancel", Tags: []string{bulkTag},
		Summary:     "Cancel a running bulk job",
		Description: "What was changed stays changed. Cancelling twice is cancelling once.",
		Responses:   s.answers(unknownBulk, bulkOver, badValue),
	}, s.cancelBulk)
}

type requestBulkInput struct{ Asked }

type requestBulkOutput struct {
	Location string `header:"Location" format:"uri-reference" doc:"Where the job is shown"`
	Body     BulkJob
}

func (s *Server) requestBulk(ctx context.Context, in *requestBulkInput) (*requestBulkOutput, error) {
	body, p := s.readBody(in.request)
	if p != nil {
		return nil, p
	}
	asked, p := s.readBulk(body)
	if p != nil {
		return nil, p
	}
	asked.Side, asked.Caller, asked.At = sideOf(in.caller()), *in.caller(), s.now()
	if asked.Side == "" {
		return nil, roleMissing.problem("A bulk job changes relationships, and %s.", powerOf(in.caller()))
	}
	job, err := s.store.OpenBulk(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("opening a bulk job: %w", err)
	}
	return &requestBulkOutput{bulkPath + "/" + strconv.FormatInt(job.ID, 10), ShowBulk(&job, s.policy)}, nil
}

// sideOf is on whose behalf the caller acts where both sides may; empty for who may only look. An operator acts as the partner.
func sideOf(by *lifecycle.Caller) lifecycle.Actor {
	for _, side := range []lifecycle.Actor{lifecycle.Partner, lifecycle.Customer} {
		if by.Acts(side) {
			return side
		}
	}
	return ""
}

// readBulk reads what is to be done to which relationships.
func (s *Server) readBulk(body json.RawMessage) (asked lifecycle.BulkRequest, p *Problem) {
	asked.Action = lifecycle.SetAutoExtend
	var bad badValues
	said := map[string]bool{}
	if body != nil {
		bad.object("body", body, bulkExample,
			field("filter", bad.text(func(filter string) error {
				said["filter"], asked.Filter = true, filter
				return s.badFilter(filter)
			})),
			field("autoExtendDuration", bad.text(func(d string) (err error) {
				said["autoExtendDuration"] = true
				asked.AutoExtend, err = s.policy.ParseAutoExtend(d)
				return err
			})),
			field("dryRun", bad.flag(&asked.DryRun)))
	}
	for _, name := range []string{"filter", "autoExtendDuration"} {
		if !said[name] && len(bad.bad) == 0 {
			bad.refuse(badValue, "body."+name, nil, "is missing; "+bulkExample)
		}
	}
	return asked, bad.problem()
}

// badFilter says why a filter will not do. One that leaves nothing out is refused: a variable that is unset must not mean everything.
func (s *Server) badFilter(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("is empty; name a status at least, as in status eq 'active'")
	}
	if s.parseFilter == nil {
		return errors.New("cannot be read by this deployment, which has no bulk jobs over HTTP")
	}
	_, err := s.parseFilter(text)
	return err
}

type listBulkInput struct {
	Asked
	Before int64 `query:"before" minimum:"1" doc:"Only jobs that are older than the one with this id"`
	Limit  int   `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most this many"`
}

type listBulkOutput struct{ Body BulkJobList }

func (s *Server) listBulk(ctx context.Context, in *listBulkInput) (*listBulkOutput, error) {
	jobs, err := s.store.BulkJobs(ctx, in.Before, in.Limit+1, in.caller().Tenant)
	if err != nil {
		return nil, fmt.Errorf("listing bulk jobs: %w", err)
	}
	out := &listBulkOutput{Body: BulkJobList{Jobs: []BulkJob{}}}
	for i := range jobs {
		if i == in.Limit {
			out.Body.Next = bulkPath + "?" + url.Values{"before": {strconv.FormatInt(jobs[i-1].ID, 10)}, "limit": {strconv.Itoa(in.Limit)}}.Encode()
			break
		}
		out.Body.Jobs = append(out.Body.Jobs, ShowBulk(&jobs[i], s.policy))
	}
	return out, nil
}

type bulkInput struct {
	Asked
	ID int64 `path:"id" minimum:"1" doc:"The job's id"`
}

type bulkOutput struct{ Body BulkJob }

// findBulk reads a job of the caller's tenant.
func (s *Server) findBulk(ctx context.Context, by *lifecycle.Caller, id int64) (lifecycle.BulkJob, error) {
	job, err := s.store.BulkJob(ctx, id)
	if err != nil && !errors.Is(err, lifecycle.ErrNotFound) {
		return job, fmt.Errorf("reading bulk job %d: %w", id, err)
	}
	if err != nil || by.Role != lifecycle.Operator && job.Caller.Tenant != by.Tenant {
		return job, unknownBulk.problem("There is no bulk job %d that the caller may see; GET %s lists those that there are.", id, bulkPath)
	}
	return job, nil
}

func (s *Server) getBulk(ctx context.Context, in *bulkInput) (*bulkOutput, error) {
	job, err := s.findBulk(ctx, in.caller(), in.ID)
	if err != nil {
		return nil, err
	}
	return &bulkOutput{ShowBulk(&job, s.policy)}, nil
}

type listBulkResultsInput struct {
	Asked
	ID       int64         `path:"id" minimum:"1" doc:"The job's id"`
	Outcomes []BulkOutcome `query:"outcome" doc:"Only those with one of these outcomes"`
	After    int64         `query:"after" minimum:"0" doc:"Only those behind this place in the list; next names it"`
	Limit    int           `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"At most this many"`
}

type listBulkResultsOutput struct{ Body BulkResultList }

func (s *Server) listBulkResults(ctx context.Context, in *listBulkResultsInput) (*listBulkResultsOutput, error) {
	if _, err := s.findBulk(ctx, in.caller(), in.ID); err != nil {
		return nil, err
	}
	var outcomes []lifecycle.BulkOutcome
	for _, o := range in.Outcomes {
		outcomes = append(outcomes, lifecycle.BulkOutcome(o))
	}
	results, err := s.store.BulkResults(ctx, in.ID, in.After, in.Limit+1, outcomes)
	if err != nil {
		return nil, fmt.Errorf("listing the results of bulk job %d: %w", in.ID, err)
	}
	out := &listBulkResultsOutput{Body: BulkResultList{Results: []BulkResult{}}}
	for i := range results {
		if i == in.Limit {
			next := url.Values{"after": {strconv.FormatInt(results[i-1].Key, 10)}, "limit": {strconv.Itoa(in.Limit)}}
			setNonEmpty(next, map[string]string{"outcome": joined(in.Outcomes)})
			out.Body.Next = fmt.Sprintf("%s/%d/results?%s", bulkPath, in.ID, next.Encode())
			break
		}
		r := &results[i]
		out.Body.Results = append(out.Body.Results, BulkResult{r.RelationshipID, string(r.Outcome), textOrNull(r.Reason), textOrNull(r.Detail)})
	}
	return out, nil
}

func (s *Server) cancelBulk(ctx context.Context, in *bulkInput) (*bulkOutput, error) {
	if _, err := s.findBulk(ctx, in.caller(), in.ID); err != nil {
		return nil, err
	}
	if sideOf(in.caller()) == "" {
		return nil, roleMissing.problem("To cancel a bulk job is for those who may open one, and %s.", powerOf(in.caller()))
	}
	over := s.store.CancelBulk(ctx, in.ID, s.now())
	if over != nil && !errors.Is(over, lifecycle.ErrNotRunning) {
		return nil, fmt.Errorf("cancelling bulk job %d: %w", in.ID, over)
	}
	job, err := s.findBulk(ctx, in.caller(), in.ID)
	if err != nil {
		return nil, err
	}
	if over != nil && job.State != lifecycle.BulkCancelled {
		return nil, bulkOver.says(bulkJobOver.Say("job", in.ID, "jobState", job.State))
	}
	return &bulkOutput{ShowBulk(&job, s.policy)}, nil
}
