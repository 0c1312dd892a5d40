package protocol

import "strconv"

// UserPresence is what a Presence message says of a user.
type UserPresence struct {
	User        string
	Status      string // StatusOnline, StatusAway, StatusBusy or StatusOffline; to the user itself, StatusInvisible too
	LastSeen    int64  // Unix milliseconds; 0: not known, null for the client
	Connections int
	Message     string // empty: none
	Metadata    []byte // raw JSON object; empty: none
}

// AppendUserPresence appends a user's presence, a raw JSON object for AppendPresenceList and
// AppendPresenceEvent.
func AppendUserPresence(b []byte, p *UserPresence) []byte {
	b = append(b, `{"user_id":`...)
	b = appendString(b, p.User)
	b = append(b, `,"status":`...)
	b = appendString(b, p.Status)
	b = append(b, `,"last_seen":`...)
	if p.LastSeen == 0 {
		b = append(b, `null`...)
	} else {
		b = strconv.AppendInt(b, p.LastSeen, 10)
	}
	b = append(b, `,"connections":`...)
	b = strconv.AppendInt(b, int64(p.Connections), 10)
	if p.Message != "" {
		b = append(b, `,"message":`...)
		b = appendString(b, p.Message)
	}
	if len(p.Metadata) != 0 {
		b = append(b, `,"metadata":`...)
		b = append(b, p.Metadata...)
	}
	return append(b, '}')
}

// AppendPresenceList appends the answer to a GetPresence; the users are by AppendUserPresence.
func AppendPresenceList(b []byte, id string, users [][]byte) (buf, frame []byte) {
	b, at := head(b, "Presence", id)
	b = append(b, `{"users":`...)
	b = appendList(b, users)
	return finish(append(b, `}}`...), at)
}

// AppendPresenceEvent appends the frame that tells a watcher of a change; user is by
// AppendUserPresence.
func AppendPresenceEvent(b []byte, user []byte) (buf, frame []byte) {
	b, at := head(b, "Presence", "")
	b = append(b, user...)
	return finish(append(b, '}'), at)
}
