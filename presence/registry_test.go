package presence

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/owner/ownertest"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	testGrace   = 2 * time.Second
	testMembers = 6 // that a room may have
)

// society is what the registries of a world keep, as simply as can be said: the contract.
type society struct {
	*world
	users map[string]*person
	rooms map[string]*club
	serial
}

// serial numbers the messages.
type serial int

func (s *serial) next() int { *s++; return int(*s) }

// person is a user.
type person struct {
	conns  []*testConn
	status string
	words  string
	moody  bool      // it has said something of itself
	gone   time.Time // when it is gone for good; zero: not known to be away
}

// club is a room.
type club struct {
	owner    string
	private  bool
	capacity int
	members  map[string]bool // false: only invited
}

func (c *club) count() (n int) {
	for _, in := range c.members {
		if in {
			n++
		}
	}
	return n
}

func (c *club) full() bool {
	most := testMembers
	if c.capacity > 0 {
		most = min(most, c.capacity)
	}
	return c.count() >= most
}

func newSociety(t *testing.T, r *rand.Rand) *society {
	w := newWorld(t, r, Config{RoomGrace: testGrace, MaxRooms: 100, MaxRoomMembers: testMembers})
	s := &society{world: w, users: make(map[string]*person), rooms: make(map[string]*club)}
	for i := range 7 {
		s.users["user "+strconv.Itoa(i)] = &person{status: protocol.StatusOnline}
	}
	return s
}

func (s *society) name() string     { return "user " + strconv.Itoa(s.r.IntN(len(s.users))) }
func (s *society) roomName() string { return "room" + strconv.Itoa(s.r.IntN(4)) }

// anyConn is some connection, nil when there is none.
func (s *society) anyConn() *testConn {
	var all []*testConn
	for _, name := range slices.Sorted(maps.Keys(s.users)) {
		all = append(all, s.users[name].conns...)
	}
	if len(all) == 0 {
		return nil
	}
	return oneOf(s.r, all)
}

// public is what others are told of a user.
func (p *person) public() string {
	if len(p.conns) == 0 || p.status == protocol.StatusInvisible {
		return "offline||"
	}
	return p.status + "|" + p.words + "|"
}

// step does something, and has it take effect everywhere.
func (s *society) step() {
	c := s.anyConn()
	switch what := s.r.IntN(20); {
	case what < 4 || c == nil:
		s.connect(oneOf(s.r, s.loops), s.name())
	case what < 6:
		s.disconnect(c)
	case what < 12:
		s.askRoom(c, s.roomName())
	case what < 14:
		s.message(c, s.roomName())
	case what < 15:
		s.direct(c, s.name())
	case what < 16:
		s.setPresence(c)
	case what < 18:
		s.watchSomeone(c, s.name())
	default:
		d := time.Duration(s.r.IntN(6)) * ownertest.Step
		s.world.note("%v pass", d)
		s.pass(d)
	}
}

func (s *society) connect(l *testLoop, user string) {
	s.world.note("%s connects to %d.%d", user, l.gateway.ID, l.index)
	c := l.connect(user)
	p := s.users[user]
	p.conns, p.gone = append(p.conns, c), time.Time{}
}

func (s *society) disconnect(c *testConn) {
	s.maySettle(c)
	s.world.note("%s goes from %d.%d", c.user, c.loop.gateway.ID, c.loop.index)
	c.loop.disconnect(c)
	p := s.users[c.user]
	p.conns = slices.DeleteFunc(p.conns, func(x *testConn) bool { return x == c })
	s.mayBeGone(c.user)
}

// maySettle has everything take effect, or leaves it on its way while a connection does the next thing.
func (s *society) maySettle(c *testConn) {
	if !c.open || s.r.IntN(2) == 0 {
		s.settle()
	}
}

// mayBeGone has a user who has no connection leave after ROOM_GRACE, where it has something to leave.
func (s *society) mayBeGone(user string) {
	p := s.users[user]
	has := p.moody
	for _, c := range s.rooms {
		has = has || c.members[user]
	}
	if len(p.conns) == 0 && p.gone.IsZero() && has {
		p.gone = s.net.Now().Add(testGrace)
	}
}

// pass lets time go by, here and there.
func (s *society) pass(d time.Duration) {
	for s.settle(); d > 0; d -= ownertest.Step {
		s.world.pass(ownertest.Step)
		for _, name := range slices.Sorted(maps.Keys(s.users)) {
			p := s.users[name]
			if p.gone.IsZero() || s.net.Now().Before(p.gone) {
				continue
			}
			p.gone, p.status, p.words, p.moody = time.Time{}, protocol.StatusOnline, "", false
			for room, c := range s.rooms {
				if c.members[name] {
					s.leave(room, name)
					p.gone = s.net.Now().Add(testGrace) // its owner looks again whether it is out
				}
			}
		}
	}
}

