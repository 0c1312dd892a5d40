package client

import (
	"context"

	"github.com/tidwall/gjson"
)

// DirectMessage is a direct message as it arrived. Its strings may be kept.
type DirectMessage struct {
	FromUser  string
	Payload   string // raw JSON, byte for byte
	MessageID string
	SentAt    int64  // Unix milliseconds, by the server's clock
	Queued    bool   // it waited while this user was away
	Set       string // what rules have set: raw JSON members; empty: nothing
}

// DirectMessage sends payload (raw JSON) to user and waits for the Ack, whose
// Status is delivered or queued.
func (c *Client) DirectMessage(ctx context.Context, user, payload string) (Ack, error) {
	return c.acked(ctx, "DirectMessage", payloadTo("target_user", user, payload))
}

// SendDirect sends payload (raw JSON) to user without waiting; done is as with
// Publish.
func (c *Client) SendDirect(user, payload string, done func(Ack, error)) error {
	return c.publish("DirectMessage", payloadTo("target_user", user, payload), "", done)
}

func parseDirect(data string) DirectMessage {
	var m DirectMessage
	gjson.Parse(data).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "payload":
			m.Payload = v.Raw
		case "from_user":
			m.FromUser = v.Str
		case "metadata":
			by := parseMetadata(v)
			m.MessageID, m.SentAt, m.Queued, m.Set = by.messageID, by.sentAt, by.queued, by.set
		}
		return true
	})
	return m
}
