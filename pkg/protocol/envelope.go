package protocol

import (
	"bytes"
	"errors"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Message types of clients.
const (
	TypePing            = "Ping"
	TypeRefreshToken    = "RefreshToken"
	TypeSubscribe       = "Subscribe"
	TypeUnsubscribe     = "Unsubscribe"
	TypeBroadcast       = "Broadcast"
	TypeHistory         = "History"
	TypeDirectMessage   = "DirectMessage"
	TypeCreateRoom      = "CreateRoom"
	TypeJoinRoom        = "JoinRoom"
	TypeLeaveRoom       = "LeaveRoom"
	TypeRoomMessage     = "RoomMessage"
	TypeAddMember       = "AddMember"
	TypeRemoveMember    = "RemoveMember"
	TypeDeleteRoom      = "DeleteRoom"
	TypeRoomInfo        = "RoomInfo"
	TypeSetPresence     = "SetPresence"
	TypeGetPresence     = "GetPresence"
	TypeWatchPresence   = "WatchPresence"
	TypeUnwatchPresence = "UnwatchPresence"
)

// Errors of an envelope, worded for the client.
var (
	ErrNotJSON   = errors.New("not valid JSON")
	ErrDepth     = errors.New("nested more than 512 levels deep")
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
// counts, as in JavaScript; null is as good as absent.
func (e *Envelope) Parse(frame []byte) error {
	*e = Envelope{}
	if tooDeep(frame) {
		return ErrDepth
	}
	if !gjson.ValidBytes(frame) {
		return ErrNotJSON
	}
	text := unsafe.String(unsafe.SliceData(frame), len(frame))
	if text[skipSpace(text, 0)] != '{' {
		return ErrNotObject
	}
	var kind, id, timestamp, data string
	for key, raw := range members(text) {
		switch key {
		case "type":
			kind = raw
		case "id":
			id = raw
		case "timestamp":
			timestamp = raw
		case "data":
			data = raw
		}
	}
	if !isNull(id) {
		v := gjson.Parse(id)
		if v.Type != gjson.String || len(v.Str) > MaxID {
			return ErrID
		}
		e.ID = v.Str
	}
	if isNull(kind) {
		return ErrNoType
	}
	v := gjson.Parse(kind)
	if v.Type != gjson.String {
		return ErrType
	}
	e.Type = v.Str
	if !isNull(timestamp) {
		if !isNumber(timestamp) {
			return ErrTimestamp
		}
		e.Timestamp = timestamp
	}
	if !isNull(data) {
		if data[0] != '{' {
			return ErrData
		}
		e.Data = data
	}
	return nil
}

// tooDeep reports whether a frame, JSON or not, nests deeper than MaxDepth: gjson's check
// recurses, and so do the readers of many subscribers.
func tooDeep(frame []byte) bool {
	if bytes.Count(frame, []byte{'['})+bytes.Count(frame, []byte{'{'}) <= MaxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(frame); i++ {
		switch frame[i] {
		case '"':
			for i++; i < len(frame) && frame[i] != '"'; i++ {
				if frame[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if depth++; depth > MaxDepth {
				return true
			}
		case ']', '}':
			depth--
		}
	}
	return false
}

// isNull reports whether a member has no value: it is absent, or null.
func isNull(raw string) bool { return raw == "" || raw == "null" }

// isNumber reports whether a value, known to be valid JSON, is a number.
func isNumber(raw string) bool { return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' }
