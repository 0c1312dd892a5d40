package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// A payload arrives byte for byte, whatever JSON it is.
func TestPayloadByteForByte(t *testing.T) {
	h := start(t, 2, 2, nil)
	sender, reader := h.talk(h.gateway[0], "alice"), h.talk(h.gateway[1], "bob")
	reader.subscribe("a")
	for _, payload := range []string{
		`null`, `true`, `0`, `-0`, `1.0`, `1E400`, `-1.50e-10`, `123456789012345678901234567890`, `0.1000`,
		`""`, `"a"`, `"\u0000\u001f\"\\\/\b\f\n\r\t"`, `"\uD83D\uDE00 \u00e9 é 😀"`, `"\ud800"`, `"<script>&</script>"`,
		`"` + "\u2028\u2029\u007f\ufeff" + `"`,
		`{}`, `[]`, `{ }`, "[\n\t1 ,\r\n 2 ]", `{"a":1,"a":2,"b":{"a":3,"a":4}}`, `{"b":1,"a":2}`, `{"":{"":[]}}`,
		`{"type":"Broadcast","data":{"topic":"x","payload":"}}}"}}`, `"]}}\\\"}"`, `[[[[[[]]]]],"[",{"]":"{"}]`,
		strings.Repeat("[", 510) + strings.Repeat("]", 510), // and two around it: as deep as may be
		strings.Repeat(`{"a":`, 510) + "1" + strings.Repeat("}", 510),
		`"` + strings.Repeat("x", 60000) + `"`,
		`[` + strings.Repeat(" ", 50000) + `]`,
	} {
		for _, around := range []string{
			`{"type":"Broadcast","data":{"topic":"a","payload":%}}`,
			` { "data" : { "payload" : % , "topic" : "a" } , "type" : "Broadcast" } `,
			"{\"data\":{\n\t\"payload\":%\n},\"type\":\"Nonsense\",\"data\":{\"topic\":\"a\",\"payload\":1,\"payload\":%\n},\"type\":\"Broadcast\"}",
		} {
			if strings.Count(around, "%")*len(payload) > 64000 {
				continue
			}
			sender.send(strings.ReplaceAll(around, "%", payload))
			if rest := sender.lives(); len(rest) > 0 {
				t.Errorf("%.100s in %s\n got %s", payload, around, rest)
				continue
			}
			if got := reader.next().Get("data.payload").Raw; got != payload {
				t.Errorf("%.100s in %s\n got %.100s", payload, around, got)
			}
		}
	}
	if rest := append(sender.lives(), reader.lives()...); len(rest) > 0 {
		t.Errorf("got %s, too", rest)
	}
}

// A Broadcast tells its subscribers where it comes from; its id is the sender's, or one
// that the server gives, and gives once.
func TestBroadcastMetadata(t *testing.T) {
	h := start(t, 2, 3, nil)
	sender, reader := h.talk(h.gateway[0], "alice\u00e9 \"q\""), h.talk(h.gateway[1], "bob")
	reader.subscribe(">")
	seen := make(map[string]bool)
	check := func(topic, id string) {
		t.Helper()
		m := reader.next()
		d := m.Get("data")
		sent := time.UnixMilli(d.Get("metadata.sent_at").Int())
		got := d.Get("metadata.message_id").Str
		if m.Get("id").Exists() || d.Get("topic").Str != topic || d.Get("from_user").Str != "alice\u00e9 \"q\"" ||
			time.Since(sent).Abs() > patience || id != "" && got != id || got == "" || seen[got] {
			t.Errorf("got %s, want the id %q; new: %v", m.Raw, id, !seen[got])
		}
		seen[got] = true
	}
	for _, topic := range []string{"a", "b", "c.d", "é", "x.y.z"} {
		for range 20 {
			sender.send(broadcast("", topic, "1"))
			check(topic, "")
		}
	}
	for _, id := range []string{"1", "a b", "\u00e9\"\\", strings.Repeat("x", 128)} {
		message := `{"type":"Broadcast","id":` + string(gjson.AppendJSONString(nil, id)) + `,"data":{"topic":"a","payload":1}}`
		ack, _ := sender.ask(message)
		if d := ack.Get("data"); d.Get("message_id").Str != id || d.Get("topic").Str != "a" || d.Get("status").Str != "accepted" {
			t.Errorf("id %q: %s", id, ack.Raw)
		}
		check("a", id)
	}
}
