package gateway_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/web"
)

// A user has so many connections on all gateways together, and a place that falls free can be taken at any of them.
func TestConnectionsPerUser(t *testing.T) {
	t.Parallel()
	h := start(t, 2, 1, func(c *gateway.Config) { c.MaxConnectionsPerUser = 3 })
	h.addPresence()
	h.settled()
	there := []*talk{h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "alice"), h.talk(h.gateway[1], "alice")}
	for _, g := range h.gateway {
		for range 3 {
			no := h.turnsAway(g, h.token("alice"))
			if no.code != 429 || no.body.Get("details.limit").Str != "connections_per_user" {
				t.Errorf("got %+v", no)
			}
		}
		h.talk(g, "bob").lives()
	}
	for _, k := range there {
		k.lives()
	}
	there[1].close()
	var fourth *talk
	h.eventually(func() bool { // when the owner has heard of it
		k, _, err := h.tryResume(h.gateway[0], h.token("alice"), "")
		fourth = k
		return err == nil
	})
	fourth.lives()
	if no := h.turnsAway(h.gateway[1], h.token("alice")); no.code != 429 {
		t.Errorf("got %+v", no)
	}
	h.eventually(func() bool { return h.gateway[0].Open()+h.gateway[1].Open() == 5 })
}

// Many who come at once do not keep each other out, nor get in over the limit.
func TestConnectionsPerUserAtOnce(t *testing.T) {
	t.Parallel()
	const most, tries = 5, 40
	h := start(t, 2, 1, func(c *gateway.Config) { c.MaxConnectionsPerUser = most })
	h.addPresence()
	h.settled()
	came := make(chan *talk, tries)
	for i := range tries {
		token := h.token("alice")
		go func() {
			k, _, err := h.tryResume(h.gateway[i%2], token, "")
			if err != nil {
				k = nil
			}
			came <- k
		}()
	}
	in := 0
	for range tries {
		if k := <-came; k != nil {
			in++
		}
	}
	if in != most {
		t.Errorf("%d are in, of %d that may", in, most)
	}
}

// A session that is resumed takes the place of the connection that had it, though the user has as many as may be.
func TestResumeAtTheLimitOfAUser(t *testing.T) {
	t.Parallel()
	h, _ := revokingWith(t, 2, func(c *gateway.Config) { c.MaxConnectionsPerUser = 1 })
	_, details := h.resume(h.gateway[0], "alice", "") // and is not closed
	time.Sleep(written)
	k, details := h.resume(h.gateway[1], "alice", details.Get("session_id").Str)
	if !details.Get("resumed").Bool() {
		t.Errorf("welcomed with %s", details.Raw)
	}
	h.eventually(func() bool { return h.gateway[0].Open() == 0 })
	k.lives()
}

// Where the user's owner does not answer, its connections are let in, and counted.
func TestConnectionsPerUserWithoutPresence(t *testing.T) {
	t.Parallel()
	h := start(t, 1, 1, func(c *gateway.Config) { c.MaxConnectionsPerUser = 1 })
	h.talk(h.gateway[0], "alice")
	h.talk(h.gateway[0], "alice").lives()
	if n := h.metric(h.gateway[0], metric.GatewayUnchecked, ""); n != 2 {
		t.Errorf("%v were let in unchecked", n)
	}
}

// An address has so many connections at a gateway; behind a proxy that is believed it is the client's own.
func TestConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	h := start(t, 1, 1, func(c *gateway.Config) { c.MaxConnectionsPerAddress = 2 })
	g := h.gateway[0]
	first := h.talk(g, "alice")
	h.talk(g, "bob")
	for range 3 { // what is refused takes no place
		no := h.turnsAway(g, h.token("carol"), "X-Forwarded-For", "198.51.100.1") // nobody believes that
		if no.code != 429 || no.body.Get("details.limit").Str != "connections_per_address" {
			t.Errorf("got %+v", no)
		}
	}
	first.close()
	h.eventually(func() bool { return g.Open() == 1 })
	for range 3 {
		if no := h.turnsAway(g, "bad"); no.code != 401 {
			t.Errorf("got %+v", no)
		}
	}
	h.talk(g, "carol").lives()
}

