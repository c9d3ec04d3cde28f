package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
	"github.com/tenure-dev/tenure/storage"
)

type planCmd struct {
	Until string `placeholder:"WHEN" help:"What happens until then: an instant, a day (2027-03-01) or a period (P90D) (default: now, which is what is due already)."`
	aheadFlags
	Records bool   `help:"A line for each relationship and step, rather than numbers."`
	Mails   bool   `help:"With --records as JSON: the mail addresses of those who are told."`
	Save    string `placeholder:"FILE" help:"Write what is due by then to a file, for \"tenure apply\". With --rule no other rule fires."`
	Output  string `short:"o" env:"TENURE_OUTPUT" enum:"table,json,ndjson,csv" default:"table" help:"table, json, ndjson (implies --records) or csv (default: ${default})."`
}

func (c *planCmd) Run(a *app) (err error) {
	rules, partner, err := c.check()
	if err != nil {
		return err
	}
	if c.Mails && (c.Output == "table" || c.Output == "csv") {
		return usageError("--mails: the addresses are in JSON only; add -o ndjson")
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	clock, err := a.clock(db)
	if err != nil {
		return err
	}
	now := clock()
	until, err := parseUntil(c.Until, now)
	if err != nil {
		return err
	}
	in, err := a.policyInForce(db)
	if err != nil {
		return err
	}
	ofLook().allow()
	q := outlook.Question{Policy: in.policy, Now: now, Until: until, Show: rules}
	if in.note != "" {
		a.say("%s", in.note)
	}
	switch {
	case c.Save != "" && in.then != nil:
		return usageError("a plan is saved by the policy that is in force, and %s is another one; start the schedulers with it first", a.Policy)
	case c.Save != "":
		return c.save(a, db, &in, q, partner)
	case in.then != nil:
		return c.difference(a, db, &in, q, partner)
	}
	return c.print(a, db, &in, q, partner)
}

// print says what is going to happen.
func (c *planCmd) print(a *app, db *storage.DB, in *inForce, q outlook.Question, partner string) (err error) {
	closely := c.Records || c.Output == "ndjson"
	records, err := db.Outlook(a.ctx, in.query(&q, partner, closely))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	if closely {
		return c.printLines(a, records, q)
	}
	plan, err := outlook.Look(a.ctx, records, q, nil)
	if err != nil {
		return err
	}
	switch c.Output {
	case "json":
		err = writeJSON(a.stdout, showPlan(plan, q.Show), "  ")
	case "csv":
		err = writePlanCSV(a.stdout, plan)
	default:
		err = printPlan(a.stdout, plan, q.Show)
	}
	return errors.Join(err, a.sayFailures(plan.Failed, plan.Faults))
}

// printPlan writes days and rules, and below them what does not happen, and why.
func printPlan(w io.Writer, p *outlook.Plan, rules []lifecycle.RuleName) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", planTitle(p)); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	if len(p.Days) > 0 {
		t := newTable()
		t.AppendHeader(table.Row{"day", "rule", "relationships", "times", "told", "unsaid"})
		for _, day := range p.InOrder() {
			t.AppendRow(append(table.Row{day.Date.Format(time.DateOnly), day.Rule}, sumRow(p.Days[day])...))
		}
		for _, rule := range shownRules(rules) {
			if sum := p.Rules[rule]; sum != nil {
				t.AppendRow(append(table.Row{"all", rule}, sumRow(sum)...))
			}
		}
		t.AppendRow(append(table.Row{"all", "all"}, sumRow(&p.All)...))
		if err := t.writeTo(w); err != nil {
			return err
		}
	}
	for _, line := range planRemarks(p) {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	}
	return nil
}

func planTitle(p *outlook.Plan) string {
	what := "What is due at " + lifecycle.FormatInstant(p.Now)
	if p.Until.After(p.Now) {
		what = fmt.Sprintf("What happens from %s until %s", lifecycle.FormatInstant(p.Now), lifecycle.FormatInstant(p.Until))
	}
	if p.All.Times == 0 && p.All.Unsaid == 0 {
		what += ": nothing"
	}
	return what + "."
}

func sumRow(s *outlook.Sum) table.Row { return table.Row{s.Relationships, s.Times, s.Told, s.Unsaid} }

// planRemarks say what does not happen, and why.
func planRemarks(p *outlook.Plan) (lines []string) {
	if p.Overdue > 0 && p.Until.After(p.Now) {
		lines = append(lines, fmt.Sprintf("Due already: %d, on the first day.", p.Overdue))
	}
	var unsaid []string
	for _, u := range showPlan(p, nil).UnsaidFor {
		unsaid = append(unsaid, fmt.Sprintf("%s %d", u.Reason, u.Addressees))
	}
	if len(unsaid) > 0 {
		lines = append(lines, "Not told: "+strings.Join(unsaid, ", ")+".")
	}
	for _, rule := range lifecycle.RuleNames() {
		if n := p.Held[rule]; n > 0 {
			lines = append(lines, fmt.Sprintf("On hold: %s of which %s would be due; see `tenure holds`.", plural(n, "relationship"), rule))
		}
	}
	if p.Other > 0 {
		lines = append(lines, fmt.Sprintf("%s wait for a rule that is not asked for.", plural(p.Other, "relationship")))
	}
	if p.Waiting > 0 {
		lines = append(lines, fmt.Sprintf("%s wait for another system; what comes after that is not foreseen.", plural(p.Waiting, "relationship")))
	}
	if len(lines) > 0 && len(p.Days) > 0 {
		lines = append([]string{""}, lines...)
	}
	return lines
}

// sayRemarks is for what is written beside the output.
func (a *app) sayRemarks(p *outlook.Plan) {
	for _, line := range planRemarks(p) {
		if line != "" {
			a.say("%s", line)
		}
	}
}

// printLines writes a line for each relationship and step, as they come.
func (c *planCmd) printLines(a *app, records *storage.Outlook, q outlook.Question) error {
	out := bufio.NewWriter(a.stdout)
	lines := newPlanLines(out, c.Output)
	if c.Mails {
		lines.mails = func(to lifecycle.Audience) ([]string, error) { return records.Mails(a.ctx, to) }
	}
	plan, err := outlook.Look(a.ctx, records, q, lines.item)
	if err == nil {
		err = lines.end()
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if c.Output == "table" {
		a.sayRemarks(plan)
	}
	return a.sayFailures(plan.Failed, plan.Faults)
}
