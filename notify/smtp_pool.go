package notify

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	mostOnConnection = 1000             // letters; some servers close a connection that goes on and on
	longestIdle      = 30 * time.Second // of a connection: less than any server waits
	longestRest      = 5 * time.Minute
	shortestRest     = 5 * time.Second
)

// A mailServer is one server of a channel, with its open connections.
type mailServer struct {
	*mailAccess
	host    string        // to which its certificate must belong
	address string        // with the port
	slots   chan struct{} // one for each connection there may be
	idleFor time.Duration

	mu       sync.Mutex
	idle     []*session // the latest used last
	closed   bool
	failures int // in a row
	rests    time.Time
}

func newMailServer(address string, access *mailAccess, connections int) *mailServer {
	host, _, _ := net.SplitHostPort(address)
	return &mailServer{mailAccess: access, host: host, address: address, slots: make(chan struct{}, max(1, connections)), idleFor: longestIdle}
}

// restsUntil is when the server should be tried again; the zero time: it can be used.
func (m *mailServer) restsUntil(now time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rests.After(now) {
		return m.rests
	}
	return time.Time{}
}

// fares notes how a letter fared. A server that did not answer about the letter rests, for longer each time; letters that were on
// their way to it all the while count as one failure.
func (m *mailServer) fares(f *misstep) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f == nil || f.aboutLetter() {
		m.failures, m.rests = 0, time.Time{}
		return
	}
	now := m.wall()
	if m.rests.After(now) {
		return
	}
	m.rests = now.Add(min(longestRest, shortestRest<<min(m.failures, 10)))
	m.failures++
}

// hand gives a letter to the server, on a connection that is open already if there is one. Where such a connection turns out to be
// of no more use before the server has said anything about the letter, a new one is tried.
func (m *mailServer) hand(ctx context.Context, from, to string, message []byte) *misstep {
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return &misstep{step: stepOpen, text: "wait for a connection: " + ctx.Err().Error()}
	}
	defer func() { <-m.slots }()

	s, f := m.take(ctx)
	if f != nil {
		return f
	}
	reused := s.letters > 0
	f = m.handOn(ctx, s, from, to, message)
	if f == nil || !reused || f.step != stepMail || f.code == 552 || ctx.Err() != nil {
		return f
	}
	m.dropIdle() // whatever has befallen this one has befallen them
	if s, f = m.open(ctx); f != nil {
		return f
	}
	return m.handOn(ctx, s, from, to, message)
}

// handOn gives a letter to the server on this connection, and keeps the connection if it is still good.
func (m *mailServer) handOn(ctx context.Context, s *session, from, to string, message []byte) *misstep {
	stop := s.begin(ctx)
	f := s.hand(from, to, message)
	switch {
	case !stop(), s.broken: // the first: its deadline is over, or will be any moment
		s.drop()
	case s.letters >= mostOnConnection:
		s.quit()
	default:
		m.put(s)
	}
	return f
}

// take is the connection that was used last, or a new one.
func (m *mailServer) take(ctx context.Context) (*session, *misstep) {
	m.mu.Lock()
	if n := len(m.idle); n > 0 {
		s := m.idle[n-1]
		m.idle = m.idle[:n-1]
		m.mu.Unlock()
		s.expiry.Stop()
		return s, nil
	}
	closed := m.closed
	m.mu.Unlock()
	if closed {
		return nil, &misstep{step: stepOpen, text: "the channel is closed"}
	}
	return m.open(ctx)
}

func (m *mailServer) put(s *session) {
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.idle = append(m.idle, s)
		if s.expiry == nil {
			s.expiry = time.AfterFunc(m.idleFor, func() { m.expire(s) })
		} else {
			s.expiry.Reset(m.idleFor)
		}
	}
	m.mu.Unlock()
	if closed {
		s.quit()
	}
}

// expire ends a connection that has been idle for long. One that was taken at the same moment stays.
func (m *mailServer) expire(s *session) {
	m.mu.Lock()
	i := slices.Index(m.idle, s)
	if i >= 0 {
		m.idle = slices.Delete(m.idle, i, i+1)
	}
	m.mu.Unlock()
	if i >= 0 {
		s.quit()
	}
}

// dropIdle ends the connections that nobody uses.
func (m *mailServer) dropIdle() {
	m.mu.Lock()
	idle := m.idle
	m.idle = nil
	m.mu.Unlock()
	for _, s := range idle {
		s.expiry.Stop()
		s.quit()
	}
}

func (m *mailServer) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.dropIdle()
}
