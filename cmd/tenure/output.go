package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/term"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A textTable is a table as all commands print them: no frame and nothing behind the last word of a line, so that it can be
// cut and searched with the usual tools.
type textTable struct{ table.Writer }

func newTable() textTable {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	return textTable{t}
}

func (t textTable) writeTo(w io.Writer) error {
	for line := range strings.Lines(t.Render()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	}
	return nil
}

// printRecords writes records in the form that was asked for: rows for people, else what asJSON makes of each.
func printRecords[T any](a *app, format string, header table.Row, records []T, row func(T) table.Row, asJSON func(T) any) error {
	switch format {
	case "json":
		all := make([]any, len(records))
		for i, r := range records {
			all[i] = asJSON(r)
		}
		return writeJSON(a.stdout, all, "  ")
	case "ndjson":
		for _, r := range records {
			if err := writeJSON(a.stdout, asJSON(r), ""); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable()
	t.AppendHeader(header)
	for _, r := range records {
		t.AppendRow(row(r))
	}
	return t.writeTo(a.stdout)
}

// printRecord writes one record: name and value per line for people, else JSON.
func printRecord(a *app, format string, lines [][2]string, asJSON any) error {
	switch format {
	case "json":
		return writeJSON(a.stdout, asJSON, "  ")
	case "ndjson":
		return writeJSON(a.stdout, asJSON, "")
	}
	t := newTable()
	for _, l := range lines {
		t.AppendRow(table.Row{l[0], l[1]})
	}
	return t.writeTo(a.stdout)
}

func writeJSON(w io.Writer, v any, indent string) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// instant is an instant as tables show it: nothing for none, else to the second where that is all of it.
func instant(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return lifecycle.FormatInstant(t)
}

// orNull is an instant in JSON.
func orNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := lifecycle.FormatInstant(t)
	return &s
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// textOrNull is a text in JSON, null where there is none.
func textOrNull[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}

// plural is a number of things, e.g. "3 notices".
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// choice writes words as a choice, e.g. "dead, failed or noRecipient".
func choice[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		switch i {
		case 0:
		case len(words) - 1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) //nolint:gosec // a file descriptor is a small number
}

func ruleName(s string) lifecycle.RuleName { return lifecycle.RuleName(s) }

// ruleNames checks the rules that somebody names.
func ruleNames(names []string) ([]lifecycle.RuleName, error) {
	rules := make([]lifecycle.RuleName, 0, len(names))
	for _, n := range names {
		rule := ruleName(n)
		if !rule.Known() {
			return nil, usageError("there is no rule %q; the rules are %v", n, lifecycle.RuleNames())
		}
		if !slices.Contains(rules, rule) {
			rules = append(rules, rule)
		}
	}
	return rules, nil
}

// atLeastOne checks how many records are asked for.
func atLeastOne(limit int) error {
	if limit < 1 {
		return usageError("--limit %d: at least 1", limit)
	}
	return nil
}

// parseInstant reads an instant that a flag gives.
func parseInstant(flag, s string) (time.Time, error) {
	t, err := lifecycle.ParseInstant(s)
	if err != nil {
		return time.Time{}, usageError("%s %q %w", flag, s, err)
	}
	return lifecycle.Instant(t), nil
}

// getOK asks url and fails unless the answer is 200.
func getOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError("--url: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return nil
}
