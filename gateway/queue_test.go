package gateway_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/gobwas/ws"
	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/store"
)

func TestQueuedMessages(t *testing.T) {
	h := startPeople(t, people{limits: store.Limits{MaxCount: 200, MaxBytes: 1 << 20, TTL: time.Hour}})
	// queue sends direct messages to one who is away.
	queue := func(k *talk, to string, n int) (want []string) {
		k.t.Helper()
		for i := range n {
			id := fmt.Sprint(i)
			ack := k.reply(direct(to, id))
			if d := ack.Get("data"); ack.Get("type").Str != "Ack" || d.Get("status").Str != "queued" || d.Get("message_id").Str != id || d.Get("recipients").Exists() {
				k.t.Fatalf("got %s", ack.Raw)
			}
			want = append(want, fmt.Sprintf("direct %s %s queued", k.user, id))
		}
		return want
	}
	t.Run("once, in order", func(t *testing.T) {
		for _, n := range []int{1, 3, 200} { // of which the last is several pages
			h := h.in(t)
			to := fmt.Sprint("waits", n)
			alice := h.talk(h.gateway[0], "alice")
			want := queue(alice, to, n)
			bob := h.talk(h.gateway[1], to)
			bob.gets(want...)
			bob.lives()
			alice.acked(direct(to, "live"))
			bob.gets("direct alice live")
			bob.bye()
			again := h.talk(h.gateway[0], to)
			h.eventually(func() bool { return alice.reply(direct(to, "end")).Get("data.status").Str == "delivered" })
			again.gets("direct alice end")
			again.nothing()
		}
	})
	t.Run("without an id", func(t *testing.T) {
		h := h.in(t)
		alice := h.talk(h.gateway[0], "alice")
		alice.send(direct("silent", ""), direct("silent", ""))
		alice.acked(direct("silent", "1"))
		bob := h.talk(h.gateway[1], "silent")
		first, second := bob.take(), bob.take()
		a, b := first.Get("data.metadata.message_id").Str, second.Get("data.metadata.message_id").Str
		if a == "" || a == b || !first.Get("data.metadata.queued").Bool() {
			t.Errorf("got %s and %s", first.Raw, second.Raw)
		}
		bob.gets("direct alice 1 queued")
		alice.nothing()
	})
	t.Run("several come at once", func(t *testing.T) {
		h := h.in(t)
		alice := h.talk(h.gateway[0], "alice")
		want := queue(alice, "both", 5)
		k, other := h.open(h.gateway[0], h.token("both")), h.open(h.gateway[1], h.token("both"))
		got := make(chan []string)
		for _, k := range []*talk{k, other} {
			go func() {
				var list []string
				for k.gets("Status connected"); ; {
					m := words(k.take())
					if list = append(list, m); m == "direct alice end" {
						break
					}
				}
				got <- list
			}()
		}
		h.eventually(func() bool { return alice.reply(direct("both", "n")).Get("data.recipients").Int() == 2 })
		alice.acked(direct("both", "end"))
		found := 0
		for range 2 {
			var queued []string
			for _, m := range <-got {
				if strings.HasSuffix(m, "queued") {
					queued = append(queued, m)
				}
			}
			if len(queued) > 0 && fmt.Sprint(queued) != fmt.Sprint(want) {
				t.Errorf("got %q", queued)
			}
			found += len(queued)
		}
		if found != len(want) {
			t.Errorf("%d came, of %d", found, len(want))
		}
	})
	t.Run("again when it was not read", func(t *testing.T) {
		h := h.in(t)
		alice := h.talk(h.gateway[0], "alice")
		want := queue(alice, "reset", 3)
		for i := range 3 {
			dead := h.open(h.gateway[i%2], h.token("reset"))
			for n := 0; n < 4; { // the welcome, and what waited: no ping is answered
				f, err := dead.read()
				if err != nil {
					t.Fatal(err)
				}
				if f.Header.OpCode == ws.OpText {
					n++
				}
			}
			if err := dead.conn.(*net.TCPConn).SetLinger(0); err != nil {
				t.Fatal(err)
			}
			_ = dead.conn.Close()
			h.eventually(func() bool {
				r := alice.do("GetPresence", `{"users":["reset"]}`)
				return r.Get("data.users.0.status").Str == "offline"
			})
		}
		bob := h.talk(h.gateway[0], "reset")
		bob.gets(want...)
		bob.bye()
		bob = h.talk(h.gateway[1], "reset")
		alice.acked(direct("reset", "live"))
		bob.gets("direct alice live")
	})
	t.Run("who answers no ping holds nobody up", func(t *testing.T) {
		t.Parallel()
		h := h.in(t)
		alice := h.talk(h.gateway[0], "alice")
		want := queue(alice, "mute", 3)
		mute := h.open(h.gateway[0], h.token("mute"))
		if r := alice.reply(direct("mute", "live")); r.Get("data.status").Str != "delivered" {
			t.Errorf("got %s", r.Raw)
		}
		var got []string
		for len(got) < 5 {
			f, err := mute.read()
			if err != nil {
				t.Fatal(err)
			}
			if f.Header.OpCode == ws.OpText {
				got = append(got, words(gjson.ParseBytes(f.Payload)))
			}
		}
		if fmt.Sprint(got[1:]) != fmt.Sprint(append(want, "direct alice live")) {
			t.Errorf("got %q", got)
		}
		bob := h.talk(h.gateway[1], "mute") // nobody knows whether the other has them
		bob.gets(want...)
	})
	t.Run("full", func(t *testing.T) {
		h := h.in(t)
		alice := h.talk(h.gateway[0], "alice")
		want := queue(alice, "full", 200)
		r := alice.reply(direct("full", "over"))
		if d := r.Get("data"); d.Get("code").Int() != 429 || d.Get("details.limit").Str == "" || d.Get("details.retry_after_ms").Int() <= 0 {
			t.Errorf("got %s", r.Raw)
		}
		alice.send(direct("full", ""))
		if r := alice.take(); r.Get("data.code").Int() != 429 || r.Get("id").Exists() {
			t.Errorf("got %s", r.Raw)
		}
		bob := h.talk(h.gateway[1], "full")
		bob.gets(want...)
		bob.bye()
		h.eventually(func() bool { return alice.reply(direct("full", "room again")).Get("data.status").Str == "queued" })
	})
	t.Run("live ones stay behind", func(t *testing.T) {
		h := h.in(t)
		alice := h.talk(h.gateway[0], "alice")
		for turn := range 10 {
			to := fmt.Sprint("behind", turn)
			queue(alice, to, 100)
			last := -1
			opened := make(chan *talk)
			go func() { opened <- h.open(h.gateway[turn%2], h.token(to)) }()
			for i := range 50 {
				alice.send(direct(to, strconv.Itoa(100+i)))
			}
			bob := <-opened
			for bob.gets("Status connected"); last < 149; {
				m := bob.take()
				if i := int(m.Get("data.payload").Int()); i != last+1 {
					t.Fatalf("got %s after %d", m.Raw, last)
				}
				last++
			}
			for range 50 {
				if m := alice.take(); m.Get("type").Str != "Ack" {
					t.Fatalf("got %s", m.Raw)
				}
			}
			bob.nothing()
		}
	})
}

