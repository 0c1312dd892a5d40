package gateway

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// errUser is what is wrong with a name, in a client's words, that no user can have.
var errUser = errors.New("not a user: 1 to 128 bytes of UTF-8 without control characters")

// directMessage sends a DirectMessage to its target's owner.
func (l *loop) directMessage(c *conn, e *protocol.Envelope) {
	var d protocol.DirectMessage
	if err := d.Parse(e.Data); err != nil {
		l.bad(c, e.ID, err)
		return
	}
	if auth.ValidateUser(d.Target) != nil {
		l.bad(c, e.ID, fmt.Errorf("target_user: %w", errUser))
		return
	}
	l.key = wire.AppendUserKey(l.key[:0], d.Target)
	l.publish(c, e, &l.presences, textOf(l.key), d.Payload, false)
}

// roomMessage sends a RoomMessage to the room's owner.
func (l *loop) roomMessage(c *conn, e *protocol.Envelope) {
	var m protocol.RoomMessage
	if err := m.Parse(e.Data); err != nil {
		l.bad(c, e.ID, err)
		return
	}
	if err := topic.Validate(m.Room); err != nil {
		l.bad(c, e.ID, fmt.Errorf("room: %w", err))
		return
	}
	l.key = wire.AppendRoomKey(l.key[:0], m.Room)
	l.publish(c, e, &l.presences, textOf(l.key), m.Payload, false)
}

// textOf is bytes as a string, for as long as they stay as they are.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
