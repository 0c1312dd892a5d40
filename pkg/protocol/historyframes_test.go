package protocol

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

func stored(topic, payload, user, id string) *Publication {
	p := publication(topic, payload, user, id)
	p.Offset, p.Epoch = 7, "k2"
	return p
}

// historyFrames is one frame of each kind that is about histories, made of the given strings.
func historyFrames(name, payload, user, id, epoch string) []userFrame {
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	n, m, at := quote(name), quote("m"+id), `"offset":9007199254740991,"epoch":`+quote(epoch)
	withID := ""
	if id != "" {
		withID = `,"id":` + quote(id)
	}
	p := Position{1<<53 - 1, epoch}
	publication := &Publication{Topic: name, Payload: []byte(payload), User: user, MessageID: "m" + id, SentAt: 5, Offset: p.Offset, Epoch: epoch}
	data := `{"topic":` + n + `,"payload":` + payload + `,"from_user":` + quote(user) + `,"metadata":{"message_id":` + m + `,"sent_at":5,` + at + `}}`
	roomData := `{"room":` + strings.TrimPrefix(data, `{"topic":`)
	_, broadcast := AppendBroadcast(nil, publication)
	object := PublicationData(broadcast)
	frames := []userFrame{
		{"Broadcast", func(b []byte) ([]byte, []byte) { return AppendBroadcast(b, publication) }, `{"type":"Broadcast","data":` + data + `}`},
		{"RoomMessage", func(b []byte) ([]byte, []byte) { return AppendRoomMessage(b, publication) }, `{"type":"RoomMessage","data":` + roomData + `}`},
		{"stored", func(b []byte) ([]byte, []byte) { return AppendStored(b, id, "m"+id, name, p, false) },
			`{"type":"Ack"` + withID + `,"data":{"message_id":` + m + `,"topic":` + n + `,"status":"stored",` + at + `}}`},
		{"duplicate", func(b []byte) ([]byte, []byte) { return AppendStored(b, id, "m"+id, name, p, true) },
			`{"type":"Ack"` + withID + `,"data":{"message_id":` + m + `,"topic":` + n + `,"status":"stored",` + at + `,"duplicate":true}}`},
		{"room's stored", func(b []byte) ([]byte, []byte) { return AppendRoomStored(b, id, "m"+id, name, 3, p, false) },
			`{"type":"Ack"` + withID + `,"data":{"message_id":` + m + `,"room":` + n + `,"status":"stored","recipients":3,` + at + `}}`},
		{"room's duplicate", func(b []byte) ([]byte, []byte) { return AppendRoomStored(b, id, "m"+id, name, 0, p, true) },
			`{"type":"Ack"` + withID + `,"data":{"message_id":` + m + `,"room":` + n + `,"status":"stored","recipients":0,` + at + `,"duplicate":true}}`},
		{"empty History", func(b []byte) ([]byte, []byte) {
			return AppendHistory(b, id, &HistoryPage{Topic: name, Top: p})
		}, `{"type":"History"` + withID + `,"data":{"topic":` + n + `,` + at + `,"complete":false,"publications":[]}}`},
		{"History", func(b []byte) ([]byte, []byte) {
			return AppendHistory(b, id, &HistoryPage{Topic: name, Top: p, Complete: true, Publications: [][]byte{object, object}})
		}, `{"type":"History"` + withID + `,"data":{"topic":` + n + `,` + at + `,"complete":true,"publications":[` + data + `,` + data + `]}}`},
		{"gap", func(b []byte) ([]byte, []byte) { return AppendGap(b, name, "", p) },
			`{"type":"Status","data":{"status":"history_gap","details":{"topic":` + n + `,` + at + `,"recovered":false}}}`},
	}
	if name == "" {
		return frames // no room
	}
	return append(frames,
		userFrame{"room's History", func(b []byte) ([]byte, []byte) {
			return AppendHistory(b, id, &HistoryPage{Room: name, Top: p, Complete: true, Publications: [][]byte{[]byte(`{}`)}})
		}, `{"type":"History"` + withID + `,"data":{"room":` + n + `,` + at + `,"complete":true,"publications":[{}]}}`},
		userFrame{"room's gap", func(b []byte) ([]byte, []byte) { return AppendGap(b, "", name, p) },
			`{"type":"Status","data":{"status":"history_gap","details":{"room":` + n + `,` + at + `,"recovered":false}}}`})
}

func TestHistoryFrames(t *testing.T) {
	for _, id := range []string{"", "1"} {
		for _, f := range historyFrames("chat.lobby", `{"text": "hi"}`, "alice", id, "k2") {
			if _, frame := f.build(nil); string(open(t, frame, ws.OpText)) != f.want {
				t.Errorf("%s\ngot  %s\nwant %s", f.name, open(t, frame, ws.OpText), f.want)
			}
		}
	}
}

