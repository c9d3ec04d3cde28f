package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
)

// ErrNeedsToken is why a server does not start on an address that others can reach while there is no token.
var ErrNeedsToken = errors.New("an address that is not loopback needs a token")

// Listen takes a TCP address, or says why it may not: [ErrNeedsToken], or it is taken. Nothing is answered before
// [Server.Serve].
func (s *Server) Listen(ctx context.Context, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listening on %s: %w; if that is another tenure, stop it first, or name another address with --listen", addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	if err := s.mayListen(ctx, ln.Addr()); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// ListenAndServe listens on a TCP address and serves until ctx ends; see [Server.Serve].
func (s *Server) ListenAndServe(ctx context.Context, addr string) error {
	ln, err := s.Listen(ctx, addr)
	if err != nil {
		return err
	}
	return s.Serve(ctx, ln)
}

// Serve answers requests until ctx ends, then lets those that are under way finish, for 15 s at most. It closes the
// listener. It refuses an address that is not loopback while there is no token: [ErrNeedsToken].
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if err := s.mayListen(ctx, ln.Addr()); err != nil {
		_ = ln.Close()
		return err
	}
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.limits.headerRead, ReadTimeout: s.limits.read,
		WriteTimeout: s.limits.write, IdleTimeout: s.limits.idle, MaxHeaderBytes: s.limits.headersHard,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is refused like every unknown path
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(s.stopping) }))
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	if s.console == nil {
		s.log.Info("listening", "address", ln.Addr().String())
	} else {
		s.log.Info("listening", "address", ln.Addr().String(), "console", s.consoleAt(ln.Addr()))
	}
	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.shutdown)
	defer cancel()
	err := server.Shutdown(patience)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were still under way after %v: %w", s.limits.shutdown, err), server.Close())
	}
	if closed := <-served; !errors.Is(closed, http.ErrServerClosed) {
		err = errors.Join(err, closed)
	}
	return err
}

// mayListen says why the server must not listen on addr, which is the address as the system resolved it: an empty host, a
// name, 0.0.0.0 and :: are told by what they turned into.
func (s *Server) mayListen(ctx context.Context, addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.AddrPort().Addr().Unmap().IsLoopback() {
		return nil
	}
	tokens, err := s.store.AnyTokens(ctx)
	if err != nil {
		return fmt.Errorf("finding out whether there is a token, before listening on %s: %w", addr, err)
	}
	if tokens {
		return nil
	}
	local := "127.0.0.1:8080"
	if ok {
		local = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), tcp.AddrPort().Port()).String()
	}
	return fmt.Errorf("not listening on %s, where everybody who reaches it could start sweeps: %w; make one with `tenure token create NAME`, or listen on %s",
		addr, ErrNeedsToken, local)
}
