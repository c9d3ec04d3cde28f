package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	aheadPath     = "/console/ahead"
	timersEvery   = time.Minute      // so often next timers are counted while somebody looks
	prospectEvery = 15 * time.Minute // so often all that follows from them is
	aheadDays     = 366
	aheadShown    = 60 // days that stand beside one another
	aheadSheet    = downloadsPath + "ahead.csv"
)

// An AheadStore counts what falls due.
type AheadStore interface {
	// CountTimers counts next timers that are not on hold, between each of the instants and the next one, by their rules.
	CountTimers(ctx context.Context, instants []time.Time) ([]lifecycle.TimerCount, error)
}

// A Prospect is what timers are going to do until an instant, if nobody acts meanwhile and nothing is late.
type Prospect struct {
	Days    []ProspectDay                // in their order; those on which nothing happens are missing
	Held    map[lifecycle.RuleName]int64 // relationships of which a timer would be due by then, and is on hold
	Waiting int64                        // relationships that wait for another system
	Failed  int64                        // relationships on which nobody can decide
}

// A ProspectDay is what one rule does on one day.
type ProspectDay struct {
	Day   time.Time // midnight, UTC
	Rule  lifecycle.RuleName
	Times int64
	Told  int64 // letters
}

// An aheadDay is what each rule does on a day, in their order.
type aheadDay struct {
	Day         time.Time
	Times, Told []int64
}

// aheadNumbers are what is going to happen. Both ways of finding out make the same form of it.
type aheadNumbers struct {
	Days            []aheadDay // the next year, all of its days
	Held            []int64    // by rule
	Waiting, Failed int64
}

// ahead is what the page shows.
type ahead struct {
	counted[aheadNumbers]
	Full     bool // all that follows is in it; otherwise the next timers only
	Counting bool // more is being found out
	NoMore   bool // this deployment can tell no more than next timers
	Rules    []lifecycle.RuleName
	ByDay    chart
	ByWeek   chart

	From           string // the day on which the chart of days begins; empty: today
	Earlier, Later string // where it begins earlier or later; empty: nowhere

	HeldLink string // lists what is on hold
}

// Live is where the page comes from while it is counted.
func (a ahead) Live() string { return withQuery("/console/live/ahead", nonEmpty("from", a.From)) }

// aheadKept is what is kept for the page.
type aheadKept struct {
	timers, prospect kept[aheadNumbers]
}

func (c *Console) addAhead() {
	c.get(aheadPath, func(v *visit) error { return v.show("ahead", c.aheadOf(v)) })
	c.get("/console/live/ahead", func(v *visit) error {
		return v.live("ahead", func() any { return c.aheadOf(v) })
	})
	c.get(aheadSheet, c.aheadCSV)
	c.post(aheadPath+"/count", "read", func(v *visit) error {
		c.ahead.timers.forget()
		c.ahead.prospect.forget()
		return v.goTo(aheadPath, nil)
	})
}

// aheadOf is all that is known. What takes seconds is found out while what is known at once is looked at.
func (c *Console) aheadOf(v *visit) ahead {
	a := ahead{Rules: lifecycle.RuleNames(), NoMore: c.Prospect == nil}
	if !a.NoMore {
		a.counted = c.ahead.prospect.look(v, "the time ahead", prospectEvery, c.countProspect)
		a.Full, a.Counting = a.Known, a.Working
	}
	if !a.Full {
		a.counted = c.ahead.timers.look(v, "next timers", timersEvery, c.countNextTimers)
		a.Counting = a.Counting || a.Working
	}
	if a.Known {
		a.ByDay, a.ByWeek = a.days(v), a.weeks(v)
	}
	if a.Full && a.AllHeld() > 0 {
		a.HeldLink = a.heldLink(v.condition())
	}
	return a
}

// daysFrom are the midnights of a year from an instant on, that of its own day first.
func daysFrom(at time.Time, days int) []time.Time {
	today := at.UTC().Truncate(lifecycle.Day)
	all := make([]time.Time, days)
	for i := range all {
		all[i] = today.AddDate(0, 0, i)
	}
	return all
}

