package router

import (
	"strconv"
	"unsafe"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// publisher is what publish works with: scratch that keeps its memory, and the
// counter behind the message ids that the server gives.
type publisher struct {
	loops   []uint64         // by Gateway.Slot: the loops with subscribers of this message
	touched []*owner.Gateway // those with any
	frame   []byte
	id      []byte
	serial  uint64
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
	t.gather(p.Topic)
	if len(t.touched) > 0 {
		t.send(from, &p)
	} else {
		t.metrics.unheard.Inc()
	}
	if p.ID != "" {
		var ack []byte
		t.frame, ack = protocol.AppendAck(t.frame[:0], p.ID, p.Topic)
		t.reply(from, &p, ack)
	}
}

// gather collects which loops of which gateways have subscribers of a topic: each
// once, however many subscriptions match.
func (t *topics) gather(name string) {
	if i := t.exact[name]; i != nil {
		t.touch(i)
	}
	if t.patterns.Len() > 0 {
		t.patterns.Match(name, func(_ string, i *interest) { t.touch(i) })
	}
}

func (t *topics) touch(i *interest) {
	for _, a := range i.gateways {
		slot := a.gateway.Slot
		for slot >= len(t.loops) {
			t.loops = append(t.loops, 0)
		}
		if t.loops[slot] == 0 {
			t.touched = append(t.touched, a.gateway)
		}
		t.loops[slot] |= a.loops
	}
}

// send makes the frame, once, and one record for each gateway that was gathered.
func (t *topics) send(from owner.Source, p *wire.Publish) {
	var frame []byte
	t.frame, frame = protocol.AppendBroadcast(t.frame[:0], &protocol.Publication{
		Topic: p.Topic, Payload: p.Payload, User: p.User,
		MessageID: t.messageID(p), SentAt: p.SentAt / 1000,
	})
	for _, g := range t.touched {
		d := wire.Deliver{Loops: t.loops[g.Slot], SentAt: p.SentAt, Topic: p.Topic, Frame: frame}
		if p.Quiet && g == from.Gateway {
			d.Quiet, d.Sender = true, p.Conn
		}
		t.lane.End(g, wire.AppendDeliver(t.lane.Begin(g), &d))
		t.loops[g.Slot] = 0
	}
	t.metrics.delivers.Add(float64(len(t.touched)))
	t.touched = t.touched[:0]
}

// messageID is the sender's id, or one that nobody else gives: this life of this lane,
// and a number.
func (t *topics) messageID(p *wire.Publish) string {
	if p.ID != "" {
		return p.ID
	}
	t.serial++
	self := t.lane.Self()
	b := strconv.AppendUint(t.id[:0], self.ID, 36)
	b = append(b, '-')
	b = strconv.AppendUint(b, uint64(self.Inc), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(t.lane.Index()), 36)
	b = append(b, '-')
	t.id = strconv.AppendUint(b, t.serial, 36)
	return unsafe.String(unsafe.SliceData(t.id), len(t.id)) // copied into the frame at once
}

// unavailable answers a Broadcast that found no way to its owner.
func (t *topics) unavailable(from owner.Source, rec wire.Record) {
	var p wire.Publish
	if p.Decode(rec.Body) != nil {
		return
	}
	var frame []byte
	t.frame, frame = protocol.AppendError(t.frame[:0], p.ID, protocol.Error{
		Code: protocol.CodeUnavailable, Message: "the topic's owner is changing: send again",
		Details: protocol.RetryAfter(1000),
	})
	t.reply(from, &p, frame)
}

func (t *topics) reply(to owner.Source, p *wire.Publish, frame []byte) {
	b := wire.AppendReply(t.lane.Begin(to.Gateway), &wire.Reply{Op: p.Op, Conn: p.Conn, Frame: frame})
	t.lane.End(to.Gateway, b)
}
