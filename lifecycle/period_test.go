package lifecycle

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPeriodsAreReadByValue(t *testing.T) {
	for text, want := range map[string]Period{
		"P730D":             Days(730),
		"P104W2D":           Days(730),
		"P25W5D":            Days(180),
		"P2Y":               Months(24),
		"P24M":              Months(24),
		"P1Y6M":             Months(18),
		"P1M":               Months(1),
		"PT1M":              {Span: time.Minute},
		"P1M1DT1M":          {Months: 1, Span: Day + time.Minute},
		"PT24H":             Days(1),
		"PT86400S":          Days(1),
		"P1DT2H3M4S":        {Span: Day + 2*time.Hour + 3*time.Minute + 4*time.Second},
		"P1Y2M3W4DT5H6M7S":  {Months: 14, Span: 25*Day + 5*time.Hour + 6*time.Minute + 7*time.Second},
		"P":                 {},
		"PT0S":              {},
		"P0D":               {},
		"P0Y0M0W0DT0H0M0S":  {},
		"P007D":             Days(7),
		"P200Y":             Months(2400),
		"P73200D":           Days(73200),
		"PT2147483647S":     {Span: 2147483647 * time.Second},
		"P000000000000001D": Days(1),
	} {
		got, err := ParsePeriod(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		require.Equal(t, want == (Period{}), got.IsZero(), text)
	}
	require.NotEqual(t, period("P1M"), period("P30D"))
	require.NotEqual(t, period("P1Y"), period("P365D"))
}

func TestWhatIsNoPeriodIsRefusedWithTheReason(t *testing.T) {
	for text, reason := range map[string]string{
		"":                        "begins with P",
		"1D":                      "begins with P",
		"p1d":                     "begins with P",
		" P1D":                    "begins with P",
		"-P1D":                    "begins with P",
		"+P1D":                    "begins with P",
		"never":                   "begins with P",
		"PT":                      "nothing follows the T",
		"P1DT":                    "nothing follows the T",
		"P1":                      "a whole number and a letter",
		"PD":                      "a whole number and a letter",
		"P-1D":                    "a whole number and a letter",
		"P+1D":                    "a whole number and a letter",
		"P 1D":                    "a whole number and a letter",
		"P１D":                     "a whole number and a letter",
		"P1D ":                    "a whole number and a letter",
		"PT1HT1M":                 "a whole number and a letter",
		"P1d":                     `unit "d"`,
		"P0.5D":                   `unit "."`,
		"PT1,5S":                  `unit ","`,
		"P1S":                     `unit "S"`,
		"PT1D":                    `unit "D"`,
		"P1D1Y":                   "out of order",
		"P1D1W":                   "out of order",
		"P1D2D":                   "repeated",
		"PT1S1H":                  "out of order",
		"P201Y":                   "longer than 200 years",
		"P2401M":                  "longer than 200 years",
		"P200Y1M":                 "longer than 200 years",
		"P73201D":                 "longer than 200 years",
		"P73200DT1S":              "longer than 200 years",
		"P2147483647Y":            "longer than 200 years",
		"P2147483647W":            "longer than 200 years",
		"P2147483647D":            "longer than 200 years",
		"P2147483648D":            "too large a number",
		"P9223372036854775808D":   "too large a number",
		"P99999999999999999999D":  "99999999999… is too large a number",
		"2026-01-01T00:00:00Z":    "begins with P",
		strings.Repeat("P1D", 99): "…",
	} {
		p, err := ParsePeriod(text)
		require.ErrorContains(t, err, reason, text)
		require.ErrorContains(t, err, "is not a period", text)
		require.ErrorContains(t, err, "write it like P90D", text)
		require.Less(t, len(err.Error()), 250, text)
		require.Zero(t, p, text)
	}
}

func TestPeriodHasOneCanonicalForm(t *testing.T) {
	for text, want := range map[string]string{
		"P": "PT0S", "P0D": "PT0S", "PT0S": "PT0S",
		"P104W2D": "P730D", "P25W5D": "P180D", "P730D": "P730D", "P2W": "P14D",
		"P24M": "P2Y", "P2Y": "P2Y", "P18M": "P1Y6M", "P11M": "P11M",
		"PT24H": "P1D", "PT36H": "P1DT12H", "PT90M": "PT1H30M", "PT61S": "PT1M1S", "P1Y2M3W4DT5H6M7S": "P1Y2M25DT5H6M7S",
	} {
		p := period(text)
		require.Equal(t, want, p.String(), text)
		require.Equal(t, p, period(p.String()), text)
	}
}

func TestPeriodIsTextInJSON(t *testing.T) {
	type stages struct{ Before []Period }
	var s stages
	require.NoError(t, json.Unmarshal([]byte(`{"Before":["P1W","P1D"]}`), &s))
	require.Equal(t, stages{[]Period{Days(7), Days(1)}}, s)

	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"Before":["P7D","P1D"]}`, string(text))

	was := s
	require.ErrorContains(t, json.Unmarshal([]byte(`{"Before":["a week"]}`), &s), "is not a period")
	require.Equal(t, was.Before[1], s.Before[len(s.Before)-1])
}

func TestMonthsKeepTheDayOrFallBackToTheLastOne(t *testing.T) {
	for _, c := range []struct{ from, period, after string }{
		{"2024-02-29T10:00:00Z", "P2Y", "2026-02-28T10:00:00Z"},
		{"2024-02-29T10:00:00Z", "P1Y", "2025-02-28T10:00:00Z"},
		{"2024-02-29T10:00:00Z", "P4Y", "2028-02-29T10:00:00Z"},
		{"2026-02-28T10:00:00Z", "P2Y", "2028-02-28T10:00:00Z"},
		{"2026-01-31T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"},
		{"2028-01-31T10:00:00Z", "P1M", "2028-02-29T10:00:00Z"},
		{"2026-01-29T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"},
		{"2026-01-28T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"},
		{"2026-03-31T10:00:00Z", "P1M", "2026-04-30T10:00:00Z"},
		{"2026-10-31T10:00:00Z", "P4M", "2027-02-28T10:00:00Z"},
		{"2026-12-31T23:59:59.999999Z", "P2M", "2027-02-28T23:59:59.999999Z"},
		{"2096-02-29T00:00:00Z", "P4Y", "2100-02-28T00:00:00Z"},
		{"2026-01-31T10:00:00Z", "P1M1D", "2026-03-01T10:00:00Z"}, // first the months, then the days
		{"2026-01-31T10:00:00Z", "P30D", "2026-03-02T10:00:00Z"},
		{"2026-01-31T10:00:00Z", "PT36H", "2026-02-01T22:00:00Z"},
		{"2026-01-31T10:00:00Z", "PT0S", "2026-01-31T10:00:00Z"},
		{"2024-02-29T10:00:00Z", "P730D", "2026-02-28T10:00:00Z"},
		{"2026-01-01T00:00:00Z", "P200Y", "2226-01-01T00:00:00Z"},
	} {
		require.Equal(t, at(c.after), period(c.period).After(at(c.from)), "%s after %s", c.period, c.from)
	}
}

func TestBeforeGoesBackByTheSameRules(t *testing.T) {
	for _, c := range []struct{ from, period, before string }{
		{"2026-03-31T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"},
		{"2028-03-31T10:00:00Z", "P1M", "2028-02-29T10:00:00Z"},
		{"2026-03-28T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"},
		{"2028-02-29T10:00:00Z", "P1Y", "2027-02-28T10:00:00Z"},
		{"2027-01-31T10:00:00Z", "P2M", "2026-11-30T10:00:00Z"},
		{"2027-01-07T10:00:00Z", "P30D", "2026-12-08T10:00:00Z"},
		{"2026-03-31T10:00:00Z", "P1M1D", "2026-02-27T10:00:00Z"},
		{"2026-03-01T00:00:00Z", "PT1S", "2026-02-28T23:59:59Z"},
	} {
		require.Equal(t, at(c.before), period(c.period).Before(at(c.from)), "%s before %s", c.period, c.from)
	}
}

func TestDaysAre24HoursWhereverTheInstantIsWritten(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	morning := time.Date(2026, 1, 31, 0, 30, 0, 0, berlin) // still 30 January in UTC
	require.Equal(t, at("2026-02-28T23:30:00Z"), Months(1).After(morning))
	require.Equal(t, at("2025-12-30T23:30:00Z"), Months(1).Before(morning))
	require.Equal(t, time.UTC, Days(1).After(morning).Location())
}

func TestInstantIsUTCAndCutToMicroseconds(t *testing.T) {
	tokyo := time.FixedZone("JST", 9*3600)
	require.Equal(t, at("2026-01-31T00:00:00.123456Z"), Instant(time.Date(2026, 1, 31, 9, 0, 0, 123456999, tokyo)))
	require.True(t, Instant(time.Time{}).IsZero())
}

func TestWithinHoldsFromWhateverDayItIsCounted(t *testing.T) {
	for _, c := range []struct {
		p, limit string
		want     bool
	}{
		{"P730D", "P2Y", true},
		{"P731D", "P2Y", false}, // 731 days in a leap cycle, but 730 in most
		{"P2Y", "P730D", false},
		{"P2Y", "P731D", true},
		{"P24M", "P2Y", true},
		{"P2Y1D", "P2Y", false},
		{"P23M28D", "P2Y", true},
		{"P23M29D", "P2Y", false},
		{"P1Y365D", "P2Y", true},
		{"P1Y366D", "P2Y", false},
		{"P25M", "P2Y", false},
		{"P28D", "P1M", true},
		{"P29D", "P1M", false},
		{"P1M", "P31D", true},
		{"P1M", "P30D", false},
		{"P1D", "P1D", true},
		{"PT24H", "P1D", true},
		{"P1D", "PT23H", false},
		{"PT0S", "PT0S", true},
		{"PT0S", "P1M", true},
		{"P1M", "PT0S", false},
		{"P2Y", "P2Y1D", true},
		{"P731D", "P2Y1D", true},
		{"P732D", "P2Y1D", false},
	} {
		p, limit := period(c.p), period(c.limit)
		require.Equal(t, c.want, p.within(limit), "%s within %s", p, limit)
	}
}
