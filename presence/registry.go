package presence

import (
	"math/rand/v2"
	"time"

	"github.com/realtime-cluster/realtime/pkg/crew"
	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/rules/enforce"
	"github.com/realtime-cluster/realtime/pkg/wire"
	"github.com/realtime-cluster/realtime/presence/durable"
)

// registry is one lane's share of a presence node: the users and rooms that it owns. It is
// owned by the lane's goroutine.
type registry struct {
	lane             *owner.Lane
	cfg              *Config
	metrics          *metrics
	redis, jetstream *crew.Crew
	rules            *enforce.Enforcer // nil: there are none
	directory
	heard map[place]time.Time // when a place that is in the directory last sent its digest
	rooms map[string]*hall    // by key

	fanout      owner.Fanout
	frame       []byte
	batch       uint64              // of the last queued messages that were sent; the first is no former owner's
	sharings    map[string]*sharing // by user's key: of those who are, or were, on several gateways
	unsettled   map[string]*sharing // those of them that may change by time
	unshown     map[*user]struct{}  // watchers are to be told at the next tick
	scratch     []byte
	boxes       map[*user]struct{} // that wait for a time
	moving      int                // users who belong to another owner now, and whose queue is read or written
	nextRead    time.Time          // of a queue that a former owner left
	absent      absences
	undelivered []wire.Publish        // to a gateway that is gone; within Forget only
	admitting   map[*hall]struct{}    // with admissions
	asked       map[string]int        // by user's key: requests that wait for lastSeen
	userRooms   batcher[durable.List] // their durable rooms
	lastSeen    batcher[int64]        // of users of whom nothing is known here
	queues      batcher[bool]         // whether anything waits for a user
	indexes     []indexed             // to be written
	indexing    bool                  // some are being written
	indexAt     time.Time             // not before, after a failure
	large       map[*hall]struct{}    // rooms whose events are gathered
	reported    sizes
	fresh       map[*hall]struct{} // rooms that others told of, and that are not settled yet
	shelf       *shelf.Shelf       // of the rooms that have a history
	tellings    []telling          // of rooms that were not known yet
	over        int64              // when the last room ended, or began that did, Unix ms
}

func newRegistry(l *owner.Lane, cfg *Config, m *metrics, redis, jetstream *crew.Crew, histories *shelf.Config) *registry {
	r := &registry{lane: l, cfg: cfg, metrics: m, redis: redis, jetstream: jetstream, batch: rand.Uint64()}
	if cfg.Durable != nil {
		r.userRooms = batcher[durable.List]{lane: l, crew: jetstream, call: cfg.Durable.UserRooms}
	}
	r.lastSeen = batcher[int64]{lane: l, crew: redis, call: cfg.Seen.Read}
	r.queues = batcher[bool]{lane: l, crew: redis, call: cfg.Queue.Waiting}
	r.clear()
	r.shelf = shelf.New(l, histories, (*desk)(r))
	return r
}

func (r *registry) clear() {
	r.directory = newDirectory()
	r.heard = make(map[place]time.Time)
	r.rooms = make(map[string]*hall)
	r.sharings = make(map[string]*sharing)
	r.unsettled = make(map[string]*sharing)
	r.unshown = make(map[*user]struct{})
	r.boxes = make(map[*user]struct{})
	r.asked = make(map[string]int)
	r.admitting = make(map[*hall]struct{})
	r.large = make(map[*hall]struct{})
	r.fresh = make(map[*hall]struct{})
	r.absent = absences{}
	r.moving = 0
	r.tellings = nil
}

// Key implements owner.Handler: who watches a user is a matter of that user's owner.
func (r *registry) Key(rec wire.Record) (key string, keyed bool, err error) {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		err = p.Decode(rec.Body)
		return p.Topic, true, err
	case wire.KindPresent:
		var p wire.Present
		err = p.Decode(rec.Body)
		return p.Key, true, err
	case wire.KindAsk:
		var a wire.Ask
		err = a.Decode(rec.Body)
		return a.Key, true, err
	case wire.KindConfirm:
		var c wire.Confirm
		err = c.Decode(rec.Body)
		return c.Key, true, err
	case wire.KindFetch:
		var f wire.Fetch
		err = f.Decode(rec.Body)
		return f.Key, true, err
	case wire.KindTrack:
		var p wire.Placed
		err = p.Decode(rec.Body)
		return p.Key, true, err
	case wire.KindDemand:
		var d wire.Demand
		err = d.Decode(rec.Body)
		return d.Key, true, err
	case wire.KindDigest, wire.KindRetell:
		return "", false, nil
	}
	var i wire.Interest
	err = i.Decode(rec.Body)
	return wire.OwnerKey(i.Topic), true, err
}