// leave takes a user out of a room, which ends with its last member.
func (s *society) leave(room, user string) {
	c := s.rooms[room]
	if delete(c.members, user); c.private {
		c.members[user] = false
	}
	if c.count() == 0 {
		delete(s.rooms, room)
	}
}

// enter makes a user a member.
func (s *society) enter(c *club, user string) {
	c.members[user] = true
	s.mayBeGone(user)
}

// askRoom has a connection ask for something about a room.
func (s *society) askRoom(c *testConn, room string) {
	s.maySettle(c)
	club, other := s.rooms[room], s.name()
	var code int
	var verb wire.Verb
	body := data("room", room)
	then := func() {}
	switch s.r.IntN(8) {
	case 0, 1:
		verb, code, body, then = s.create(c, room)
	case 2, 3:
		verb, code, body, then = s.join(c, room)
	case 4:
		verb, then = wire.VerbLeaveRoom, func() { s.leave(room, c.user) }
		if club == nil {
			code = protocol.CodeNotFound
		} else if !club.members[c.user] {
			code = protocol.CodeConflict
		}
	case 5:
		verb, body, then = wire.VerbAddMember, data("room", room, "user", other), func() { s.enter(club, other) }
		switch {
		case club == nil:
			code = protocol.CodeNotFound
		case club.owner != c.user:
			code = protocol.CodeForbidden
		case !club.members[other] && club.full():
			code = protocol.CodeConflict
		}
	case 6:
		verb, body = wire.VerbRemoveMember, data("room", room, "user", other)
		then = func() {
			if delete(club.members, other); club.count() == 0 {
				delete(s.rooms, room)
			}
		}
		if club == nil {
			code = protocol.CodeNotFound
		} else if _, known := club.members[other]; club.owner != c.user {
			code = protocol.CodeForbidden
		} else if !known {
			code = protocol.CodeNotFound
		}
	case 7:
		if s.r.IntN(3) == 0 {
			verb, then = wire.VerbDeleteRoom, func() { delete(s.rooms, room) }
			if club == nil {
				code = protocol.CodeNotFound
			} else if club.owner != c.user {
				code = protocol.CodeForbidden
			}
			break
		}
		s.info(c, room)
		return
	}
	s.world.note("%s asks verb %d of %s, %s: %d", c.user, verb, room, body, code)
	c.loop.ask(c, verb, wire.RoomKey(room), body, func(reply gjson.Result, _ wire.Answer) {
		got := int(reply.Get("data.code").Int())
		if got != code || reply.Get("id").Str != "x" {
			s.Fatalf("verb %d of %s, %s by %s: %s, want code %d; the room is %+v", verb, room, body, c.user, reply.Raw, code, club)
		}
	})
	if code == 0 {
		then()
	}
}

func (s *society) create(c *testConn, room string) (verb wire.Verb, code int, body []byte, then func()) {
	next := &club{owner: c.user, members: map[string]bool{c.user: true}, private: s.r.IntN(2) == 0, capacity: s.r.IntN(5)}
	if s.r.IntN(3) == 0 {
		next.members[s.name()] = true
	}
	pairs := []any{"room", room, "members", "[]"}
	list := "["
	for _, user := range slices.Sorted(maps.Keys(next.members)) {
		list += strconv.Quote(user) + ","
	}
	pairs[3] = gjson.Parse(list[:len(list)-1] + "]")
	if next.private {
		pairs = append(pairs, "visibility", "private")
	}
	if next.capacity > 0 {
		pairs = append(pairs, "capacity", next.capacity)
	}
	switch {
	case s.rooms[room] != nil:
		code = protocol.CodeConflict
	case next.capacity > 0 && next.count() > next.capacity:
		code = protocol.CodeBadRequest
	}
	return wire.VerbCreateRoom, code, data(pairs...), func() {
		s.rooms[room] = next
		for user := range next.members {
			s.mayBeGone(user)
		}
	}
}

