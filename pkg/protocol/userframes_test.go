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

type userFrame struct {
	name  string
	build func(b []byte) (buf, frame []byte)
	want  string
}

// userFrames is one frame of each kind that is about users and rooms, made of the given strings.
func userFrames(room, payload, user, id string) []userFrame {
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	r, u, m := quote(room), quote(user), quote("m"+id)
	withID := ""
	if id != "" {
		withID = `,"id":` + quote(id)
	}
	direct := func(queued bool) *Direct {
		return &Direct{Payload: []byte(payload), User: user, MessageID: "m" + id, SentAt: 1763856000123, Queued: queued}
	}
	here := UserPresence{User: user, Status: StatusBusy, LastSeen: 1763856000123, Connections: 2, Message: "x" + user, Metadata: []byte(`{ "a":1}`)}
	hereJSON := `{"user_id":` + u + `,"status":"busy","last_seen":1763856000123,"connections":2,"message":` + quote("x"+user) + `,"metadata":{ "a":1}}`
	away := UserPresence{User: user, Status: StatusOffline}
	awayJSON := `{"user_id":` + u + `,"status":"offline","last_seen":null,"connections":0}`
	full := RoomDescription{Room: room, Owner: user, Private: true, Durable: true, Capacity: 12, Metadata: []byte(`{ "a":1}`), Count: 2}
	fullJSON := `"room":` + r + `,"owner":` + u + `,"visibility":"private","durable":true,"capacity":12,"metadata":{ "a":1},"member_count":2`
	bare := RoomDescription{Room: room, Owner: user}
	bareJSON := `"room":` + r + `,"owner":` + u + `,"visibility":"public","durable":false,"member_count":0`
	sent := `"metadata":{"message_id":` + m + `,"sent_at":1763856000123`
	return []userFrame{
		{"DirectMessage", func(b []byte) ([]byte, []byte) { return AppendDirectMessage(b, direct(false)) },
			`{"type":"DirectMessage","data":{"from_user":` + u + `,"payload":` + payload + `,` + sent + `}}}`},
		{"queued DirectMessage", func(b []byte) ([]byte, []byte) { return AppendDirectMessage(b, direct(true)) },
			`{"type":"DirectMessage","data":{"from_user":` + u + `,"payload":` + payload + `,` + sent + `,"queued":true}}}`},
		{"delivered", func(b []byte) ([]byte, []byte) { return AppendDelivered(b, id, "m"+id, 3) },
			`{"type":"Ack"` + withID + `,"data":{"message_id":` + m + `,"status":"delivered","recipients":3}}`},
		{"queued", func(b []byte) ([]byte, []byte) { return AppendQueued(b, id, "m"+id) },
			`{"type":"Ack"` + withID + `,"data":{"message_id":` + m + `,"status":"queued"}}`},
		{"not queued", func(b []byte) ([]byte, []byte) {
			return AppendNotQueued(b, id, "m"+id, Error{Code: CodeNotFound, Message: user, Details: `{"no":1}`})
		}, `{"type":"Error"` + withID + `,"data":{"code":404,"message":` + u + `,"details":{"message_id":` + m + `,"queued":false}}}`},
		{"queue away", func(b []byte) ([]byte, []byte) {
			return AppendNotQueued(b, id, "m"+id, Error{Code: CodeUnavailable, Message: user})
		}, `{"type":"Error"` + withID + `,"data":{"code":503,"message":` + u + `,"details":{"message_id":` + m + `,"queued":false,"retry_after_ms":1000}}}`},
		{"RoomMessage", func(b []byte) ([]byte, []byte) { return AppendRoomMessage(b, publication(room, payload, user, "m"+id)) },
			`{"type":"RoomMessage","data":{"room":` + r + `,"payload":` + payload + `,"from_user":` + u + `,` + sent + `}}}`},
		{"room's Ack", func(b []byte) ([]byte, []byte) { return AppendRoomAck(b, id, "m"+id, room, 0) },
			`{"type":"Ack"` + withID + `,"data":{"message_id":` + m + `,"room":` + r + `,"status":"accepted","recipients":0}}`},
		{"RoomEvent", func(b []byte) ([]byte, []byte) { return AppendRoomEvent(b, room, RoomRemoved, user, 7) },
			`{"type":"RoomEvent","data":{"room":` + r + `,"event":"removed","user_id":` + u + `,"member_count":7}}`},
		{"coalesced RoomEvent", func(b []byte) ([]byte, []byte) {
			return AppendRoomMembers(b, room, []string{user, "bob"}, []string{user}, 7)
		},
			`{"type":"RoomEvent","data":{"room":` + r + `,"event":"members","joined":[` + u + `,"bob"],"left":[` + u + `],"member_count":7}}`},
		{"empty coalesced RoomEvent", func(b []byte) ([]byte, []byte) { return AppendRoomMembers(b, room, nil, nil, 0) },
			`{"type":"RoomEvent","data":{"room":` + r + `,"event":"members","joined":[],"left":[],"member_count":0}}`},
		{"Room", func(b []byte) ([]byte, []byte) {
			members := [][]byte{AppendRoomMember(nil, user, StatusAway), AppendRoomMember(nil, "bob", StatusOffline)}
			return AppendRoom(b, id, AppendRoomHead(nil, &full), members, "x"+user)
		}, `{"type":"Room"` + withID + `,"data":{` + fullJSON + `,"members":[{"user_id":` + u + `,"status":"away"},{"user_id":"bob","status":"offline"}],"next":` + quote("x"+user) + `}}`},
		{"empty Room", func(b []byte) ([]byte, []byte) { return AppendRoom(b, id, AppendRoomHead(nil, &bare), nil, "") },
			`{"type":"Room"` + withID + `,"data":{` + bareJSON + `,"members":[]}}`},
		{"Presence", func(b []byte) ([]byte, []byte) {
			return AppendPresenceList(b, id, [][]byte{AppendUserPresence(nil, &here), AppendUserPresence(nil, &away)})
		}, `{"type":"Presence"` + withID + `,"data":{"users":[` + hereJSON + `,` + awayJSON + `]}}`},
		{"empty Presence", func(b []byte) ([]byte, []byte) { return AppendPresenceList(b, id, nil) },
			`{"type":"Presence"` + withID + `,"data":{"users":[]}}`},
		{"Presence of a change", func(b []byte) ([]byte, []byte) { return AppendPresenceEvent(b, AppendUserPresence(nil, &here)) },
			`{"type":"Presence","data":` + hereJSON + `}`},
	}
}

