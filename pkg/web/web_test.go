package web

import (
	"net/netip"
	"strings"
	"testing"
)

func TestOrigins(t *testing.T) {
	tests := []struct {
		patterns string
		allowed  []string
		refused  []string
	}{
		{"*", []string{"https://evil.example", "null", ""}, nil},
		{"https://example.com", []string{"https://example.com", "HTTPS://Example.COM", "https://example.com:443", ""}, []string{
			"http://example.com", "https://example.com:8443", "https://www.example.com", "https://example.com.evil.example",
			"https://evilexample.com", "null", "https://example.com/", "https://example.com@evil.example", "example.com", "https://",
		}},
		{"https://example.com:443,http://localhost:3000", []string{"https://example.com", "http://localhost:3000"}, []string{
			"http://localhost", "http://localhost:80",
		}},
		{"https://*.example.com", []string{"https://a.example.com", "https://a.b.example.com", "https://A.example.com:443"}, []string{
			"https://example.com", "https://.example.com", "http://a.example.com", "https://a.example.com:8443", "https://aexample.com",
			"https://a.example.com.evil.example", "https://evil.example:1@.example.com", "https://evil.example/.example.com", "null",
		}},
		{"http://*.example.com:8080", []string{"http://a.example.com:8080"}, []string{"http://a.example.com", "http://a.example.com:80"}},
		{"http://[::1]:3000,http://[::1]:80", []string{"http://[::1]:3000", "http://[::1]"}, []string{"http://[::1]:3001"}},
		{"", []string{""}, []string{"https://example.com", "null"}},
	}
	for _, tt := range tests {
		var patterns []string
		for p := range strings.SplitSeq(tt.patterns, ",") {
			if p == "" {
				continue
			}
			p, err := ParseOrigin(p)
			if err != nil {
				t.Fatalf("%s: %v", tt.patterns, err)
			}
			patterns = append(patterns, p)
		}
		o := NewOrigins(patterns)
		for _, origin := range tt.allowed {
			if !o.Allow(origin) {
				t.Errorf("%q refuses %q", tt.patterns, origin)
			}
		}
		for _, origin := range tt.refused {
			if o.Allow(origin) {
				t.Errorf("%q allows %q", tt.patterns, origin)
			}
		}
	}
}

func TestParseOriginRefuses(t *testing.T) {
	for _, bad := range []string{
		"", "null", "example.com", "https://", "https://example.com/", "https://a.*.example.com", "https://*", "https://*.*.example.com",
		"*.example.com", "https://user@example.com", "https://example.com?a", "https://*example.com",
	} {
		if p, err := ParseOrigin(bad); err == nil {
			t.Errorf("%q is taken for %q", bad, p)
		}
	}
}

func TestClient(t *testing.T) {
	var proxies Proxies
	for _, text := range []string{"10.0.0.0/8", "192.0.2.7", "fd00::/8"} {
		p, err := ParseProxy(text)
		if err != nil {
			t.Fatal(err)
		}
		proxies = append(proxies, p)
	}
	tests := []struct {
		peer   string
		header []string
		want   string
	}{
		{"203.0.113.1", nil, "203.0.113.1"},
		{"203.0.113.1", []string{"198.51.100.1"}, "203.0.113.1"},                    // nobody's proxy
		{"10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},                      // ours
		{"10.0.0.1", nil, "10.0.0.1"},                                               // ours, and says nothing
		{"10.0.0.1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},             // the first is made up
		{"10.0.0.1", []string{"1.1.1.1", "198.51.100.1, 10.2.3.4"}, "198.51.100.1"}, // by several headers and proxies
		{"10.0.0.1", []string{"10.9.9.9, 192.0.2.7"}, "10.9.9.9"},                   // ours all the way
		{"10.0.0.1", []string{"1.1.1.1, garbage, 10.2.3.4"}, "10.2.3.4"},            // not past what cannot be read
		{"::ffff:10.0.0.1", []string{"198.51.100.1:4711"}, "198.51.100.1"},          // as sockets of both families have it
		{"fd00::1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},                  // with a port
		{"fd00::1", []string{"2001:db8::1"}, "2001:db8::1"},                         //
		{"192.0.2.8", []string{"198.51.100.1"}, "192.0.2.8"},                        // beside ours
		{"10.0.0.1", []string{""}, "10.0.0.1"},                                      //
		{"10.0.0.1", []string{"unknown"}, "10.0.0.1"},                               //
		{"10.0.0.1", []string{"fe80::1%eth0"}, "fe80::1"},                           //
		{"10.0.0.1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},               //
	}
	for _, tt := range tests {
		if got := proxies.Client(netip.MustParseAddr(tt.peer), tt.header); got.String() != tt.want {
			t.Errorf("from %s with %q: %v, want %s", tt.peer, tt.header, got, tt.want)
		}
	}
}

func TestHousehold(t *testing.T) {
	for addr, want := range map[string]string{
		"203.0.113.1": "203.0.113.1/32", "::ffff:203.0.113.1": "203.0.113.1/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
	} {
		if got := Household(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if p := Household(netip.Addr{}); p != (netip.Prefix{}) {
		t.Errorf("no address is of %v", p)
	}
}

func TestParseProxy(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3/8": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32", "fd00::1": "fd00::1/128", "::ffff:10.0.0.1": "10.0.0.1/32", "fd00::/8": "fd00::/8",
	} {
		if p, err := ParseProxy(text); err != nil || p.String() != want {
			t.Errorf("%s: %v %v", text, p, err)
		}
	}
	for _, bad := range []string{"", "proxy", "10.0.0.0/33", "10.0.0", "10.0.0.1:80"} {
		if p, err := ParseProxy(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, p)
		}
	}
}
