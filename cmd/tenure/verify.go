package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/audit"
	"github.com/tenure-dev/tenure/ledger"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

var _ audit.Source = (*storage.Snapshot)(nil)

type verifyCmd struct {
	Export     string            `placeholder:"FILE" help:"Look at what tenure export history has written, and at no database."`
	Objective  string            `placeholder:"PERIOD" help:"How late a change may be, e.g. PT5M (default: as the policy in force says; in a sandbox, whose clock jumps, only what is still to be done counts)."`
	Since      string            `placeholder:"INSTANT" help:"Count how late changes were from here on (default: the last 30 days)."`
	Schedule   map[string]string `env:"TENURE_SCHEDULE" placeholder:"RULE=CRON" mapsep:";" help:"When a rule's records are looked at, where schedulers are told so; may be given again for another rule."`
	Checkpoint []string          `placeholder:"FILE" help:"A checkpoint of the ledger, or a folder of them: the events up to it must still be those that it was written over. May be given again."`
	Keys       []string          `name:"key" placeholder:"FILE" help:"The public key that checkpoints are signed with; may be given again."`
	Most       int               `default:"100" help:"Show at most this many findings; 0: all of them. All are counted (default: ${default})."`
	outputFlag
}

// lookback is over what time the share of changes that were on time is counted.
const lookback = 30 * lifecycle.Day

func (c *verifyCmd) Run(a *app) error {
	opts, err := c.options(a)
	if err != nil {
		return err
	}
	checkpoints, err := a.readCheckpoints(c.Checkpoint, c.Keys)
	if err != nil {
		return err
	}
	source, kept, err := c.source(a, &opts)
	if err != nil {
		return err
	}
	if opts.Since.IsZero() {
		opts.Since = opts.Now.Add(-lookback)
	}
	bar := newProgress(a.stderr, "verifying")
	opts.Progress = func(done, total int64) { bar.at(done, total, "relationships") }
	out := newFindings(a.stdout, c.Output, c.Most)
	summary, err := audit.Verify(a.ctx, source, opts, out.add)
	if err == nil {
		err = verifyLedger(a.ctx, source, checkpoints, bar, &summary, out)
	}
	bar.end()
	if err = errors.Join(err, kept.Close()); err != nil {
		return err
	}
	if err := out.end(&summary); err != nil {
		return err
	}
	if n := summary.Total(); n > 0 {
		return fmt.Errorf("%s; docs/verify.md says of each kind what to do", plural(n, "finding"))
	}
	return nil
}

// verifyLedger compares the events with the log over them, and with checkpoints that were written of it.
func verifyLedger(ctx context.Context, source audit.Source, checkpoints []ledger.Checkpoint, bar *progress, summary *audit.Summary, out *findings) error {
	book, ok := source.(ledger.Source)
	if !ok {
		if len(checkpoints) > 0 {
			return usageError("--checkpoint: an export has no ledger; name the database, or check what tenure ledger prove has written")
		}
		return nil
	}
	o := ledger.Options{Checkpoints: checkpoints, Progress: func(done, leaves int64) { bar.at(done, leaves, "events of the ledger") }}
	found, err := ledger.Verify(ctx, book, o, func(f ledger.Finding) error {
		summary.Findings[audit.Ledger]++
		return out.add(audit.Finding{Kind: audit.Ledger, RelationshipID: f.Relationship, Key: f.ID.Key, Version: f.ID.Version, Text: f.String()})
	})
	out.logged = &shownLedger{found.Head.Size, found.Waiting, found.Checkpoints}
	return err
}

type shownLedger struct {
	Logged      int64 `json:"logged"`
	Waiting     int64 `json:"waiting"`
	Checkpoints int   `json:"checkpoints"` // that it continues
}

