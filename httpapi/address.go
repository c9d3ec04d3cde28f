package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// addressOf is from where the request came, to be kept with what came of it: the peer, or where the peer is a trusted proxy, the
// last hop before those that are trusted. What stands before that hop anybody could have written.
func (s *Server) addressOf(r *http.Request) string {
	from, ok := hop(r.RemoteAddr)
	if !ok {
		return ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, written := range slices.Backward(hops) {
		before, ok := hop(strings.TrimSpace(written))
		if !ok || !s.trusts(from) {
			break
		}
		from = before
	}
	return from.String()
}

func (s *Server) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// hop reads an address with or without a port.
func hop(written string) (netip.Addr, bool) {
	if with, err := netip.ParseAddrPort(written); err == nil {
		return with.Addr().Unmap().WithZone(""), true
	}
	bare, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(written, "["), "]"))
	return bare.Unmap().WithZone(""), err == nil
}
