package storage

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/testenv"
)

// A mute proxy passes everything on until it falls silent: then connections stand, and nothing comes through.
type mute struct {
	net.Listener
	to string

	mu     sync.Mutex
	silent chan struct{} // closed: it has fallen silent
	conns  []net.Conn
}

func newMute(t *testing.T, to string) *mute {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &mute{Listener: ln, to: to, silent: make(chan struct{})}
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			m.mu.Lock()
			m.conns = append(m.conns, in, out)
			m.mu.Unlock()
			passing.Go(func() { m.pass(in, out) })
			passing.Go(func() { m.pass(out, in) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		m.mu.Lock()
		for _, c := range m.conns {
			_ = c.Close()
		}
		m.mu.Unlock()
		passing.Wait()
	})
	return m
}

func (m *mute) pass(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-m.silent:
			_, _ = io.Copy(io.Discard, from)
			return
		default:
		}
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			_ = to.Close()
			return
		}
	}
}

// TestSilentNetworkHoldsNobodyForEver: neither BEGIN nor COMMIT is stopped by a context, so their line is cut.
func TestSilentNetworkHoldsNobodyForEver(t *testing.T) {
	for _, at := range []string{"BEGIN", "COMMIT"} {
		t.Run(at, func(t *testing.T) {
			u, err := url.Parse(testenv.Postgres(t))
			require.NoError(t, err)
			m := newMute(t, u.Host)
			u.Host = m.Addr().String()
			db := migrated(t, u.String(), Live)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			fall := sync.OnceFunc(func() { close(m.silent) })
			if at == "BEGIN" {
				fall()
			}
			ended := make(chan error, 1)
			go func() {
				ended <- db.once(ctx, func(s session) error {
					_, err := s.exec(ctx, `DELETE FROM sessions`, nil)
					fall()
					return err
				})
			}()
			select {
			case err := <-ended:
				require.Error(t, err)
			case <-time.After(time.Minute):
				t.Fatal("it hangs")
			}
		})
	}
}

// TestCopyOverALineThatIsDeadFails, whether it died before the COPY or in the middle: database/sql would wait for the transaction before it
// closes the connection, and the transaction waits for the COPY.
func TestCopyOverALineThatIsDeadFails(t *testing.T) {
	type person struct {
		Name string `json:"name"`
	}
	for name, lines := range map[string]int{"before": 0, "in the middle": 20_000} {
		t.Run(name, func(t *testing.T) {
			db := migrated(t, testenv.Postgres(t), Live)
			ended := make(chan error, 1)
			go func() {
				ended <- db.once(t.Context(), func(s session) error {
					var own int
					if err := s.get(t.Context(), &own, `SELECT pg_backend_pid()`, nil); err != nil {
						return err
					}
					die := func() error {
						_, err := db.pool.ExecContext(t.Context(), `SELECT pg_terminate_backend($1, 10000)`, own)
						return err
					}
					if lines == 0 {
						if err := die(); err != nil {
							return err
						}
					}
					return fill(t.Context(), s, "sessions", "name", "name", func(yield func(*person) bool) {
						for i := range lines {
							if i == lines/2 && !assert.NoError(t, die()) || !yield(&person{strings.Repeat("a", 100)}) {
								return
							}
						}
						yield(&person{"the last one"})
					})
				})
			}()
			select {
			case err := <-ended:
				require.Error(t, err)
				require.NoError(t, db.pool.PingContext(t.Context()), "whoever comes next gets another line")
			case <-time.After(time.Minute):
				t.Fatal("it hangs")
			}
		})
	}
}
