package lifecycle

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDefaultPolicyIsTheContract(t *testing.T) {
	p := DefaultPolicy()
	require.NoError(t, p.Validate())
	require.Equal(t, &Policy{
		Requests:   RequestPolicy{LapseAfter: period("P90D")},
		Terms:      TermPolicy{Shortest: period("P1D"), Longest: period("P2Y")},
		Warnings:   WarningPolicy{Before: periods("P30D", "P7D", "P1D")},
		AutoExtend: AutoExtendPolicy{By: period("P180D")},
		Names:      NamePolicy{HoldFor: period("P365D")},
		Notices: NoticePolicy{StaleAfter: period("P7D"), TellExtended: false, MostPerDay: 0,
			Digests: DigestPolicy{At: 7 * time.Hour, On: time.Monday}, EraseAfter: period("P90D")},
		Provisioning: ProvisioningPolicy{External: false, StuckAfter: period("P1D")},
		Lateness:     LatenessPolicy{Within: period("PT5M"), Share: 99.9},
	}, p)
}

func TestEachDefaultPolicyIsItsOwn(t *testing.T) {
	DefaultPolicy().Warnings.Before[0] = Days(99)
	require.Equal(t, Days(30), DefaultPolicy().Warnings.Before[0])
}

func TestDurationMayBeFromADayToTwoYears(t *testing.T) {
	p := DefaultPolicy()
	for _, good := range []string{"P1D", "PT24H", "P7D", "P1M", "P365D", "P1Y", "P730D", "P104W2D", "P2Y", "P24M", "P23M28D", "P1Y365D", "PT36H", "P1DT1S"} {
		require.NoError(t, p.AllowsDuration(period(good)), good)
	}
	for _, bad := range []string{"P", "P0D", "PT0S", "PT23H59M59S", "PT1S", "P731D", "P2Y1D", "P2YT1S", "P25M", "P3Y", "P1Y366D", "P105W", "P730DT1S"} {
		require.EqualError(t, p.AllowsDuration(period(bad)), "must be from P1D to P2Y", bad)
	}
}

func TestEveryFaultOfAPolicyIsFoundAtOnce(t *testing.T) {
	p := DefaultPolicy()
	p.Terms = TermPolicy{}
	p.Warnings.Before = periods("P7D", "PT0S", "P1W", "P1D")
	p.AutoExtend.By = period("PT23H")
	p.Notices.MostPerDay = -1
	p.Notices.Digests.At = Day
	p.Notices.Partners = map[string]string{"fabrikam": "Fabrikam", "99999999-9999-4999-8999-999999999999": " "}
	p.Notices.Routes = []Route{{}, {Kinds: []NoticeKind{"expiry"}, Sides: []Side{"left"}, Tenants: []string{"contoso"},
		People: []string{"mail", "mail"}, Endpoints: []string{""}}}

	err := p.Validate()

	require.Error(t, err)
	require.Equal(t, []string{
		"terms.shortest: must be longer than nothing, e.g. P1D",
		"terms.longest: PT0S is shorter than terms.shortest, PT0S",
		"warnings.before[1]: a warning 0 days before the end is none; leave it out",
		"warnings.before[2]: P7D is there twice; leave one out",
		"autoExtend.by: PT23H is shorter than a day; write at least P1D",
		"notices.mostPerDay: -1 is less than nothing; write 0 for no limit",
		"notices.digests.at: 24h0m0s is no time of day",
		`notices.routes[1].kinds: "expiry" is no kind of notice; they are [warn-expiry term-ended request-lapsed terminated approved extended]`,
		`notices.routes[1].sides: "left" is no side; write partner or customer`,
		`notices.routes[1].tenants: "contoso" is not a GUID`,
		`notices.routes[1].people: "mail" is there twice; leave one out`,
		"notices.routes[1].endpoints: a channel without a name",
		`notices.partners: 99999999-9999-4999-8999-999999999999: " " is no name; write 1 to 64 characters without control characters`,
		`notices.partners: "fabrikam" is not a GUID; write the tenant of a partner, and behind it what it is called`,
	}, strings.Split(err.Error(), "\n"))
}

func TestLongestTermMayBeTheShortestButNoShorter(t *testing.T) {
	p := DefaultPolicy()
	p.Terms = TermPolicy{Shortest: Days(30), Longest: Days(30)}
	require.NoError(t, p.Validate())
	p.Terms.Longest = Days(29)
	require.ErrorContains(t, p.Validate(), "terms.longest: P29D is shorter than terms.shortest, P30D")
	p.Terms.Longest = Months(1)
	require.ErrorContains(t, p.Validate(), "terms.longest", "30 days do not fit into a February")
}

func TestZeroPeriodsThatSwitchRulesOffAreNoFaults(t *testing.T) {
	p := DefaultPolicy()
	p.Requests, p.Warnings, p.Names, p.Notices = RequestPolicy{}, WarningPolicy{}, NamePolicy{}, NoticePolicy{}
	require.NoError(t, p.Validate())
}

func TestAutoExtendIsOffOrThePeriodOfThePolicy(t *testing.T) {
	p := DefaultPolicy()
	for text, want := range map[string]bool{"PT0S": false, "P0D": false, "P": false, "P180D": true, "P25W5D": true, "PT4320H": true} {
		on, err := p.ParseAutoExtend(text)
		require.NoError(t, err, text)
		require.Equal(t, want, on, text)
	}
	for _, text := range []string{"P90D", "P6M", "P181D", "P1Y", "P365D"} {
		on, err := p.ParseAutoExtend(text)
		require.EqualError(t, err, "must be P180D (on) or PT0S (off)", text)
		require.False(t, on, text)
	}
	_, err := p.ParseAutoExtend("on")
	require.ErrorContains(t, err, "is not a period")
	require.Equal(t, "P180D", p.AutoExtendDuration(true).String())
	require.Equal(t, "PT0S", p.AutoExtendDuration(false).String())
}

func TestAutoExtendFollowsThePolicysNumber(t *testing.T) {
	p := DefaultPolicy()
	p.AutoExtend.By = Months(6)
	on, err := p.ParseAutoExtend("P6M")
	require.NoError(t, err)
	require.True(t, on)
	_, err = p.ParseAutoExtend("P180D")
	require.EqualError(t, err, "must be P6M (on) or PT0S (off)")
}

func TestExtensionCannotBeSwitchedOff(t *testing.T) {
	p := DefaultPolicy()
	p.AutoExtend.By = Period{}
	require.EqualError(t, p.Validate(), "autoExtend.by: PT0S is shorter than a day; write at least P1D",
		"who agreed to be extended would be neither extended nor ended")
}
