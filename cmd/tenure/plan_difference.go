package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
	"github.com/tenure-dev/tenure/storage"
)

// lookedAhead is how far two policies are compared where nobody says how far: what the change moves is in it, of all relationships.
var lookedAhead = lifecycle.Months(12)

// difference says what the policy that was named would change.
func (c *planCmd) difference(a *app, db *storage.DB, in *inForce, q outlook.Question, partner string) (err error) {
	if !q.Until.After(q.Now) {
		q.Until = lookedAhead.After(q.Now)
	}
	closely := c.Records || c.Output == "ndjson"
	records, err := db.Outlook(a.ctx, in.query(&q, partner, closely))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	if closely {
		return c.printMoved(a, records, in, q)
	}
	d, err := outlook.Compare(a.ctx, records, q, in.then, nil)
	if err != nil {
		return err
	}
	changes := in.policy.Differences(in.then)
	switch c.Output {
	case "json":
		err = writeJSON(a.stdout, showDifference(d, changes), "  ")
	case "csv":
		err = writeDifferenceCSV(a.stdout, d)
	default:
		err = printDifference(a.stdout, d, changes)
	}
	return errors.Join(err, a.sayFailures(d.Failed, d.Faults))
}

// inShifts are the shifts of a difference, by rule and then the most alarming first.
func inShifts(d *outlook.Difference) (shifts []outlook.RuleShift) {
	for _, rule := range lifecycle.RuleNames() {
		for _, shift := range outlook.Shifts {
			if what := (outlook.RuleShift{Rule: rule, Shift: shift}); d.Shifts[what] != nil {
				shifts = append(shifts, what)
			}
		}
	}
	return shifts
}

var shiftWords = map[outlook.Shift]string{
	outlook.AtOnce: "at once", outlook.Earlier: "earlier", outlook.Later: "later", outlook.Newly: "newly", outlook.Never: "never",
}

var doneWords = map[lifecycle.RuleName]string{
	lifecycle.ExpirePending: "lapse", lifecycle.WarnExpiry: "are warned of", lifecycle.AutoExtend: "are extended", lifecycle.EndTerm: "end",
	lifecycle.ReleaseName: "release their names",
}

func printDifference(w io.Writer, d *outlook.Difference, changes []string) error {
	lines := []string{"The policy that is named differs from the one in force:"}
	for _, change := range changes {
		lines = append(lines, "  "+change)
	}
	lines = append(lines, "")
	if len(d.Shifts) == 0 {
		lines = append(lines, fmt.Sprintf("No timer moves that would be due by %s.", lifecycle.FormatInstant(d.Until)))
	}
	for _, what := range inShifts(d) {
		if shifted := d.Shifts[what]; what.Shift == outlook.AtOnce {
			lines = append(lines, atOnceText(what.Rule, shifted))
		}
	}
	if len(d.Shifts) > 0 && lines[len(lines)-1] == "" { // nothing happens at once, and the table brings its own blank line
		lines = lines[:len(lines)-1]
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	}
	if err := printShifts(w, d); err != nil {
		return err
	}
	return printTelling(w, d)
}

// atOnceText is what nobody may overlook.
func atOnceText(rule lifecycle.RuleName, s *outlook.Shifted) string {
	text := fmt.Sprintf("%s: %s would %s at once", rule, plural(s.Relationships, "relationship"), orVerb(doneWords[rule], "be acted on"))
	if s.Was.First.IsZero() {
		return text + "; now they never do."
	}
	if s.Was.First.Equal(s.Was.Last) {
		return fmt.Sprintf("%s; now it falls due at %s.", text, instant(s.Was.First))
	}
	return fmt.Sprintf("%s; now it falls due from %s to %s.", text, instant(s.Was.First), instant(s.Was.Last))
}

func orVerb(word, other string) string {
	switch word {
	case "":
		return other
	case "are extended":
		return "be extended"
	case "are warned of":
		return "be warned of"
	}
	return word
}

