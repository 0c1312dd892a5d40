package gateway

import (
	"encoding/binary"
	"time"
)

// What a gateway has written is not what a client has read. Where a session's position matters, a ping is sent behind
// the messages, and the client's pong tells that it has read them: from there on the session resumes.
const (
	// confirmAfter is how long after an unconfirmed message a ping follows, at least, and confirmEvery how often one does, at
	// most: what was sent meanwhile is sent again when the connection breaks off.
	confirmAfter = 250 * time.Millisecond
	confirmEvery = 2 * time.Second
)

// confirmMark begins the payload of such a ping.
const confirmMark = "read"

// unread notes that a connection was sent a message of a history.
func (l *loop) unread(c *conn) {
	if !c.unsure && l.gw.sessions != nil {
		c.unsure = true
		l.unsure = append(l.unsure, unsure{connRef{c.slot, c.gen}, l.wheel.now + max(ticks(confirmAfter), 1)})
	}
}

// unsure is a connection that was sent what it has not confirmed yet, and the tick at which it is to be asked.
type unsure struct {
	connRef
	due uint32
}

// tickConfirms asks those connections whose time has come.
func (l *loop) tickConfirms() {
	kept := l.unsure[:0]
	for _, u := range l.unsure {
		c := l.conns.get(u.slot, u.gen)
		switch {
		case c == nil || c.state != stateOpen && c.greet == nil:
		case c.state != stateOpen || l.wheel.now < u.due || c.asking != 0 && l.wheel.now-c.asking < ticks(4*confirmEvery) ||
			c.askedAt != 0 && l.wheel.now-c.askedAt < ticks(confirmEvery):
			kept = append(kept, u)
		default:
			c.unsure = false
			l.askConfirm(c)
		}
	}
	l.unsure = kept
}

// askConfirm sends a ping behind all that was sent so far.
func (l *loop) askConfirm(c *conn) {
	c.asking, c.askedAt = l.wheel.now, l.wheel.now
	for i := range c.subs {
		if t := l.tracks[c.subs[i].entry.name]; t != nil {
			c.subs[i].sent = uint32(t.sentTo(c).Offset)
		}
	}
	l.sendControl(c, opPing, binary.LittleEndian.AppendUint32([]byte(confirmMark), c.asking))
}

// confirmRead takes the answer to such a ping.
func (l *loop) confirmRead(c *conn, payload []byte) {
	if c.asking == 0 || len(payload) != len(confirmMark)+4 || string(payload[:len(confirmMark)]) != confirmMark ||
		binary.LittleEndian.Uint32(payload[len(confirmMark):]) != c.asking {
		return
	}
	c.asking = 0
	for i := range c.subs {
		c.subs[i].got = c.subs[i].sent
	}
	l.unsaved(c)
}

// baseline notes where a subscriber begins: what comes before is not its own.
func (c *conn) baseline(e *entry, offset uint64) {
	for i := range c.subs {
		if s := &c.subs[i]; s.entry == e {
			s.got, s.sent = uint32(offset), uint32(offset)
			return
		}
	}
}
