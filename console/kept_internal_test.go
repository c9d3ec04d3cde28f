package console

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// closing is a door of which only the end matters.
type closing struct {
	Door
	stopping context.Context
}

func (c closing) Stopping() <-chan struct{} { return c.stopping.Done() }

// looker is somebody who looks, at an instant of both clocks.
func looker(t *testing.T, stopping context.Context, now time.Time) *visit {
	t.Helper()
	at := func() time.Time { return now }
	c := &Console{Options: Options{Door: closing{stopping: stopping}, Now: at, Wall: at, Logger: slog.New(slog.DiscardHandler), Policy: lifecycle.DefaultPolicy()}}
	return &visit{console: c, Request: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), Now: now, Wall: now}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestManyWhoLookHaveItFoundOutOnce(t *testing.T) {
	var k kept[int]
	var times atomic.Int64
	let := make(chan struct{})
	count := func(context.Context) (int, error) { times.Add(1); <-let; return 7, nil }
	v := looker(t, t.Context(), noon)
	for range 5 {
		got := k.look(v, "a number", time.Minute, count)
		require.True(t, got.Working)
		require.False(t, got.Known, "nobody waits for it")
	}
	close(let)
	require.Eventually(t, func() bool { return k.look(v, "a number", time.Minute, count).Known }, 10*time.Second, time.Millisecond)
	got := k.look(v, "a number", time.Minute, count)
	require.Equal(t, counted[int]{Value: 7, Known: true, At: noon, Wall: noon}, got)
	require.EqualValues(t, 1, times.Load())
}

func TestWhatIsKeptIsFoundOutAnewByEitherClock(t *testing.T) {
	var k kept[int]
	n := 0
	count := func(context.Context) (int, error) { n++; return n, nil }
	look := func(now, wall time.Time) int {
		v := looker(t, t.Context(), now)
		v.Wall = wall
		v.console.Wall = func() time.Time { return wall }
		var got counted[int]
		require.Eventually(t, func() bool { got = k.look(v, "a number", time.Minute, count); return !got.Working }, 10*time.Second, time.Millisecond)
		return got.Value
	}
	require.Equal(t, 1, look(noon, noon))
	require.Equal(t, 1, look(noon, noon.Add(59*time.Second)))
	require.Equal(t, 2, look(noon, noon.Add(time.Minute)), "a test clock may stand still")
	require.Equal(t, 3, look(noon.AddDate(0, 1, 0), noon.Add(time.Minute)), "or leap")
	k.forget()
	require.Equal(t, 4, look(noon.AddDate(0, 1, 0), noon.Add(time.Minute)))
}

func TestAFailureIsToldAndTriedAgainShortly(t *testing.T) {
	var k kept[int]
	fault := errors.New("the database is away")
	count := func(context.Context) (int, error) { return 5, fault }
	look := func(wall time.Time) (got counted[int]) {
		v := looker(t, t.Context(), wall)
		require.Eventually(t, func() bool { got = k.look(v, "a number", time.Hour, count); return !got.Working }, 10*time.Second, time.Millisecond)
		return got
	}
	got := look(noon)
	require.True(t, got.Failed)
	require.False(t, got.Known)
	fault = nil
	require.True(t, look(noon.Add(keptRetry-1)).Failed)
	got = look(noon.Add(keptRetry))
	require.Equal(t, 5, got.Value)
	require.False(t, got.Failed)
}

func TestNothingIsFoundOutForAServerThatStops(t *testing.T) {
	var k kept[int]
	stopping, stop := context.WithCancel(t.Context())
	v := looker(t, stopping, noon)
	k.look(v, "a number", time.Minute, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
	stop()
	require.Eventually(t, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.working == nil
	}, 10*time.Second, time.Millisecond)
}
