package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/web"
)

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

func parseHost(text string) (string, error) {
	if net.ParseIP(text) == nil && !hostName.MatchString(text) {
		return "", fmt.Errorf("%s is not an address such as 0.0.0.0", quote(text))
	}
	return text, nil
}

// urlOf reads a URL with one of schemes and a host. Its error does not repeat
// credentials that the text holds.
func urlOf(example string, schemes ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme) {
			return "", fmt.Errorf("%s is not a URL such as %s", quote(withoutUser(text)), example)
		}
		return text, nil
	}
}

var natsURL = urlOf("nats://localhost:4222", "nats", "tls", "ws", "wss")

// parseNATSURL reads a server's URL; host:port alone stands for nats://host:port.
func parseNATSURL(text string) (string, error) {
	if text != "" && !strings.Contains(text, "://") {
		text = "nats://" + text
	}
	return natsURL(text)
}

// parseRedisURL reads a URL of one server, a cluster or sentinels.
func parseRedisURL(text string) (string, error) { return text, store.CheckURL(text) }

// withoutUser is the URL text without user name, password or token. It works on
// what is no URL, too, and then rather removes too much.
func withoutUser(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return text
	}
	scheme, _, found := strings.Cut(text[:at], "://")
	if !found {
		return text[at+1:]
	}
	return scheme + "://" + text[at+1:]
}

// parseOrigin reads one of ALLOWED_ORIGINS.
func parseOrigin(text string) (string, error) {
	origin, err := web.ParseOrigin(text)
	if err != nil {
		return "", fmt.Errorf("%s is %w", quote(text), err)
	}
	return origin, nil
}

// parseProxy reads one of TRUSTED_PROXIES.
func parseProxy(text string) (netip.Prefix, error) {
	p, err := web.ParseProxy(text)
	if err != nil {
		return p, fmt.Errorf("%s is not an address or a block of addresses such as 10.0.0.0/8", quote(text))
	}
	return p, nil
}
