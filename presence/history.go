package presence

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

// sender is who sent a room message that is being stored.
type sender struct {
	owner.Source
	conn    wire.Conn
	op      uint64
	sentAt  int64 // Unix microseconds
	members int   // of the room, when the message came
}

// store has a room message stored before anybody gets it: what roomMessage does is done by Deliver and Ack, then.
func (r *registry) store(h *hall, from owner.Source, p *wire.Publish) {
	r.shelf.Publish(h.key, h.rule, shelf.NewItem(p, r.lane.MessageID(p.ID), &sender{from, p.Conn, p.Op, p.SentAt, h.count}))
}

// desk is what rooms do with what is stored.
type desk registry

// Began implements shelf.Desk.
func (d *desk) Began(key string) time.Time {
	if h := d.rooms[key]; h != nil && h.state == hallOpen {
		return time.UnixMilli(h.created)
	}
	return time.Time{}
}

// Frame implements shelf.Desk.
func (*desk) Frame(key string, p *history.Publication, at history.Position) []byte {
	_, frame := protocol.AppendRoomMessage(nil, shelf.Publication(wire.Name(key), p, at))
	return frame
}

// Deliver implements shelf.Desk.
func (d *desk) Deliver(key string, it *history.Item, at history.Position, frame []byte) {
	r := (*registry)(d)
	h := r.rooms[key]
	if h == nil {
		return
	}
	sentAt := r.lane.Now().UnixMicro()
	if it != nil {
		sentAt = it.Ticket.(*sender).sentAt
	}
	r.fanout.Touch(&h.interest)
	r.deliver(key, sentAt, frame, func(_ *owner.Gateway, d *wire.Deliver) { d.At = shelf.OnWire(at) })
}

// Ack implements shelf.Desk.
func (d *desk) Ack(key string, it *history.Item, at history.Position, duplicate bool) {
	r, by := (*registry)(d), it.Ticket.(*sender)
	if !it.Given {
		return
	}
	var frame []byte
	r.frame, frame = protocol.AppendRoomStored(r.frame[:0], it.MessageID, it.MessageID, wire.Name(key), by.members, shelf.ForClient(at), duplicate)
	r.reply(by.Source, by.op, by.conn, frame)
}

// What a sender is told whose message is not known to be stored, or not taken.
var (
	notStored = &refusal{protocol.CodeUnavailable, "the room's history cannot be written now: send again, with the same id"}
	tooMuch   = &refusal{protocol.CodeUnavailable, "the room's history takes no more now"}
	notRead   = &refusal{protocol.CodeUnavailable, "the room's history cannot be read now: ask again"}
	noHistory = &refusal{protocol.CodeNotFound, "room: it has no history"}
)

// Refuse implements shelf.Desk.
func (d *desk) Refuse(_ string, it *history.Item, err error) {
	by, no, id := it.Ticket.(*sender), notStored, ""
	if errors.Is(err, history.ErrRefused) {
		no = tooMuch
	}
	if it.Given {
		id = it.MessageID
	}
	(*registry)(d).refuseWith(by.Source, by.op, by.conn, id, no)
}

// listenStored is listen for a room with history, in order with what is said in it.
func (r *registry) listenStored(h *hall, from owner.Source, i *wire.Interest) {
	op, placed := i.Op, i.Placed
	note := func() {
		if r.isOpen(h) {
			r.hears(h, from)
		}
	}
	r.shelf.Join(h.key, h.rule, placed, i.At, note, func(j shelf.Joined) {
		d := wire.Done{Op: op}
		switch {
		case !r.isOpen(h):
			d.Code = protocol.CodeNotFound
		case j.Code == 0:
			d.Placed, d.Whole, d.At = true, j.Whole, shelf.OnWire(j.At)
		case placed:
			d.Code = uint16(j.Code)
		default:
			note() // the first message tells where the history stands
		}
		r.doneWith(from, d)
	})
}

