package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

func TestEnvelope(t *testing.T) {
	long := strings.Repeat("i", MaxID)
	tests := []struct {
		frame string
		want  Envelope
		err   error
	}{
		{`{"type":"Ping"}`, Envelope{Type: "Ping"}, nil},
		{"\r\n\t {\t\"type\" :\n\"Ping\" } \n", Envelope{Type: "Ping"}, nil},
		{`{"type":"Broadcast","id":"1","timestamp":12,"data":{"topic":"a","payload":[{}]}}`,
			Envelope{"Broadcast", "1", `{"topic":"a","payload":[{}]}`, "12"}, nil},
		{`{"data":{ },"timestamp":-1.5e+3,"type":"X","other":{"id":"2","type":5}}`, Envelope{"X", "", `{ }`, "-1.5e+3"}, nil},
		{`{"type":"","id":""}`, Envelope{}, nil}, // an unknown type, not a missing one
		{`{"Type":"a","type":"b","TYPE":"c"}`, Envelope{Type: "b"}, nil},

		// Not a message.
		{``, Envelope{}, ErrNotJSON},
		{`   `, Envelope{}, ErrNotJSON},
		{`{`, Envelope{}, ErrNotJSON},
		{`{"type":"Ping"`, Envelope{}, ErrNotJSON},
		{`{"type":"Ping"}}`, Envelope{}, ErrNotJSON},
		{`{"type":"Ping"} {}`, Envelope{}, ErrNotJSON},
		{`{"type":"Ping",}`, Envelope{}, ErrNotJSON},
		{`{'type':'Ping'}`, Envelope{}, ErrNotJSON},
		{`{"type":"Pi` + "\n" + `ng"}`, Envelope{}, ErrNotJSON},
		{`{"type":NaN}`, Envelope{}, ErrNotJSON},
		{`{"type":01}`, Envelope{}, ErrNotJSON},
		{`{"id":"1","type":}`, Envelope{}, ErrNotJSON},
		{"\ufeff{}", Envelope{}, ErrNotJSON},
		{`[]`, Envelope{}, ErrNotObject},
		{` [{"type":"Ping"}]`, Envelope{}, ErrNotObject},
		{`"Ping"`, Envelope{}, ErrNotObject},
		{`null`, Envelope{}, ErrNotObject},
		{`42`, Envelope{}, ErrNotObject},

		// A field is wrong; the id is known where it can be.
		{`{}`, Envelope{}, ErrNoType},
		{`{"id":"1"}`, Envelope{ID: "1"}, ErrNoType},
		{`{"type":5,"id":"1"}`, Envelope{ID: "1"}, ErrType},
		{`{"id":"1","type":["Ping"]}`, Envelope{ID: "1"}, ErrType},
		{`{"type":"Ping","id":1}`, Envelope{}, ErrID},
		{`{"type":"Ping","id":{}}`, Envelope{}, ErrID},
		{`{"type":"Ping","id":"` + long + `"}`, Envelope{Type: "Ping", ID: long}, nil},
		{`{"type":"Ping","id":"` + long + `i"}`, Envelope{}, ErrID},
		{`{"type":"Ping","id":"` + strings.Repeat("é", MaxID/2) + `e"}`, Envelope{}, ErrID}, // bytes, not characters
		{`{"type":"Ping","id":"` + strings.Repeat(`\u0061`, MaxID) + `"}`, Envelope{Type: "Ping", ID: strings.Repeat("a", MaxID)}, nil},
		{`{"type":"Ping","id":"` + strings.Repeat(`\u0061`, MaxID) + `b"}`, Envelope{}, ErrID},
		{`{"type":"Ping","timestamp":"1","id":"1"}`, Envelope{Type: "Ping", ID: "1"}, ErrTimestamp},
		{`{"type":"Ping","timestamp":true}`, Envelope{Type: "Ping"}, ErrTimestamp},
		{`{"type":"Ping","data":[],"id":"1"}`, Envelope{Type: "Ping", ID: "1"}, ErrData},
		{`{"type":"Ping","data":"{}"}`, Envelope{Type: "Ping"}, ErrData},

		// Null is as good as absent.
		{`{"type":"Ping","id":null,"timestamp":null,"data":null}`, Envelope{Type: "Ping"}, nil},
		{`{"type":null,"id":"1"}`, Envelope{ID: "1"}, ErrNoType},

		// The last counts.
		{`{"type":"A","type":"B","id":"1","id":"2","data":{"a":1},"data":{"b":2}}`, Envelope{"B", "2", `{"b":2}`, ""}, nil},
		{`{"type":5,"id":5,"data":5,"timestamp":"5","type":"B","id":"2","data":{},"timestamp":5}`, Envelope{"B", "2", `{}`, "5"}, nil},
		{`{"id":"1","id":5,"type":"A"}`, Envelope{}, ErrID},
		{`{"type":"A","type":null}`, Envelope{}, ErrNoType},
		{`{"type":"A","id":"1","id":null}`, Envelope{Type: "A"}, nil},
		{`{"\u0074ype":"A","ty\u0070e":"B"}`, Envelope{Type: "B"}, nil},

		// Escapes.
		{`{"type":"\u0050ing","id":"a\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00"}`,
			Envelope{Type: "Ping", ID: "a\"\\/\b\f\n\r\t\x00é😀"}, nil},
		{`{"type":"P","id":"\ud83d"}`, Envelope{Type: "P", ID: "\ufffd"}, nil}, // half a surrogate pair
		{`{"type":"P","id":"\ude00\ud83dx"}`, Envelope{Type: "P", ID: "\ufffd\ufffdx"}, nil},
	}
	for _, tt := range tests {
		e := Envelope{"old", "old", "old", "old"}
		if err := e.Parse([]byte(tt.frame)); !errors.Is(err, tt.err) || e != tt.want {
			t.Errorf("%.100q\ngot  %+v, %v\nwant %+v, %v", tt.frame, e, err, tt.want, tt.err)
		}
	}
}

