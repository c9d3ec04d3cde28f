package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/outlook"
)

// A planLine is one step of one relationship, as programs read it.
type planLine struct {
	RelationshipID      string               `json:"relationshipId"`
	DisplayName         string               `json:"displayName"`
	PartnerTenantID     string               `json:"partnerTenantId"`
	CustomerTenantID    *string              `json:"customerTenantId"`
	CustomerDisplayName *string              `json:"customerDisplayName"`
	Rule                lifecycle.RuleName   `json:"rule"`
	Event               *lifecycle.EventType `json:"event"` // null for a warning, and where nothing happens
	Version             int64                `json:"version"`
	EffectiveDateTime   string               `json:"effectiveDateTime"`
	RecordedDateTime    *string              `json:"recordedDateTime"` // null where nothing happens
	StatusBefore        lifecycle.Status     `json:"statusBefore"`
	Status              lifecycle.Status     `json:"status"`
	EndDateTimeBefore   *string              `json:"endDateTimeBefore"`
	EndDateTime         *string              `json:"endDateTime"`
	Reason              *lifecycle.Reason    `json:"reason"`
	Notices             []planNotice         `json:"notices"`
	Stopped             *string              `json:"stopped"` // why nothing happens
	step                *outlook.Step
}

type planNotice struct {
	Kind        lifecycle.NoticeKind   `json:"kind"`
	Stage       *string                `json:"stage"`
	DueDateTime string                 `json:"dueDateTime"`
	Status      lifecycle.NoticeStatus `json:"status"`
	Tells       []planTell             `json:"to"`
}

type planTell struct {
	TenantID   *string           `json:"tenantId"`
	Role       lifecycle.Role    `json:"role"`
	Channel    *string           `json:"channel"`
	Endpoint   bool              `json:"endpoint,omitempty"`
	Recipients int64             `json:"recipients"`
	Mails      []string          `json:"mails,omitempty"`
	Unsaid     *lifecycle.Reason `json:"unsaid"` // why nobody is told; null where somebody is
}

// Why nothing happens to a relationship though a timer is due.
const (
	stoppedByHold   = "onHold"
	stoppedByRule   = "otherRule"
	stoppedBySystem = "anotherSystem"
)

// planLines writes items, line by line.
type planLines struct {
	w      io.Writer
	format string
	csv    *csv.Writer
	wrote  int
	mails  func(lifecycle.Audience) ([]string, error) // nil: they are not wanted

	of   lifecycle.Audience // whose mails were looked up last; partners come again and again
	them []string
}

func newPlanLines(w io.Writer, format string) *planLines {
	return &planLines{w: w, format: format, csv: csv.NewWriter(w)}
}

// item writes what happens to one relationship.
func (l *planLines) item(item *outlook.Item) error {
	for i := range item.Steps {
		step := &item.Steps[i]
		line := lineOf(item)
		line.Rule, line.Event, line.Version, line.Reason = step.Rule, textOrNull(step.Type), step.Version, textOrNull(step.Reason)
		line.EffectiveDateTime, line.RecordedDateTime = lifecycle.FormatInstant(step.Effective), orNull(step.At)
		line.StatusBefore, line.Status, line.EndDateTimeBefore, line.EndDateTime = step.From, step.To, orNull(step.EndBefore), orNull(step.End)
		line.step = step
		for n := range step.Notices {
			notice, err := l.notice(&step.Notices[n])
			if err != nil {
				return err
			}
			line.Notices = append(line.Notices, notice)
		}
		if err := l.write(&line); err != nil {
			return err
		}
	}
	why := ""
	switch {
	case item.Stopped.Rule != "" && item.Held:
		why = stoppedByHold
	case item.Stopped.Rule != "":
		why = stoppedByRule
	case item.Waiting:
		why = stoppedBySystem
	default:
		return nil
	}
	line := lineOf(item)
	line.Rule, line.EffectiveDateTime, line.Stopped = item.Stopped.Rule, lifecycle.FormatInstant(item.Stopped.At), &why
	last := &item.After
	line.Version, line.StatusBefore, line.Status = last.Version, last.Status, last.Status
	line.EndDateTimeBefore, line.EndDateTime = orNull(last.End), orNull(last.End)
	return l.write(&line)
}

func lineOf(item *outlook.Item) planLine {
	r := &item.Record
	return planLine{RelationshipID: r.ID, DisplayName: r.DisplayName, PartnerTenantID: r.Partner, CustomerTenantID: textOrNull(r.Customer.TenantID),
		CustomerDisplayName: textOrNull(r.Customer.DisplayName), Notices: []planNotice{}}
}

