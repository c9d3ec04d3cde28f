package console

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
)

// A chart is bars beside one another, each of one or several parts that add up. It is drawn by {{bars .}} on pages, at the width that
// there is, with the same numbers as a table behind it.
type chart struct {
	Title   string   // what is counted; screen readers are told, and it names the table
	Head    string   // what the columns are, such as "Week": above the first column of the table
	Series  []string // what each part of a bar is called, from the bottom up; at most 5, which is how many colours there are
	Columns []column
}

// A column is one bar.
type column struct {
	Name   string  // as the table calls it
	Label  string  // below the bar; there is room for a dozen, so leave most of them empty
	Values []int64 // one for each of the series; none is below zero
	Link   string  // where what was counted is listed; empty: nowhere
}

// Total is all of a bar.
func (c column) Total() (total int64) {
	for _, value := range c.Values {
		total += value
	}
	return total
}

// The measures of a chart, in pixels from top to bottom. From left to right it is measured in hundredths of its width, so that neither
// letters nor lines are stretched when it is.
const (
	chartTop    = 12.0
	chartFloor  = 172.0
	chartHeight = 196.0
)

// A bar is a column as it is drawn.
type bar struct {
	Said            string // what it stands for, in one line
	Link            string
	Left, Mid       string // of the room that it has
	Label           string
	Minor           bool // a label that gives way where there is little room
	Parts           []barPart
	From, Width     string
	RoomFrom, Rooms string // where the pointer finds it: more than what is drawn of it
}

// A barPart is one part of it.
type barPart struct {
	Series      int
	Top, Height string
}

// A rung is a line across, with the number that it stands for.
type rung struct {
	Value int64
	At    string
	Text  string // where the number stands
}

// drawnChart is what the template is given.
type drawnChart struct {
	chart
	Height, Floor, LabelAt string
	Bars                   []bar
	Rungs                  []rung
	Totals                 []int64 // of each of the series
}

// bars draws a chart.
func (p *pages) bars(c chart) (template.HTML, error) {
	highest := int64(0)
	d := drawnChart{chart: c, Height: pixels(chartHeight), Floor: pixels(chartFloor), LabelAt: pixels(chartHeight - 6), Totals: make([]int64, len(c.Series))}
	for _, column := range c.Columns {
		if len(column.Values) != len(c.Series) {
			return "", fmt.Errorf("chart %q: column %q has %d values for %d series", c.Title, column.Name, len(column.Values), len(c.Series))
		}
		highest = max(highest, column.Total())
		for i, value := range column.Values {
			d.Totals[i] += value
		}
	}
	step := rungStep(highest)
	ceiling := max(step, (highest+step-1)/step*step)
	for value := int64(0); value <= ceiling; value += step {
		y := height(value, ceiling)
		d.Rungs = append(d.Rungs, rung{value, pixels(y), pixels(y + 4)})
	}
	d.Bars = p.drawnBars(&c, ceiling)
	var b bytes.Buffer
	if err := p.frame.ExecuteTemplate(&b, "chart", d); err != nil {
		return "", fmt.Errorf("drawing chart %q: %w", c.Title, err)
	}
	return template.HTML(b.String()), nil //nolint:gosec // a template made it, which escapes
}

func (p *pages) drawnBars(c *chart, ceiling int64) []bar {
	const widest, mostLabels = 8.0, 7 // a few bars are not as wide as the page; so many labels fit onto a phone
	room := 100 / float64(max(1, len(c.Columns)))
	wide := min(widest, room*.8)
	drawn := make([]bar, len(c.Columns))
	var labelled []int
	for i := range c.Columns {
		column := &c.Columns[i]
		left := float64(i) * room
		b := bar{Said: p.saidOf(c, column), Link: column.Link, Left: percent(left), Mid: percent(left + room/2),
			From: percent(left + (room-wide)/2), Width: percent(wide), RoomFrom: percent(left), Rooms: percent(room)}
		if column.Label != "" && (left < 95 || len(c.Columns) < 20) {
			b.Label = column.Label
			labelled = append(labelled, i)
		}
		b.Parts = barParts(column.Values, ceiling)
		drawn[i] = b
	}
	for n, i := range labelled {
		drawn[i].Minor = len(labelled) > mostLabels && n%2 == 1
	}
	return drawn
}

// barParts stacks the parts of a bar. What is more than nothing is to be seen, however little it is beside the rest.
func barParts(values []int64, ceiling int64) (parts []barPart) {
	const least = 1.5
	floor := chartFloor
	for i, value := range values {
		if value <= 0 {
			continue
		}
		tall := max(least, chartFloor-height(value, ceiling))
		floor -= tall
		parts = append(parts, barPart{i, pixels(floor), pixels(tall)})
	}
	return parts
}

// saidOf is a bar in words.
func (p *pages) saidOf(c *chart, column *column) string {
	if len(c.Series) == 1 {
		return column.Name + ": " + p.words.write(column.Values[0])
	}
	var parts []string
	for i, value := range column.Values {
		if value != 0 {
			parts = append(parts, c.Series[i]+" "+p.words.write(value))
		}
	}
	if len(parts) == 0 {
		parts = []string{"0"}
	}
	return column.Name + ": " + strings.Join(parts, p.words.say("relationship.joint"))
}

// rungStep is how far lines are apart: 1, 2 or 5, or ten times as much and so on, so that there are at most five of them.
func rungStep(highest int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, step := range []int64{unit, 2 * unit, 5 * unit} {
			if highest <= 4*step || step > 1<<60 {
				return step
			}
		}
	}
}

// height is where a value ends, from above.
func height(value, ceiling int64) float64 {
	return chartFloor - (chartFloor-chartTop)*float64(value)/float64(ceiling)
}

func pixels(f float64) string  { return fmt.Sprintf("%.1f", f) }
func percent(f float64) string { return fmt.Sprintf("%.3f%%", f) }
