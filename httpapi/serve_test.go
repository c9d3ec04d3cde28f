package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serve serves on a loopback address until the test, or stop, ends it. stop answers what Serve did.
func (w *world) serve() (address string, stop func() error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w, err)
	return ln.Addr().String(), w.serveOn(ln)
}

// serveOn does the same on a listener of the test.
func (w *world) serveOn(ln net.Listener) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(ctx, ln) }()
	var over bool
	stop = func() error {
		if over {
			return nil
		}
		over = true
		cancel()
		return <-served
	}
	w.Cleanup(func() { _ = stop() })
	w.url = "http://" + ln.Addr().String()
	return stop
}

func TestWithoutATokenOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"} {
		err := bareWorld(t).server.ListenAndServe(t.Context(), address)
		require.ErrorIs(t, err, ErrNeedsToken, address)
		require.ErrorContains(t, err, "make one with `tenure token create NAME`, or listen on 127.0.0.1:")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for _, address := range []string{"127.0.0.1:0", "localhost:0", "127.3.2.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", address)
		if err != nil && address == "[::1]:0" {
			continue // a machine without IPv6
		}
		require.NoError(t, err)
		require.NoError(t, bareWorld(t).server.Serve(ended, ln), address)
	}
}

// fakeListener has an address and nothing else.
type fakeListener struct {
	net.Listener
	address net.Addr
	closed  bool
}

func (l *fakeListener) Addr() net.Addr { return l.address }
func (l *fakeListener) Close() error   { l.closed = true; return nil }

func TestAddressIsJudgedAsItWasResolved(t *testing.T) {
	for _, address := range []net.Addr{&net.TCPAddr{IP: net.IPv4(192, 168, 1, 7), Port: 80}, &net.TCPAddr{Port: 80},
		&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 80}, &net.UnixAddr{Name: "/run/tenure", Net: "unix"}} {
		ln := &fakeListener{address: address}
		require.ErrorIs(t, bareWorld(t).server.Serve(t.Context(), ln), ErrNeedsToken, address)
		require.True(t, ln.closed)
	}
}

func TestWithATokenEveryAddressIsListenedOn(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, newWorld(t).server.Serve(ctx, listen(t, "0.0.0.0:0")))
}

func TestUnknownWhetherThereIsATokenIsNotListenedOn(t *testing.T) {
	w := bareWorld(t)
	w.fake.lockedUp = errors.New("database is gone")
	err := w.server.Serve(t.Context(), listen(t, "0.0.0.0:0"))
	require.ErrorIs(t, err, w.fake.lockedUp)
	require.ErrorContains(t, err, "finding out whether there is a token, before listening on")
}

func listen(t *testing.T, address string) net.Listener {
	ln, err := net.Listen("tcp", address)
	require.NoError(t, err)
	return ln
}

func TestAddressInUseIsAnError(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	defer func() { _ = ln.Close() }()
	require.ErrorContains(t, newWorld(t).server.ListenAndServe(t.Context(), ln.Addr().String()), "listening on "+ln.Addr().String())
}

func TestListenerThatBreaksIsAnError(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	require.NoError(t, ln.Close())
	require.ErrorIs(t, newWorld(t).server.Serve(t.Context(), ln), net.ErrClosed)
}

// tellingListener tells when it is closed, which is how a shutdown begins.
type tellingListener struct {
	net.Listener
	closed chan bool
	once   sync.Once
}

func (l *tellingListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	w := bareWorld(t)
	ln := &tellingListener{Listener: listen(t, "127.0.0.1:0"), closed: make(chan bool)}
	arrived := make(chan bool)
	w.fake.before = func(context.Context) { arrived <- true; <-ln.closed }
	stop := w.serveOn(ln)
	answered := make(chan int, 1)
	go func() {
		r, err := http.Post(w.url+"/v1/sweeps", "", nil)
		if err != nil {
			answered <- 0
			return
		}
		_ = r.Body.Close()
		answered <- r.StatusCode
	}()
	<-arrived
	require.NoError(t, stop())
	require.Equal(t, 202, <-answered)
}

func TestShutdownDoesNotWaitForEver(t *testing.T) {
	w := bareWorld(t)
	w.server.limits.shutdown = time.Millisecond
	arrived := make(chan bool)
	w.fake.before = func(ctx context.Context) { arrived <- true; <-ctx.Done() }
	_, stop := w.serve()
	answered := make(chan error, 1)
	go func() {
		r, err := http.Post(w.url+"/v1/sweeps", "", nil)
		if err == nil {
			_ = r.Body.Close()
		}
		answered <- err
	}()
	<-arrived
	require.ErrorIs(t, stop(), context.DeadlineExceeded)
	require.Error(t, <-answered)
}
