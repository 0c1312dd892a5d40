package owner

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// simGateway speaks the owners' protocol as package gateway does: a reader for each down
// subject, and loops that follow views by their mailboxes. A loop has one client, which
// publishes and subscribes.
type simGateway struct {
	sim   *sim
	node  cluster.Node
	heard map[*simRouter]cluster.State
	views *cluster.Views // the readers' by now, and the loops' soon
	loops []*simLoop
	ends  [simLoops]map[cluster.Ref][]link.In
	stuck bool // its loops read nothing, and hear of nothing
}

// simMail is what a loop has not read yet: a batch, or new views.
type simMail struct {
	batch []byte
	views *cluster.Views
}

type simLoop struct {
	*simGateway
	index   int
	view    *cluster.View
	mail    []simMail
	pool    link.Pool
	ups     map[cluster.Ref]*simUp
	links   uint64
	life    uint64 // behind which number its links begin
	hushed  bool   // it is beginning again
	fallen  bool   // see away
	entries map[string]*simEntry
	ops     map[uint64]*simOp
	nextOp  uint64
	sent    map[string]int // by key: how many were published here
}

type simUp struct {
	node cluster.Node
	outs []*link.Out
}

// simEntry is a key that the loop's client wants, or is about to.
type simEntry struct {
	owner   *simUp
	pending int
	on      bool
}

type simOp struct {
	kind  wire.Kind
	key   string
	n     int // of a Publish: its number
	to    *simUp
	since time.Time
}

// requestTime is when a loop gives up on an answer.
const requestTime = 5 * time.Second

func newSimGateway(s *sim) *simGateway {
	g := &simGateway{
		sim:   s,
		node:  cluster.Node{Ref: cluster.Ref{ID: s.newID()}, Role: cluster.RoleGateway, Lanes: simLoops, State: cluster.Active},
		heard: make(map[*simRouter]cluster.State),
		views: &cluster.Views{Routers: &cluster.View{}},
	}
	for i := range simLoops {
		g.ends[i] = make(map[cluster.Ref][]link.In)
		l := &simLoop{
			simGateway: g, index: i, view: g.views.Routers, ups: make(map[cluster.Ref]*simUp),
			entries: make(map[string]*simEntry), ops: make(map[uint64]*simOp), sent: make(map[string]int),
		}
		g.loops = append(g.loops, l)
		s.links[wire.Down(g.node.ID, i)] = simReader{g, i}
		s.links[wire.Refuse(g.node.ID, i)] = l
	}
	return g
}

func (g *simGateway) hear() bool {
	if g.stuck || !g.sim.hear(g.heard, nil) {
		return false
	}
	g.post()
	return true
}

// post gives the readers the views of now, and the loops soon.
func (g *simGateway) post() {
	g.views = g.sim.views(g.heard)
	for i, l := range g.loops {
		l.mail = append(l.mail, simMail{views: g.views})
		maps.DeleteFunc(g.ends[i], func(ref cluster.Ref, _ []link.In) bool { return !g.listed(ref) })
	}
}

func (g *simGateway) listed(ref cluster.Ref) bool {
	n, ok := g.views.Routers.Find(ref.ID)
	return ok && n.Ref == ref
}

// simReader takes the batches of one down subject.
type simReader struct {
	*simGateway
	lane int
}

func (r simReader) take(_ string, batch []byte) {
	h, err := wire.ParseHeader(batch)
	ref := cluster.Ref{ID: h.FromID, Inc: h.FromInc}
	if err != nil || !r.listed(ref) {
		return
	}
	ins := r.ends[r.lane][ref]
	if ins == nil {
		ins = make([]link.In, h.Lanes)
		r.ends[r.lane][ref] = ins
	}
	if h.Seq != 0 && !ins[h.FromLane].Take(h, len(batch)) {
		return
	}
	var loops uint64
	for rec := range wire.Records(batch) {
		loops |= rec.Loops()
	}
	for i, l := range r.loops {
		if loops>>i&1 != 0 {
			l.mail = append(l.mail, simMail{batch: batch})
		}
	}
	if r.sim.rng.IntN(4) == 0 {
		r.acknowledge(r.lane)
	}
}

