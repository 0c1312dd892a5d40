package gateway_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-cluster/realtime/gateway"
)

// stopping begins the stop of a gateway; the channel is closed when it has ended.
func stopping(g *gatewayNode) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.stop()
	}()
	return done
}

// toldGoodbye reads up to the end, which has to be a goodbye of a paced drain, and returns what came before that.
func (k *talk) toldGoodbye() (acks, topics int) {
	k.t.Helper()
	messages, code := k.end()
	_ = k.conn.Close()
	if code != 1012 || len(messages) == 0 {
		k.t.Fatalf("closed %d after %d messages", code, len(messages))
	}
	for _, m := range messages[:len(messages)-1] {
		if m.Get("type").Str == "Ack" {
			acks++
		} else {
			topics++
		}
	}
	last := messages[len(messages)-1]
	ms := last.Get("data.details.reconnect_after_ms")
	if last.Get("data.status").Str != "draining" || !ms.Exists() || ms.Int() < 0 || ms.Int() >= 1000 {
		k.t.Fatalf("told %s", last.Raw)
	}
	return acks, topics
}

// TestDrainIsPaced: clients are told goodbye some at a time; those whose turn has not come are served as ever, and nobody comes in any more.
func TestDrainIsPaced(t *testing.T) {
	h := start(t, 1, 1, func(c *gateway.Config) { c.DrainPeriod = 4 * time.Second })
	g := h.gateway[0]
	const clients = 200 // 100 a second
	var all []*talk
	for range clients {
		all = append(all, h.talk(g, "bob"))
	}
	last := all[clients-1]
	last.subscribe("a")
	done := stopping(g)
	first := make(chan struct{})
	go func() {
		defer close(first)
		all[0].toldGoodbye()
	}()
	<-first
	if open := g.Open(); open < clients/2 {
		t.Fatalf("%d of %d are left when the first is told", open, clients)
	}
	seen := make(map[int]bool)
	sent := 0
	for ; g.Open() > clients/4; time.Sleep(10 * time.Millisecond) {
		seen[g.Open()] = true
		last.send(broadcast("m", "a", "1"))
		sent++
	}
	if len(seen) < 5 {
		t.Errorf("told in %d steps", len(seen))
	}
	d := ws.Dialer{Timeout: patience}
	_, _, _, err := d.Dial(t.Context(), "ws://"+g.addr+"/ws?token="+h.token("carol"))
	if refused := ws.StatusError(0); !errors.As(err, &refused) || int(refused) != 503 {
		t.Errorf("who comes meanwhile: %v", err)
	}
	page, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}).Get("http://" + g.addr + "/metrics")
	if err != nil || page.StatusCode != 200 {
		t.Fatalf("HTTP while it drains: %v", err)
	}
	_ = page.Body.Close()
	if got := gaugeOf(t, g.metrics, "realtime_gateway_draining"); got != 1 {
		t.Errorf("draining is %v", got)
	}
	if acks, got := last.toldGoodbye(); acks != sent || got != sent {
		t.Errorf("of %d messages %d were acked and %d delivered", sent, acks, got)
	}
	for _, k := range all[1 : clients-1] {
		k.toldGoodbye()
	}
	<-done
}

// TestDrainLetsInAtFirst: until load balancers should have noticed, who comes is served; and a few clients do not hold a stop for all of DRAIN_PERIOD.
func TestDrainLetsInAtFirst(t *testing.T) {
	h := start(t, 2, 1, func(c *gateway.Config) { c.DrainPeriod = time.Hour })
	g := h.gateway[0]
	early := h.talk(g, "alice")
	begin := time.Now()
	done := stopping(g)
	h.eventually(func() bool { return g.Ready() != nil })
	if err := g.Ready(); !strings.Contains(err.Error(), "draining") {
		t.Errorf("not ready: %v", err)
	}
	late := h.talk(g, "bob")
	late.subscribe("a")
	if ack, _ := late.ask(broadcast("1", "a", "1")); ack.Get("type").Str != "Ack" {
		t.Errorf("got %s", ack.Raw)
	}
	early.toldGoodbye()
	late.toldGoodbye()
	<-done
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	// Without clients there is nothing to wait for.
	begin = time.Now()
	h.gateway[1].stop()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the stop without clients took %v", took)
	}
}

// TestDrainKeepsSessions: whoever is told goodbye resumes elsewhere while the others still wait for theirs, with what it subscribed to a moment before.
func TestDrainKeepsSessions(t *testing.T) {
	h := withSessions(t, 1, 1)
	other := h.gateway[0]
	g := h.addGateway(func(c *gateway.Config) {
		c.Store, c.SessionTTL, c.DrainPeriod = h.sessions, time.Minute, 20*time.Second
	})
	h.eventually(func() bool { return g.Ready() == nil })
	writer := h.talk(other, "w")
	const clients = 120
	type client struct {
		*talk
		session string
	}
	var all []client
	for range clients {
		k, details := h.resume(g, "r", "")
		all = append(all, client{k, details.Get("session_id").Str})
	}
	done := stopping(g)
	h.eventually(func() bool { return g.Ready() != nil })
	topic := func(i int) string { return "h." + strconv.Itoa(i) }
	for i, k := range all {
		k.subscribe(topic(i), "plain")
	}
	for i, k := range all {
		if i%20 != 0 && i != clients-1 {
			_ = k.conn.Close()
			continue
		}
		k.toldGoodbye()
		writer.publish(topic(i), 1, 5)
		again, details := h.resume(other, "r", k.session)
		topics := []string{details.Get("topics.0").Str, details.Get("topics.1").Str}
		slices.Sort(topics)
		if !details.Get("resumed").Bool() || !slices.Equal(topics, []string{topic(i), "plain"}) || !details.Get("positions").Map()[topic(i)].Get("recovered").Bool() {
			t.Fatalf("client %d was welcomed with %s", i, details.Raw)
		}
		again.hears(1, 5)
		_ = again.conn.Close()
	}
	<-done
}

// gaugeOf is the value of a gauge without labels of its own.
func gaugeOf(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}
