package presence

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
	"github.com/realtime-cluster/realtime/presence/durable"
)

// hall is where a room is kept: whether it is known, and what waits for it.
type hall struct {
	room
	rule      *history.Rule // static; nil: it has no history
	state     hallState
	busy      bool // it is being read or written
	stale     bool // what JetStream has of it may be something else: it is read before the next change
	revision  uint64
	waiting   []waiting
	bytes     int
	ripe      int               // how many of waiting, the first ones, may be dealt with although messages wait for the store
	queries   int               // of its history that are not answered yet
	behind    *behind           // the next ones, which wait for that; nil: none do
	askers    map[string]int    // by user: how many of waiting are theirs
	actor     string            // whose request is being written
	admission *admission        // an answer that waits for the owners of new members; busy then; nil: none
	claims    map[string]uint64 // by user's name: memberships told before the room was known
	blob      wire.State        // the newest that was told
}

// hallState is what is known of a room.
type hallState uint8

const (
	hallUnknown hallState = iota // nobody has asked yet whether there is a durable one
	hallTold                     // others told of it: it is settled when all have
	hallOpen                     // it is there
	hallNone                     // there is none
)

// waiting is a record for a room that is being read or written.
type waiting struct {
	from owner.Source
	rec  wire.Record // its body is a copy
}

const (
	// waitingMost and waitingBytes bound what waits for one room; over them senders get Error 503.
	waitingMost  = 4096
	waitingBytes = 4 << 20
)

// hall finds or begins the record of a room.
func (r *registry) hall(key string) *hall {
	h := r.rooms[key]
	if h == nil {
		h = &hall{rule: r.cfg.History.OfRoom(wire.Name(key))}
		h.key, h.told = string([]byte(key)), r.lane.View()
		r.rooms[h.key] = h
	}
	return h
}

// close forgets a room: there is none, or it belongs to another owner now.
func (r *registry) close(h *hall) {
	if r.rooms[h.key] != h {
		return
	}
	delete(r.rooms, h.key)
	delete(r.large, h)
	delete(r.fresh, h)
	if a := h.admission; a != nil {
		h.admission = nil
		delete(r.admitting, h)
		a.reply()
	}
	r.refuseWaiting(h)
}

// inRoom deals with a record about a room, when the room is known.
func (r *registry) inRoom(key string, from owner.Source, rec wire.Record) {
	h := r.hall(key)
	if h.state == hallTold {
		r.settle(h)
	}
	passes := h.passes(rec)
	if !h.busy && (h.state == hallUnknown || h.stale && !passes) {
		r.load(h)
	}
	if passes || !h.busy && len(h.waiting) == 0 && !r.follows(h, rec) {
		r.deal(h, from, rec)
		r.endIfNone(h)
		return
	}
	r.wait(h, from, rec)
	if !h.busy {
		r.resume(h)
	}
}

// passes reports whether a record need not wait while the room is being written, which takes seconds when JetStream
// elects a leader, or for messages that are being stored: a message of one who has asked for nothing that waits, and what gateways
// fetch.
func (h *hall) passes(rec wire.Record) bool {
	if rec.Kind == wire.KindFetch {
		return h.state == hallOpen
	}
	if rec.Kind != wire.KindPublish || h.state != hallOpen {
		return false
	}
	user := askerOf(rec)
	return user != h.actor && h.askers[user] == 0
}

// askerOf is the user whose message or request a record is; empty for others.
func askerOf(rec wire.Record) string {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		if p.Decode(rec.Body) == nil {
			return p.User
		}
	case wire.KindAsk:
		var a wire.Ask
		if a.Decode(rec.Body) == nil {
			return a.User
		}
	}
	return ""
}

// wait keeps a record until the room is read or written.
func (r *registry) wait(h *hall, from owner.Source, rec wire.Record) {
	if len(h.waiting) >= waitingMost || h.bytes+len(rec.Body) > waitingBytes {
		r.metrics.roomFull.Inc()
		r.Refuse(from, rec)
		return
	}
	rec.Body = bytes.Clone(rec.Body)
	h.bytes += len(rec.Body)
	h.waiting = append(h.waiting, waiting{from, rec})
	h.asks(rec)
}

// asks counts a record that waits as its asker's.
func (h *hall) asks(rec wire.Record) {
	if h.askers == nil {
		h.askers = make(map[string]int)
	}
	h.askers[askerOf(rec)]++
}

// resume deals with what waited, up to what makes it wait again.
func (r *registry) resume(h *hall) {
	h.busy = false
	for len(h.waiting) > 0 && !h.busy && r.ripe(h) {
		w := h.waiting[0]
		h.ripe = max(h.ripe-1, 0)
		h.waiting = h.waiting[1:]
		h.bytes -= len(w.rec.Body)
		if user := askerOf(w.rec); h.askers[user] > 1 {
			h.askers[user]--
		} else {
			delete(h.askers, user)
		}
		r.deal(h, w.from, w.rec)
	}
	r.endIfNone(h)
}

