package hub

import (
	"slices"

	"github.com/tidwall/gjson"
)

// direct is a direct message that waits for its user.
type direct struct{ from, id, payload string }

func (h *Hub) direct(from *conn, id string, data gjson.Result) {
	user, payload := data.Get("target_user").Str, data.Get("payload").Raw
	here := h.of(user)
	for _, c := range here {
		h.deliver(c, "DirectMessage", payload, object{"from_user": from.user}, object{"message_id": id, "sent_at": 1})
	}
	switch {
	case len(here) > 0:
		h.ack(from, id, object{"message_id": id, "status": "delivered", "recipients": len(here)})
	case h.NoQueue != nil && h.NoQueue():
		h.refuse(from, id, 503, "the queue is away")
	default:
		if h.queues == nil {
			h.queues = make(map[string][]direct)
		}
		h.queues[user] = append(h.queues[user], direct{from.user, id, payload})
		h.ack(from, id, object{"message_id": id, "status": "queued", "recipients": 0})
	}
}

// flush sends what waits for the user of a new connection.
func (h *Hub) flush(c *conn) {
	c.flushed = len(h.queues[c.user])
	for i, m := range h.queues[c.user] {
		if h.Forgets && i == 0 {
			continue
		}
		if h.Renames {
			m.id += "x"
		}
		h.deliver(c, "DirectMessage", m.payload, object{"from_user": m.from}, object{"message_id": m.id, "sent_at": 1, "queued": !h.Unmarked})
	}
	if h.Hasty && c.flushed > 0 {
		h.arrived(c)
	}
}

// arrived forgets what was flushed to a connection that has given a sign of life.
func (h *Hub) arrived(c *conn) {
	if !h.Again {
		h.queues[c.user] = slices.Delete(h.queues[c.user], 0, min(c.flushed, len(h.queues[c.user])))
	}
	c.flushed = 0
}

// of lists the connections of a user.
func (h *Hub) of(user string) []*conn {
	var out []*conn
	for _, c := range h.conns {
		if !c.gone && c.user == user {
			out = append(out, c)
		}
	}
	return out
}
