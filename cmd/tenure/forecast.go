package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/term"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
)

type forecastCmd struct {
	Months int `default:"12" help:"How far ahead (default: ${default})."`
	aheadFlags
	Chart  bool   `help:"Bars, a line for each week."`
	Output string `short:"o" env:"TENURE_OUTPUT" enum:"table,json,ndjson,csv" default:"table" help:"table, json, ndjson (a line for each week) or csv (default: ${default})."`
}

func (c *forecastCmd) Run(a *app) (err error) {
	rules, partner, err := c.check()
	if err != nil {
		return err
	}
	if c.Months < 1 || c.Months > furthest.Months {
		return usageError("--months %d: from 1 to %d", c.Months, furthest.Months)
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	clock, err := a.clock(db)
	if err != nil {
		return err
	}
	in, err := a.policyInForce(db)
	if err != nil {
		return err
	}
	if in.then != nil {
		a.say("This is by the policy that is named, and not by the one in force; `tenure plan` says what that changes.")
		in.policy, in.then, in.timed = in.then, nil, false
	}
	now := clock()
	ofLook().allow()
	q := outlook.Question{Policy: in.policy, Now: now, Until: lifecycle.Months(c.Months).After(now), Show: rules}
	records, err := db.Outlook(a.ctx, in.query(&q, partner, false))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	plan, err := outlook.Look(a.ctx, records, q, nil)
	if err != nil {
		return err
	}
	return errors.Join(c.print(a, plan, rules), a.sayFailures(plan.Failed, plan.Faults))
}

func (c *forecastCmd) print(a *app, plan *outlook.Plan, rules []lifecycle.RuleName) error {
	forecast := showForecast(plan, rules)
	switch {
	case c.Output == "json":
		return writeJSON(a.stdout, forecast, "  ")
	case c.Output == "ndjson":
		for _, week := range forecast.Weeks {
			if err := writeJSON(a.stdout, week, ""); err != nil {
				return err
			}
		}
		return nil
	case c.Output == "csv":
		return writeForecastCSV(a.stdout, &forecast)
	case c.Chart:
		return printChart(a.stdout, &forecast, widthOf(a.stdout), drawsBlocks())
	}
	if err := printForecast(a.stdout, &forecast); err != nil {
		return err
	}
	a.sayRemarks(plan)
	return nil
}

// showForecast brings a plan into the form in which a forecast is shown.
func showForecast(p *outlook.Plan, rules []lifecycle.RuleName) httpapi.Forecast {
	shown := httpapi.Forecast{AsOfDateTime: lifecycle.FormatInstant(p.Now), UntilDateTime: lifecycle.FormatInstant(p.Until), Times: p.All.Times}
	for _, rule := range shownRules(rules) {
		shown.Rules = append(shown.Rules, httpapi.PlanRule{Rule: string(rule), PlanSum: showSum(p.Rules[rule])})
	}
	for _, week := range p.Weeks() {
		line := httpapi.ForecastWeek{Week: week.Name(), Monday: week.Monday.Format(time.DateOnly), Times: week.All.Times, Told: week.All.Told}
		for _, rule := range shownRules(rules) {
			line.Rules = append(line.Rules, httpapi.PlanRule{Rule: string(rule), PlanSum: showSum(week.Rules[rule])})
		}
		shown.Weeks = append(shown.Weeks, line)
	}
	return shown
}

func printForecast(w io.Writer, f *httpapi.Forecast) error {
	t := newTable()
	header, foot := table.Row{"week", "from"}, table.Row{"all", ""}
	for _, rule := range f.Rules {
		header, foot = append(header, rule.Rule), append(foot, rule.Times)
	}
	t.AppendHeader(append(header, "all", "told"))
	told := int64(0)
	for _, week := range f.Weeks {
		row := table.Row{week.Week, week.Monday}
		for _, rule := range week.Rules {
			row = append(row, rule.Times)
		}
		t.AppendRow(append(row, week.Times, week.Told))
		told += week.Told
	}
	t.AppendRow(append(foot, f.Times, told))
	return t.writeTo(w)
}

func writeForecastCSV(w io.Writer, f *httpapi.Forecast) error {
	header := []string{"week", "monday"}
	for _, rule := range f.Rules {
		header = append(header, rule.Rule)
	}
	rows := [][]string{append(header, "all", "told")}
	for _, week := range f.Weeks {
		row := []string{week.Week, week.Monday}
		for _, rule := range week.Rules {
			row = append(row, count(rule.Times))
		}
		rows = append(rows, append(row, count(week.Times), count(week.Told)))
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// A chart draws each rule with a sign of its own: in blocks of different weight, or in letters where the terminal has none.
var (
	blockSigns  = []string{"▒", "░", "▓", "█", "·"}
	letterSigns = []string{"p", "w", "x", "e", "n"}
)

// printChart draws a bar for each week, as long as there is to do in it.
func printChart(w io.Writer, f *httpapi.Forecast, width int, blocks bool) error {
	signs := letterSigns
	if blocks {
		signs = blockSigns
	}
	var legend []string
	most := int64(1)
	for _, rule := range f.Rules {
		legend = append(legend, fmt.Sprintf("%s %s %d", signOf(rule.Rule, signs), rule.Rule, rule.Times))
	}
	for _, week := range f.Weeks {
		most = max(most, week.Times)
	}
	const before, behind = len("2026-W05  2026-01-26  "), len("  1234567")
	room := int64(max(width-before-behind, 10))
	lines := []string{strings.Join(legend, "  "), ""}
	for _, week := range f.Weeks {
		bar := barOf(&week, signs, most, room)
		if week.Times > 0 {
			bar += " " + count(week.Times)
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s  %s  %s", week.Week, week.Monday, bar), " "))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	}
	return nil
}

// barOf draws one week. Each rule ends where the sum so far ends, so that rounding never makes the whole too long; a week in which
// something happens has a sign at the least.
func barOf(week *httpapi.ForecastWeek, signs []string, most, room int64) string {
	var b strings.Builder
	sum, drawn := int64(0), int64(0)
	for _, rule := range week.Rules {
		sum += rule.Times
		upTo := sum * room / most
		if upTo == 0 && rule.Times > 0 {
			upTo = 1
		}
		if upTo > drawn {
			b.WriteString(strings.Repeat(signOf(rule.Rule, signs), int(upTo-drawn)))
			drawn = upTo
		}
	}
	return b.String()
}

func signOf(rule string, signs []string) string {
	for i, name := range lifecycle.RuleNames() {
		if string(name) == rule {
			return signs[i%len(signs)]
		}
	}
	return "#"
}

// widthOf is that of the terminal; of anything else the usual one.
func widthOf(w io.Writer) int {
	const usual = 80
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return usual
}

// drawsBlocks says whether the terminal can show more than ASCII.
func drawsBlocks() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			value = strings.ToLower(value)
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}