// Apply implements owner.Handler.
func (r *registry) Apply(from owner.Source, rec wire.Record) {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		if p.Decode(rec.Body) != nil {
			return
		}
		if wire.IsRoom(p.Topic) {
			r.inRoom(p.Topic, from, rec)
		} else if r.rules.Apply(from, &p) {
			r.direct(from, &p)
		}
	case wire.KindPresent:
		var p wire.Present
		if p.Decode(rec.Body) == nil {
			r.present(from, &p)
		}
	case wire.KindAsk:
		var a wire.Ask
		if a.Decode(rec.Body) != nil {
			return
		}
		if wire.IsRoom(a.Key) {
			r.inRoom(a.Key, from, rec)
		} else {
			r.askUser(from, &a)
		}
	case wire.KindFetch:
		var f wire.Fetch
		if f.Decode(rec.Body) != nil {
			return
		}
		if wire.IsRoom(f.Key) {
			r.inRoom(f.Key, from, rec)
		} else {
			r.fetch(nil, from, &f)
		}
	case wire.KindConfirm:
		var c wire.Confirm
		if c.Decode(rec.Body) == nil {
			r.confirmed(&c)
		}
	case wire.KindDemand:
		var d wire.Demand
		if d.Decode(rec.Body) == nil {
			r.demanded(from, &d)
		}
	case wire.KindDigest:
		var d wire.Digest
		if d.Decode(rec.Body) == nil {
			r.compare(from, d)
		}
	case wire.KindRetell:
		r.forgetPlace(place{from.Gateway, from.Loop})
	case wire.KindJoin, wire.KindLeave:
		var i wire.Interest
		if i.Decode(rec.Body) != nil {
			return
		}
		if wire.IsRoom(i.Topic) {
			switch h := r.rooms[i.Topic]; {
			case rec.Kind != wire.KindLeave || h != nil && h.state != hallTold:
				r.inRoom(i.Topic, from, rec)
			case h != nil: // others are still to tell of it: a Leave comes before the view is open
				h.interest.Remove(from.Gateway, 1<<from.Loop)
			}
		} else if rec.Kind == wire.KindLeave {
			r.unwatched(from, &i)
		}
	}
}

// Tell implements owner.Handler: a gateway's account of a user or a room that is new to us.
func (r *registry) Tell(from owner.Source, view uint64, rec wire.Record) {
	if rec.Kind == wire.KindPresent {
		var p wire.Present
		if p.Decode(rec.Body) == nil {
			r.told(from, view, &p)
		}
		return
	}
	if rec.Kind == wire.KindTrack {
		var p wire.Placed
		if p.Decode(rec.Body) == nil {
			r.track(from, p.Key, p.At)
		}
		return
	}
	var i wire.Interest
	switch {
	case i.Decode(rec.Body) != nil:
	case wire.IsRoom(i.Topic):
		r.roomTold(from, view, &i)
	case wire.IsWatch(i.Topic):
		r.watchTold(from, view, &i)
	}
}

// Refuse implements owner.Handler.
func (r *registry) Refuse(from owner.Source, rec wire.Record) { r.refuseRecord(from, rec, away) }

func (r *registry) refuseRecord(from owner.Source, rec wire.Record, no *refusal) {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		if p.Decode(rec.Body) == nil {
			r.refuseMessage(from, &p, no)
		}
	case wire.KindPresent:
		var p wire.Present
		if p.Decode(rec.Body) == nil && p.Op != 0 {
			r.answer(from, &wire.Answer{Op: p.Op, Code: uint16(no.code)})
		}
	case wire.KindAsk:
		var a wire.Ask
		if a.Decode(rec.Body) == nil {
			r.refuseAsk(from, &a, no)
		}
	case wire.KindFetch:
		var f wire.Fetch
		if f.Decode(rec.Body) == nil {
			r.page(from, f.Op, &wire.Page{Code: uint16(no.code)})
		}
	case wire.KindJoin:
		var i wire.Interest
		if i.Decode(rec.Body) == nil {
			r.done(from, i.Op, uint16(no.code))
		}
	}
}

// Forget implements owner.Handler: a gateway is gone, and its connections with it.
func (r *registry) Forget(g *owner.Gateway) {
	r.forgetShares(g)
	for _, u := range r.forget(func(p place) bool { return p.gateway == g }) {
		r.changed(u, true)
	}
	for _, u := range r.users {
		if u.watch != nil {
			r.unwatch(u, g, owner.AllLoops)
			r.tidy(u)
		}
	}
	r.redirect()
	for _, h := range r.rooms {
		h.interest.Remove(g, owner.AllLoops)
	}
}

// Keep implements owner.Handler.
func (r *registry) Keep(keep func(key string, view uint64) bool) {
	for key, u := range r.users {
		if !keep(key, u.told) {
			r.giveUp(u)
		}
	}
	for key, h := range r.rooms {
		if !keep(key, h.told) {
			r.close(h)
		}
	}
	r.shelf.Keep(func(key string) bool { return keep(key, r.lane.View()) })
}

// Reset implements owner.Handler.
func (r *registry) Reset() {
	r.clear()
	r.shelf.Reset()
	r.report()
}