func TestDepth(t *testing.T) {
	nested := func(open, value, shut string, n int) []byte {
		return []byte(`{"type":"Broadcast","data":{"topic":"t","payload":` + strings.Repeat(open, n) + value + strings.Repeat(shut, n) + `}}`)
	}
	const left = MaxDepth - 2
	var e Envelope
	for _, tt := range []struct {
		open, value, shut string
		most              int
	}{
		{"[", "", "]", left},
		{`{"a":`, "1", "}", left},
		{`[{"[{\"":`, `"]}"`, "}]", left / 2},
	} {
		if err := e.Parse(nested(tt.open, tt.value, tt.shut, tt.most)); err != nil {
			t.Errorf("%d times %s: %v", tt.most, tt.open, err)
		}
		if err := e.Parse(nested(tt.open, tt.value, tt.shut, tt.most+1)); !errors.Is(err, ErrDepth) {
			t.Errorf("%d times %s: %v, want ErrDepth", tt.most+1, tt.open, err)
		}
	}
	if want := fmt.Sprint(MaxDepth); !strings.Contains(ErrDepth.Error(), want) {
		t.Errorf("%q does not name %s", ErrDepth, want)
	}
	// As bad as can be: a frame of nothing else, and at the largest MAX_FRAME_SIZE.
	for _, n := range []int{64 << 10, 512 << 10} {
		for _, s := range []string{"[", "{", `{"a":`, `"`, `\`, `["\`} {
			if err := e.Parse([]byte(strings.Repeat(s, n/len(s)))); err == nil {
				t.Errorf("%d bytes of %s are taken", n, s)
			}
		}
	}
	// Brackets that do not nest, or are text, are no depth.
	wide := `{"type":"A","data":{"a":"` + strings.Repeat(`[{\"`, 5000) + `","b":[` + strings.Repeat("[],{},", 5000) + `0]}}`
	if err := e.Parse([]byte(wide)); err != nil {
		t.Errorf("a wide message: %v", err)
	}
}

// FuzzEnvelope: whatever comes, nothing panics; and what is accepted, encoding/json accepts too,
// and sees the same in it.
func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{
		`{"type":"Broadcast","id":"1","data":{"topic":"a.b","payload":{"x":[1,2.5e3,null,"\u00e9"]},"echo":false}}`,
		`{"type":"Subscribe","id":"\ud83d\ude00","data":{"topics":["a","b.*","c.>"]}}`,
		`{"type":"Ping","timestamp":1763856000000,"data":{"timestamp":-0}}`,
		`{"type":"A","type":"B","id":null,"data":{"payload":1,"payload": [ ] ,"topic":"\u0061"}}`,
		`[[[[`, `{"type":`, `{"type":"P","id":"\ud800\ud800"}`, "{\"type\":\"P\",\"id\":\"\xff\"}",
		`{"type":"B","data":{"topic":"` + strings.Repeat(`\\`, 9) + `","payload":"\\\""}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var e Envelope
		var b Broadcast
		if err := e.Parse(frame); err != nil {
			if len(e.ID) > MaxID {
				t.Fatalf("id of %d bytes", len(e.ID))
			}
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(frame, &want); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		if s := jsonString(t, want["type"]); s != utf8String(e.Type) {
			t.Fatalf("type %q, want %q", e.Type, s)
		}
		if s := jsonString(t, want["id"]); s != utf8String(e.ID) || len(e.ID) > MaxID {
			t.Fatalf("id %q, want %q", e.ID, s)
		}
		if s := jsonRaw(want["timestamp"]); s != e.Timestamp {
			t.Fatalf("timestamp %q, want %q", e.Timestamp, s)
		}
		if s := jsonRaw(want["data"]); s != e.Data {
			t.Fatalf("data %q, want %q", e.Data, s)
		}
		if e.Timestamp != "" {
			if _, err := strconv.ParseFloat(e.Timestamp, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
				t.Fatalf("timestamp %q: %v", e.Timestamp, err)
			}
		}
		checkData(t, e.Data, &b)
	})
}

// checkData holds what the parsers of a message's data find against encoding/json.
func checkData(t *testing.T, data string, b *Broadcast) {
	var want map[string]json.RawMessage
	if data != "" {
		if err := json.Unmarshal([]byte(data), &want); err != nil {
			t.Fatalf("encoding/json: data: %v", err)
		}
	}
	if err := b.Parse(data); err == nil {
		if s := jsonString(t, want["topic"]); s != utf8String(b.Topic) {
			t.Fatalf("topic %q, want %q", b.Topic, s)
		}
		if s := string(want["payload"]); s != b.Payload {
			t.Fatalf("payload %q, want %q", b.Payload, s)
		}
		if quiet := string(want["echo"]) == "false"; quiet != b.Quiet {
			t.Fatalf("quiet %v, echo is %s", b.Quiet, want["echo"])
		}
	}
	if topics, err := ParseTopics(data); err == nil {
		var list []string
		if err := json.Unmarshal(want["topics"], &list); err != nil {
			t.Fatalf("encoding/json: topics: %v", err)
		}
		if len(list) != len(topics) || len(list) == 0 || len(list) > MaxTopics {
			t.Fatalf("%d topics, want %d", len(topics), len(list))
		}
		for i := range list {
			if list[i] != utf8String(topics[i]) {
				t.Fatalf("topic %q, want %q", topics[i], list[i])
			}
		}
	}
	if stamp, err := ParsePing(data); err == nil && stamp != jsonRaw(want["timestamp"]) {
		t.Fatalf("timestamp %q, want %q", stamp, want["timestamp"])
	}
}

func jsonString(t *testing.T, raw json.RawMessage) (s string) {
	if raw == nil {
		return ""
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatalf("encoding/json: %v", err)
	}
	return s
}

func jsonRaw(raw json.RawMessage) string {
	if string(raw) == "null" {
		return ""
	}
	return string(raw)
}

// utf8String replaces what is not UTF-8 byte by byte, as encoding/json does: the frame
// reader lets only UTF-8 through.
func utf8String(s string) string { return string([]rune(s)) }
