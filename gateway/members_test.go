package gateway_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/presence"
)

// hear has k, a member, say something in a room until the others hear it: membership reaches the
// connections of those who were added a moment after the reply.
func (h *harness) hear(k *talk, room string, others ...*talk) {
	h.t.Helper()
	for _, other := range others {
		heard := false
		h.eventually(func() bool {
			k.acked(inRoom(room, "hear"))
			for _, m := range append(other.passed, other.lives()...) {
				heard = heard || words(m) == fmt.Sprintf("message %s %s hear", room, k.user)
			}
			other.passed = nil
			return heard
		})
	}
	k.acked(inRoom(room, "all hear"))
	for _, to := range append([]*talk{k}, others...) {
		for words(to.take()) != fmt.Sprintf("message %s %s all hear", room, k.user) {
		}
	}
}

func TestMembers(t *testing.T) {
	h := startPeople(t, people{})
	t.Run("every connection", func(t *testing.T) {
		h := h.in(t)
		alice := h.talk(h.gateway[0], "alice")
		var bobs []*talk
		for i := range 4 {
			bobs = append(bobs, h.talk(h.gateway[i%2], "bob"))
		}
		alice.do("CreateRoom", `{"room":"r"}`)
		r := alice.do("AddMember", `{"room":"r","user":"bob"}`)
		if d := r.Get("data"); d.Get("status").Str != "member_added" || d.Get("details.member_count").Int() != 2 || d.Get("details.user_id").Str != "bob" {
			t.Errorf("got %s", r.Raw)
		}
		alice.gets("event r joined bob 2")
		for _, bob := range bobs {
			bob.gets("event r joined bob 2")
		}
		h.hear(alice, "r", bobs...)
		// What one says, all hear, and a new one is in the room from the beginning.
		late := h.open(h.gateway[1], h.token("bob"))
		if m := late.take(); names(m.Get("data.details.rooms")) != "r" {
			t.Errorf("got %s", m.Raw)
		}
		bobs = append(bobs, late)
		late.acked(inRoom("r", "1"))
		for _, k := range append(bobs, alice) {
			k.gets("message r bob 1")
		}
		// One leaves for all.
		bobs[0].do("LeaveRoom", `{"room":"r"}`)
		alice.gets("event r left bob 1")
		for _, bob := range bobs[1:] {
			bob.gets("event r left bob 1")
		}
		alice.acked(inRoom("r", "2"))
		alice.gets("message r alice 2")
		if r := bobs[1].reply(inRoom("r", "3")); r.Get("data.code").Int() != 403 {
			t.Errorf("got %s", r.Raw)
		}
		// And enters for all.
		bobs[1].do("JoinRoom", `{"room":"r"}`)
		alice.gets("event r joined bob 2")
		h.hear(alice, "r", bobs...)
		r = alice.do("RemoveMember", `{"room":"r","user":"bob"}`)
		if d := r.Get("data"); d.Get("status").Str != "member_removed" || d.Get("details.member_count").Int() != 1 || d.Get("details.user_id").Str != "bob" {
			t.Errorf("got %s", r.Raw)
		}
		alice.gets("event r removed bob 1")
		for _, bob := range bobs {
			bob.gets("event r removed bob 1")
			bob.nothing()
		}
		alice.nothing()
	})
	t.Run("who is out hears nothing", func(t *testing.T) {
		h := h.in(t)
		alice := h.talk(h.gateway[0], "loud")
		bobs := []*talk{h.talk(h.gateway[0], "out"), h.talk(h.gateway[1], "out"), h.talk(h.gateway[1], "out"), h.talk(h.gateway[0], "out")}
		carol := h.talk(h.gateway[1], "stays") // so that the messages come to the gateway all the same
		alice.do("CreateRoom", `{"room":"out","members":["stays"]}`)
		h.hear(alice, "out", carol)
		for turn := range 50 {
			bobs[turn%4].do("JoinRoom", `{"room":"out"}`)
			h.hear(alice, "out", bobs...)
			if turn%2 == 0 {
				alice.do("RemoveMember", `{"room":"out","user":"out"}`)
			} else {
				bobs[(turn+1)%4].do("LeaveRoom", `{"room":"out"}`)
			}
			alice.acked(inRoom("out", "secret"))
			for i, bob := range bobs {
				if turn%2 == 0 || i != (turn+1)%4 {
					bob.gets("event out " + []string{"removed", "left"}[turn%2] + " out 2")
				}
				bob.nothing()
			}
			alice.passed, carol.passed = nil, nil
			alice.lives()
			carol.lives()
		}
	})
	t.Run("large", func(t *testing.T) {
		h := h.in(t)
		alice := h.talk(h.gateway[0], "large")
		bob, carol := h.talk(h.gateway[1], "bob"), h.talk(h.gateway[1], "carol")
		var first []string
		for i := range 99 {
			first = append(first, fmt.Sprint("l", i))
		}
		alice.do("CreateRoom", `{"room":"large","members":["%s"]}`, strings.Join(first, `","`))
		// The room is small up to a hundred.
		bob.do("JoinRoom", `{"room":"large"}`)
		carol.do("JoinRoom", `{"room":"large"}`)
		for i := range 30 {
			alice.do("AddMember", `{"room":"large","user":"more%d"}`, i)
		}
		carol.do("LeaveRoom", `{"room":"large"}`)
		bob.do("LeaveRoom", `{"room":"large"}`)
		bob.do("JoinRoom", `{"room":"large"}`)
		frames := 0
		joined := make(map[string]bool)
		for count := int64(0); count != 131; frames++ {
			m := alice.take()
			d := m.Get("data")
			switch count = d.Get("member_count").Int(); d.Get("event").Str {
			case "members":
				for _, user := range d.Get("joined").Array() {
					joined[user.Str] = true
				}
				for _, user := range d.Get("left").Array() {
					delete(joined, user.Str)
				}
			default:
				t.Errorf("got %s", m.Raw)
			}
		}
		if len(joined) != 31 || !joined["bob"] || frames > 4 {
			t.Errorf("in %d frames %d joined: %v", frames, len(joined), joined)
		}
		alice.do("RemoveMember", `{"room":"large","user":"bob"}`)
		alice.gets("event large removed bob 130")
	})
	t.Run("durable", func(t *testing.T) {
		h := h.in(t)
		alice, bob := h.talk(h.gateway[0], "d-alice"), h.talk(h.gateway[1], "d-bob")
		alice.do("CreateRoom", `{"room":"d","durable":true,"visibility":"private","capacity":3,"metadata":{"a":1},"members":["d-bob"]}`)
		bob.gets("event d joined d-bob 2")
		h.hear(alice, "d", bob)
		if r := bob.try("CreateRoom", `{"room":"d"}`); r.Get("data.code").Int() != 409 {
			t.Errorf("got %s", r.Raw)
		}
		alice.do("AddMember", `{"room":"d","user":"d-carol"}`)
		alice.gets("event d joined d-carol 3")
		bob.gets("event d joined d-carol 3")
		if r := alice.try("AddMember", `{"room":"d","user":"d-dave"}`); r.Get("data.code").Int() != 409 {
			t.Errorf("got %s", r.Raw)
		}
		carol := h.open(h.gateway[1], h.token("d-carol"))
		if m := carol.take(); names(m.Get("data.details.rooms")) != "d" {
			t.Errorf("got %s", m.Raw)
		}
		carol.do("LeaveRoom", `{"room":"d"}`)
		bob.do("LeaveRoom", `{"room":"d"}`)
		bob.passed = nil
		bob.do("JoinRoom", `{"room":"d"}`) // who left may come back
		alice.do("RemoveMember", `{"room":"d","user":"d-bob"}`)
		if r := bob.try("JoinRoom", `{"room":"d"}`); r.Get("data.code").Int() != 403 {
			t.Errorf("got %s", r.Raw)
		}
		alice.do("LeaveRoom", `{"room":"d"}`) // it stays without members
		if r := alice.do("RoomInfo", `{"room":"d"}`); r.Get("data.member_count").Int() != 0 || r.Get("data.owner").Str != "d-alice" || !r.Get("data.durable").Bool() {
			t.Errorf("got %s", r.Raw)
		}
		alice.do("DeleteRoom", `{"room":"d"}`)
		if r := alice.try("RoomInfo", `{"room":"d"}`); r.Get("data.code").Int() != 404 {
			t.Errorf("got %s", r.Raw)
		}
	})
}

