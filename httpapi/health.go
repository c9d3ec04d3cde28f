package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/singleflight"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Check asks a dependency whether it is there.
type Check struct {
	Name  string                          // such as database or redis
	Probe func(ctx context.Context) error // must return when ctx ends
}

// Alive is the answer of a process that can answer.
type Alive struct {
	Status     string `json:"status" enum:"alive"`
	Quarantine string `json:"quarantine,omitempty" doc:"Why everything was on hold when somebody last asked /readyz; missing where it was not"`
}

// Ready is the answer when every dependency is there.
type Ready struct {
	Status       string       `json:"status" enum:"ready"`
	Dependencies []Dependency `json:"dependencies" nullable:"false"`
	Quarantine   string       `json:"quarantine,omitempty" doc:"Why everything is on hold; missing where it is not. The server is ready all the same"`
}

// A Dependency is what tenure needs of others, and whether it is there.
type Dependency struct {
	Name   string `json:"name" example:"database"`
	State  string `json:"state" enum:"up,down"`
	Reason string `json:"reason,omitempty" doc:"In a few words; the whole error is in the log"`
}

// NotReady is the problem that a dependency is missing.
type NotReady struct {
	Problem
	Dependencies []Dependency `json:"dependencies" nullable:"false"`
}

const (
	stateUp   = "up"
	stateDown = "down"
	healthTag = "Health"
)

type aliveOutput struct{ Body Alive }
type readyOutput struct{ Body Ready }

// addHealth adds what orchestrators ask for. It stays open even where nothing else is: to withdraw the last token is no
// reason to have the process restarted.
func (s *Server) addHealth() {
	register(s, open, huma.Operation{
		OperationID: "getHealth", Method: http.MethodGet, Path: "/healthz", SkipValidateParams: true, Tags: []string{healthTag},
		Summary: "Say that the process is alive",
	}, func(context.Context, *struct{}) (*aliveOutput, error) {
		alive := Alive{Status: "alive"}
		if cause := s.stillLast.Load(); cause != nil {
			alive.Quarantine = *cause
		}
		return &aliveOutput{alive}, nil
	})
	missing := s.answers(notReady)
	missing["503"].Content[problemContent].Schema = schemaOf[NotReady](s)
	register(s, open, huma.Operation{
		OperationID: "getReadiness", Method: http.MethodGet, Path: "/readyz", SkipValidateParams: true, Tags: []string{healthTag},
		Summary:   "Say whether every dependency is there, and which one is missing",
		Responses: missing,
	}, s.getReadiness)
}

func (s *Server) getReadiness(ctx context.Context, _ *struct{}) (*readyOutput, error) {
	dependencies := s.readiness.ask(ctx, s.limits.probe)
	var missing []string
	for _, d := range dependencies {
		if d.State == stateDown {
			missing = append(missing, d.Name+": "+d.Reason)
		}
	}
	if len(missing) > 0 {
		return nil, &NotReady{*notReady.problem("%s", strings.Join(missing, "; ")), dependencies}
	}
	return &readyOutput{Ready{"ready", dependencies, s.quarantineNow(ctx)}}, nil
}

// quarantineNow is why everything is on hold, in one word, since the routes that say it are open; empty where it is not, or nobody
// can tell. What it found is remembered for those who must not wait for the database.
func (s *Server) quarantineNow(ctx context.Context) string {
	cause, err := s.still.get(func() (string, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.probe)
		defer cancel()
		hold, still, err := s.store.Standstill(ctx)
		switch {
		case err != nil || !still:
			return "", err
		case hold.Cause == "":
			return string(lifecycle.ByOperator), nil
		}
		return string(hold.Cause), nil
	})
	if err != nil {
		return ""
	}
	s.stillLast.Store(&cause)
	return cause
}

// readiness asks the dependencies, once for everybody who wants to know at the same time: the route is open, and must not
// be a way to keep them busy.
type readiness struct {
	checks []Check
	log    *slog.Logger
	asking singleflight.Group

	mu   sync.Mutex
	down map[string]bool
}

// ask probes all of them at once and waits for the answers, in the order of the checks.
func (r *readiness) ask(ctx context.Context, patience time.Duration) []Dependency {
	found, _, _ := r.asking.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience) // others wait for it too
		defer cancel()
		dependencies := make([]Dependency, len(r.checks))
		var probes sync.WaitGroup
		for i, c := range r.checks {
			probes.Go(func() {
				err := c.Probe(ctx)
				r.remember(c.Name, err)
				dependencies[i] = Dependency{Name: c.Name, State: stateUp}
				if err != nil {
					dependencies[i].State, dependencies[i].Reason = stateDown, reasonOf(err, patience)
				}
			})
		}
		probes.Wait()
		return dependencies, nil
	})
	return found.([]Dependency)
}

// remember logs when a dependency goes and when it comes back, not each time that it is asked.
func (r *readiness) remember(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down[name] == (err != nil) {
		return
	}
	if r.down == nil {
		r.down = map[string]bool{}
	}
	r.down[name] = err != nil
	if err != nil {
		r.log.Warn("dependency is down", "dependency", name, "error", redact(err.Error()))
		return
	}
	r.log.Info("dependency is up again", "dependency", name)
}

// reasonOf says in words of ours what is wrong. The error's own words may hold addresses and passwords, and /readyz is open.
func reasonOf(err error, patience time.Duration) string {
	var lookup *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", seconds(patience))
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &lookup):
		return "name not found"
	}
	return "see the log"
}
