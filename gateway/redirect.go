package gateway

import (
	"bytes"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// copying is what the reply to a message waits for of which rules have made copies: that they are taken, too.
type copying struct {
	need   int    // copies that are not answered yet
	reply  []byte // the message's own; nil while it has not come
	failed []byte // what a copy was refused with, which is the reply then; nil for none
}

// redirected publishes a message to another key than it was sent to, or a copy of it, as a rule says. That the owners
// leave this to the gateway that the message came by keeps one way for messages: in order, held while views change,
// and answered with 503 where their owner is lost.
func (l *loop) redirected(r *wire.Redirect) {
	o := l.ops.find(r.Op)
	if r.Op != 0 && o == nil {
		return // its sender has been told that it is not known to be taken
	}
	h := r.Op
	if r.Copy && o != nil {
		c := op{kind: opReply, conn: o.conn, cgen: o.cgen, need: 1, began: l.wheel.now, parent: r.Op}
		if o.copying == nil {
			o.copying = &copying{}
		}
		o.copying.need++
		h = l.ops.add(c, r.ID)
	}
	realm := &l.presences
	if wire.IsTopic(r.Topic) {
		realm = &l.routers
	}
	u, lane := realm.ownerOf(cluster.Hash(r.Topic))
	switch {
	case u != nil && l.reachable(u.outs[lane]):
	case h != 0:
		l.fail(h)
		return
	default:
		l.gw.dropUnavailable.Inc()
		return
	}
	if h != 0 {
		l.ops.find(h).to = u
	}
	p := r.Publish
	p.Op, p.Ruled = h, true
	l.endRecord(u, lane, wire.AppendPublish(l.beginRecord(u, lane), &p))
}

// held keeps the reply to a message for as long as copies of it are not answered, and reports whether it does. After that
// it returns what to reply.
func (o *op) held(reply []byte) (frame []byte, wait bool) {
	c := o.copying
	switch {
	case c == nil:
		return reply, false
	case c.need > 0:
		c.reply = bytes.Clone(reply)
		return nil, true
	case c.failed != nil:
		return c.failed, false
	}
	return reply, false
}

// copied takes the answer to a copy.
func (l *loop) copied(parent uint64, frame []byte) {
	o := l.ops.find(parent)
	if o == nil {
		return
	}
	c := o.copying
	if c.need--; c.failed == nil && protocol.IsError(frame) {
		c.failed = bytes.Clone(frame)
	}
	if c.need == 0 && c.reply != nil {
		l.replied(&wire.Reply{Op: parent, Conn: wire.Conn{Loop: uint8(l.index), Slot: o.conn, Gen: o.cgen}, Frame: c.reply})
	}
}
