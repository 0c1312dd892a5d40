package owner

import (
	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// receive deals with one NATS message.
//
// Hop 3 of a Broadcast's way: from here to route, and by it to the Handler's Apply.
func (l *Lane) receive(m *nats.Msg) {
	switch m.Sub {
	case l.up:
		l.batch(m.Data, wire.DirUp)
	case l.peerSub:
		l.batch(m.Data, wire.DirPeer)
	default:
		l.refused(m)
	}
}

// batch deals with the records of one batch, once its link has taken it.
func (l *Lane) batch(data []byte, dir wire.Dir) {
	h, err := wire.ParseHeader(data)
	if err != nil {
		l.metrics.dropped.WithLabelValues(dropFormat).Inc()
		return
	}
	from := cluster.Ref{ID: h.FromID, Inc: h.FromInc}
	if _, dead := l.gone[from]; dead || h.ToInc != l.self.Inc {
		l.metrics.dropped.WithLabelValues(dropStale).Inc()
		return
	}
	var g *Gateway
	var p *peer
	var e *ends
	if dir == wire.DirUp {
		g = l.gateway(from, int(h.Lanes))
		e = &g.ends
	} else {
		if p = l.peers[from]; p == nil {
			p = l.addPeer(cluster.Node{Ref: from, Lanes: int(h.Lanes)})
		}
		e = &p.ends
	}
	if int(h.FromLane) >= len(e.ins) {
		l.metrics.dropped.WithLabelValues(dropFormat).Inc()
		return
	}
	e.heard = l.now
	if h.Seq != 0 {
		take := e.ins[h.FromLane].Take(h, len(data))
		l.owe(e)
		_, now := e.ins[h.FromLane].Due()
		l.urgent = l.urgent || now
		if !take {
			l.metrics.dropped.WithLabelValues(dropRepeat).Inc()
			return
		}
	}
	l.metrics.batchesIn.Inc()
	for rec, err := range wire.Records(data) {
		if err != nil {
			l.metrics.dropped.WithLabelValues(dropFormat).Inc()
			return
		}
		if dir == wire.DirUp {
			l.upRecord(g, h, rec)
		} else {
			l.peerRecord(p, h, rec)
		}
	}
}

func (l *Lane) upRecord(g *Gateway, h wire.Header, rec wire.Record) {
	switch rec.Kind {
	case wire.KindAck:
		var a wire.Ack
		if a.Decode(rec.Body) == nil && a.Dir == wire.DirDown && g.ends.out != nil {
			g.ends.out.Ack(a.Seq, a.Again, l.now)
			l.settle()
		}
	case wire.KindSynced:
		var m wire.Mark
		if m.Decode(rec.Body) == nil {
			l.say(&g.courses[h.FromLane], m.View)
		}
	case wire.KindAnew:
		l.anew(Source{Gateway: g, Loop: h.FromLane})
	default:
		l.route(&item{
			from: Source{Gateway: g, Loop: h.FromLane}, view: h.View, rec: rec,
			course: &g.courses[h.FromLane], place: g.courses[h.FromLane].place(h.View),
		})
	}
}

func (l *Lane) peerRecord(p *peer, h wire.Header, rec wire.Record) {
	switch rec.Kind {
	case wire.KindAck:
		var a wire.Ack
		if a.Decode(rec.Body) == nil && a.Dir == wire.DirPeer && int(h.FromLane) < len(p.outs) {
			p.outs[h.FromLane].Ack(a.Seq, a.Again, l.now)
		}
	case wire.KindReleased:
		var m wire.Mark
		if m.Decode(rec.Body) == nil {
			l.say(&p.courses[h.FromLane], m.View)
		}
	case wire.KindForward:
		var f wire.Forward
		if f.Decode(rec.Body) != nil {
			l.metrics.dropped.WithLabelValues(dropFormat).Inc()
			return
		}
		ref := cluster.Ref{ID: f.FromID, Inc: f.FromInc}
		if _, dead := l.gone[ref]; dead {
			return
		}
		g := l.gateway(ref, int(f.Lanes))
		if int(f.FromLane) >= len(g.courses) {
			l.metrics.dropped.WithLabelValues(dropFormat).Inc()
			return
		}
		l.route(&item{
			from: Source{Gateway: g, Loop: f.FromLane}, via: p, view: f.View, rec: f.Record,
			course: &p.courses[h.FromLane], place: p.courses[h.FromLane].place(f.View),
		})
	default:
		if l.telling != nil {
			c := &p.courses[h.FromLane]
			if l.fromLater = l.later(c, h.View); l.fromLater {
				l.views.tidy = false
				c.told = c.told || h.View != c.at()
			}
			l.telling.Peer(h.View, rec)
		}
	}
}

// later reports whether a view, by which what comes now from a lane was sent, is still to come here. It may be one that was here
// before, and comes back: the node that had made the difference is dead.
func (l *Lane) later(c *course, view uint64) bool {
	return view != l.views.current.Version &&
		(!l.views.knows(view) || l.ahead(&item{view: view, course: c, place: c.place(view)}))
}

// say notes that a loop or a lane goes by a view.
func (l *Lane) say(c *course, view uint64) {
	c.say(view)
	if l.waiting.ahead > 0 && l.views.knows(view) {
		l.rerouteWaiting() // something may have waited for a view that was left since
	}
	l.settle()
}

// refused takes the NATS server's word that nobody listens where we sent a batch.
func (l *Lane) refused(m *nats.Msg) {
	if m.Header.Get("Status") != "503" {
		return
	}
	number, seq, ok := wire.ParseRefuse(m.Subject)
	if !ok {
		return
	}
	for ref, g := range l.gateways {
		if g.ends.out.Refused(number, seq) {
			l.suspect(ref, &g.ends)
			return
		}
	}
	for ref, p := range l.peers {
		for _, o := range p.outs {
			if o.Refused(number, seq) {
				l.suspect(ref, &p.ends)
				return
			}
		}
	}
}