// options reads the flags, all but the instant.
func (c *verifyCmd) options(a *app) (opts audit.Options, err error) {
	if opts.Policy, err = readPolicy(a.Policy); err != nil {
		return opts, err
	}
	if c.Objective != "" {
		within, err := lifecycle.ParsePeriod(c.Objective)
		if err != nil || within.IsZero() {
			return opts, usageError("--objective %q: write how late a change may be, like PT5M", c.Objective)
		}
		opts.Objective = lifecycle.LatenessPolicy{Within: within, Share: opts.Policy.Lateness.Share}
	}
	if c.Since != "" {
		if opts.Since, err = parseInstant("--since", c.Since); err != nil {
			return opts, err
		}
	}
	schedules, err := (&schedulerSettings{Schedule: c.Schedule}).schedules()
	if err != nil {
		return opts, err
	}
	beats := schedules.Beats(wall())
	opts.Interval = func(rule lifecycle.RuleName) time.Duration { return beats[rule].Interval }
	return opts, nil
}

// source opens the database as it is at this moment, or a file as it was when it was written.
func (c *verifyCmd) source(a *app, opts *audit.Options) (audit.Source, io.Closer, error) {
	if c.Export != "" {
		export, err := audit.OpenExport(c.Export)
		if err != nil {
			return nil, nil, err
		}
		opts.Now = export.TakenAt
		return export, export, nil
	}
	db, err := a.openForReading()
	if err != nil {
		return nil, nil, err
	}
	now, err := a.clock(db)
	if err != nil {
		return nil, nil, err
	}
	opts.Now = now() // before the snapshot: what falls due in between is not asked for
	snapshot, err := db.Snapshot(a.ctx)
	return snapshot, snapshot, err
}

// findings prints what is found as it is found, and at the end what was looked at.
type findings struct {
	w      io.Writer
	format string
	most   int
	shown  int
	logged *shownLedger // nil: there is no ledger to look at
	all    []any        // for json, which is one value
}

func newFindings(w io.Writer, format string, most int) *findings {
	return &findings{w: w, format: format, most: most, all: []any{}}
}

func (f *findings) add(found audit.Finding) error {
	if f.most > 0 && f.shown >= f.most {
		return nil
	}
	f.shown++
	switch f.format {
	case "json":
		f.all = append(f.all, showFinding(&found))
		return nil
	case "ndjson":
		return writeJSON(f.w, showFinding(&found), "")
	}
	return f.print(&found)
}

// print writes a finding for people: a line that says what and where, and below it what is wrong.
func (f *findings) print(found *audit.Finding) error {
	head := string(found.Kind)
	if found.RelationshipID != "" {
		head += "  " + found.RelationshipID
	} else if found.Key != 0 {
		head += fmt.Sprintf("  key %d", found.Key)
	}
	if found.Version != 0 {
		head += fmt.Sprintf("  version %d", found.Version)
	}
	text := found.Text
	if found.Expected != "" {
		text += "; expected: " + found.Expected
	}
	if found.Found != "" {
		text += "; found: " + found.Found
	}
	_, err := fmt.Fprintf(f.w, "%s\n    %s\n", head, text)
	return err
}

type shownFinding struct {
	Type           string     `json:"type"`
	Kind           audit.Kind `json:"kind"`
	RelationshipID *string    `json:"relationshipId"`
	Key            int64      `json:"key,omitempty"`
	Version        int64      `json:"version,omitempty"`
	Text           string     `json:"text"`
	Expected       string     `json:"expected,omitempty"`
	Found          string     `json:"found,omitempty"`
}

func showFinding(f *audit.Finding) shownFinding {
	return shownFinding{"finding", f.Kind, textOrNull(f.RelationshipID), f.Key, f.Version, f.Text, f.Expected, f.Found}
}

// end prints what was looked at.
func (f *findings) end(s *audit.Summary) error {
	switch f.format {
	case "json":
		return writeJSON(f.w, struct {
			Findings []any        `json:"findings"`
			Summary  shownSummary `json:"summary"`
		}{f.all, showSummary(s, f.logged)}, "  ")
	case "ndjson":
		return writeJSON(f.w, showSummary(s, f.logged), "")
	}
	if n := s.Total(); n > int64(f.shown) {
		if _, err := fmt.Fprintf(f.w, "and %d more; --most 0 shows all\n", n-int64(f.shown)); err != nil {
			return err
		}
	}
	if f.shown > 0 {
		if _, err := fmt.Fprintln(f.w); err != nil {
			return err
		}
	}
	t := newTable()
	lines := summaryLines(s)
	if l := f.logged; l != nil {
		lines = append(lines, [2]string{"ledger", fmt.Sprintf("%s logged, %d waiting; %s fit", plural(l.Logged, "event"), l.Waiting, plural(int64(l.Checkpoints), "checkpoint"))})
	}
	for _, line := range lines {
		t.AppendRow([]any{line[0], line[1]})
	}
	if _, err := fmt.Fprintf(f.w, "%s, as of %s\n", plural(s.Total(), "finding"), instant(s.TakenAt)); err != nil {
		return err
	}
	return t.writeTo(f.w)
}

