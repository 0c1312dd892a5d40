package web

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// Origins are the web pages that may talk to the service (RFC 6454). A pattern is
// "*", any page; an origin, "https://example.com:8443"; or one whose host begins with "*.", for every host below a name
// but not the name itself, "https://*.example.com". The opaque origin "null", of which no one can tell whose it is,
// is allowed by "*" only.
type Origins struct {
	any   bool
	exact map[string]struct{}
	below []below
}

// below is every host under a name.
type below struct {
	scheme, suffix string // "https://" and ".example.com:8443"
}

// errOrigin says what an origin is.
var errOrigin = errors.New("not * or an origin such as https://example.com or https://*.example.com")

// NewOrigins returns the origins that match one of the patterns, which ParseOrigin has returned.
func NewOrigins(patterns []string) *Origins {
	o := &Origins{exact: make(map[string]struct{})}
	for _, p := range patterns {
		scheme, host, _ := strings.Cut(p, "://")
		if suffix, ok := strings.CutPrefix(host, "*"); ok {
			o.below = append(o.below, below{scheme + "://", suffix})
			continue
		}
		o.any = o.any || p == "*"
		o.exact[p] = struct{}{}
	}
	return o
}

// Allow reports whether a page of that origin, as a browser names it, may talk to the service. What names
// none is no page of a browser: its token decides.
func (o *Origins) Allow(origin string) bool {
	if origin == "" || o.any {
		return true
	}
	origin, err := canonical(origin)
	if err != nil {
		return false
	}
	if _, ok := o.exact[origin]; ok {
		return true
	}
	for _, b := range o.below {
		// The part before the suffix is one label or several, and nothing else: no user, no port.
		rest, ok := strings.CutPrefix(origin, b.scheme)
		if sub, under := strings.CutSuffix(rest, b.suffix); ok && under && sub != "" && !strings.ContainsAny(sub, ":@/[]") {
			return true
		}
	}
	return false
}

// ParseOrigin reads one pattern of Origins and returns it in the one way in which it is compared: in lower case, without the
// port that its scheme implies.
func ParseOrigin(pattern string) (string, error) {
	if pattern == "*" {
		return pattern, nil
	}
	p, err := canonical(strings.Replace(pattern, "://*.", "://", 1))
	if err != nil {
		return "", err
	}
	if strings.Contains(pattern, "://*.") {
		p = strings.Replace(p, "://", "://*.", 1)
	}
	return p, nil
}

// canonical is an origin as RFC 6454, section 6.2, writes it: scheme and host, and the port where it is not the scheme's own.
func canonical(origin string) (string, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || strings.Contains(u.Host, "*") ||
		!strings.EqualFold(origin, u.Scheme+"://"+u.Host) {
		return "", errOrigin
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if name, port, err := net.SplitHostPort(host); err == nil && port == implied[scheme] {
		host = name
		if strings.Contains(name, ":") {
			host = "[" + name + "]"
		}
	}
	return scheme + "://" + host, nil
}

// implied are the ports that a scheme stands for.
var implied = map[string]string{"http": "80", "https": "443"}
