package ownertest

import (
	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Gateway is the loops of one gateway.
type Gateway struct {
	cluster.Node

	// Receive is called with each record that comes from a lane, and the set of loops that it concerns.
	Receive func(from Lane, loops uint64, rec wire.Record)
	// Moved is called for each loop when the owners changed; nil: nothing is to be told.
	Moved func(loop int)

	net  *Net
	view *cluster.View
	was  *cluster.View
	outs map[end]*link.Out
	ins  map[cluster.Ref][]link.In
	dead bool
}

// Lane is one lane of a node.
type Lane struct {
	Node  cluster.Ref
	Index int
}

// end is where a link goes from one of the loops.
type end struct {
	loop int
	Lane
}

// Owner is the lane that owns a key as the gateway knows it. It reports false when nobody does.
func (g *Gateway) Owner(key string) (Lane, bool) { return ownerIn(g.view, key) }

func ownerIn(v *cluster.View, key string) (Lane, bool) {
	hash := cluster.Hash(key)
	i := v.Owner(hash)
	if i < 0 {
		return Lane{}, false
	}
	return Lane{v.Active[i].Ref, cluster.Lane(hash, v.Active[i].Lanes)}, true
}

// HasMoved reports whether a key has another owner than before the last View: to be told in Moved.
func (g *Gateway) HasMoved(key string) bool {
	was, old := ownerIn(g.was, key)
	is, now := ownerIn(g.view, key)
	return old != now || was != is
}

// Owners yields the lanes of all owners.
func (g *Gateway) Owners(yield func(Lane) bool) {
	for _, x := range g.view.Active {
		for i := range x.Lanes {
			if !yield(Lane{x.Ref, i}) {
				return
			}
		}
	}
}

// Send sends a record to the owner of a key. It reports false when there is none.
func (g *Gateway) Send(loop int, key string, add func([]byte) []byte) bool {
	to, ok := g.Owner(key)
	if ok {
		g.SendTo(loop, to, add)
	}
	return ok
}

// SendTo sends a record to a lane, in a batch of its own.
func (g *Gateway) SendTo(loop int, to Lane, add func([]byte) []byte) {
	if g.dead {
		return
	}
	o := g.outs[end{loop, to}]
	if o == nil {
		o = link.NewOut(link.Config{
			Header: wire.Header{
				FromID: g.ID, FromInc: g.Inc, FromLane: uint16(loop), Lanes: uint8(g.Lanes), ToInc: to.Node.Inc,
			},
			Subject: wire.Up(to.Node.ID, to.Index), Refuse: wire.Refuse(g.ID, loop),
			Number: uint64(len(g.outs)) + 1, Bound: 64 << 20, Send: g.net.send, Pool: &link.Pool{},
		})
		g.outs[end{loop, to}] = o
	}
	o.End(add(o.Begin(g.view.Version, g.net.now)), g.net.now)
	o.Flush(g.net.now)
}

// adopt follows a view of the owners.
func (g *Gateway) adopt(v *cluster.View) {
	if v.Version == g.view.Version {
		return
	}
	g.was, g.view = g.view, v
	for loop := range g.Lanes {
		if g.Moved != nil {
			g.Moved(loop)
		}
		for to := range g.Owners {
			g.SendTo(loop, to, func(b []byte) []byte { return wire.AppendMark(b, wire.KindSynced, wire.Mark{View: v.Version}) })
		}
	}
}

// take deals with a batch from a lane, and acknowledges it at once.
func (g *Gateway) take(batch []byte) {
	h, err := wire.ParseHeader(batch)
	if err != nil {
		g.net.tb.Fatalf("gateway %x: a batch that cannot be read: %v", g.ID, err)
	}
	from := Lane{cluster.Ref{ID: h.FromID, Inc: h.FromInc}, int(h.FromLane)}
	if g.ins[from.Node] == nil {
		g.ins[from.Node] = make([]link.In, max(h.Lanes, 1))
	}
	if h.Seq != 0 {
		in := &g.ins[from.Node][from.Index]
		take := in.Take(h, len(batch))
		g.acknowledge(in, from)
		if !take {
			return
		}
	}
	for rec, err := range wire.Records(batch) {
		if err != nil {
			g.net.tb.Fatalf("gateway %x: a record that cannot be read: %v", g.ID, err)
		}
		if rec.Kind != wire.KindAck {
			g.Receive(from, rec.Loops(), rec)
			continue
		}
		var a wire.Ack
		if a.Decode(rec.Body) == nil {
			if o := g.outs[end{int(a.Lane), from}]; o != nil && a.Dir == wire.DirUp {
				o.Ack(a.Seq, a.Again, g.net.now)
			}
		}
	}
}

func (g *Gateway) acknowledge(in *link.In, to Lane) {
	b := wire.AppendHeader(nil, wire.Header{FromID: g.ID, FromInc: g.Inc, Lanes: uint8(g.Lanes), ToInc: to.Node.Inc, View: g.view.Version})
	seq, again := in.Ack()
	b = wire.AppendAck(b, wire.Ack{Lane: uint16(to.Index), Dir: wire.DirDown, Seq: seq, Again: again})
	_ = g.net.send(wire.Up(to.Node.ID, to.Index), "", b) // keeps it: never fails
}