// emptyAhead are days on which nothing happens yet.
func emptyAhead(at time.Time) aheadNumbers {
	rules := len(lifecycle.RuleNames())
	n := aheadNumbers{Held: make([]int64, rules)}
	for _, day := range daysFrom(at, aheadDays) {
		n.Days = append(n.Days, aheadDay{Day: day, Times: make([]int64, rules), Told: make([]int64, rules)})
	}
	return n
}

// add counts what a rule does on a day. What is overdue is done today; a rule that nobody knows, and a day behind the last one, is left out.
func (n *aheadNumbers) add(day time.Time, rule lifecycle.RuleName, times, told int64) {
	i := int(max(0, day.Sub(n.Days[0].Day)) / lifecycle.Day)
	r := slices.Index(lifecycle.RuleNames(), rule)
	if i < len(n.Days) && r >= 0 {
		n.Days[i].Times[r] += times
		n.Days[i].Told[r] += told
	}
}

func (c *Console) countNextTimers(ctx context.Context) (aheadNumbers, error) {
	now := c.Now()
	n := emptyAhead(now)
	instants := slices.Concat([]time.Time{{}}, daysFrom(now, aheadDays+1)[1:])
	counts, err := c.Store.CountTimers(ctx, instants)
	for _, count := range counts {
		n.add(count.From, count.Rule, count.N, 0)
	}
	return n, err
}

func (c *Console) countProspect(ctx context.Context) (aheadNumbers, error) {
	now := c.Now()
	n := emptyAhead(now)
	p, err := c.Prospect(ctx, n.Days[aheadDays-1].Day.Add(lifecycle.Day-time.Microsecond))
	if err != nil {
		return n, err
	}
	for _, day := range p.Days {
		n.add(day.Day, day.Rule, day.Times, day.Told)
	}
	for i, rule := range lifecycle.RuleNames() {
		n.Held[i] = p.Held[rule]
	}
	n.Waiting, n.Failed = p.Waiting, p.Failed
	return n, nil
}

// Within is how often a rule, by its place, acts within the next days; today counts as one.
func (a ahead) Within(days, rule int) (times int64) {
	for _, day := range a.Value.Days[:min(days, len(a.Value.Days))] {
		times += day.Times[rule]
	}
	return times
}

// AllWithin is how often all of them do.
func (a ahead) AllWithin(days int) (times int64) {
	for rule := range a.Rules {
		times += a.Within(days, rule)
	}
	return times
}

// TodayLink lists what is done today, what is overdue included.
func (a ahead) TodayLink() string {
	return withQuery(relationshipsPath, nonEmpty("next-to", a.Value.Days[0].Day.Format(time.DateOnly)))
}

// Letters counts the letters that a rule, by its place, calls for within the year.
func (a ahead) Letters(rule int) (told int64) {
	for _, day := range a.Value.Days {
		told += day.Told[rule]
	}
	return told
}

// AllHeld counts the relationships on hold of which a timer would be due within the year.
func (a ahead) AllHeld() (held int64) {
	for _, n := range a.Value.Held {
		held += n
	}
	return held
}

// heldLink lists the relationships on hold of which a timer would be due within the year. Where some rules are paused, it leads to the rules: they
// stop many a timer that comes after another one, and lists know of next timers only.
func (a ahead) heldLink(c *lifecycle.Condition) string {
	within := nonEmpty("next-to", a.Value.Days[len(a.Value.Days)-1].Day.Format(time.DateOnly))
	switch {
	case c.Standstill() != nil: // then all are
	case len(pausedRules(c)) > 0:
		return sweepsPath + "#rules"
	default:
		within.Set("held", "yes")
	}
	return withQuery(relationshipsPath, within)
}

// series are the rules by their names.
func (v *visit) series() (names []string) {
	for _, rule := range lifecycle.RuleNames() {
		names = append(names, v.T("rule."+string(rule)))
	}
	return names
}

