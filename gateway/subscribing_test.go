package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/gateway"
	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

// However often and in however many ways a connection is subscribed, it gets a message once,
// until it has given up the last of them.
func TestDeliveredOnce(t *testing.T) {
	h := start(t, 2, 3, nil)
	k, other, sender := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "bob"), h.talk(h.gateway[1], "carol")
	other.subscribe("a.b", "a.b.c") // neither hides the other's
	n := 0
	check := func(want int) {
		t.Helper()
		n++
		sender.ask(broadcast(fmt.Sprint(n), "a.b", fmt.Sprint(n)))
		if got := brief(other.next()); got[0] != fmt.Sprint("Broadcast ", n) {
			t.Fatalf("the other got %q", got)
		}
		// The Ack of what k itself sends there is behind all that this brings.
		_, got := k.ask(`{"type":"Broadcast","id":"end","data":{"topic":"a.b","payload":0,"echo":false}}`)
		other.next()
		if len(got) != want {
			t.Fatalf("message %d: got %q, want %d", n, brief(got...), want)
		}
	}
	check(0)
	for _, subs := range [][]string{{"a.b"}, {"a.b"}, {"a.b", "a.b"}, {"a.*"}, {"*.b", ">"}, {"a.>", "a.b", "*.*", "a.*"}} {
		k.subscribe(subs...)
		check(1)
	}
	for _, subs := range [][]string{{"a.b"}, {"a.b", "a.*"}, {"*.b", ">", "never"}, {"a.>"}} {
		k.ask(unsubscribe("u", subs...))
		check(1)
	}
	r, _ := k.ask(unsubscribe("u", "*.*"))
	if r.Get("data.details.active_subscriptions").Int() != 0 {
		t.Errorf("got %s", r.Raw)
	}
	check(0)
}

// MAX_SUBSCRIPTIONS: what is over it is refused, by topic; what is there already is not
// counted twice; what is given up makes room.
func TestMaxSubscriptions(t *testing.T) {
	h := start(t, 1, 2, func(c *gateway.Config) { c.MaxSubscriptions = 4 })
	k := h.talk(h.gateway[0], "alice")
	for _, c := range []struct {
		message           string
		topics, rejected  string // as lists
		active, errorCode int64
	}{
		{subscribe("1", "a", "b.*"), "a b.*", "", 2, 0},
		{subscribe("2", "a", "b.*", "c.>", "c.*"), "a b.* c.> c.*", "", 4, 0},
		{subscribe("3", "a", "d"), "a", "d", 4, 0},
		{subscribe("4", "d", "e.*"), "", "d e.*", 0, 429},
		{subscribe("5", "c.>", "a", "b.*", "c.*"), "c.> a b.* c.*", "", 4, 0},
		{unsubscribe("6", "c.>", "z"), "c.> z", "", 3, 0},
		{subscribe("7", "x", "y"), "x", "y", 4, 0},
	} {
		r, _ := k.ask(c.message)
		d := r.Get("data.details")
		if names(d.Get("topics")) != c.topics || names(d.Get("rejected.#.topic")) != c.rejected ||
			d.Get("active_subscriptions").Int() != c.active || r.Get("data.code").Int() != c.errorCode {
			t.Errorf("%s\n got %s", c.message, r.Raw)
		}
		for _, r := range d.Get("rejected").Array() {
			if r.Get("code").Int() != 429 || r.Get("message").Str == "" {
				t.Errorf("%s\n rejected %s", c.message, r.Raw)
			}
		}
	}
	// At once, before any answer is there.
	k.send(unsubscribe("8", "a", "b.*", "x"), subscribe("9", "m", "n.*", "o"), subscribe("10", "p"))
	for range 3 {
		if r := k.next(); r.Get("data.details.active_subscriptions").Int() > 4 {
			t.Errorf("got %s", r.Raw)
		}
	}
	if r, _ := k.ask(subscribe("11", "c.*")); r.Get("data.details.active_subscriptions").Int() > 4 {
		t.Errorf("got %s", r.Raw)
	}
}

func names(list gjson.Result) string {
	var names []string
	for _, n := range list.Array() {
		names = append(names, n.Str)
	}
	return strings.Join(names, " ")
}

// The claim topics says where its bearer may publish and subscribe: a wildcard where one of
// the patterns covers all of it, the system's topics only where they are named.
func TestPermissions(t *testing.T) {
	h := start(t, 1, 2, nil)
	claim := func(publish, subscribe []string) string {
		return h.mint(auth.TokenSpec{User: "alice", TTL: time.Hour, Topics: &topic.Grants{Publish: publish, Subscribe: subscribe}})
	}
	for _, c := range []struct {
		name               string
		token              string
		can, cannot        []string // publish to
		canHear, cannotSub []string // subscribe to
	}{
		{"no claim", h.token("alice"), []string{"a", "a.b"}, []string{"$sys", "$sys.a"}, []string{"a", ">", "*"}, []string{"$sys", "$sys.>"}},
		{
			"both", claim([]string{"chat.>"}, []string{"chat.>", "alerts.*"}),
			[]string{"chat.a", "chat.a.b"}, []string{"chat", "alerts.a", "chats.a"},
			[]string{"chat.a", "chat.*", "chat.>", "chat.*.b", "alerts.a", "alerts.*"},
			[]string{">", "*", "*.a", "chat", "alerts.>", "alerts.a.b", "chats.*"},
		},
		{"nothing", claim([]string{}, []string{}), nil, []string{"a"}, nil, []string{"a", ">"}},
		{"publish only", claim([]string{"a"}, nil), []string{"a"}, []string{"b"}, []string{"b", ">"}, []string{"$a"}},
		{"subscribe only", claim(nil, []string{"a.*"}), []string{"b"}, []string{"$a"}, []string{"a.b"}, []string{"b"}},
		{"the system's", claim([]string{"$sys.a"}, []string{"$sys.>"}), []string{"$sys.a"}, []string{"$sys.b"}, []string{"$sys.*"}, []string{"a", "$other"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := h.talkBy(h.gateway[0], c.token)
			for _, name := range slices.Concat(c.can, c.cannot) {
				r, _ := k.ask(broadcast("1", name, "1"))
				if ok := slices.Contains(c.can, name); ok != (r.Get("type").Str == "Ack") || !ok && r.Get("data.code").Int() != 403 {
					t.Errorf("publish to %q: %s", name, r.Raw)
				}
			}
			k.send(broadcast("", "$quiet", "1"))
			if m := k.next(); m.Get("data.code").Int() != 403 || m.Get("id").Exists() {
				t.Errorf("without an id: %s", m.Raw)
			}
			for _, name := range slices.Concat(c.canHear, c.cannotSub) {
				r, _ := k.ask(subscribe("1", name))
				if ok := slices.Contains(c.canHear, name); ok != (r.Get("type").Str == "Status") || !ok && r.Get("data.code").Int() != 403 {
					t.Errorf("subscribe to %q: %s", name, r.Raw)
				}
			}
			all := slices.Concat(c.canHear, c.cannotSub)
			r, _ := k.ask(subscribe("1", all...))
			d := r.Get("data.details")
			if names(d.Get("topics")) != strings.Join(c.canHear, " ") || names(d.Get("rejected.#.topic")) != strings.Join(c.cannotSub, " ") {
				t.Errorf("subscribe to %q: %s", all, r.Raw)
			}
			for _, r := range d.Get("rejected").Array() {
				if r.Get("code").Int() != 403 || r.Get("message").Str == "" {
					t.Errorf("rejected %s", r.Raw)
				}
			}
		})
	}
}
