package gateway

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// allLimits sets every limit, so wide that none is met.
func allLimits(c *Config) {
	c.RateLimit = true
	c.RateLimitRPS, c.RateLimitBurst = 1e8, 1e6
	c.RateLimitUserRPS, c.RateLimitUserBurst = 1e8, 1e6
	c.RateLimitGlobalRPS, c.RateLimitGlobalBurst = 1e8, 1e6
}

// later lets time pass for a loop that the test turns.
func (l *loop) later(d time.Duration) {
	for ; d > 0; d -= tickLength {
		l.now = l.now.Add(min(d, tickLength))
		l.wheel.now++
		l.tickLimits()
	}
}

// A user's budget begins with the first message and is given up when it is whole again; while it is not, it outlives the connections.
func TestBudgetsAreGivenUp(t *testing.T) {
	l := idleLoop(t, nil, func(c *Config) { c.RateLimit, c.RateLimitUserRPS, c.RateLimitUserBurst = true, 10, 50 })
	us := l.gw.limits.users
	c, _ := l.connect(t)
	if us.find("alice") != nil {
		t.Error("a quiet connection has a budget")
	}
	for range 50 {
		if by, _ := l.admit(c); by != levelNone {
			t.Fatal("refused within the burst")
		}
	}
	l.drop(c, endGone)
	l.later(3 * time.Second)
	c, _ = l.connect(t)
	for n := range 100 {
		if by, wait := l.admit(c); by != levelNone {
			if n < 29 || n > 31 || by != levelUser || wait > 100*time.Millisecond {
				t.Errorf("after 3 s %d were let through, then level %d refused for %v", n, by, wait)
			}
			break
		}
	}
	l.later(20 * time.Second)
	if us.find("alice") != nil || len(l.budgets) != 0 {
		t.Error("the budget is still there")
	}
	if by, _ := l.admit(c); by != levelNone {
		t.Error("refused with a new budget")
	}
}

// A share that its owner assigns stays while the user is here, is reported on while it matters, and is divided equally when nobody
// answers.
func TestSharesOfUsers(t *testing.T) {
	l := idleLoop(t, nil, func(c *Config) { c.RateLimit, c.RateLimitUserRPS, c.RateLimitUserBurst = true, 100, 100 })
	us := l.gw.limits.users
	key := wire.UserKey("alice")
	c, _ := l.connect(t)
	l.enroll(c, l.presenceEntry(kindUser, key))
	l.shared(&wire.Share{Loops: 1, Key: key, Share: wire.WholeShare / 5, Gateways: 4})
	l.later(time.Minute)
	b := us.find("alice")
	if b == nil || b.pins != 1 {
		t.Fatalf("the share is forgotten: %+v", b)
	}
	count := func() (n int) {
		for by, _ := l.admit(c); by == levelNone; by, _ = l.admit(c) {
			n++
		}
		return n
	}
	if n := count(); n != 20 {
		t.Errorf("%d let through at once by a share of 20", n)
	}
	if len(l.reporting) != 1 {
		t.Errorf("%d budgets are reported", len(l.reporting))
	}
	l.later(tickLength)
	if b.reported <= 0 || b.unheard == 0 {
		t.Errorf("reported: %+v", b)
	}
	for range 24 { // nobody answers
		l.later(tickLength)
		l.admit(c)
	}
	if b.share != 0.25 {
		t.Errorf("the share is %v, among 4", b.share)
	}
	l.shared(&wire.Share{Loops: 1, Key: key, Share: wire.WholeShare / 5, Gateways: 4})
	if b.share != 0.2 || b.unheard != 0 {
		t.Errorf("the owner is back: %+v", b)
	}
	l.later(10 * time.Second)
	if len(l.reporting) != 0 || b.reported != 0 {
		t.Errorf("a quiet user is reported: %+v", b)
	}
	l.admit(c)
	if len(l.reporting) != 1 {
		t.Error("it is not reported again")
	}
	l.shared(&wire.Share{Loops: 1, Key: key, Share: wire.WholeShare, Gateways: 1})
	l.later(10 * time.Second)
	if us.find("alice") != nil || len(l.pinned) != 0 || len(l.reporting) != 0 {
		t.Error("it is on one gateway only, and its budget is kept")
	}
	l.shared(&wire.Share{Loops: 1, Key: key, Share: wire.WholeShare / 2, Gateways: 2})
	l.drop(c, endGone)
	l.release(l.presenceEntry(kindUser, key))
	l.later(10 * time.Second)
	if us.find("alice") != nil || len(l.pinned) != 0 {
		t.Error("the user is gone, and its budget is kept")
	}
	l.shared(&wire.Share{Loops: 1, Key: key, Share: wire.WholeShare / 2, Gateways: 2})
	if us.find("alice") != nil {
		t.Error("a share of one who is not here makes a budget")
	}
}