// days are those from the one that was asked for on. Each leads to the relationships whose next timer falls on it.
func (a *ahead) days(v *visit) chart {
	first := 0
	if from, err := time.Parse(time.DateOnly, v.Request.FormValue("from")); err == nil {
		first = min(max(0, int(from.Sub(a.Value.Days[0].Day)/lifecycle.Day)), aheadDays-aheadShown)
	}
	at := func(i int) string {
		if i == 0 {
			return ""
		}
		return a.Value.Days[i].Day.Format(time.DateOnly)
	}
	link := func(i int) string { return withQuery(aheadPath, nonEmpty("from", at(i))) + "#by-day" }
	a.From = at(first)
	if first > 0 {
		a.Earlier = link(max(0, first-aheadShown))
	}
	if first < aheadDays-aheadShown {
		a.Later = link(min(first+aheadShown, aheadDays-aheadShown))
	}
	c := chart{Title: v.T("ahead.byDay"), Head: v.T("ahead.day"), Series: v.series()}
	if first > 0 {
		c.Title = v.T("ahead.byDayFrom", "day", v.date(a.Value.Days[first].Day))
	}
	for i, day := range a.Value.Days[first : first+aheadShown] {
		column := v.dayColumn(day.Day, day.Times)
		name := day.Day.Format(time.DateOnly)
		between := nonEmpty("next-from", name, "next-to", name)
		if first+i == 0 {
			between.Del("next-from") // what is overdue is done today
		}
		column.Link = withQuery(relationshipsPath, between)
		c.Columns = append(c.Columns, column)
	}
	return c
}

// aheadCSV is what each rule does on each day of the year.
func (c *Console) aheadCSV(v *visit) error {
	a := c.aheadOf(v)
	if !a.Known {
		return &refusal{http.StatusServiceUnavailable, v.T("ahead.counting")}
	}
	header := []string{"day"}
	for _, rule := range a.Rules {
		header = append(header, string(rule))
	}
	return v.csv("ahead.csv", header, func(row func(...string) error) error {
		for _, day := range a.Value.Days {
			cells := []string{day.Day.Format(time.DateOnly)}
			for _, times := range day.Times {
				cells = append(cells, strconv.FormatInt(times, 10))
			}
			if err := row(cells...); err != nil {
				return err
			}
		}
		return nil
	})
}

// weeks counts from Mondays to Sundays; the first week began before today. Each leads to its days.
func (a *ahead) weeks(v *visit) chart {
	c := chart{Title: v.T("ahead.byWeek"), Head: v.T("ahead.week"), Series: v.series()}
	for i, day := range a.Value.Days {
		if i == 0 || day.Day.Weekday() == time.Monday {
			monday := day.Day.AddDate(0, 0, -(int(day.Day.Weekday())+6)%7)
			c.Columns = append(c.Columns, column{Name: v.T("ahead.weekOf", "day", v.date(monday)), Values: make([]int64, len(c.Series)),
				Link: withQuery(aheadPath, nonEmpty("from", day.Day.Format(time.DateOnly))) + "#by-day"})
		}
		week := &c.Columns[len(c.Columns)-1]
		if day.Day.Day() == 1 {
			week.Label = v.month(day.Day)
		}
		for rule, times := range day.Times {
			week.Values[rule] += times
		}
	}
	return c
}

// dayColumn is a day in a chart; Mondays have their date below them.
func (v *visit) dayColumn(day time.Time, values []int64) column {
	c := column{Name: v.date(day), Values: values}
	if day.Weekday() == time.Monday {
		c.Label = v.shortDate(day)
	}
	return c
}

// date writes a day where there is no room for its HTML.
func (v *visit) date(day time.Time) string { return v.dated(day, "Mon 2 Jan 2006", "2006年1月2日") }

func (v *visit) shortDate(day time.Time) string { return v.dated(day, "2 Jan", "1/2") }

// month names a month; January by its year.
func (v *visit) month(day time.Time) string {
	if day.Month() == time.January {
		return v.dated(day, "2006", "2006年")
	}
	return v.dated(day, "Jan", "1月")
}

func (v *visit) dated(day time.Time, inEnglish, inJapanese string) string {
	if v.Lang == japanese {
		return day.Format(inJapanese)
	}
	return day.Format(inEnglish)
}
