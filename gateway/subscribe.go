package gateway

import (
	"fmt"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// subscribe asks the owner of each topic to send it here. It takes effect with the
// owner's answer: by the way back of that answer, everything published later follows it.
func (l *loop) subscribe(c *conn, e *protocol.Envelope) {
	s := &l.subscription
	if err := s.Parse(e.Data); err != nil {
		l.bad(c, e.ID, err)
		return
	}
	r := l.newRequest(c, e.ID, "subscribed", s.Topics)
	r.wantPositions(s.Recover)
	for i, name := range r.topics {
		if r.outcome[i] = l.refuseTopic(c, name); r.outcome[i].Code == 0 {
			l.askTopic(c, r, i, opJoin)
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
			r.outcome[i] = rejection{Name: name, Code: protocol.CodeBadRequest, Message: err.Error()}
			continue
		}
		l.askTopic(c, r, i, opFence)
	}
	l.settle(c, r)
}

// refuseTopic decides whether a connection may subscribe to a topic; code 0: it may.
func (l *loop) refuseTopic(c *conn, name string) rejection {
	if err := topic.ValidatePattern(name); err != nil {
		return rejection{Name: name, Code: protocol.CodeBadRequest, Message: err.Error()}
	}
	if !c.rights.canSubscribe(name) {
		return rejection{Name: name, Code: protocol.CodeForbidden, Message: notAllowed}
	}
	if l.full(c) && !subscribed(c, l.entries[name]) {
		return l.tooMany(name)
	}
	return rejection{}
}

const notAllowed = "not allowed to subscribe to it"

// full reports whether a connection has all the subscriptions that it may have.
func (l *loop) full(c *conn) bool {
	return len(c.subs)-int(c.others)+int(c.joins) >= l.gw.cfg.MaxSubscriptions
}

func (l *loop) tooMany(name string) rejection {
	return rejection{
		name, protocol.CodeTooMany, fmt.Sprintf("over %d subscriptions on this connection", l.gw.cfg.MaxSubscriptions), limitSubscriptions,
	}
}

// askTopic begins the op for one topic of a request.
func (l *loop) askTopic(c *conn, r *request, i int, kind opKind) {
	e := l.topicEntry(r.topics[i])
	e.pending++
	e.joined = e.joined || kind == opJoin
	r.need++
	o := op{kind: kind, conn: r.slot, cgen: r.gen, began: l.wheel.now, req: r, topic: i, entry: e}
	if p, ok := r.since[e.name]; ok && kind == opJoin {
		o.recovers, o.since = true, wire.Position{Offset: p.Offset, Epoch: uint64(history.ParseEpoch(p.Epoch))}
	}
	if o.greet = r.greet; o.greet != nil {
		o.since, o.recovers = o.greet.since[e.name]
	}
	if e.pattern {
		o.step = l.alter(c, e, kind == opJoin)
	} else if kind == opJoin && !subscribed(c, e) {
		o.counted = true
		c.joins++
	}
	l.send(l.ops.add(o, ""))
}

// sendInterest sends the record of a Join or Fence op: to the topic's owner, or, for a pattern, to
// every lane of every router, the leaving ones included.
func (l *loop) sendInterest(h uint64, o *op) {
	kind := wire.KindJoin
	if o.kind == opFence {
		kind = wire.KindFence
	}
	i := wire.Interest{Op: h, Topic: o.entry.name, State: o.entry.state(), Placed: o.recovers, At: o.since}
	if !o.entry.pattern {
		if u, lane := l.reach(o); u != nil {
			o.entry.owner = u
			l.endRecord(u, lane, wire.AppendInterest(l.beginRecord(u, lane), kind, i))
		}
	} else if l.nats.up.Load() {
		for _, u := range l.realm(o.entry).ups {
			for lane := range u.outs {
				o.need++
				l.endRecord(u, lane, wire.AppendInterest(l.beginRecord(u, lane), kind, i))
			}
		}
	}
}

// done takes an owner's answer to a Join or Fence.
func (l *loop) done(d wire.Done) {
	o := l.ops.find(d.Op)
	if o == nil {
		return
	}
	if o.kind == opEnter {
		o.at, o.whole = d.At, d.Whole
		l.roomJoined(d.Op, int(d.Code))
		return
	}
	if o.kind != opJoin && o.kind != opFence {
		return
	}
	o.code = max(o.code, d.Code)
	o.at, o.whole = d.At, d.Whole
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
	was := *o
	kind, e, r, topic, step, counted := o.kind, o.entry, o.req, o.topic, o.step, o.counted
	if code != 0 {
		r.outcome[topic] = rejection{Name: e.name, Code: code, Message: ownerAway}
	}
	l.ops.end(h)
	e.pending--
	c := l.conns.get(r.slot, r.gen)
	if c != nil && (c.state == stateOpen || c.greet != nil && c.greet == r.greet) {
		if counted {
			c.joins--
		}
		switch {
		case kind == opJoin && code == 0 && !c.rights.canSubscribe(e.name):
			// Its token has changed since it asked.
			r.outcome[topic] = rejection{Name: e.name, Code: protocol.CodeForbidden, Message: notAllowed}
			if e.pattern {
				l.altered(c, e, step, false)
			}
		case e.pattern:
			l.altered(c, e, step, code == 0)
		case kind == opJoin && code == 0 && !counted && l.full(c) && !subscribed(c, e):
			// It was subscribed when it asked, but not any more, and others took its place.
			r.outcome[topic] = l.tooMany(e.name)
		case kind == opJoin && code == 0 && was.at.Epoch != 0:
			l.attachFor(c, &was)
		case kind == opJoin && code == 0:
			l.enroll(c, e)
		case kind == opFence && code == 0:
			l.withdraw(c, e)
		}
	}
	l.release(e)
	l.settle(c, r)
}

// attachFor makes the connection that asked for it a subscriber of a topic with history.
func (l *loop) attachFor(c *conn, o *op) {
	from, read := o.at, true
	if t := l.tracks[o.entry.name]; o.recovers && o.whole {
		from = wire.Position{Offset: o.since.Offset, Epoch: o.at.Epoch}
	} else if t != nil && l.gets(c, t.key) {
		from, read = t.sentTo(c), false // to subscribe again, or by name, too, takes nothing away
	}
	l.attach(c, o.entry, o.at, from, read)
	p := clientPosition(o.at)
	o.req.positions[o.entry.name] = protocol.TopicPosition{Offset: p.Offset, Epoch: p.Epoch, Recovered: o.recovers && o.whole}
}