func (s *society) join(c *testConn, room string) (verb wire.Verb, code int, body []byte, then func()) {
	there := s.rooms[room]
	create := s.r.IntN(2) == 0
	if there == nil {
		if !create {
			code = protocol.CodeNotFound
		}
		return wire.VerbJoinRoom, code, data("room", room, "create", create), func() {
			s.rooms[room] = &club{owner: c.user, members: map[string]bool{c.user: true}}
		}
	}
	_, known := there.members[c.user]
	switch {
	case there.members[c.user]:
	case there.private && !known && c.user != there.owner:
		code = protocol.CodeForbidden
	case there.full():
		code = protocol.CodeConflict
	}
	return wire.VerbJoinRoom, code, data("room", room, "create", create), func() { s.enter(there, c.user) }
}

// info asks who is in a room.
func (s *society) info(c *testConn, room string) {
	club := s.rooms[room]
	code := 0
	var want []string
	var head string
	if club == nil {
		code = protocol.CodeNotFound
	} else if want = club.joined(); club.private && !club.members[c.user] && club.owner != c.user {
		code = protocol.CodeForbidden
	} else {
		head = fmt.Sprintf("%s %d", club.owner, club.count())
	}
	s.world.note("%s asks who is in %s", c.user, room)
	c.loop.ask(c, wire.VerbRoomInfo, wire.RoomKey(room), data("room", room), func(_ gjson.Result, a wire.Answer) {
		if int(a.Code) != code {
			s.Fatalf("who is in %s: code %d %q, want %d", room, a.Code, a.Body, code)
		}
		if code != 0 {
			return
		}
		var parts []string
		for b := a.Body; len(b) > 0; {
			n := binary.LittleEndian.Uint32(b)
			parts = append(parts, string(b[4:4+n]))
			b = b[4+n:]
		}
		if got := parts[2:]; !slices.Equal(got, want) || parts[1] != "" {
			s.Fatalf("in %s are %q, next %q, want %q", room, got, parts[1], want)
		}
		d := gjson.Parse("{" + parts[0] + "}")
		if got := d.Get("owner").Str + " " + d.Get("member_count").Raw; got != head {
			s.Fatalf("%s is %s, want %s", room, parts[0], head)
		}
	})
}

func (c *club) joined() (list []string) {
	for user, in := range c.members {
		if in {
			list = append(list, user)
		}
	}
	slices.Sort(list)
	return list
}

// message sends something to a room: every connection of its members gets it, and nobody else.
func (s *society) message(c *testConn, room string) {
	s.settle()
	s.forgetFrames()
	club := s.rooms[room]
	n := s.next()
	s.world.note("%s says %d in %s", c.user, n, room)
	c.loop.publish(c, wire.RoomKey(room), "m"+strconv.Itoa(n), []byte(strconv.Itoa(n)), func(reply gjson.Result) {
		code := 0
		if club == nil {
			code = protocol.CodeNotFound
		} else if !club.members[c.user] {
			code = protocol.CodeForbidden
		}
		if int(reply.Get("data.code").Int()) != code {
			s.Fatalf("%s says %d in %s: %s, want code %d", c.user, n, room, reply.Raw, code)
		}
		if code == 0 && int(reply.Get("data.recipients").Int()) != club.count() {
			s.Fatalf("%s in %s: %s, want %d recipients", c.user, room, reply.Raw, club.count())
		}
	})
	s.settle()
	for _, name := range slices.Sorted(maps.Keys(s.users)) {
		want := 0
		if club != nil && club.members[c.user] && club.members[name] {
			want = 1
		}
		for _, to := range s.users[name].conns {
			if got := to.frames("RoomMessage"); len(got) != want || want == 1 && (int(got[0].Get("payload").Int()) != n || got[0].Get("room").Str != room) {
				s.Fatalf("%s got %v of %d in %s, want %d", name, got, n, room, want)
			}
		}
	}
}

// direct sends something to a user: every connection of it gets it, and nobody else.
func (s *society) direct(c *testConn, user string) {
	s.settle()
	s.forgetFrames()
	n := s.next()
	to := s.users[user]
	s.world.note("%s says %d to %s", c.user, n, user)
	c.loop.publish(c, wire.UserKey(user), "m"+strconv.Itoa(n), []byte(strconv.Itoa(n)), func(reply gjson.Result) {
		if len(to.conns) == 0 {
			if reply.Get("data.code").Int() != protocol.CodeNotFound {
				s.Fatalf("to %s, who is away: %s", user, reply.Raw)
			}
		} else if int(reply.Get("data.recipients").Int()) != len(to.conns) {
			s.Fatalf("to %s, who has %d connections: %s", user, len(to.conns), reply.Raw)
		}
	})
	s.settle()
	for name, p := range s.users {
		for _, x := range p.conns {
			got := x.frames("DirectMessage")
			if name == user && len(got) == 1 && int(got[0].Get("payload").Int()) == n && got[0].Get("from_user").Str == c.user {
				continue
			}
			if name == user || len(got) > 0 {
				s.Fatalf("%s got %v of %d, which was to %s", name, got, n, user)
			}
		}
	}
}

