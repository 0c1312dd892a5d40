package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// open reads a frame with another WebSocket implementation and returns its payload.
func open(t testing.TB, frame []byte, op ws.OpCode) []byte {
	t.Helper()
	r := bytes.NewReader(frame)
	h, err := ws.ReadHeader(r)
	if err != nil {
		t.Fatalf("frame %x: %v", frame[:min(len(frame), 20)], err)
	}
	if h.OpCode != op || !h.Fin || h.Rsv != 0 || h.Masked || h.Length != int64(r.Len()) {
		t.Fatalf("frame of %d bytes: header %+v, %d bytes follow", len(frame), h, r.Len())
	}
	return frame[len(frame)-r.Len():]
}

func publication(topic, payload, user, id string) *Publication {
	return &Publication{Topic: topic, Payload: []byte(payload), User: user, MessageID: id, SentAt: 1763856000123}
}

// textFrames is one frame of each kind, made of the given strings.
func textFrames(topic, payload, user, id string) []struct {
	name  string
	build func(b []byte) (buf, frame []byte)
	want  string // "": only that it is JSON
} {
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	withID := func(s string) string {
		if id == "" {
			return s
		}
		return `,"id":` + quote(id) + s
	}
	return []struct {
		name  string
		build func(b []byte) (buf, frame []byte)
		want  string
	}{
		{"Broadcast", func(b []byte) ([]byte, []byte) { return AppendBroadcast(b, publication(topic, payload, user, id)) },
			`{"type":"Broadcast","data":{"topic":` + quote(topic) + `,"payload":` + payload + `,"from_user":` + quote(user) +
				`,"metadata":{"message_id":` + quote(id) + `,"sent_at":1763856000123}}}`},
		{"Ack", func(b []byte) ([]byte, []byte) { return AppendAck(b, id, topic) },
			`{"type":"Ack"` + withID(`,"data":{"message_id":`+quote(id)+`,"topic":`+quote(topic)+`,"status":"accepted"}}`)},
		{"Pong", func(b []byte) ([]byte, []byte) { return AppendPong(b, id, "", 1763856000123) },
			`{"type":"Pong"` + withID(`,"data":{"server_time":1763856000123}}`)},
		{"Pong with a timestamp", func(b []byte) ([]byte, []byte) { return AppendPong(b, id, "-1.50e3", 0) },
			`{"type":"Pong"` + withID(`,"data":{"timestamp":-1.50e3,"server_time":0}}`)},
		{"Error", func(b []byte) ([]byte, []byte) { return AppendError(b, id, Error{Code: 400, Message: topic}) },
			`{"type":"Error"` + withID(`,"data":{"code":400,"message":`+quote(topic)+`}}`)},
		{"Error with details", func(b []byte) ([]byte, []byte) {
			return AppendError(b, id, Error{Code: 503, Message: user, Details: RetryAfter(1000)})
		}, `{"type":"Error"` + withID(`,"data":{"code":503,"message":`+quote(user)+`,"details":{"retry_after_ms":1000}}}`)},
		{"Status", func(b []byte) ([]byte, []byte) { return AppendStatus(b, id, "draining", ReconnectAfter(50)) },
			`{"type":"Status"` + withID(`,"data":{"status":"draining","details":{"reconnect_after_ms":50}}}`)},
		{"Status of bytes", func(b []byte) ([]byte, []byte) { return AppendStatus(b, id, user, []byte(`{"a":[]}`)) },
			`{"type":"Status"` + withID(`,"data":{"status":`+quote(user)+`,"details":{"a":[]}}}`)},
	}
}

func TestFrames(t *testing.T) {
	for _, id := range []string{"", "m-1"} {
		for _, f := range textFrames("chat.lobby", `{"text": "hi"}`, "alice", id) {
			if _, frame := f.build(nil); string(open(t, frame, ws.OpText)) != f.want {
				t.Errorf("%s\ngot  %s\nwant %s", f.name, open(t, frame, ws.OpText), f.want)
			}
		}
	}
	// The bytes of one frame in full.
	_, frame := AppendPong(nil, "1", "", 5)
	if want := "\x81\x31" + `{"type":"Pong","id":"1","data":{"server_time":5}}`; string(frame) != want {
		t.Errorf("%q, want %q", frame, want)
	}
}

