package gateway_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// While presence nodes come and leave in good order, nothing is lost, doubled, reordered, refused or forgotten.
func TestPresenceNodesComeAndLeave(t *testing.T) {
	h := startPeople(t, people{})
	c := h.crowd()
	alive := slices.Clone(h.presence)
	for range 4 {
		alive = append(alive, h.addPresence())
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		alive[0].stop()
		if took := time.Since(began); took > stopWithin {
			t.Errorf("a presence node took %v to leave", took)
		}
		alive = alive[1:]
	}
	h.settled()
	if refused := c.end(); refused > 0 {
		t.Errorf("%d were refused", refused)
	}
}

// When a presence node dies, what it owned pauses, and is there again.
func TestPresenceNodeDies(t *testing.T) {
	t.Parallel()
	h := startPeople(t, people{presences: 3})
	c := h.crowd()
	time.Sleep(200 * time.Millisecond)
	for range 2 {
		h.presence[0].kill()
		h.presence = h.presence[1:]
		h.settled()
		time.Sleep(500 * time.Millisecond)
	}
	h.addPresence()
	time.Sleep(300 * time.Millisecond)
	c.end()
}

// While there is no presence node, sockets stay, new connections are welcome, and requests get Error 503. With
// the first that joins, everything is there again.
func TestNoPresenceNode(t *testing.T) {
	t.Parallel()
	h := startPeople(t, people{presences: 1})
	alice, bob, watcher := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "bob"), h.talk(h.gateway[1], "watcher")
	alice.do("CreateRoom", `{"room":"r","visibility":"private","members":["bob"]}`)
	bob.gets("event r joined bob 2")
	alice.do("SetPresence", `{"status":"busy"}`)
	watcher.do("WatchPresence", `{"users":["alice","bob","carol"]}`)
	h.presence[0].kill()
	for _, g := range h.gateway {
		h.eventually(func() bool { return g.PresenceReady() != nil })
	}
	carol := h.talk(h.gateway[0], "carol")
	for _, k := range []*talk{alice, carol} {
		for _, message := range []string{
			direct("bob", "1"), inRoom("r", "1"),
			say("CreateRoom", "1", `{"room":"s"}`), say("JoinRoom", "1", `{"room":"r"}`), say("LeaveRoom", "1", `{"room":"r"}`),
			say("AddMember", "1", `{"room":"r","user":"dave"}`), say("RemoveMember", "1", `{"room":"r","user":"bob"}`),
			say("DeleteRoom", "1", `{"room":"r"}`), say("RoomInfo", "1", `{"room":"r"}`),
			say("SetPresence", "1", `{"status":"away"}`), say("GetPresence", "1", `{"users":["bob"]}`),
			say("WatchPresence", "1", `{"users":["bob"]}`), say("UnwatchPresence", "1", `{"users":["bob"]}`),
		} {
			r, _ := k.ask(message)
			wantAway(t, r)
		}
		k.send(direct("bob", ""))
		wantAway(t, k.next())
	}
	h.addPresence()
	for _, g := range h.gateway {
		h.eventually(func() bool { return g.PresenceReady() == nil })
	}
	watcher.gets("presence carol online")
	h.eventually(func() bool { return alice.reply(direct("bob", "2")).Get("type").Str == "Ack" })
	bob.gets("direct alice 2")
	carol.acked(direct("alice", "3"))
	alice.gets("direct carol 3")
	alice.acked(inRoom("r", "4"))
	alice.gets("message r alice 4")
	bob.gets("message r alice 4")
	if r := carol.try("JoinRoom", `{"room":"r"}`); r.Get("data.code").Int() != 403 {
		t.Errorf("got %s", r.Raw)
	}
	alice.do("AddMember", `{"room":"r","user":"carol"}`)
	carol.gets("event r joined carol 3")
	wantPresence(t, bob.looks("alice"), `"alice" "busy" 1`)
	carol.do("SetPresence", `{"status":"away"}`)
	watcher.gets("presence carol away")
	watcher.nothing()
}

