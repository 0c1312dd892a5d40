package gateway

import (
	"encoding/binary"
	"time"
)

// What a gateway has written is not what a client has read. Where a session's position matters, a ping is sent behind
// the messages, and the client's pong tells that it has read them: from there on the session resumes.
const (
	// confirmAfter is how long after an unconfirmed message a ping follows, at least, and confirmEvery how often one does, on
	// average: what was sent meanwhile is sent again when the connection breaks off.
	confirmAfter = 250 * time.Millisecond
	confirmEvery = 2 * time.Second

	// A connection that gets few messages is asked right behind each: confirmBurst times before the average counts, and where no more than
	// confirmFew connections get the same.
	confirmBurst = 16
	confirmFew   = 64
)

// confirmMark begins the payload of such a ping.
const confirmMark = "read"

// unread notes that a connection was sent a message of a history, with so many others.
func (l *loop) unread(c *conn, audience int) {
	if c.unsure || c.session == "" {
		return
	}
	c.unsure = true
	u := unsure{connRef{c.slot, c.gen}, l.wheel.now + ticks(confirmAfter), audience <= confirmFew}
	if u.few && c.state == stateOpen && c.asking == 0 && c.mayAsk(l.wheel.now) {
		l.askNow = append(l.askNow, u.connRef)
		return
	}
	l.unsure = append(l.unsure, u)
}

// unsure is a connection that was sent what it has not confirmed yet, and the tick at which it is to be asked.
type unsure struct {
	connRef
	due uint32
	few bool // it gets few messages, as far as is known
}

// mayAsk counts a ping out of turn. It reports false when there were too many.
func (c *conn) mayAsk(now uint32) bool {
	every := ticks(confirmEvery)
	if back := (now - c.asksAt) / every; back > 0 {
		c.asks -= uint8(min(back, uint32(c.asks)))
		c.asksAt += back * every
	}
	if c.asks >= confirmBurst {
		return false
	}
	c.asks++
	return true
}

// askAtOnce asks those connections that are asked right behind a message.
func (l *loop) askAtOnce() {
	for _, r := range l.askNow {
		if c := l.conns.get(r.slot, r.gen); c != nil && c.state == stateOpen {
			c.unsure = false
			l.askConfirm(c)
		}
	}
	l.askNow = l.askNow[:0]
}

// tickConfirms asks those connections whose time has come.
func (l *loop) tickConfirms() {
	kept := l.unsure[:0]
	for _, u := range l.unsure {
		c := l.conns.get(u.slot, u.gen)
		switch {
		case c == nil || c.state != stateOpen && c.greet == nil || !c.unsure:
		case c.state != stateOpen || l.wheel.now < u.due || c.asking != 0 && l.wheel.now-c.askedAt < ticks(4*confirmEvery) ||
			c.askedAt != 0 && l.wheel.now-c.askedAt < ticks(confirmEvery) && !(u.few && c.mayAsk(l.wheel.now)):
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
	if l.asked++; l.asked == 0 {
		l.asked = 1
	}
	c.asking, c.askedAt = l.asked, l.wheel.now
	for i := range c.subs {
		if t := l.tracks[c.subs[i].entry.name]; t != nil {
			c.subs[i].sent = uint32(t.sentTo(c).Offset)
		}
	}
	l.key = binary.LittleEndian.AppendUint32(append(l.key[:0], confirmMark...), c.asking)
	l.sendControl(c, opPing, l.key)
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
	if c.unsure && c.asks > 0 && c.mayAsk(l.wheel.now) { // more came meanwhile, and it is one that is asked out of turn
		l.askNow = append(l.askNow, connRef{c.slot, c.gen})
	}
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
