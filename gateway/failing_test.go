package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// onLoops connects users until there are so many on each of a gateway's two loops.
func (h *harness) onLoops(g *gatewayNode, each int, names string) (on [2][]*talk) {
	h.t.Helper()
	for i := 0; len(on[0]) < each || len(on[1]) < each; i++ {
		k := h.talk(g, fmt.Sprint(names, i))
		n := g.LoopOf(k.user)
		on[n] = append(on[n], k)
	}
	return on
}

// A panic while a connection's frames are dealt with ends that connection. Those on the same loop do not notice.
func TestPanicEndsOneConnection(t *testing.T) {
	h := start(t, 1, 1, nil)
	g := h.gateway[0]
	on := h.onLoops(g, 2, "user")
	broken, neighbour := on[0][0], on[0][1]
	neighbour.subscribe("a")
	broken.subscribe("a", "b")
	g.BreakConnections(broken.user)
	broken.write(ws.NewFrame(ws.OpContinuation, false, []byte("x")))
	for {
		if _, err := broken.read(); err != nil {
			break
		}
	}
	neighbour.send(broadcast("m", "a", "1"))
	for range 2 { // the message, and its Ack
		neighbour.next()
	}
	neighbour.lives()
	if n := h.metric(g, metric.GatewayPanics, ""); n != 1 {
		t.Errorf("%v panics counted", n)
	}
	if n := h.ended(g, "panic"); n != 1 {
		t.Errorf("%v connections ended for it", n)
	}
	if n := h.metric(g, metric.GatewaySubscriptions, ""); n != 1 {
		t.Errorf("%v subscriptions are left", n)
	}
}

// A loop that fails loses its connections, which can come back at once, and nothing else: those on the other loop miss
// nothing and are answered, and the owners forget what the failed loop had told.
func TestLoopBeginsAgain(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := start(t, 1, 2, func(c *gateway.Config) { c.Supervisor = supervise.New(c.Log, registry, "test") })
	h.addPresence()
	g, other := h.gateway[0], h.addGateway(nil)
	h.eventually(func() bool { return other.Ready() == nil && g.PresenceReady() == nil && other.PresenceReady() == nil })
	on := h.onLoops(g, 2, "user")
	lost, kept := on[0], on[1]
	for i, k := range append(append([]*talk(nil), lost...), kept...) {
		k.subscribe("a", fmt.Sprint("own.", i), "p.*")
	}
	watcher, writer := h.talk(other, "watcher"), h.talk(other, "writer")
	watcher.ask(fmt.Sprintf(`{"type":"WatchPresence","id":"w","data":{"users":[%q]}}`, lost[0].user))

	stop, written := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				written <- n
				return
			case <-time.After(time.Millisecond):
				writer.send(broadcast("", "a", fmt.Sprint(n)))
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	g.FailLoop(0)
	for _, k := range lost {
		if _, code := k.end(); code != int(protocol.CloseRestart) {
			t.Errorf("ended with %d", code)
		}
	}
	// They come back, to both loops in the end; what they subscribe to, they get.
	again := h.onLoops(g, len(lost), "later")
	back := again[0][0]
	back.subscribe("p.x")
	for _, k := range kept {
		k.passed = k.lives()
	}
	kept[0].send(broadcast("", "p.x", "1"))
	if m := back.next(); m.Get("data.topic").Str != "p.x" {
		t.Errorf("got %s", m.Raw)
	}
	close(stop)
	n := <-written
	for _, k := range kept {
		for next := 0; next < n; {
			var m gjson.Result
			if len(k.passed) > 0 {
				m, k.passed = k.passed[0], k.passed[1:]
			} else {
				m = k.next()
			}
			if m.Get("data.topic").Str != "a" {
				continue
			}
			if m.Get("data.payload").Int() != int64(next) {
				t.Fatalf("instead of message %d came %s", next, m.Raw)
			}
			next++
		}
	}
	t.Logf("%d messages", n)
	// What only the failed loop had is forgotten: "a", "p.*", the "own"s of the other loop, "p.x" stay.
	sum := 0.0
	for deadline := time.Now().Add(patience); int(sum) != 1+4+len(kept)+1; time.Sleep(10 * time.Millisecond) { // a pattern is known to all four lanes
		if time.Now().After(deadline) {
			t.Fatalf("the routers know %v topics, of %d connections that stayed and %d that are lost", sum, len(kept), len(lost))
		}
		sum = 0
		for _, r := range h.router {
			sum += r.value(t, metric.RouterTopics)
		}
	}
	if m := watcher.next(); m.Get("type").Str != "Presence" || m.Get("data.status").Str != "offline" {
		t.Errorf("the watcher got %s", m.Raw)
	}
	for name, want := range map[string]float64{"gateway loop 0": 1, "gateway loop 1": 0} {
		if got := labelled(t, registry, metric.PartRestarts.Name, name); got != want {
			t.Errorf("%s was restarted %v times", name, got)
		}
		if up := labelled(t, registry, metric.PartUp.Name, name); up != 1 {
			t.Errorf("%s: up is %v", name, up)
		}
	}
	if n := h.metric(g, metric.GatewaySubscriptions, ""); int(n) != 3*len(kept)+1 {
		t.Errorf("%v subscriptions", n)
	}
}

// labelled is the value of a part's metric.
func labelled(t *testing.T, registry *prometheus.Registry, name, part string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == "part" && l.GetValue() == part {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	t.Fatalf("no %s of %s", name, part)
	return 0
}