// Peer implements owner.Telling.
func (r *registry) Peer(view uint64, rec wire.Record) {
	var m wire.Member
	var d wire.Deposit
	switch {
	case rec.Kind == wire.KindDeposit && d.Decode(rec.Body) == nil && r.concerns(d.Key):
		r.inherit(view, &d)
	case rec.Kind == wire.KindPlaces:
		r.placed(rec)
	case rec.Kind != wire.KindMember || m.Decode(rec.Body) != nil || !r.concerns(m.Key):
	case wire.IsRoom(m.Key):
		r.claimed(view, &m)
	default:
		r.membership(view, &m)
	}
}

// concerns reports whether a key is ours, or may be by a view that is still to come here. Else whoever
// told of it learns the view, and tells the owner.
func (r *registry) concerns(key string) bool {
	return r.lane.Owns(key) || r.lane.FromLater()
}

// Moved implements owner.Telling: who is a member of what is known to the owner of the room, and to that of the
// user. Whichever is new is told by the other.
func (r *registry) Moved() {
	r.bequeath()
	r.awaitCalls()
	for _, u := range r.users {
		for room, j := range u.rooms {
			if r.lane.Moved(room) {
				r.claim(u, room, j)
			}
		}
		if len(u.rooms) > 0 && u.connections() == 0 {
			r.goneAway(u)
		}
	}
	for _, h := range r.rooms {
		if h.state == hallOpen {
			h.members.Scan(func(name string, m member) bool {
				if key := wire.UserKey(name); m.joined && r.lane.Moved(key) {
					r.tellUser(h, key, &wire.Member{Version: m.version})
				}
				return true
			})
		}
	}
}

// Settled implements owner.Telling: what is on its way into a queue or a history comes before what the next owner
// puts there.
func (r *registry) Settled() bool { return r.moving == 0 && r.shelf.Settled() }

// Opened implements owner.Telling.
func (r *registry) Opened() {
	r.openShares()
	r.settleRooms()
	for _, u := range r.users {
		if u.watch != nil && u.watch.told != nil {
			r.catchUp(u)
		}
		if u.connections() == 0 {
			r.goneAway(u)
		}
		if u.connections() > 0 {
			r.arrived(u)
		}
	}
}

// Tick implements owner.Telling.
func (r *registry) Tick() {
	now := r.lane.Now()
	if r.lane.Open() {
		r.settleRooms()
		for u := range r.unshown {
			delete(r.unshown, u)
			r.show(u)
			r.tidy(u)
		}
		r.tickTracks()
	}
	r.shelf.Tick()
	r.tickShares()
	r.tickDigests(now)
	r.tickAbsent(now)
	r.tickQueues(now)
	r.tickEvents(now)
	r.tickAdmissions(now)
	r.tickIndex(now)
	r.report()
}

// report brings the gauges up to date, which the lanes of a node share.
func (r *registry) report() {
	now := sizes{len(r.users), r.total, len(r.rooms)}
	r.metrics.users.Add(float64(now.users - r.reported.users))
	r.metrics.connections.Add(float64(now.connections - r.reported.connections))
	r.metrics.rooms.Add(float64(now.rooms - r.reported.rooms))
	r.reported = now
}

// sizes are what the gauges show of one lane.
type sizes struct{ users, connections, rooms int }

// reply sends one connection a frame, the answer to an op where that is not 0.
func (r *registry) reply(to owner.Source, op uint64, conn wire.Conn, frame []byte) {
	if !r.lane.Alive(to.Gateway) {
		return // gone while we waited for something
	}
	b := wire.AppendReply(r.lane.Begin(to.Gateway), &wire.Reply{Op: op, Conn: conn, Frame: frame})
	r.lane.End(to.Gateway, b)
}

func (r *registry) answer(to owner.Source, a *wire.Answer) {
	if !r.lane.Alive(to.Gateway) {
		return
	}
	a.Loop = uint8(to.Loop)
	r.lane.End(to.Gateway, wire.AppendAnswer(r.lane.Begin(to.Gateway), a))
}

func (r *registry) done(to owner.Source, op uint64, code uint16) {
	r.doneWith(to, wire.Done{Op: op, Code: code})
}

func (r *registry) doneWith(to owner.Source, d wire.Done) {
	if d.Op != 0 && r.lane.Alive(to.Gateway) {
		d.Loop = uint8(to.Loop)
		r.lane.End(to.Gateway, wire.AppendDone(r.lane.Begin(to.Gateway), d))
	}
}

// deliverUser sends a frame to all connections of a user.
func (r *registry) deliverUser(u *user, sentAt int64, frame []byte) {
	for _, s := range u.spots {
		r.fanout.TouchLoops(s.gateway, 1<<s.loop)
	}
	r.deliver(u.key, sentAt, frame, nil)
}

// deliver sends a frame to those who are interested in a key.
func (r *registry) deliver(key string, sentAt int64, frame []byte, adjust func(g *owner.Gateway, d *wire.Deliver)) {
	r.metrics.delivers.Add(float64(r.fanout.Len()))
	r.fanout.Send(func(g *owner.Gateway, loops uint64) {
		d := wire.Deliver{Loops: loops, SentAt: sentAt, Topic: key, Frame: frame}
		if adjust != nil {
			adjust(g, &d)
		}
		r.lane.End(g, wire.AppendDeliver(r.lane.Begin(g), &d))
	})
}
