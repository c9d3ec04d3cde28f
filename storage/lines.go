package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/lib/pq"
)

// lines connects to PostgreSQL, and knows what its connections run over, so that one can be cut: a transaction does not end by itself
// when its context does (see begin), and behind a network that has fallen silent its BEGIN or COMMIT would wait for ever. It satisfies
// [driver.Connector].
type lines struct {
	source string

	mu   sync.Mutex
	open map[driver.Conn]net.Conn
}

// cutAfter is how long a transaction whose context has ended has to come to its own end.
const cutAfter = 2 * time.Second

// Connect opens a connection.
func (l *lines) Connect(ctx context.Context) (driver.Conn, error) {
	connector, err := pq.NewConnector(l.source)
	if err != nil {
		return nil, err
	}
	var line lineDialer
	connector.Dialer(&line)
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for other, over := range l.open {
		if errors.Is(over.SetDeadline(time.Time{}), net.ErrClosed) { // nobody else sets one
			delete(l.open, other)
		}
	}
	if l.open == nil {
		l.open = map[driver.Conn]net.Conn{}
	}
	l.open[conn] = line.first()
	return conn, nil
}

// Driver is lib/pq's.
func (l *lines) Driver() driver.Driver { return pq.Driver{} }

// watch sees to it that a connection is cut when ctx has ended and its user has not let go of it within cutAfter. Whoever is about to give
// it back calls letGo first.
func (l *lines) watch(ctx context.Context, conn driver.Conn) (letGo func()) {
	l.mu.Lock()
	line := l.open[conn]
	l.mu.Unlock()
	if line == nil {
		return func() {}
	}
	gone := make(chan struct{})
	var mu sync.Mutex // what is given back is not cut any more
	unwatch := context.AfterFunc(ctx, func() {
		late := time.NewTimer(cutAfter)
		defer late.Stop()
		select {
		case <-gone:
			return
		case <-late.C:
		}
		mu.Lock()
		defer mu.Unlock()
		select {
		case <-gone:
		default:
			_ = line.Close() // whoever reads or writes hears of it
		}
	})
	return func() {
		unwatch()
		mu.Lock()
		defer mu.Unlock()
		close(gone)
	}
}

// A lineDialer dials for one connection, and remembers what it got first: later ones are to ask the server to stop a statement.
type lineDialer struct {
	mu   sync.Mutex
	line net.Conn
}

func (d *lineDialer) first() net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.line
}

// DialContext satisfies [pq.DialerContext].
func (d *lineDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	line, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.line == nil || errors.Is(d.line.SetDeadline(time.Time{}), net.ErrClosed) { // of several hosts the one that answered
			d.line = line
		}
	}
	return line, err
}

// Dial satisfies [pq.Dialer], as DialTimeout does.
func (d *lineDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout is Dial that gives up.
func (d *lineDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}