func TestUserFrames(t *testing.T) {
	for _, id := range []string{"", "1"} {
		for _, f := range userFrames("lobby", `{"text": "hi"}`, "alice", id) {
			if _, frame := f.build(nil); string(open(t, frame, ws.OpText)) != f.want {
				t.Errorf("%s\ngot  %s\nwant %s", f.name, open(t, frame, ws.OpText), f.want)
			}
		}
	}
}

// Each event is the word of the contract.
func TestRoomEvents(t *testing.T) {
	for event, want := range map[string]string{RoomJoined: "joined", RoomLeft: "left", RoomRemoved: "removed", RoomDeleted: "deleted"} {
		_, frame := AppendRoomEvent(nil, "r", event, "u", 1)
		if got := open(t, frame, ws.OpText); !bytes.Contains(got, []byte(`"event":"`+want+`"`)) {
			t.Errorf("%s: %s", want, got)
		}
	}
}

// Frames follow each other in one buffer, and none is written over by the next.
func TestUserFramesShareABuffer(t *testing.T) {
	var buf []byte
	var frames [][]byte
	var want []string
	for _, room := range []string{"a", strings.Repeat("b", 100), strings.Repeat("c", 70_000)} {
		for _, f := range userFrames(room, "1", "u", "1") {
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
func TestOddUserStrings(t *testing.T) {
	for _, s := range odd {
		for _, f := range userFrames(s, "[1, 2]", s, s) {
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

// A payload goes through byte for byte, however it is written.
func TestUserPayloadBytes(t *testing.T) {
	for _, payload := range []string{
		`null`, ` { "b" : 1 , "a":1.0e0, "a":-0 } `, `"\u0041\/\ud83d\ude00<&>"`, "[\n1,\r\n2\t]", `"é\u2028` + "\u2028" + `"`,
		`12345678901234567890.123456789`, strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		_, direct := AppendDirectMessage(nil, &Direct{Payload: []byte(payload), User: "u", MessageID: "1"})
		_, room := AppendRoomMessage(nil, publication("r", payload, "u", "1"))
		for _, frame := range [][]byte{direct, room} {
			var e Envelope
			var m RoomMessage
			if err := e.Parse(open(t, frame, ws.OpText)); err != nil {
				t.Fatal(err)
			}
			if _ = m.Parse(`{"room":"r",` + e.Data[1:]); m.Payload != strings.Trim(payload, " ") || !strings.Contains(e.Data, `"payload":`+payload+`,`) {
				t.Errorf("payload %q is in %q", payload, e.Data)
			}
		}
	}
}

// Reading and writing the messages of users and rooms, in the steady state, allocates nothing.
func TestUserAllocations(t *testing.T) {
	check := func(what string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%v allocations to %s", n, what)
		}
	}
	read := func(what, data string, parse func(data string) error) {
		t.Helper()
		check("read a "+what, func() {
			if err := parse(data); err != nil {
				t.Fatal(err)
			}
		})
	}
	var d DirectMessage
	var m RoomMessage
	var j JoinRoom
	var c MemberChange
	var r RoomInfo
	var s SetPresence
	read("DirectMessage", `{"target_user":"bob","payload":{"text":"hi","n":[1,2,3]}}`, d.Parse)
	read("RoomMessage", `{"room":"lobby","payload":{"text":"hi","n":[1,2,3]}}`, m.Parse)
	read("JoinRoom", `{"room":"lobby","create":false}`, j.Parse)
	read("AddMember", `{"room":"lobby","user":"bob"}`, c.Parse)
	read("RoomInfo", `{"room":"lobby","after":"bob","limit":10}`, r.Parse)
	read("SetPresence", `{"status":"away","message":"at lunch","metadata":{"a":1}}`, s.Parse)

	buf := make([]byte, 0, 4096)
	p := publication("lobby", `{"text":"hi"}`, "alice <b>", "m-1")
	direct := &Direct{Payload: p.Payload, User: p.User, MessageID: p.MessageID, SentAt: p.SentAt, Queued: true}
	user := &UserPresence{User: "alice", Status: StatusAway, LastSeen: p.SentAt, Connections: 1, Message: "at lunch"}
	room := &RoomDescription{Room: "lobby", Owner: "alice", Count: 2}
	raw := [][]byte{[]byte(`{"user_id":"a"}`), []byte(`{"user_id":"b"}`)}
	names := []string{"a", "b"}
	check("write a DirectMessage", func() { buf, _ = AppendDirectMessage(buf[:0], direct) })
	check("write a delivered", func() { buf, _ = AppendDelivered(buf[:0], "1", "1", 2) })
	check("write a queued", func() { buf, _ = AppendQueued(buf[:0], "1", "1") })
	check("write a not queued", func() { buf, _ = AppendNotQueued(buf[:0], "1", "1", Error{Code: CodeUnavailable, Message: "no"}) })
	check("write a RoomMessage", func() { buf, _ = AppendRoomMessage(buf[:0], p) })
	check("write a room's Ack", func() { buf, _ = AppendRoomAck(buf[:0], "1", "1", "lobby", 2) })
	check("write a RoomEvent", func() { buf, _ = AppendRoomEvent(buf[:0], "lobby", RoomJoined, "bob", 2) })
	check("write a coalesced RoomEvent", func() { buf, _ = AppendRoomMembers(buf[:0], "lobby", names, names, 2) })
	check("write a room's head", func() { buf = AppendRoomHead(buf[:0], room) })
	check("write a Room", func() { buf, _ = AppendRoom(buf[:0], "1", raw[0], raw, "b") })
	check("write a user's presence", func() { buf = AppendUserPresence(buf[:0], user) })
	check("write a Presence", func() { buf, _ = AppendPresenceList(buf[:0], "1", raw) })
	check("write a Presence of a change", func() { buf, _ = AppendPresenceEvent(buf[:0], raw[0]) })
}
