package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// soon is how long something may take to be seen on a page that is brought up to date each two seconds.
const soon = time.Minute

// A bar is how far a progress bar was at some time.
type bar struct {
	Label      string
	Value, Max float64
}

// until waits until an expression is true in the page that is there.
func (tb *tab) until(what, expression string) {
	tb.t.Helper()
	tb.within(soon, what, func(ctx context.Context) error {
		for {
			there, err := ask[bool](ctx, expression)
			if there || err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

// writeDue writes n relationships whose terms are over already.
func writeDue(w io.Writer, n int) error {
	encode := json.NewEncoder(w)
	end := worldBegins.AddDate(0, 0, -1)
	for i := range n {
		if err := encode.Encode(object{
			"id": relationshipID(1_000_000 + i), "displayName": fmt.Sprintf("Due %06d", i), "duration": "P730D", "status": "active",
			"partner": object{"tenantId": partner}, "customer": object{"tenantId": customerID(i % 400)}, "accessDetails": object{"unifiedRoles": []object{{"roleDefinitionId": plainRoles[0]}}},
			"createdDateTime": end.AddDate(0, 0, -740), "lastModifiedDateTime": end.AddDate(0, 0, -730), "activatedDateTime": end.AddDate(0, 0, -730), "endDateTime": end,
		}); err != nil {
			return err
		}
	}
	return nil
}

// While somebody looks at Today, what happens appears there by itself: nothing is loaded anew, nothing jumps, and the focus stays where it is.
func TestTodayMovesWhileSomebodyLooks(t *testing.T) {
	const due = 8_000
	d, err := newWorld("live", fewRecords, func(d *deployment) error {
		file := filepath.Join(d.dir, "due.ndjson")
		if err := write(file, func(w io.Writer) error { return writeDue(w, due) }); err != nil {
			return err
		}
		for _, args := range [][]string{{"import", file}, {"holds", "place", "rule", "end-term", "--note", "until somebody looks"}} {
			if _, err := d.run(args...); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)

	tb := open(t)
	tb.login(d.site)
	seen := tb.visit(d.site, atTheDesk, visit{path: "/", axe: true})
	require.Empty(t, seen.faults())
	tb.read(`(globalThis.sameDocument = true, eyes.watch(), document.querySelector("[data-live] .figures a").focus(), [])`)

	require.NoError(t, d.order("/v1/holds", `{"kind":"rule","subject":"warn-expiry","note":"to be seen"}`))
	tb.until("that a rule is paused", `document.querySelectorAll("tbody th .badge.warn").length === 3`)
	// A sweep that workers leave alone stands still for a while, so that it can be looked at.
	turn := func(to string) {
		require.NoError(t, d.order("/v1/queues/tenure-sweeps/"+to, `{"reason":"to be looked at"}`))
	}
	turn("pause")
	var holds struct {
		Holds []struct {
			ID      int
			Subject string
		}
	}
	require.NoError(t, d.ask("/v1/holds", &holds))
	for _, h := range holds.Holds {
		if h.Subject == "end-term" {
			require.NoError(t, d.order(fmt.Sprintf("/v1/holds/%d/release", h.ID), `{"note":"somebody looks"}`))
		}
	}
	require.NoError(t, d.order("/v1/sweeps", `{}`))
	tb.until("a sweep that waits", `document.querySelectorAll("progress").length === 1`)
	turn("resume")
	tb.until("the end of the sweep", fmt.Sprintf(`document.querySelectorAll("progress").length === 0 && document.querySelector(".figure dd").textContent.trim() === "0"`))

	var bars []bar
	tb.within(visitLimit, "looking back", func(ctx context.Context) (err error) {
		bars, err = ask[[]bar](ctx, "eyes.watched()")
		return err
	})
	t.Logf("the bar was at %v", bars)
	require.NotEmpty(t, bars)
	furthest := map[string]float64{}
	for _, b := range bars {
		require.LessOrEqual(t, furthest[b.Label], b.Value, "%v", bars)
		furthest[b.Label] = b.Value
	}
	require.Equal(t, []string{"true", "true"}, tb.read(`[String(globalThis.sameDocument), String(!!document.activeElement.closest(".figures"))]`))

	after := tb.after(seen, "/")
	require.Empty(t, after.faults())
	for _, address := range after.requested {
		require.True(t, strings.HasSuffix(address, "/console/live/today"), address)
	}
}