func (s *society) setPresence(c *testConn) {
	s.maySettle(c)
	p := s.users[c.user]
	p.status = oneOf(s.r, []string{protocol.StatusOnline, protocol.StatusAway, protocol.StatusBusy, protocol.StatusInvisible})
	p.words, p.moody = oneOf(s.r, []string{"", "a", "b"}), true
	s.world.note("%s is %s %q", c.user, p.status, p.words)
	c.loop.ask(c, wire.VerbSetPresence, wire.UserKey(c.user), data("status", p.status, "message", p.words), func(reply gjson.Result, _ wire.Answer) {
		if reply.Get("data.status").Str != "presence_set" {
			s.Fatalf("%s is %s: %s", c.user, p.status, reply.Raw)
		}
	})
}

func (s *society) watchSomeone(c *testConn, user string) {
	s.maySettle(c)
	if _, already := c.watches[user]; already {
		s.world.note("%s watches %s no longer", c.user, user)
		c.loop.unwatch(c, user)
		return
	}
	s.world.note("%s watches %s", c.user, user)
	c.loop.watch(c, user)
}

// checkWatchers compares what those who watch were told last.
func (s *society) checkWatchers() {
	s.Helper()
	for _, p := range s.users {
		for _, c := range p.conns {
			for user, got := range c.watches {
				if want := s.users[user].public(); got != want {
					s.Fatalf("%s thinks that %s is %q, it is %q", c.user, user, got, want)
				}
			}
		}
	}
}

// checkRooms compares where the loops think that users are.
func (s *society) checkRooms() {
	s.Helper()
	for _, l := range s.loops {
		for key, u := range l.users {
			for room := range u.rooms {
				if got, want := u.inRoom(room), s.in(wire.Name(room), wire.Name(key)); got != want {
					s.Fatalf("%d.%d thinks that %q is in %q: %v", l.gateway.ID, l.index, key, room, got)
				}
			}
			for room, c := range s.rooms {
				if c.members[wire.Name(key)] && !u.inRoom(wire.RoomKey(room)) {
					s.Fatalf("%d.%d does not know that %q is in %q", l.gateway.ID, l.index, key, room)
				}
			}
		}
	}
}

func (s *society) in(room, user string) bool {
	return s.rooms[room] != nil && s.rooms[room].members[user]
}

func (s *society) forgetFrames() {
	for _, p := range s.users {
		for _, c := range p.conns {
			c.got = nil
		}
	}
}

// check compares everything, when nothing is on its way.
func (s *society) check() {
	s.Helper()
	s.settle()
	s.unanswered()
	s.checkRooms()
	s.checkWatchers()
	at := make(map[place]bool)
	rooms := make(map[string]*hall)
	total := 0
	for _, list := range s.registries {
		for _, r := range list {
			total += r.total
			for key, h := range r.rooms {
				if r.lane.Owns(key) {
					rooms[key] = h
				}
			}
			for p := range r.digests {
				at[p] = true
			}
		}
	}
	want := 0
	for name, p := range s.users {
		want += len(p.conns)
		for _, list := range s.registries {
			for _, r := range list {
				u := r.users[wire.UserKey(name)]
				if u == nil || !r.lane.Owns(u.key) {
					continue
				}
				if u.connections != len(p.conns) {
					s.Fatalf("%s has %d connections, want %d", name, u.connections, len(p.conns))
				}
				if m := u.mood; p.moody != (m != nil) || m != nil && (m.status != p.status || m.message != p.words) {
					s.Fatalf("%s says %+v of itself, want %+v", name, m, p)
				}
			}
		}
	}
	if total != want {
		s.Fatalf("%d connections, want %d", total, want)
	}
	for key, h := range rooms {
		if s.rooms[wire.Name(key)] == nil {
			s.Fatalf("there is %s", h.inWords())
		}
	}
	for name, c := range s.rooms {
		h := rooms[wire.RoomKey(name)]
		if h == nil || h.owner != c.owner || h.private != c.private || h.count != c.count() {
			s.Fatalf("%s is %s, want %+v", name, h.inWords(), c)
		}
		for user, in := range c.members {
			if m, known := h.members.Get(user); !known && (in || c.private) || m.joined != in {
				s.Fatalf("%s in %s is %+v, want %v", user, name, m, in)
			}
		}
	}
}

