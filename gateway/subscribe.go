package gateway

import (
	"fmt"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// entry is a topic or pattern that connections of this loop subscribe to.
type entry struct {
	name    string
	hash    uint64
	pattern bool
	joined  bool      // an owner has been asked for it
	owner   *upstream // who has been told last; nil for patterns: everyone
	pending int32     // ops under way for it: it is not given up while there are any
	subs    []subscriber
	changes map[uint32]*change // by the connection's slot; nil for topics
}

// subscriber is one connection in an entry; subscription is its other end.
type subscriber struct {
	slot uint32
	at   uint32 // index in the connection's subs
}

type subscription struct {
	entry *entry
	at    uint32 // index in the entry's subs
}

// subscribe asks the owner of each topic to send it here. It takes effect with the
// owner's answer: by the way back of that answer, everything published later follows it.
func (l *loop) subscribe(c *conn, e *protocol.Envelope) {
	topics, err := protocol.ParseTopics(e.Data)
	if err != nil {
		l.bad(c, e.ID, err)
		return
	}
	r := l.newRequest(c, e.ID, "subscribed", topics)
	for i, name := range r.topics {
		if r.outcome[i] = l.refuseTopic(c, name); r.outcome[i].Code == 0 {
			l.ask(c, r, i, opJoin)
		}
	}
	l.settle(c, r)
}

// unsubscribe takes effect when the owner has dealt with what came before it.
func (l *loop) unsubscribe(c *conn, e *protocol.Envelope) {
	topics, err := protocol.ParseTopics(e.Data)
	if err != nil {
		l.bad(c, e.ID, err)
		return
	}
	r := l.newRequest(c, e.ID, "unsubscribed", topics)
	for i, name := range r.topics {
		if err := topic.ValidatePattern(name); err != nil {
			r.outcome[i] = rejection{Topic: name, Code: protocol.CodeBadRequest, Message: err.Error()}
			continue
		}
		l.ask(c, r, i, opFence)
	}
	l.settle(c, r)
}

// refuseTopic decides whether a connection may subscribe to a topic; code 0: it may.
func (l *loop) refuseTopic(c *conn, name string) rejection {
	if err := topic.ValidatePattern(name); err != nil {
		return rejection{name, protocol.CodeBadRequest, err.Error()}
	}
	if !c.grants.CanSubscribe(name) {
		return rejection{name, protocol.CodeForbidden, "not allowed to subscribe to it"}
	}
	if l.full(c) && !subscribed(c, l.entries[name]) {
		return l.tooMany(name)
	}
	return rejection{}
}

// full reports whether a connection has all the subscriptions that it may have.
func (l *loop) full(c *conn) bool { return len(c.subs)+int(c.joins) >= l.gw.cfg.MaxSubscriptions }

func (l *loop) tooMany(name string) rejection {
	return rejection{name, protocol.CodeTooMany, fmt.Sprintf("over %d subscriptions on this connection", l.gw.cfg.MaxSubscriptions)}
}

// ask begins the op for one topic of a request.
func (l *loop) ask(c *conn, r *request, i int, kind opKind) {
	e := l.entries[r.topics[i]]
	if e == nil {
		name := r.topics[i]
		e = &entry{name: name, hash: cluster.Hash(name), pattern: topic.IsPattern(name)}
		l.entries[name] = e
		if e.pattern {
			l.patterns.Set(name, e)
		}
	}
	e.pending++
	e.joined = e.joined || kind == opJoin
	r.need++
	o := op{kind: kind, conn: r.slot, cgen: r.gen, at: l.wheel.now, req: r, topic: i, entry: e}
	if e.pattern {
		o.step = l.alter(c, e, kind == opJoin)
	} else if kind == opJoin && !subscribed(c, e) {
		o.counted = true
		c.joins++
	}
	h := l.ops.add(o, "")
	l.sendInterest(h)
}

// sendInterest sends the record of a Join or Fence op: to the topic's owner, or, for a pattern, to
// every lane of every router, the leaving ones included.
func (l *loop) sendInterest(h uint64) {
	o := l.ops.find(h)
	kind := wire.KindJoin
	if o.kind == opFence {
		kind = wire.KindFence
	}
	i := wire.Interest{Op: h, Topic: o.entry.name}
	o.need, o.to, o.code = 0, nil, 0
	if !o.entry.pattern {
		u, lane := l.ownerOf(o.entry.hash)
		if u != nil && l.reachable(u.outs[lane]) {
			o.need, o.to, o.entry.owner = 1, u, u
			l.endRecord(u.outs[lane], wire.AppendInterest(l.beginRecord(u.outs[lane]), kind, i))
		}
	} else if l.nats.up.Load() {
		for _, u := range l.ups {
			for _, out := range u.outs {
				o.need++
				l.endRecord(out, wire.AppendInterest(l.beginRecord(out), kind, i))
			}
		}
	}
	if o.need == 0 {
		l.finish(h, protocol.CodeUnavailable)
	}
}

// done takes an owner's answer to a Join or Fence.
func (l *loop) done(d wire.Done) {
	o := l.ops.find(d.Op)
	if o == nil || o.kind == opPublish {
		return
	}
	o.code = max(o.code, d.Code)
	if o.step != nil {
		o.step.heard = append(o.step.heard, l.source)
	}
	if o.need--; o.need <= 0 {
		l.finish(d.Op, int(o.code))
	}
}

// finish lets a Join or Fence take effect, and answers when it was the last of its request.
func (l *loop) finish(h uint64, code int) {
	o := l.ops.find(h)
	kind, e, r, topic, step, counted := o.kind, o.entry, o.req, o.topic, o.step, o.counted
	if code != 0 {
		r.outcome[topic] = rejection{e.name, code, "the topic's owner cannot be reached: send again"}
	}
	l.ops.end(h)
	e.pending--
	c := l.conns.get(r.slot, r.gen)
	if c != nil && c.state == stateOpen {
		if counted {
			c.joins--
		}
		switch {
		case e.pattern:
			l.altered(c, e, step, code == 0)
		case kind == opJoin && code == 0 && !counted && l.full(c) && !subscribed(c, e):
			// It was subscribed when it asked, but not any more, and others took its place.
			r.outcome[topic] = l.tooMany(e.name)
		case kind == opJoin && code == 0:
			l.enroll(c, e)
		case kind == opFence && code == 0:
			l.withdraw(c, e)
		}
	}
	l.release(e)
	l.settle(c, r)
}