func (r *registry) refuseWaiting(h *hall) {
	list := h.waiting
	h.waiting, h.bytes, h.askers, h.ripe, h.behind = nil, 0, nil, 0, nil
	for _, w := range list {
		r.Refuse(w.from, w.rec)
	}
}

// endIfNone forgets a room that is not there.
func (r *registry) endIfNone(h *hall) {
	if h.state == hallNone && !h.busy {
		r.close(h)
	}
}

// load finds out whether there is a durable room, and reads it.
func (r *registry) load(h *hall) {
	if r.cfg.Durable == nil {
		r.loaded(h, nil, durable.ErrNotFound)
		return
	}
	h.busy = true
	name := h.name()
	var found *durable.Room
	r.jetstream.Work(r.lane, func(ctx context.Context) (err error) {
		found, err = r.cfg.Durable.Load(ctx, name)
		return err
	}, func(err error) {
		if r.rooms[h.key] == h {
			r.loaded(h, found, err)
			r.resume(h)
		}
	})
}

// loaded takes what JetStream knows of a room.
func (r *registry) loaded(h *hall, found *durable.Room, err error) {
	switch {
	case errors.Is(err, durable.ErrNotFound):
		if h.state == hallOpen {
			r.ended(h)
		}
		h.state = hallNone
	case err != nil && h.stale:
		r.refuseWaiting(h) // messages go on
		return
	case err != nil:
		r.refuseWaiting(h)
		h.state = hallUnknown
		if h.interest.Empty() && len(h.claims) == 0 {
			r.close(h)
		} else {
			h.state = hallTold // and a tick tries again
			r.fresh[h] = struct{}{}
		}
		return
	default:
		r.refill(h, found)
	}
	h.stale = false
	claims := h.claims
	h.claims = nil
	for user := range claims {
		r.answerClaim(h, wire.UserKey(user), wire.Member{})
	}
}

// refill makes a room what JetStream has of it, and tells those of whom it has something else than was known here.
func (r *registry) refill(h *hall, found *durable.Room) {
	was, known := h.members, h.state == hallOpen
	if h.fill(found); !known {
		return
	}
	h.members.Scan(func(user string, m member) bool {
		if old, _ := was.Get(user); m.joined && !old.joined {
			r.tellUser(h, wire.UserKey(user), &wire.Member{Version: m.version})
		}
		return true
	})
	was.Scan(func(user string, old member) bool {
		if old.joined && !h.isMember(user) {
			r.tellUser(h, wire.UserKey(user), &wire.Member{Version: h.next(r.lane.Now()), Out: true})
		}
		return true
	})
}

// fill makes a room what JetStream has of it.
func (h *hall) fill(found *durable.Room) {
	interest := h.interest
	key, told, events := h.key, h.told, h.events
	h.room = room{
		key: key, told: told, events: events, interest: interest, version: h.version,
		owner: found.Owner, private: found.Private, durable: true, capacity: found.Capacity,
		metadata: string(found.Metadata), created: found.CreatedAt,
	}
	for user, m := range found.Members {
		h.set(user, member{joined: m.Joined, version: m.Version})
	}
	h.revision, h.state = found.Revision, hallOpen
}

// roomTold takes a gateway's account of a room of which it has members' connections.
func (r *registry) roomTold(from owner.Source, view uint64, i *wire.Interest) {
	h := r.toldOf(i.Topic, view)
	h.interest.Add(from.Gateway, from.Loop)
	h.hear(i.State)
	if i.Placed {
		r.track(from, h.key, i.At)
	}
}

// hear keeps the newest of what an earlier owner deposited.
func (h *hall) hear(s wire.State) {
	if h.state == hallTold && s.Version > h.blob.Version {
		h.blob = wire.State{Version: s.Version, Body: bytes.Clone(s.Body)}
	}
}

// claimed takes what a user's owner tells of a membership.
func (r *registry) claimed(view uint64, m *wire.Member) {
	if m.Ask {
		if h := r.rooms[m.Key]; h == nil || h.state == hallOpen {
			r.askedToLeave(h, m)
		}
		return
	}
	h := r.toldOf(m.Key, view)
	name := string([]byte(wire.Name(m.Other)))
	if h.state == hallTold || h.state == hallUnknown {
		if h.claims == nil {
			h.claims = make(map[string]uint64)
		}
		h.claims[name] = max(h.claims[name], m.Version)
		return
	}
	r.answerClaim(h, m.Other, *m)
}

// answerClaim tells a user's owner what there is to the membership that it told of, where it is not
// just that.
func (r *registry) answerClaim(h *hall, user string, m wire.Member) {
	in, _ := h.members.Get(wire.Name(user))
	switch {
	case h.state != hallOpen || !in.joined:
		r.tellUser(h, user, &wire.Member{Version: h.next(r.lane.Now()), Out: true})
	case in.version != m.Version || h.durable != m.Durable:
		r.tellUser(h, user, &wire.Member{Version: in.version})
	}
}

