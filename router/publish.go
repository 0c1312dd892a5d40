package router

import (
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// publisher is what publish works with: scratch that keeps its memory.
type publisher struct {
	fanout owner.Fanout
	frame  []byte
}

// publish orders one Broadcast and sends it on.
//
// Hop 4 of a Broadcast's way. That this lane deals with one record after another is
// what gives a topic its order; the links to the gateways keep it.
func (t *topics) publish(from owner.Source, rec wire.Record) {
	var p wire.Publish
	if p.Decode(rec.Body) != nil {
		return
	}
	t.metrics.published.Inc()
	t.hot.Note(p.Topic)
	if !t.rules.Apply(from, &p) {
		return
	}
	if rule := t.rule(p.Topic); rule != nil {
		t.store(from, rule, &p)
		return
	}
	t.gather(p.Topic)
	if t.fanout.Len() > 0 {
		t.send(from, &p)
	} else {
		t.metrics.unheard.Inc()
	}
	if p.ID != "" {
		var ack []byte
		t.frame, ack = protocol.AppendAck(t.frame[:0], p.ID, p.Topic)
		t.reply(from, p.Op, p.Conn, ack)
	}
}

// gather collects which loops of which gateways have subscribers of a topic: each
// once, however many subscriptions match.
func (t *topics) gather(name string) {
	if i := t.exact[name]; i != nil {
		t.fanout.Touch(&i.Interest)
	}
	if t.patterns.Len() > 0 {
		t.patterns.Match(name, func(_ string, i *interest) { t.fanout.Touch(&i.Interest) })
	}
}

// send makes the frame, once, and one record for each gateway that was gathered.
func (t *topics) send(from owner.Source, p *wire.Publish) {
	var frame []byte
	t.frame, frame = protocol.AppendBroadcast(t.frame[:0], &protocol.Publication{
		Topic: p.Topic, Payload: p.Payload, User: p.User,
		MessageID: t.lane.MessageID(p.ID), SentAt: p.SentAt / 1000, Metadata: p.Metadata,
	})
	d := wire.Deliver{SentAt: p.SentAt, Topic: p.Topic, Frame: frame}
	if p.Quiet {
		t.deliver(d, from.Gateway, p.Conn)
	} else {
		t.deliver(d, nil, wire.Conn{})
	}
}

// deliver sends a record to each gateway that was gathered. quiet is the gateway of the connection that is left out; nil
// for none.
func (t *topics) deliver(d wire.Deliver, quiet *owner.Gateway, conn wire.Conn) {
	t.metrics.delivers.Add(float64(t.fanout.Len()))
	t.fanout.Send(func(g *owner.Gateway, loops uint64) {
		d.Loops, d.Quiet = loops, false
		if g == quiet {
			d.Quiet, d.Sender = true, conn
		}
		t.lane.End(g, wire.AppendDeliver(t.lane.Begin(g), &d))
	})
}

// changing is what a message or request gets that found no way to its owner.
var changing = protocol.Error{
	Code: protocol.CodeUnavailable, Message: "the topic's owner is changing: send again", Details: protocol.RetryAfter(1000),
}

func (t *topics) reply(to owner.Source, op uint64, conn wire.Conn, frame []byte) {
	t.lane.End(to.Gateway, wire.AppendReply(t.lane.Begin(to.Gateway), &wire.Reply{Op: op, Conn: conn, Frame: frame}))
}
