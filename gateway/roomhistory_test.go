package gateway_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/tidwall/gjson"
)

func numberedIn(room string, n int) string {
	return say("RoomMessage", fmt.Sprint("m", n), fmt.Sprintf(`{"room":%q,"payload":%d}`, room, n))
}

// tellRoom has messages of a room stored, and returns the epoch.
func (k *talk) tellRoom(room string, from, to int) (epoch string) {
	k.t.Helper()
	for n := from; n <= to; n++ {
		ack := k.reply(numberedIn(room, n))
		if ack.Get("data.status").Str != "stored" || ack.Get("data.offset").Int() != int64(n) || ack.Get("data.duplicate").Bool() {
			k.t.Fatalf("message %d was answered %s", n, ack.Raw)
		}
		epoch = ack.Get("data.epoch").Str
	}
	return epoch
}

// hearsIn takes the messages of a room with history from one offset to another, and nothing else but its events.
func (k *talk) hearsIn(room string, from, to int) {
	k.t.Helper()
	for n := from; n <= to; {
		m := k.take()
		if m.Get("type").Str == "RoomEvent" {
			continue
		}
		if m.Get("type").Str != "RoomMessage" || m.Get("data.room").Str != room || m.Get("data.payload").Int() != int64(n) ||
			m.Get("data.metadata.offset").Int() != int64(n) {
			k.t.Fatalf("instead of message %d came %s", n, m.Raw)
		}
		n++
	}
}

func (k *talk) historyOf(room, more string) gjson.Result {
	k.t.Helper()
	return k.try("History", fmt.Sprintf(`{"room":%q%s}`, room, more))
}

func TestRoomHistory(t *testing.T) {
	h := startPeople(t, people{policy: kept()})
	alice, bob, carol := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "bob"), h.talk(h.gateway[0], "carol")
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprint("durable ", durable), func(t *testing.T) {
			room := fmt.Sprint("h.", durable)
			alice.t, bob.t, carol.t = t, t, t
			alice.do("CreateRoom", `{"room":%q,"durable":%v,"members":["bob"]}`, room, durable)
			bob.gets(fmt.Sprintf("event %s joined bob 2", room))
			bob.tellRoom(room, 1, 20)
			alice.hearsIn(room, 1, 20)
			bob.hearsIn(room, 1, 20)

			ack := bob.reply(numberedIn(room, 20))
			if d := ack.Get("data"); !d.Get("duplicate").Bool() || d.Get("offset").Int() != 20 || d.Get("status").Str != "stored" ||
				d.Get("recipients").Int() != 2 || d.Get("room").Str != room {
				t.Fatalf("a duplicate was answered %s", ack.Raw)
			}
			epoch := alice.tellRoom(room, 21, 21)
			alice.hearsIn(room, 21, 21)
			bob.hearsIn(room, 21, 21)

			page := bob.historyOf(room, `,"limit":5`)
			if d := page.Get("data"); page.Get("type").Str != "History" || d.Get("room").Str != room || d.Get("publications.#").Int() != 5 ||
				d.Get("publications.0.payload").Int() != 1 || d.Get("complete").Bool() || d.Get("offset").Int() != 21 {
				t.Fatalf("history is %s", page.Raw)
			}
			page = bob.historyOf(room, `,"limit":5,"reverse":true`)
			if d := page.Get("data"); d.Get("publications.#").Int() != 5 || d.Get("publications.0.payload").Int() != 21 || d.Get("complete").Bool() {
				t.Fatalf("reverse history is %s", page.Raw)
			}
			page = bob.historyOf(room, fmt.Sprintf(`,"since":{"offset":19,"epoch":%q}`, epoch))
			if d := page.Get("data"); d.Get("publications.#").Int() != 2 || d.Get("publications.0.room").Str != room || !d.Get("complete").Bool() {
				t.Fatalf("history is %s", page.Raw)
			}

			if r := carol.historyOf(room, ""); r.Get("data.code").Int() != 403 {
				t.Errorf("one who is no member was answered %s", r.Raw)
			}
			carol.do("JoinRoom", `{"room":%q}`, room)
			alice.tellRoom(room, 22, 22)
			carol.hearsIn(room, 22, 22)
			if r := carol.historyOf(room, ""); r.Get("data.publications.#").Int() != 22 || !r.Get("data.complete").Bool() {
				t.Errorf("a member was answered %s", r.Raw)
			}
			alice.do("RemoveMember", `{"room":%q,"user":"carol"}`, room)
			if r := carol.historyOf(room, ""); r.Get("data.code").Int() != 403 {
				t.Errorf("one who was removed was answered %s", r.Raw)
			}
			carol.lives()
			carol.passed = nil

			// A room of the same name has nothing of it.
			alice.do("DeleteRoom", `{"room":%q}`, room)
			if r := bob.historyOf(room, ""); r.Get("data.code").Int() != 404 {
				t.Errorf("of a room that is deleted: %s", r.Raw)
			}
			bob.passed, alice.passed = nil, nil
			carol.do("CreateRoom", `{"room":%q,"durable":%v}`, room, durable)
			page = carol.historyOf(room, "")
			if d := page.Get("data"); d.Get("publications.#").Int() != 0 || d.Get("offset").Int() != 0 || !d.Get("complete").Bool() {
				t.Errorf("the history of a new room is %s", page.Raw)
			}
			if next := carol.tellRoom(room, 1, 3); next == epoch {
				t.Error("the numbering of a new room is that of the old one")
			}
			carol.hearsIn(room, 1, 3)
			page = carol.historyOf(room, fmt.Sprintf(`,"since":{"offset":2,"epoch":%q}`, epoch))
			if d := page.Get("data"); d.Get("publications.#").Int() != 3 || d.Get("complete").Bool() {
				t.Errorf("since a position of the old room: %s", page.Raw)
			}
			carol.do("DeleteRoom", `{"room":%q}`, room)
			for _, k := range []*talk{alice, bob, carol} {
				k.lives()
				k.passed = nil
			}
		})
	}
	alice.t = t
	alice.do("CreateRoom", `{"room":"plain"}`)
	if r := alice.historyOf("plain", ""); r.Get("data.code").Int() != 404 {
		t.Errorf("of a room without history: %s", r.Raw)
	}
	if ack := alice.reply(numberedIn("plain", 1)); ack.Get("data.status").Str != "accepted" {
		t.Errorf("got %s", ack.Raw)
	}
	if r := alice.historyOf("h.none", ""); r.Get("data.code").Int() != 404 {
		t.Errorf("of a room that is not there: %s", r.Raw)
	}
}

