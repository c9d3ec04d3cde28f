package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	consolePrefix = "/console/"
	livePrefix    = consolePrefix + "live/"      // pages that are told of changes for as long as somebody looks at them
	downloads     = consolePrefix + "downloads/" // files, which take as long as they are read
)

// consoleStreams are what may take longer than other answers.
var consoleStreams = []string{livePrefix, downloads}

// isConsole says whether the request is for what people look at.
func (s *Server) isConsole(r *http.Request) bool {
	return s.console != nil && (r.URL.Path == "/" || r.URL.Path+"/" == consolePrefix || strings.HasPrefix(r.URL.Path, consolePrefix) || s.isLost(r))
}

// isLost says whether somebody at a browser asks for a page that there is not: the console tells them, and shows a way back.
func (s *Server) isLost(r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/html") || s.isGraph(r) {
		return false
	}
	_, pattern := s.mux.Handler(r)
	return pattern == ""
}

// consoleAt is where people find the console on the machine itself, or wherever callers reach the server.
func (s *Server) consoleAt(listening net.Addr) string {
	if s.publicURL != "" {
		return s.publicURL + "/"
	}
	host, port, err := net.SplitHostPort(listening.String())
	if a, bad := netip.ParseAddr(host); err != nil || bad == nil && a.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// consoleRoute is the pattern of a request to the console: what callers make up must not become series.
func consoleRoute(r *http.Request) string {
	for _, prefix := range consoleStreams {
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, prefix) {
			return "GET " + prefix + "*"
		}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return r.Method + " " + consolePrefix + "*"
	}
	return "OTHER " + consolePrefix + "*"
}

// addConsole opens the routes of the console to everybody: it asks for itself who they are, through Enter.
func (s *Server) addConsole(build func(*Server) (http.Handler, error)) (err error) {
	if build == nil {
		return nil
	}
	if s.console, err = build(s); err != nil {
		return err
	}
	for _, method := range []string{"OTHER", http.MethodGet, http.MethodHead, http.MethodPost} {
		s.needs[method+" "+consolePrefix+"*"] = open
	}
	for _, prefix := range consoleStreams {
		route := "GET " + prefix + "*"
		s.needs[route], s.streams[route] = open, true
	}
	return nil
}

// Stopping is closed when the server is about to stop, so that nobody watches it do so.
func (s *Server) Stopping() <-chan struct{} { return s.stopping }

// Ask answers a request to the API as it would be answered to whoever has signed in; it stands for one of theirs to the console,
// and counts as one.
func (s *Server) Ask(w http.ResponseWriter, r *http.Request, as lifecycle.Session) {
	r = s.graphPath(r)
	s.serve(&answer{ResponseWriter: w, request: r, as: operator(as.Caller.Name, sessionKey(&as), as.Scopes)}, r)
}
