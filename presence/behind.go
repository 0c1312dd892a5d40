package presence

import (
	"errors"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// In a room with history a message is dealt with when it is stored. What comes after it and is no message waits until then,
// in the order in which it came, as it does while the room itself is being read or written.

// behind is a number of records, the first that wait for a room, for which messages have to be stored first.
type behind struct{ n int }

// follows reports whether a record about a room has to wait for messages that are being stored, or for a History that waits for those.
func (r *registry) follows(h *hall, rec wire.Record) bool {
	if h.rule == nil {
		return false
	}
	switch rec.Kind {
	case wire.KindPublish, wire.KindFetch, wire.KindJoin: // the log keeps their order
		return false
	case wire.KindLeave: // also behind a Join
		return r.shelf.Waits(h.key)
	}
	var a wire.Ask
	if a.Decode(rec.Body) == nil && a.Verb == wire.VerbHistory {
		return false
	}
	return h.queries > 0 || r.shelf.Storing(h.key)
}

// ripe reports whether the first record that waits for a room may be dealt with. If it has to follow messages it goes on when
// they are stored, or known not to be: and with it those behind it, up to the next message.
func (r *registry) ripe(h *hall) bool {
	switch {
	case h.ripe > 0:
		return true
	case h.behind != nil:
		return false
	case !r.follows(h, h.waiting[0].rec):
		return true
	}
	b := &behind{}
	for b.n < len(h.waiting) && h.waiting[b.n].rec.Kind != wire.KindPublish {
		b.n++
	}
	h.behind = b
	r.shelf.After(h.key, h.rule, func(_ history.Position, err error) {
		switch {
		case h.behind != b: // refused meanwhile
			return
		case errors.Is(err, history.ErrFull), !r.lane.Owns(h.key):
			r.refuseWaiting(h)
			return
		}
		h.behind = nil
		if h.ripe += b.n; !h.busy {
			r.resume(h)
		}
	})
	return false
}

// ended notes that a room is over: the next one of its name begins later, and has another history.
func (r *registry) ended(h *hall) {
	r.over = max(r.over, h.created, r.lane.Now().UnixMilli())
	if h.state = hallNone; h.rule != nil {
		r.shelf.Drop(h.key)
	}
}

// begins is when a room begins now, in Unix milliseconds.
func (r *registry) begins() int64 { return max(r.lane.Now().UnixMilli(), r.over+1) }
