package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A relationship falls due this often while triggers are measured, so that each of them finds some, and no more than that.
const dueEach = 50 * time.Millisecond

// measureTrigger asks an idle system over HTTP for a sweep, again and again, and takes the time until the first change is committed:
// through the API, Redis, a worker that cuts and one that does the chunk. PostgreSQL says when, by a notification that it sends at
// the commit, so that nothing is polled.
func measureTrigger(t *testing.T, h *house) {
	const triggers = 220
	began := time.Now().UTC().Truncate(time.Second).Add(10 * time.Second)
	db := h.settle(6000, func(n int) lifecycle.Record { return endsAt(n, began.Add(time.Duration(n)*dueEach)) })
	defer db.drop()
	db.must(`CREATE FUNCTION ring() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NOTIFY changed; RETURN NULL; END'`)
	db.must(`CREATE TRIGGER ring AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION ring()`)
	changed := pq.NewListener(db.URL, time.Second, time.Second, nil)
	defer changed.Close()
	require.NoError(t, changed.Listen("changed"))

	d := h.deploy(db, crew{1, 2})
	defer d.stop()
	time.Sleep(time.Until(began.Add(time.Second)))

	var took series
	for range triggers {
		patiently(t, func() bool { return db.number(`SELECT count(*) FROM sweeps WHERE state = 'running'`) == 0 }, "the end of the sweep")
		time.Sleep(150*time.Millisecond + rand.N(100*time.Millisecond)) // idle, and in step with nobody's ticking
		for len(changed.Notify) > 0 {
			<-changed.Notify
		}
		asked := time.Now()
		d.Sweep()
		select {
		case <-changed.Notify:
			took = append(took, millis(time.Since(asked)))
		case <-time.After(30 * time.Second):
			t.Fatal("nothing was changed")
		}
	}
	patiently(t, func() bool { return db.number(`SELECT count(*) FROM sweeps WHERE state = 'running'`) == 0 }, "the end of the last sweep")
	ended := int(db.number(`SELECT CAST(sum(changed) AS BIGINT) FROM chunks`))
	require.GreaterOrEqual(t, ended, triggers)
	db.checkEnded(ended)

	slices.Sort(took)
	how := fmt.Sprintf("%d triggers; api, scheduler and worker are processes of their own", triggers)
	slowest := measured("HTTP trigger → first commit, idle: 99th percentile", "ms", took)
	slowest.Value = percentile(took, 0.99)
	figures.record(
		measured("HTTP trigger → first commit, idle: median", "ms", took).atMost(60).noting(how),
		slowest.atMost(250).noting(how),
	)
}