// ROOM_GRACE: who comes back in time was never gone; who does not has left soft rooms, and durable ones not.
func TestRoomGrace(t *testing.T) {
	t.Parallel()
	const grace = time.Second
	h := startPeople(t, people{presence: func(c *presence.Config) { c.RoomGrace = grace }})
	alice := h.talk(h.gateway[0], "alice")
	alice.do("CreateRoom", `{"room":"soft"}`)
	alice.do("CreateRoom", `{"room":"durable","durable":true}`)
	bob := h.talk(h.gateway[1], "bob")
	for _, room := range []string{"soft", "durable"} {
		bob.do("JoinRoom", `{"room":%q}`, room)
		alice.gets("event " + room + " joined bob 2")
	}
	rooms := func(k *talk) string { return names(k.take().Get("data.details.rooms")) }
	bob.bye()
	time.Sleep(grace * 2 / 3)
	bob = h.open(h.gateway[0], h.token("bob"))
	if got := rooms(bob); got != "durable soft" {
		t.Errorf("in time: welcomed to %q", got)
	}
	alice.acked(inRoom("soft", "1"))
	bob.gets("message soft alice 1")
	alice.gets("message soft alice 1")
	bob.bye() // its time begins anew
	time.Sleep(grace * 2 / 3)
	bob = h.open(h.gateway[0], h.token("bob"))
	if got := rooms(bob); got != "durable soft" {
		t.Errorf("in time again: welcomed to %q", got)
	}
	alice.nothing()
	second := h.talk(h.gateway[1], "bob")
	bob.bye()
	time.Sleep(grace + 500*time.Millisecond)
	alice.nothing() // it was still there
	second.bye()
	began := time.Now()
	alice.gets("event soft left bob 1")
	if took := time.Since(began); took < grace-50*time.Millisecond || took > grace+time.Second {
		t.Errorf("left after %v", took)
	}
	bob = h.open(h.gateway[0], h.token("bob"))
	if got := rooms(bob); got != "durable" {
		t.Errorf("too late: welcomed to %q", got)
	}
	alice.acked(inRoom("durable", "2"))
	alice.gets("message durable alice 2")
	bob.gets("message durable alice 2")
	alice.nothing()
	// Its last member gone, a soft room ends.
	alice.bye()
	h.eventually(func() bool { return bob.try("RoomInfo", `{"room":"soft"}`).Get("data.code").Int() == 404 })
	if r := bob.do("RoomInfo", `{"room":"durable"}`); r.Get("data.member_count").Int() != 2 {
		t.Errorf("got %s", r.Raw)
	}
}