// What one connection sends takes effect in order, although its messages have to be stored.
func TestRoomHistoryKeepsOrder(t *testing.T) {
	h := startPeople(t, people{policy: kept()})
	alice, bob := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "bob")
	for _, durable := range []bool{false, true} {
		room := fmt.Sprint("h.order.", durable)
		alice.do("CreateRoom", `{"room":%q,"durable":%v}`, room, durable)
		for round := range 20 {
			in := fmt.Sprintf(`{"room":%q}`, room)
			var frames []string
			frames = append(frames, say("JoinRoom", "j", in))
			for i := range 5 {
				frames = append(frames, say("RoomMessage", strconv.Itoa(round*5+i), fmt.Sprintf(`{"room":%q,"payload":"x"}`, room)))
			}
			frames = append(frames, say("RoomInfo", "i", in), say("History", "h", in), say("LeaveRoom", "l", in), say("RoomMessage", "late", fmt.Sprintf(`{"room":%q,"payload":"x"}`, room)))
			bob.send(frames...)
			var answers []string
			heard := 0
			for len(answers) < len(frames) {
				switch m := bob.take(); {
				case m.Get("type").Str == "RoomMessage":
					heard++
				case m.Get("id").Exists():
					answers = append(answers, fmt.Sprint(m.Get("id").Str, " ", m.Get("type").Str, " ", m.Get("data.code").Int(), " ", m.Get("data.member_count").Int()))
				}
			}
			want := []string{"j Status 0 0"}
			for i := range 5 {
				want = append(want, fmt.Sprint(round*5+i, " Ack 0 0"))
			}
			want = append(want, "i Room 0 2", "h History 0 0", "l Status 0 0", "late Error 403 0")
			for i, w := range want {
				// A History may have to be read from JetStream, and RoomInfo asks the owners of the members.
				if answers[i] != w && (i < 6 || i == len(want)-1) {
					t.Fatalf("answered %q, want %q", answers, want)
				}
			}
			if heard != 5 {
				t.Fatalf("heard %d messages before it left, want 5", heard)
			}
		}
	}
}