// Frames follow each other in one buffer, and none is written over by the next.
func TestHistoryFramesShareABuffer(t *testing.T) {
	var buf []byte
	var frames [][]byte
	var want []string
	for _, name := range []string{"a", strings.Repeat("b", 100), strings.Repeat("c", 70_000)} {
		for _, f := range historyFrames(name, "1", "u", "1", "e") {
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

// Whatever is in a name or an id, a frame is JSON and UTF-8, and says the same.
func TestOddHistoryStrings(t *testing.T) {
	for _, s := range odd {
		for _, f := range historyFrames(s, "[1, 2]", s, s, s) {
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
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s of %.20q\ngot  %v\nwant %v", f.name, s, a, b)
			}
		}
	}
}

// The data of a frame is found behind each of the headers that frames have.
func TestPublicationData(t *testing.T) {
	for _, n := range []int{0, 125, 126, 65535, 65536} {
		payload := `"` + strings.Repeat("x", n) + `"`
		_, frame := AppendRoomMessage(nil, stored("r", payload, "u", "1"))
		want := `{"room":"r","payload":` + payload + `,"from_user":"u","metadata":{"message_id":"1","sent_at":1763856000123,"offset":7,"epoch":"k2"}}`
		if got := string(PublicationData(frame)); got != want {
			t.Errorf("got %.100s, want %.100s", got, want)
		}
	}
	_, pong := AppendPong(nil, "1", "", 5)
	_, ping := AppendControl(nil, ws.OpPing, nil)
	if got := string(PublicationData(pong)) + string(PublicationData(ping)); got != `{"server_time":5}` {
		t.Errorf("of a Pong and a ping: %s", got)
	}
}

// FuzzPublicationData: the data of a frame is what a client reads as its data, whatever the strings are.
func FuzzPublicationData(f *testing.F) {
	f.Add("a", `{"x":[1,2]}`, "u", "1", uint64(7), "e")
	f.Add(`,"data":{`, ` null `, `"data":`, `{"type":"X","data":{}}`, uint64(0), `}}`)
	f.Add(strings.Repeat("t", 100), `",\"data\":"`, "\xff", "", uint64(1<<63), "")
	f.Fuzz(func(t *testing.T, topic, payload, user, id string, offset uint64, epoch string) {
		if !json.Valid([]byte(payload)) {
			return
		}
		p := &Publication{Topic: topic, Payload: []byte(payload), User: user, MessageID: id, SentAt: 5, Offset: offset, Epoch: epoch}
		for _, appendFrame := range []func(b []byte, p *Publication) (buf, frame []byte){AppendBroadcast, AppendRoomMessage} {
			_, frame := appendFrame([]byte("before"), p)
			var message struct{ Data json.RawMessage }
			if err := json.Unmarshal(open(t, frame, ws.OpText), &message); err != nil {
				t.Fatal(err)
			}
			data := PublicationData(frame)
			if !bytes.Equal(data, message.Data) {
				t.Fatalf("got  %s\nwant %s", data, message.Data)
			}
			if &data[len(data)-1] != &frame[len(frame)-2] || cap(data) != len(data) {
				t.Fatal("it is not a part of the frame")
			}
			var read struct {
				Metadata struct {
					Offset *uint64
					Epoch  *string
				}
			}
			if err := json.Unmarshal(data, &read); err != nil {
				t.Fatal(err)
			}
			m := read.Metadata
			if (m.Offset == nil) != (offset == 0) || (m.Epoch == nil) != (offset == 0) ||
				offset != 0 && (*m.Offset != offset || *m.Epoch != utf8String(epoch)) {
				t.Fatalf("position %d %q in %s", offset, epoch, data)
			}
		}
	})
}

// FuzzPublicationDataBytes: what is no frame does no harm.
func FuzzPublicationDataBytes(f *testing.F) {
	for _, s := range []string{"", "\x81", "\x81\x7e", "\x81\x7f\x00", "\x81\x00", "\x81\x08,\"data\":", "\x81\x0a,\"data\":{}}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if data := PublicationData(frame); len(data) > len(frame) {
			t.Fatalf("%q of %q", data, frame)
		}
	})
}

// Reading and writing what is about histories allocates nothing in the steady state, but for a position in a request.
func TestHistoryAllocations(t *testing.T) {
	check := func(what string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%v allocations to %s", n, what)
		}
	}
	var h History
	check("read a History", func() {
		if err := h.Parse(`{"topic":"chat.lobby","limit":50,"reverse":true}`); err != nil {
			t.Fatal(err)
		}
	})
	buf := make([]byte, 0, 4096)
	p := Position{7, "k2"}
	publication := stored("chat.lobby", `{"text":"hi"}`, "alice <b>", "m-1")
	_, frame := AppendBroadcast(nil, publication)
	page := &HistoryPage{Topic: "chat.lobby", Top: p, Publications: [][]byte{PublicationData(frame), PublicationData(frame)}}
	check("write a Broadcast", func() { buf, _ = AppendBroadcast(buf[:0], publication) })
	check("write a RoomMessage", func() { buf, _ = AppendRoomMessage(buf[:0], publication) })
	check("write a stored", func() { buf, _ = AppendStored(buf[:0], "1", "1", "chat.lobby", p, true) })
	check("write a room's stored", func() { buf, _ = AppendRoomStored(buf[:0], "1", "1", "lobby", 2, p, true) })
	check("write a History", func() { buf, _ = AppendHistory(buf[:0], "1", page) })
	check("write a gap", func() { buf, _ = AppendGap(buf[:0], "chat.lobby", "", p) })
	check("find the data of a frame", func() {
		if len(PublicationData(frame)) == 0 {
			t.Fatal("none")
		}
	})
}
