package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// measurePlan has the program say what is due, of a table in which a tenth is, and of one in which everything is.
func measurePlan(t *testing.T, h *house) {
	for _, due := range []int{*records / 10, *records} {
		w := world{Records: *records, Due: due}
		db := h.fresh(w)
		var rates series
		for range *rounds {
			began := time.Now()
			text := h.run(db.URL, "plan", "-o", "json")
			rates = append(rates, float64(w.Records)/time.Since(began).Seconds())
			var plan struct{ Relationships, Told int }
			require.NoError(t, json.Unmarshal([]byte(text), &plan))
			require.Equal(t, due, plan.Relationships, "relationships of which something is due")
			require.Equal(t, 2*worldPeople*due, plan.Told, "letters")
		}
		db.drop()
		figures.record(measured(fmt.Sprintf("plan over %s, %s of them due", figure(float64(w.Records)), figure(float64(due))), "records/s", rates).
			atLeast(300_000).noting("the whole command"))
	}
}

// measureSimulation plays two years, day by day: half of the terms end, each once and each name coming free a year later, and half are
// extended again and again.
func measureSimulation(t *testing.T, h *house) {
	n := setting("BENCH_SIMULATE", 100_000)
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	until := from.AddDate(2, 0, 0)
	dir := t.TempDir()
	var events int
	relationships := writeLines(t, filepath.Join(dir, "relationships.ndjson"), n, func(k int) any {
		r := endsAt(k, from.Add(time.Duration(k*7919%n+1)*(until.Sub(from)/time.Duration(n)))) // all over the two years
		r.AutoExtend = k%2 == 0
		for at := r.End; !at.After(until); at = at.Add(180 * lifecycle.Day) {
			events++ // an extension, or the end
			if !r.AutoExtend {
				if !at.Add(365 * lifecycle.Day).After(until) {
					events++ // its name
				}
				break
			}
		}
		return r.Wire(lifecycle.DefaultPolicy())
	})
	contacts := filepath.Join(dir, "contacts.csv")
	list := "tenantId,role,mail,displayName,preferredLanguage\n"
	for _, c := range administrators() {
		list += fmt.Sprintf("%s,%s,%s,%s,%s\n", c.TenantID, c.Role, c.Mail, c.DisplayName, c.Language)
	}
	require.NoError(t, os.WriteFile(contacts, []byte(list), 0o600))

	simulate := exec.Command(h.binary, "simulate", "--relationships", relationships, "--contacts", contacts, "--from", lifecycle.FormatInstant(from),
		"--until", lifecycle.FormatInstant(until), "--step", "P1D", "--out", filepath.Join(dir, "out"), "--policy", h.policy)
	began := time.Now()
	out, err := simulate.CombinedOutput()
	took := time.Since(began).Seconds()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), fmt.Sprintf("%d relationships, %d events,", n, events))
	// Fewer relationships are asked to take as much less time, so that a small run says something, too.
	figures.record(measured(fmt.Sprintf("simulate: %s relationships, two years, daily", figure(float64(n))), "s", series{took}).
		atMost(45 * float64(n) / 100_000).noting(fmt.Sprintf("%s events; with the import and the files that come out", figure(float64(events)))))
}

// writeLines writes n values, one a line.
func writeLines(t *testing.T, path string, n int, value func(k int) any) string {
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	w := bufio.NewWriter(file)
	lines := json.NewEncoder(w)
	for k := range n {
		require.NoError(t, lines.Encode(value(k)))
	}
	require.NoError(t, w.Flush())
	return path
}
