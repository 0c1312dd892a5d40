package gateway

import (
	"bytes"
	"errors"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// node is one frame for one connection in this turn. A connection's nodes are linked
// in the order in which they are to be sent.
type node struct {
	frame uint32 // index in the loop's frames
	next  uint32 // index of the connection's next node, plus 1; 0: the last
}

// noFrame is the index of the frame that was not entered yet.
const noFrame = ^uint32(0)

// enter adds a frame to the turn's; mark gives it to connections.
func (l *loop) enter(frame []byte) uint32 {
	l.frames = append(l.frames, frame)
	return uint32(len(l.frames) - 1)
}

// mark notes that a connection gets a delivery, at the end of the turn or of a later one, see drainTurn.
func (l *loop) mark(c *conn, frame uint32) {
	if c.last == 0 {
		l.marked = append(l.marked, c)
	}
	l.chain(c, frame)
}

// chain puts a frame behind those that a connection is to get.
func (l *loop) chain(c *conn, frame uint32) {
	l.nodes = append(l.nodes, node{frame: frame})
	at := uint32(len(l.nodes))
	if c.last == 0 {
		c.first = at
	} else {
		l.nodes[c.last-1].next = at
	}
	c.last = at
}

// unmark forgets what a connection was to get. It stays on the lists that it is on, with
// nothing to write.
func (l *loop) unmark(c *conn) { c.first, c.last = 0, 0 }

// push gives a connection a frame of its own, which it gets at the end of the turn, behind all that it was to get before.
func (l *loop) push(c *conn, frame []byte) {
	l.chain(c, l.enter(frame))
	if n := len(l.urgent); n == 0 || l.urgent[n-1] != c {
		l.urgent = append(l.urgent, c)
	}
}

// pass marks those who are subscribed now. It reports whether there are any. t is nil for what has no history.
func (l *loop) pass(d *wire.Deliver, t *track) bool {
	frame := noFrame
	e := l.entries[d.Topic]
	if e != nil {
		frame = l.markAll(e, d, t, frame)
		if d.State != 0 {
			e.extra().state.Version = d.State // what the watchers know, for the user's next owner
		}
	}
	if l.patterns.Len() > 0 && wire.IsTopic(d.Topic) {
		frame = l.deliverPatterns(d, t, frame)
	}
	switch {
	case frame != noFrame:
		l.gw.metrics.delivery.Observe((l.now.Sub(time.UnixMicro(d.SentAt)) + max(0, l.rested.Sub(l.now))).Seconds())
	case e == nil && wire.IsTopic(d.Topic):
		l.unwanted(d.Topic)
	}
	if len(l.nodes) >= drainAfter {
		l.drain()
	}
	return frame != noFrame
}

// unwanted tells a lane again that nobody here wants a topic. It may have sent this before it got
// the Leave, or never get that: when views change within moments, a lane may not hear of the one by
// which the Leave went to another.
func (l *loop) unwanted(topic string) {
	if l.source == nil {
		return
	}
	leave := wire.Interest{Topic: topic}
	l.endRecord(l.from, l.fromLane, wire.AppendInterest(l.beginRecord(l.from, l.fromLane), wire.KindLeave, leave))
}

func (l *loop) markAll(e *entry, d *wire.Deliver, t *track, frame uint32) uint32 {
	for i := range e.subs {
		c := l.conns.at(e.subs[i].slot)
		if d.Quiet && c.slot == d.Sender.Slot && c.gen == d.Sender.Gen && int(d.Sender.Loop) == l.index {
			continue
		}
		if d.Except != "" && c.user == d.Except || catchesUp(c, d, t) {
			continue
		}
		if d.At.Offset != 0 {
			l.unread(c, len(e.subs))
		}
		if frame == noFrame {
			frame = l.enter(d.Frame)
		}
		l.mark(c, frame)
	}
	return frame
}

// catchesUp reports whether a connection gets a message later, among the pages of what it missed before.
func catchesUp(c *conn, d *wire.Deliver, t *track) bool {
	return t.skips(c) || d.At.Offset != 0 && c.greet != nil && c.greet.recovers(d.Topic)
}

// deliverPatterns is for a loop with subscriptions to patterns: a connection may match
// more than once, and gets the frame once.
func (l *loop) deliverPatterns(d *wire.Deliver, t *track, frame uint32) uint32 {
	l.patterns.Match(d.Topic, func(_ string, e *entry) {
		for i := range e.subs {
			c := l.conns.at(e.subs[i].slot)
			if e.pattern && e.more != nil {
				if ch := e.change(c.slot); ch != nil && !ch.delivers(d, l.source) {
					continue
				}
			}
			if d.Quiet && c.slot == d.Sender.Slot && c.gen == d.Sender.Gen && int(d.Sender.Loop) == l.index || catchesUp(c, d, t) {
				continue
			}
			if frame == noFrame {
				frame = l.enter(d.Frame)
			}
			if c.last != 0 && l.nodes[c.last-1].frame == frame {
				continue
			}
			l.mark(c, frame)
		}
	})
	return frame
}

// A loop whose deliveries take long to write writes them less often, and more of them at once: the system call is what
// costs, hardly the bytes. After a writing that took restFrom or more, the next is restFactor times as long away, restMost
// at most. So a loop that has little to do writes at once, and one that has much writes for a seventeenth of its time, as long as
// restMost allows.
const (
	restFactor = 16
	restFrom   = 300 * time.Microsecond
	restMost   = 11 * time.Millisecond
)

// drainTurn writes what a turn leaves: connections with frames of their own at once, those with deliveries when the
// loop has rested. It returns how long the latter have to wait; 0: nothing does.
func (l *loop) drainTurn() time.Duration {
	if wait := l.rested.Sub(l.now); wait > 0 && len(l.marked) > 0 && len(l.nodes) < drainAfter {
		l.drainList(&l.urgent)
		return wait
	}
	if len(l.marked) == 0 {
		l.drain()
		return 0
	}
	begin := time.Now()
	l.drain()
	end := time.Now()
	if took := end.Sub(begin); took >= restFrom {
		l.rested = end.Add(min(restFactor*took, restMost))
	}
	return 0
}

// drain writes each connection that has frames once: all its frames together.
//
// Hop 8, the last of a Broadcast's way: the socket.
func (l *loop) drain() {
	for len(l.urgent) > 0 || len(l.marked) > 0 { // writing may give connections more
		l.drainList(&l.urgent)
		l.drainList(&l.marked)
	}
	clear(l.frames)
	l.frames = l.frames[:0]
	l.nodes = l.nodes[:0]
	if cap(l.arena) > arenaKeep {
		l.arena = nil
	}
	l.arena = l.arena[:0]
}

// drainList writes the connections of a list, and empties it.
func (l *loop) drainList(list *[]*conn) {
	for at := 0; at < len(*list); {
		at = l.drainFrom(list, at)
	}
	*list = (*list)[:0]
}

// drainFrom writes the connections of a list from the one of a number on. It returns where to go on: behind the last, or behind
// one whose writing panicked.
func (l *loop) drainFrom(list *[]*conn, at int) (next int) {
	defer func() {
		if v := recover(); v != nil {
			l.panicked(v, (*list)[next])
			next++
		}
	}()
	for next = at; next < len(*list); next++ {
		if c := (*list)[next]; c.first != 0 {
			l.drainConn(c)
		}
	}
	return next
}

func (l *loop) drainConn(c *conn) {
	first := c.first
	l.unmark(c)
	if c.greet != nil {
		for at := first; at != 0; at = l.nodes[at-1].next {
			c.greet.after = append(c.greet.after, bytes.Clone(l.frames[l.nodes[at-1].frame]))
		}
		return
	}
	if c.out == nil && l.nodes[first-1].next == 0 {
		l.tally.framesOut++
		l.write(c, l.frames[l.nodes[first-1].frame])
	} else {
		l.drainMany(c, first)
	}
	if c.state == stateClosing && c.out == nil {
		l.lastWritten(c)
	}
}

// drainMany puts a connection's frames together for as few writes as may be.
func (l *loop) drainMany(c *conn, first uint32) {
	l.gather = l.gather[:0]
	for at := first; at != 0; at = l.nodes[at-1].next {
		frame := l.frames[l.nodes[at-1].frame]
		l.tally.framesOut++
		if c.out != nil {
			if !l.stash(c, frame) {
				return
			}
			continue
		}
		l.gather = append(l.gather, frame...)
		if len(l.gather) > drainBytes || l.nodes[at-1].next == 0 {
			l.write(c, l.gather)
			l.gather = l.gather[:0]
		}
		if c.state == stateFree {
			return
		}
	}
}

// drainBytes is how much of a connection's frames is put together for one write.
const drainBytes = 64 << 10

// write sends bytes, whole frames, to a connection that has no outbox.
func (l *loop) write(c *conn, b []byte) {
	n, err := writeSocket(c.fd, b)
	l.tally.writes++
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		l.drop(c, endGone)
		return
	}
	l.tally.bytesOut += n
	if n < len(b) {
		l.block(c, b, n)
	}
}

// lastWritten goes on when a close frame is sent: the peer reads the end of the stream
// after it, and ends the connection.
func (l *loop) lastWritten(c *conn) { _ = unix.Shutdown(int(c.fd), unix.SHUT_WR) }

func (l *loop) sendControl(c *conn, op ws.OpCode, payload []byte) {
	var frame []byte
	l.arena, frame = protocol.AppendControl(l.arena, op, payload)
	l.push(c, frame)
}

func (l *loop) sendError(c *conn, id string, e protocol.Error) {
	var frame []byte
	l.arena, frame = protocol.AppendError(l.arena, id, e)
	l.push(c, frame)
}
