package gateway_test

import (
	"strings"
	"testing"
)

// What is no message, or has a wrong field, costs an Error that names the field and
// carries the id where that could be read; never the connection, and never a second reply.
func TestBadMessages(t *testing.T) {
	h := start(t, 1, 1, nil)
	k := h.talk(h.gateway[0], "alice")
	long := strings.Repeat("x", 300)
	many := `"` + strings.Repeat(`a","`, 1000) + `a"`
	for _, c := range []struct {
		message string
		code    int64
		says    string // in the Error's message
		id      string
	}{
		{``, 400, "JSON", ""},
		{`{`, 400, "JSON", ""},
		{`{"type":"Ping"}}`, 400, "JSON", ""},
		{`{"type":"Ping",}`, 400, "JSON", ""},
		{`{'type':'Ping'}`, 400, "JSON", ""},
		{`{"type":"Ping","id":"x","data":{"timestamp":01}}`, 400, "JSON", ""},
		{`nonsense`, 400, "JSON", ""},
		{`{"type":"Broadcast","data":{"topic":"a","payload":` + deep(1000) + `}}`, 400, "deep", ""},
		{deep(32000), 400, "deep", ""},
		{`null`, 400, "object", ""},
		{`[]`, 400, "object", ""},
		{`"Ping"`, 400, "object", ""},
		{`12`, 400, "object", ""},
		{`{}`, 400, "type", ""},
		{`{"id":"x"}`, 400, "type", "x"},
		{`{"id":"x","type":null}`, 400, "type", "x"},
		{`{"id":"x","type":5}`, 400, "type", "x"},
		{`{"id":"x","type":{"a":1}}`, 400, "type", "x"},
		{`{"id":"x","type":""}`, 400, "type", "x"},
		{`{"id":"x","type":"ping"}`, 400, "type", "x"},
		{`{"id":"x","type":"Nonsense"}`, 400, "type", "x"},
		{`{"id":"x","type":"` + long + `"}`, 400, "type", "x"},
		{`{"id":5,"type":"Ping"}`, 400, "id", ""},
		{`{"id":{},"type":"Ping"}`, 400, "id", ""},
		{`{"id":"` + long + `","type":"Ping"}`, 400, "id", ""},
		{`{"id":"x","type":"Ping","timestamp":"now"}`, 400, "timestamp", "x"},
		{`{"id":"x","type":"Ping","data":[]}`, 400, "data", "x"},
		{`{"id":"x","type":"Ping","data":"d"}`, 400, "data", "x"},
		{`{"id":"x","type":"Ping","data":{"timestamp":"now"}}`, 400, "timestamp", "x"},
		{`{"id":"x","type":"Broadcast"}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":null,"payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":7,"payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"","payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"a..b","payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"a b","payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"a\u0007b","payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"a.*","payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"a.>","payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"` + long + `","payload":1}}`, 400, "topic", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"a"}}`, 400, "payload", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"a","payload":1,"echo":"no"}}`, 400, "echo", "x"},
		{`{"type":"Broadcast","data":{"topic":"a"}}`, 400, "payload", ""},
		{`{"id":"x","type":"Subscribe"}`, 400, "topics", "x"},
		{`{"id":"x","type":"Subscribe","data":{"topics":null}}`, 400, "topics", "x"},
		{`{"id":"x","type":"Subscribe","data":{"topics":"a"}}`, 400, "topics", "x"},
		{`{"id":"x","type":"Subscribe","data":{"topics":[]}}`, 400, "topics", "x"},
		{`{"id":"x","type":"Subscribe","data":{"topics":["a",1]}}`, 400, "topics", "x"},
		{`{"id":"x","type":"Subscribe","data":{"topics":[` + many + `]}}`, 400, "topics", "x"},
		{`{"id":"x","type":"Subscribe","data":{"topics":["a.>.b"]}}`, 400, "topics", "x"},
		{`{"id":"x","type":"Unsubscribe","data":{"topics":{}}}`, 400, "topics", "x"},
		{`{"id":"x","type":"Unsubscribe","data":{"topics":["a..b"]}}`, 400, "topics", "x"},
		{`{"id":"x","type":"Broadcast","data":{"topic":"$sys","payload":1}}`, 403, "topic", "x"},
		{`{"id":"x","type":"Subscribe","data":{"topics":["$sys.>"]}}`, 403, "topics", "x"},
	} {
		k.send(c.message)
		m := k.next()
		says, code := m.Get("data.message").Str, m.Get("data.code").Int()
		if m.Get("type").Str != "Error" || code != c.code || !strings.Contains(says, c.says) || m.Get("id").Str != c.id {
			t.Errorf("%.100s\n got %s", c.message, m.Raw)
		}
		if m.Get("id").Exists() != (c.id != "") {
			t.Errorf("%.100s\n got %s", c.message, m.Raw)
		}
		if rest := k.lives(); len(rest) > 0 {
			t.Errorf("%.100s\n got %s, too", c.message, rest)
		}
	}
}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// What is odd, but a message, is taken for one.
func TestOddMessages(t *testing.T) {
	h := start(t, 1, 1, nil)
	k := h.talk(h.gateway[0], "alice")
	for message, want := range map[string]string{
		` { "type" : "Ping" , "id" : "x" } `:                                         "Pong x",
		`{"type":"Ping","id":""}`:                                                    "Pong",
		`{"type":"Ping","id":null,"data":null,"timestamp":null}`:                     "Pong",
		`{"t\u0079pe":"\u0050ing","id":"\u0078"}`:                                    "Pong x",
		`{"type":"Broadcast","type":"Ping","id":"a","id":"x"}`:                       "Pong x",
		`{"id":"x","type":"Ping","more":{"type":"Error"},"less":[1,[2]]}`:            "Pong x",
		`{"id":"é€𝄞","type":"Ping"}`:                                                 "Pong é€𝄞",
		`{"id":"\"\\\n<&>","type":"Ping"}`:                                           "Pong \"\\\n<&>",
		`{"id":"` + strings.Repeat("é", 64) + `","type":"Ping"}`:                     "Pong " + strings.Repeat("é", 64),
		`{"id":"x","type":"Broadcast","data":{"topic":"a","payload":null}}`:          "Ack x accepted",
		`{"id":"x","type":"Broadcast","data":{"topic":"a","payload":1,"echo":null}}`: "Ack x accepted",
		`{"id":"x","type":"Unsubscribe","data":{"topics":["never","a.*"]}}`:          "Status x unsubscribed",
	} {
		k.send(message)
		if got := brief(k.next())[0]; got != want {
			t.Errorf("%s\n got %q, want %q", message, got, want)
		}
	}
	k.lives()
}

// A Ping comes back with its timestamp as it was written, in the data or beside it, and
// the server's own time.
func TestPing(t *testing.T) {
	h := start(t, 1, 1, nil)
	k := h.talk(h.gateway[0], "alice")
	for message, want := range map[string]string{
		`{"type":"Ping","id":"p"}`:                                            "",
		`{"type":"Ping","id":"p","data":{}}`:                                  "",
		`{"type":"Ping","id":"p","data":{"timestamp":1763856000000}}`:         "1763856000000",
		`{"type":"Ping","id":"p","timestamp":1.5e3}`:                          "1.5e3",
		`{"type":"Ping","id":"p","timestamp":1,"data":{"timestamp":-12.50}}`:  "-12.50",
		`{"type":"Ping","id":"p","data":{"timestamp":123456789012345678901}}`: "123456789012345678901",
	} {
		pong, _ := k.ask(message)
		at := pong.Get("data.server_time").Int()
		if pong.Get("type").Str != "Pong" || pong.Get("data.timestamp").Raw != want || at < 1700000000000 {
			t.Errorf("%s\n got %s", message, pong.Raw)
		}
	}
}
