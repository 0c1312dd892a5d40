package presence

import (
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/owner/ownertest"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// testLoop does what a gateway's loop does for its connections, as simply as it can be done.
type testLoop struct {
	*world
	gateway *ownertest.Gateway
	index   int
	users   map[string]*hereUser  // by key
	rooms   map[string]*hereRoom  // by key
	watched map[string]*hereWatch // by key
}

// hereUser is a user with connections here.
type hereUser struct {
	conns    []*testConn
	greeting int
	rooms    map[string]hereMember // by key
	state    wire.State
}

type hereMember struct {
	version uint64
	out     bool
}

// hereRoom is a room with members' connections here.
type hereRoom struct {
	at    wire.Position // in its history
	ready bool
	asks  int
	state wire.State
}

// hereWatch is who watches a user here.
type hereWatch struct {
	conns []*testConn
	asks  int
	state uint64
}

func newTestLoop(w *world, g *ownertest.Gateway, index int) *testLoop {
	return &testLoop{
		world: w, gateway: g, index: index, users: make(map[string]*hereUser),
		rooms: make(map[string]*hereRoom), watched: make(map[string]*hereWatch),
	}
}

func (l *testLoop) send(key string, add func(b []byte) []byte) {
	l.gateway.Send(l.index, wire.OwnerKey(key), add)
}

func (u *hereUser) count() uint32 { return uint32(len(u.conns) + u.greeting) }

// connect lets a connection of a user in. It is open when the owner has answered.
func (l *testLoop) connect(user string) *testConn {
	key := wire.UserKey(user)
	u := l.users[key]
	if u == nil {
		u = &hereUser{rooms: make(map[string]hereMember)}
		l.users[key] = u
	}
	u.greeting++
	c := &testConn{loop: l, user: user, ref: wire.Conn{Loop: uint8(l.index), Slot: uint32(l.id())}, watches: make(map[string]string)}
	op := l.begin(l, "greeting of "+user, func(wire.Record) {
		u.greeting--
		c.open = true
		u.conns = append(u.conns, c)
		for room, m := range u.rooms {
			if !m.out {
				l.listen(room)
			}
		}
	})
	l.send(key, func(b []byte) []byte {
		return wire.AppendPresent(b, &wire.Present{Op: op, Key: key, Count: u.count(), Conn: c.ref})
	})
	return c
}

// disconnect ends a connection that is open.
func (l *testLoop) disconnect(c *testConn) {
	c.open = false
	key := wire.UserKey(c.user)
	u := l.users[key]
	u.conns = slices.DeleteFunc(u.conns, func(x *testConn) bool { return x == c })
	l.send(key, func(b []byte) []byte { return wire.AppendPresent(b, &wire.Present{Key: key, Count: u.count()}) })
	for _, user := range slices.Sorted(maps.Keys(c.watches)) {
		l.unwatch(c, user)
	}
	if u.count() == 0 {
		delete(l.users, key)
	}
	for _, room := range slices.Sorted(maps.Keys(u.rooms)) {
		l.releaseRoom(room)
	}
}

// inRoom reports whether a user's connections here get what is said in a room.
func (u *hereUser) inRoom(room string) bool {
	m, ok := u.rooms[room]
	return ok && !m.out
}

// listen has the room's owner send here what is said in it.
func (l *testLoop) listen(room string) {
	h := l.room(room)
	if h.ready || h.asks > 0 {
		return
	}
	h.asks++
	op := l.begin(l, "joining of "+room, func(rec wire.Record) {
		var d wire.Done
		if d.Decode(rec.Body) != nil || d.Code != 0 && d.Code != protocol.CodeNotFound {
			l.Fatalf("joining of %q is answered with %+v", room, d)
		}
		h.asks--
		if h.ready = d.Code == 0; d.Placed {
			h.at = d.At
		}
		l.releaseRoom(room)
	})
	l.send(room, func(b []byte) []byte {
		return wire.AppendInterest(b, wire.KindJoin, wire.Interest{Op: op, Topic: room})
	})
}

func (l *testLoop) room(key string) *hereRoom {
	h := l.rooms[key]
	if h == nil {
		h = &hereRoom{}
		l.rooms[key] = h
	}
	return h
}

// needRoom listens to a room of which members are here.
func (l *testLoop) needRoom(key string) {
	if l.hearRoom(key) {
		l.listen(key)
	}
}

// hearRoom reports whether members of a room are here.
func (l *testLoop) hearRoom(key string) bool {
	for _, u := range l.users {
		if len(u.conns) > 0 && u.inRoom(key) {
			return true
		}
	}
	return false
}

// tick asks again for rooms whose owner did not know them.
func (l *testLoop) tick() {
	for _, key := range slices.Sorted(maps.Keys(l.rooms)) {
		l.needRoom(key)
	}
}

// releaseRoom gives up a room of which no member is here.
func (l *testLoop) releaseRoom(key string) {
	h := l.rooms[key]
	if h == nil || h.asks > 0 || l.hearRoom(key) {
		return
	}
	delete(l.rooms, key)
	l.send(key, func(b []byte) []byte { return wire.AppendInterest(b, wire.KindLeave, wire.Interest{Topic: key}) })
}

// ask asks about a user or a room; then gets the Reply's message, or the Answer.
func (l *testLoop) ask(c *testConn, verb wire.Verb, key string, data []byte, then func(reply gjson.Result, a wire.Answer)) {
	enters := verb == wire.VerbCreateRoom || verb == wire.VerbJoinRoom
	if enters {
		l.room(key).asks++
	}
	op := l.begin(l, "a request", func(rec wire.Record) {
		var a wire.Answer
		if rec.Kind == wire.KindAnswer {
			_ = a.Decode(rec.Body) // receive has
		}
		if enters {
			l.room(key).asks--
			l.releaseRoom(key)
			l.needRoom(key)
		}
		then(replyOf(rec), a)
	})
	l.send(key, func(b []byte) []byte {
		return wire.AppendAsk(b, &wire.Ask{Conn: c.ref, Op: op, Verb: verb, Key: key, User: c.user, ID: "x", Data: data})
	})
}

// replyOf is the message in a Reply.
func replyOf(rec wire.Record) gjson.Result {
	var p wire.Reply
	if rec.Kind != wire.KindReply || p.Decode(rec.Body) != nil {
		return gjson.Result{}
	}
	return gjson.ParseBytes(slices.Clone(payloadOf(p.Frame)))
}

// publish sends a message to a user or a room; then gets the reply.
func (l *testLoop) publish(c *testConn, key, id string, payload []byte, then func(reply gjson.Result)) {
	op := l.begin(l, "a message", func(rec wire.Record) { then(replyOf(rec)) })
	l.send(key, func(b []byte) []byte {
		return wire.AppendPublish(b, &wire.Publish{
			Conn: c.ref, Op: op, Topic: key, User: c.user, ID: id, Payload: payload, SentAt: l.net.Now().UnixMicro(),
		})
	})
}

// watch has a connection told of a user's presence.
func (l *testLoop) watch(c *testConn, user string) {
	key := wire.WatchKey(user)
	h := l.watched[key]
	if h == nil {
		h = &hereWatch{}
		l.watched[key] = h
	}
	h.asks++
	l.ask(c, wire.VerbWatch, wire.UserKey(user), nil, func(_ gjson.Result, a wire.Answer) {
		h.asks--
		h.state = a.State
		if c.open {
			if !slices.Contains(h.conns, c) {
				h.conns = append(h.conns, c)
			}
			c.watches[user] = looks(gjson.ParseBytes(a.Body))
		}
		l.releaseWatch(key)
	})
}

func (l *testLoop) unwatch(c *testConn, user string) {
	delete(c.watches, user)
	key := wire.WatchKey(user)
	if h := l.watched[key]; h != nil {
		h.conns = slices.DeleteFunc(h.conns, func(x *testConn) bool { return x == c })
		l.releaseWatch(key)
	}
}

func (l *testLoop) releaseWatch(key string) {
	if h := l.watched[key]; len(h.conns) == 0 && h.asks == 0 {
		delete(l.watched, key)
		l.send(key, func(b []byte) []byte { return wire.AppendInterest(b, wire.KindLeave, wire.Interest{Topic: key}) })
	}
}

// digest tells a lane in short what it was told.
func (l *testLoop) digest(to ownertest.Lane) {
	var d wire.Digest
	for key, u := range l.users {
		if at, _ := l.gateway.Owner(key); at == to && u.count() > 0 {
			d.Users++
			d.Sum += wire.DigestOf(cluster.Hash(key), u.count())
		}
	}
	l.gateway.SendTo(l.index, to, func(b []byte) []byte { return wire.AppendDigest(b, d) })
}

// moved tells the new owners what is here.
func (l *testLoop) moved() { l.tell(l.gateway.HasMoved) }

func (l *testLoop) retell(to ownertest.Lane) {
	l.gateway.SendTo(l.index, to, wire.AppendRetell)
	l.tell(func(key string) bool {
		at, ok := l.gateway.Owner(key)
		return ok && at == to
	})
}

// tell tells the owners of some keys, of the loop's own accord.
func (l *testLoop) tell(which func(key string) bool) {
	for _, key := range slices.Sorted(maps.Keys(l.users)) {
		if u := l.users[key]; which(key) {
			p := wire.Present{Told: true, Key: key, Count: u.count(), State: u.state}
			for _, room := range slices.Sorted(maps.Keys(u.rooms)) {
				if m := u.rooms[room]; !m.out {
					p.Rooms = append(p.Rooms, wire.Membership{Name: room, Version: m.version})
				}
			}
			l.send(key, func(b []byte) []byte { return wire.AppendPresent(b, &p) })
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.rooms)) {
		if h := l.rooms[key]; which(key) && h.ready {
			l.send(key, func(b []byte) []byte {
				return wire.AppendInterest(b, wire.KindJoin, wire.Interest{Topic: key, State: h.state, Placed: h.at.Epoch != 0, At: h.at})
			})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.watched)) {
		if h := l.watched[key]; which(wire.OwnerKey(key)) && len(h.conns) > 0 {
			l.send(key, func(b []byte) []byte {
				return wire.AppendInterest(b, wire.KindJoin, wire.Interest{Topic: key, State: wire.State{Version: h.state}})
			})
		}
	}
}

// receive takes a record that concerns this loop.
func (l *testLoop) receive(from ownertest.Lane, rec wire.Record) {
	var err error
	switch rec.Kind {
	case wire.KindDeliver:
		var d wire.Deliver
		err = d.Decode(rec.Body)
		l.deliver(&d)
	case wire.KindReply:
		var p wire.Reply
		err = p.Decode(rec.Body)
		if c := l.conn(p.Conn); p.Op != 0 {
			l.answered(l, p.Op, rec)
		} else if c != nil {
			c.take(p.Frame)
		}
	case wire.KindDone:
		var d wire.Done
		err = d.Decode(rec.Body)
		l.answered(l, d.Op, rec)
	case wire.KindAnswer:
		var a wire.Answer
		err = a.Decode(rec.Body)
		l.answered(l, a.Op, rec)
	case wire.KindEnter:
		var e wire.Enter
		err = e.Decode(rec.Body)
		l.enter(from, &e)
	case wire.KindDeposit:
		var d wire.Deposit
		err = d.Decode(rec.Body)
		l.deposited(&d)
	case wire.KindQueued:
		var q wire.Queued
		err = q.Decode(rec.Body)
		l.queued(&q)
	case wire.KindPosition:
		var p wire.Placed
		err = p.Decode(rec.Body)
		if h := l.rooms[p.Key]; h != nil {
			h.at = p.At
		}
	case wire.KindShare:
		var s wire.Share
		err = s.Decode(rec.Body)
		s.Key = strings.Clone(s.Key)
		l.shares[shareAt{l.gateway.ID, s.Key}] = s
	case wire.KindResync:
		l.resyncs++
		l.note("%d.%d tells %v again", l.gateway.ID, l.index, from)
		l.retell(from)
	default:
		l.Fatalf("a record of kind %d", rec.Kind)
	}
	if err != nil {
		l.Fatalf("kind %d: %v", rec.Kind, err)
	}
}

// conn finds a connection that is open, or about to be.
func (l *testLoop) conn(ref wire.Conn) *testConn {
	for _, u := range l.users {
		for _, c := range u.conns {
			if c.ref == ref {
				return c
			}
		}
	}
	return nil
}

func (l *testLoop) deliver(d *wire.Deliver) {
	switch {
	case wire.IsWatch(d.Topic):
		h := l.watched[d.Topic]
		if h == nil || d.State == 0 {
			return
		}
		if h.state == d.State && h.asks == 0 && len(h.conns) > 0 {
			l.Fatalf("who watches %q is told what it knows: %s", d.Topic, payloadOf(d.Frame))
		}
		h.state = d.State
		for _, c := range h.conns {
			c.watches[wire.Name(d.Topic)] = looks(gjson.ParseBytes(slices.Clone(payloadOf(d.Frame))).Get("data"))
		}
	case wire.IsRoom(d.Topic):
		l.follow(d)
		for _, u := range l.users {
			if u.inRoom(d.Topic) {
				u.take(d)
			}
		}
	default:
		u := l.users[d.Topic]
		if u == nil || u.count() == 0 {
			l.Fatalf("a message for %q, who is not here", d.Topic)
		}
		u.take(d)
	}
}

// follow notes how far a room's history has come.
func (l *testLoop) follow(d *wire.Deliver) {
	h := l.rooms[d.Topic]
	if h == nil || d.At.Offset == 0 {
		return
	}
	if h.at.Epoch == d.At.Epoch && d.At.Offset != h.at.Offset+1 {
		l.Fatalf("%q goes on with %d after %d", d.Topic, d.At.Offset, h.at.Offset)
	}
	h.at = d.At
}

func (u *hereUser) take(d *wire.Deliver) {
	for _, c := range u.conns {
		if !d.Quiet || c.ref != d.Sender {
			c.take(d.Frame)
		}
	}
}

// enter follows a user into a room, or out of it.
func (l *testLoop) enter(from ownertest.Lane, e *wire.Enter) {
	room := string([]byte(e.Room))
	if e.User == "" {
		l.roomEnded(room, e.Version)
		return
	}
	u := l.users[string([]byte(e.User))]
	if u == nil {
		return
	}
	m, known := u.rooms[room]
	switch {
	case known && e.Version < m.version, e.Out && !known:
	case e.Out:
		if u.rooms[room] = (hereMember{e.Version, true}); !e.Noted {
			delete(u.rooms, room)
		}
		l.releaseRoom(room)
	default:
		u.rooms[room] = hereMember{version: e.Version}
		if at, _ := l.gateway.Owner(room); e.Noted && at == from {
			l.room(room).ready = true
		}
		l.needRoom(room)
	}
}

// roomEnded takes everyone out of a room, but for the members of the next one of that name.
func (l *testLoop) roomEnded(room string, version uint64) {
	if h := l.rooms[room]; h != nil {
		h.ready = false
	}
	for _, key := range slices.Sorted(maps.Keys(l.users)) {
		u := l.users[key]
		if m, known := u.rooms[room]; known && !m.out && m.version <= version {
			u.rooms[room] = hereMember{version, true}
		}
	}
	l.needRoom(room)
	l.releaseRoom(room)
}

func (l *testLoop) deposited(d *wire.Deposit) {
	s := wire.State{Version: d.State.Version, Body: slices.Clone(d.State.Body)}
	if u := l.users[d.Key]; u != nil && s.Version > u.state.Version {
		u.state = s
	}
	if h := l.rooms[d.Key]; h != nil && s.Version > h.state.Version {
		h.state = s
	}
}

// queued gives a connection what waited for its user. The client reads it at once, unless it is to be lost.
func (l *testLoop) queued(q *wire.Queued) {
	confirm := wire.Confirm{Key: string([]byte(q.Key)), Batch: q.Batch, Lost: true}
	c := l.conn(q.Conn)
	if u := l.users[confirm.Key]; c == nil && u != nil && len(u.conns) > 0 {
		c = u.conns[0]
	}
	if c != nil && (l.unread == nil || !l.unread()) {
		c.take(q.Frames)
		confirm.Lost = false
	}
	l.send(confirm.Key, func(b []byte) []byte { return wire.AppendConfirm(b, confirm) })
}
