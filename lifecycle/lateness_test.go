package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimeOnHoldIsNoLateness(t *testing.T) {
	due := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return due.Add(time.Duration(minutes) * time.Minute) }
	for _, c := range []struct {
		name     string
		waits    []Wait
		recorded int
		late     int
	}{
		{"nothing stood in the way", nil, 7, 7},
		{"on hold when it fell due", []Wait{{at(-60), at(60)}}, 61, 1},
		{"late before it was held, and after", []Wait{{at(5), at(60)}}, 61, 6},
		{"released and held again", []Wait{{at(30), at(50)}, {at(-10), at(20)}}, 55, 15},
		{"two holds at a time", []Wait{{at(-10), at(20)}, {at(-5), at(40)}, {at(10), at(30)}}, 41, 1},
		{"a hold that was over before", []Wait{{at(-60), at(-30)}}, 3, 3},
		{"recorded under a hold that came in meanwhile", []Wait{{at(2), at(60)}}, 30, 2},
		{"held until after it was recorded", []Wait{{at(40), at(60)}}, 30, 30},
		{"it came in with an import", []Wait{{Until: at(100)}}, 101, 1},
		{"early, by a clock that was behind", nil, -1, 0},
	} {
		require.Equal(t, time.Duration(c.late)*time.Minute, Waited(due, at(c.recorded), c.waits), c.name)
	}
}

func TestLatenessIsCountedExactlyAtWhatAnObjectiveCanBe(t *testing.T) {
	for _, c := range []struct{ late, kept time.Duration }{
		{-time.Second, time.Second}, {0, time.Second}, {time.Second, time.Second}, {time.Second + 1, 2 * time.Second}, {time.Minute, time.Minute},
		{time.Minute + 1, 2 * time.Minute}, {5 * time.Minute, 5 * time.Minute}, {time.Hour + 1, 65 * time.Minute}, {24 * time.Hour, 24 * time.Hour},
		{25 * time.Hour, 25 * time.Hour}, {25*time.Hour + 1, 26 * time.Hour}, {30*Day + 1, 31 * Day}, {400 * Day, 400 * Day},
	} {
		require.Equal(t, c.kept, RoundLateness(c.late), c.late)
		require.Equal(t, c.kept, RoundLateness(c.kept), "rounding twice is rounding once")
	}
	counts := Latenesses{}
	counts.Add(EndTerm, 5*time.Minute, 2)
	counts.Add(EndTerm, 5*time.Minute+time.Microsecond, 1)
	counts.AddAll(Latenesses{EndTerm: {300: 7}, AutoExtend: {1: 1}})
	onTime, all := counts[EndTerm].Within(5 * time.Minute)
	require.Equal(t, []int64{9, 10}, []int64{onTime, all})
	require.Equal(t, 6*time.Minute, counts[EndTerm].Greatest())
	onTime, all = counts[ReleaseName].Within(time.Hour)
	require.Equal(t, []int64{0, 0}, []int64{onTime, all})
}

func TestObjectiveIsKeptOrNot(t *testing.T) {
	l := LatenessPolicy{Within: Period{Span: 5 * time.Minute}, Share: 99.9}
	require.True(t, l.Met(0, 0), "nothing was late")
	require.True(t, l.Met(999, 1000))
	require.False(t, l.Met(998, 1000))
	require.True(t, LatenessPolicy{}.Met(0, 10), "there is none")
	require.Equal(t, l, l.For(time.Minute))
	require.Equal(t, 20*time.Minute, l.For(15*time.Minute).Allowed(), "nobody looks before 15 minutes are over")
	require.Equal(t, 10*time.Minute, l.For(5*time.Minute).Allowed())
	require.Zero(t, LatenessPolicy{}.For(time.Hour))
}

func TestTimerThatTakesSeveralStepsIsOneFiring(t *testing.T) {
	due := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	d := Decision{Changes: []Change{{Rule: EndTerm, Effective: due}, {Rule: EndTerm, Effective: due}, {Type: EventApproved, Effective: due}},
		Notices: []Notice{{Kind: KindWarnExpiry, Due: due.Add(-time.Hour), Status: NoticeSuperseded}, {Kind: KindTermEnded, Due: due, Status: NoticeQueued},
			{Kind: KindWarnExpiry, Due: due.Add(-time.Minute), Status: NoticeQueued}}}
	require.Equal(t, []Firing{{EndTerm, due}, {WarnExpiry, due.Add(-time.Minute)}}, d.Firings())
	require.Empty(t, (&Decision{}).Firings())
}
