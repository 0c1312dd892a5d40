package gateway_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

// sender sends Pings at a rate, without heed of limits, and counts how many pass.
type sender struct {
	*talk
	rate    int // a second
	passed  atomic.Int64
	refused atomic.Int64
	ended   chan struct{}
}

// pace is how often senders send.
const pace = 20 * time.Millisecond

func (h *harness) sender(g *gatewayNode, user string, rate int) *sender {
	s := &sender{talk: h.talk(g, user), rate: rate, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		for {
			f, err := s.read()
			if err != nil || f.Header.OpCode == ws.OpClose {
				return
			}
			if f.Header.OpCode == ws.OpText {
				if m := string(f.Payload); len(m) > 15 && m[:15] == `{"type":"Pong",` {
					s.passed.Add(1)
				} else {
					s.refused.Add(1)
				}
			}
		}
	}()
	h.t.Cleanup(func() {
		_ = s.conn.Close()
		<-s.ended
	})
	return s
}

// sendFor has the senders send for a time, and returns how many of each passed.
func sendFor(d time.Duration, senders ...*sender) (passed []int64, total int64) {
	for _, s := range senders {
		passed = append(passed, -s.passed.Load())
	}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	sent := make([]int, len(senders))
	for began := time.Now(); time.Since(began) < d; <-tick.C {
		for i, s := range senders {
			due := int(time.Since(began).Seconds()*float64(s.rate)) - sent[i]
			sent[i] += due
			for range due {
				s.send(`{"type":"Ping"}`)
			}
		}
	}
	time.Sleep(4 * pace) // what is under way is counted, too: it is the figures that are compared, not their time
	for i, s := range senders {
		passed[i] += s.passed.Load()
		total += passed[i]
	}
	return passed, total
}

// One user on two gateways has one budget: with unequal demand it is used, and not exceeded. When the user stops on one, the other
// gets what it needs.
func TestUserLimitOverTwoGateways(t *testing.T) {
	t.Parallel()
	const rate, burst = 200, 200
	h := start(t, 0, 1, nil)
	h.addPresence()
	tune := func(c *gateway.Config) {
		c.RateLimit, c.RateLimitUserRPS, c.RateLimitUserBurst = true, rate, burst
		c.RateLimitBurst = 10_000 // nobody is closed for ignoring the limit
	}
	for range 2 {
		h.addGateway(tune)
	}
	for _, g := range h.gateway {
		h.eventually(func() bool { return g.Ready() == nil && g.PresenceReady() == nil })
	}
	began := time.Now()
	busy, calm := h.sender(h.gateway[0], "alice", 400), h.sender(h.gateway[1], "alice", 100)
	_, before := sendFor(2*time.Second, busy, calm) // until it has settled
	passed, total := sendFor(10*time.Second, busy, calm)
	t.Logf("of 4000 and 1000 messages %d and %d passed in 10 s; the budget is %d", passed[0], passed[1], 10*rate)
	if total < 9*rate || total > 11*rate {
		t.Errorf("%d messages passed in 10 s; the budget is %d", total, 10*rate)
	}
	if passed[0] < 3*passed[1] || passed[1] < rate {
		t.Errorf("%d and %d passed where 4 times as much was demanded", passed[0], passed[1])
	}
	if most := time.Since(began).Seconds()*rate + 2*burst; float64(before+total) > most {
		t.Errorf("%d passed since the start, at most %v may", before+total, most)
	}
	sendFor(2*time.Second, busy)
	if _, total := sendFor(2*time.Second, busy); total < 9*2*rate/10 || total > 11*2*rate/10 {
		t.Errorf("%d messages passed in 2 s by the one gateway that is in use; the budget is %d", total, 2*rate)
	}
}

// Three gateways share the cluster's budget by what each one's clients send.
func TestGlobalLimitOverThreeGateways(t *testing.T) {
	t.Parallel()
	const rate, burst = 300, 300
	h := start(t, 3, 1, func(c *gateway.Config) { c.RateLimit, c.RateLimitGlobalRPS, c.RateLimitGlobalBurst = true, rate, burst })
	for _, g := range h.gateway {
		h.eventually(func() bool { return len(g.Views().Gateways.Active) == 3 })
	}
	var senders []*sender
	for i, demand := range []int{500, 150, 50} {
		senders = append(senders, h.sender(h.gateway[i], fmt.Sprint("user", i), demand))
	}
	sendFor(4*time.Second, senders...) // until it has settled
	passed, total := sendFor(10*time.Second, senders...)
	t.Logf("of 5000, 1500 and 500 messages %v passed in 10 s; the budget is %d", passed, 10*rate)
	if total < 9*rate || total > 11*rate {
		t.Errorf("%d messages passed in 10 s; the budget is %d", total, 10*rate)
	}
	for i, least := range []int64{1700, 450, 150} { // in proportion they are 2143, 643 and 214
		if passed[i] < least {
			t.Errorf("%d passed of sender %d, expected at least %d", passed[i], i, least)
		}
	}
	if n := h.metric(h.gateway[0], metric.GatewayGlobalShare, ""); n < 0.5*rate || n > 0.85*rate {
		t.Errorf("the first one's share is %v", n)
	}
	if n := h.metric(h.gateway[0], metric.GatewayGlobalDemand, ""); n < 400 || n > 600 {
		t.Errorf("its demand is %v", n)
	}
}