// Durable rooms and their members outlive all presence nodes and all gateways.
func TestDurableRoomOutlivesAll(t *testing.T) {
	t.Parallel()
	h := startPeople(t, people{gateways: 1, presences: 1})
	alice, bob := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[0], "bob")
	alice.do("CreateRoom", `{"room":"d","durable":true,"members":["bob","carol"]}`)
	bob.gets("event d joined bob 3")
	alice.do("CreateRoom", `{"room":"soft"}`)
	h.gateway[0].kill()
	h.presence[0].kill()
	h.gateway = nil
	h.presence = nil
	h.addPresence()
	h.addGateway(nil)
	h.eventually(func() bool {
		return len(h.gateway[0].Views().Presences.Active) == 1 && h.gateway[0].PresenceReady() == nil
	})
	var all []*talk
	for _, user := range []string{"alice", "bob", "carol"} {
		k := h.open(h.gateway[0], h.token(user))
		k.user = user
		if got := names(k.take().Get("data.details.rooms")); got != "d" {
			t.Errorf("%s is welcomed to %q", user, got)
		}
		all = append(all, k)
	}
	for i, k := range all {
		k.acked(inRoom("d", strconv.Itoa(i)))
		for _, to := range all {
			to.gets(fmt.Sprintf("message d %s %d", k.user, i))
		}
	}
	r := all[1].do("RoomInfo", `{"room":"d"}`)
	if d := r.Get("data"); d.Get("owner").Str != "alice" || names(d.Get("members.#.user_id")) != "alice bob carol" {
		t.Errorf("got %s", r.Raw)
	}
	if r := all[0].try("RoomInfo", `{"room":"soft"}`); r.Get("data.code").Int() != 404 {
		t.Errorf("got %s", r.Raw)
	}
}
