package gateway

import (
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A panic while a connection's bytes are handled costs that connection, is counted and
// logged, and nothing else: not the others of the same turn, not what they have to get.
func TestPanicCostsOneConnection(t *testing.T) {
	core, logged := observer.New(zap.ErrorLevel)
	l := idleLoop(t, nil, nil)
	l.log = zap.New(core)
	l.routersAre(2)
	broken, brokenPeer := l.connect(t)
	good, goodPeer := l.connect(t)
	l.input(broken, masked(`{"type":"Subscribe","data":{"topics":["a","b.*"]}}`))
	l.input(good, masked(`{"type":"Subscribe","data":{"topics":["a"]}}`))
	l.answer()
	l.turn(nil)
	broken.in = &inbound{frags: true, valid: 7} // beyond the message so far: cannot be
	fragment := masked("x")
	fragment[0] = 0 // a continuation
	_, _ = writeSocket(brokenPeer, fragment)
	_, _ = writeSocket(goodPeer, masked(`{"type":"Ping","id":"1"}`))
	l.turn([]ready{{slot: broken.slot, gen: broken.gen, read: true}, {slot: good.slot, gen: good.gen, read: true}})
	if broken.state != stateFree || good.state != stateOpen {
		t.Fatalf("states %d and %d", broken.state, good.state)
	}
	if len(l.entries) != 1 || len(l.entries["a"].subs) != 1 || l.gw.Open() != 1 {
		t.Errorf("the connection has left something: %d entries, %d open", len(l.entries), l.gw.Open())
	}
	if got := frames(t, goodPeer); len(got) != 2 || !strings.Contains(string(got[1].Payload), `"Pong"`) {
		t.Errorf("the other got %+v", got)
	}
	if n := logged.FilterMessageSnippet("panic").Len(); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if n := metricValue(t, l.gw.metrics.panics); n != 1 {
		t.Errorf("counted %v times", n)
	}
}

// A connection whose session cannot be saved ends all the same, alone.
func TestPanicWithoutSession(t *testing.T) {
	l := idleLoop(t, nil, nil)
	l.routersAre(2)
	c, _ := l.connect(t)
	other, _ := l.connect(t)
	c.session = "s" // and nobody keeps sessions: to save it panics
	func() {
		defer l.guard(c)
		panic("handled")
	}()
	if c.state != stateFree || other.state != stateOpen {
		t.Errorf("states %d and %d", c.state, other.state)
	}
}
