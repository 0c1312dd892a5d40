package gateway

import (
	"errors"
	"hash/maphash"
	"io"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// idleLoop is a loop that nobody runs: the test calls its functions, and is its clock, its
// owners and its clients. Without nc, what it sends goes nowhere, and is held by its links.
func idleLoop(t testing.TB, nc *nats.Conn, tune func(*Config)) *loop {
	t.Helper()
	cfg := Config{
		MaxConnections: 1000, MaxSubscriptions: 100, MaxFrameSize: 64 << 10, OutboxSize: 256 << 10,
		HeartbeatInterval: 30 * time.Second, ClientTimeout: time.Minute,
		HandshakeTimeout: 5 * time.Second, RequestTimeout: 5 * time.Second,
	}
	if tune != nil {
		tune(&cfg)
	}
	up := &natsConn{Conn: nc}
	up.up.Store(true)
	g := &Gateway{
		cfg: cfg, log: zap.NewNop(), metrics: newMetrics(prometheus.NewRegistry()), conns: []*natsConn{up},
		self:  cluster.Node{Ref: cluster.Ref{ID: 1}, Role: cluster.RoleGateway, Lanes: 1},
		began: time.Now(), seed: maphash.MakeSeed(), renewals: make(chan renewal, 1), door: newDoor(0),
		heads: make(chan head, 1), handoffs: make(chan handoff, 1), started: make(chan struct{}),
	}
	g.limits = newLimits(&g.cfg, g.metrics)
	g.dropUnavailable = g.metrics.dropped.WithLabelValues(dropUnavailable)
	g.dropOwnerLost = g.metrics.dropped.WithLabelValues(dropOwnerLost)
	l, err := newLoop(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	g.loops = []*loop{l}
	l.now = time.Now()
	t.Cleanup(func() {
		l.conns.each(func(c *conn) { l.drop(c, endShutdown) })
		l.poll.close()
	})
	return l
}

// routersAre gives the loop a view of these routers, of one lane each.
func (l *loop) routersAre(active ...uint64) { l.viewOf(active, nil) }

func (l *loop) viewOf(active, leaving []uint64) {
	v := &cluster.View{Role: cluster.RoleRouter}
	for _, id := range active {
		v.Active = append(v.Active, cluster.Node{Ref: cluster.Ref{ID: id}, Role: cluster.RoleRouter, Lanes: 1, State: cluster.Active})
		v.Version = v.Version*31 + id
	}
	for _, id := range leaving {
		v.Leaving = append(v.Leaving, cluster.Node{Ref: cluster.Ref{ID: id}, Role: cluster.RoleRouter, Lanes: 1, State: cluster.Leaving})
	}
	l.adopt(l.self, &cluster.Views{Gateways: &cluster.View{}, Routers: v, Presences: &cluster.View{}})
}

// connect opens a connection on the loop. peer is the client's end, non-blocking.
func (l *loop) connect(t testing.TB) (c *conn, peer int32) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	for _, fd := range pair {
		unix.CloseOnExec(fd)
		err = errors.Join(err, unix.SetNonblock(fd, true))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[1]) })
	c = l.conns.take()
	c.fd, c.state, c.user, c.heard = int32(pair[0]), stateOpen, "alice", l.wheel.now
	c.expires, c.admitted = uint32(l.now.Unix())+3600, true
	l.gw.sockets.Add(1)
	l.gw.open.Add(1)
	if err := l.poll.add(pair[0], c.slot, c.gen, interestRead); err != nil {
		t.Fatal(err)
	}
	l.schedule(c, 1)
	return c, int32(pair[1])
}

// acked takes everything that the links hold as arrived.
func (l *loop) acked() {
	for _, o := range l.outs {
		if o != nil {
			o.Ack(o.Sent(), false, l.now)
		}
	}
}

// masked is a client's text frame.
func masked(payload string) []byte {
	b, err := ws.CompileFrame(ws.MaskFrameWith(ws.NewTextFrame([]byte(payload)), [4]byte{1, 2, 3, 4}))
	if err != nil {
		panic(err)
	}
	return b
}

// readFrame reads one frame of the server's.
func readFrame(in io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(in); err == nil {
		f.Payload = make([]byte, f.Header.Length)
		_, err = io.ReadFull(in, f.Payload)
	}
	return f, err
}

// answer takes the part of the owners: everything that the loop asked of them is done.
func (l *loop) answer() {
	for _, h := range l.ops.handles(func(*op) bool { return true }) {
		if o := l.ops.find(h); o.kind == opReply {
			l.replied(&wire.Reply{Op: h, Conn: wire.Conn{Slot: o.conn, Gen: o.cgen}, Frame: someFrame})
			continue
		}
		for o := l.ops.find(h); o != nil; o = l.ops.find(h) {
			l.done(wire.Done{Op: h})
		}
	}
}

var _, someFrame = protocol.AppendText(nil, "{}")

func metricValue(t testing.TB, m prometheus.Metric) float64 {
	t.Helper()
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		t.Fatal(err)
	}
	return d.GetCounter().GetValue() + d.GetGauge().GetValue()
}
