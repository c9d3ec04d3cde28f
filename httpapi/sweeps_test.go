package httpapi

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestRequestOpensASweepAndSaysWhere(t *testing.T) {
	w := newWorld(t)
	r := w.do("POST", "/v1/sweeps", `{"rules":["release-name","end-term","end-term"],"dryRun":true}`)
	require.Equal(t, 202, r.status)
	require.Equal(t, "/v1/sweeps/1", r.header.Get("Location"))
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	require.Equal(t, "no-store", r.header.Get("Cache-Control"))
	require.JSONEq(t, `{"id":1,"rules":["end-term","release-name"],"dryRun":true,"trigger":"request","asOf":"2026-03-02T12:00:00.123456Z",
		"state":"running","found":0,"changed":0,"skipped":0,"failed":0,"notices":0,"chunks":{"done":0,"total":0,"final":false},
		"latenessSeconds":0,"openedDateTime":"2026-03-02T12:00:00.123456Z","finishedDateTime":null,"opened":"opened"}`, string(r.body))
	require.Contains(t, w.log.String(), `route="POST /v1/sweeps" path=/v1/sweeps by=operator status=202 location=/v1/sweeps/1`)
}

func TestNoRuleNamedIsAllRules(t *testing.T) {
	for _, body := range []string{"", " \n", "{}", `{"rules":[]}`, `{"dryRun":false}`} {
		w := newWorld(t)
		require.Equal(t, 202, w.do("POST", "/v1/sweeps", body).status, body)
		require.Empty(t, w.fake.sweeps[0].Rules)
		require.False(t, w.fake.sweeps[0].DryRun)
	}
}

func TestEveryRuleMayBeNamed(t *testing.T) {
	for _, rule := range lifecycle.RuleNames() {
		w := newWorld(t)
		require.Equal(t, 202, w.do("POST", "/v1/sweeps", fmt.Sprintf(`{"rules":[%q]}`, rule)).status)
		require.Equal(t, []lifecycle.RuleName{rule}, w.fake.sweeps[0].Rules)
	}
}

func TestSecondRequestJoinsTheRunningSweep(t *testing.T) {
	w := newWorld(t)
	w.do("POST", "/v1/sweeps", `{"rules":["end-term","auto-extend"]}`)
	var joined SweepOpened
	w.do("POST", "/v1/sweeps", `{"rules":["end-term"]}`).read(&joined)
	require.Equal(t, "joined", joined.Opened)
	require.EqualValues(t, 1, joined.ID)
	w.do("POST", "/v1/sweeps", `{"rules":["end-term"],"dryRun":true}`).read(&joined)
	require.Equal(t, "opened", joined.Opened, "a dry run is another thing")
}

func TestIdempotencyKeyAnswersWithTheSameSweep(t *testing.T) {
	w := newWorld(t)
	const key = "Idempotency-Key: 2026-03-02/nightly"
	w.do("POST", "/v1/sweeps", `{"rules":["end-term","auto-extend"]}`, key)
	w.fake.sweeps[0].State, w.fake.sweeps[0].FinishedAt = lifecycle.SweepDone, noon

	r := w.do("POST", "/v1/sweeps", `{"rules":["auto-extend","end-term"]}`, key)
	var again SweepOpened
	r.read(&again)
	require.Equal(t, 202, r.status)
	require.Equal(t, "/v1/sweeps/1", r.header.Get("Location"))
	require.Equal(t, "repeated", again.Opened, "the order of the rules does not matter")
	require.Equal(t, "done", again.State)

	p := w.do("POST", "/v1/sweeps", `{"rules":["end-term"]}`, key).problem(keyReused)
	require.Equal(t, "header.Idempotency-Key", p.Errors[0].Location)
	require.Equal(t, "2026-03-02/nightly", p.Errors[0].Value)
	require.Len(t, w.fake.sweeps, 1)
}

func TestIdempotencyKeyHasALengthAndAnAlphabet(t *testing.T) {
	w := newWorld(t)
	long := fmt.Sprintf("%0255d", 1)
	require.Equal(t, 202, w.do("POST", "/v1/sweeps", "", "Idempotency-Key: "+long).status)
	for _, key := range []string{long + "0", "two words", "schlüssel"} {
		p := w.do("POST", "/v1/sweeps", "", "Idempotency-Key: "+key).problem(badValue)
		require.Equal(t, "header.Idempotency-Key", p.Errors[0].Location)
	}
}