func (g *simGateway) acknowledge(lane int) {
	for ref, ins := range g.ends[lane] {
		for i := range ins {
			if owed, _ := ins[i].Due(); owed {
				seq, again := ins[i].Ack()
				b := wire.AppendHeader(nil, wire.Header{FromID: g.node.ID, Lanes: simLoops, ToInc: ref.Inc})
				b = wire.AppendAck(b, wire.Ack{Lane: uint16(i), Dir: wire.DirDown, Seq: seq, Again: again})
				_ = g.sim.send(g.node.ID*100+50+uint64(lane))(wire.Up(ref.ID, i), "", b)
			}
		}
	}
}

func (g *simGateway) tick() {
	for i, l := range g.loops {
		g.acknowledge(i)
		for _, u := range l.ups {
			for _, o := range u.outs {
				o.Tick(g.sim.now)
			}
		}
		for _, h := range slices.Sorted(maps.Keys(l.ops)) {
			o := l.ops[h]
			switch waits := g.sim.now.Sub(o.since); {
			case waits > stuckAfter && !g.sim.kills:
				g.sim.Fatalf("%s about %s has no answer after %v: %s", l.name(), o.key, waits, g.sim.describe())
			case waits > requestTime: // whoever had it died
				l.finish(h, false)
			}
		}
		l.flush()
	}
}

func (g *simGateway) quiet() bool {
	for i, l := range g.loops {
		if len(l.mail) > 0 || len(l.ops) > 0 || !l.linksEmpty() {
			return false
		}
		for _, ins := range g.ends[i] {
			for k := range ins {
				if owed, _ := ins[k].Due(); owed {
					return false
				}
			}
		}
	}
	return true
}

func (l *simLoop) linksEmpty() bool {
	for _, u := range l.ups {
		for _, o := range u.outs {
			if o.Held() > 0 {
				return false
			}
		}
	}
	return true
}

// name is how the checker calls the loop.
func (l *simLoop) name() string { return fmt.Sprintf("%d.%d", l.node.ID, l.index) }

// take takes a refusal.
func (l *simLoop) take(subject string, _ []byte) {
	if number, seq, ok := wire.ParseRefuse(subject); ok {
		for _, u := range l.ups {
			for _, o := range u.outs {
				o.Refused(number, seq)
			}
		}
	}
}

// turn reads some mail.
func (l *simLoop) turn() bool {
	if l.stuck || len(l.mail) == 0 {
		return false
	}
	for range 1 + l.sim.rng.IntN(3) {
		if len(l.mail) == 0 {
			break
		}
		m := l.mail[0]
		l.mail = l.mail[1:]
		if m.views != nil {
			l.adopt(m.views)
		} else {
			l.down(m.batch)
		}
	}
	l.flush()
	return true
}

func (l *simLoop) flush() {
	for _, u := range l.ups {
		for _, o := range u.outs {
			o.Flush(l.sim.now)
		}
	}
}

func (l *simLoop) down(batch []byte) {
	h, _ := wire.ParseHeader(batch)
	u := l.ups[cluster.Ref{ID: h.FromID, Inc: h.FromInc}]
	for rec := range wire.Records(batch) {
		if rec.Loops()>>l.index&1 == 0 {
			continue
		}
		var d wire.Deliver
		var p wire.Reply
		var n wire.Done
		var a wire.Ack
		switch rec.Kind {
		case wire.KindDeliver:
			_ = d.Decode(rec.Body)
			if e := l.entries[d.Topic]; e == nil {
				l.interest(wire.KindLeave, d.Topic)
			} else if e.on {
				l.sim.check.delivered(l, d.Topic, string(d.Frame))
			}
		case wire.KindReply:
			_ = p.Decode(rec.Body)
			l.finish(p.Op, string(p.Frame) == "ok")
		case wire.KindDone:
			_ = n.Decode(rec.Body)
			l.finish(n.Op, n.Code == 0)
		case wire.KindAck:
			_ = a.Decode(rec.Body)
			if u != nil {
				u.outs[h.FromLane].Ack(a.Seq, a.Again, l.sim.now)
			}
		}
	}
}

