package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBreakerLetsThroughAsManyAsItSays(t *testing.T) {
	for _, c := range []struct {
		breaker    Breaker
		population int64
		most       int64
		limited    bool
	}{
		{Breaker{}, 1_000_000, 0, false},
		{Breaker{Least: 50}, 1_000_000, 0, false},
		{Breaker{Records: 1000}, 10, 1000, true},
		{Breaker{Percent: 10}, 200, 20, true},
		{Breaker{Percent: 10, Least: 50}, 200, 50, true},
		{Breaker{Percent: 10, Least: 50}, 0, 50, true},
		{Breaker{Records: 1000, Percent: 10, Least: 50}, 9_000, 900, true},
		{Breaker{Records: 1000, Percent: 10, Least: 50}, 1_000_000, 1000, true},
		{Breaker{Records: 20, Percent: 10, Least: 50}, 200, 20, true}, // the plain number counts, however small
		{Breaker{Percent: 100}, 7, 7, true},
	} {
		most, limited := c.breaker.Limit(c.population)
		require.Equal(t, c.limited, limited, "%+v", c)
		if limited {
			require.Equal(t, c.most, most, "%+v", c)
		}
		floor, _ := c.breaker.Floor()
		require.LessOrEqual(t, floor, most, "%+v: fewer than the floor never have to be counted exactly", c)
	}
}

func TestRulesTripOneByOne(t *testing.T) {
	p := DefaultPolicy()
	require.Empty(t, p.Tripped(map[RuleName]int64{EndTerm: 1_000_000}, 1_000_000), "without breakers everything passes")

	p.Breakers = map[RuleName]Breaker{EndTerm: {Records: 10}, ReleaseName: {Percent: 1, Least: 3}}
	require.Empty(t, p.Tripped(map[RuleName]int64{EndTerm: 10, ReleaseName: 3}, 100))
	require.Equal(t, []RuleName{EndTerm}, p.Tripped(map[RuleName]int64{EndTerm: 11, ReleaseName: 3, AutoExtend: 99}, 100))
	require.Equal(t, []RuleName{EndTerm, ReleaseName}, p.Tripped(map[RuleName]int64{ReleaseName: 4, EndTerm: 11}, 100))
}

func TestLiveDeploymentHasLimitsUnlessItsPolicySaysOtherwise(t *testing.T) {
	p := DefaultPolicy()
	p.Breakers = map[RuleName]Breaker{EndTerm: {}}
	full := p.WithDefaults()
	require.Equal(t, Breaker{}, full.Breakers[EndTerm], "switched off stays switched off")
	require.Equal(t, DefaultBreaker, full.Breakers[ExpirePending])
	require.Equal(t, DefaultQuarantine(), full.Quarantine)
	require.Len(t, p.Breakers, 1, "the policy itself stays as it is")
	require.NoError(t, full.Validate())

	p.Quarantine.ClockBack = Days(1)
	require.Equal(t, QuarantinePolicy{ClockBack: Days(1)}, p.WithDefaults().Quarantine, "who says something of it says all of it")
}

func TestClockIsAstrayAMicrosecondBeyondItsLimit(t *testing.T) {
	seen := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	q := QuarantinePolicy{ClockAhead: Days(7), ClockBack: Period{Span: 5 * time.Minute}}
	for now, why := range map[time.Time]Reason{
		seen:                                     "",
		seen.Add(7 * Day):                        "",
		seen.Add(7*Day + time.Microsecond):       ClockAhead,
		seen.Add(365 * Day):                      ClockAhead,
		seen.Add(-5 * time.Minute):               "",
		seen.Add(-5*time.Minute - 1*time.Second): ClockBack,
	} {
		require.Equal(t, why, q.Astray(seen, now), now)
		require.Empty(t, q.Astray(time.Time{}, now), "who has never seen a time cannot tell")
		require.Empty(t, QuarantinePolicy{}.Astray(seen, now), "switched off")
	}
}

func TestOnTimeIncludesTheLastInstant(t *testing.T) {
	due := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	l := LatenessPolicy{Within: Period{Span: 5 * time.Minute}, Share: 99.9}
	require.True(t, l.OnTime(due, due))
	require.True(t, l.OnTime(due, due.Add(5*time.Minute)))
	require.False(t, l.OnTime(due, due.Add(5*time.Minute+time.Microsecond)))
	require.True(t, LatenessPolicy{}.OnTime(due, due.Add(Day)), "no objective, nothing late")
}

func TestFaultyLimitsAreNamed(t *testing.T) {
	p := DefaultPolicy()
	p.Breakers = map[RuleName]Breaker{"end-terms": {}, EndTerm: {Percent: 101}, AutoExtend: {Records: -1}}
	p.Quarantine.Backlog.Least = -1
	p.Lateness.Share = 100.1
	err := p.Validate()
	for _, key := range []string{"breakers.end-terms: there is no such rule", "breakers.end-term: ", "breakers.auto-extend: ", "quarantine.backlog: ", "lateness.share: "} {
		require.ErrorContains(t, err, key)
	}
}
