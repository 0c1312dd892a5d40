package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/gateway"
)

// looks is how a user looks to a connection.
func (k *talk) looks(user string) gjson.Result {
	k.t.Helper()
	return k.do("GetPresence", `{"users":[%q]}`, user).Get("data.users.0")
}

// wantPresence compares what is said of a user, but for when it was last seen.
func wantPresence(t *testing.T, got gjson.Result, want string) {
	t.Helper()
	var list []string
	for _, path := range []string{"user_id", "status", "connections", "message", "metadata"} {
		if v := got.Get(path); v.Exists() {
			list = append(list, v.Raw)
		}
	}
	if s := strings.Join(list, " "); s != want {
		t.Errorf("got %s, want %s", got.Raw, want)
	}
}

func TestPresence(t *testing.T) {
	h := startPeople(t, people{})
	t.Run("what is said", func(t *testing.T) {
		h := h.in(t)
		alice, bob := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "bob")
		wantPresence(t, alice.looks("bob"), `"bob" "online" 1`)
		wantPresence(t, alice.looks("nobody"), `"nobody" "offline" 0`)
		if seen := alice.looks("nobody").Get("last_seen"); seen.Type != gjson.Null || !seen.Exists() {
			t.Errorf("never seen: %s", seen.Raw)
		}
		other := h.talk(h.gateway[0], "bob")
		for status, want := range map[string]string{
			`"status":"away"`:                          `"bob" "away" 2`,
			`"status":"busy","message":"in a meeting"`: `"bob" "busy" 2 "in a meeting"`,
			`"status":"online","metadata":{"a" : [1]}`: `"bob" "online" 2 {"a" : [1]}`,
			`"status":"online"`:                        `"bob" "online" 2`,
		} {
			if r := bob.do("SetPresence", "{%s}", status); r.Get("data.status").Str != "presence_set" {
				t.Errorf("got %s", r.Raw)
			}
			wantPresence(t, alice.looks("bob"), want)
			wantPresence(t, other.looks("bob"), want)
		}
		if now, seen := time.Now().UnixMilli(), alice.looks("bob").Get("last_seen").Int(); now-seen > 5000 || seen > now+1 {
			t.Errorf("last seen %d, now is %d", seen, now)
		}
		// Away for a moment only, its mood is what it was.
		bob.do("SetPresence", `{"status":"busy"}`)
		left := time.Now().UnixMilli()
		bob.bye()
		other.bye()
		h.eventually(func() bool { return alice.looks("bob").Get("status").Str == "offline" })
		p := alice.looks("bob")
		wantPresence(t, p, `"bob" "offline" 0`)
		if seen := p.Get("last_seen").Int(); seen < left-1 || seen > time.Now().UnixMilli() {
			t.Errorf("last seen %d, left at %d", seen, left)
		}
		h.talk(h.gateway[1], "bob")
		wantPresence(t, alice.looks("bob"), `"bob" "busy" 1`)
	})
	t.Run("many at once", func(t *testing.T) {
		h := h.in(t)
		k := h.talk(h.gateway[0], "asker")
		var users []string
		for i := range 100 {
			users = append(users, fmt.Sprint("many", i))
			if i%10 == 0 {
				h.talk(h.gateway[i/10%2], users[i])
			}
		}
		got := k.do("GetPresence", `{"users":["%s"]}`, strings.Join(users, `","`)).Get("data.users").Array()
		if len(got) != 100 {
			t.Fatalf("got %d", len(got))
		}
		for _, p := range got {
			want := "offline"
			if strings.HasSuffix(p.Get("user_id").Str, "0") {
				want = "online"
			}
			if p.Get("status").Str != want || !slices.Contains(users, p.Get("user_id").Str) {
				t.Errorf("got %s", p.Raw)
			}
		}
	})
	t.Run("invisible", func(t *testing.T) {
		h := h.in(t)
		alice, ghost, watcher := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "ghost"), h.talk(h.gateway[1], "watcher")
		watcher.do("WatchPresence", `{"users":["ghost"]}`)
		ghost.do("JoinRoom", `{"room":"ghosts"}`)
		before := time.Now().UnixMilli()
		ghost.do("SetPresence", `{"status":"invisible","message":"boo","metadata":{"a":1}}`)
		after := time.Now().UnixMilli()
		watcher.gets("presence ghost offline")
		check := func() {
			t.Helper()
			p := alice.looks("ghost")
			wantPresence(t, p, `"ghost" "offline" 0`)
			if seen := p.Get("last_seen").Int(); seen < before || seen > after {
				t.Errorf("last seen %d, it hid from %d to %d", seen, before, after)
			}
			if r := alice.do("RoomInfo", `{"room":"ghosts"}`); r.Get("data.members.0.status").Str != "offline" {
				t.Errorf("got %s", r.Raw)
			}
		}
		check()
		wantPresence(t, ghost.looks("ghost"), `"ghost" "invisible" 1 "boo" {"a":1}`)
		second := h.talk(h.gateway[0], "ghost")
		wantPresence(t, second.looks("ghost"), `"ghost" "invisible" 2 "boo" {"a":1}`)
		check()
		// It comes and goes unseen.
		ghost.bye()
		second.bye()
		h.eventually(func() bool { return alice.reply(direct("ghost", "1")).Get("data.status").Str == "queued" })
		check()
		ghost = h.talk(h.gateway[0], "ghost")
		ghost.gets("direct alice 1 queued")
		check()
		watcher.nothing()
		ghost.do("SetPresence", `{"status":"away"}`)
		watcher.gets("presence ghost away")
	})
	t.Run("watching", func(t *testing.T) {
		h := h.in(t)
		watchers := []*talk{h.talk(h.gateway[0], "w0"), h.talk(h.gateway[1], "w1"), h.talk(h.gateway[1], "w2")}
		all := func(want ...string) {
			t.Helper()
			for _, k := range watchers {
				k.gets(want...)
			}
		}
		for _, k := range watchers {
			r := k.do("WatchPresence", `{"users":["seen","unseen"]}`)
			if d := r.Get("data"); d.Get("status").Str != "presence_watched" || names(d.Get("details.users")) != "seen unseen" ||
				names(d.Get("details.presence.#.status")) != "offline offline" || d.Get("details.watching").Int() != 2 {
				t.Errorf("got %s", r.Raw)
			}
			k.do("WatchPresence", `{"users":["seen"]}`) // again changes nothing
		}
		seen := h.talk(h.gateway[0], "seen")
		all("presence seen online")
		second := h.talk(h.gateway[1], "seen") // is no event
		seen.do("SetPresence", `{"status":"busy","message":"x"}`)
		all("presence seen busy x")
		seen.do("SetPresence", `{"status":"busy","message":"x"}`) // neither is what says the same
		seen.bye()
		second.do("SetPresence", `{"status":"online"}`)
		all("presence seen online")
		second.bye()
		all("presence seen offline")
		third := h.talk(h.gateway[1], "seen")
		all("presence seen online")
		r := watchers[0].do("UnwatchPresence", `{"users":["seen","never"]}`)
		if d := r.Get("data"); d.Get("status").Str != "presence_unwatched" || d.Get("details.watching").Int() != 1 {
			t.Errorf("got %s", r.Raw)
		}
		third.do("SetPresence", `{"status":"away"}`)
		for _, k := range watchers[1:] {
			k.gets("presence seen away")
		}
		h.talk(h.gateway[0], "unseen")
		all("presence unseen online")
		for _, k := range watchers {
			k.nothing()
		}
	})
	t.Run("watch and see", func(t *testing.T) {
		h := h.in(t)
		k, subject := h.talk(h.gateway[0], "watchful"), h.talk(h.gateway[1], "subject")
		statuses := []string{"away", "busy", "online"}
		for i := range 100 {
			// What the reply does not tell yet is told after it.
			subject.send(say("SetPresence", "s", fmt.Sprintf(`{"status":%q}`, statuses[i%3])))
			r := k.do("WatchPresence", `{"users":["subject"]}`)
			if status := r.Get("data.details.presence.0.status").Str; status != statuses[i%3] {
				k.gets("presence subject " + statuses[i%3])
			}
			subject.next()
			k.do("UnwatchPresence", `{"users":["subject"]}`)
			k.passed = nil
		}
	})
}

