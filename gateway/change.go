package gateway

import (
	"slices"

	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// change is what is under way between one connection and one pattern.
//
// A Subscribe or Unsubscribe of a pattern is answered by every lane of every router, each for
// the messages that it orders: what a lane sends after its answer follows the change, what it
// sent before does not. So a connection that pipelines its frames sees them take effect in
// their order. A topic has one lane, and changes with that one's answer.
type change struct {
	base  bool    // subscribed, but for the steps
	steps []*step // in the order of the frames
}

// step is one Subscribe or Unsubscribe.
type step struct {
	join  bool
	heard []*link.Out // to the lanes that have answered
}

// on reports whether what a lane sends now is for the connection.
func (ch *change) on(lane *link.Out) bool {
	on := ch.base
	for _, s := range ch.steps {
		if !slices.Contains(s.heard, lane) {
			break
		}
		on = s.join
	}
	return on
}

// delivers reports whether a message that a lane sends is for the connection. One of a history is not before all lanes have answered: it
// could be followed by one of another lane that has not, when the topic's owner changes.
func (ch *change) delivers(d *wire.Deliver, lane *link.Out) bool {
	if d.At.Offset != 0 {
		return ch.base
	}
	return ch.on(lane)
}

// alter begins a step, nil where nothing is to change. A connection is enrolled from the
// first step on.
func (l *loop) alter(c *conn, e *entry, join bool) *step {
	ch := e.change(c.slot)
	if ch == nil {
		on := subscribed(c, e)
		if on == join {
			return nil
		}
		more := e.extra()
		if more.changes == nil {
			more.changes = make(map[uint32]*change)
		}
		ch = &change{base: on}
		more.changes[c.slot] = ch
		l.enroll(c, e)
	}
	s := &step{join: join}
	ch.steps = append(ch.steps, s)
	return s
}

// altered ends a step that every lane has answered, or, with ok false, that failed.
func (l *loop) altered(c *conn, e *entry, s *step, ok bool) {
	ch := e.change(c.slot)
	if ch == nil {
		return
	}
	i := slices.Index(ch.steps, s)
	switch {
	case i < 0:
		return
	case ok:
		ch.base, ch.steps = s.join, ch.steps[i+1:]
	default:
		ch.steps = slices.Delete(ch.steps, i, i+1)
	}
	if len(ch.steps) > 0 {
		return
	}
	e.unchanging(c.slot)
	if !ch.base {
		l.withdraw(c, e)
	}
}

// active counts the subscriptions of a connection that have taken effect everywhere.
func active(c *conn) int {
	n := len(c.subs) - int(c.others)
	for _, s := range c.subs {
		if ch := s.entry.change(c.slot); ch != nil && !ch.base {
			n--
		}
	}
	return n
}