// What a loop takes of the cluster's budget and does not use is there for the others when its turn is over.
func TestGlobalBatchesAreGivenBack(t *testing.T) {
	l := idleLoop(t, nil, func(c *Config) { c.RateLimit, c.RateLimitGlobalRPS, c.RateLimitGlobalBurst = true, 0.001, 200 })
	c, _ := l.connect(t)
	for turn := range 50 {
		for range 4 {
			if by, _ := l.admit(c); by != levelNone {
				t.Fatalf("refused in turn %d", turn)
			}
		}
		l.settleGlobal()
	}
	if by, _ := l.admit(c); by != levelGlobal {
		t.Error("more than the burst")
	}
}

// A refused message costs no allocation either.
func TestRefusalAllocatesNothing(t *testing.T) {
	for _, rates := range [][3]float64{{0.001, 0, 0}, {1e6, 0.001, 0}, {1e6, 1e6, 0.001}} {
		l := idleLoop(t, nil, func(c *Config) {
			c.RateLimit, c.RateLimitRPS, c.RateLimitUserRPS, c.RateLimitGlobalRPS = true, rates[0], rates[1], rates[2]
			c.RateLimitBurst, c.RateLimitUserBurst, c.RateLimitGlobalBurst = 1, 1, 1
		})
		c, peer := l.connect(t)
		message := []byte(`{"type":"Broadcast","id":"a-1","data":{"topic":"chat.lobby","payload":{"text":"hello"}}}`)
		buf := make([]byte, 64<<10)
		n := testing.AllocsPerRun(20, func() {
			for range perRun {
				l.message(c, message)
				c.strikes = 0
			}
			l.drain()
			_, _ = readSocket(peer, buf)
		})
		if n > 0 {
			t.Errorf("rates %v: %v allocations in %d messages", rates, n, perRun)
		}
	}
}

// BenchmarkAdmit is what the limits cost a message: with none, with that of the connection, and so on. Of many users each message is of another.
func BenchmarkAdmit(b *testing.B) {
	for levels, name := range []string{"off", "connection", "connection+user", "all"} {
		for _, users := range []int{1, 10_000} {
			b.Run(fmt.Sprintf("%s/%d users", name, users), func(b *testing.B) {
				l := idleLoop(b, nil, func(c *Config) {
					allLimits(c)
					c.RateLimit = levels > 0
					if levels < 2 {
						c.RateLimitUserRPS = 0
					}
					if levels < 3 {
						c.RateLimitGlobalRPS = 0
					}
				})
				conns := make([]conn, users)
				for i := range conns {
					conns[i].slot, conns[i].gen, conns[i].user = uint32(i), 1, fmt.Sprintf("user-%d", i)
				}
				for i := 0; b.Loop(); i++ {
					if by, _ := l.admit(&conns[i%users]); by != levelNone {
						b.Fatal("refused")
					}
					if i%100 == 99 { // a turn
						l.settleGlobal()
						l.now = l.now.Add(time.Millisecond)
					}
				}
			})
		}
	}
}

// BenchmarkRefuse is what a refused message costs, without the socket.
func BenchmarkRefuse(b *testing.B) {
	for _, c := range []struct{ name, id string }{{"with an id", `"id":"a-1",`}, {"without", ""}} {
		b.Run(c.name, func(b *testing.B) {
			l := idleLoop(b, nil, func(c *Config) { c.RateLimit, c.RateLimitRPS, c.RateLimitBurst = true, 0.001, 1 })
			to, _ := l.connect(b)
			message := []byte(`{"type":"Broadcast",` + c.id + `"data":{"topic":"chat.lobby","payload":{"text":"hello"}}}`)
			for i := 0; b.Loop(); i++ {
				if to.strikes > 900 {
					to.strikes = 200
				}
				l.message(to, message)
				if i%100 == 99 {
					l.unmark(to)
					l.arena, l.frames, l.nodes, l.marked = l.arena[:0], l.frames[:0], l.nodes[:0], l.marked[:0]
				}
			}
		})
	}
}

// BenchmarkFlood is what a frame of a client that sends 100 in a row costs, with its socket: one that passes, and one that is refused.
func BenchmarkFlood(b *testing.B) {
	const row = 100
	for _, c := range []struct {
		name, id string
		rate     float64
	}{{"passes", `"id":"a-1",`, 0}, {"refused", `"id":"a-1",`, 0.001}, {"refused, no id", "", 0.001}} {
		b.Run(c.name, func(b *testing.B) {
			l := idleLoop(b, nil, func(cfg *Config) { cfg.RateLimit, cfg.RateLimitRPS, cfg.RateLimitBurst = true, c.rate, 1 })
			l.routersAre(2)
			to, peer := l.connect(b)
			flood := bytes.Repeat(masked(`{"type":"Broadcast",`+c.id+`"data":{"topic":"chat.lobby","payload":{"text":"hello"}}}`), row)
			list := []ready{{slot: to.slot, gen: to.gen, read: true}}
			buf := make([]byte, 64<<10)
			for b.Loop() {
				if to.strikes > 900 {
					to.strikes = 200
				}
				if n, err := writeSocket(peer, flood); n != len(flood) {
					b.Fatal(n, err)
				}
				l.turn(list)
				l.answerPublishes()
				l.acked()
				_, _ = readSocket(peer, buf)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*row), "ns/frame")
		})
	}
}
