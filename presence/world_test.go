package presence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/crew"
	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/history/shelf/shelftest"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/owner/ownertest"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// world is registries, on the lanes of some nodes, and the loops of some gateways, on one goroutine.
type world struct {
	*testing.T
	r          *rand.Rand
	net        *ownertest.Net
	cfg        Config
	redis      *testCrew
	store      *shelftest.Store       // of histories
	registries map[uint64][]*registry // by node
	loops      []*testLoop
	ids        uint64 // of nodes, gateways, connections and ops, all from one count
	ops        map[uint64]*testOp
	resyncs    int // that were asked for
	shares     map[shareAt]wire.Share
	unread     func() bool // whether a client loses the queued messages it is sent now; nil: never
	log        []string    // of what was done
}

// testOp is what a loop waits for an answer to.
type testOp struct {
	what string
	loop *testLoop
	then func(rec wire.Record)
}

// testCrew makes the calls of a crew when the test says so, in any order.
type testCrew struct {
	*crew.Crew
	calls []func()
}

func newTestCrew(m *metrics) *testCrew {
	c := &testCrew{Crew: crew.New(m.overload)}
	c.Start = func(call func()) { c.calls = append(c.calls, call) }
	return c
}

func newWorld(t *testing.T, r *rand.Rand, cfg Config) *world {
	w := &world{
		T: t, r: r, cfg: cfg, net: ownertest.New(t, cluster.RolePresence),
		registries: make(map[uint64][]*registry), ops: make(map[uint64]*testOp), shares: make(map[shareAt]wire.Share),
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last steps:\n%s", strings.Join(w.log[max(0, len(w.log)-100):], "\n"))
		}
	})
	m := newMetrics(prometheus.NewRegistry())
	w.redis = newTestCrew(m)
	w.store = shelftest.New(w.net.Now, func(write func()) { w.redis.calls = append(w.redis.calls, write) })
	w.cfg.History.Stores = map[string]history.Store{"kept": w.store}
	return w
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, w.net.Now().UTC().Format("05.000 ")+fmt.Sprintf(format, args...))
}

func (w *world) id() uint64 {
	w.ids++
	return w.ids
}

// addNode adds a node, and addGateway a gateway; both are known from the next view on.
func (w *world) addNode(lanes int) uint64 {
	id := w.id()
	m := newMetrics(prometheus.NewRegistry())
	jetstream := newTestCrew(m)
	histories := w.cfg.History.Config(lanes, m.overload, metric.For(nil, ""), zap.NewNop())
	histories.Crew = w.redis.Crew // its own has a circuit breaker, and that a clock
	w.net.AddNode(id, lanes, func(l *owner.Lane) owner.Handler {
		x := newRegistry(l, &w.cfg, m, w.redis.Crew, jetstream.Crew, histories)
		w.registries[id] = append(w.registries[id], x)
		return x
	})
	return id
}

func (w *world) addGateway(loops int) *ownertest.Gateway {
	g := w.net.AddGateway(w.id(), loops)
	for i := range loops {
		w.loops = append(w.loops, newTestLoop(w, g, i))
	}
	mine := slices.Clone(w.loops[len(w.loops)-loops:])
	g.Receive = func(from ownertest.Lane, loops uint64, rec wire.Record) {
		for i, l := range mine {
			if loops>>i&1 != 0 {
				l.receive(from, rec)
			}
		}
	}
	g.Moved = func(loop int) { mine[loop].moved() }
	return g
}

func (w *world) killGateway(g *ownertest.Gateway) {
	w.net.Kill(g)
	for id, o := range w.ops {
		if o.loop.gateway == g {
			delete(w.ops, id)
		}
	}
	w.loops = slices.DeleteFunc(w.loops, func(l *testLoop) bool { return l.gateway == g })
	w.net.View()
}

func (w *world) killNode(id uint64) {
	w.net.KillNode(id)
	delete(w.registries, id)
	w.net.View()
}

