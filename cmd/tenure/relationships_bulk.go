package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// mostRefusedShown is how many refusals of a bulk job are told at once.
const mostRefusedShown = 20

// actInBulk does the same to each relationship that the filter wants, as a job whose results are kept.
func (a *app) actInBulk(action lifecycle.Action, of *manyRelationships) error {
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(of.Filter)
	if of.Filter == "" {
		text = "true" // with --all
	}
	filter, err := readFilter(text, policy)
	if err != nil {
		return err
	}
	if wantsAll(filter) && !of.All {
		return usageError("--filter: %w; if all are, add --all", storage.ErrNotNarrow)
	}
	db, policy, now, err := a.openToAct(of.DryRun)
	if err != nil {
		return err
	}
	if err := a.goesOn(db); err != nil { // the job would wait for the release, and so would whoever sits here
		return err
	}
	total, err := db.CountRelationships(a.ctx, filter)
	if err != nil {
		return err
	}
	job, err := db.OpenBulk(a.ctx, lifecycle.BulkRequest{Action: action.Kind, AutoExtend: action.AutoExtend, Side: action.By, Filter: text,
		DryRun: of.DryRun, Caller: *a.caller(), At: now()})
	if err != nil {
		return err
	}
	bulk := jobs.Bulk{Store: db, Policy: policy, Now: now, Wall: wall, Log: a.log(),
		Parse: func(text string) (lifecycle.Filter, error) { return readFilter(text, policy) }}
	bar := newProgress(a.stderr, string(action.Kind))
	over, err := bulk.Carry(a.ctx, job.ID, func(b lifecycle.BulkJob) { bar.at(b.Found, total, "relationships") })
	bar.end()
	if err != nil {
		a.say("Bulk job %d was not brought to its end here; `tenure serve` or a worker goes on with it, `tenure relationships bulk cancel %[1]d` stops it", job.ID)
		return err
	}
	return a.reportBulk(db, &over)
}

// reportBulk says what became of a bulk job that is over.
func (a *app) reportBulk(db *storage.DB, job *lifecycle.BulkJob) error {
	sum := tally{job.Changed, job.Same, job.Refused}
	if err := sum.print(a, job.DryRun); err != nil {
		return err
	}
	refused, err := db.BulkResults(a.ctx, job.ID, 0, mostRefusedShown, []lifecycle.BulkOutcome{lifecycle.BulkRefused})
	if err != nil {
		return err
	}
	for _, r := range refused {
		a.say("relationship %s: %s", r.RelationshipID, r.Detail)
	}
	if more := job.Refused - int64(len(refused)); more > 0 {
		a.say("… and %d more", more)
	}
	a.say("What became of each: tenure relationships bulk results %d", job.ID)
	switch {
	case job.State == lifecycle.BulkCancelled:
		return partial("bulk job %d was cancelled; what was done before stays done", job.ID)
	case job.Refused > 0 && job.DryRun:
		return partial("%s would be refused", plural(job.Refused, "relationship"))
	case job.Refused > 0:
		return partial("%s refused", plural(job.Refused, "relationship"))
	}
	return nil
}

type bulkCmd struct {
	List    bulkListCmd    `cmd:"" help:"List bulk jobs, the latest first."`
	Show    bulkShowCmd    `cmd:"" help:"Show one, and how far it has come."`
	Results bulkResultsCmd `cmd:"" help:"What became of each relationship."`
	Cancel  bulkCancelCmd  `cmd:"" help:"Stop a running one; what it has changed stays changed."`
}

type bulkListCmd struct {
	Limit int   `short:"l" default:"100" help:"At most this many (default: ${default})."`
	After int64 `placeholder:"JOB" help:"Go on after this one."`
	outputFlag
}

func (c *bulkListCmd) Run(a *app) error {
	if err := atLeastOne(c.Limit); err != nil {
		return err
	}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	found, err := db.BulkJobs(a.ctx, c.After, c.Limit, "")
	if err != nil {
		return err
	}
	header := table.Row{"job", "action", "state", "found", "changed", "same", "refused", "asked", "by", "filter"}
	err = printRecords(a, c.Output, header, found, func(b lifecycle.BulkJob) table.Row {
		return table.Row{b.ID, bulkAction(&b), b.State, b.Found, b.Changed, b.Same, b.Refused, instant(b.At), b.Caller.Name, shortFilter(b.Filter)}
	}, func(b lifecycle.BulkJob) any { return httpapi.ShowBulk(&b, policy) })
	if err == nil && len(found) == c.Limit {
		a.say("There may be more: --limit, or --after %d", found[len(found)-1].ID)
	}
	return err
}

