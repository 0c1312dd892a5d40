package gateway_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/gateway"
)

// pipelined is two gateways with three routers, so that the lanes that answer differ.
func pipelined(t *testing.T) *harness {
	return start(t, 2, 3, func(c *gateway.Config) { c.MaxSubscriptions = 2000 })
}

// Every message with an id gets one reply, whatever it is, and however many come at once.
func TestOneReplyToEachID(t *testing.T) {
	h := pipelined(t)
	k := h.talk(h.gateway[0], "alice")
	var all []string
	want := make(map[string]string)
	say := func(kind, format string, args ...any) {
		id := strconv.Itoa(len(all))
		want[id] = kind
		all = append(all, `{"id":"`+id+`",`+fmt.Sprintf(format, args...)+`}`)
	}
	for i := range 300 {
		topic := fmt.Sprint("t", i%7)
		say("Status", `"type":"Subscribe","data":{"topics":[%q,%q]}`, topic, "p"+topic+".*")
		say("Ack", `"type":"Broadcast","data":{"topic":%q,"payload":%d,"echo":false}`, topic, i)
		say("Pong", `"type":"Ping"`)
		say("Error", `"type":"Nonsense"`)
		say("Error", `"type":"Broadcast","data":{"topic":"a..b","payload":1}`)
		say("Status", `"type":"Unsubscribe","data":{"topics":[%q]}`, topic)
	}
	k.send(all...)
	for len(want) > 0 {
		m := k.next()
		id := m.Get("id").Str
		if kind, ok := want[id]; !ok || m.Get("type").Str != kind {
			t.Fatalf("want a %q, or had a reply: got %s", kind, m.Raw)
		}
		delete(want, id)
	}
	if rest := k.lives(); len(rest) > 0 {
		t.Errorf("got %s, too", rest)
	}
}

// What a client sends to one topic takes effect, and is answered, in the order in which it
// came, without waiting in between: an echo for what was sent while subscribed, and for
// nothing else; for a topic as for patterns.
func TestPipelinedFramesTakeEffectInOrder(t *testing.T) {
	h := pipelined(t)
	for name, subs := range map[string][]string{
		"topic":      {"a.b"},
		"pattern":    {"a.*"},
		"tail":       {">"},
		"overlapped": {"a.b", "*.b", "a.>"},
	} {
		t.Run(name, func(t *testing.T) {
			k := h.talk(h.gateway[0], "alice")
			var all, replies []string
			var echoes []string
			n := 0
			say := func(message func(id string) string, reply string) {
				n++
				id := strconv.Itoa(n)
				all = append(all, message(id))
				replies = append(replies, reply)
			}
			for range 40 {
				for _, subscribed := range []bool{false, true} {
					change, status := unsubscribe, "unsubscribed"
					if subscribed {
						change, status = subscribe, "subscribed"
					}
					say(func(id string) string { return change(id, subs...) }, "Status "+status)
					for range 3 {
						say(func(id string) string { return broadcast(id, "a.b", id) }, "Ack accepted")
						if subscribed {
							echoes = append(echoes, strconv.Itoa(n))
						}
					}
				}
			}
			k.send(all...)
			var gotReplies, gotEchoes []string
			var order []int
			for len(gotReplies) < len(replies) || len(gotEchoes) < len(echoes) {
				m := k.next()
				if m.Get("type").Str == "Broadcast" {
					gotEchoes = append(gotEchoes, m.Get("data.payload").Raw)
					continue
				}
				gotReplies = append(gotReplies, m.Get("type").Str+" "+m.Get("data.status").Str)
				order = append(order, int(m.Get("id").Int()))
			}
			if !slices.Equal(gotEchoes, echoes) {
				t.Errorf("echoes of\n%v, want\n%v", gotEchoes, echoes)
			}
			// A pattern's answer may come behind that of a Broadcast that it matches.
			if name == "topic" && (!slices.IsSorted(order) || !slices.Equal(gotReplies, replies)) {
				t.Errorf("replies in the order %v", order)
			}
			if rest := k.lives(); len(rest) > 0 {
				t.Errorf("got %v, too", brief(rest...))
			}
		})
	}
}

// A message is acked before or behind its echo, but in one order on both: as sent.
func TestEchoesAndAcksKeepOrder(t *testing.T) {
	h := pipelined(t)
	k := h.talk(h.gateway[0], "alice")
	k.subscribe("a")
	var all []string
	for i := range 500 {
		all = append(all, broadcast(strconv.Itoa(i), "a", strconv.Itoa(i)))
	}
	k.send(all...)
	acks, echoes := 0, 0
	for acks < 500 || echoes < 500 {
		switch m := k.next(); m.Get("type").Str {
		case "Ack":
			if m.Get("id").Str != strconv.Itoa(acks) {
				t.Fatalf("ack %d: %s", acks, m.Raw)
			}
			acks++
		case "Broadcast":
			if m.Get("data.payload").Int() != int64(echoes) {
				t.Fatalf("echo %d: %s", echoes, m.Raw)
			}
			echoes++
		default:
			t.Fatal(m.Raw)
		}
	}
}

// echo:false leaves out the sending connection, and no other, not even of the same user.
func TestQuietBroadcast(t *testing.T) {
	h := pipelined(t)
	sender := h.talk(h.gateway[0], "alice")
	others := []*talk{h.talk(h.gateway[0], "alice"), h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "alice"), h.talk(h.gateway[1], "bob")}
	for _, k := range append(others, sender) {
		k.subscribe("a.b", "a.*")
	}
	sender.send(
		`{"type":"Broadcast","data":{"topic":"a.b","payload":1,"echo":false}}`,
		`{"type":"Broadcast","data":{"topic":"a.b","payload":2,"echo":true}}`,
		`{"type":"Broadcast","id":"3","data":{"topic":"a.b","payload":3,"echo":false}}`,
		`{"type":"Broadcast","id":"4","data":{"topic":"a.b","payload":4}}`,
	)
	wantMessages(t, sender, "Broadcast 2", "Ack 3 accepted", "Broadcast 4", "Ack 4 accepted")
	for _, k := range others {
		wantMessages(t, k, "Broadcast 1", "Broadcast 2", "Broadcast 3", "Broadcast 4")
	}
}

// wantMessages takes as many messages as are wanted, in any order of their types, and sees to
// it that those of one type come in the order that is wanted, and none besides.
func wantMessages(t *testing.T, k *talk, want ...string) {
	t.Helper()
	var got []gjson.Result
	for range want {
		got = append(got, k.next())
	}
	got = append(got, k.lives()...)
	byType := func(a, b string) int { return int(a[0]) - int(b[0]) }
	list := brief(got...)
	slices.SortStableFunc(list, byType)
	slices.SortStableFunc(want, byType)
	if !slices.Equal(list, want) {
		t.Errorf("got %q, want %q", list, want)
	}
}