// publish lets the loop's client publish to a key.
func (l *simLoop) publish(key string) {
	if l.away() {
		return
	}
	n := l.sent[key]
	l.sent[key]++
	h := l.begin(&simOp{kind: wire.KindPublish, key: key, n: n})
	l.sim.check.sent(l, key, n)
	l.ask(h)
}

// toggle lets the loop's client subscribe to a key, or unsubscribe.
func (l *simLoop) toggle(key string) {
	e := l.entries[key]
	if e == nil {
		if l.away() {
			return
		}
		e = &simEntry{}
		l.entries[key] = e
	}
	if e.pending > 0 {
		return
	}
	e.pending++
	kind := wire.KindJoin
	if e.on {
		kind = wire.KindFence
	}
	l.ask(l.begin(&simOp{kind: kind, key: key}))
}

func (l *simLoop) begin(o *simOp) uint64 {
	l.nextOp++
	o.since = l.sim.now
	l.ops[l.nextOp] = o
	return l.nextOp
}

// ask sends an op to the owner by the loop's view.
func (l *simLoop) ask(h uint64) {
	o := l.ops[h]
	out := l.ownerOf(o)
	if out == nil {
		l.finish(h, false)
		return
	}
	b := out.Begin(l.view.Version, l.sim.now)
	if o.kind == wire.KindPublish {
		b = wire.AppendPublish(b, &wire.Publish{
			Conn: wire.Conn{Loop: uint8(l.index)}, Op: h, Topic: o.key, ID: "id",
			Payload: fmt.Appendf(nil, "%s/%d", l.name(), o.n),
		})
	} else {
		l.entries[o.key].owner = o.to
		b = wire.AppendInterest(b, o.kind, wire.Interest{Op: h, Topic: o.key})
	}
	out.End(b, l.sim.now)
}

func (l *simLoop) ownerOf(o *simOp) (out *link.Out) {
	o.to, out = l.owner(o.key)
	return out
}

func (l *simLoop) owner(key string) (*simUp, *link.Out) {
	hash := cluster.Hash(key)
	i := l.view.Owner(hash)
	if i < 0 {
		return nil, nil
	}
	u := l.ups[l.view.Active[i].Ref]
	return u, u.outs[cluster.Lane(hash, len(u.outs))]
}

// finish ends an op.
func (l *simLoop) finish(h uint64, ok bool) {
	o := l.ops[h]
	if o == nil {
		return
	}
	delete(l.ops, h)
	if o.kind == wire.KindPublish {
		l.sim.check.answered(l, o.key, o.n, ok)
		return
	}
	e := l.entries[o.key]
	e.pending--
	switch {
	case ok && o.kind == wire.KindJoin:
		e.on = true
		l.sim.check.joined(l, o.key)
	case ok && e.on:
		e.on = false
		l.sim.check.left(l, o.key)
	}
	if e.on || e.pending > 0 {
		return
	}
	delete(l.entries, o.key)
	l.interest(wire.KindLeave, o.key)
}

// interest tells a key's owner of the loop's interest in it, without asking anything.
func (l *simLoop) interest(kind wire.Kind, key string) *simUp {
	u, out := l.owner(key)
	if u != nil {
		out.End(wire.AppendInterest(out.Begin(l.view.Version, l.sim.now), kind, wire.Interest{Topic: key}), l.sim.now)
	}
	return u
}
