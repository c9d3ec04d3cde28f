package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func checks(c ...Check) func(*Options) { return func(o *Options) { o.Checks = c } }

func always(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

func TestHealthAsksNobody(t *testing.T) {
	w := newWorld(t, checks(Check{"database", func(context.Context) error { panic("asked") }}))
	w.token, w.fake.lockedUp, w.fake.broken = "", errors.New("gone"), errors.New("gone")
	r := w.do("GET", "/healthz?probe=1", "")
	require.Equal(t, 200, r.status)
	require.JSONEq(t, `{"status":"alive"}`, string(r.body))
}

func TestReadySaysWhatIsThere(t *testing.T) {
	w := newWorld(t, checks(Check{"database", always(nil)}, Check{"redis", always(nil)}))
	w.token = ""
	r := w.do("GET", "/readyz", "")
	require.Equal(t, 200, r.status)
	require.JSONEq(t, `{"status":"ready","dependencies":[{"name":"database","state":"up"},{"name":"redis","state":"up"}]}`, string(r.body))
}

func TestNotReadySaysWhatIsMissingAndNoSecret(t *testing.T) {
	secret := errors.New("dial redis://:hunter2@10.0.0.7:6379: no route")
	for want, err := range map[string]error{
		"see the log":          secret,
		"connection refused":   fmt.Errorf("%w: %w", secret, syscall.ECONNREFUSED),
		"name not found":       fmt.Errorf("%w: %w", secret, &net.DNSError{Name: "hunter2"}),
		"no answer within 2 s": fmt.Errorf("%w: %w", secret, context.DeadlineExceeded),
	} {
		w := newWorld(t, checks(Check{"database", always(nil)}, Check{"redis", always(err)}))
		r := w.do("GET", "/readyz", "")
		require.Equal(t, "redis: "+want, r.problem(notReady).Detail)
		var p NotReady
		r.read(&p)
		require.Equal(t, []Dependency{{"database", "up", ""}, {"redis", "down", want}}, p.Dependencies)
		require.NotContains(t, string(r.body)+w.log.String(), "hunter2@")
		require.NotContains(t, string(r.body), "10.0.0.7")
		require.Contains(t, w.log.String(), `msg="dependency is down" dependency=redis error="dial redis://…@10.0.0.7:6379: no route`)
	}
}

func TestDependencyThatDoesNotAnswerIsDown(t *testing.T) {
	w := newWorld(t, checks(Check{"database", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}))
	w.server.limits.probe = time.Millisecond
	require.Equal(t, "database: no answer within 0.001 s", w.do("GET", "/readyz", "").problem(notReady).Detail)
}

func TestGoingDownIsLoggedOnceAndComingBackToo(t *testing.T) {
	var err error
	w := newWorld(t, checks(Check{"redis", func(context.Context) error { return err }}))
	for _, err = range []error{nil, errors.New("x"), errors.New("x"), errors.New("x"), nil, nil} {
		w.do("GET", "/readyz", "")
	}
	require.Equal(t, 1, strings.Count(w.log.String(), "dependency is down"))
	require.Equal(t, 1, strings.Count(w.log.String(), "dependency is up again"))
}

func TestManyWhoAskAtOnceAskTheDependencyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		r := readiness{checks: []Check{{"database", func(ctx context.Context) error { asked.Add(1); <-ctx.Done(); return nil }}}}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { require.Len(t, r.ask(t.Context(), time.Minute), 1) })
		}
		synctest.Wait() // until all of them wait for the one answer
		all.Wait()
		require.EqualValues(t, 1, asked.Load())
		r.ask(t.Context(), time.Minute)
		require.EqualValues(t, 2, asked.Load(), "an answer is not kept")
	})
}