func TestConnectionsPerAddressBehindProxy(t *testing.T) {
	t.Parallel()
	local, err := web.ParseProxy("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, 1, 1, func(c *gateway.Config) { c.MaxConnectionsPerAddress, c.TrustedProxies = 1, web.Proxies{local} })
	g := h.gateway[0]
	from := func(addr string) turnedAway { return h.turnsAway(g, "bad", "X-Forwarded-For", addr) }
	h.talk(g, "alice") // the proxy itself
	if no := h.turnsAway(g, "bad"); no.code != 429 {
		t.Errorf("got %+v", no)
	}
	for _, addr := range []string{"198.51.100.1", "1.1.1.1, 198.51.100.1", "2001:db8::1"} {
		if no := from(addr); no.code != 401 {
			t.Errorf("from %s: %+v", addr, no)
		}
	}
}

// Over ADMIT_RATE clients are told when to come back, before anything is done for them.
func TestAdmitRate(t *testing.T) {
	t.Parallel()
	h := start(t, 1, 1, func(c *gateway.Config) { c.AdmitRate = 2 })
	g := h.gateway[0]
	h.talk(g, "alice")
	h.talk(g, "alice")
	var wait int
	for range 3 {
		no := h.turnsAway(g, "not even looked at")
		after, err := strconv.Atoi(no.header.Get("Retry-After"))
		if err != nil || after < 1 || no.code != 503 || no.body.Get("details.retry_after_ms").Int() < 1 {
			t.Errorf("got %+v", no)
		}
		wait = max(wait, after)
	}
	time.Sleep(time.Duration(wait) * time.Second)
	h.talk(g, "alice").lives()
}

// Pages of other sites are turned away.
func TestOrigins(t *testing.T) {
	t.Parallel()
	h := start(t, 1, 1, func(c *gateway.Config) { c.AllowedOrigins = []string{"https://example.com", "https://*.example.org"} })
	g := h.gateway[0]
	for _, origin := range []string{"https://evil.example", "null", "http://example.com", "https://example.org"} {
		if no := h.turnsAway(g, h.token("alice"), "Origin", origin); no.code != 403 {
			t.Errorf("from %s: %+v", origin, no)
		}
	}
	for _, origin := range []string{"https://example.com", "https://Example.com:443", "https://a.example.org"} {
		if no := h.turnsAway(g, "bad", "Origin", origin); no.code != 401 {
			t.Errorf("from %s: %+v", origin, no)
		}
	}
}

// What a connection has too many of says so.
func TestLimitsAreNamed(t *testing.T) {
	t.Parallel()
	h := start(t, 1, 1, func(c *gateway.Config) { c.MaxSubscriptions, c.MaxWatched, c.MaxRooms = 1, 1, 1 })
	h.addPresence()
	h.settled()
	k := h.talkBy(h.gateway[0], h.mint(auth.TokenSpec{User: "alice", TTL: time.Hour}))
	k.subscribe("a")
	k.do("WatchPresence", `{"users":["bob"]}`)
	k.do("CreateRoom", `{"room":"a"}`)
	for _, tt := range [][3]string{
		{"Subscribe", `{"topics":["b"]}`, "subscriptions"}, {"WatchPresence", `{"users":["carol"]}`, "watched"},
		{"JoinRoom", `{"room":"b"}`, "rooms"}, {"CreateRoom", `{"room":"b"}`, "rooms"},
	} {
		if r, _ := k.ask(say(tt[0], "id", tt[1])); r.Get("data.code").Int() != 429 || r.Get("data.details.limit").Str != tt[2] {
			t.Errorf("%s: got %s", tt[0], r.Raw)
		}
	}
	r, _ := k.ask(subscribe("both", "a", "b"))
	if r.Get("data.details.rejected.0.limit").Str != "subscriptions" {
		t.Errorf("got %s", r.Raw)
	}
}
