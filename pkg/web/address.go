package web

import (
	"net/netip"
	"strings"
)

// Proxies are the addresses of the proxies before the service that can be believed.
type Proxies []netip.Prefix

// ParseProxy reads an address or a block of addresses in CIDR notation.
func ParseProxy(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// Client is the address that a request comes from: its peer's, and where that is a proxy to be believed, the last in
// X-Forwarded-For that is none. What stands before it anybody can have written. The values of the header are given
// in their order. Forwarded (RFC 7239) is not read: a proxy that writes one of the two leaves the other to the client.
func (p Proxies) Client(peer netip.Addr, forwardedFor []string) netip.Addr {
	client := peer.Unmap()
	for i := len(forwardedFor) - 1; i >= 0; i-- {
		hops := strings.Split(forwardedFor[i], ",")
		for j := len(hops) - 1; j >= 0; j-- {
			if !p.trust(client) {
				return client
			}
			hop, ok := parseHop(strings.TrimSpace(hops[j]))
			if !ok {
				return client // the last one that is known
			}
			client = hop
		}
	}
	return client
}

func (p Proxies) trust(a netip.Addr) bool {
	for _, block := range p {
		if block.Contains(a) {
			return true
		}
	}
	return false
}

// parseHop reads an address, with or without a port.
func parseHop(text string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddrPort(text)
	return a.Addr().Unmap().WithZone(""), err == nil
}

// Household is what limits by address count as one: an IPv4 address, and of IPv6 the /64 that one subscriber has at least.
func Household(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return netip.PrefixFrom(a, 32)
	}
	p, _ := a.Prefix(64) // fails for the zero Addr only, which is a household, too
	return p
}
