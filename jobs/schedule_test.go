package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestDefaultSchedulesAreGood(t *testing.T) {
	parsed, err := DefaultSchedules().Parse()
	require.NoError(t, err)
	require.Len(t, parsed, len(lifecycle.Rules))
}

func TestEveryFaultOfTheSchedulesIsFoundAtOnce(t *testing.T) {
	s := DefaultSchedules()
	s["end-of-term"] = "* * * * *"
	s[lifecycle.EndTerm] = "every minute"
	delete(s, lifecycle.AutoExtend)
	_, err := s.Parse()
	require.ErrorContains(t, err, `"end-of-term": there is no such rule`)
	require.ErrorContains(t, err, `schedule of end-term, "every minute"`)
	require.ErrorContains(t, err, "schedule of auto-extend: is missing")
}

func TestScheduleThatCronWouldStumbleOverIsRefused(t *testing.T) {
	for spec, why := range map[string]string{
		"TZ=":                         "time zone",
		"TZ=Asia/Tokyo * * * * *":     "time zone",
		"@every 5m":                   "begins anew with every restart",
		"@every -5m":                  "begins anew with every restart",
		"0 0 30 2 *":                  "never comes",
		"":                            "cannot be read",
		"61 * * * *":                  "cannot be read",
		"* * * *":                     "cannot be read",
		"CRON_TZ=Europe/Paris @daily": "time zone",
	} {
		_, err := parseSchedule(spec)
		require.ErrorContains(t, err, why, spec)
	}
	for _, spec := range []string{"* * * * *", "*/5 * * * *", "@hourly", "30 0 * * MON-FRI", "*/10 * * * * *"} {
		_, err := parseSchedule(spec)
		require.NoError(t, err, spec)
	}
}

func TestRuleCanBeSwitchedOff(t *testing.T) {
	s := DefaultSchedules()
	s[lifecycle.WarnExpiry] = "off"
	parsed, err := s.Parse()
	require.NoError(t, err)
	require.NotContains(t, parsed, lifecycle.WarnExpiry)
}
