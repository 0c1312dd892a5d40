package router

import (
	"errors"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// sender is who published what is being stored.
type sender struct {
	owner.Source
	conn   wire.Conn
	op     uint64
	quiet  bool
	sentAt int64 // Unix microseconds
}

// rule is the rule of a topic, nil when it has no history.
func (t *topics) rule(name string) *history.Rule {
	return t.shelf.Rule(name, t.history.Policy().OfTopic(name))
}

// store has a Broadcast stored before anybody gets it: what publish does is done by Deliver and Ack, then.
func (t *topics) store(from owner.Source, rule *history.Rule, p *wire.Publish) {
	t.shelf.Publish(p.Topic, rule, shelf.NewItem(p, t.lane.MessageID(p.ID), &sender{from, p.Conn, p.Op, p.Quiet, p.SentAt}))
}

// desk is what topics do with what is stored.
type desk topics

// Frame implements shelf.Desk.
func (*desk) Frame(key string, p *history.Publication, at history.Position) []byte {
	_, frame := protocol.AppendBroadcast(nil, shelf.Publication(key, p, at))
	return frame
}

// Began implements shelf.Desk: a topic is what it always was.
func (*desk) Began(string) time.Time { return time.Time{} }

// Deliver implements shelf.Desk.
func (d *desk) Deliver(key string, it *history.Item, at history.Position, frame []byte) {
	t := (*topics)(d)
	t.gather(key)
	rec := wire.Deliver{Topic: key, Frame: frame, SentAt: t.lane.Now().UnixMicro(), At: shelf.OnWire(at)}
	var quiet *owner.Gateway
	var conn wire.Conn
	if it != nil {
		by := it.Ticket.(*sender)
		rec.SentAt = by.sentAt
		if by.quiet {
			quiet, conn = by.Gateway, by.conn
		}
	}
	t.deliver(rec, quiet, conn)
}

// Ack implements shelf.Desk.
func (d *desk) Ack(key string, it *history.Item, at history.Position, duplicate bool) {
	t, by := (*topics)(d), it.Ticket.(*sender)
	if by.op == 0 || !t.lane.Alive(by.Gateway) {
		return
	}
	var frame []byte
	t.frame, frame = protocol.AppendStored(t.frame[:0], it.MessageID, it.MessageID, key, shelf.ForClient(at), duplicate)
	t.reply(by.Source, by.op, by.conn, frame)
}

// notStored is what a sender is told whose message is not known to be stored.
var notStored = protocol.Error{
	Code: protocol.CodeUnavailable, Message: "the topic's history cannot be written now: send again, with the same id",
	Details: protocol.RetryAfter(1000),
}

// tooMuch is what a sender is told whose message the store does not take.
var tooMuch = protocol.Error{
	Code: protocol.CodeUnavailable, Message: "the topic's history takes no more now", Details: protocol.RetryAfter(5000),
}

// Refuse implements shelf.Desk.
func (d *desk) Refuse(_ string, it *history.Item, err error) {
	t, by := (*topics)(d), it.Ticket.(*sender)
	if !t.lane.Alive(by.Gateway) {
		return
	}
	e, id := notStored, ""
	if errors.Is(err, history.ErrRefused) {
		e = tooMuch
	}
	if it.Given {
		id = it.MessageID
	}
	var frame []byte
	t.frame, frame = protocol.AppendError(t.frame[:0], id, e)
	t.reply(by.Source, by.op, by.conn, frame)
}

// joinStored answers a Join of a topic with history, in order with what is published.
func (t *topics) joinStored(from owner.Source, rule *history.Rule, i *wire.Interest) {
	name, op := strings.Clone(i.Topic), i.Op
	t.shelf.Join(name, rule, i.Placed, i.At, func() {
		if t.lane.Alive(from.Gateway) {
			t.join(from, name, t.lane.View(), false)
		}
	}, func(j shelf.Joined) {
		d := wire.Done{Op: op, Code: uint16(j.Code), Placed: j.Code == 0, Whole: j.Whole}
		d.At = shelf.OnWire(j.At)
		t.done(from, d)
	})
}

// fence answers a Fence, in order with what is published.
func (t *topics) fence(from owner.Source, i *wire.Interest) {
	op := i.Op
	if rule := t.rule(i.Topic); rule != nil && t.shelf.Waits(i.Topic) {
		t.shelf.After(i.Topic, rule, func(history.Position, error) { t.done(from, wire.Done{Op: op}) })
		return
	}
	t.done(from, wire.Done{Op: op})
}

// done answers a Join or Fence, where an answer is wanted and the gateway is not gone.
func (t *topics) done(to owner.Source, d wire.Done) {
	if d.Op != 0 && t.lane.Alive(to.Gateway) {
		d.Loop = uint8(to.Loop)
		t.lane.End(to.Gateway, wire.AppendDone(t.lane.Begin(to.Gateway), d))
	}
}

// verify tells a loop where a topic's history stands, if the loop has not got there.
func (t *topics) verify(from owner.Source, name string, at wire.Position) {
	rule := t.rule(name)
	if rule == nil {
		return
	}
	name = strings.Clone(name)
	t.shelf.Verify(name, rule, shelf.FromWire(at), func(top history.Position) {
		if t.lane.Alive(from.Gateway) {
			t.lane.End(from.Gateway, wire.AppendPlaced(t.lane.Begin(from.Gateway), wire.KindPosition, &wire.Placed{
				Loops: 1 << from.Loop, Key: name, At: shelf.OnWire(top),
			}))
		}
	})
}

// fetch answers a Fetch.
func (t *topics) fetch(from owner.Source, f *wire.Fetch) {
	op := f.Op
	rule := t.rule(f.Key)
	if rule == nil {
		t.page(from, op, &wire.Page{Code: protocol.CodeNotFound})
		return
	}
	t.shelf.Fetch(f, rule, func(p *wire.Page) { t.page(from, op, p) })
}

func (t *topics) page(to owner.Source, op uint64, p *wire.Page) {
	if t.lane.Alive(to.Gateway) {
		p.Loop, p.Op = uint8(to.Loop), op
		t.lane.End(to.Gateway, wire.AppendPage(t.lane.Begin(to.Gateway), p))
	}
}

// query answers a client's History.
func (t *topics) query(from owner.Source, a *wire.Ask) {
	op, conn, id, name := a.Op, a.Conn, strings.Clone(a.ID), strings.Clone(a.Key)
	var h protocol.History
	rule := t.rule(name)
	err := h.Parse(string(a.Data)) // a copy: the answer may take a while
	switch {
	case err != nil:
		t.refuse(from, op, conn, id, protocol.Error{Code: protocol.CodeBadRequest, Message: err.Error()})
		return
	case rule == nil:
		t.refuse(from, op, conn, id, protocol.Error{Code: protocol.CodeNotFound, Message: "topic: it has no history"})
		return
	}
	t.shelf.Query(name, rule, &h, func(f shelf.Found) {
		if f.Code != 0 {
			t.refuse(from, op, conn, id, protocol.Error{
				Code: f.Code, Message: "the topic's history cannot be read now: ask again", Details: protocol.RetryAfter(1000),
			})
			return
		}
		page := f.Page()
		page.Topic = name
		if t.lane.Alive(from.Gateway) {
			var frame []byte
			t.frame, frame = protocol.AppendHistory(t.frame[:0], id, &page)
			t.reply(from, op, conn, frame)
		}
	})
}

func (t *topics) refuse(to owner.Source, op uint64, conn wire.Conn, id string, e protocol.Error) {
	if t.lane.Alive(to.Gateway) {
		var frame []byte
		t.frame, frame = protocol.AppendError(t.frame[:0], id, e)
		t.reply(to, op, conn, frame)
	}
}

// Settled implements owner.Working.
func (t *topics) Settled() bool { return t.shelf.Settled() }

// Tick implements owner.Working.
func (t *topics) Tick() { t.shelf.Tick() }
