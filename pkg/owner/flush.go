package owner

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// flush ends a turn: each destination gets its batch, with the acknowledgements owed to
// it on board.
//
// Hop 5 of a Broadcast's way; the next is the gateway's down reader.
func (l *Lane) flush() {
	if len(l.dirty) > 0 {
		l.flushLinks()
	}
	if l.urgent {
		l.urgent = false
		l.acknowledge()
	}
}

func (l *Lane) flushLinks() {
	for _, g := range l.gateways {
		if o := g.ends.out; o.Pending() && !o.Full() && !g.ends.owed.IsZero() {
			o.End(l.appendAcks(o.Begin(l.views.current.Version, l.now), &g.ends, wire.DirUp), l.now)
		}
	}
	for _, o := range l.dirty {
		o.Flush(l.now)
		l.countLink(o)
	}
	l.dirty = l.dirty[:0]
}

// countLink adds what a link has done since the last time to the metrics.
func (l *Lane) countLink(o *link.Out) { l.metrics.addLink(o.TakeStats()) }

// owe notes that an end has something to acknowledge.
func (l *Lane) owe(e *ends) {
	if e.owed.IsZero() {
		e.owed, l.owing = l.now, true
	}
}

// acknowledge sends what acknowledgements are due. It reports whether some are still owed.
func (l *Lane) acknowledge() bool {
	owing := false
	for _, g := range l.gateways {
		owing = l.tickEnds(&g.ends, wire.Down(g.Ref.ID, l.index%len(g.ends.ins)), g.Ref) || owing
	}
	for _, p := range l.peers {
		owing = l.tickEnds(&p.ends, "", p.ref) || owing
	}
	return owing
}

// tickEnds sends what acknowledgements are due on their own, as nothing else went that
// way. It reports whether some are still owed. An empty subject means the lanes of a peer.
func (l *Lane) tickEnds(e *ends, subject string, to cluster.Ref) bool {
	if e.owed.IsZero() {
		return false
	}
	urgent := false
	for i := range e.ins {
		_, now := e.ins[i].Due()
		urgent = urgent || now
	}
	if !urgent && l.now.Sub(e.owed) < link.AckDelay-time.Millisecond {
		return true
	}
	if subject != "" {
		l.sendAcks(l.appendAcks(l.ackBatch(to), e, wire.DirUp), subject)
		return false
	}
	for i := range e.ins {
		if owed, _ := e.ins[i].Due(); owed {
			seq, again := e.ins[i].Ack()
			b := wire.AppendAck(l.ackBatch(to), wire.Ack{Lane: uint16(i), Dir: wire.DirPeer, Seq: seq, Again: again})
			l.sendAcks(b, wire.Peer(to.ID, i))
		}
	}
	e.owed = time.Time{}
	return false
}

// appendAcks appends the acknowledgements of an end, of all its links.
func (l *Lane) appendAcks(b []byte, e *ends, dir wire.Dir) []byte {
	for i := range e.ins {
		if owed, _ := e.ins[i].Due(); owed {
			seq, again := e.ins[i].Ack()
			b = wire.AppendAck(b, wire.Ack{Lane: uint16(i), Dir: dir, Seq: seq, Again: again})
		}
	}
	e.owed = time.Time{}
	return b
}

// ackBatch begins a batch outside of any link's sequence.
func (l *Lane) ackBatch(to cluster.Ref) []byte {
	return wire.AppendHeader(l.acks[:0], wire.Header{
		FromID: l.self.ID, FromInc: l.self.Inc, FromLane: uint16(l.index),
		Lanes: uint8(l.node.self.Lanes), ToInc: to.Inc, View: l.views.current.Version,
	})
}

func (l *Lane) sendAcks(b []byte, subject string) {
	l.acks = b
	// Lost acknowledgements are asked for by a repeat.
	_ = l.send(subject, "", b)
}
