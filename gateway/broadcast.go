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
	if !c.rights.canPublish(b.Topic) {
		l.sendError(c, e.ID, protocol.Error{Code: protocol.CodeForbidden, Message: "topic: not allowed to publish to it"})
		return
	}
	l.publish(c, e, &l.routers, b.Topic, b.Payload, b.Quiet)
}

// wayTo returns the owner of what a message is about; nil when it cannot be reached, and the message is
// answered.
func (l *loop) wayTo(c *conn, e *protocol.Envelope, r *realm, hash uint64) (*upstream, int) {
	u, lane := r.ownerOf(hash)
	if u == nil || !l.reachable(u.outs[lane]) {
		l.unavailable(c, e.ID, l.ops.order+1, hash)
		return nil, 0
	}
	return u, lane
}

// publish sends a message to the owner of its key: a topic's, a user's or a room's.
func (l *loop) publish(c *conn, e *protocol.Envelope, r *realm, key, payload string, quiet bool) {
	hash := cluster.Hash(key)
	u, lane := l.wayTo(c, e, r, hash)
	if u == nil {
		return
	}
	rec := wire.Publish{
		Conn: l.ref(c), Quiet: quiet, SentAt: l.now.UnixMicro(), Topic: key,
		User: c.user, Roles: c.rights.roleNames(), ID: e.ID, Payload: unsafe.Slice(unsafe.StringData(payload), len(payload)),
	}
	if e.ID != "" {
		rec.Op = l.ops.add(op{kind: opReply, conn: c.slot, cgen: c.gen, to: u, need: 1, began: l.wheel.now, hash: hash}, e.ID)
	}
	l.endRecord(u, lane, wire.AppendPublish(l.beginRecord(u, lane), &rec))
}