func printShifts(w io.Writer, d *outlook.Difference) error {
	if len(d.Shifts) == 0 {
		return nil
	}
	t := newTable()
	t.AppendHeader(table.Row{"rule", "acts", "relationships", "now from", "to", "then from", "to"})
	day := func(at time.Time) string {
		if at.IsZero() {
			return "-"
		}
		return at.Format(time.DateOnly)
	}
	for _, what := range inShifts(d) {
		s := d.Shifts[what]
		t.AppendRow(table.Row{what.Rule, shiftWords[what.Shift], s.Relationships, day(s.Was.First), day(s.Was.Last), day(s.Is.First), day(s.Is.Last)})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return t.writeTo(w)
}

// printTelling says which notices differ.
func printTelling(w io.Writer, d *outlook.Difference) error {
	t := newTable()
	t.AppendHeader(table.Row{"notice", "told now", "then", "unsaid now", "then"})
	for _, kind := range lifecycle.NoticeKinds {
		if n := d.Telling[kind]; n != nil && (n.Told != n.ToldThen || n.Unsaid != n.UnsaidThen) {
			t.AppendRow(table.Row{kind, n.Told, n.ToldThen, n.Unsaid, n.UnsaidThen})
		}
	}
	text := fmt.Sprintf("\nNotices until %s:", lifecycle.FormatInstant(d.Until))
	if t.Length() == 0 {
		text += " as many as now."
	}
	if _, err := fmt.Fprintln(w, text); err != nil || t.Length() == 0 {
		return err
	}
	return t.writeTo(w)
}

// A differenceView is a difference in JSON.
type differenceView struct {
	AsOfDateTime  string        `json:"asOfDateTime"`
	UntilDateTime string        `json:"untilDateTime"`
	Policy        []string      `json:"policy"` // what differs
	Relationships int64         `json:"relationships"`
	Changed       int64         `json:"changed"`
	Shifts        []shiftView   `json:"shifts"`
	Notices       []tellingView `json:"notices"`
	Failed        int64         `json:"failed"`
}

type shiftView struct {
	Rule          lifecycle.RuleName `json:"rule"`
	Shift         outlook.Shift      `json:"shift"`
	Relationships int64              `json:"relationships"`
	NowFrom       *string            `json:"nowFrom"`
	NowTo         *string            `json:"nowTo"`
	ThenFrom      *string            `json:"thenFrom"`
	ThenTo        *string            `json:"thenTo"`
}

type tellingView struct {
	Kind       lifecycle.NoticeKind `json:"kind"`
	ToldNow    int64                `json:"toldNow"`
	ToldThen   int64                `json:"toldThen"`
	UnsaidNow  int64                `json:"unsaidNow"`
	UnsaidThen int64                `json:"unsaidThen"`
}

func showDifference(d *outlook.Difference, changes []string) differenceView {
	view := differenceView{AsOfDateTime: lifecycle.FormatInstant(d.Now), UntilDateTime: lifecycle.FormatInstant(d.Until), Policy: changes,
		Relationships: d.Looked, Changed: d.Changed, Failed: d.Failed, Shifts: []shiftView{}, Notices: []tellingView{}}
	for _, what := range inShifts(d) {
		s := d.Shifts[what]
		view.Shifts = append(view.Shifts, shiftView{what.Rule, what.Shift, s.Relationships, orNull(s.Was.First), orNull(s.Was.Last), orNull(s.Is.First), orNull(s.Is.Last)})
	}
	for _, kind := range lifecycle.NoticeKinds {
		if n := d.Telling[kind]; n != nil {
			view.Notices = append(view.Notices, tellingView{kind, n.Told, n.ToldThen, n.Unsaid, n.UnsaidThen})
		}
	}
	return view
}

func writeDifferenceCSV(w io.Writer, d *outlook.Difference) error {
	rows := [][]string{{"rule", "shift", "relationships", "nowFrom", "nowTo", "thenFrom", "thenTo"}}
	for _, what := range inShifts(d) {
		s := d.Shifts[what]
		rows = append(rows, []string{string(what.Rule), string(what.Shift), count(s.Relationships), lifecycle.FormatInstant(s.Was.First),
			lifecycle.FormatInstant(s.Was.Last), lifecycle.FormatInstant(s.Is.First), lifecycle.FormatInstant(s.Is.Last)})
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// A movedLine is what another policy changes for one relationship under one rule.
type movedLine struct {
	RelationshipID   string             `json:"relationshipId"`
	DisplayName      string             `json:"displayName"`
	PartnerTenantID  string             `json:"partnerTenantId"`
	CustomerTenantID *string            `json:"customerTenantId"`
	Status           lifecycle.Status   `json:"status"`
	Rule             lifecycle.RuleName `json:"rule"`
	Shift            outlook.Shift      `json:"shift"`
	NowDateTime      *string            `json:"nowDateTime"`  // when the rule acts by the policy in force; null: never
	ThenDateTime     *string            `json:"thenDateTime"` // and by the one that is named
}

// printMoved writes a line for each relationship and rule for which something changes.
func (c *planCmd) printMoved(a *app, records *storage.Outlook, in *inForce, q outlook.Question) error {
	out := bufio.NewWriter(a.stdout)
	asCSV, wrote := csv.NewWriter(out), 0
	d, err := outlook.Compare(a.ctx, records, q, in.then, func(m *outlook.Moved) error {
		defer func() { wrote++ }()
		line := movedLine{m.ID, m.DisplayName, m.Partner, textOrNull(m.Customer.TenantID), m.Status, m.Rule, m.Shift, orNull(m.Was), orNull(m.Is)}
		switch c.Output {
		case "ndjson":
			return writeJSON(out, line, "")
		case "json":
			before := ","
			if wrote == 0 {
				before = "["
			}
			_, err := out.WriteString(before)
			return errors.Join(err, writeJSON(out, line, ""))
		case "csv":
			if wrote == 0 {
				_ = asCSV.Write([]string{"relationshipId", "displayName", "partnerTenantId", "rule", "shift", "nowDateTime", "thenDateTime"}) // its error stays, and is asked for below
			}
			return asCSV.Write([]string{m.ID, m.DisplayName, m.Partner, string(m.Rule), string(m.Shift), lifecycle.FormatInstant(m.Was), lifecycle.FormatInstant(m.Is)})
		}
		const row = "%-14s  %-7s  %-20s  %-20s  %s\n"
		if wrote == 0 {
			if _, err := fmt.Fprintf(out, row, "rule", "acts", "now", "then", "relationship"); err != nil {
				return fmt.Errorf("writing the output: %w", err)
			}
		}
		_, err := fmt.Fprintf(out, row, m.Rule, shiftWords[m.Shift], instant(m.Was.Truncate(time.Second)), instant(m.Is.Truncate(time.Second)), m.DisplayName+" ("+m.ID+")")
		return err
	})
	if err == nil && c.Output == "json" {
		end := "]\n"
		if wrote == 0 {
			end = "[]\n"
		}
		_, err = out.WriteString(end)
	}
	asCSV.Flush()
	if err := errors.Join(err, asCSV.Error(), out.Flush()); err != nil {
		return err
	}
	return a.sayFailures(d.Failed, d.Faults)
}