// The users of a gateway that is gone are offline to everybody, and those who are still
// elsewhere are not.
func TestGatewayGone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *harness, g *gatewayNode){
		"killed":        func(_ *harness, g *gatewayNode) { g.kill() },
		"in good order": func(_ *harness, g *gatewayNode) { g.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startPeople(t, people{gateways: 3, gateway: func(c *gateway.Config) { c.HeartbeatInterval = time.Minute }})
			k := h.talk(h.gateway[0], "alice")
			var users, events []string
			for i := range 20 {
				users = append(users, fmt.Sprint("gone", i))
				events = append(events, fmt.Sprintf("presence gone%d offline", i))
				h.talk(h.gateway[2], users[i])
			}
			h.talk(h.gateway[2], "both")
			h.talk(h.gateway[1], "both")
			k.do("WatchPresence", `{"users":["both","%s"]}`, strings.Join(users, `","`))
			k.do("JoinRoom", `{"room":"r"}`)
			began := time.Now()
			end(h, h.gateway[2])
			var got []string
			for range users {
				got = append(got, words(k.take()))
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			slices.Sort(got)
			slices.Sort(events)
			if !slices.Equal(got, events) {
				t.Errorf("got %q", got)
			}
			wantPresence(t, k.looks("both"), `"both" "online" 1`)
			if r := k.reply(direct("both", "1")); r.Get("data.recipients").Int() != 1 {
				t.Errorf("got %s", r.Raw)
			}
			if r := k.reply(direct("gone1", "1")); r.Get("data.status").Str != "queued" {
				t.Errorf("got %s", r.Raw)
			}
			k.nothing()
		})
	}
}
