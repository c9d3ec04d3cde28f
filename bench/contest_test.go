package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A contender does some work, so many pieces of it, and says how long it took. What it needs beforehand it does not count.
type contender struct {
	name string
	run  func(t *testing.T, pieces int) time.Duration
}

// contest lets contenders take turns, and tells how many pieces each did in a second: the median of the rounds, the slowest and the
// fastest, and the median of its ratio to the first contender in the same round.
func contest(t *testing.T, title, unit string, pieces, rounds int, contenders ...contender) string {
	t.Helper()
	rates := make([][]float64, len(contenders))
	ratios := make([][]float64, len(contenders))
	for round := range rounds + 1 {
		for i, c := range contenders {
			took := c.run(t, pieces)
			require.Positive(t, took)
			if round == 0 {
				continue // warms up
			}
			rates[i] = append(rates[i], float64(pieces)/took.Seconds())
			ratios[i] = append(ratios[i], rates[i][round-1]/rates[0][round-1])
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d %s a round, %d rounds, taking turns\n\n", title, pieces, unit, rounds)
	fmt.Fprintf(&b, "| | %s/s, median | slowest – fastest | ratio |\n|---|---:|---:|---:|\n", unit)
	for i, c := range contenders {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f – %.0f | %.2f |\n", c.name, median(rates[i]), slices.Min(rates[i]), slices.Max(rates[i]), median(ratios[i]))
	}
	return b.String()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
