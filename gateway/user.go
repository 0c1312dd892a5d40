package gateway

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// greetTime is how long a new connection waits for its user's owner before it begins without: its
// rooms and queued messages come later then.
const greetTime = 2 * time.Second

// digestTicks is how often the owners of users are told in short what they were told.
const digestTicks = 8

// greeting is a connection that is let in, and waits for its user's owner: what that sends from its answer
// on is for this connection, too. Then the rooms that the loop did not have yet are joined.
type greeting struct {
	head    head
	verdict verdict
	need    int      // answers still to come
	after   [][]byte // frames to follow the welcome

	// Of a session that is resumed.
	unrestored    bool                     // something of it could not be restored
	since         map[string]wire.Position // by key: what it had got, until it is known from where it goes on
	rooms         []string                 // keys
	topics        []string
	positions     map[string]protocol.TopicPosition
	roomPositions map[string]protocol.TopicPosition
}

// told sums up the users that a lane of a presence node was told of.
type told struct {
	now, sent wire.Digest
}

// membership is one room of a local user. The one who left is remembered as out until the
// user's owner has said so, too: its word that the user entered may still be on its way.
type membership struct {
	room    *entry // nil when out
	key     string // of the room
	version uint64
	over    bool // the user's owner has said that it left; see leaving
}

// greet tells the user's owner of a connection that is let in, which begins with the answer.
func (l *loop) greet(c *conn, g *greeting) {
	me := l.presenceEntry(kindUser, wire.UserKey(c.user))
	c.user = wire.Name(me.name) // one copy for all of the user's connections
	me.joined = true
	me.pending++
	c.greet = g
	l.send(l.ops.add(op{kind: opGreet, conn: c.slot, cgen: c.gen, began: l.wheel.now, entry: me, greet: g}, ""))
}

// sendPresent sends the record of an opGreet: the connection counts from here on.
func (l *loop) sendPresent(h uint64, o *op) {
	me := o.entry
	u, lane := l.reach(o)
	if u == nil {
		return
	}
	me.owner = u
	me.setCount(u, lane, me.connections())
	l.endRecord(u, lane, wire.AppendPresent(l.beginRecord(u, lane), &wire.Present{
		Op: h, Key: me.name, Count: me.count, Conn: wire.Conn{Loop: uint8(l.index), Slot: o.conn, Gen: o.cgen},
	}))
}

// connections is how many connections a user has here, those that are about to begin included.
func (e *entry) connections() uint32 { return uint32(len(e.subs)) + uint32(e.pending) }

// setCount notes what an owner's lane is told.
func (e *entry) setCount(u *upstream, lane int, n uint32) {
	d := &u.told[lane].now
	d.Sum += wire.DigestOf(e.hash, n) - wire.DigestOf(e.hash, e.count)
	switch {
	case e.count == 0 && n > 0:
		d.Users++
	case e.count > 0 && n == 0:
		d.Users--
	}
	e.count = n
}

// count tells a user's owner how many connections the user has here, where that changed.
func (l *loop) count(me *entry) {
	n := me.connections()
	u, lane := l.presences.ownerOf(me.hash)
	switch {
	case u == nil: // who owns the user next is told then
		return
	case u != me.owner:
		l.tellPresent(me, u, lane)
		me.owner = u
		return
	case n == me.count:
		return
	}
	me.setCount(u, lane, n)
	l.endRecord(u, lane, wire.AppendPresent(l.beginRecord(u, lane), &wire.Present{Key: me.name, Count: n}))
}

// tellPresent tells an owner of a user, of the loop's own accord.
func (l *loop) tellPresent(me *entry, u *upstream, lane int) {
	if was := me.owner; was == nil {
		me.count = 0
	} else if was != u {
		me.setCount(was, cluster.Lane(me.hash, len(was.outs)), 0)
	}
	me.setCount(u, lane, me.connections())
	p := wire.Present{Told: true, Unmet: me.more != nil && me.more.unmet, Key: me.name, Count: me.count, State: me.state()}
	if me.more != nil {
		for _, m := range me.more.rooms {
			if m.room != nil && !m.over {
				p.Rooms = append(p.Rooms, wire.Membership{Name: m.key, Version: m.version})
			}
		}
	}
	l.endRecord(u, lane, wire.AppendPresent(l.beginRecord(u, lane), &p))
}

// tickUsers tells the presence nodes' lanes in short what they were told, and asks again for rooms
// whose owner did not answer: nobody else would notice that the members here hear nothing.
func (l *loop) tickUsers() {
	if l.wheel.now%digestTicks != 0 {
		return
	}
	l.tickLeaving()
	for room := range l.unjoined {
		delete(l.unjoined, room)
		if l.entries[room.name] == room && !room.ready && room.pending == 0 {
			l.joinRoom(room, nil, nil)
		}
	}
	for _, u := range l.presences.ups {
		for lane := range u.told {
			if t := &u.told[lane]; t.now.Users > 0 || t.now != t.sent {
				t.sent = t.now
				l.endRecord(u, lane, wire.AppendDigest(l.beginRecord(u, lane), t.now))
			}
		}
	}
}

