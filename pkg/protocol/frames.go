package protocol

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/tidwall/gjson"
)

// headroom is what a text frame's header takes at most (a server's is not masked).
const headroom = 10

// begin leaves room for the header at the end of b.
func begin(b []byte) ([]byte, int) {
	at := len(b)
	return append(b, make([]byte, headroom)...), at
}

// finish writes the header of the text frame whose room began at. It returns the
// buffer and the frame, a part of it.
func finish(b []byte, at int) (buf, frame []byte) {
	n := len(b) - at - headroom
	const fin = 0x80 | byte(ws.OpText)
	switch {
	case n < 126:
		at += headroom - 2
		b[at], b[at+1] = fin, byte(n)
	case n < 1<<16:
		at += headroom - 4
		b[at], b[at+1] = fin, 126
		binary.BigEndian.PutUint16(b[at+2:], uint16(n))
	default:
		b[at], b[at+1] = fin, 127
		binary.BigEndian.PutUint64(b[at+2:], uint64(n))
	}
	return b, b[at:len(b):len(b)]
}

// AppendText appends a text frame with the given payload.
func AppendText[T ~string | ~[]byte](b []byte, payload T) (buf, frame []byte) {
	b, at := begin(b)
	return finish(append(b, payload...), at)
}

// AppendControl appends a ping, pong or close frame. The payload is at most 125 bytes.
func AppendControl(b []byte, op ws.OpCode, payload []byte) (buf, frame []byte) {
	at := len(b)
	b = append(b, 0x80|byte(op), byte(len(payload)))
	b = append(b, payload...)
	return b, b[at:len(b):len(b)]
}

// AppendClose appends a close frame; the reason is cut to what fits.
func AppendClose(b []byte, code ws.StatusCode, reason string) (buf, frame []byte) {
	at := len(b)
	if most := ws.MaxControlFramePayloadSize - 2; len(reason) > most {
		for most > 0 && !utf8.RuneStart(reason[most]) {
			most-- // RFC 6455, section 5.5.1: the reason is UTF-8
		}
		reason = reason[:most]
	}
	b = append(b, 0x80|byte(ws.OpClose), byte(2+len(reason)))
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	b = append(b, reason...)
	return b, b[at:len(b):len(b)]
}

// Publication is what a Broadcast or RoomMessage becomes for those who get it.
type Publication struct {
	Topic     string
	Payload   []byte // raw JSON, passed on byte for byte
	User      string // the sender
	MessageID string
	SentAt    int64  // Unix milliseconds
	Offset    uint64 // in the history of the topic; 0: it has none
	Epoch     string // of the offset
	Metadata  string // what rules have set: raw JSON members; empty: nothing
}

// AppendBroadcast appends the frame that subscribers get.
func AppendBroadcast(b []byte, p *Publication) (buf, frame []byte) {
	return appendPublication(b, `{"type":"Broadcast","data":{"topic":`, p)
}

// appendPublication appends a frame that begins as said, up to the name of the topic or room.
func appendPublication(b []byte, beginning string, p *Publication) (buf, frame []byte) {
	b, at := begin(b)
	b = append(b, beginning...)
	b = appendString(b, p.Topic)
	b = append(b, `,"payload":`...)
	b = append(b, p.Payload...)
	b = append(b, `,"from_user":`...)
	b = appendString(b, p.User)
	b = append(b, `,"metadata":{"message_id":`...)
	b = appendString(b, p.MessageID)
	b = append(b, `,"sent_at":`...)
	b = strconv.AppendInt(b, p.SentAt, 10)
	if p.Offset != 0 {
		b = appendPosition(append(b, ','), Position{p.Offset, p.Epoch})
	}
	return finish(append(appendMembers(b, p.Metadata), `}}}`...), at)
}

// appendMembers appends raw JSON members to those of an object.
func appendMembers(b []byte, members string) []byte {
	if members == "" {
		return b
	}
	return append(append(b, ','), members...)
}

// AppendAck appends the sender's Ack of a Broadcast to a topic without history.
func AppendAck(b []byte, id, topic string) (buf, frame []byte) {
	b, at := head(b, "Ack", id)
	b = append(b, `{"message_id":`...)
	b = appendString(b, id)
	b = append(b, `,"topic":`...)
	b = appendString(b, topic)
	return finish(append(b, `,"status":"accepted"}}`...), at)
}

// AppendPong appends the answer to a Ping; timestamp is the client's own, raw JSON.
func AppendPong(b []byte, id, timestamp string, now int64) (buf, frame []byte) {
	b, at := head(b, "Pong", id)
	b = append(b, '{')
	if timestamp != "" {
		b = append(b, `"timestamp":`...)
		b = append(b, timestamp...)
		b = append(b, ',')
	}
	b = append(b, `"server_time":`...)
	b = strconv.AppendInt(b, now, 10)
	return finish(append(b, `}}`...), at)
}

// Error is an Error message.
type Error struct {
	Code    int
	Message string
	Details string // raw JSON object; empty: none
}

// AppendError appends an Error frame. id is empty where the message had none.
func AppendError(b []byte, id string, e Error) (buf, frame []byte) {
	b, at := head(b, "Error", id)
	b = append(b, `{"code":`...)
	b = strconv.AppendInt(b, int64(e.Code), 10)
	b = append(b, `,"message":`...)
	b = appendString(b, e.Message)
	if e.Details != "" {
		b = append(b, `,"details":`...)
		b = append(b, e.Details...)
	}
	return finish(append(b, `}}`...), at)
}

// AppendStatus appends a Status frame. details is a raw JSON object.
func AppendStatus[T ~string | ~[]byte](b []byte, id, status string, details T) (buf, frame []byte) {
	b, at := head(b, "Status", id)
	b = append(b, `{"status":`...)
	b = appendString(b, status)
	b = append(b, `,"details":`...)
	b = append(b, details...)
	return finish(append(b, `}}`...), at)
}

// RetryAfter is the details of an Error that waiting helps against.
func RetryAfter(ms int) string { return `{"retry_after_ms":` + strconv.Itoa(ms) + `}` }

// head begins a frame up to its data.
func head(b []byte, kind, id string) ([]byte, int) {
	b, at := begin(b)
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	b = append(b, '"')
	if id != "" {
		b = append(b, `,"id":`...)
		b = appendString(b, id)
	}
	return append(b, `,"data":`...), at
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte { return gjson.AppendJSONString(b, s) }

// ReconnectAfter is the details of the Status that comes before a draining close.
func ReconnectAfter(ms int) string { return `{"reconnect_after_ms":` + strconv.Itoa(ms) + `}` }

// IsError reports whether a frame, made here, is an Error.
func IsError(frame []byte) bool {
	const beginning = `{"type":"Error"`
	return len(frame) > 1 && bytes.HasPrefix(frame[min(headerSize(frame[1]), len(frame)):], []byte(beginning))
}
