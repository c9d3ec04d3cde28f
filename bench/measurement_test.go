package bench

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A Measurement is one line of the table: what was measured, what is asked for, and what came out.
type Measurement struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"` // the median of the rounds
	Low     float64 `json:"low,omitempty"`
	High    float64 `json:"high,omitempty"`
	Unit    string  `json:"unit"`
	Ratio   float64 `json:"ratio,omitempty"` // to what To names, the median over the rounds; 0: compared with nothing
	To      string  `json:"to,omitempty"`
	Target  Target  `json:"target,omitzero"`   // the zero Target: nothing is asked for
	Inverse bool    `json:"inverse,omitempty"` // the ratio is ours to theirs, not theirs to ours
	Note    string  `json:"note,omitempty"`    // how it was measured, where the name does not say
	Hidden  bool    `json:"hidden,omitempty"`  // in the file of figures only
}

// A Target is what a measurement has to reach.
type Target struct {
	AtLeast float64 `json:"atLeast,omitempty"`
	AtMost  float64 `json:"atMost,omitempty"`
	Exactly bool    `json:"none,omitempty"`    // there must be none at all
	OfRatio bool    `json:"ofRatio,omitempty"` // it speaks of the ratio, not of the value
}

// A Verdict says whether a target was reached.
type Verdict string

// The verdicts.
const (
	Reached  Verdict = "yes"
	Missed   Verdict = "no"
	NotAsked Verdict = ""
)

// Verdict compares the measurement with its target.
func (m *Measurement) Verdict() Verdict {
	figure := m.Value
	if m.Target.OfRatio {
		figure = m.Ratio
	}
	t := m.Target
	switch {
	case t == (Target{}):
		return NotAsked
	case t.Exactly && figure != 0, t.AtLeast > 0 && figure < t.AtLeast, t.AtMost > 0 && figure > t.AtMost:
		return Missed
	}
	return Reached
}

// Text is the target as the table shows it.
func (m *Measurement) targetText() string {
	unit := " " + m.Unit
	if m.Target.OfRatio {
		unit = " × " + m.To
	}
	if m.Inverse {
		unit = " ×"
	}
	switch t := m.Target; {
	case t.Exactly:
		return "none"
	case t.AtLeast > 0:
		return "≥ " + figure(t.AtLeast) + unit
	case t.AtMost > 0:
		return "≤ " + figure(t.AtMost) + unit
	}
	return ""
}

// A book collects the measurements of one run. It may be written to by tests that run at the same time.
type book struct {
	mu           sync.Mutex
	measurements []Measurement
}

// figures is where every test of this package writes what it has measured; TestMain makes the table of it.
var figures book

// record writes measurements down and says them aloud, so that a run that is broken off has not been for nothing.
func (b *book) record(some ...Measurement) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range some {
		m := &some[i]
		fmt.Printf("%s: %s %s (%s – %s)", m.Name, figure(m.Value), m.Unit, figure(m.Low), figure(m.High))
		if m.Ratio != 0 {
			fmt.Printf(", %s × %s", figure(m.Ratio), m.To)
		}
		if m.Verdict() != NotAsked {
			fmt.Printf("; asked: %s: %s", m.targetText(), m.Verdict())
		}
		fmt.Println()
	}
	b.measurements = append(b.measurements, some...)
}

// rounds are the figures of one contender, round by round.
type series []float64

// measured makes a measurement of rounds: median, lowest and highest.
func measured(name, unit string, s series) Measurement {
	return Measurement{Name: name, Unit: unit, Value: median(s), Low: slices.Min(s), High: slices.Max(s)}
}

// against adds the median of the ratios, round by round, to somebody who took turns with it.
func (m Measurement) against(to string, mine, theirs series) Measurement {
	ratios := make(series, len(mine))
	for i := range mine {
		ratios[i] = mine[i] / theirs[i]
	}
	m.Ratio, m.To = median(ratios), to
	return m
}

// atLeast asks for a ratio.
func (m Measurement) ratioAtLeast(x float64) Measurement {
	m.Target = Target{AtLeast: x, OfRatio: true}
	return m
}

func (m Measurement) atLeast(x float64) Measurement { m.Target = Target{AtLeast: x}; return m }
func (m Measurement) atMost(x float64) Measurement  { m.Target = Target{AtMost: x}; return m }
func (m Measurement) none() Measurement             { m.Target = Target{Exactly: true}; return m }
func (m Measurement) noting(note string) Measurement {
	m.Note = note
	return m
}

// figure shows three digits that count, and whole numbers with a space between thousands.
func figure(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x >= 1000:
		return thousands(int64(x + 0.5))
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0")
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", x), ".00")
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}