// Messages go on while owners come, leave and die: none is lost to a member, none comes twice.
func TestRoomHistoryOutlivesItsOwners(t *testing.T) {
	h := startPeople(t, people{policy: kept()})
	rooms := []string{"h.a", "h.b", "h.c", "h.d", "h.e", "h.f"}
	writer, reader, idle := h.talk(h.gateway[0], "w"), h.talk(h.gateway[1], "r"), h.talk(h.gateway[1], "idle")
	for i, room := range rooms {
		writer.do("CreateRoom", `{"room":%q,"durable":%v,"members":["r","idle"]}`, room, i%2 == 0)
	}
	n := 0
	say := func(count int) {
		t.Helper()
		for range count {
			n++
			for _, room := range rooms {
				h.eventually(func() bool { // whoever gets Error 503 sends again
					ack := writer.reply(numberedIn(room, n))
					if ack.Get("type").Str == "Ack" && ack.Get("data.offset").Int() != int64(n) {
						t.Fatalf("message %d was answered %s", n, ack.Raw)
					}
					return ack.Get("type").Str == "Ack"
				})
			}
		}
	}
	say(3)
	h.addPresence()
	say(3)
	h.presence[0].stop()
	say(3)
	h.presence[1].kill()
	say(3)
	h.addPresence()
	say(3)
	for name, k := range map[string]*talk{"writer": writer, "reader": reader, "idle": idle} {
		got := make(map[string]int)
		for total := 0; total < n*len(rooms); {
			m := k.take()
			if m.Get("type").Str != "RoomMessage" {
				if m.Get("data.status").Str == "history_gap" {
					t.Fatalf("%s: %s", name, m.Raw)
				}
				continue
			}
			room := m.Get("data.room").Str
			if got[room]++; int(m.Get("data.metadata.offset").Int()) != got[room] {
				t.Fatalf("%s of %s: instead of %d came %s", name, room, got[room], m.Raw)
			}
			total++
		}
		k.lives()
		if len(k.passed) > 0 {
			t.Errorf("%s: then came %s", name, k.passed[0].Raw)
		}
	}
	for _, room := range rooms {
		if r := idle.historyOf(room, ""); int(r.Get("data.publications.#").Int()) != n || !r.Get("data.complete").Bool() {
			t.Errorf("the history of %s is %s", room, r.Raw)
		}
	}
}

// Many write at once while owners change: every Ack is true, and every member has all in the order of the offsets.
func TestRoomHistoryUnderLoad(t *testing.T) {
	h := startPeople(t, people{policy: kept()})
	const room, writers, each = "h.load", 4, 60
	reader := h.talk(h.gateway[1], "r")
	reader.do("CreateRoom", `{"room":%q}`, room)
	var mu sync.Mutex
	acked := make(map[int64]string)
	var wg sync.WaitGroup
	for w := range writers {
		k := h.talk(h.gateway[w%2], fmt.Sprint("w", w))
		k.do("JoinRoom", `{"room":%q}`, room)
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprint("w", w, "-", i)
				for {
					ack, _ := k.ask(say("RoomMessage", id, fmt.Sprintf(`{"room":%q,"payload":%q}`, room, id)))
					if ack.Get("type").Str == "Ack" {
						mu.Lock()
						acked[ack.Get("data.offset").Int()] = id
						mu.Unlock()
						break
					}
				}
			}
		})
	}
	h.addPresence()
	h.presence[0].stop()
	h.presence[1].kill()
	wg.Wait()
	if len(acked) != writers*each {
		t.Errorf("%d offsets were acked, want %d", len(acked), writers*each)
	}
	for n := int64(1); n <= writers*each; {
		m := reader.take()
		if m.Get("type").Str != "RoomMessage" {
			continue
		}
		if m.Get("data.metadata.offset").Int() != n || m.Get("data.payload").Str != acked[n] {
			t.Fatalf("instead of %d, %s, came %s", n, acked[n], m.Raw)
		}
		n++
	}
}