// summaryLines say for people what was looked at.
func summaryLines(s *audit.Summary) [][2]string {
	var lines [][2]string
	if len(s.Findings) > 0 {
		lines = append(lines, [2]string{"found", counted(s.Findings)})
	}
	lines = append(lines,
		[2]string{"checked", fmt.Sprintf("%s, %s, %s, %s", plural(s.Relationships, "relationship"), plural(s.Deleted, "deleted draft"),
			plural(s.Events, "event"), plural(s.Warnings, "warning"))},
		[2]string{"", fmt.Sprintf("%s to people, %d to programs, %s, %d refused or ordered", plural(s.Notices, "notice"), s.Announcements,
			plural(s.Names, "held name"), s.Orders)})
	if len(s.Waiting) > 0 {
		lines = append(lines, [2]string{"due, and waiting", counted(s.Waiting)})
	}
	if len(s.Unchecked) > 0 {
		lines = append(lines, [2]string{"not checked", counted(s.Unchecked)})
	}
	for _, rule := range lifecycle.RuleNames() {
		if l := s.Lateness[rule]; l != nil {
			lines = append(lines, [2]string{"on time", fmt.Sprintf("%s: %d of %d, the latest after %s", rule, l.OnTime, l.All, l.Worst.Round(time.Millisecond))})
		}
	}
	return lines
}

// counted writes counts with their names, e.g. "missing 2, rowDiffers 1".
func counted[K ~string](counts map[K]int64) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", key, counts[key]))
	}
	return strings.Join(parts, ", ")
}

type shownSummary struct {
	Type          string                             `json:"type"`
	TakenAt       *string                            `json:"takenAt"`
	Findings      int64                              `json:"findings"`
	Kinds         map[audit.Kind]int64               `json:"kinds"`
	Relationships int64                              `json:"relationships"`
	DeletedDrafts int64                              `json:"deletedDrafts"`
	Events        int64                              `json:"events"`
	Warnings      int64                              `json:"warnings"`
	Notices       int64                              `json:"notices"`
	Announcements int64                              `json:"announcements"`
	Names         int64                              `json:"names"`
	Orders        int64                              `json:"orders"`
	Chunks        int64                              `json:"chunks"`
	Waiting       map[audit.Wait]int64               `json:"waiting"`
	NotChecked    map[audit.Gap]int64                `json:"notChecked"`
	Lateness      map[lifecycle.RuleName]shownOnTime `json:"lateness"`
	Ledger        *shownLedger                       `json:"ledger,omitempty"`
}

type shownOnTime struct {
	OnTime       int64   `json:"onTime"`
	All          int64   `json:"all"`
	WorstSeconds float64 `json:"worstSeconds"`
	Worst        string  `json:"worstRelationshipId"`
}

func showSummary(s *audit.Summary, logged *shownLedger) shownSummary {
	shown := shownSummary{Ledger: logged, Type: "summary", TakenAt: orNull(s.TakenAt), Findings: s.Total(), Kinds: s.Findings, Relationships: s.Relationships,
		DeletedDrafts: s.Deleted, Events: s.Events, Warnings: s.Warnings, Notices: s.Notices, Announcements: s.Announcements, Names: s.Names,
		Orders: s.Orders, Chunks: s.Chunks, Waiting: s.Waiting, NotChecked: s.Unchecked, Lateness: map[lifecycle.RuleName]shownOnTime{}}
	for rule, l := range s.Lateness {
		shown.Lateness[rule] = shownOnTime{l.OnTime, l.All, l.Worst.Seconds(), l.WorstID}
	}
	return shown
}
