package notify

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// A guard keeps a channel from knocking on doors within the house: whoever may write an address must not thereby reach what
// only this machine can reach. It looks at each address when it is dialled, after its name was resolved, so that a name that
// resolves to something else the second time gains nothing.
type guard struct {
	private bool   // addresses of private networks and of this machine are allowed
	unless  string // what to do so that they are
}

// control is for [net.Dialer].
func (g guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("it resolves to what is no IP address: %w", err)
	}
	return g.check(to.Addr())
}

// check says why an address must not be dialled.
func (g guard) check(ip netip.Addr) error {
	ip = inner(ip)
	switch {
	case isAmong(ip, nobodys) || ip.Is6() && !globalUnicast.Contains(ip) && !isAmong(ip, privates):
		return fmt.Errorf("%s is no address that anybody can be told at", ip)
	case !g.private && isAmong(ip, privates):
		return fmt.Errorf("%s is a private address, and those are refused; if it is meant, %s", ip, cmp.Or(g.unless, "add the option private=true"))
	}
	return nil
}

// inner is the address that is meant by one that carries another one within.
func inner(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if b := ip.As16(); nat64.Contains(ip) {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

func isAmong(ip netip.Addr, prefixes []netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Source: the IANA special-purpose address registries.
var (
	globalUnicast = netip.MustParsePrefix("2000::/3") // all of IPv6 that has been given out
	nat64         = netip.MustParsePrefix("64:ff9b::/96")

	// privates lead to this machine or into a private network, where somebody may mean to be told.
	privates = prefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7")

	// nobodys are not where anybody listens for a notice. Beside test and reserved networks those are the link-local ones, at
	// which clouds hand out the machine's own credentials, Amazon's address for the same in IPv6, and Azure's for its platform.
	nobodys = prefixes("0.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "fd00:ec2::254/128", "fe80::/10", "2001::/23",
		"2001:db8::/32", "2002::/16", "3fff::/20")
)

func prefixes(written ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, w := range written {
		ps = append(ps, netip.MustParsePrefix(w))
	}
	return ps
}
