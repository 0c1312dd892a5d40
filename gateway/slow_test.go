package gateway_test

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/control"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

// A subscriber that does not read is closed 4410, and nobody else notices: the others, on
// the same loop as well, get everything. When it reads at last, it finds whole frames in
// their order, and the close.
func TestSubscriberThatNeverReads(t *testing.T) {
	h := start(t, 1, 1, nil)
	g := h.gateway[0]
	var others []*talk
	for range 4 { // on either loop
		k := h.talk(g, "alice")
		k.subscribe("a", "b.*")
		others = append(others, k)
	}
	stuck := h.talkSmall(g, "bob")
	stuck.subscribe("a")
	sender := h.talk(g, "carol")
	padding := strings.Repeat("x", 50000)
	sent := 0
	var slowest control.SlowClient
	if list := g.Slow(9); len(list) != 0 {
		t.Errorf("slow before anything is sent: %v", list)
	}
	for h.ended(g, "slow") == 0 {
		for _, s := range g.Slow(9) {
			if s.User != "bob" {
				t.Errorf("%s is said to be slow", s.User)
			}
			slowest = s
		}
		if sent++; sent > 2000 {
			t.Fatal("a client that does not read was not closed")
		}
		id := strconv.Itoa(sent)
		if ack, _ := sender.ask(broadcast(id, "a", `[`+id+`,"`+padding+`"]`)); ack.Get("type").Str != "Ack" {
			t.Fatalf("got %s", ack.Raw)
		}
		for i, k := range others {
			if got := k.next().Get("data.payload.0").Int(); got != int64(sent) {
				t.Fatalf("subscriber %d got message %d, want %d", i, got, sent)
			}
		}
	}
	if slowest.Waiting < len(padding) {
		t.Errorf("the slowest was %+v", slowest)
	}
	messages, code := stuck.end()
	if code != 4410 {
		t.Errorf("closed %d", code)
	}
	for i, m := range messages {
		if m.Get("data.payload.0").Int() != int64(i+1) || len(m.Get("data.payload.1").Str) != len(padding) {
			t.Fatalf("message %d of what it reads at last is %.100s", i+1, m.Raw)
		}
	}
	if len(messages) == 0 || len(messages) >= sent {
		t.Errorf("%d of %d messages", len(messages), sent)
	}
	h.eventually(func() bool { return g.Open() == len(others)+1 })
	for _, k := range append(others, sender) {
		if rest := k.lives(); len(rest) > 0 {
			t.Errorf("got %d more messages", len(rest))
		}
	}
	if n := h.metric(g, metric.GatewayOutboxBytes, ""); n != 0 {
		t.Errorf("%v bytes are still counted as waiting", n)
	}
}

// talkSmall connects with a receive buffer as small as may be.
func (h *harness) talkSmall(g *gatewayNode, user string) *talk {
	h.t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	}}
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + h.token(user)}}, NetDial: d.DialContext}
	conn, in, _, err := dialer.Dial(h.t.Context(), "ws://"+g.addr+"/ws")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	k := newTalk(h.t, conn, in)
	k.session = k.next().Get("data.details.session_id").Str
	return k
}

// ended is how many connections of a gateway have ended for a reason.
func (h *harness) ended(g *gatewayNode, reason string) float64 {
	h.t.Helper()
	return h.metric(g, metric.GatewayEnded, reason)
}

// metric is a gateway's value of a metric; with a label, of the one that is labelled so.
func (h *harness) metric(g *gatewayNode, of metric.Metric, label string) (sum float64) {
	h.t.Helper()
	families, err := g.metrics.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != of.Name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == label }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
