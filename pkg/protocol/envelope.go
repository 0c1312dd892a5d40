package protocol

import (
	"errors"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Message types of clients.
const (
	TypePing        = "Ping"
	TypeSubscribe   = "Subscribe"
	TypeUnsubscribe = "Unsubscribe"
	TypeBroadcast   = "Broadcast"
)

// Errors of an envelope, worded for the client.
var (
	ErrNotJSON   = errors.New("not valid JSON")
	ErrNotObject = errors.New("not a JSON object")
	ErrNoType    = errors.New("type: missing")
	ErrType      = errors.New("type: not a string")
	ErrID        = errors.New("id: not a string of at most 128 bytes")
	ErrTimestamp = errors.New("timestamp: not a number")
	ErrData      = errors.New("data: not an object")
)

// Envelope is a client's message, read as far as every message is alike. All
// strings alias the frame, and live as long as it does.
type Envelope struct {
	Type      string
	ID        string // empty when there is none
	Data      string // raw JSON object; empty when there is none
	Timestamp string // raw JSON number; empty when there is none
}

// Parse reads a text frame's payload. When it fails, ID is set all the same where it
// could be read, so that the Error can carry it. Of a field that comes twice, the last
// counts, as in JavaScript.
func (e *Envelope) Parse(frame []byte) error {
	*e = Envelope{}
	if !gjson.ValidBytes(frame) {
		return ErrNotJSON
	}
	root := gjson.Parse(unsafe.String(unsafe.SliceData(frame), len(frame)))
	if !root.IsObject() {
		return ErrNotObject
	}
	var bad error
	typed := false
	root.ForEach(func(key, v gjson.Result) bool {
		if v.Type == gjson.Null {
			return true
		}
		switch key.Str {
		case "type":
			typed = true
			if e.Type = v.Str; v.Type != gjson.String {
				bad = ErrType
			}
		case "id":
			if v.Type != gjson.String || len(v.Str) > MaxID {
				bad = ErrID
			} else {
				e.ID = v.Str
			}
		case "timestamp":
			if e.Timestamp = v.Raw; v.Type != gjson.Number {
				bad = ErrTimestamp
			}
		case "data":
			if e.Data = v.Raw; !v.IsObject() {
				bad = ErrData
			}
		}
		return true
	})
	if bad == nil && !typed {
		bad = ErrNoType
	}
	return bad
}
