package store

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// dialTries is how often one call dials; the breaker decides when to try again.
const dialTries = 1

// noRetries as MaxRetries: go-redis would repeat writes, too.
const noRetries = -1

var errNotURL = errors.New("not a URL such as redis://localhost:6379 (in a user or password, write / ? # @ and % as %2F %3F %23 %40 and %25)")

// target is where a URL leads to.
type target struct {
	kind  string   // single, cluster or sentinel
	addrs []string // host:port or a socket's path: the server, nodes of the cluster, or sentinels

	connect func() redis.UniversalClient // starts nothing but the pool; may panic on absurd numbers
}

// parse reads a URL as described at Config.URL. timeout bounds a dial unless the URL has dial_timeout.
// Its errors hold no part of the URL that could be of a password.
func parse(text string, timeout time.Duration) (target, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme == "", u.Opaque != "":
		return target{}, errNotURL
	case strings.Contains(u.Path+u.RawQuery+u.Fragment, "@"): // a / ? or # in the password ended the host
		return target{}, errNotURL
	case strings.Contains(u.Host, ","):
		return target{}, errors.New("further addresses are parameters: addr=host:port")
	case strings.Count(u.Host, ":") > 1 && u.Host[0] != '[':
		return target{}, errNotURL
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return target{}, errNotURL
	}
	for _, name := range []string{"read_only", "replica_only", "route_by_latency", "route_randomly"} {
		if query.Has(name) {
			return target{}, fmt.Errorf("%s is not possible: a replica may not have yet what its master acknowledged", name)
		}
	}

	kind := "single"
	switch {
	case query.Has("cluster"):
		yes, err := strconv.ParseBool(query.Get("cluster"))
		if err != nil {
			return target{}, errors.New("cluster is neither true nor false")
		}
		if yes {
			kind = "cluster"
		}
		query.Del("cluster") // go-redis does not know it
		u.RawQuery = query.Encode()
	case query.Has("master_name"):
		kind = "sentinel"
	case query.Has("addr"):
		kind = "cluster"
	}

	var t target
	switch kind {
	case "single":
		t, err = single(u.String(), timeout)
	case "cluster":
		if db := strings.Trim(u.Path, "/"); db != "" && db != "0" {
			return target{}, errors.New("a cluster has no database but 0")
		}
		t, err = cluster(u.String(), timeout)
	case "sentinel":
		t, err = sentinel(u.String(), timeout)
	}
	if err != nil {
		return target{}, errors.New(strings.Map(printable, strings.TrimPrefix(err.Error(), "redis: ")))
	}
	t.kind = kind
	return t, nil
}

// printable keeps an error on its line: it may repeat the name of a parameter.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// CheckURL tells what is wrong with a URL for Config, nil where Open can read it. Its errors are
// one line and hold no password.
func CheckURL(text string) error {
	_, err := parse(text, DefaultTimeout)
	return err
}

// PublicURL is a URL that CheckURL has no objection to, without users and passwords.
func PublicURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	u.User = nil
	parameters := strings.Split(u.RawQuery, "&")
	u.RawQuery = strings.Join(slices.DeleteFunc(parameters, func(p string) bool {
		name, _, _ := strings.Cut(p, "=")
		name, err := url.QueryUnescape(name)
		return err != nil || name == "username" || name == "password"
	}), "&")
	return u.String()
}

func single(text string, timeout time.Duration) (target, error) {
	o, err := redis.ParseURL(text)
	if err != nil {
		return target{}, err
	}
	o.DialTimeout = cmp.Or(o.DialTimeout, timeout)
	o.MaxRetries = cmp.Or(o.MaxRetries, noRetries)
	o.DialerRetries = dialTries
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return target{addrs: []string{o.Addr}, connect: func() redis.UniversalClient { return redis.NewClient(o) }}, nil
}

func cluster(text string, timeout time.Duration) (target, error) {
	o, err := redis.ParseClusterURL(text)
	if err != nil {
		return target{}, err
	}
	o.DialTimeout = cmp.Or(o.DialTimeout, timeout)
	o.MaxRetries = cmp.Or(o.MaxRetries, noRetries)
	o.DialerRetries = dialTries
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return target{addrs: o.Addrs, connect: func() redis.UniversalClient { return redis.NewClusterClient(o) }}, nil
}

func sentinel(text string, timeout time.Duration) (target, error) {
	o, err := redis.ParseFailoverURL(text)
	if err != nil {
		return target{}, err
	}
	if o.MasterName == "" {
		return target{}, errors.New("master_name is empty")
	}
	o.DialTimeout = cmp.Or(o.DialTimeout, timeout)
	o.MaxRetries = cmp.Or(o.MaxRetries, noRetries)
	o.DialerRetries = dialTries
	o.ContextTimeoutEnabled = true
	return target{addrs: o.SentinelAddrs, connect: func() redis.UniversalClient { return redis.NewFailoverClient(o) }}, nil
}
