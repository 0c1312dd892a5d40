package protocol

import "strconv"

// RoomMessage is the data of a RoomMessage. Its fields alias the frame.
type RoomMessage struct {
	Room    string
	Payload string // raw JSON, any value
}

// Parse reads the data of an Envelope.
func (m *RoomMessage) Parse(data string) error {
	*m = RoomMessage{}
	var room string
	for key, raw := range members(data) {
		switch key {
		case "room":
			room = raw
		case "payload":
			m.Payload = raw
		}
	}
	var err error
	if m.Room, err = text(room, ErrRoomMissing, ErrRoomType); err != nil {
		return err
	}
	if m.Payload == "" {
		return ErrPayloadMissing
	}
	return nil
}

// AppendRoomMessage appends the frame that members get: a Broadcast's, but that p.Topic is
// the room.
func AppendRoomMessage(b []byte, p *Publication) (buf, frame []byte) {
	return appendPublication(b, `{"type":"RoomMessage","data":{"room":`, p)
}

// AppendRoomAck appends the sender's Ack of a RoomMessage that is on its way to recipients
// connections.
func AppendRoomAck(b []byte, id, messageID, room string, recipients int) (buf, frame []byte) {
	b, at := head(b, "Ack", id)
	b = append(b, `{"message_id":`...)
	b = appendString(b, messageID)
	b = append(b, `,"room":`...)
	b = appendString(b, room)
	b = append(b, `,"status":"accepted","recipients":`...)
	b = strconv.AppendInt(b, int64(recipients), 10)
	return finish(append(b, `}}`...), at)
}
