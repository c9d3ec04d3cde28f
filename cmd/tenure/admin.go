package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// watchSettings say who may look into a running process, and from where. Both listeners are off as long as nobody asks for them.
type watchSettings struct {
	MetricsAddress string `env:"TENURE_METRICS_ADDRESS" placeholder:"ADDRESS" help:"Address on which this process shows its metrics, without a token, such as 127.0.0.1:9464 (default: none; serve and api show them at /metrics too)."`
	AdminAddress   string `env:"TENURE_ADMIN_ADDRESS" placeholder:"ADDRESS" help:"Address of Go's profiler, such as 127.0.0.1:6060 (default: none)."`
	AdminAnywhere  bool   `env:"TENURE_ADMIN_ANYWHERE" help:"Let --admin-address be one that other machines reach. Whoever reaches it sees what the process has in memory, and can slow it down."`
	tracingSettings
}

// faults finds everything that is wrong with the settings.
func (s *watchSettings) faults() (faults []error) {
	if s.MetricsAddress != "" {
		if _, _, err := net.SplitHostPort(s.MetricsAddress); err != nil {
			faults = append(faults, usageError("--metrics-address %q is no address; write it like 127.0.0.1:9464", s.MetricsAddress))
		}
	}
	if s.AdminAddress != "" {
		if _, _, err := net.SplitHostPort(s.AdminAddress); err != nil {
			faults = append(faults, usageError("--admin-address %q is no address; write it like 127.0.0.1:6060", s.AdminAddress))
		}
	}
	if s.AdminAnywhere && s.AdminAddress == "" {
		faults = append(faults, usageError("--admin-anywhere says something of --admin-address, which is missing"))
	}
	return append(faults, s.tracingSettings.faults()...)
}

// A sideDoor is a listener beside the HTTP interface, for those who run the process.
type sideDoor struct {
	name     string
	listener net.Listener
	handler  http.Handler
	answer   time.Duration // may take so long; 0: as long as it likes
}

// openSideDoors takes the addresses, so that one that cannot be had is known before anything is begun.
func (a *app) openSideDoors(s *watchSettings, registry *prometheus.Registry) (doors []*sideDoor, err error) {
	if s.MetricsAddress != "" {
		door, err := listenAt(a.ctx, "metrics", s.MetricsAddress)
		if err != nil {
			return nil, err
		}
		const answer = 30 * time.Second
		door.handler, door.answer = metricsOnly(registry), answer
		doors = append(doors, door)
	}
	if s.AdminAddress == "" {
		return doors, nil
	}
	door, err := listenAt(a.ctx, "admin", s.AdminAddress)
	if err == nil && !s.AdminAnywhere && !reachedFromHereOnly(door.listener.Addr()) {
		err = errors.Join(usageError("--admin-address %s is one that other machines reach, and whoever does sees what this process has in memory; "+
			"listen on 127.0.0.1, or say --admin-anywhere", door.listener.Addr()), door.listener.Close())
	}
	if err != nil {
		for _, open := range doors {
			err = errors.Join(err, open.listener.Close())
		}
		return nil, err
	}
	door.handler = profilesOnly()
	return append(doors, door), nil
}

func listenAt(ctx context.Context, name, address string) (*sideDoor, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for --%s-address on %s: %w", name, address, err)
	}
	return &sideDoor{name: name, listener: listener}, nil
}

// reachedFromHereOnly goes by the address as the system resolved it.
func reachedFromHereOnly(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.AddrPort().Addr().Unmap().IsLoopback()
}

// metricsOnly shows the metrics of this process, and nothing else.
func metricsOnly(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true}))
	return mux
}

// profilesOnly is Go's profiler, and nothing else. The command line is left out: it may hold an address with a password.
func profilesOnly() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	return mux
}

// serve answers until ctx ends. It waits for nobody: who looks at a process that ends has seen enough.
func (d *sideDoor) serve(ctx context.Context) error {
	const headers, idle = 5 * time.Second, 2 * time.Minute
	server := &http.Server{Handler: d.handler, ReadHeaderTimeout: headers, ReadTimeout: headers, WriteTimeout: d.answer, IdleTimeout: idle}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on --%s-address: %w", d.name, err)
	}
	return nil
}
