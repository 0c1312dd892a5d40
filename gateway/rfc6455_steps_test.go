package gateway_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// sends writes the frames in one piece.
func sends(frames ...rfcFrame) rfcStep { return chops(0, frames...) }

// sendsEach writes the frames one by one.
func sendsEach(frames ...rfcFrame) rfcStep {
	return func(p *rfcPeer) {
		for _, f := range frames {
			p.write(f.bytes(), 0)
		}
	}
}

// octets writes the frames octet by octet.
func octets(frames ...rfcFrame) rfcStep { return chops(1, frames...) }

// chops writes the frames in pieces of n octets, whatever their bounds.
func chops(n int, frames ...rfcFrame) rfcStep {
	return func(p *rfcPeer) {
		p.t.Helper()
		var b []byte
		for _, f := range frames {
			b = append(b, f.bytes()...)
		}
		p.write(b, n)
	}
}

// sendsRaw writes octets as they are.
func sendsRaw(b []byte) rfcStep { return func(p *rfcPeer) { p.write(b, 0) } }

// gets reads one frame for each want, in that order.
func gets(wants ...rfcWant) rfcStep {
	return func(p *rfcPeer) {
		p.t.Helper()
		for _, want := range wants {
			p.want(want)
		}
	}
}

func (p *rfcPeer) want(want rfcWant) {
	p.t.Helper()
	if f := p.read(); !want.fits(f) {
		p.t.Fatalf("got opcode %#x with %.200q, want %s", f.op, f.payload, want.about)
	}
}

// rfcWant is what a frame of the gateway's has to be.
type rfcWant struct {
	about string
	fits  func(f rfcFrame) bool
}

// pongOf is the pong frame with a ping frame's payload.
func pongOf(payload string) rfcWant {
	return rfcWant{fmt.Sprintf("a pong with %q", payload), func(f rfcFrame) bool {
		return f.op == opPong && f.payload == payload
	}}
}

// serverMessage is a text frame of the gateway's.
type serverMessage struct {
	Type string
	ID   string
	Data struct {
		Code    int
		Payload json.RawMessage
		Status  string
		Details struct {
			UserID string `json:"user_id"`
		}
	}
}

func message(about string, fits func(m *serverMessage) bool) rfcWant {
	return rfcWant{about, func(f rfcFrame) bool {
		var m serverMessage
		return f.op == opText && json.Unmarshal([]byte(f.payload), &m) == nil && fits(&m)
	}}
}

// answerTo is the Pong that answers the Ping with that id.
func answerTo(id string) rfcWant {
	return message(fmt.Sprintf("the Pong for %q", id), func(m *serverMessage) bool { return m.Type == "Pong" && m.ID == id })
}

// errorOf is an Error message with that code.
func errorOf(code int) rfcWant {
	return message(fmt.Sprintf("Error %d", code), func(m *serverMessage) bool { return m.Type == "Error" && m.Data.Code == code })
}

// pingMessage is a Ping with that id, padded to size octets where it is shorter.
func pingMessage(id string, size int) string {
	quoted, _ := json.Marshal(id)
	begin := `{"type":"Ping","id":` + string(quoted) + `,"data":{"pad":"`
	const end = `"}}`
	return begin + strings.Repeat("*", max(0, size-len(begin)-len(end))) + end
}

// echoes sends a Broadcast of size octets to a topic of the peer's own, as frames of at
// most fragment octets, in pieces of chop octets, and gets its payload back byte for byte.
func echoes(size, fragment, chop int) rfcStep {
	return func(p *rfcPeer) {
		p.t.Helper()
		topic := p.t.Name()
		sends(textFrame(`{"type":"Subscribe","id":"s","data":{"topics":["` + topic + `"]}}`))(p)
		p.want(message("the Status", func(m *serverMessage) bool { return m.ID == "s" && m.Data.Status == "subscribed" }))

		begin, end := `{"type":"Broadcast","data":{"topic":"`+topic+`","payload":"`, `"}}`
		payload := alphabet(size - len(begin) - len(end))
		chops(chop, fragments(begin+payload+end, fragment)...)(p)
		p.want(message("the Broadcast", func(m *serverMessage) bool {
			return m.Type == "Broadcast" && string(m.Data.Payload) == `"`+payload+`"`
		}))
	}
}

// alphabet is n octets of text in which a wrong key or place does not go unseen.
func alphabet(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-" // 63: no multiple of 4
	return strings.Repeat(letters, n/len(letters)+1)[:n]
}

// lives shows that the gateway has nothing more to say, and the connection works: what
// comes next is the answer to a Ping, then that to a close frame.
func lives(p *rfcPeer) {
	p.t.Helper()
	sends(textFrame(pingMessage("alive", 0)))(p)
	p.want(answerTo("alive"))
	sends(closeFrame(1000, ""))(p)
	closes(1000)(p)
}

// closes sees to it that a close frame with that code comes next, then the end of
// the TCP connection, and nothing between.
func closes(code uint16) rfcStep {
	return func(p *rfcPeer) {
		p.t.Helper()
		p.want(rfcWant{fmt.Sprintf("close %d", code), func(f rfcFrame) bool {
			return f.op == opClose && binary.BigEndian.Uint16([]byte(f.payload)) == code
		}})
		p.ended()
	}
}
