package store

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

func TestURL(t *testing.T) {
	tests := []struct {
		url, kind string
		addrs     []string
	}{
		{"redis://", "single", []string{"localhost:6379"}},
		{"redis://h", "single", []string{"h:6379"}},
		{"redis://user:p%2Fa%40ss@h:1/3?pool_size=7", "single", []string{"h:1"}},
		{"rediss://h:1", "single", []string{"h:1"}},
		{"redis://[::1]:1", "single", []string{"[::1]:1"}},
		{"unix:///run/redis.sock?db=2", "single", []string{"/run/redis.sock"}},
		{"redis://h:1?cluster=false", "single", []string{"h:1"}},
		{"redis://h:1?cluster=true", "cluster", []string{"h:1"}},
		{"redis://u:p@h:1?addr=i:2&addr=j:3", "cluster", []string{"h:1", "i:2", "j:3"}},
		{"rediss://h:1/0?addr=i:2", "cluster", []string{"h:1", "i:2"}},
		{"redis://h:1/2?master_name=m", "sentinel", []string{"h:1"}},
		{"rediss://s:t@h:1?master_name=m&addr=i:2&username=u&password=p", "sentinel", []string{"h:1", "i:2"}},
	}
	for _, tt := range tests {
		got, err := parse(tt.url, time.Second)
		if err != nil || got.kind != tt.kind || !slices.Equal(got.addrs, tt.addrs) {
			t.Errorf("%s: %s of %q, %v, want %s of %q", tt.url, got.kind, got.addrs, err, tt.kind, tt.addrs)
			continue
		}
		client := got.connect()
		switch c := client.(type) {
		case *redis.Client:
			if o := c.Options(); o.MaxRetries != 0 || !o.ContextTimeoutEnabled || o.DialTimeout != time.Second {
				t.Errorf("%s: options %+v", tt.url, o)
			}
			if strings.HasPrefix(tt.url, "rediss:") != (c.Options().TLSConfig != nil) && tt.kind == "single" {
				t.Errorf("%s: TLS is %v", tt.url, c.Options().TLSConfig)
			}
		case *redis.ClusterClient:
			if o := c.Options(); tt.kind != "cluster" || o.MaxRetries != -1 || !o.ContextTimeoutEnabled || o.DialTimeout != time.Second {
				t.Errorf("%s: options %+v", tt.url, o)
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestURLErrors(t *testing.T) {
	malformed := errNotURL.Error()
	tests := []struct{ url, want string }{
		{"localhost:6379", malformed},
		{"//localhost:6379", malformed},
		{"redis://h:1?a%0Ab=1", "unexpected option: a\ufffdb"},
		{"://", malformed},
		{"redis:localhost", malformed},
		{"redis://h:port", malformed},
		{"redis://a:1:2", malformed},
		{"redis://a:1,b:2", "further addresses are parameters: addr=host:port"},
		{"redis://user:hunter2/x@h:1", malformed},
		{"redis://:123/hunter2@h:1", malformed},
		{"redis://:123?hunter2@h:1", malformed},
		{"redis://:123#hunter2@h:1", malformed},
		{"redis://:%zzhunter2@h:1", malformed},
		{"redis://h:1?a=%zz", malformed},
		{"http://:hunter2@h:1", "invalid URL scheme: http"},
		{"redis://:hunter2@h:1/one", `invalid database number: "one"`},
		{"redis://:hunter2@h:1?colour=red", "unexpected option: colour"},
		{"redis://h:1?pool_size=big", `invalid pool_size number: strconv.Atoi: parsing "big": invalid syntax`},
		{"redis://h:1?cluster=perhaps", "cluster is neither true nor false"},
		{"redis://h:1/3?cluster=true", "a cluster has no database but 0"},
		{"redis://h:1?cluster=true&master_name=m", "unexpected option: master_name"},
		{"redis://h:1?addr=i", "unable to parse addr param: i"},
		{"redis://h:1?master_name=", "master_name is empty"},
		{"redis://h:1?addr=i:2&read_only=true", "read_only is not possible: a replica may not have yet what its master acknowledged"},
		{"redis://h:1?master_name=m&route_randomly=true", "route_randomly is not possible: a replica may not have yet what its master acknowledged"},
	}
	for _, tt := range tests {
		_, err := Open(t.Context(), Config{URL: tt.url, Log: zap.NewNop()})
		if err == nil || err.Error() != "REDIS_URL: "+tt.want {
			t.Errorf("%s\n got %v\nwant REDIS_URL: %s", tt.url, err, tt.want)
		}
	}
	for _, url := range []string{"redis://h:1?pool_size=99999999999", "redis://h:1?pool_size=-7", "redis://h:1?master_name=m&pool_size=99999999999"} {
		_, err := Open(t.Context(), Config{URL: url, Log: zap.NewNop()})
		if err == nil || !strings.HasPrefix(err.Error(), "REDIS_URL: ") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestPublicURL(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"redis://h:1", "redis://h:1"},
		{"rediss://user:hunter2@h:1/3?pool_size=7", "rediss://h:1/3?pool_size=7"},
		{"redis://:hunter2@h:1?addr=i:2&addr=j:3", "redis://h:1?addr=i:2&addr=j:3"},
		{"redis://s:hunter2@h:1?master_name=m&username=hunter2&password=hunter2&addr=i:2", "redis://h:1?master_name=m&addr=i:2"},
		{"redis://h:1?master_name=m&pass%77ord=hunter2", "redis://h:1?master_name=m"},
		{"unix://:hunter2@/run/redis.sock?db=2", "unix:///run/redis.sock?db=2"},
	} {
		if err := CheckURL(tt.url); err != nil {
			t.Errorf("%s: %v", tt.url, err)
		}
		if got := PublicURL(tt.url); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.url, got, tt.want)
		}
	}
}

// FuzzURL puts a password that nobody encoded into a URL: no error may show it.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{"secret", "se/cret", "1/secret", "1?secret", "#secret", "@secret", "%zz", "1/0?pool_size=secret"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const secret = "hunter2hunter2"
		for _, url := range []string{
			"redis://:" + text + secret + "@h:1/0",
			"redis://:" + secret + text + "@h:1/0?addr=h:2",
			"redis://" + secret + text + ":x@h:1/0?master_name=m",
		} {
			if _, err := parse(url, time.Second); err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%q: %v", url, err)
			}
			if err := CheckURL(url); err == nil && strings.Contains(PublicURL(url), secret) {
				t.Errorf("%q: shown as %s", url, PublicURL(url))
			}
		}
		_, _ = parse(text, time.Second)
	})
}

func TestOpenEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, err = Open(ctx, Config{URL: "redis://" + silent.Addr().String(), Log: zap.NewNop()})
	if want := "REDIS_URL: context canceled"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEmbeddedSaysSo(t *testing.T) {
	s := open(t, "")
	want := []string{"info REDIS_URL is not set: using an embedded store in memory, which ends with this process"}
	if got := s.logged(); !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
	if err := s.Health(); err != nil {
		t.Error(err)
	}
}
