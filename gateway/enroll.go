package gateway

import (
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// enroll links a connection and an entry both ways, once.
func (l *loop) enroll(c *conn, e *entry) {
	if subscribed(c, e) {
		return
	}
	c.subs = append(c.subs, subscription{entry: e, at: uint32(len(e.subs))})
	e.subs = append(e.subs, subscriber{slot: c.slot, at: uint32(len(c.subs) - 1)})
	if t := l.tracks[e.name]; t != nil {
		c.baseline(e, t.at.Offset)
	}
	if e.kind == kindTopic || e.kind == kindRoom {
		l.alterSession(c)
	}
	if e.kind != kindTopic {
		c.others++
		return
	}
	l.tally.subscriptions++
}

// subscribed reports whether a connection is subscribed by an entry.
func subscribed(c *conn, e *entry) bool {
	for i := range c.subs {
		if c.subs[i].entry == e {
			return true
		}
	}
	return false
}

// withdraw undoes enroll.
func (l *loop) withdraw(c *conn, e *entry) {
	for i := range c.subs {
		if c.subs[i].entry == e {
			l.unlink(c, i)
			return
		}
	}
}

// unlink removes a connection's i-th subscription: at both ends the last takes its place.
func (l *loop) unlink(c *conn, i int) {
	e, at := c.subs[i].entry, c.subs[i].at
	moved := e.subs[len(e.subs)-1]
	e.subs[at] = moved
	e.subs = e.subs[:len(e.subs)-1]
	if int(at) < len(e.subs) {
		l.conns.at(moved.slot).subs[moved.at].at = at
	}
	last := c.subs[len(c.subs)-1]
	c.subs[i] = last
	c.subs = c.subs[:len(c.subs)-1]
	if i < len(c.subs) {
		last.entry.subs[last.at].at = uint32(i)
	}
	if e.kind == kindTopic || e.kind == kindRoom {
		l.alterSession(c)
	}
	if len(l.chasing) > 0 {
		l.leaveBehind(c, e)
	}
	if e.kind != kindTopic {
		c.others--
		return
	}
	e.unchanging(c.slot)
	l.tally.subscriptions--
}

// leaveAll ends all subscriptions of a connection.
func (l *loop) leaveAll(c *conn) {
	for len(c.subs) > 0 {
		e := c.subs[len(c.subs)-1].entry
		l.unlink(c, len(c.subs)-1)
		l.release(e)
	}
	c.subs = nil
	l.unconfirmed(c)
}

// unpin ends what kept an entry, nil for none, while an op was under way for it.
func (l *loop) unpin(e *entry) {
	if e != nil {
		e.pending--
		l.release(e)
	}
}

// release gives up an entry that nobody needs any more.
func (l *loop) release(e *entry) {
	if e.kind == kindUser {
		l.count(e)
	}
	if len(e.subs) > 0 || e.pending > 0 {
		return
	}
	delete(l.entries, e.name)
	if e.pattern {
		l.patterns.Delete(e.name)
		l.dropTracks()
	} else if len(l.tracks) > 0 {
		l.dropTrack(e.name)
	}
	switch {
	case e.kind == kindUser:
		l.forgetRooms(e)
		l.unpinBudget(e.name)
	case !e.joined:
	case e.pattern:
		for _, u := range l.realm(e).ups {
			for lane := range u.outs {
				l.tellLeave(e, u, lane)
			}
		}
	default:
		if u, lane := l.realm(e).ownerOf(e.hash); u != nil {
			l.tellLeave(e, u, lane)
		}
	}
}

func (l *loop) tellLeave(e *entry, u *upstream, lane int) {
	l.endRecord(u, lane, wire.AppendInterest(l.beginRecord(u, lane), wire.KindLeave, wire.Interest{Topic: e.name}))
}
