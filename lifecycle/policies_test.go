package lifecycle

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDifferencesOfPoliciesAreSaidAsThePolicyFileSpellsThem(t *testing.T) {
	p, other := DefaultPolicy(), DefaultPolicy()
	require.Empty(t, p.Differences(other))
	require.True(t, p.SameTelling(other))

	other.Requests.LapseAfter = Days(60)
	other.Warnings.Before = []Period{Days(30)}
	other.Breakers = map[RuleName]Breaker{EndTerm: {Records: 5}}
	require.True(t, p.SameTelling(other), "nobody is told anything else")
	require.Equal(t, []string{
		"breakers.end-term.least: nothing, then 0",
		"breakers.end-term.percent: nothing, then 0",
		"breakers.end-term.records: nothing, then 5",
		"requests.lapseAfter: P90D, then P60D",
		"warnings.before: P30D P7D P1D, then P30D",
	}, p.Differences(other))

	other = DefaultPolicy()
	other.Notices.Digests.At += 30 * 60e9
	other.Notices.Routes = []Route{{People: []string{"mail"}}}
	require.False(t, p.SameTelling(other))
	require.Len(t, p.Differences(other), 2)
	require.Equal(t, "notices.digests.at: 07:00, then 07:30", p.Differences(other)[0])
}

func TestAPolicyReadBackFromJSONIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := somePolicy.Draw(t, "policy")
		text, err := json.Marshal(p)
		require.NoError(t, err)
		var back Policy
		require.NoError(t, json.Unmarshal(text, &back))
		require.Empty(t, p.Differences(&back))
	})
}