// retell tells the lane that asks for it everything again: what it knows is not what it was told.
func (l *loop) retell() {
	u, lane := l.from, l.fromLane
	if u == nil || u.realm != &l.presences || l.source == nil {
		return
	}
	l.gw.metrics.resyncs.Inc()
	u.told[lane] = told{}
	l.endRecord(u, lane, wire.AppendRetell(l.beginRecord(u, lane)))
	for _, e := range l.entries {
		if e.owner == u && e.joined && cluster.Lane(e.hash, len(u.outs)) == lane {
			e.count = 0
			l.tell(e, u, lane)
		}
	}
}

// greeted lets a connection begin, with the rooms that its user is a member of.
func (l *loop) greeted(h uint64, a *wire.Answer) {
	o := l.ops.find(h)
	slot, gen, me, g := o.conn, o.cgen, o.entry, o.greet
	l.ops.end(h)
	me.pending--
	c := l.conns.get(slot, gen)
	if c == nil || c.state != stateVerifying {
		l.release(me)
		return
	}
	defer l.guard(c)
	if no := l.overUser(&g.verdict, connectionsOf(a)); no != nil {
		l.turnAway(c, no)
		l.release(me)
		return
	}
	if unmet := a == nil || a.Code != 0; unmet || me.more != nil {
		me.extra().unmet = unmet
	}
	l.enroll(c, me)
	l.count(me)
	g.need = 1
	if g.verdict.taken {
		l.restore(c, g)
		l.restoreRooms(c, me, g)
	}
	if me.more != nil {
		for i := range me.more.rooms {
			m := &me.more.rooms[i]
			if m.room == nil || m.over {
				continue
			}
			if l.entries[m.key] != m.room { // given up while none of the user's connections was in it
				m.room = l.presenceEntry(kindRoom, m.key)
				m.room.joined = true
			}
			room := m.room
			l.enroll(c, room)
			if !room.ready || g.recovers(m.key) {
				g.need++
				l.joinRoom(room, c, g)
			}
		}
	}
	l.greetedBy(c, g)
}

// connectionsOf is how many connections a user has on all gateways, as its owner answers; 0: it does not.
func connectionsOf(a *wire.Answer) uint32 {
	if a == nil || a.Code != 0 || len(a.Body) != 4 { // an older release says nothing
		return 0
	}
	return binary.LittleEndian.Uint32(a.Body)
}

// greetedBy counts one answer that a connection waits for, and after the last lets it begin.
func (l *loop) greetedBy(c *conn, g *greeting) {
	if g.need--; g.need == 0 {
		l.welcomed(c, g)
	}
}

// membershipChanged follows a user into a room, or out of it, as the owner of either says.
func (l *loop) membershipChanged(r *wire.Enter) {
	if r.User == "" {
		l.roomEnded(r)
		return
	}
	me := l.entries[r.User]
	if me == nil {
		return
	}
	i := me.membership(r.Room)
	switch {
	case i >= 0 && r.Version < me.more.rooms[i].version: // overtaken by what the other owner said
	case r.Out && i < 0:
	case r.Out && !r.Noted && l.hears(me.more.rooms[i].room):
		l.leaveLater(me, i, r)
	case r.Out:
		l.leaveRoom(me, i, r)
	default:
		l.enterRoom(me, i, r)
	}
}

// membership is the index of a room among a user's, -1 when it is not there.
func (e *entry) membership(room string) int {
	if e.more == nil {
		return -1
	}
	return slices.IndexFunc(e.more.rooms, func(m membership) bool { return m.key == room })
}

func (l *loop) enterRoom(me *entry, i int, r *wire.Enter) {
	room := l.presenceEntry(kindRoom, cloneKey(l.entries, r.Room))
	m := membership{room: room, key: room.name, version: r.Version}
	if i < 0 {
		me.extra().rooms = append(me.extra().rooms, m)
	} else {
		me.more.rooms[i] = m
	}
	if u, _ := l.presences.ownerOf(room.hash); r.Noted && u != nil && u == l.from {
		room.owner, room.ready = u, true
	}
	room.joined = true
	for _, s := range me.subs {
		l.enroll(l.conns.at(s.slot), room)
	}
	l.joinIfNeeded(room)
}

// cloneKey returns a key that may be kept: the one that an entry has already, or a copy.
func cloneKey(entries map[string]*entry, key string) string {
	if e := entries[key]; e != nil {
		return e.name
	}
	return string([]byte(key))
}