// A message that the user's limit, or the cluster's, refuses costs its connection nothing: after the time that it was told, and
// before its connection would allow another, one passes.
func TestLaterLimitsGiveBack(t *testing.T) {
	for _, level := range []string{"user", "global"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			h := start(t, 1, 1, func(c *gateway.Config) {
				c.RateLimit, c.RateLimitRPS, c.RateLimitBurst = true, 0.01, 5
				if level == "user" {
					c.RateLimitUserRPS, c.RateLimitUserBurst = 5, 4
				} else {
					c.RateLimitUserRPS, c.RateLimitUserBurst = 0.01, 8
					c.RateLimitGlobalRPS, c.RateLimitGlobalBurst = 5, 4
				}
			})
			k, other := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[0], "alice")
			for i := range 4 {
				from := []*talk{k, other}[i%2]
				if m, _ := from.ask(fmt.Sprintf(`{"type":"Ping","id":"%d"}`, i)); m.Get("type").Str != "Pong" {
					t.Fatalf("message %d: %s", i, m.Raw)
				}
			}
			var first time.Duration
			for i := range 10 {
				m, _ := k.ask(fmt.Sprintf(`{"type":"Ping","id":"r%d"}`, i))
				ms := time.Duration(m.Get("data.details.retry_after_ms").Int()) * time.Millisecond
				if m.Get("data.code").Int() != 429 || m.Get("data.details.limit").Str != level || ms < time.Millisecond || ms > 1300*time.Millisecond {
					t.Fatalf("refused with %s", m.Raw)
				}
				if i == 0 {
					first = ms
				}
			}
			time.Sleep(first) // what the gateway told: what it is worth is what is tested
			for _, k := range []*talk{k, other} {
				if m, _ := k.ask(`{"type":"Ping","id":"again"}`); m.Get("type").Str != "Pong" {
					t.Errorf("after %v: %s", first, m.Raw)
				}
				time.Sleep(200 * time.Millisecond) // one more by the rate
			}
			if n := h.metric(h.gateway[0], metric.GatewayDropped, "rate_limit_"+level); n != 10 {
				t.Errorf("%v refused as counted", n)
			}
		})
	}
}

// Whoever goes on over its limit is told so all along, and closed with 1008 in the end. Without an id, messages that need no reply get an
// Error only now and then.
func TestIgnoringTheLimit(t *testing.T) {
	h := start(t, 1, 1, func(c *gateway.Config) { c.RateLimit, c.RateLimitRPS, c.RateLimitBurst = true, 0.01, 10 })
	for _, id := range []string{"x", ""} {
		k := h.talk(h.gateway[0], "alice")
		var all []string
		for range 10 + 1001 {
			all = append(all, broadcast(id, "a", "1"))
		}
		k.send(all...)
		messages, code := k.end()
		errors := 0
		for _, m := range messages {
			if m.Get("data.code").Int() == 429 && m.Get("data.details.limit").Str == "connection" && m.Get("id").Str == id {
				errors++
			}
		}
		want := 1001
		if id == "" {
			want = 99 + (1001-99)/16 + 1
		}
		if code != 1008 || errors < want-2 || errors > want {
			t.Errorf("id %q: closed with %d after %d errors, want %d", id, code, errors, want)
		}
	}
	if n := h.metric(h.gateway[0], metric.GatewayEnded, "policy"); n != 2 {
		t.Errorf("%v connections ended as counted", n)
	}
}

// Who is refused now and then, and heeds it, is never closed.
func TestHeedingTheLimit(t *testing.T) {
	h := start(t, 1, 1, func(c *gateway.Config) { c.RateLimit, c.RateLimitRPS, c.RateLimitBurst = true, 1e6, 1 })
	k := h.talk(h.gateway[0], "alice")
	for range 1500 { // in one read the second is refused, as no time goes by; the first of the next read is not
		k.send(`{"type":"Ping","id":"1"}`, `{"type":"Ping","id":"2"}`)
		k.next()
		k.next()
	}
	k.lives()
}

// Pings and pongs of a client's own accord, and small pieces of messages, are held against the limit of its connection.
func TestControlFramesAreLimited(t *testing.T) {
	h := start(t, 1, 1, func(c *gateway.Config) { c.RateLimit, c.RateLimitRPS, c.RateLimitBurst = true, 0.01, 5 })
	for name, flood := range map[string]ws.Frame{
		"ping":  ws.NewPingFrame([]byte("a")),
		"pong":  ws.NewPongFrame([]byte("a")),
		"piece": {Header: ws.Header{OpCode: ws.OpContinuation, Length: 1}, Payload: []byte(" ")},
	} {
		t.Run(name, func(t *testing.T) {
			k := h.in(t).talk(h.gateway[0], "alice")
			if name == "piece" {
				k.write(ws.Frame{Header: ws.Header{OpCode: ws.OpText, Length: 200}, Payload: []byte(fmt.Sprintf("%200s", " "))})
			}
			for range 8 {
				k.write(flood)
			}
			if name != "piece" {
				k.send(`{"type":"Ping","id":"over"}`)
			}
			pongs := 0
			for name != "piece" {
				f, err := k.read()
				if err != nil {
					t.Fatal(err)
				}
				if f.Header.OpCode == ws.OpText {
					break
				}
				pongs++
			}
			if name == "ping" && pongs != 5 {
				t.Errorf("%d pings of a burst of 5 were answered", pongs)
			}
			var rest []ws.Frame
			for range 1000 {
				rest = append(rest, flood)
			}
			k.write(rest...)
			if _, code := k.end(); code != 1008 {
				t.Errorf("closed with %d", code)
			}
		})
	}
}