// toldOf finds or begins the record of a room that others tell of.
func (r *registry) toldOf(key string, view uint64) *hall {
	n := len(r.rooms)
	h := r.hall(key)
	if h.told = view; len(r.rooms) > n {
		h.state = hallTold
		r.fresh[h] = struct{}{}
	}
	return h
}

// settleRooms settles the rooms that others told of.
func (r *registry) settleRooms() {
	for h := range r.fresh {
		if r.lane.Owns(h.key) && h.state == hallTold {
			r.settle(h)
			r.endIfNone(h)
		}
	}
}

// settle makes a room of what all told of it. A durable one is read: JetStream knows better.
func (r *registry) settle(h *hall) {
	delete(r.fresh, h)
	if !h.restore() {
		h.state = hallUnknown
		r.load(h)
		return
	}
	for user, version := range h.claims {
		h.set(user, member{joined: true, version: version})
	}
	h.claims, h.state = nil, hallOpen
	if h.count == 0 {
		r.ended(h) // with its last member
	}
}

// commit makes a change of a room: a durable one is written first, and only who owns it can. The record is dealt with
// again when another had written meanwhile.
func (r *registry) commit(h *hall, from owner.Source, rec wire.Record, write func(context.Context) (uint64, error), then func()) {
	if !h.durable {
		then()
		return
	}
	h.busy = true
	rec.Body = bytes.Clone(rec.Body)
	h.actor = askerOf(rec)
	var revision uint64
	r.jetstream.Work(r.lane, func(ctx context.Context) (err error) {
		revision, err = write(ctx)
		return err
	}, func(err error) {
		h.actor = ""
		switch {
		case r.rooms[h.key] != h:
			r.Refuse(from, rec)
			return
		case err == nil:
			h.revision = revision
			then()
		case errors.Is(err, durable.ErrConflict), errors.Is(err, durable.ErrNotFound), errors.Is(err, durable.ErrExists):
			r.again(h, from, rec)
			return
		default:
			r.Refuse(from, rec)
			r.again(h, owner.Source{}, wire.Record{}) // whether it took place is not known
			return
		}
		if h.admission == nil {
			r.resume(h)
		}
	})
}

// again reads a durable room that is not what this owner took it for, and deals with a record,
// when there is one.
func (r *registry) again(h *hall, from owner.Source, rec wire.Record) {
	if rec.Body != nil {
		h.waiting = append([]waiting{{from, rec}}, h.waiting...)
		h.bytes += len(rec.Body)
		h.ripe++ // it has followed what was said before
		h.asks(rec)
	}
	if h.busy = false; h.state == hallOpen {
		h.stale = true // messages go on meanwhile
	} else {
		h.state = hallUnknown
	}
	r.load(h)
}

// tellUser tells a member's owner of the membership.
func (r *registry) tellUser(h *hall, user string, m *wire.Member) {
	m.Key, m.Other, m.Durable = user, h.key, h.durable
	r.lane.Tell(user, func(b []byte) []byte { return wire.AppendMember(b, m) })
}

// tellChange tells a member's owner of the membership, and of an event, empty for none, of which the member's
// connections are to hear: what the room's owner did. by is whom the event names.
func (r *registry) tellChange(h *hall, user, event, by string, m *wire.Member) {
	m.Tell, m.By, m.Count = event, by, uint32(h.count)
	r.tellUser(h, wire.UserKey(user), m)
}

// event tells the members of one who comes or goes, but for those who are told otherwise: conn, the
// connection that asked for it, or, where nobody did and from is empty, that user.
func (r *registry) event(h *hall, what, user string, from owner.Source, conn wire.Conn) {
	waits := !h.events.since.IsZero()
	if (h.count > smallRoom || waits) && (what == protocol.RoomJoined || what == protocol.RoomLeft) {
		h.events.gather(string([]byte(user)), what == protocol.RoomJoined, r.lane.Now())
		r.large[h] = struct{}{}
		return
	}
	if waits { // who came before is removed after
		r.tellEvents(h)
	}
	var frame []byte
	r.frame, frame = protocol.AppendRoomEvent(r.frame[:0], h.name(), what, user, h.count)
	r.fanout.Touch(&h.interest)
	r.deliver(h.key, r.lane.Now().UnixMicro(), frame, func(g *owner.Gateway, d *wire.Deliver) {
		switch {
		case from.Gateway == nil:
			d.Except = user
		case g == from.Gateway:
			d.Quiet, d.Sender = true, conn
		}
	})
}

// tickEvents tells the members of large rooms who came and went.
func (r *registry) tickEvents(now time.Time) {
	for h := range r.large {
		if now.Sub(h.events.since) >= h.wait() {
			r.tellEvents(h)
		}
	}
}

// tellEvents tells the members of a room who came and went since the last time.
func (r *registry) tellEvents(h *hall) {
	delete(r.large, h)
	var frame []byte
	r.frame, frame = protocol.AppendRoomMembers(r.frame[:0], h.name(), h.events.joined, h.events.left, h.count)
	h.events = roomEvents{}
	r.fanout.Touch(&h.interest)
	r.deliver(h.key, r.lane.Now().UnixMicro(), frame, nil)
}
