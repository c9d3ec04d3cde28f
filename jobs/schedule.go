package jobs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Schedules say in cron's five fields, in UTC, when the records of each rule are looked at.
type Schedules map[lifecycle.RuleName]string

// DefaultSchedules looks every minute, and less often for what changes nobody's access. A look at nothing costs less than a
// millisecond.
func DefaultSchedules() Schedules {
	s := Schedules{}
	for _, rule := range lifecycle.RuleNames() {
		s[rule] = "* * * * *"
	}
	s[lifecycle.WarnExpiry] = "*/5 * * * *"
	s[lifecycle.ReleaseName] = "*/15 * * * *"
	return s
}

// shortestInterval is the least time between two ticks of a schedule.
const shortestInterval = time.Second

// Parse checks every schedule and finds every fault at once. A rule without a schedule is an error; "off" switches it off.
func (s Schedules) Parse() (map[lifecycle.RuleName]cron.Schedule, error) {
	parsed := map[lifecycle.RuleName]cron.Schedule{}
	var faults []error
	for _, rule := range slices.Sorted(maps.Keys(s)) {
		if !rule.Known() {
			faults = append(faults, fmt.Errorf("schedule of %q: there is no such rule; the rules are %v", rule, lifecycle.RuleNames()))
		}
	}
	for _, rule := range lifecycle.RuleNames() {
		spec, ok := s[rule]
		if !ok {
			faults = append(faults, fmt.Errorf(`schedule of %s: is missing; write "off" to switch it off`, rule))
			continue
		}
		if spec == "off" {
			continue
		}
		schedule, err := parseSchedule(spec)
		if err != nil {
			faults = append(faults, fmt.Errorf("schedule of %s, %q: %w", rule, spec, err))
			continue
		}
		parsed[rule] = schedule
	}
	return parsed, errors.Join(faults...)
}

// parseSchedule guards against what cron accepts or panics on: an empty zone, a negative interval, a date that never comes.
func parseSchedule(spec string) (schedule cron.Schedule, err error) {
	defer func() {
		if x := recover(); x != nil {
			schedule, err = nil, fmt.Errorf("cannot be read (%v); write five fields like \"*/5 * * * *\"", x)
		}
	}()
	switch {
	case strings.HasPrefix(spec, "@every"):
		return nil, errors.New(`begins anew with every restart; write fields, like "*/5 * * * *" for every five minutes`)
	case strings.Contains(spec, "TZ="):
		return nil, errors.New("names a time zone; schedules are in UTC")
	}
	schedule, err = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse("TZ=UTC " + spec)
	if err != nil {
		return nil, fmt.Errorf("cannot be read (%w); write five fields like \"*/5 * * * *\"", err)
	}
	first := schedule.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	if first.IsZero() {
		return nil, errors.New("names a date that never comes")
	}
	if schedule.Next(first).Sub(first) < shortestInterval {
		return nil, fmt.Errorf("ticks more often than every %s", shortestInterval)
	}
	return schedule, nil
}