// While the store is away, messages to those who are there go their way; to others there is Error 503.
// When it is back, what was queued before comes, also to those who came meanwhile.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	redis := miniredis.NewMiniRedis()
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Close)
	h := startPeople(t, people{redis: "redis://" + redis.Addr()})
	alice, there := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "there")
	alice.acked(direct("absent", "1"), direct("other", "1"))
	redis.Close()
	for i := range 5 {
		began := time.Now()
		r := alice.reply(direct("absent", "away"))
		if d := r.Get("data"); d.Get("code").Int() != 503 || d.Get("details.message_id").Str != "away" || !d.Get("details.queued").Exists() ||
			d.Get("details.queued").Bool() || d.Get("details.retry_after_ms").Int() <= 0 {
			t.Errorf("got %s", r.Raw)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("an answer took %v", took)
		}
		id := strconv.Itoa(i)
		if r := alice.reply(direct("there", id)); r.Get("data.status").Str != "delivered" {
			t.Errorf("got %s", r.Raw)
		}
		there.gets("direct alice " + id)
	}
	late := h.talk(h.gateway[1], "absent") // who comes now is let in, and hears what is said now
	if r := alice.reply(direct("absent", "2")); r.Get("data.status").Str != "delivered" {
		t.Errorf("got %s", r.Raw)
	}
	late.gets("direct alice 2")
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	late.gets("direct alice 1 queued")
	h.eventually(func() bool { return alice.reply(direct("other", "2")).Get("data.status").Str == "queued" })
	other := h.talk(h.gateway[0], "other")
	other.gets("direct alice 1 queued", "direct alice 2 queued")
	late.nothing()
	there.nothing()
}
