package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func countIn(body, part string) int { return strings.Count(body, part) }

// between is what stands before end, back to begin; as an address, not as HTML.
func between(t testing.TB, body, begin, end string) string {
	t.Helper()
	before, _, found := strings.Cut(body, end)
	require.True(t, found, "%s is missing", end)
	return strings.ReplaceAll(before[strings.LastIndex(before, begin)+len(begin):], "&amp;", "&")
}

func TestActivityIsListedFilteredAndLinked(t *testing.T) {
	w := newWorld(t)
	one, two := w.approved(1), w.approved(2)
	browser := w.signedIn("ops", "read")
	p := w.get(browser, "/console/activity")
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.body, `href="/console/relationships/`+one+`"`)
	require.Contains(t, p.body, "Draft created")
	require.Contains(t, p.body, "<bdi>ann</bdi>")
	p = w.get(browser, "/console/activity?type=approved&relationship="+two)
	require.NotContains(t, p.body, one)
	require.Equal(t, 1, countIn(p.body, `<th scope="row">Approved`))
	require.Contains(t, w.get(browser, "/console/activity?to=2026-02-28").body, "No activity matches.")
	p = w.get(browser, "/console/activity?type=nonsense")
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Contains(t, p.body, `role="alert"`)
}

func TestActivityIsListedPageByPage(t *testing.T) {
	w := newWorld(t)
	for n := range 36 {
		w.approved(n + 1)
	}
	browser := w.signedIn("ops", "read")
	p := w.get(browser, "/console/activity?actor=partner")
	rows := countIn(p.body, `<th scope="row">`)
	for next := 0; strings.Contains(p.body, `rel="next"`); next++ {
		require.Less(t, next, 5)
		link := between(t, p.body, `<a href="`, `" rel="next"`)
		require.Contains(t, link, "actor=partner")
		p = w.get(browser, link)
		rows += countIn(p.body, `<th scope="row">`)
	}
	require.Equal(t, 72, rows, "created and locked")
}

func TestRefusedActionsAreMarked(t *testing.T) {
	w := newWorld(t)
	reader := w.signedIn("looks", "read")
	w.post(reader, "/console/sign-out")
	token := w.token("eve", "read")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v1/sweeps", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, w.do(w.visitor(), r, []string{"Authorization", "Bearer " + token}).status)
	browser := w.signedIn("ops", "read")
	p := w.get(browser, "/console/activity/operators")
	for _, shown := range []string{"Asked for a sweep", `<span class="badge bad">refused</span>`, "<bdi>eve</bdi>", "Signed in to the console", "Signed out of the console"} {
		require.Contains(t, p.body, shown)
	}
	p = w.get(browser, "/console/activity/operators?refused=true&caller=eve")
	require.Equal(t, 1, countIn(p.body, `<th scope="row">`))
	require.Contains(t, w.get(browser, "/console/activity/operators", "Accept-Language", "ja").body, "スイープの依頼")
}

func TestActivityIsDownloadedByWhoHasSignedIn(t *testing.T) {
	w := newWorld(t)
	id := w.approved(1)
	browser := w.signedIn("ops", "read")
	p := w.get(browser, "/console/downloads/activity.csv?type=approved")
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Equal(t, "text/csv", p.header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="activity-20260301-090000.csv"`, p.header.Get("Content-Disposition"))
	require.Equal(t, 2, countIn(p.body, "\n"))
	require.Contains(t, p.body, id)
	p = w.get(browser, "/console/downloads/activity.ndjson")
	require.Equal(t, 3, countIn(p.body, "\n"))
	p = w.get(browser, "/console/downloads/activity.csv?type=nonsense")
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Empty(t, p.header.Get("Content-Disposition"), "a refusal is no file")
	require.Equal(t, http.StatusSeeOther, w.get(w.anyone, "/console/downloads/activity.csv").status)
}
