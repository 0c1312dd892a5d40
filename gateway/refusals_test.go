package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/presence"
)

// Every request that is not granted says why, by the code of the contract, and names the field.
func TestRefusals(t *testing.T) {
	h := startPeople(t, people{
		gateway:  func(c *gateway.Config) { c.MaxWatched = 5 },
		presence: func(c *presence.Config) { c.MaxRoomMembers = 50 },
	})
	alice, bob, carol := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "bob"), h.talk(h.gateway[1], "carol")
	alice.do("CreateRoom", `{"room":"public"}`)
	alice.do("CreateRoom", `{"room":"private","visibility":"private","members":["carol"]}`)
	alice.do("CreateRoom", `{"room":"full","capacity":1}`)
	carol.gets("event private joined carol 2")
	users := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"u%d"`, i))
		}
		return strings.Join(list, ",")
	}
	long, object := strings.Repeat("x", 256), func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	type refusal struct {
		kind, data, field string
		code              int64
	}
	list := []refusal{
		{"DirectMessage", `{"payload":1}`, "target_user", 400},
		{"DirectMessage", `{"target_user":null,"payload":1}`, "target_user", 400},
		{"DirectMessage", `{"target_user":7,"payload":1}`, "target_user", 400},
		{"DirectMessage", `{"target_user":"","payload":1}`, "target_user", 400},
		{"DirectMessage", `{"target_user":"a\u0001","payload":1}`, "target_user", 400},
		{"DirectMessage", `{"target_user":"` + long[:129] + `","payload":1}`, "target_user", 400},
		{"DirectMessage", `{"target_user":"bob"}`, "payload", 400},

		{"RoomMessage", `{"room":"public"}`, "payload", 400},
		{"RoomMessage", `{"room":"nowhere","payload":1}`, "room", 404},
		{"RoomMessage", `{"room":"$sys","payload":1}`, "room", 404},
		{"RoomMessage", `{"room":"public","payload":1}`, "room", 403},
		{"RoomMessage", `{"room":"private","payload":1}`, "room", 403},

		{"CreateRoom", `{"room":"$sys"}`, "room", 403},
		{"CreateRoom", `{"room":"public"}`, "room", 409},
		{"CreateRoom", `{"room":"n","visibility":"secret"}`, "visibility", 400},
		{"CreateRoom", `{"room":"n","visibility":1}`, "visibility", 400},
		{"CreateRoom", `{"room":"n","durable":"yes"}`, "durable", 400},
		{"CreateRoom", `{"room":"n","capacity":0}`, "capacity", 400},
		{"CreateRoom", `{"room":"n","capacity":-1}`, "capacity", 400},
		{"CreateRoom", `{"room":"n","capacity":1.5}`, "capacity", 400},
		{"CreateRoom", `{"room":"n","capacity":"2"}`, "capacity", 400},
		{"CreateRoom", `{"room":"n","capacity":51}`, "capacity", 400},
		{"CreateRoom", `{"room":"n","capacity":1000001}`, "capacity", 400},
		{"CreateRoom", `{"room":"n","metadata":[]}`, "metadata", 400},
		{"CreateRoom", `{"room":"n","metadata":` + object(4097) + `}`, "metadata", 400},
		{"CreateRoom", `{"room":"n","members":"bob"}`, "members", 400},
		{"CreateRoom", `{"room":"n","members":[1]}`, "members", 400},
		{"CreateRoom", `{"room":"n","members":[""]}`, "members", 400},
		{"CreateRoom", `{"room":"n","members":["a\n"]}`, "members", 400},
		{"CreateRoom", `{"room":"n","members":[` + users(101) + `]}`, "members", 400},
		{"CreateRoom", `{"room":"n","members":[` + users(50) + `]}`, "members", 400},
		{"CreateRoom", `{"room":"n","capacity":2,"members":["x","y"]}`, "members", 400},

		{"JoinRoom", `{"room":"$sys"}`, "room", 403},
		{"JoinRoom", `{"room":"n","create":"no"}`, "create", 400},
		{"JoinRoom", `{"room":"n","create":false}`, "room", 404},
		{"JoinRoom", `{"room":"private"}`, "room", 403},
		{"JoinRoom", `{"room":"full"}`, "room", 409},

		{"LeaveRoom", `{"room":"nowhere"}`, "room", 404},
		{"LeaveRoom", `{"room":"public"}`, "room", 409},

		{"AddMember", `{"room":"public"}`, "user", 400},
		{"AddMember", `{"room":"public","user":1}`, "user", 400},
		{"AddMember", `{"room":"public","user":""}`, "user", 400},
		{"AddMember", `{"room":"public","user":"` + long[:129] + `"}`, "user", 400},
		{"AddMember", `{"room":"nowhere","user":"bob"}`, "room", 404},
		{"AddMember", `{"room":"public","user":"bob"}`, "room", 403},
		{"RemoveMember", `{"room":"public"}`, "user", 400},
		{"RemoveMember", `{"room":"nowhere","user":"bob"}`, "room", 404},
		{"RemoveMember", `{"room":"public","user":"alice"}`, "room", 403},
		{"DeleteRoom", `{"room":"nowhere"}`, "room", 404},
		{"DeleteRoom", `{"room":"public"}`, "room", 403},

		{"RoomInfo", `{"room":"nowhere"}`, "room", 404},
		{"RoomInfo", `{"room":"private"}`, "room", 403},
		{"RoomInfo", `{"room":"public","limit":0}`, "limit", 400},
		{"RoomInfo", `{"room":"public","limit":101}`, "limit", 400},
		{"RoomInfo", `{"room":"public","limit":"1"}`, "limit", 400},
		{"RoomInfo", `{"room":"public","after":1}`, "after", 400},

		{"SetPresence", `{}`, "status", 400},
		{"SetPresence", `{"status":"offline"}`, "status", 400},
		{"SetPresence", `{"status":1}`, "status", 400},
		{"SetPresence", `{"status":"away","message":1}`, "message", 400},
		{"SetPresence", `{"status":"away","message":"` + long + `x"}`, "message", 400},
		{"SetPresence", `{"status":"away","metadata":"x"}`, "metadata", 400},
		{"SetPresence", `{"status":"away","metadata":` + object(1025) + `}`, "metadata", 400},
	}
	for _, kind := range []string{"RoomMessage", "CreateRoom", "JoinRoom", "LeaveRoom", "AddMember", "RemoveMember", "DeleteRoom", "RoomInfo"} {
		for _, room := range []string{"", `"room":null,`, `"room":1,`, `"room":"",`, `"room":"a..b",`, `"room":"a b",`, `"room":".a",`, `"room":"a\u0007",`, `"room":"` + long + `",`} {
			list = append(list, refusal{kind, `{` + room + `"payload":1,"user":"bob"}`, "room", 400})
		}
		list = append(list, refusal{kind, `null`, "", 400}, refusal{kind, `[]`, "", 400})
	}
	for _, kind := range []string{"GetPresence", "WatchPresence", "UnwatchPresence"} {
		for _, data := range []string{`{}`, `{"users":null}`, `{"users":[]}`, `{"users":"bob"}`, `{"users":[1]}`, `{"users":["bob",""]}`, `{"users":["\u0000"]}`, `{"users":["` + long + `"]}`, `{"users":[` + users(101) + `]}`} {
			list = append(list, refusal{kind, data, "users", 400})
		}
	}
	for _, c := range list {
		r := bob.try(c.kind, c.data)
		if d := r.Get("data"); r.Get("type").Str != "Error" || d.Get("code").Int() != c.code || !strings.HasPrefix(d.Get("message").Str, c.field) {
			t.Errorf("%s %.100s: got %s, want %d %s", c.kind, c.data, r.Raw, c.code, c.field)
		}
		bob.send(say(c.kind, "", c.data))
		if m := bob.take(); m.Get("data.code").Int() != c.code || m.Get("id").Exists() {
			t.Errorf("%s %.100s, without an id: got %s", c.kind, c.data, m.Raw)
		}
	}
	// Requests of the owner and of a member.
	for _, c := range []struct {
		k *talk
		refusal
	}{
		{alice, refusal{"AddMember", `{"room":"full","user":"bob"}`, "room", 409}},
		{alice, refusal{"RemoveMember", `{"room":"public","user":"bob"}`, "user", 404}},
		{carol, refusal{"AddMember", `{"room":"private","user":"bob"}`, "room", 403}},
		{carol, refusal{"RemoveMember", `{"room":"private","user":"alice"}`, "room", 403}},
		{carol, refusal{"DeleteRoom", `{"room":"private"}`, "room", 403}},
		{alice, refusal{"CreateRoom", `{"room":"private"}`, "room", 409}},
	} {
		if r := c.k.try(c.kind, c.data); r.Get("data.code").Int() != c.code || !strings.HasPrefix(r.Get("data.message").Str, c.field) {
			t.Errorf("%s %s: got %s", c.kind, c.data, r.Raw)
		}
	}
	// What is as large as allowed is granted.
	bob.do("CreateRoom", `{"room":"large","capacity":50,"metadata":%s,"members":[%s]}`, object(4096), users(49))
	bob.do("SetPresence", `{"status":"away","message":%q,"metadata":%s}`, long, object(1024))
	bob.do("GetPresence", `{"users":[%s]}`, users(100))
	bob.acked(say("DirectMessage", "1", `{"target_user":"`+long[:128]+`","payload":null}`))

	t.Run("MAX_WATCHED", func(t *testing.T) {
		h := h.in(t)
		k := h.talk(h.gateway[0], "limited")
		r := k.do("WatchPresence", `{"users":["a","b","c","d","e","f","g"]}`)
		if d := r.Get("data.details"); names(d.Get("users")) != "a b c d e" || d.Get("rejected.#").Int() != 2 || d.Get("rejected.0.code").Int() != 429 || d.Get("watching").Int() != 5 {
			t.Errorf("got %s", r.Raw)
		}
		if r := k.try("WatchPresence", `{"users":["x"]}`); r.Get("data.code").Int() != 429 {
			t.Errorf("got %s", r.Raw)
		}
		k.do("WatchPresence", `{"users":["a"]}`)
		k.do("UnwatchPresence", `{"users":["a"]}`)
		k.do("WatchPresence", `{"users":["x"]}`)
	})
}

// MAX_ROOMS is the user's, whoever makes it a member.
func TestMaxRooms(t *testing.T) {
	t.Parallel()
	h := startPeople(t, people{
		gateway:  func(c *gateway.Config) { c.MaxRooms = 3 },
		presence: func(c *presence.Config) { c.MaxRooms = 3 },
	})
	alice, bob, second := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[0], "bob"), h.talk(h.gateway[1], "bob")
	for _, room := range []string{"a", "b", "c"} {
		bob.do("JoinRoom", `{"room":%q}`, room)
	}
	alice.do("CreateRoom", `{"room":"d"}`)
	// The other connection's gateway hears of the rooms a moment later.
	h.eventually(func() bool { return second.reply(inRoom("c", "x")).Get("type").Str == "Ack" && len(second.passed) > 0 })
	for _, k := range []*talk{bob, second} {
		for _, kind := range []string{"JoinRoom", "CreateRoom"} {
			if r := k.try(kind, `{"room":"d"}`); r.Get("data.code").Int() != 429 {
				t.Errorf("%s: got %s", kind, r.Raw)
			}
		}
		k.passed = nil
		k.do("JoinRoom", `{"room":"a"}`) // is one of them
	}
	// Added nevertheless, it is out again, and all who are in the room know.
	alice.do("AddMember", `{"room":"d","user":"bob"}`)
	alice.gets("event d joined bob 2", "event d left bob 1")
	if r := alice.do("RoomInfo", `{"room":"d"}`); r.Get("data.member_count").Int() != 1 {
		t.Errorf("got %s", r.Raw)
	}
	bob.do("LeaveRoom", `{"room":"a"}`)
	h.eventually(func() bool { return second.try("JoinRoom", `{"room":"d"}`).Get("type").Str == "Status" })
}