// begin begins an op; an answer to it ends it.
func (w *world) begin(l *testLoop, what string, then func(rec wire.Record)) uint64 {
	id := w.id()
	w.ops[id] = &testOp{what, l, then}
	return id
}

// answered ends an op: each has one answer.
func (w *world) answered(l *testLoop, id uint64, rec wire.Record) {
	w.Helper()
	o := w.ops[id]
	if o == nil || o.loop != l {
		w.Fatalf("op %d is answered, which nobody waits for: kind %d", id, rec.Kind)
	}
	delete(w.ops, id)
	o.then(rec)
}

// settle brings everything where it goes, and makes all calls.
func (w *world) settle() {
	for w.net.Deliver(); len(w.redis.calls) > 0; w.net.Deliver() {
		w.callOne()
	}
}

// callOne makes one of the calls that wait. Its result goes to the lane.
func (w *world) callOne() {
	i := w.r.IntN(len(w.redis.calls))
	call := w.redis.calls[i]
	w.redis.calls = slices.Delete(w.redis.calls, i, i+1)
	call()
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	for w.settle(); d > 0; d -= ownertest.Step {
		w.net.Pass(ownertest.Step)
		for _, l := range w.loops {
			l.tick()
		}
		w.settle()
	}
}

// unanswered fails the test when ops wait, after everything has settled.
func (w *world) unanswered() {
	w.Helper()
	for id, o := range w.ops {
		w.Errorf("op %d is not answered: %s", id, o.what)
	}
}

// testConn is a client's connection.
type testConn struct {
	loop *testLoop
	ref  wire.Conn
	user string
	open bool
	got  []frame // in order
	// watches is by user what the client was told last of those it watches: status, message and metadata.
	watches map[string]string
}

// frame is a frame that a connection got.
type frame struct {
	gjson.Result
	at uint64 // its place among all that all connections got
}

func (c *testConn) take(b []byte) {
	for len(b) > 0 {
		payload := payloadOf(b)
		n := len(payload)
		switch {
		case b[1] == 126:
			n = int(b[2])<<8 | int(b[3])
		case b[1] < 126:
			n = int(b[1])
		}
		c.got = append(c.got, frame{gjson.ParseBytes(slices.Clone(payload[:n])), c.loop.id()})
		b = payload[n:]
	}
}

// frames are the data of the frames of a type that a connection got, which it forgets.
func (c *testConn) frames(kind string) (list []frame) {
	c.got = slices.DeleteFunc(c.got, func(f frame) bool {
		if f.Get("type").Str != kind {
			return false
		}
		list = append(list, frame{f.Get("data"), f.at})
		return true
	})
	return list
}

// looks is what of a presence is worth telling.
func looks(p gjson.Result) string {
	return p.Get("status").Str + "|" + p.Get("message").Str + "|" + p.Get("metadata").Raw
}

func (w *world) checkEmpty() {
	w.Helper()
	for id, list := range w.registries {
		for i, r := range list {
			left := map[string]int{
				"users": len(r.users), "digests": len(r.digests), "connections": r.total, "rooms": len(r.rooms), "boxes": len(r.boxes),
				"large": len(r.large), "fresh": len(r.fresh), "unshown": len(r.unshown), "absences": len(r.absent.list),
				"sharings": len(r.sharings), "unsettled": len(r.unsettled),
			}
			for what, n := range left {
				if n != 0 {
					w.Errorf("node %d, lane %d: %d %s are left over", id, i, n, what)
				}
			}
		}
	}
}

// data is a message's data.
func data(pairs ...any) []byte {
	b := []byte{'{'}
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, pairs[i].(string))
		b = append(b, ':')
		switch v := pairs[i+1].(type) {
		case string:
			b = strconv.AppendQuote(b, v)
		default:
			b = fmt.Append(b, v)
		}
	}
	return append(b, '}')
}
