package presence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// historyWorld is a world whose rooms that begin with h. have a history: of one lane and two gateways of one loop.
func historyWorld(t *testing.T, r *rand.Rand) *world {
	w := newWorld(t, r, Config{
		RoomGrace: testGrace, MaxRooms: 100, MaxRoomMembers: 500,
		History: shelf.Settings{
			Policy:       history.Policy{{Name: "kept", Rooms: []string{"h.>"}, Size: 100, Age: time.Hour}},
			DedupeWindow: time.Minute, Memory: 1 << 20,
		},
	})
	w.addNode(1)
	w.addGateway(1)
	w.addGateway(1)
	w.net.View()
	w.pass(time.Second)
	return w
}

// answers are what a connection was answered, in order: code and status of each.
type answers []string

func (a *answers) ask(c *testConn, verb wire.Verb, room string) {
	c.loop.ask(c, verb, wire.RoomKey(room), data("room", room), func(reply gjson.Result, answer wire.Answer) {
		*a = append(*a, fmt.Sprint("verb ", verb, " ", reply.Get("data.code").Int()+int64(answer.Code)))
	})
}

func (a *answers) say(c *testConn, room, id string) {
	c.loop.publish(c, wire.RoomKey(room), id, []byte("1"), func(reply gjson.Result) {
		*a = append(*a, fmt.Sprint("message ", id, " ", reply.Get("data.code").Int()))
	})
}

func (a *answers) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(*a, want) {
		t.Errorf("answered %q, want %q", *a, want)
	}
	*a = nil
}

// While JetStream is away nobody can say anything in a room with history, but come and go.
func TestRoomWhileItsHistoryIsAway(t *testing.T) {
	w := historyWorld(t, rand.New(rand.NewPCG(0, 0)))
	alice, bob := w.loops[0].connect("alice"), w.loops[1].connect("bob")
	w.settle()
	var a, b answers
	w.store.SetAway(true)
	a.ask(alice, wire.VerbJoinRoom, "h.1")
	b.ask(bob, wire.VerbJoinRoom, "h.1")
	b.ask(bob, wire.VerbLeaveRoom, "h.1")
	b.ask(bob, wire.VerbJoinRoom, "h.1")
	w.settle() // nobody has said anything: there is nothing to wait for
	a.want(t, "verb 2 0")
	b.want(t, "verb 2 0", "verb 3 0", "verb 2 0")

	b.say(bob, "h.1", "m")
	b.ask(bob, wire.VerbLeaveRoom, "h.1")
	b.ask(bob, wire.VerbHistory, "h.1")
	a.ask(alice, wire.VerbRoomInfo, "h.1")
	a.ask(alice, wire.VerbHistory, "h.1")
	w.settle()
	a.want(t)
	b.want(t)
	w.pass(4400 * time.Millisecond) // a little longer than a message waits
	b.want(t, "message m 503", "verb 3 0", "verb 13 403")
	w.pass(4400 * time.Millisecond)
	a.want(t, "verb 7 0", "verb 13 503")
	w.unanswered()

	w.store.SetAway(false)
	b.ask(bob, wire.VerbJoinRoom, "h.1")
	b.say(bob, "h.1", "m")
	w.pass(3 * time.Second)
	b.want(t, "verb 2 0", "message m 0")
	if n := len(alice.frames("RoomMessage")); n != 1 {
		t.Errorf("alice heard %d messages", n)
	}
	if n := len(bob.frames("RoomMessage")); n != 1 {
		t.Errorf("bob heard %d messages", n)
	}
	w.unanswered()
}

// A room that moves while messages wait for JetStream: they are stored, and what follows them is refused.
func TestRoomMovesWhileMessagesWait(t *testing.T) {
	seeded(t, 5, func(t *testing.T, r *rand.Rand) {
		w := historyWorld(t, r)
		alice, bob := w.loops[0].connect("alice"), w.loops[1].connect("bob")
		w.settle()
		const rooms = 12
		var all answers
		for i := range rooms {
			room := fmt.Sprint("h.", i)
			all.ask(alice, wire.VerbJoinRoom, room)
			w.settle()
			all.ask(bob, wire.VerbJoinRoom, room)
		}
		w.settle()
		all = nil
		by := make([]answers, rooms)
		for i := range rooms {
			room := fmt.Sprint("h.", i)
			by[i].say(bob, room, "m")
			by[i].ask(bob, wire.VerbLeaveRoom, room)
		}
		w.net.Deliver() // and nothing is written yet
		w.addNode(1)
		w.net.View()
		w.net.Deliver()
		w.pass(5 * time.Second)
		w.unanswered()
		moved := 0
		for i := range by {
			if len(by[i]) == 2 && by[i][1] == "verb 3 503" {
				by[i][1] = "verb 3 0"
				moved++
			}
			by[i].want(t, "message m 0", "verb 3 0")
		}
		if moved == 0 || moved == rooms {
			t.Errorf("%d rooms moved", moved)
		}
		if got := len(alice.frames("RoomMessage")); got != rooms {
			t.Errorf("alice heard %d messages of %d", got, rooms)
		}
		if got := len(bob.frames("RoomMessage")); got != rooms {
			t.Errorf("bob heard %d messages of %d", got, rooms)
		}
		// They go on, where they are now.
		for i := range by {
			by[i].say(alice, fmt.Sprint("h.", i), "n")
			w.settle()
			by[i].want(t, "message n 0")
		}
	})
}