// isOpen reports whether a room is still there.
func (r *registry) isOpen(h *hall) bool { return r.rooms[h.key] == h && h.state == hallOpen }

// place tells a loop that is new in a room where its history stands, before what is stored next. It learns from that
// what it misses, should the owner die.
func (r *registry) place(h *hall, to owner.Source) {
	if h.rule == nil {
		return
	}
	r.shelf.After(h.key, h.rule, func(top history.Position, err error) {
		if err == nil && r.isOpen(h) {
			r.tellPosition(h, to, top)
		}
	})
}

func (r *registry) tellPosition(h *hall, to owner.Source, at history.Position) {
	if r.lane.Alive(to.Gateway) {
		r.lane.End(to.Gateway, wire.AppendPlaced(r.lane.Begin(to.Gateway), wire.KindPosition, &wire.Placed{
			Loops: 1 << to.Loop, Key: h.key, At: shelf.OnWire(at),
		}))
	}
}

// fetch answers a Fetch.
func (r *registry) fetch(h *hall, from owner.Source, f *wire.Fetch) {
	op := f.Op
	if h == nil || h.state != hallOpen || h.rule == nil {
		r.page(from, op, &wire.Page{Code: protocol.CodeNotFound})
		return
	}
	r.shelf.Fetch(f, h.rule, func(p *wire.Page) { r.page(from, op, p) })
}

func (r *registry) page(to owner.Source, op uint64, p *wire.Page) {
	if r.lane.Alive(to.Gateway) {
		p.Loop, p.Op = uint8(to.Loop), op
		r.lane.End(to.Gateway, wire.AppendPage(r.lane.Begin(to.Gateway), p))
	}
}

// query answers a member's History.
func (r *registry) query(h *hall, from owner.Source, a *wire.Ask) *refusal {
	var q protocol.History
	err := q.Parse(string(a.Data)) // a copy: the answer may take a while
	switch {
	case err != nil:
		return refuse(protocol.CodeBadRequest, "%v", err)
	case !h.isMember(a.User):
		return notMember
	case h.rule == nil:
		return noHistory
	}
	ask, name := keepAsk(a), h.name()
	h.queries++
	r.shelf.Query(h.key, h.rule, &q, func(f shelf.Found) {
		h.queries--
		if f.Code != 0 {
			r.refuseAsk(from, ask, notRead)
			return
		}
		page := f.Page()
		page.Room = name
		var frame []byte
		r.frame, frame = protocol.AppendHistory(r.frame[:0], ask.ID, &page)
		r.reply(from, ask.Op, ask.Conn, frame)
	})
	return nil
}

// telling is a loop that told how far it has got in a room's history.
type telling struct {
	from owner.Source
	key  string
	at   history.Position
}

// tellingsMost bounds how many of them wait for their rooms to be known; beyond it they are not looked up, and counted.
const tellingsMost = 1 << 20

// track takes a loop's word of how far it has got in a room's history. It is told where that stands, if elsewhere, when the
// room is known: a former owner may have stored something and not delivered it.
func (r *registry) track(from owner.Source, key string, at wire.Position) {
	if !wire.IsRoom(key) || r.cfg.History.OfRoom(wire.Name(key)) == nil {
		return
	}
	if len(r.tellings) >= tellingsMost {
		r.metrics.unverified.Inc()
		return
	}
	r.tellings = append(r.tellings, telling{from, strings.Clone(key), shelf.FromWire(at)})
}

// tickTracks looks up what was told of rooms that are known by now.
func (r *registry) tickTracks() {
	list := r.tellings
	r.tellings = nil
	for _, t := range list {
		switch h := r.rooms[t.key]; {
		case h == nil || h.state == hallNone || !r.lane.Owns(t.key): // it is over, or another's
		case h.state != hallOpen:
			r.tellings = append(r.tellings, t)
		default:
			r.shelf.Verify(h.key, h.rule, t.at, func(top history.Position) {
				if r.isOpen(h) {
					r.tellPosition(h, t.from, top)
				}
			})
		}
	}
}
