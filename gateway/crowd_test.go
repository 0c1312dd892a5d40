package gateway_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

const (
	crowdUsers = 6
	crowdRooms = 4
)

// crowd is users who talk to each other and in rooms while presence nodes come and go.
type crowd struct {
	h       *harness
	ears    []*ear
	watcher *talk

	stop chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	acked   map[string]bool // guarded by mu: by id
	refused int             // guarded by mu
}

// crowd brings the users together.
func (h *harness) crowd() *crowd {
	h.t.Helper()
	c := &crowd{h: h, stop: make(chan struct{}), acked: make(map[string]bool), watcher: h.talk(h.gateway[0], "watcher")}
	var users []string
	for i := range crowdUsers {
		users = append(users, "user"+strconv.Itoa(i))
	}
	for i, user := range users {
		k := h.talk(h.gateway[i%len(h.gateway)], user)
		k.do("SetPresence", `{"status":"busy","message":"mood %d","metadata":{"n":%d}}`, i, i)
		for r := range crowdRooms {
			if i == 0 {
				k.do("CreateRoom", `{"room":"room%d","durable":%t}`, r, r%2 == 1)
				continue
			}
			k.do("JoinRoom", `{"room":"room%d"}`, r)
		}
		switch i {
		case 0:
			k.do("CreateRoom", `{"room":"secret","visibility":"private","capacity":4,"metadata":{"a":1},"members":["user1","user2"]}`)
		case 2: // remains invited
			k.do("LeaveRoom", `{"room":"secret"}`)
		}
		c.ears = append(c.ears, k.listen())
	}
	c.watcher.do("WatchPresence", `{"users":["%s"]}`, strings.Join(users, `","`))
	h.eventually(func() bool { // all have heard of all
		for i, e := range c.ears {
			if len(e.heard("RoomEvent")) < crowdRooms*(crowdUsers-1-i) {
				return false
			}
		}
		return true
	})
	time.Sleep(50 * time.Millisecond)
	for _, e := range c.ears {
		e.mu.Lock()
		e.got = nil
		e.mu.Unlock()
	}
	for i := range c.ears {
		c.wg.Go(func() { c.talk(i) })
	}
	return c
}

// talk has a user say something to the next one, and in a room, time after time.
func (c *crowd) talk(i int) {
	for n := 0; ; n++ {
		select {
		case <-c.stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		id := fmt.Sprintf("d%d %d", i, n)
		c.note(id, c.ears[i].reply(direct("user"+strconv.Itoa((i+1)%crowdUsers), id)))
		id = fmt.Sprintf("r%d %d", i, n)
		c.note(id, c.ears[i].reply(inRoom(fmt.Sprint("room", n%crowdRooms), id)))
	}
}

func (c *crowd) note(id string, reply gjson.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case reply.Get("type").Str == "Ack":
		c.acked[id] = true
	case reply.Get("data.code").Int() == 503:
		c.refused++
	default:
		c.h.t.Errorf("%s: got %s", id, reply.Raw)
	}
}

// end stops the talking and sees to it that what was acked has arrived once, in order; it returns how many
// were refused.
func (c *crowd) end() int {
	t := c.h.t
	t.Helper()
	close(c.stop)
	c.wg.Wait()
	time.Sleep(200 * time.Millisecond)
	rooms := make([][]string, crowdRooms) // by room: what was acked, in the order of the first member
	for i, e := range c.ears {
		last := make(map[string]int) // by kind and sender
		seen := make(map[string]bool)
		mine := make([][]string, crowdRooms)
		for _, m := range append(e.heard("DirectMessage"), e.heard("RoomMessage")...) {
			id := m.Get("data.payload").Str
			from, number, _ := strings.Cut(id, " ")
			n, _ := strconv.Atoi(number)
			if seen[id] {
				t.Errorf("user %d got %s twice", i, id)
			}
			seen[id] = true
			if before, ok := last[from]; ok && n < before && from[0] == 'd' {
				t.Errorf("user %d got %s after %d", i, id, before)
			}
			last[from] = n
			if from[0] == 'r' && c.acked[id] {
				mine[n%crowdRooms] = append(mine[n%crowdRooms], id)
			}
		}
		missing := 0
		for id := range c.acked {
			ours := id[0] == 'r' || strings.HasPrefix(id, fmt.Sprintf("d%d ", (i+crowdUsers-1)%crowdUsers))
			if ours && !seen[id] {
				if missing++; missing < 4 {
					t.Errorf("user %d did not get %s", i, id)
				}
			}
		}
		for r := range mine {
			if i == 0 {
				rooms[r] = mine[r]
			} else if !slices.Equal(rooms[r], mine[r]) {
				t.Errorf("user %d got room %d in another order", i, r)
			}
		}
		if events := e.heard("RoomEvent"); len(events) > 0 {
			t.Errorf("user %d got %s", i, events[0].Raw)
		}
	}
	t.Logf("%d acked, %d refused", len(c.acked), c.refused)
	if len(c.acked) < 100 {
		t.Errorf("%d acked", len(c.acked))
	}
	c.same()
	return c.refused
}

// same sees to it that moods, memberships and watchers are what they were.
func (c *crowd) same() {
	t, k := c.h.t, c.watcher
	t.Helper()
	for i := range crowdUsers {
		wantPresence(t, k.looks("user"+strconv.Itoa(i)), fmt.Sprintf(`"user%d" "busy" 1 "mood %d" {"n":%d}`, i, i, i))
	}
	k.nothing()
	for r := range crowdRooms {
		info := k.do("RoomInfo", `{"room":"room%d"}`, r)
		if d := info.Get("data"); d.Get("owner").Str != "user0" || d.Get("member_count").Int() != crowdUsers || len(d.Get("members").Array()) != crowdUsers {
			t.Errorf("got %s", info.Raw)
		}
	}
	if r := k.try("JoinRoom", `{"room":"secret"}`); r.Get("data.code").Int() != 403 {
		t.Errorf("got %s", r.Raw)
	}
	info := c.ears[0].reply(say("RoomInfo", "info", `{"room":"secret"}`))
	if d := info.Get("data"); d.Get("owner").Str != "user0" || d.Get("visibility").Str != "private" || d.Get("capacity").Int() != 4 ||
		d.Get("metadata").Raw != `{"a":1}` || names(d.Get("members.#.user_id")) != "user0 user1" {
		t.Errorf("got %s", info.Raw)
	}
	invited := c.ears[2]
	for _, kind := range []string{"JoinRoom", "LeaveRoom"} {
		if r := invited.reply(say(kind, kind, `{"room":"secret"}`)); r.Get("type").Str != "Status" {
			t.Errorf("%s: got %s", kind, r.Raw)
		}
	}
	for i, e := range c.ears {
		if r := e.reply(say("SetPresence", "s", `{"status":"away"}`)); r.Get("type").Str != "Status" {
			t.Errorf("got %s", r.Raw)
		}
		k.gets(fmt.Sprintf("presence user%d away", i))
		e.reply(say("SetPresence", "s", fmt.Sprintf(`{"status":"busy","message":"mood %d","metadata":{"n":%d}}`, i, i)))
		k.gets(fmt.Sprintf("presence user%d busy mood %d", i, i))
	}
}
