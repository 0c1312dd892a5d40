package gateway_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/presence"
)

func TestDirectMessages(t *testing.T) {
	h := startPeople(t, people{})
	t.Run("to every connection", func(t *testing.T) {
		h := h.in(t)
		var bobs []*talk
		for i := range 4 {
			bobs = append(bobs, h.talk(h.gateway[i%2], "bob"))
		}
		alice, other := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "alice")
		ack := alice.reply(direct("bob", "1"))
		if d := ack.Get("data"); ack.Get("type").Str != "Ack" || d.Get("status").Str != "delivered" ||
			d.Get("message_id").Str != "1" || d.Get("recipients").Int() != 4 {
			t.Errorf("got %s", ack.Raw)
		}
		for _, bob := range bobs {
			m := bob.take()
			if d := m.Get("data"); words(m) != "direct alice 1" || m.Get("id").Exists() || d.Get("metadata.message_id").Str != "1" ||
				d.Get("metadata.sent_at").Int() == 0 || d.Get("metadata.queued").Exists() {
				t.Errorf("got %s", m.Raw)
			}
		}
		bobs[0].bye()
		h.eventually(func() bool { return alice.reply(direct("bob", "n")).Get("data.recipients").Int() == 3 })
		alice.nothing()
		other.nothing()
	})
	t.Run("to oneself", func(t *testing.T) {
		h := h.in(t)
		k, other := h.talk(h.gateway[0], "self"), h.talk(h.gateway[1], "self")
		k.acked(direct("self", "1"))
		k.gets("direct self 1")
		other.gets("direct self 1")
	})
	t.Run("without an id", func(t *testing.T) {
		h := h.in(t)
		k, bob := h.talk(h.gateway[0], "quiet"), h.talk(h.gateway[1], "quiet's")
		k.send(say("DirectMessage", "", `{"target_user":"quiet's","payload":{"a" : [1, "\u00e4"]}}`), direct("quiet's", "2"))
		m := bob.take()
		if d := m.Get("data"); d.Get("payload").Raw != `{"a" : [1, "\u00e4"]}` || d.Get("metadata.message_id").Str == "" {
			t.Errorf("got %s", m.Raw)
		}
		bob.gets("direct quiet 2")
		if m := k.take(); m.Get("id").Str != "2" {
			t.Errorf("got %s", m.Raw)
		}
		k.nothing()
	})
	t.Run("in order", func(t *testing.T) {
		const n, senders = 300, 4
		h := h.in(t)
		bobs := []*talk{h.talk(h.gateway[0], "ordered"), h.talk(h.gateway[1], "ordered")}
		var wg sync.WaitGroup
		for s := range senders {
			k := h.talk(h.gateway[s%2], "sender"+strconv.Itoa(s))
			wg.Go(func() {
				for i := range n {
					k.send(direct("ordered", strconv.Itoa(i)))
				}
				for i := range n {
					if m := k.next(); m.Get("id").Str != strconv.Itoa(i) || m.Get("type").Str != "Ack" {
						t.Errorf("%d: got %s", i, m.Raw)
						return
					}
				}
			})
		}
		for _, bob := range bobs {
			next := make(map[string]int)
			for range n * senders {
				m := bob.take()
				from := m.Get("data.from_user").Str
				if m.Get("data.payload").Str != strconv.Itoa(next[from]) {
					t.Fatalf("got %s, want %d", m.Raw, next[from])
				}
				next[from]++
			}
			bob.nothing()
		}
		wg.Wait()
	})
	t.Run("while the target comes and goes", func(t *testing.T) {
		h := h.in(t)
		k := h.talk(h.gateway[0], "steady")
		stop, queued := make(chan struct{}), make(chan []int)
		go func() {
			var list []int
			for i := 0; ; i++ {
				select {
				case <-stop:
					queued <- list
					return
				default:
				}
				if k.reply(direct("comer", strconv.Itoa(i))).Get("data.status").Str == "queued" {
					list = append(list, i)
				}
			}
		}()
		// What goes to a connection that is ending may be lost; what was queued may not.
		got, last := make(map[int]bool), -1
		take := func(m gjson.Result) {
			i := int(m.Get("data.payload").Int())
			if m.Get("type").Str != "DirectMessage" || i <= last {
				t.Fatalf("got %s after %d", m.Raw, last)
			}
			got[i], last = true, i
		}
		for turn := range 40 {
			bob := h.talk(h.gateway[turn%2], "comer")
			for range 7 {
				take(bob.take())
			}
			bob.write(closing())
			rest, _ := bob.end()
			for _, m := range rest {
				take(m)
			}
		}
		close(stop)
		list := <-queued
		const end = 1 << 20
		bob := h.talk(h.gateway[0], "comer")
		for k.send(direct("comer", strconv.Itoa(end))); last < end; {
			take(bob.take())
		}
		for _, i := range list {
			if !got[i] {
				t.Errorf("%d was queued and did not come", i)
			}
		}
	})
}

// With queueing off the sender hears that the target is not there.
func TestQueueingOff(t *testing.T) {
	h := startPeople(t, people{gateways: 1, presences: 1, presence: func(c *presence.Config) { c.Queue = nil }})
	k := h.talk(h.gateway[0], "alice")
	check := func(message, id string) {
		t.Helper()
		k.send(message)
		r := k.next()
		if d := r.Get("data"); d.Get("code").Int() != 404 || r.Get("id").Str != id || !d.Get("details.queued").Exists() ||
			d.Get("details.queued").Bool() || d.Get("details.message_id").Str == "" || id != "" && d.Get("details.message_id").Str != id {
			t.Errorf("got %s", r.Raw)
		}
	}
	check(direct("nobody", "1"), "1")
	check(direct("nobody", ""), "")
	check(direct("nobody", "2"), "2")
}

// What the sender was told is delivered comes, however new the connection is.
func TestDirectToNewConnection(t *testing.T) {
	h := startPeople(t, people{gateways: 1, presences: 1, presence: func(c *presence.Config) { c.Queue = nil }})
	k := h.talk(h.gateway[0], "alice")
	for i := range 50 {
		name := fmt.Sprint("bob", i)
		opened := make(chan *talk)
		go func() { opened <- h.open(h.gateway[0], h.token(name)) }()
		var delivered []string
		for n := 0; len(delivered) < 3; n++ {
			id := strconv.Itoa(n)
			if k.reply(direct(name, id)).Get("type").Str == "Ack" {
				delivered = append(delivered, "direct alice "+id)
			}
		}
		bob := <-opened
		bob.gets("Status connected")
		bob.gets(delivered...)
		bob.bye()
	}
}