// bulkAction is what a job does, in a word or two.
func bulkAction(b *lifecycle.BulkJob) string {
	text := string(b.Action)
	if b.Action == lifecycle.SetAutoExtend {
		text = map[bool]string{true: "auto-extend on", false: "auto-extend off"}[b.AutoExtend]
	}
	if b.DryRun {
		text += " (dry run)"
	}
	return text
}

// shortFilter is the beginning of a filter, for tables.
func shortFilter(s string) string {
	const longest = 40
	if characters := []rune(s); len(characters) > longest {
		return string(characters[:longest]) + "…"
	}
	return s
}

type bulkShowCmd struct {
	Job int64 `arg:"" help:"Number of the job."`
	outputFlag
}

func (c *bulkShowCmd) Run(a *app) error {
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	b, err := bulkJob(a, db, c.Job)
	if err != nil {
		return err
	}
	return printRecord(a, c.Output, [][2]string{
		{"job", count(b.ID)}, {"action", bulkAction(&b)}, {"on behalf of", string(b.Side)}, {"filter", b.Filter}, {"state", string(b.State)},
		{"found", count(b.Found)}, {"changed", count(b.Changed)}, {"were so already", count(b.Same)}, {"refused", count(b.Refused)},
		{"asked", instant(b.At)}, {"asked by", b.Caller.Name}, {"finished", instant(b.Finished)},
	}, httpapi.ShowBulk(&b, policy))
}

func bulkJob(a *app, db *storage.DB, id int64) (lifecycle.BulkJob, error) {
	b, err := db.BulkJob(a.ctx, id)
	if errors.Is(err, lifecycle.ErrNotFound) {
		err = fmt.Errorf("bulk job %d: %w; see `tenure relationships bulk list`", id, lifecycle.ErrNotFound)
	}
	return b, err
}

type bulkResultsCmd struct {
	Job     int64    `arg:"" help:"Number of the job."`
	Outcome []string `placeholder:"OUTCOME" enum:"changed,unchanged,refused" help:"Only this outcome: changed, unchanged or refused; may be given again."`
	Limit   int      `short:"l" default:"100" help:"At most this many (default: ${default})."`
	After   string   `placeholder:"ID" help:"Go on after this relationship."`
	outputFlag
}

func (c *bulkResultsCmd) Run(a *app) error {
	if err := atLeastOne(c.Limit); err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	if _, err := bulkJob(a, db, c.Job); err != nil {
		return err
	}
	after := int64(0)
	if c.After != "" {
		last, err := db.Relationship(a.ctx, lifecycle.CanonicalID(c.After))
		if err != nil {
			return fmt.Errorf("--after %s: %w", c.After, err)
		}
		after = last.Key
	}
	outcomes := make([]lifecycle.BulkOutcome, len(c.Outcome))
	for i, o := range c.Outcome {
		outcomes[i] = lifecycle.BulkOutcome(o)
	}
	results, err := db.BulkResults(a.ctx, c.Job, after, c.Limit, outcomes)
	if err != nil {
		return err
	}
	err = printRecords(a, c.Output, table.Row{"relationship", "outcome", "reason", "detail"}, results, func(r lifecycle.BulkResult) table.Row {
		return table.Row{r.RelationshipID, r.Outcome, orDash(string(r.Reason)), orDash(r.Detail)}
	}, func(r lifecycle.BulkResult) any { return bulkResultJSON(&r) })
	if err == nil && len(results) == c.Limit {
		a.say("There may be more: --limit, or --after %s", results[len(results)-1].RelationshipID)
	}
	return err
}

type bulkCancelCmd struct {
	Job int64 `arg:"" help:"Number of the job."`
}

func (c *bulkCancelCmd) Run(a *app) error {
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	if _, err := bulkJob(a, db, c.Job); err != nil {
		return err
	}
	if err := db.CancelBulk(a.ctx, c.Job, now()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "bulk job %d is cancelled\n", c.Job)
	return err
}

func bulkResultJSON(r *lifecycle.BulkResult) httpapi.BulkResult {
	return httpapi.BulkResult{RelationshipID: r.RelationshipID, Outcome: string(r.Outcome), Reason: textOrNull(string(r.Reason)), Detail: textOrNull(r.Detail)}
}
