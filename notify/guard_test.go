package notify

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyPublicAddressesAreDialled(t *testing.T) {
	const refused, never, fine = "is a private address", "is no address that anybody can be told at", ""
	for address, want := range map[string]string{
		"8.8.8.8": fine, "93.184.216.34": fine, "100.63.255.255": fine, "100.128.0.0": fine, "172.15.255.255": fine, "172.32.0.0": fine,
		"2606:4700:4700::1111": fine, "2a00:1450:4001::1": fine, "::ffff:8.8.8.8": fine, "64:ff9b::808:808": fine,

		"127.0.0.1": refused, "127.255.255.254": refused, "10.0.0.1": refused, "172.16.0.1": refused, "172.31.255.255": refused,
		"192.168.0.1": refused, "100.64.0.1": refused, "100.127.255.255": refused, "::1": refused, "fc00::1": refused, "fdff::1": refused,
		"::ffff:127.0.0.1": refused, "::ffff:10.0.0.1": refused, "64:ff9b::7f00:1": refused, "64:ff9b::a00:1": refused,

		"0.0.0.0": never, "0.1.2.3": never, "169.254.169.254": never, "192.0.0.1": never, "192.0.2.1": never, "198.18.0.1": never,
		"198.51.100.1": never, "203.0.113.1": never, "224.0.0.1": never, "239.255.255.255": never, "240.0.0.1": never, "255.255.255.255": never,
		"::": never, "::ffff:169.254.169.254": never, "::7f00:1": never, "64:ff9b::a9fe:a9fe": never, "64:ff9b:1::1": never, "100::1": never,
		"2001::1": never, "2001:db8::1": never, "2002:7f00:1::1": never, "3fff::1": never, "fd00:ec2::254": never, "fe80::1": never,
		"fe80::1%eth0": never, "fec0::1": never, "ff02::1": never,
	} {
		ip := netip.MustParseAddr(address)
		requireVerdict(t, want, guard{}.check(ip), address)
		if want == refused {
			want = fine
		}
		requireVerdict(t, want, guard{private: true}.check(ip), address)
	}
	require.ErrorContains(t, guard{}.control(t.Context(), "tcp", "no address", nil), "resolves to what is no IP address")
	require.ErrorContains(t, guard{}.control(t.Context(), "tcp", "[fe80::1%eth0]:443", nil), "is no address")
	require.NoError(t, guard{}.control(t.Context(), "tcp", "8.8.8.8:443", nil))
}

func requireVerdict(t *testing.T, want string, err error, address string) {
	t.Helper()
	if want == "" {
		require.NoError(t, err, address)
		return
	}
	require.ErrorContains(t, err, want, address)
}
