package gateway

import (
	"context"
	"time"

	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/supervise"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// saveEvery is how often the positions of a session are saved, at most.
	saveEvery = 2 * time.Second
	// departedTime is for how long a gateway remembers the sessions of connections that have ended: longer than it
	// takes to write them.
	departedTime = 5 * time.Second
)

// departed is the session of a connection that has ended.
type departed struct {
	state []byte
	at    uint32 // tick
}

// sessionKey names a session: ids are each user's own.
type sessionKey struct{ user, id string }

// sessionOf is what is saved of a connection: positions up to which its client is known to have read.
func (l *loop) sessionOf(c *conn) store.Session {
	s := savedState{}
	for i := range c.subs {
		sub := &c.subs[i]
		e := sub.entry
		if e.kind != kindTopic && e.kind != kindRoom || e.change(c.slot) != nil && !e.change(c.slot).base {
			continue
		}
		saved := savedKey{key: e.name}
		if t := l.tracks[e.name]; t != nil {
			saved.placed, saved.at = true, t.sentTo(c)
			saved.at.Offset = before(saved.at.Offset, sub.got)
		}
		s = append(s, saved)
	}
	return store.Session{ID: c.session, User: c.user, Holder: l.connectionID(c), State: s.encode()}
}

// sentTo is what was sent to a subscriber.
func (t *track) sentTo(c *conn) wire.Position {
	if t.skips(c) {
		return t.behind[c.slot].at
	}
	return t.at
}

// before is the offset with these low bits that is not above another.
func before(offset uint64, low uint32) uint64 {
	if back := uint64(uint32(offset) - low); back <= offset {
		return offset - back
	}
	return 0
}

// beginSession has the session of a connection saved that begins.
func (l *loop) beginSession(c *conn, v *verdict) {
	if c.session != "" {
		l.gw.sessions.Note(l.sessionOf(c), !v.taken)
		c.saved = l.wheel.now
	}
}

// unsaved has the session of a connection saved soon.
func (l *loop) unsaved(c *conn) {
	if !c.unsaved && c.session != "" {
		c.unsaved = true
		l.toSave = append(l.toSave, connRef{c.slot, c.gen})
	}
}

// connRef names a connection of this loop.
type connRef struct{ slot, gen uint32 }

// tickSessions saves the sessions that have changed.
func (l *loop) tickSessions() {
	list := l.toSave
	l.toSave = l.toSave[:0]
	for _, r := range list {
		c := l.conns.get(r.slot, r.gen)
		switch {
		case c == nil || c.state != stateOpen || !c.unsaved:
		case !c.altered && l.wheel.now-c.saved < ticks(saveEvery):
			l.toSave = append(l.toSave, r)
		default:
			c.unsaved, c.altered, c.saved = false, false, l.wheel.now
			l.gw.sessions.Note(l.sessionOf(c), false)
		}
	}
	for key, d := range l.departed {
		if l.wheel.now-d.at > ticks(departedTime) {
			delete(l.departed, key)
		}
	}
}

// alterSession has the session of a connection saved whose subscriptions have changed.
func (l *loop) alterSession(c *conn) {
	if c.session != "" && c.state == stateOpen {
		c.altered = true
		l.unsaved(c)
	}
}

// refreshSession keeps the session of a connection that does not change. It returns after how many ticks that is due again.
func (l *loop) refreshSession(c *conn) uint32 {
	if c.session == "" {
		return wheelSlots
	}
	every := ticks(l.gw.sessions.Refresh())
	if l.wheel.now-c.saved >= every {
		c.saved = l.wheel.now
		l.gw.sessions.Touch(l.sessionOf(c))
	}
	return every - (l.wheel.now - c.saved)
}

// endSession saves the session of a connection that ends, which is still subscribed.
func (l *loop) endSession(c *conn) {
	if c.session == "" {
		return
	}
	if c.greet != nil {
		l.giveBack(&c.greet.verdict)
		c.session = ""
		return
	}
	if c.state != stateOpen {
		return
	}
	s := l.sessionOf(c)
	l.gw.sessions.End(s)
	l.depart(s)
	c.session = ""
}

// forgetSession ends the session of an open connection for good.
func (l *loop) forgetSession(c *conn) {
	if c.session != "" {
		s := store.Session{ID: c.session, User: c.user, Holder: l.connectionID(c), State: endedState}
		l.gw.sessions.End(s)
		l.depart(s)
		c.session = ""
	}
}

func (l *loop) depart(s store.Session) {
	if len(l.departed) < 1<<16 {
		l.departed[sessionKey{s.User, s.ID}] = departed{s.State, l.wheel.now}
	}
}

// giveBack ends a session that was taken for a connection which has not begun.
func (l *loop) giveBack(v *verdict) {
	if v.taken {
		s := v.former()
		l.gw.sessions.End(s)
		l.depart(s)
	}
}

// former is a session as it was taken.
func (v *verdict) former() store.Session {
	return store.Session{ID: v.session, User: v.claims.User, Holder: v.holder, State: v.state}
}

// yield gives up a session, which another connection has taken, and returns its newest state; nil when there is none here.
func (l *loop) yield(user, id string, slot, gen uint32) (state []byte) {
	c := l.conns.get(slot, gen)
	if c != nil {
		defer l.guard(c)
	}
	if c != nil && c.session == id && c.user == user && c.state == stateOpen {
		s := l.sessionOf(c)
		c.session = ""
		l.closeWith(c, protocol.CloseResumed, "resumed elsewhere", endResumed)
		return s.State
	}
	if c != nil && c.session == id && c.user == user && c.greet != nil {
		return c.greet.verdict.state // it is told when it notes its session, and closed
	}
	key := sessionKey{user, id}
	d := l.departed[key]
	delete(l.departed, key)
	return d.state
}

// lost ends a connection whose session another one has.
func (l *loop) lost(id string, slot, gen uint32) {
	c := l.conns.get(slot, gen)
	if c == nil || c.session != id {
		return
	}
	defer l.guard(c)
	if c.session = ""; !c.shared {
		l.closeWith(c, protocol.CloseResumed, "resumed elsewhere", endResumed)
	}
}

// flushSessions writes what is not written yet: the clients are about to look for other gateways.
func (g *Gateway) flushSessions(ctx context.Context) {
	if g.sessions != nil {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = g.sessions.FlushAll(ctx) // what fails waits, and Run tries it again
	}
}

// runSessions writes sessions until it is told to end, which writes the rest.
func (g *Gateway) runSessions() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.cfg.Supervisor.Run(ctx, supervise.Part{Name: "gateway sessions", Run: g.sessions.Run})
	}()
	return func() {
		cancel()
		<-done
	}
}
