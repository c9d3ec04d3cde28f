package outlook

import (
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Week is what happens in a week, from Monday to Sunday, UTC.
type Week struct {
	Monday time.Time
	Rules  map[lifecycle.RuleName]*Sum
	All    Sum // its Relationships count one that two rules act on, or one rule on two days, twice
}

// Name is the week's name by ISO 8601, e.g. "2026-W05".
func (w *Week) Name() string {
	year, week := w.Monday.ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, week)
}

// MondayOf is the beginning of the week of an instant.
func MondayOf(t time.Time) time.Time {
	day := t.UTC().Truncate(lifecycle.Day)
	return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
}

// Weeks is the plan by weeks, from the week of now to that of its end, those included in which nothing happens.
func (p *Plan) Weeks() []Week {
	first := MondayOf(p.Now)
	weeks := make([]Week, int(MondayOf(p.Until).Sub(first)/(7*lifecycle.Day))+1)
	for i := range weeks {
		weeks[i] = Week{Monday: first.AddDate(0, 0, 7*i), Rules: map[lifecycle.RuleName]*Sum{}}
	}
	for day, sum := range p.Days {
		week := &weeks[int(day.Date.Sub(first)/(7*lifecycle.Day))]
		of(week.Rules, day.Rule).add(*sum)
		week.All.add(*sum)
	}
	return weeks
}
