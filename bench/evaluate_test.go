package bench

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchmarkLine is what `go test -bench -benchmem` writes for each benchmark.
var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\w+?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op\s+(\d+) B/op\s+(\d+) allocs/op`)

// measureEvaluate runs the benchmarks of the decision itself.
func measureEvaluate(t *testing.T, _ *house) {
	const turns = "5"
	run := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkEvaluate", "-benchmem", "-benchtime", "0.3s", "-count", turns, "./lifecycle")
	run.Dir = ".."
	out, err := run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	var names []string
	times, allocations := map[string]series{}, map[string]series{}
	for _, found := range benchmarkLine.FindAllStringSubmatch(string(out), -1) {
		name := found[1]
		if times[name] == nil {
			names = append(names, name)
		}
		times[name] = append(times[name], number(t, found[2]))
		allocations[name] = append(allocations[name], number(t, found[4]))
	}
	require.NotEmpty(t, names, "%s", out)
	for _, name := range names {
		each := measured(name+": allocations", "a call", allocations[name])
		if name == "EvaluateNothingDue" {
			each = each.none()
		}
		figures.record(measured(name, "ns a call", times[name]), each)
	}
}

func number(t *testing.T, text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return x
}
