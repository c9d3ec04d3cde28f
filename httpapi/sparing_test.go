package httpapi

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCostlyAnswerIsKeptForTwentyTimesAsLongAsItTook(t *testing.T) {
	var now time.Duration // that goes by
	s := sparing[int]{watch: func() func() time.Duration {
		began := now
		return func() time.Duration { return now - began }
	}}
	asked := 0
	read := func() (int, error) {
		asked++
		now += time.Second
		if asked == 2 {
			return 0, errors.New("gone")
		}
		return asked, nil
	}
	for _, step := range []struct {
		later time.Duration
		want  int
	}{{0, 1}, {19 * time.Second, 1}, {999 * time.Millisecond, 1}} {
		now += step.later
		got, err := s.get(read)
		require.NoError(t, err)
		require.Equal(t, step.want, got)
	}
	now += time.Millisecond
	_, err := s.get(read)
	require.EqualError(t, err, "gone")
	got, err := s.get(read)
	require.NoError(t, err)
	require.Equal(t, 3, got, "a failure is not kept, and no more is what is too old")
}

func TestStopwatchRuns(t *testing.T) {
	elapsed := stopwatch()
	first := elapsed()
	require.GreaterOrEqual(t, elapsed(), first)
}
