package gateway

import (
	"fmt"
	"unsafe"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// broadcastMessage sends a Broadcast to the topic's owner, in the batch that ends with the turn.
//
// Hop 2 of a Broadcast's way; the next is the owner's lane, in pkg/owner.
func (l *loop) broadcastMessage(c *conn, e *protocol.Envelope) {
	b := &l.broadcast
	if err := b.Parse(e.Data); err != nil {
		l.bad(c, e.ID, err)
		return
	}
	if err := topic.Validate(b.Topic); err != nil {
		l.bad(c, e.ID, fmt.Errorf("topic: %w", err))
		return
	}
	if !c.grants.CanPublish(b.Topic) {
		l.sendError(c, e.ID, protocol.Error{Code: protocol.CodeForbidden, Message: "topic: not allowed to publish to it"})
		return
	}
	hash := cluster.Hash(b.Topic)
	u, lane := l.ownerOf(hash)
	if u == nil || !l.reachable(u.outs[lane]) {
		l.unavailable(c, e.ID, l.ops.order+1, hash)
		return
	}
	rec := wire.Publish{
		Conn: l.ref(c), Quiet: b.Quiet, SentAt: l.now.UnixMicro(), Topic: b.Topic,
		User: c.user, ID: e.ID, Payload: unsafe.Slice(unsafe.StringData(b.Payload), len(b.Payload)),
	}
	if e.ID != "" {
		rec.Op = l.ops.add(op{kind: opPublish, conn: c.slot, cgen: c.gen, to: u, need: 1, at: l.wheel.now, hash: hash}, e.ID)
	}
	o := u.outs[lane]
	l.endRecord(o, wire.AppendPublish(l.beginRecord(o), &rec))
}