// A new connection is welcomed within seconds also while the owner of its user is dead and nobody knows, and it gets all
// that it would have got.
func TestWelcomeWhileOwnerDies(t *testing.T) {
	t.Parallel()
	h := startPeople(t, people{})
	alice := h.talk(h.gateway[0], "alice")
	var users []string
	for i := range 8 {
		user := fmt.Sprint("late", i)
		users = append(users, user)
		alice.acked(direct(user, "queued"))
	}
	alice.do("CreateRoom", `{"room":"r","durable":true,"members":["%s"]}`, strings.Join(users, `","`))
	h.presence[0].kill()
	opened := make(chan *ear)
	for i, user := range users {
		go func() {
			k := h.open(h.gateway[i%2], h.token(user))
			opened <- k.listen()
		}()
	}
	began := time.Now()
	var ears []*ear
	for range users {
		ears = append(ears, <-opened)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	for _, e := range ears {
		h.eventually(func() bool { return len(e.heard("DirectMessage")) > 0 })
	}
	say := alice.listen()
	for n, e := range ears {
		h.eventually(func() bool {
			say.reply(inRoom("r", strconv.Itoa(n)))
			return slices.ContainsFunc(e.heard("RoomMessage"), func(m gjson.Result) bool { return m.Get("data.payload").Str == strconv.Itoa(n) })
		})
	}
}

// While users come and go, and presence nodes as well, nobody loses a room, and what is queued comes.
func TestPeopleComeAndGo(t *testing.T) {
	h := startPeople(t, people{})
	const n = 6
	rooms := []string{"r0", "r1", "r2", "r3"}
	sender := h.talk(h.gateway[0], "sender")
	for _, room := range rooms {
		sender.do("JoinRoom", `{"room":%q}`, room)
	}
	stop := make(chan struct{})
	over := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	var wg sync.WaitGroup
	got := make([]map[string]bool, n)
	turns := 0
	for i := range n {
		got[i] = make(map[string]bool)
		user := "user" + strconv.Itoa(i)
		k := h.talk(h.gateway[i%2], user)
		for _, room := range rooms {
			k.do("JoinRoom", `{"room":%q}`, room)
		}
		k.bye()
		wg.Go(func() {
			for turn := i; !over(); turn++ {
				k := h.open(h.gateway[turn%2], h.token(user))
				if m := k.next(); names(m.Get("data.details.rooms")) != strings.Join(rooms, " ") {
					t.Errorf("%s was welcomed to %q", user, names(m.Get("data.details.rooms")))
				}
				time.Sleep(time.Duration(20+10*i) * time.Millisecond)
				list := k.lives()
				k.write(closing())
				rest, _ := k.end()
				for _, m := range append(list, rest...) {
					if m.Get("type").Str == "DirectMessage" {
						got[i][m.Get("data.payload").Str] = true
					}
				}
				if i == 0 {
					turns++
				}
			}
		})
	}
	refused, queued := 0, make([]map[string]bool, n)
	for i := range n {
		queued[i] = make(map[string]bool)
	}
	wg.Go(func() {
		for turn := 0; !over(); turn++ {
			i, id := turn%n, strconv.Itoa(turn)
			switch r := sender.reply(direct("user"+strconv.Itoa(i), id)); {
			case r.Get("data.status").Str == "queued":
				queued[i][id] = true
			case r.Get("data.code").Int() == 503: // it waited for the queue when its target's owner left
				refused++
			case r.Get("type").Str != "Ack":
				t.Errorf("got %s", r.Raw)
			}
			sender.passed = nil
		}
	})
	alive := slices.Clone(h.presence)
	for range 3 {
		alive = append(alive, h.addPresence())
		time.Sleep(300 * time.Millisecond)
		alive[0].stop()
		alive = alive[1:]
	}
	close(stop)
	wg.Wait()
	all := 0
	for i := range n {
		k := h.talk(h.gateway[0], "user"+strconv.Itoa(i))
		for id := range queued[i] {
			all++
			for !got[i][id] {
				m := k.take()
				got[i][m.Get("data.payload").Str] = true
			}
		}
	}
	t.Logf("%d turns, %d messages queued, %d refused", turns, all, refused)
	if turns < 10 || all < 10 || refused > 30 {
		t.Error("too few, or too many")
	}
}
