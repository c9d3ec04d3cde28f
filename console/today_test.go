package console_test

import (
	"html"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// A figure is a number that stands out on a page.
type figure struct {
	n    int
	link string // to the list of what it counts
	tone string
}

// figure finds the one with the label.
func (w *world) figure(p seen, label string) (f figure) {
	w.t.Helper()
	m := regexp.MustCompile(`<div class="figure ([a-z]*)"><dt>` + label + `</dt><dd>(?:<a href="([^"]+)">)?([0-9,]+)`).FindStringSubmatch(p.body)
	require.NotNil(w.t, m, label)
	n, err := strconv.Atoi(strings.ReplaceAll(m[3], ",", ""))
	require.NoError(w.t, err)
	return figure{n, html.UnescapeString(m[2]), m[1]}
}

// rows counts those of a list of relationships.
func (w *world) rows(path string) int {
	w.t.Helper()
	return strings.Count(w.get(w.anyone, path).body, `<th scope="row"><a class="name"`)
}

func TestOverdueLeadsToWhatItCounts(t *testing.T) {
	w := newWorld(t)
	w.every = map[lifecycle.RuleName]time.Duration{}
	for _, rule := range lifecycle.RuleNames() {
		w.every[rule] = time.Hour
	}
	late, now := start.Add(time.Minute), start.Add(2*time.Hour-time.Minute)
	w.load(endsAt(1, late), endsAt(2, now), endsAt(3, late), // terms that end: one of them only just now, one on hold
		extending(endsAt(4, late)), extending(endsAt(5, late)),
		over(endsAt(6, now.AddDate(0, 0, -365))), // a name that comes free, and nobody has been late with
		endsAt(7, start.AddDate(0, 1, 0)))
	w.hold(lifecycle.HoldRelationship, aheadID(3), "why")
	w.advance(2 * time.Hour)

	overdue := w.figure(w.get(w.anyone, "/"), "Overdue")
	require.Equal(t, 4, overdue.n, "two under each of two rules")
	require.Equal(t, "warn", overdue.tone, "two looks have not gone by yet: all is well")
	require.Equal(t, 4, w.rows(overdue.link))
	require.Equal(t, 5, w.rows(w.figure(w.get(w.anyone, "/"), "Due now").link))
	form := w.get(w.anyone, overdue.link).body
	require.Contains(t, form, `name="overdue" value="yes" checked`)
	require.Equal(t, 4, w.rows(html.UnescapeString(regexp.MustCompile(`<a href="([^"]+sort=-next[^"]*)"`).FindStringSubmatch(form)[1])), "sorted otherwise, too")

	w.hold(lifecycle.HoldRule, string(lifecycle.AutoExtend), "why")
	w.advance(time.Hour)
	p := w.get(w.anyone, "/")
	overdue = w.figure(p, "Overdue")
	require.Equal(t, figure{3, overdue.link, "bad"}, overdue, "what is paused is not; by now the name is")
	require.Contains(t, wordsOf(p), "1 thing needs attention Overdue end-term")
	require.Equal(t, 3, w.rows(overdue.link))
	w.hold(lifecycle.HoldEverything, "", "why")
	w.advance(time.Hour)
	require.Zero(t, w.figure(w.get(w.anyone, "/"), "Overdue").n)
	require.Zero(t, w.rows(overdue.link))
}

// sweptLate is a world in which terms were ended two hours late.
func sweptLate(t *testing.T, kind storage.Kind) *world {
	w := &world{t: t, now: start, policy: lifecycle.DefaultPolicy(), kind: kind}
	w.open("sqlite:" + filepath.Join(t.TempDir(), "test.db"))
	w.ending(3)
	w.advance(2 * time.Hour)
	require.EqualValues(t, 3, w.sweep().Changed)
	return w
}

func TestAMissedObjectiveIsSaidAtOneGlance(t *testing.T) {
	w := sweptLate(t, storage.Live)
	p := w.get(w.anyone, "/")
	said := wordsOf(p)
	require.NotContains(t, said, "All is well")
	require.Contains(t, said, "1 thing needs attention Objective missed end-term")
	require.Contains(t, p.body, `<a href="/console/rules/end-term">Open</a>`)
	require.Contains(t, said, "0.00% missed of 3")
	require.Contains(t, wordsOf(w.get(w.anyone, "/console/rules/end-term")), "0.00% missed")
}

func TestNoObjectiveIsJudgedInASandbox(t *testing.T) {
	w := sweptLate(t, storage.Sandbox)
	for path, shown := range map[string]string{"/": "0.00% of 3, at most 2 hours late", "/console/rules/end-term": "0.00% 2 hours"} {
		said := wordsOf(w.get(w.anyone, path))
		require.Contains(t, said, shown, "the numbers stand")
		require.NotContains(t, said, "missed", path)
		require.Contains(t, said, "In a sandbox no objective is judged", path)
		require.Contains(t, wordsOf(w.get(w.anyone, path, "Accept-Language", "ja")), "判定しません", path)
	}
	require.Contains(t, wordsOf(w.get(w.anyone, "/")), "All is well")
}