func TestSweepShowsProgressAndFailures(t *testing.T) {
	w := newWorld(t)
	w.fake.sweeps = []lifecycle.Sweep{{ID: 1, Trigger: lifecycle.TriggerCatchUp, AsOf: noon, State: lifecycle.SweepDone, Cut: true,
		OpenedAt: noon, FinishedAt: noon.Add(90 * time.Second), Chunks: 3, ChunksDone: 3,
		Tally: lifecycle.Tally{Found: 2500, Changed: 2470, Skipped: 5, Failed: 25, Notices: 4940, Lateness: 36*time.Hour + 1500*time.Microsecond}}}
	for i := range 25 {
		w.fake.failures = map[int64][]lifecycle.Failure{1: append(w.fake.failures[1],
			lifecycle.Failure{Sweep: 1, RelationshipID: fmt.Sprint("r", i), Reason: "duration is not a period", At: noon})}
	}
	r := w.do("GET", "/v1/sweeps/1", "")
	var shown SweepDetails
	r.read(&shown)
	require.Equal(t, 200, r.status)
	finished := "2026-03-02T12:01:30.123456Z"
	require.Equal(t, Sweep{ID: 1, Rules: []RuleName{}, Trigger: "catch-up", AsOf: "2026-03-02T12:00:00.123456Z", State: "done",
		Found: 2500, Changed: 2470, Skipped: 5, Failed: 25, Notices: 4940, Chunks: Chunks{3, 3, true}, LatenessSeconds: 129600.0015,
		OpenedDateTime: "2026-03-02T12:00:00.123456Z", FinishedDateTime: &finished}, shown.Sweep)
	require.Len(t, shown.Failures, 20)
	require.Equal(t, SweepFailure{"r0", "duration is not a period", "2026-03-02T12:00:00.123456Z"}, shown.Failures[0])
}

func TestUnknownSweepIsNotFound(t *testing.T) {
	w := newWorld(t)
	w.do("GET", "/v1/sweeps/7", "").problem(unknownSweep)
	w.do("POST", "/v1/sweeps/7/cancel", "").problem(unknownSweep)
}

func TestBadParametersAreNamed(t *testing.T) {
	w := newWorld(t)
	for path, location := range map[string]string{
		"/v1/sweeps/abc": "path.id", "/v1/sweeps/0": "path.id", "/v1/sweeps/-1": "path.id", "/v1/sweeps/9223372036854775808": "path.id",
		"/v1/sweeps?limit=0": "query.limit", "/v1/sweeps?limit=201": "query.limit", "/v1/sweeps?limit=x": "query.limit",
		"/v1/sweeps?before=0": "query.before", "/v1/sweeps?limt=5": "query.limt",
	} {
		p := w.do("GET", path, "").problem(badValue)
		require.Len(t, p.Errors, 1, path)
		require.Equal(t, location, p.Errors[0].Location, path)
		require.NotEmpty(t, p.Errors[0].Detail, path)
	}
	require.Len(t, w.do("GET", "/v1/sweeps?a&b&c&d&e&f&g&h&i&j&k&l", "").problem(badValue).Errors, 10)
}

func TestListGoesThroughAllSweepsPageByPage(t *testing.T) {
	w := newWorld(t)
	for range 7 {
		w.fake.open(nil, false)
		w.fake.sweeps[len(w.fake.sweeps)-1].State = lifecycle.SweepDone
	}
	var ids []int64
	pages := 0
	for next := "/v1/sweeps?limit=3"; next != ""; pages++ {
		r := w.do("GET", next, "")
		require.Equal(t, http.StatusOK, r.status)
		var page SweepList
		r.read(&page)
		for _, s := range page.Sweeps {
			ids = append(ids, s.ID)
		}
		next = page.Next
	}
	require.Equal(t, []int64{7, 6, 5, 4, 3, 2, 1}, ids)
	require.Equal(t, 3, pages)
}

func TestLastFullPageHasNoNext(t *testing.T) {
	w := newWorld(t)
	require.JSONEq(t, `{"sweeps":[]}`, string(w.do("GET", "/v1/sweeps", "").body))
	w.fake.open(nil, false)
	var page SweepList
	w.do("GET", "/v1/sweeps?limit=1", "").read(&page)
	require.Len(t, page.Sweeps, 1)
	require.Empty(t, page.Next)
}

func TestCancellingTwiceIsCancellingOnce(t *testing.T) {
	w := newWorld(t)
	w.fake.open(nil, false)
	for range 2 {
		r := w.do("POST", "/v1/sweeps/1/cancel", "")
		var s Sweep
		r.read(&s)
		require.Equal(t, 200, r.status)
		require.Equal(t, "cancelled", s.State)
		require.NotNil(t, s.FinishedDateTime)
	}
}

func TestSweepThatIsDoneCannotBeCancelled(t *testing.T) {
	w := newWorld(t)
	w.fake.open(nil, false)
	w.fake.sweeps[0].State = lifecycle.SweepDone
	p := w.do("POST", "/v1/sweeps/1/cancel", "").problem(notRunning)
	require.Equal(t, "Sweep 1 is done, so there was nothing to cancel.", p.Detail)
}
