//go:build unix

package storm

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// settings say how a storm is. Those of a long one come from the environment.
type settings struct {
	seed          uint64
	lasting       time.Duration
	relationships int    // at most
	redis         string // standalone, sentinel or cluster

	schedulers, workers, apis, crowd int
}

// short is what every run of the tests goes through. Its seed is always the same unless STORM_SEED is set.
func short(t *testing.T) settings {
	t.Helper()
	return settings{seed: uint64(number(t, "STORM_SEED", 1)), lasting: 10 * time.Second, relationships: 250, redis: "standalone", schedulers: 2, workers: 3, apis: 2, crowd: 4}
}

// long is what `make storm` asks for; none without STORM_MINUTES.
func long(t *testing.T) []settings {
	t.Helper()
	minutes := number(t, "STORM_MINUTES", 0)
	if minutes == 0 {
		t.Skip("a long storm is asked for with STORM_MINUTES; `make storm` does it")
	}
	s := settings{seed: uint64(number(t, "STORM_SEED", 1)), lasting: time.Duration(minutes * float64(time.Minute)),
		relationships: int(number(t, "STORM_RELATIONSHIPS", 3000)), schedulers: 3, workers: 4, apis: 2, crowd: 8}
	kinds := []string{os.Getenv("STORM_REDIS")}
	if kinds[0] == "" || kinds[0] == "all" {
		kinds = []string{"standalone", "sentinel", "cluster"}
	}
	var all []settings
	for _, kind := range kinds {
		require.Contains(t, []string{"standalone", "sentinel", "cluster"}, kind, "STORM_REDIS: write standalone, sentinel, cluster or all")
		one := s
		one.redis = kind
		one.lasting /= time.Duration(len(kinds))
		all = append(all, one)
	}
	return all
}

func number(t *testing.T, variable string, otherwise float64) float64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err, "%s: write a number", variable)
	require.GreaterOrEqual(t, n, 0.0, "%s: write a number that is not below 0", variable)
	return n
}
