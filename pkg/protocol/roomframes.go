package protocol

import "strconv"

// Events of a room that AppendRoomEvent tells of.
const (
	RoomJoined  = "joined"
	RoomLeft    = "left"
	RoomRemoved = "removed" // by the owner
	RoomDeleted = "deleted"
)

// AppendRoomEvent appends the frame that tells members what user did in the room, or what was
// done to it: RoomJoined, RoomLeft, RoomRemoved or RoomDeleted. members is their number after it.
func AppendRoomEvent(b []byte, room, event, user string, members int) (buf, frame []byte) {
	b, at := head(b, "RoomEvent", "")
	b = append(b, `{"room":`...)
	b = appendString(b, room)
	b = append(b, `,"event":`...)
	b = appendString(b, event)
	b = append(b, `,"user_id":`...)
	b = appendString(b, user)
	b = append(b, `,"member_count":`...)
	b = strconv.AppendInt(b, int64(members), 10)
	return finish(append(b, `}}`...), at)
}

// AppendRoomMembers appends the frame that tells members of a large room at once who came and
// who went. members is their number after it.
func AppendRoomMembers(b []byte, room string, joined, left []string, members int) (buf, frame []byte) {
	b, at := head(b, "RoomEvent", "")
	b = append(b, `{"room":`...)
	b = appendString(b, room)
	b = append(b, `,"event":"members","joined":`...)
	b = appendStrings(b, joined)
	b = append(b, `,"left":`...)
	b = appendStrings(b, left)
	b = append(b, `,"member_count":`...)
	b = strconv.AppendInt(b, int64(members), 10)
	return finish(append(b, `}}`...), at)
}

// RoomDescription is what a Room message says of a room, but for its members.
type RoomDescription struct {
	Room     string
	Owner    string
	Private  bool
	Durable  bool
	Capacity int    // 0: no bound of its own
	Metadata []byte // raw JSON object; empty: none
	Count    int    // its members
}

// AppendRoomHead appends the members of a Room's data that describe the room, raw JSON without
// the braces, for AppendRoom.
func AppendRoomHead(b []byte, r *RoomDescription) []byte {
	b = append(b, `"room":`...)
	b = appendString(b, r.Room)
	b = append(b, `,"owner":`...)
	b = appendString(b, r.Owner)
	visibility := visibilityPublic
	if r.Private {
		visibility = visibilityPrivate
	}
	b = append(b, `,"visibility":`...)
	b = appendString(b, visibility)
	b = append(b, `,"durable":`...)
	b = strconv.AppendBool(b, r.Durable)
	if r.Capacity != 0 {
		b = append(b, `,"capacity":`...)
		b = strconv.AppendInt(b, int64(r.Capacity), 10)
	}
	if len(r.Metadata) != 0 {
		b = append(b, `,"metadata":`...)
		b = append(b, r.Metadata...)
	}
	b = append(b, `,"member_count":`...)
	return strconv.AppendInt(b, int64(r.Count), 10)
}

// AppendRoomMember appends a member of a room as AppendRoom lists them, a raw JSON object.
func AppendRoomMember(b []byte, user, status string) []byte {
	b = append(b, `{"user_id":`...)
	b = appendString(b, user)
	b = append(b, `,"status":`...)
	b = appendString(b, status)
	return append(b, '}')
}

// AppendRoom appends the answer to a RoomInfo: description is by AppendRoomHead, members are by
// AppendRoomMember. next is what the client is to ask for the members after, empty behind the last.
func AppendRoom(b []byte, id string, description []byte, members [][]byte, next string) (buf, frame []byte) {
	b, at := head(b, "Room", id)
	b = append(b, '{')
	b = append(b, description...)
	b = append(b, `,"members":`...)
	b = appendList(b, members)
	if next != "" {
		b = append(b, `,"next":`...)
		b = appendString(b, next)
	}
	return finish(append(b, `}}`...), at)
}

// appendStrings appends a JSON array of strings.
func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

// appendList appends a JSON array of raw values.
func appendList(b []byte, list [][]byte) []byte {
	b = append(b, '[')
	for i, raw := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, raw...)
	}
	return append(b, ']')
}
