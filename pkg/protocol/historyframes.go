package protocol

import (
	"bytes"
	"strconv"
)

// AppendStored appends the sender's Ack of a Broadcast to a topic with history, which is stored at p;
// duplicate: as the same message of an earlier Broadcast.
func AppendStored(b []byte, id, messageID, topic string, p Position, duplicate bool) (buf, frame []byte) {
	b, at := head(b, "Ack", id)
	b = append(b, `{"message_id":`...)
	b = appendString(b, messageID)
	b = append(b, `,"topic":`...)
	b = appendString(b, topic)
	b = append(b, `,"status":"stored",`...)
	return finish(appendStoredAt(b, p, duplicate), at)
}

// AppendRoomStored appends the sender's Ack of a RoomMessage in a room with history, which is stored at
// p and on its way to recipients connections; duplicate: as the same message of an earlier RoomMessage.
func AppendRoomStored(b []byte, id, messageID, room string, recipients int, p Position, duplicate bool) (buf, frame []byte) {
	b, at := head(b, "Ack", id)
	b = append(b, `{"message_id":`...)
	b = appendString(b, messageID)
	b = append(b, `,"room":`...)
	b = appendString(b, room)
	b = append(b, `,"status":"stored","recipients":`...)
	b = strconv.AppendInt(b, int64(recipients), 10)
	return finish(appendStoredAt(append(b, ','), p, duplicate), at)
}

// appendStoredAt appends the end of an Ack, braces included.
func appendStoredAt(b []byte, p Position, duplicate bool) []byte {
	b = appendPosition(b, p)
	if duplicate {
		b = append(b, `,"duplicate":true`...)
	}
	return append(b, `}}`...)
}

// HistoryPage is what a History tells a client of a history.
type HistoryPage struct {
	Topic, Room  string   // one of them; the other is empty
	Top          Position // the newest publication at that time
	Complete     bool     // nothing that was asked for is missing here or follows
	Publications [][]byte // raw JSON objects, by PublicationData, in the order that was asked for
}

// AppendHistory appends the answer to a History.
func AppendHistory(b []byte, id string, h *HistoryPage) (buf, frame []byte) {
	b, at := head(b, "History", id)
	b = append(appendKey(b, h.Topic, h.Room), ',')
	b = appendPosition(b, h.Top)
	b = append(b, `,"complete":`...)
	b = strconv.AppendBool(b, h.Complete)
	b = append(b, `,"publications":`...)
	b = appendList(b, h.Publications)
	return finish(append(b, `}}`...), at)
}

// AppendGap appends the Status that tells a subscriber, or a member of the room, that what it did not get of the
// history up to p is not going to come.
func AppendGap(b []byte, topic, room string, p Position) (buf, frame []byte) {
	b, at := head(b, "Status", "")
	b = append(b, `{"status":"history_gap","details":`...)
	b = append(appendKey(b, topic, room), ',')
	b = appendPosition(b, p)
	return finish(append(b, `,"recovered":false}}}`...), at)
}

// appendKey begins an object with the topic or room that it is about.
func appendKey(b []byte, topic, room string) []byte {
	if room != "" {
		return appendString(append(b, `{"room":`...), room)
	}
	return appendString(append(b, `{"topic":`...), topic)
}

// PublicationData returns the data of a frame by AppendBroadcast or AppendRoomMessage, a part of it; nil for a
// frame that has none.
func PublicationData(frame []byte) []byte {
	if len(frame) < 2 {
		return nil
	}
	payload := frame[min(headerSize(frame[1]), len(frame)):]
	_, data, _ := bytes.Cut(payload, []byte(`,"data":`)) // nothing of a client stands before it
	if len(data) == 0 {
		return nil
	}
	n := len(data) - 1 // but for the brace of the message
	return data[:n:n]
}

// headerSize is the size of a frame's header, by its second byte.
func headerSize(length byte) int {
	switch length {
	case 126:
		return 4
	case 127:
		return headroom
	}
	return 2
}
