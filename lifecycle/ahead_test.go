package lifecycle

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatLiesAheadIsAWholeLife(t *testing.T) {
	p := DefaultPolicy()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := Record{Status: Active, Duration: Days(90), Activated: start, End: start.Add(90 * Day), WarnAfter: start, Partner: "p", Customer: Tenant{TenantID: "c"}}

	var rules []RuleName
	var warned []Period
	for d := range Ahead(r, p, start, start.Add(455*Day)) {
		for _, c := range d.Changes {
			require.Equal(t, d.Recorded, c.Effective, "nobody is late")
			rules = append(rules, c.Rule)
		}
		for _, n := range d.Notices {
			if n.Kind == KindWarnExpiry {
				require.Equal(t, NoticeQueued, n.Status)
				warned = append(warned, n.Stage)
			}
		}
	}
	require.Equal(t, []RuleName{EndTerm, ReleaseName}, rules, "an end starts the name's 365 days; the last instant belongs to it")
	require.Equal(t, []Period{Days(30), Days(7), Days(1)}, warned)
	require.Empty(t, slices.Collect(Ahead(r, p, start, start.Add(60*Day-1))))
	require.Empty(t, slices.Collect(Ahead(r, p, start, start.Add(-1))), "nothing lies between now and before")
}

func TestWhatIsDueComesFirstAsOfNow(t *testing.T) {
	p := DefaultPolicy()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := Record{Status: Active, AutoExtend: true, Activated: start, End: start.Add(10 * Day), WarnAfter: start}
	now := start.Add(400 * Day) // three ends have passed
	steps := slices.Collect(Ahead(r, p, now, now.Add(180*Day)))
	require.Len(t, steps, 2)
	require.Len(t, steps[0].Changes, 3)
	require.Equal(t, now, steps[0].Recorded)
	require.Len(t, steps[1].Changes, 1)
	require.Equal(t, start.Add(550*Day), steps[1].Recorded)
}

func TestWhatIsNotLetThroughEndsWhatLiesAhead(t *testing.T) {
	p := DefaultPolicy()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := Record{Status: Active, Activated: start, End: start.Add(10 * Day), WarnAfter: start.Add(10 * Day)}
	until := start.Add(1000 * Day)
	require.Len(t, slices.Collect(Ahead(r, p, start, until)), 2)
	require.Len(t, slices.Collect(Ahead(r, p, start, until, EndTerm)), 1, "the name's release is another rule's")
	r.Stayed = []RuleName{EndTerm}
	require.Empty(t, slices.Collect(Ahead(r, p, start, until)))
	for range Ahead(Record{Status: Active, AutoExtend: true, End: start}, p, start, until) {
		break // whoever has seen enough may stop
	}
}
