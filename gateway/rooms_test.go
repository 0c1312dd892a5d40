package gateway_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRooms(t *testing.T) {
	h := startPeople(t, people{})
	t.Run("a life", func(t *testing.T) {
		h := h.in(t)
		alice, bob, carol := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "bob"), h.talk(h.gateway[0], "carol")
		r := alice.do("CreateRoom", `{"room":"a.room","metadata":{"topic" : "Ö"}}`)
		if d := r.Get("data"); d.Get("status").Str != "room_created" || d.Get("details.room").Str != "a.room" ||
			d.Get("details.member_count").Int() != 1 || d.Get("details.owner").Str != "alice" {
			t.Errorf("got %s", r.Raw)
		}
		r = bob.do("JoinRoom", `{"room":"a.room"}`)
		if d := r.Get("data"); d.Get("status").Str != "joined" || d.Get("details.room").Str != "a.room" ||
			d.Get("details.member_count").Int() != 2 || d.Get("details.owner").Str != "alice" {
			t.Errorf("got %s", r.Raw)
		}
		alice.gets("event a.room joined bob 2")
		carol.do("JoinRoom", `{"room":"a.room"}`)
		alice.gets("event a.room joined carol 3")
		bob.gets("event a.room joined carol 3")
		ack := bob.reply(inRoom("a.room", "1"))
		if d := ack.Get("data"); ack.Get("type").Str != "Ack" || d.Get("message_id").Str != "1" || d.Get("room").Str != "a.room" ||
			d.Get("status").Str != "accepted" || d.Get("recipients").Int() != 3 {
			t.Errorf("got %s", ack.Raw)
		}
		for _, k := range []*talk{alice, bob, carol} {
			m := k.take()
			if d := m.Get("data"); words(m) != "message a.room bob 1" || d.Get("metadata.message_id").Str != "1" || d.Get("metadata.sent_at").Int() == 0 {
				t.Errorf("got %s", m.Raw)
			}
		}
		r = carol.do("RoomInfo", `{"room":"a.room"}`)
		if d := r.Get("data"); r.Get("type").Str != "Room" || d.Get("room").Str != "a.room" || d.Get("owner").Str != "alice" ||
			d.Get("visibility").Str != "public" || d.Get("member_count").Int() != 3 || d.Get("metadata").Raw != `{"topic" : "Ö"}` ||
			names(d.Get("members.#.user_id")) != "alice bob carol" || names(d.Get("members.#.status")) != "online online online" || d.Get("next").Exists() {
			t.Errorf("got %s", r.Raw)
		}
		r = carol.do("LeaveRoom", `{"room":"a.room"}`)
		if d := r.Get("data"); d.Get("status").Str != "left" || d.Get("details.room").Str != "a.room" {
			t.Errorf("got %s", r.Raw)
		}
		for _, k := range []*talk{alice, bob} {
			k.gets("event a.room left carol 2")
		}
		r = alice.do("DeleteRoom", `{"room":"a.room"}`)
		if d := r.Get("data"); d.Get("status").Str != "room_deleted" {
			t.Errorf("got %s", r.Raw)
		}
		alice.gets("event a.room deleted alice 2")
		bob.gets("event a.room deleted alice 2")
		if r := bob.reply(inRoom("a.room", "2")); r.Get("data.code").Int() != 404 {
			t.Errorf("got %s", r.Raw)
		}
		for _, k := range []*talk{alice, bob, carol} {
			k.nothing()
		}
	})
	t.Run("joined is made", func(t *testing.T) {
		h := h.in(t)
		k, other := h.talk(h.gateway[0], "maker"), h.talk(h.gateway[1], "second")
		if r := k.do("JoinRoom", `{"room":"made"}`); r.Get("data.details.owner").Str != "maker" {
			t.Errorf("got %s", r.Raw)
		}
		if r := other.do("JoinRoom", `{"room":"made","create":false}`); r.Get("data.details.owner").Str != "maker" {
			t.Errorf("got %s", r.Raw)
		}
		if r := k.do("JoinRoom", `{"room":"made"}`); r.Get("data.details.member_count").Int() != 2 {
			t.Errorf("joined again: %s", r.Raw)
		}
		k.gets("event made joined second 2")
		other.nothing()
		// It ends with its last member.
		k.do("LeaveRoom", `{"room":"made"}`)
		other.gets("event made left maker 1")
		other.do("LeaveRoom", `{"room":"made"}`)
		if r := other.try("RoomInfo", `{"room":"made"}`); r.Get("data.code").Int() != 404 {
			t.Errorf("got %s", r.Raw)
		}
	})
	t.Run("private", func(t *testing.T) {
		h := h.in(t)
		owner, in, out := h.talk(h.gateway[0], "p-owner"), h.talk(h.gateway[1], "p-in"), h.talk(h.gateway[1], "p-out")
		owner.do("CreateRoom", `{"room":"p","visibility":"private","members":["p-in"]}`)
		in.gets("event p joined p-in 2")
		forbidden := func(k *talk, kind, data string) {
			t.Helper()
			if r := k.try(kind, data); r.Get("data.code").Int() != 403 {
				t.Errorf("%s %s: %s", kind, data, r.Raw)
			}
		}
		forbidden(out, "JoinRoom", `{"room":"p"}`)
		forbidden(out, "RoomInfo", `{"room":"p"}`)
		forbidden(out, "RoomMessage", `{"room":"p","payload":1}`)
		if r := in.do("RoomInfo", `{"room":"p"}`); r.Get("data.visibility").Str != "private" {
			t.Errorf("got %s", r.Raw)
		}
		// Who has left may come back; who was removed may not.
		in.do("LeaveRoom", `{"room":"p"}`)
		in.do("JoinRoom", `{"room":"p"}`)
		owner.gets("event p left p-in 1", "event p joined p-in 2")
		owner.do("RemoveMember", `{"room":"p","user":"p-in"}`)
		owner.gets("event p removed p-in 1")
		in.gets("event p removed p-in 1")
		forbidden(in, "JoinRoom", `{"room":"p"}`)
		owner.do("AddMember", `{"room":"p","user":"p-in"}`)
		in.do("JoinRoom", `{"room":"p"}`)
		// The owner may leave, and is the owner still.
		owner.do("LeaveRoom", `{"room":"p"}`)
		owner.do("AddMember", `{"room":"p","user":"p-out"}`)
		out.do("RoomInfo", `{"room":"p"}`)
		owner.do("JoinRoom", `{"room":"p"}`)
	})
	t.Run("capacity", func(t *testing.T) {
		h := h.in(t)
		owner, second, third := h.talk(h.gateway[0], "c1"), h.talk(h.gateway[1], "c2"), h.talk(h.gateway[1], "c3")
		owner.do("CreateRoom", `{"room":"c","capacity":2}`)
		second.do("JoinRoom", `{"room":"c"}`)
		for k, data := range map[*talk]string{third: `{"room":"c"}`, owner: `{"room":"c","user":"c3"}`} {
			kind := "JoinRoom"
			if k == owner {
				kind = "AddMember"
			}
			if r := k.try(kind, data); r.Get("data.code").Int() != 409 {
				t.Errorf("%s: %s", kind, r.Raw)
			}
		}
		second.do("JoinRoom", `{"room":"c"}`) // it is in already
		owner.do("AddMember", `{"room":"c","user":"c2"}`)
		second.do("LeaveRoom", `{"room":"c"}`)
		third.do("JoinRoom", `{"room":"c"}`)
		if r := owner.do("RoomInfo", `{"room":"c"}`); r.Get("data.capacity").Int() != 2 || r.Get("data.member_count").Int() != 2 {
			t.Errorf("got %s", r.Raw)
		}
	})
	t.Run("paging", func(t *testing.T) {
		h := h.in(t)
		k := h.talk(h.gateway[0], "page owner")
		var all []string
		for i := range 100 {
			all = append(all, fmt.Sprintf("page %03d", (i*37)%100))
		}
		k.do("CreateRoom", `{"room":"pages","members":["%s"]}`, strings.Join(all, `","`))
		for i := range 30 {
			all = append(all, "page +"+strconv.Itoa(i))
			k.do("AddMember", `{"room":"pages","user":%q}`, all[len(all)-1])
		}
		all = append(all, "page owner")
		slices.Sort(all)
		for _, limit := range []int{1, 7, 100, 0} {
			var got []string
			more := ""
			for pages := 0; ; pages++ {
				data := fmt.Sprintf(`{"room":"pages","after":%q}`, more)
				if limit > 0 {
					data = fmt.Sprintf(`{"room":"pages","after":%q,"limit":%d}`, more, limit)
				}
				r := k.do("RoomInfo", "%s", data)
				members := r.Get("data.members").Array()
				if len(members) > 100 || limit > 0 && len(members) > limit || r.Get("data.member_count").Int() != int64(len(all)) {
					t.Fatalf("limit %d: %s", limit, r.Raw)
				}
				for _, m := range members {
					got = append(got, m.Get("user_id").Str)
					want := "offline"
					if m.Get("user_id").Str == "page owner" {
						want = "online"
					}
					if m.Get("status").Str != want {
						t.Errorf("got %s", m.Raw)
					}
				}
				if more = r.Get("data.next").Str; more == "" {
					break
				}
				if pages > len(all) {
					t.Fatalf("limit %d: no end", limit)
				}
			}
			if !slices.Equal(got, all) {
				t.Errorf("limit %d: got %q", limit, got)
			}
		}
	})
	t.Run("one order", func(t *testing.T) {
		const n, senders = 200, 4
		h := h.in(t)
		var all []*talk
		for i := range senders {
			k := h.talk(h.gateway[i%2], "o"+strconv.Itoa(i))
			k.do("JoinRoom", `{"room":"order"}`)
			all = append(all, k)
		}
		for i, k := range all {
			for j := i + 1; j < senders; j++ {
				k.gets(fmt.Sprintf("event order joined o%d %d", j, j+1))
			}
		}
		var wg sync.WaitGroup
		orders := make([][]string, senders)
		for i, k := range all {
			wg.Go(func() {
				for j := range n {
					k.send(inRoom("order", strconv.Itoa(j)))
				}
			})
			wg.Go(func() {
				for acks := 0; acks < n || len(orders[i]) < n*senders; {
					m := k.next()
					switch m.Get("type").Str {
					case "Ack":
						acks++
					case "RoomMessage":
						orders[i] = append(orders[i], m.Get("data.from_user").Str+" "+m.Get("data.payload").Str)
					default:
						t.Errorf("got %s", m.Raw)
						return
					}
				}
			})
		}
		wg.Wait()
		for i := range senders {
			if !slices.Equal(orders[i], orders[0]) {
				t.Errorf("%d got another order", i)
			}
			var own []string
			for _, m := range orders[0] {
				if after, ok := strings.CutPrefix(m, fmt.Sprintf("o%d ", i)); ok {
					own = append(own, after)
				}
			}
			for j, m := range own {
				if m != strconv.Itoa(j) {
					t.Fatalf("sender %d: %d is %s", i, j, m)
				}
			}
		}
	})
	t.Run("again and again", func(t *testing.T) {
		h := h.in(t)
		k := h.talk(h.gateway[0], "x0")
		var others []*talk
		var list []string
		for i := range 6 {
			name := "x" + strconv.Itoa(i+1)
			others = append(others, h.talk(h.gateway[i%2], name))
			list = append(list, name)
		}
		for turn := range 100 {
			k.do("CreateRoom", `{"room":"x","members":["%s"]}`, strings.Join(list[turn%3:], `","`))
			for i := range others[turn%3:] {
				others[turn%3+i].gets(fmt.Sprintf("event x joined %s %d", list[turn%3+i], 7-turn%3))
			}
			for i, other := range others[turn%3:] {
				// It hears what is said a moment later.
				h.eventually(func() bool {
					k.acked(inRoom("x", list[turn%3+i]))
					other.passed = append(other.passed, other.lives()...)
					return len(other.passed) > 0
				})
			}
			k.acked(inRoom("x", "all"))
			for _, to := range append([]*talk{k}, others[turn%3:]...) {
				for {
					m := words(to.take())
					if m == "message x x0 all" {
						break
					}
				}
			}
			k.do("DeleteRoom", `{"room":"x"}`)
			k.gets("event x deleted x0 " + strconv.Itoa(7-turn%3))
			for _, other := range others[turn%3:] {
				other.gets("event x deleted x0 " + strconv.Itoa(7-turn%3))
			}
		}
	})
	t.Run("made again at once", func(t *testing.T) {
		h := h.in(t)
		makers := []*talk{h.talk(h.gateway[0], "m0"), h.talk(h.gateway[1], "m1")}
		var others []*talk
		var list []string
		for i := range 8 {
			name := "n" + strconv.Itoa(i)
			others = append(others, h.talk(h.gateway[i%2], name))
			list = append(list, name)
		}
		members := strings.Join(list, `","`)
		for turn := range 60 {
			// Whoever is first; the other is refused, while it may have members of the new room at its gateway.
			data := fmt.Sprintf(`{"room":"m","members":["%s"]}`, members)
			for _, k := range makers {
				k.send(say("CreateRoom", "create", data))
			}
			var maker *talk
			for _, k := range makers {
				for m := k.next(); ; m = k.next() {
					if m.Get("id").Str == "create" {
						if m.Get("type").Str == "Status" {
							maker = k
						}
						break
					}
				}
			}
			for i, other := range others {
				id := fmt.Sprint(turn, " ", i)
				for deadline := time.Now().Add(5 * time.Second); ; {
					maker.acked(inRoom("m", id))
					if hears(other, id) {
						break
					}
					if time.Now().After(deadline) {
						t.Fatalf("turn %d: %s hears nothing", turn, list[i])
					}
				}
			}
			maker.do("DeleteRoom", `{"room":"m"}`)
			maker.passed = nil
		}
	})
}

// hears reports whether a room's message with that payload has come.
func hears(k *talk, payload string) bool {
	for _, m := range k.lives() {
		if m.Get("type").Str == "RoomMessage" && m.Get("data.payload").Str == payload {
			return true
		}
	}
	return false
}