// inWords describes a room for what a test says.
func (h *hall) inWords() string {
	if h == nil {
		return "no room"
	}
	text := h.name() + " of " + h.owner
	h.members.Scan(func(user string, m member) bool {
		text += fmt.Sprintf(", %s %v by %d", user, m.joined, m.version)
		return true
	})
	return text
}

// end takes everyone away, and looks whether anything is left.
func (s *society) end() {
	s.Helper()
	for c := s.anyConn(); c != nil; c = s.anyConn() {
		s.disconnect(c)
	}
	s.pass(4 * testGrace)
	s.check()
	s.checkEmpty()
}

// A node with two lanes, and gateways that come and die.
func TestRegistryLikeItsModel(t *testing.T) {
	seeded(t, seeds(12), func(t *testing.T, r *rand.Rand) {
		s := newSociety(t, r)
		s.addNode(2)
		for range 3 {
			s.addGateway(2)
		}
		s.net.View()
		s.pass(time.Second)
		for i := range 600 {
			switch r.IntN(60) {
			case 0:
				s.gatewayDies()
			case 1:
				s.recordIsLost()
			default:
				s.step()
			}
			if i%5 == 0 {
				s.check()
			}
		}
		s.end()
	})
}

// gatewayDies takes a gateway away with its connections, and brings another.
func (s *society) gatewayDies() {
	s.settle()
	g := oneOf(s.r, s.loops).gateway
	s.world.note("gateway %d dies", g.ID)
	s.killGateway(g)
	for _, name := range slices.Sorted(maps.Keys(s.users)) {
		p := s.users[name]
		p.conns = slices.DeleteFunc(p.conns, func(c *testConn) bool { return c.loop.gateway == g })
		s.mayBeGone(name)
	}
	s.settle()
	s.check()
	s.addGateway(2)
	s.net.View()
}

// recordIsLost has the registries miss that connections came and went, which the next digest mends.
func (s *society) recordIsLost() {
	s.settle()
	s.pass(2 * ownertest.Step)
	l := oneOf(s.r, s.loops)
	var lost string
	for _, key := range slices.Sorted(maps.Keys(l.users)) {
		if u := l.users[key]; len(u.conns) > 1 { // one fewer: nobody but the owner is wrong about it
			c := u.conns[0]
			if len(c.watches) > 0 {
				continue
			}
			u.conns = u.conns[1:]
			p := s.users[c.user]
			p.conns = slices.DeleteFunc(p.conns, func(x *testConn) bool { return x == c })
			lost = key
			break
		}
	}
	s.world.note("%d.%d loses what it says of %q, and says what is there", l.gateway.ID, l.index, lost)
	before := s.resyncs
	for to := range l.gateway.Owners {
		l.digest(to)
	}
	s.settle()
	want := 0
	if lost != "" {
		want = 1
	}
	if got := s.resyncs - before; got != want {
		s.Fatalf("%d lanes ask to be told again, want %d", got, want)
	}
	s.pass(2 * ownertest.Step)
	s.check()
}

// Nodes come and die, at moments when nobody is away: what is known of those who are is lost with a node.
func TestRegistriesLikeTheirModel(t *testing.T) {
	seeded(t, seeds(12), func(t *testing.T, r *rand.Rand) {
		s := newSociety(t, r)
		nodes := []uint64{s.addNode(1 + r.IntN(2))}
		for range 2 {
			s.addGateway(2)
		}
		s.net.View()
		s.pass(time.Second)
		for i := range 400 {
			switch n := r.IntN(40); {
			case n == 0 && len(nodes) < 4:
				nodes = append(nodes, s.addNode(1+r.IntN(2)))
				s.world.note("node %d comes", nodes[len(nodes)-1])
				s.newView()
			case n == 1 && len(nodes) > 1:
				s.pass(2 * testGrace)
				k := r.IntN(len(nodes))
				s.world.note("node %d dies", nodes[k])
				s.killNode(nodes[k])
				nodes = slices.Delete(nodes, k, k+1)
				s.newView()
			case n == 2:
				s.gatewayDies()
			default:
				s.step()
			}
			if i%5 == 0 {
				s.check()
			}
		}
		s.end()
	})
}

// newView has everyone learn of a change. Those who are away may be so for longer from then on: time goes by until
// they are gone for good.
func (s *society) newView() {
	s.net.View()
	s.settle()
	s.check()
	s.pass(2*testGrace + ownertest.Step)
	s.check()
}