func (l *planLines) notice(n *outlook.Notice) (planNotice, error) {
	shown := planNotice{Kind: n.Kind, DueDateTime: lifecycle.FormatInstant(n.Due), Status: n.Status, Tells: []planTell{}}
	if !n.Stage.IsZero() {
		shown.Stage = textOrNull(n.Stage.String())
	}
	for i := range n.Tells {
		tell := &n.Tells[i]
		to := planTell{TenantID: textOrNull(tell.TenantID), Role: tell.Role, Channel: textOrNull(tell.Channel), Endpoint: tell.Endpoint,
			Recipients: tell.Recipients, Unsaid: textOrNull(tell.Unsaid)}
		if tell.Muted {
			to.Channel = nil
		}
		if l.mails != nil && !tell.Endpoint && tell.Recipients > 0 {
			if l.of != tell.Audience {
				them, err := l.mails(tell.Audience)
				if err != nil {
					return shown, err
				}
				l.of, l.them = tell.Audience, them
			}
			to.Mails = l.them
		}
		shown.Tells = append(shown.Tells, to)
	}
	return shown, nil
}

// planColumns are those of the CSV.
var planColumns = []string{"relationshipId", "displayName", "partnerTenantId", "customerTenantId", "rule", "event", "effectiveDateTime",
	"recordedDateTime", "statusBefore", "status", "endDateTimeBefore", "endDateTime", "told", "unsaid", "stopped"}

func (l *planLines) write(line *planLine) (err error) {
	defer func() { l.wrote++ }()
	switch l.format {
	case "ndjson":
		return writeJSON(l.w, line, "")
	case "json":
		before := ","
		if l.wrote == 0 {
			before = "["
		}
		if _, err := io.WriteString(l.w, before); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
		return writeJSON(l.w, line, "")
	case "csv":
		if l.wrote == 0 {
			if err := l.csv.Write(planColumns); err != nil {
				return err
			}
		}
		told, unsaid := line.told()
		return l.csv.Write([]string{line.RelationshipID, line.DisplayName, line.PartnerTenantID, orEmpty(line.CustomerTenantID), string(line.Rule),
			orEmpty(line.Event), line.EffectiveDateTime, orEmpty(line.RecordedDateTime), string(line.StatusBefore), string(line.Status),
			orEmpty(line.EndDateTimeBefore), orEmpty(line.EndDateTime), strconv.FormatInt(told, 10), strings.Join(unsaid, " "), orEmpty(line.Stopped)})
	}
	return l.writeRow(line)
}

// planRow is a line for people. Its widths are those of the longest words that can stand there, since there may be a million lines.
const planRow = "%-20s  %-14s  %-13s  %4s  %s\n"

func (l *planLines) writeRow(line *planLine) error {
	if l.wrote == 0 {
		if _, err := fmt.Fprintf(l.w, planRow, "effective", "rule", "what", "told", "relationship"); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	}
	told, unsaid := line.told()
	what := "warning"
	switch {
	case line.Stopped != nil:
		what = *line.Stopped
	case line.Event != nil:
		what = string(*line.Event)
	}
	name := line.DisplayName + " (" + line.RelationshipID + ")"
	if line.step != nil && line.step.Type == lifecycle.EventExtended {
		name += " until " + line.step.End.Format(time.DateOnly)
	}
	if len(unsaid) > 0 {
		name += ", not told: " + strings.Join(unsaid, ", ")
	}
	effective := line.EffectiveDateTime
	if parsed, err := lifecycle.ParseInstant(effective); err == nil {
		effective = lifecycle.FormatInstant(parsed.Truncate(time.Second))
	}
	if _, err := fmt.Fprintf(l.w, planRow, orDash(effective), orDash(string(line.Rule)), what, strconv.FormatInt(told, 10), name); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// told counts those who are told, and lists why others are not.
func (line *planLine) told() (told int64, unsaid []string) {
	for _, n := range line.Notices {
		for _, to := range n.Tells {
			told += to.Recipients
			if to.Unsaid != nil {
				unsaid = append(unsaid, string(*to.Unsaid))
			}
		}
	}
	return told, unsaid
}

func (l *planLines) end() error {
	switch l.format {
	case "json":
		end := "]\n"
		if l.wrote == 0 {
			end = "[]\n"
		}
		if _, err := io.WriteString(l.w, end); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	case "csv":
		l.csv.Flush()
		return l.csv.Error()
	case "table":
		if l.wrote == 0 {
			if _, err := fmt.Fprintln(l.w, "Nothing."); err != nil {
				return fmt.Errorf("writing the output: %w", err)
			}
		}
	}
	return nil
}

func orEmpty[T ~string](s *T) string {
	if s == nil {
		return ""
	}
	return string(*s)
}

// writePlanCSV writes the days of a plan.
func writePlanCSV(w io.Writer, p *outlook.Plan) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"date", "rule", "relationships", "times", "told", "unsaid"}}
	for _, day := range p.InOrder() {
		sum := p.Days[day]
		rows = append(rows, []string{day.Date.Format(time.DateOnly), string(day.Rule), count(sum.Relationships), count(sum.Times), count(sum.Told), count(sum.Unsaid)})
	}
	return out.WriteAll(rows)
}
