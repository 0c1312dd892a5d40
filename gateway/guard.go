package gateway

import (
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/supervise"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// guard ends the connection whose handling panicked. Where that panics, too, the loop fails.
func (l *loop) guard(c *conn) {
	if v := recover(); v != nil {
		l.panicked(v, c)
	}
}

func (l *loop) panicked(value any, c *conn) {
	l.gw.metrics.panics.Inc()
	l.log.Error("panic in a connection", supervise.Panicked(value).Fields()...)
	if c.state != stateFree && supervise.Call(func() error { l.endSession(c); return nil }) != nil {
		c.session = "" // it remains as it was saved last
	}
	l.drop(c, endPanic)
}

// lookGuarded is look for one connection of many.
func (l *loop) lookGuarded(c *conn) {
	defer l.guard(c)
	l.look(c)
}

// brokenRecord ends what a record of a batch from an owner was about, when dealing with it panicked. What it asked
// for is not answered; ops that wait for it expire.
func (l *loop) brokenRecord(value any, rec wire.Record) {
	p := supervise.Panicked(value)
	l.gw.metrics.panics.Inc()
	l.log.Error("panic while dealing with a record", append(p.Fields(), zap.Uint8("kind", uint8(rec.Kind)))...)
	switch rec.Kind {
	case wire.KindDeliver:
		var d wire.Deliver
		if d.Decode(rec.Body) == nil {
			l.brokenDeliver(&d)
		}
	case wire.KindReply:
		var r wire.Reply
		if r.Decode(rec.Body) == nil {
			l.dropOf(r.Conn)
		}
	case wire.KindRedirect:
		var r wire.Redirect
		if r.Decode(rec.Body) == nil {
			l.dropOf(r.Conn)
		}
	case wire.KindQueued:
		var q wire.Queued
		if q.Decode(rec.Body) == nil {
			l.dropOf(q.Conn)
		}
	case wire.KindDone:
		var d wire.Done
		if d.Decode(rec.Body) == nil {
			l.dropAsker(d.Op)
		}
	case wire.KindAnswer:
		var a wire.Answer
		if a.Decode(rec.Body) == nil {
			l.dropAsker(a.Op)
		}
	case wire.KindEnter:
		var e wire.Enter
		if e.Decode(rec.Body) == nil {
			l.dropUser(e.User)
		}
	case wire.KindPage:
		for t := range l.chasing { // that of the page's track is fetched again
			if t.fetch == 0 {
				l.pause(t)
			}
		}
	default: // what an owner and this loop know of each other: it cannot be told what that is now
		panic(p)
	}
}

// brokenDeliver goes on behind a message that some of its subscribers may have got, and others not: where it has a position,
// they are told that something is lost to them. To fetch it could end the same way, for ever.
func (l *loop) brokenDeliver(d *wire.Deliver) {
	t := l.tracks[d.Topic]
	if t == nil || d.At.Offset == 0 || !t.follows(d.At) {
		return
	}
	t.at, t.used = d.At, l.wheel.now
	l.gapToAll(t, d.At)
}

func (l *loop) dropOf(r wire.Conn) {
	if c := l.conns.get(r.Slot, r.Gen); c != nil {
		l.drop(c, endPanic)
	}
}

// dropAsker ends the connection that an op is for.
func (l *loop) dropAsker(h uint64) {
	if o := l.ops.find(h); o != nil {
		l.dropOf(wire.Conn{Slot: o.conn, Gen: o.cgen})
	}
}

// dropUser ends a user's connections: they are rooms' members together.
func (l *loop) dropUser(key string) {
	if me := l.entries[key]; me != nil {
		for _, s := range slices.Clone(me.subs) {
			l.drop(l.conns.at(s.slot), endPanic)
		}
	}
}

// safely does what is no loop's: a panic in it is counted and logged, and ends nothing else. It reports whether there was none.
func (g *Gateway) safely(what string, do func()) bool {
	err := supervise.Call(func() error { do(); return nil })
	if err == nil {
		return true
	}
	g.metrics.panics.Inc()
	fields := []zap.Field{zap.String("in", what)}
	if p, ok := errors.AsType[*supervise.Panic](err); ok {
		fields = append(fields, p.Fields()...)
	}
	g.log.Error("panic", fields...)
	return false
}
