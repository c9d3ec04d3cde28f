package httpapi

import (
	"net/http"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Graph answers requests in the shape of Microsoft Graph. It may be called from many goroutines.
type Graph interface {
	// ServeAs answers for somebody who may be here; the path begins with /v1.0/. What of it they may see and do it asks itself.
	ServeAs(w http.ResponseWriter, r *http.Request, by lifecycle.Caller)

	// Refuse answers a request that comes no further, in Graph's form. Headers are set already.
	Refuse(w http.ResponseWriter, r *http.Request, status int, message string)
}

const graphPrefix = "/v1.0/"

// graphNames are the other ways in which Graph's clients write that: many ask for the beta version of everything. What they get
// links to /v1.0/.
var graphNames = []string{"/v1.0", "/beta", "/beta/"}

// graphPath makes a request for one of those names one under /v1.0/.
func (s *Server) graphPath(r *http.Request) *http.Request {
	if s.graph == nil || strings.HasPrefix(r.URL.Path, graphPrefix) {
		return r
	}
	for _, name := range graphNames {
		if r.URL.Path == name || strings.HasSuffix(name, "/") && strings.HasPrefix(r.URL.Path, name) {
			renamed := *r.URL
			rename := func(path string) string {
				if path == "" {
					return ""
				}
				return graphPrefix + strings.TrimPrefix(path[len(name):], "/")
			}
			renamed.Path, renamed.RawPath = rename(r.URL.Path), rename(r.URL.RawPath)
			same := *r
			same.URL = &renamed
			return &same
		}
	}
	return r
}

// graphMethods are those that metrics tell apart; what callers make up must not become series.
var graphMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete}

// isGraph says whether the request is for what is mounted under /v1.0/.
func (s *Server) isGraph(r *http.Request) bool {
	return s.graph != nil && strings.HasPrefix(r.URL.Path, graphPrefix)
}

// graphRoute is the pattern of all that is asked there with a method.
func graphRoute(method string) string {
	for _, known := range graphMethods {
		if method == known {
			return known + " " + graphPrefix + "*"
		}
	}
	return "OTHER " + graphPrefix + "*"
}

// addGraph opens those routes to whoever has a role. What is refused there the Graph records; before it comes there, we do.
func (s *Server) addGraph() {
	for _, method := range append([]string{"OTHER"}, graphMethods...) {
		s.needs[graphRoute(method)] = party
		if method != http.MethodGet && method != http.MethodHead {
			s.actions[graphRoute(method)] = "request"
		}
	}
}
