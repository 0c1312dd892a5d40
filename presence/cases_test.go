package presence

import (
	"fmt"
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

// quietWorld is a world of one lane and two gateways of one loop, in which nothing is random.
func quietWorld(t *testing.T) *world {
	w := newWorld(t, rand.New(rand.NewPCG(0, 0)), Config{RoomGrace: testGrace, MaxRooms: 2, MaxRoomMembers: 500})
	w.addNode(1)
	w.addGateway(1)
	w.addGateway(1)
	w.net.View()
	w.pass(time.Second)
	return w
}

// must asks for something, which is to be granted.
func (c *testConn) must(verb wire.Verb, key string, body []byte) {
	w := c.loop.world
	w.Helper()
	c.loop.ask(c, verb, key, body, func(reply gjson.Result, a wire.Answer) {
		if a.Code != 0 || reply.Get("type").Str == "Error" {
			w.Errorf("verb %d of %q: %s %s", verb, key, reply.Raw, a.Body)
		}
	})
	w.settle()
}

// presence is how a user looks to a connection's.
func (c *testConn) presence(user string) (p gjson.Result) {
	c.loop.ask(c, wire.VerbGetPresence, wire.UserKey(user), nil, func(_ gjson.Result, a wire.Answer) {
		p = gjson.ParseBytes(slices.Clone(a.Body))
	})
	c.loop.settle()
	return p
}

// Who hides is not seen to come and go, either.
func TestInvisibleUsersAreNotSeen(t *testing.T) {
	w := quietWorld(t)
	eve, bob := w.loops[0].connect("eve"), w.loops[1].connect("bob")
	w.settle()
	last := w.net.Now().UnixMilli()
	bob.must(wire.VerbSetPresence, wire.UserKey("bob"), data("status", protocol.StatusInvisible))
	check := func(what string) {
		t.Helper()
		p := eve.presence("bob")
		if p.Get("status").Str != protocol.StatusOffline || p.Get("connections").Int() != 0 || p.Get("last_seen").Int() != last {
			t.Errorf("%s: %s, last seen at %d", what, p.Raw, last)
		}
	}
	w.pass(time.Second)
	check("invisible")
	w.loops[1].disconnect(bob)
	w.pass(time.Second)
	check("gone")
	bob = w.loops[0].connect("bob")
	w.pass(time.Second)
	check("back")
	bob.must(wire.VerbSetPresence, wire.UserKey("bob"), data("status", protocol.StatusOnline))
	if p := eve.presence("bob"); p.Get("status").Str != protocol.StatusOnline || p.Get("last_seen").Int() != w.net.Now().UnixMilli() {
		t.Errorf("visible: %s", p.Raw)
	}
	last = w.net.Now().UnixMilli()
	bob.must(wire.VerbSetPresence, wire.UserKey("bob"), data("status", protocol.StatusInvisible))
	w.pass(time.Second)
	check("invisible again")
}

// A user who came back within ROOM_GRACE has all of it when it goes again.
func TestGraceBeginsAnew(t *testing.T) {
	w := quietWorld(t)
	eve, bob := w.loops[0].connect("eve"), w.loops[1].connect("bob")
	w.settle()
	eve.must(wire.VerbJoinRoom, wire.RoomKey("r"), data("room", "r", "create", true))
	bob.must(wire.VerbJoinRoom, wire.RoomKey("r"), data("room", "r"))
	eve.got = nil
	for range 5 {
		w.loops[1].disconnect(bob)
		w.pass(testGrace - ownertest.Step)
		bob = w.loops[1].connect("bob")
		w.settle()
	}
	if got := eve.frames("RoomEvent"); len(got) > 0 {
		t.Errorf("who came back each time: %v", got)
	}
	w.loops[1].disconnect(bob)
	w.pass(testGrace)
	if got := eve.frames("RoomEvent"); len(got) != 1 || got[0].Get("event").Str != protocol.RoomLeft || got[0].Get("user_id").Str != "bob" {
		t.Errorf("who did not: %v", got)
	}
}

// Who begins to watch a user while a gateway tells again is not left with what the user seemed to be.
func TestWatchWhileToldAgain(t *testing.T) {
	w := quietWorld(t)
	eve, ann, _ := w.loops[0].connect("eve"), w.loops[0].connect("ann"), w.loops[1].connect("bob")
	w.settle()
	eve.loop.watch(eve, "bob")
	w.settle()
	l := w.loops[1]
	to, _ := l.gateway.Owner(wire.UserKey("bob"))
	l.gateway.SendTo(0, to, wire.AppendRetell)
	ann.loop.watch(ann, "bob")
	w.settle()
	l.tell(func(string) bool { return true })
	w.pass(time.Second)
	for _, c := range []*testConn{eve, ann} {
		if got := c.watches["bob"]; got != "online||" {
			t.Errorf("%s thinks that bob is %q", c.user, got)
		}
	}
	if p := eve.presence("bob"); p.Get("connections").Int() != 1 {
		t.Errorf("bob is told of again: %s", p.Raw)
	}
}

// A gateway that loses users whom nobody told to go leaves nothing behind.
func TestGhostsAreForgotten(t *testing.T) {
	w := quietWorld(t)
	eve := w.loops[0].connect("eve")
	for i := range 10 {
		w.loops[1].connect("ghost " + strconv.Itoa(i))
	}
	w.settle()
	eve.loop.watch(eve, "ghost 1")
	w.settle()
	clear(w.loops[1].users)
	for to := range w.loops[1].gateway.Owners {
		w.loops[1].digest(to)
	}
	w.pass(time.Second)
	if w.resyncs != 1 || eve.watches["ghost 1"] != "offline||" {
		t.Errorf("told again %d times; who watches thinks it is %q", w.resyncs, eve.watches["ghost 1"])
	}
	eve.loop.disconnect(eve)
	w.pass(time.Second)
	w.checkEmpty()
}

// A user who is watched from a gateway that dies, and is not there, is not kept.
func TestWatchedUsersAreForgotten(t *testing.T) {
	w := quietWorld(t)
	eve := w.loops[0].connect("eve")
	w.settle()
	eve.loop.watch(eve, "nobody")
	w.settle()
	w.killGateway(w.loops[0].gateway)
	w.pass(time.Second)
	w.checkEmpty()
}

// In a large room comings and goings are told together, and what else happens is told behind them.
func TestLargeRoomEvents(t *testing.T) {
	w := quietWorld(t)
	w.cfg.RoomGrace = time.Hour
	eve := w.loops[0].connect("eve")
	w.settle()
	room := wire.RoomKey("r")
	eve.must(wire.VerbCreateRoom, room, data("room", "r"))
	for i := range smallRoom - 1 {
		eve.must(wire.VerbAddMember, room, data("room", "r", "user", fmt.Sprintf("m%03d", i)))
	}
	if got := eve.frames("RoomEvent"); len(got) != smallRoom-1 || got[0].Get("event").Str != protocol.RoomJoined {
		t.Fatalf("%d events while the room is small, want %d", len(got), smallRoom-1)
	}
	told := func(want ...string) {
		t.Helper()
		var got []string
		for _, f := range eve.frames("RoomEvent") {
			who := f.Get("user_id").Str
			if f.Get("event").Str == "members" {
				who = f.Get("joined").Raw + f.Get("left").Raw
			}
			got = append(got, f.Get("event").Str+" "+who+" "+f.Get("member_count").Raw)
		}
		if !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	ann, bob := w.loops[1].connect("ann"), w.loops[1].connect("bob")
	w.settle()
	ann.must(wire.VerbJoinRoom, room, data("room", "r"))
	bob.must(wire.VerbJoinRoom, room, data("room", "r"))
	told()
	w.pass(time.Second)
	told(`members ["ann","bob"][] 102`)

	bob.must(wire.VerbLeaveRoom, room, data("room", "r"))
	bob.must(wire.VerbJoinRoom, room, data("room", "r"))
	ann.must(wire.VerbLeaveRoom, room, data("room", "r"))
	bob.must(wire.VerbLeaveRoom, room, data("room", "r")) // the room is small again
	told()
	w.pass(time.Second)
	told(`members []["ann","bob"] 100`)

	ann.must(wire.VerbJoinRoom, room, data("room", "r"))
	eve.must(wire.VerbRemoveMember, room, data("room", "r", "user", "ann"))
	told(`members ["ann"][] 100`, `removed ann 100`)
	bob.must(wire.VerbJoinRoom, room, data("room", "r"))
	eve.must(wire.VerbDeleteRoom, room, data("room", "r"))
	told(`deleted eve 101`)
	w.pass(time.Second)
	told()
}

// A user is a member of MAX_ROOMS at most: the owner of one room more hears of it, and lets go.
func TestTooManyRooms(t *testing.T) {
	w := quietWorld(t)
	eve, bob := w.loops[0].connect("eve"), w.loops[1].connect("bob")
	w.settle()
	for i := range 3 {
		name := "r" + strconv.Itoa(i)
		eve.must(wire.VerbCreateRoom, wire.RoomKey(name), data("room", name))
		eve.loop.ask(eve, wire.VerbAddMember, wire.RoomKey(name), data("room", name, "user", "bob"), func(gjson.Result, wire.Answer) {})
		w.settle()
	}
	n := 0
	for _, m := range bob.loop.users[wire.UserKey("bob")].rooms {
		if !m.out {
			n++
		}
	}
	if n != 2 {
		t.Errorf("bob is in %d rooms, want 2", n)
	}
	for _, h := range w.registries[1][0].rooms {
		if in := h.isMember("bob"); in != (h.name() != "r2") {
			t.Errorf("bob in %s: %v", h.name(), in)
		}
	}
}

// Nobody may come back to a private room from which an invitation was taken, whoever owns it next.
func TestInvitationsOutliveTheirOwner(t *testing.T) {
	w := quietWorld(t)
	w.cfg.MaxRooms = 100
	other := w.addNode(1)
	w.net.View()
	w.pass(time.Second)
	eve, ann, bob := w.loops[0].connect("eve"), w.loops[1].connect("ann"), w.loops[1].connect("bob")
	w.settle()
	for i := range 10 {
		name := "r" + strconv.Itoa(i)
		key := wire.RoomKey(name)
		eve.must(wire.VerbCreateRoom, key, data("room", name, "visibility", "private", "members", gjson.Parse(`["ann","bob"]`)))
		ann.must(wire.VerbLeaveRoom, key, data("room", name))
		bob.must(wire.VerbLeaveRoom, key, data("room", name))
		eve.must(wire.VerbRemoveMember, key, data("room", name, "user", "bob"))
	}
	w.killNode(other)
	w.pass(2 * time.Second)
	for i := range 10 {
		name := "r" + strconv.Itoa(i)
		ann.must(wire.VerbJoinRoom, wire.RoomKey(name), data("room", name))
		bob.loop.ask(bob, wire.VerbJoinRoom, wire.RoomKey(name), data("room", name), func(reply gjson.Result, _ wire.Answer) {
			if reply.Get("data.code").Int() != protocol.CodeForbidden {
				t.Errorf("bob joins %s: %s", name, reply.Raw)
			}
		})
		w.settle()
	}
}