// hears reports whether a room's owner sends here what is said in it, and so also who leaves it, in
// order with that.
func (l *loop) hears(room *entry) bool {
	if room == nil || !room.ready {
		return false
	}
	u, _ := l.presences.ownerOf(room.hash)
	return u != nil && u == room.owner
}

// leaving is a membership that is over as the user's owner says. The room's owner is about to say so, too, behind
// what was said in the room before.
type leaving struct {
	user, room string // keys
	version    uint64
	at         uint32 // tick
}

func (l *loop) leaveLater(me *entry, i int, r *wire.Enter) {
	m := &me.more.rooms[i]
	m.version, m.over = r.Version, true
	l.leaving = append(l.leaving, leaving{me.name, m.key, r.Version, l.wheel.now})
}

// tickLeaving does not wait for the rooms' owners any longer: they may have changed meanwhile.
func (l *loop) tickLeaving() {
	for len(l.leaving) > 0 && l.wheel.now-l.leaving[0].at >= digestTicks {
		out := l.leaving[0]
		l.leaving = l.leaving[1:]
		if me := l.entries[out.user]; me != nil {
			if i := me.membership(out.room); i >= 0 && me.more.rooms[i].over && me.more.rooms[i].version == out.version {
				l.leaveRoom(me, i, &wire.Enter{Out: true, Version: out.version, User: out.user, Room: out.room})
			}
		}
	}
}

// leaveRoom takes a user's connections out of a room.
func (l *loop) leaveRoom(me *entry, i int, r *wire.Enter) {
	m := &me.more.rooms[i]
	room := m.room
	both := m.over || !r.Noted // the user's owner has said so
	if m.room, m.version = nil, r.Version; both {
		me.more.rooms = slices.Delete(me.more.rooms, i, i+1)
	}
	if room == nil || l.entries[room.name] != room {
		return
	}
	for _, s := range me.subs {
		l.withdraw(l.conns.at(s.slot), room)
	}
	l.release(room)
}

// forgetRooms gives up the rooms of a user who is no longer here.
func (l *loop) forgetRooms(me *entry) {
	if me.more == nil {
		return
	}
	rooms := me.more.rooms
	me.more = nil
	for _, m := range rooms {
		if m.room != nil && l.entries[m.key] == m.room {
			l.release(m.room)
		}
	}
}

// roomEnded takes everyone out of a room. Those who are members of the next one of that name already have to
// be made known to its owner, who noted this loop for the former only.
func (l *loop) roomEnded(r *wire.Enter) {
	room := l.entries[r.Room]
	if room == nil {
		return
	}
	room.ready = false
	if t := l.tracks[room.name]; t != nil { // the next one has a history of its own
		delete(l.tracks, t.key)
		delete(l.chasing, t)
	}
	for _, s := range slices.Clone(room.subs) {
		me := l.entries[wire.UserKey(l.conns.at(s.slot).user)]
		if i := me.membership(room.name); i >= 0 && me.more.rooms[i].room != nil && me.more.rooms[i].version <= r.Version {
			l.leaveRoom(me, i, r)
		}
	}
	l.joinIfNeeded(room)
}

// joinIfNeeded asks a room's owner to send here what is said in it, where members hear it and it does not
// yet.
func (l *loop) joinIfNeeded(room *entry) {
	if !room.ready && room.pending == 0 && len(room.subs) > 0 {
		l.joinRoom(room, nil, nil)
	}
}

// requested ends what kept a room, nil for none, while a client's request for it was under way. Those who
// were made members meanwhile relied on the request, which may have been refused.
func (l *loop) requested(room *entry) {
	if room != nil {
		l.unpin(room)
		l.joinIfNeeded(room)
	}
}

// joinRoom asks a room's owner to send here what is said in it. c and g are the connection
// that waits for it; nil for none.
func (l *loop) joinRoom(room *entry, c *conn, g *greeting) {
	room.joined = true
	room.pending++
	o := op{kind: opEnter, began: l.wheel.now, entry: room, greet: g}
	if c != nil {
		o.conn, o.cgen = c.slot, c.gen
		o.since, o.recovers = g.since[room.name]
	}
	l.send(l.ops.add(o, ""))
}

// roomJoined takes the answer to joinRoom.
func (l *loop) roomJoined(h uint64, code int) {
	o := l.ops.find(h)
	was := *o
	room, g, slot, gen, to := o.entry, o.greet, o.conn, o.cgen, o.to
	if code == 0 {
		room.ready, room.owner = true, to
		l.placed(&wire.Placed{Key: room.name, At: was.at})
	} else {
		l.unjoined[room] = struct{}{}
	}
	l.ops.end(h)
	l.unpin(room)
	if c := l.conns.get(slot, gen); g != nil && c != nil && c.state == stateVerifying {
		defer l.guard(c)
		if code == 0 {
			l.attachRoom(c, g, &was)
		}
		g.unrestored = g.unrestored || code != 0 && g.recovers(room.name)
		l.greetedBy(c, g)
	}
}