// However long each write takes, what a connection sends about a room takes effect in order: it is answered in order, and
// hears what was said while it was a member.
func TestRoomWithHistoryKeepsOrder(t *testing.T) {
	seeded(t, 20, func(t *testing.T, r *rand.Rand) {
		w := historyWorld(t, r)
		owner := w.loops[0].connect("owner")
		w.settle()
		var first answers
		first.ask(owner, wire.VerbJoinRoom, "h.1")
		w.settle()
		first.want(t, "verb 2 0")
		type person struct {
			*testConn
			got, want answers
			in        bool
			said      int // while in
		}
		var people []*person
		for i := range 4 {
			people = append(people, &person{testConn: w.loops[i%2].connect("user" + strconv.Itoa(i))})
		}
		w.settle()
		total := 0
		for n := range 400 {
			p := oneOf(r, people)
			switch what := r.IntN(10); {
			case what < 5:
				id := fmt.Sprint(n)
				code := 403
				if p.in {
					code = 0
					p.said++
					total++
				}
				p.got.say(p.testConn, "h.1", id)
				p.want = append(p.want, fmt.Sprint("message ", id, " ", code))
			case what < 7:
				p.got.ask(p.testConn, wire.VerbJoinRoom, "h.1")
				p.want = append(p.want, "verb 2 0")
				p.in = true
			case what < 9:
				code := 409
				if p.in {
					code = 0
				}
				p.got.ask(p.testConn, wire.VerbLeaveRoom, "h.1")
				p.want = append(p.want, fmt.Sprint("verb 3 ", code))
				p.in = false
			default:
				p.got.ask(p.testConn, wire.VerbRoomInfo, "h.1")
				p.want = append(p.want, "verb 7 0")
			}
			for range r.IntN(3) {
				w.net.Deliver()
				if len(w.redis.calls) > 0 {
					w.callOne()
				}
			}
		}
		w.pass(time.Second)
		w.unanswered()
		for _, p := range people {
			if !slices.Equal(p.got, p.want) {
				for i := range p.got {
					if i >= len(p.want) || p.got[i] != p.want[i] {
						t.Fatalf("%s: at %d answered %q, want %q", p.user, i, p.got[i:min(i+5, len(p.got))], p.want[i:min(i+5, len(p.want))])
					}
				}
			}
			own, last := 0, 0
			for _, f := range p.frames("RoomMessage") {
				at := int(f.Get("metadata.offset").Int())
				if at <= last {
					t.Fatalf("%s: %d comes after %d", p.user, at, last)
				}
				last = at
				if f.Get("from_user").Str == p.user {
					own++
				}
			}
			if own != p.said {
				t.Errorf("%s heard %d of what it said, %d", p.user, own, p.said)
			}
		}
		if n := len(owner.frames("RoomMessage")); n != total {
			t.Errorf("the owner heard %d of %d", n, total)
		}
	})
}

// A room that is made anew within the millisecond has nothing of the one before.
func TestRoomMadeAnewAtOnce(t *testing.T) {
	w := historyWorld(t, rand.New(rand.NewPCG(0, 0)))
	alice := w.loops[0].connect("alice")
	w.settle()
	for round := range 5 {
		alice.must(wire.VerbCreateRoom, wire.RoomKey("h.1"), data("room", "h.1"))
		for n := range 2 {
			alice.loop.publish(alice, wire.RoomKey("h.1"), "m", []byte("1"), func(reply gjson.Result) {
				if reply.Get("data.offset").Int() != 1 || reply.Get("data.duplicate").Bool() != (n > 0) {
					t.Errorf("round %d: %s", round, reply.Raw)
				}
			})
			w.settle()
		}
		alice.must(wire.VerbDeleteRoom, wire.RoomKey("h.1"), data("room", "h.1"))
	}
}

// A History is answered before what was asked for after it.
func TestHistoryIsAnsweredInOrder(t *testing.T) {
	w := historyWorld(t, rand.New(rand.NewPCG(0, 0)))
	alice, bob := w.loops[0].connect("alice"), w.loops[1].connect("bob")
	w.settle()
	var a, b answers
	a.ask(alice, wire.VerbJoinRoom, "h.1")
	w.settle()
	b.ask(bob, wire.VerbJoinRoom, "h.1")
	b.say(bob, "h.1", "m")
	b.ask(bob, wire.VerbRoomInfo, "h.1")
	b.ask(bob, wire.VerbHistory, "h.1")
	b.ask(bob, wire.VerbLeaveRoom, "h.1")
	b.ask(bob, wire.VerbHistory, "h.1")
	w.settle()
	b.want(t, "verb 2 0", "message m 0", "verb 7 0", "verb 13 0", "verb 3 0", "verb 13 403")
}
