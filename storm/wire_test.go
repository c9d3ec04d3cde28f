//go:build unix

package storm

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A wire is the network between tenure and one of the servers that it stands on. All processes go through it, and it can be
// cut, slowed down and silenced.
type wire struct {
	listener net.Listener
	server   string // host:port

	mu       sync.Mutex
	calls    map[*call]struct{}
	down     bool          // nobody gets through
	delay    time.Duration // of each piece, in either direction
	loud     chan struct{} // closed, unless the wire is silent: then pieces wait for its being closed
	listened sync.WaitGroup
}

// A call is one connection through the wire.
type call struct {
	near, far net.Conn
	over      chan struct{} // closed at its end
	once      sync.Once
}

func (c *call) end() {
	c.once.Do(func() {
		close(c.over)
		_ = c.near.Close()
		_ = c.far.Close()
	})
}

// newWire listens on this machine and passes everything on to the server, until the test ends.
func newWire(t *testing.T, server string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: listener, server: server, calls: map[*call]struct{}{}, loud: make(chan struct{})}
	close(w.loud)
	w.listened.Go(w.listen)
	t.Cleanup(func() {
		_ = listener.Close()
		w.heal()
		w.cut(false)
		w.listened.Wait()
	})
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

func (w *wire) listen() {
	for {
		near, err := w.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		w.listened.Go(func() { w.connect(near) })
	}
}

func (w *wire) connect(near net.Conn) {
	far, err := net.DialTimeout("tcp", w.server, 5*time.Second)
	if err != nil {
		hangUp(near, true)
		return
	}
	c := &call{near: near, far: far, over: make(chan struct{})}
	w.mu.Lock()
	down := w.down
	if !down {
		w.calls[c] = struct{}{}
	}
	w.mu.Unlock()
	if down {
		hangUp(near, true)
		_ = far.Close()
		return
	}
	var ways sync.WaitGroup
	ways.Go(func() { w.pass(c, near, far) })
	ways.Go(func() { w.pass(c, far, near) })
	ways.Wait()
	w.mu.Lock()
	delete(w.calls, c)
	w.mu.Unlock()
}

// pass carries pieces one way, each as the wire is at the moment when it comes.
func (w *wire) pass(c *call, from, to net.Conn) {
	defer c.end()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 && !w.hold(c) {
			return
		}
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hold keeps a piece back as long as the wire is slow or silent; false where the connection ends meanwhile.
func (w *wire) hold(c *call) bool {
	w.mu.Lock()
	loud, delay := w.loud, w.delay
	w.mu.Unlock()
	select {
	case <-loud:
	case <-c.over:
		return false
	}
	if delay == 0 {
		return true
	}
	slow := time.NewTimer(delay)
	defer slow.Stop()
	select {
	case <-slow.C:
		return true
	case <-c.over:
		return false
	}
}

// cut ends all connections: with a reset, which loses what is on its way, or as somebody does who hangs up.
func (w *wire) cut(reset bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.calls {
		if reset {
			abort(c.near)
			abort(c.far)
		}
		c.end()
	}
}

// takeDown ends all connections and lets no new one through, until heal.
func (w *wire) takeDown() {
	w.mu.Lock()
	w.down = true
	w.mu.Unlock()
	w.cut(true)
}

// slow delays every piece, until heal.
func (w *wire) slow(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = by
}

// silence keeps every piece back, until heal: connections stay open, and nothing comes.
func (w *wire) silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loud = make(chan struct{})
}

// heal makes the wire a good one again.
func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down, w.delay = false, 0
	select {
	case <-w.loud:
	default:
		close(w.loud)
	}
}

func hangUp(conn net.Conn, reset bool) {
	if reset {
		abort(conn)
	}
	_ = conn.Close()
}

// abort has the closing of a connection send a reset.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}
