package client

import (
	"errors"
	"fmt"

	"github.com/tidwall/gjson"
)

// Message is one frame of the server. Its strings may be kept.
type Message struct {
	Type string
	ID   string // empty when it answers no request
	Data string // raw JSON
}

// Delivery is a Broadcast as it arrived. Its strings may be kept.
type Delivery struct {
	Topic     string
	Payload   string // raw JSON, byte for byte
	FromUser  string
	MessageID string
	SentAt    int64 // Unix milliseconds, by the server's clock
	Offset    int64 // 0 for topics without history
	Epoch     string
	Set       string // what rules have set: raw JSON members; empty: nothing
}

// Ack says that the server took a message.
type Ack struct {
	MessageID  string
	Topic      string // of a Broadcast
	Room       string // of a RoomMessage
	Status     string // accepted or stored; of a DirectMessage delivered or queued
	Recipients int    // of a DirectMessage or RoomMessage
	Offset     int64  // 0 for topics without history
	Epoch      string
	Duplicate  bool
}

// Welcome is the first frame of a connection.
type Welcome struct {
	ConnectionID string
	SessionID    string
	UserID       string
	ServerTime   int64 // Unix milliseconds
	Resumed      bool
	Topics       []string // subscriptions of a resumed session
	Rooms        []string // of which the user is a member
	Features     []string // what the server does

	// Of a resumed session's topics and rooms with history.
	Positions, RoomPositions map[string]TopicPosition

	Details string // raw JSON of all details
}

var errNotAMessage = errors.New("not a JSON object with a type")

func parseMessage(text string) (Message, error) {
	var m Message
	root := gjson.Parse(text)
	if !root.IsObject() || !gjson.Valid(text) {
		return m, fmt.Errorf("%w: %.100q", errNotAMessage, text)
	}
	root.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "type":
			m.Type = v.Str
		case "id":
			m.ID = v.Str
		case "data":
			m.Data = v.Raw
		}
		return true
	})
	if m.Type == "" {
		return m, fmt.Errorf("%w: %.100q", errNotAMessage, text)
	}
	return m, nil
}

func parseDelivery(data string) Delivery {
	var d Delivery
	gjson.Parse(data).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "topic":
			d.Topic = v.Str
		case "payload":
			d.Payload = v.Raw
		case "from_user":
			d.FromUser = v.Str
		case "metadata":
			by := parseMetadata(v)
			d.MessageID, d.SentAt, d.Offset, d.Epoch, d.Set = by.messageID, by.sentAt, by.offset, by.epoch, by.set
		}
		return true
	})
	return d
}

func parseAck(data string) Ack {
	d := gjson.Parse(data)
	return Ack{
		MessageID:  d.Get("message_id").Str,
		Topic:      d.Get("topic").Str,
		Room:       d.Get("room").Str,
		Status:     d.Get("status").Str,
		Recipients: int(d.Get("recipients").Int()),
		Offset:     d.Get("offset").Int(),
		Epoch:      d.Get("epoch").Str,
		Duplicate:  d.Get("duplicate").Bool(),
	}
}

func parseWelcome(data string) (Welcome, error) {
	d := gjson.Parse(data)
	if s := d.Get("status").Str; s != "connected" {
		return Welcome{}, fmt.Errorf("status %q in place of connected", s)
	}
	d = d.Get("details")
	return Welcome{
		ConnectionID: d.Get("connection_id").Str,
		SessionID:    d.Get("session_id").Str,
		UserID:       d.Get("user_id").Str,
		ServerTime:   d.Get("server_time").Int(),
		Resumed:      d.Get("resumed").Bool(),
		Topics:       strs(d.Get("topics")),
		Rooms:        strs(d.Get("rooms")),
		Features:     strs(d.Get("features")),

		Positions:     parsePositions(d.Get("positions")),
		RoomPositions: parsePositions(d.Get("room_positions")),

		Details: d.Raw,
	}, nil
}
