package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/store"
)

// URL is an address that may hold a user, a password or a token. Whatever way it is formatted, marshalled or logged,
// it shows without them; Reveal gives it whole. What auth.Secret says of its reach holds for it, too.
type URL string

// Reveal returns the URL with all that it holds.
func (u URL) Reveal() string { return string(u) }

// Reveal returns URLs with all that they hold.
func Reveal(urls []URL) []string {
	out := make([]string, len(urls))
	for i, u := range urls {
		out[i] = u.Reveal()
	}
	return out
}

// String returns the URL without credentials. Of a query, only Redis's shows: elsewhere it may be a key.
func (u URL) String() string {
	switch scheme, _, _ := strings.Cut(string(u), "://"); scheme {
	case "redis", "rediss", "unix":
		return store.PublicURL(string(u))
	}
	public, _, asks := strings.Cut(withoutUser(string(u)), "?")
	if asks {
		public += "?***"
	}
	return public
}

// GoString is String, for the verb %#v.
func (u URL) GoString() string { return u.String() }

// Format writes String for every verb and flag, those for numbers and bytes (%d, %x) included.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// MarshalText returns String: for JSON, YAML and loggers, too.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// asURL makes a parser of texts one of URLs.
func asURL(parse func(string) (string, error)) func(string) (URL, error) {
	return func(text string) (URL, error) {
		u, err := parse(text)
		return URL(u), err
	}
}