// Frames follow each other in one buffer, and none is written over by the next.
func TestFramesShareABuffer(t *testing.T) {
	var buf []byte
	var frames [][]byte
	var want []string
	for _, id := range []string{"", "a", strings.Repeat("b", 100), strings.Repeat("c", 70_000)} {
		for _, f := range textFrames("t", "1", "u", id) {
			var frame []byte
			buf, frame = f.build(buf)
			if cap(frame) != len(frame) {
				t.Fatalf("%s: the frame has room for %d bytes more, which are the next one's", f.name, cap(frame)-len(frame))
			}
			frames, want = append(frames, frame), append(want, f.want)
		}
	}
	for i := range frames {
		if got := string(open(t, frames[i], ws.OpText)); got != want[i] {
			t.Errorf("frame %d\ngot  %.100s\nwant %.100s", i, got, want[i])
		}
	}
}

func TestHeaderLengths(t *testing.T) {
	for _, n := range []int{0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 1 << 20} {
		payload := bytes.Repeat([]byte{'x'}, n)
		_, frame := AppendText([]byte("before"), payload)
		if got := open(t, frame, ws.OpText); !bytes.Equal(got, payload) {
			t.Errorf("%d bytes came as %d", n, len(got))
		}
		want := 2
		if n > 125 {
			want = 4
		}
		if n > 65535 {
			want = 10
		}
		if len(frame)-n != want { // RFC 6455, section 5.2: the minimal number of bytes
			t.Errorf("%d bytes have a header of %d, want %d", n, len(frame)-n, want)
		}
	}
}

// Frames whose total is about the limits, made by every builder.
func TestHeaderLengthsOfMessages(t *testing.T) {
	_, frame := AppendBroadcast(nil, publication("t", `""`, "u", "1"))
	rest := len(open(t, frame, ws.OpText))
	for _, n := range []int{125, 126, 65535, 65536} {
		payload := `"` + strings.Repeat("x", n-rest) + `"`
		_, frame := AppendBroadcast(nil, publication("t", payload, "u", "1"))
		if got := open(t, frame, ws.OpText); len(got) != n {
			t.Errorf("a message of %d bytes came as %d", n, len(got))
		}
	}
}

var odd = []string{
	"", "plain", `"`, `\`, `\"`, "a\x00b", "\x01\x1f\x7f", "\b\f\n\r\t", "<script>&amp;</script>", "é😀\u2028\u2029\ufeff",
	"\xff", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80x", "\ufffd", strings.Repeat("\x00", 300), strings.Repeat("\xff", 300),
}

// Whatever is in a topic, a name or an id, a frame is JSON and UTF-8, and says the same.
func TestOddStrings(t *testing.T) {
	for _, s := range odd {
		for _, f := range textFrames(s, "[1, 2]", s, s) {
			_, frame := f.build(nil)
			got := open(t, frame, ws.OpText)
			if !utf8.Valid(got) {
				t.Errorf("%s of %.20q is not UTF-8: %q", f.name, s, got)
			}
			var a, b any
			if err := json.Unmarshal(got, &a); err != nil {
				t.Errorf("%s of %.20q: %v: %s", f.name, s, err, got)
				continue
			}
			if err := json.Unmarshal([]byte(f.want), &b); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("%s of %.20q\ngot  %v\nwant %v", f.name, s, a, b)
			}
		}
	}
}

// A payload goes through byte for byte, however it is written.
func TestPayloadBytes(t *testing.T) {
	for _, payload := range []string{
		`null`, `""`, ` { "b" : 1 , "a":1.0e0, "a":-0 } `, `"\u0041\/\ud83d\ude00<&>"`, "[\n1,\r\n2\t]", `"é\u2028` + "\u2028" + `"`,
		`12345678901234567890.123456789`, strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		_, frame := AppendBroadcast(nil, publication("t", payload, "u", "1"))
		got := open(t, frame, ws.OpText)
		if !bytes.Contains(got, []byte(`"payload":`+payload+`,"from_user"`)) || !json.Valid(got) {
			t.Errorf("payload %q is in %q", payload, got)
		}
		var e Envelope
		var b Broadcast
		if err := e.Parse(got); err != nil {
			t.Fatal(err)
		}
		if err := b.Parse(e.Data); err != nil || b.Payload != strings.Trim(payload, " ") {
			t.Errorf("payload %q is read as %q (%v)", payload, b.Payload, err)
		}
	}
}

func TestControlFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125} {
		payload := bytes.Repeat([]byte{'p'}, n)
		for _, op := range []ws.OpCode{ws.OpPing, ws.OpPong} {
			if _, frame := AppendControl([]byte("x"), op, payload); !bytes.Equal(open(t, frame, op), payload) {
				t.Errorf("control frame %x of %d bytes: %x", op, n, frame)
			}
		}
	}
}

func TestClose(t *testing.T) {
	tests := []struct {
		code         ws.StatusCode
		reason, want string
	}{
		{CloseNormal, "", ""},
		{CloseSlow, "too slow", "too slow"},
		{CloseProtocol, strings.Repeat("r", 123), strings.Repeat("r", 123)},
		{CloseProtocol, strings.Repeat("r", 124), strings.Repeat("r", 123)},
		{ClosePolicy, strings.Repeat("é", 62), strings.Repeat("é", 61)}, // not half a letter
		{ClosePolicy, "x" + strings.Repeat("😀", 31), "x" + strings.Repeat("😀", 30)},
		{ClosePolicy, strings.Repeat("\x80", 200), ""}, // no letter at all
	}
	for _, tt := range tests {
		_, frame := AppendClose(nil, tt.code, tt.reason)
		got := open(t, frame, ws.OpClose)
		if code := ws.StatusCode(binary.BigEndian.Uint16(got)); code != tt.code || string(got[2:]) != tt.want {
			t.Errorf("%d %.20q… is sent as %d %q", tt.code, tt.reason, code, got[2:])
		}
		if err := ws.CheckCloseFrameData(ws.ParseCloseFrameData(got)); err != nil {
			t.Errorf("%d: %v", tt.code, err)
		}
	}
}

// Reading a Broadcast and writing one, in the steady state, allocates nothing.
func TestAllocations(t *testing.T) {
	frame := []byte(`{"type":"Broadcast","id":"m-1","timestamp":1763856000000,"data":{"topic":"chat.lobby","payload":{"text":"hi","n":[1,2,3]},"echo":true}}`)
	var e Envelope
	var b Broadcast
	check := func(what string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%v allocations to %s", n, what)
		}
	}
	check("read a Broadcast", func() {
		if err := e.Parse(frame); err != nil {
			t.Fatal(err)
		}
		if err := b.Parse(e.Data); err != nil {
			t.Fatal(err)
		}
	})
	buf := make([]byte, 0, 4096)
	p := publication("chat.lobby", `{"text":"hi"}`, "alice <b>", "m-1")
	check("write a Broadcast", func() { buf, _ = AppendBroadcast(buf[:0], p) })
	check("write an Ack", func() { buf, _ = AppendAck(buf[:0], e.ID, b.Topic) })
	check("write a Pong", func() { buf, _ = AppendPong(buf[:0], e.ID, e.Timestamp, 1763856000000) })
	check("write an Error", func() { buf, _ = AppendError(buf[:0], e.ID, Error{Code: 400, Message: "no"}) })
	check("write a ping", func() { buf, _ = AppendControl(buf[:0], ws.OpPing, nil) })
	ping := []byte(`{"type":"Ping","data":{"timestamp":1}}`)
	check("read a Ping", func() {
		if err := e.Parse(ping); err != nil {
			t.Fatal(err)
		}
		if stamp, err := ParsePing(e.Data); err != nil || stamp != "1" {
			t.Fatal(stamp, err)
		}
	})
}

func BenchmarkParseBroadcast(b *testing.B) {
	for _, size := range []int{16, 1024, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			frame := []byte(`{"type":"Broadcast","id":"m-1","data":{"topic":"chat.lobby","payload":"` + strings.Repeat("x", size) + `"}}`)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			var e Envelope
			var p Broadcast
			for b.Loop() {
				if e.Parse(frame) != nil || p.Parse(e.Data) != nil {
					b.Fatal("not read")
				}
			}
		})
	}
}
