package presence

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/history/shelf"
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
	said     int             // messages in its history
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
	w := newWorld(t, r, Config{
		RoomGrace: testGrace, MaxRooms: 100, MaxRoomMembers: testMembers,
		History: shelf.Settings{Policy: testPolicy, DedupeWindow: time.Minute, Memory: 1 << 20},
	})
	s := &society{world: w, users: make(map[string]*person), rooms: make(map[string]*club)}
	for i := range 7 {
		s.users["user "+strconv.Itoa(i)] = &person{status: protocol.StatusOnline}
	}
	return s
}

// testPolicy gives some of the rooms a history.
var testPolicy = history.Policy{{Name: "kept", Rooms: []string{"room0", "room1"}, Size: 50, Age: time.Hour}}

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
	seeded(t, 12, func(t *testing.T, r *rand.Rand) {
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
	seeded(t, 12, func(t *testing.T, r *rand.Rand) {
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
