package gateway

import (
	"fmt"

	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// history asks the owner of a topic or room for some of its history.
func (l *loop) history(c *conn, e *protocol.Envelope) {
	var h protocol.History
	err := h.Parse(e.Data)
	if err == nil {
		what, name := "topic", h.Topic
		if h.Room != "" {
			what, name = "room", h.Room
		}
		if bad := topic.Validate(name); bad != nil {
			err = fmt.Errorf("%s: %w", what, bad)
		}
	}
	switch {
	case err != nil:
		l.bad(c, e.ID, err)
	case h.Room != "":
		l.ask(c, e, &l.presences, wire.VerbHistory, wire.RoomKey(h.Room), false)
	case !c.rights.canSubscribe(h.Topic):
		l.sendError(c, e.ID, protocol.Error{Code: protocol.CodeForbidden, Message: "topic: not allowed to subscribe to it"})
	default:
		l.ask(c, e, &l.routers, wire.VerbHistory, h.Topic, false)
	}
}
