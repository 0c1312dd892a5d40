package client

import (
	"context"
	"fmt"

	"github.com/tidwall/gjson"
)

// Subscription is the reply to Subscribe and Unsubscribe.
type Subscription struct {
	Topics   []string
	Active   int    // subscriptions of the connection after the call
	Rejected string // raw JSON of those that were refused, or empty
}

// Subscribe asks for topics, which may hold wildcards, and waits for the reply.
// When all are refused, the error is a *ServerError; when some are, Rejected
// names them.
func (c *Client) Subscribe(ctx context.Context, topics ...string) (Subscription, error) {
	return c.subscription(ctx, "Subscribe", "subscribed", topics)
}

// Unsubscribe gives topics up and waits for the reply.
func (c *Client) Unsubscribe(ctx context.Context, topics ...string) (Subscription, error) {
	return c.subscription(ctx, "Unsubscribe", "unsubscribed", topics)
}

func (c *Client) subscription(ctx context.Context, typ, status string, topics []string) (Subscription, error) {
	data := append([]byte(nil), `{"topics":[`...)
	for i, t := range topics {
		if i > 0 {
			data = append(data, ',')
		}
		data = gjson.AppendJSONString(data, t)
	}
	data = append(data, `]}`...)
	m, err := c.Request(ctx, typ, string(data))
	if err != nil {
		return Subscription{}, err
	}
	d := gjson.Parse(m.Data)
	if got := d.Get("status").Str; m.Type != "Status" || got != status {
		return Subscription{}, fmt.Errorf("%s: answered by %s %q", typ, m.Type, got)
	}
	var s Subscription
	d = d.Get("details")
	for _, t := range d.Get("topics").Array() {
		s.Topics = append(s.Topics, t.Str)
	}
	s.Active = int(d.Get("active_subscriptions").Int())
	s.Rejected = d.Get("rejected").Raw
	return s, nil
}

// Broadcast publishes payload (raw JSON) to topic and waits for the Ack.
func (c *Client) Broadcast(ctx context.Context, topic, payload string) (Ack, error) {
	m, err := c.Request(ctx, "Broadcast", broadcastData(topic, payload))
	if err != nil {
		return Ack{}, err
	}
	return ackOf(m, nil)
}

// Publish sends payload (raw JSON) to topic without waiting. With a callback the
// message carries an id, and the callback is called once, on the read
// goroutine, with the Ack, the server's error or the end of the connection.
// Without one it carries no id: an Error, should there be one, goes to
// Options.Other. When Publish returns an error the callback is not called.
func (c *Client) Publish(topic, payload string, done func(Ack, error)) error {
	data := broadcastData(topic, payload)
	if done == nil {
		return c.Send([]byte(`{"type":"Broadcast","data":` + data + `}`))
	}
	_, err := c.request("Broadcast", data, func(m Message, err error) { done(ackOf(m, err)) })
	return err
}

// Ping asks for a Pong at the level of the protocol and waits for it.
func (c *Client) Ping(ctx context.Context) error {
	m, err := c.Request(ctx, "Ping", "")
	if err != nil {
		return err
	}
	if m.Type != "Pong" {
		return fmt.Errorf("ping: answered by %s", m.Type)
	}
	return nil
}

func broadcastData(topic, payload string) string {
	b := append([]byte(nil), `{"topic":`...)
	b = gjson.AppendJSONString(b, topic)
	b = append(b, `,"payload":`...)
	b = append(b, payload...)
	return string(append(b, '}'))
}

func ackOf(m Message, err error) (Ack, error) {
	switch {
	case err != nil:
		return Ack{}, err
	case m.Type == "Error":
		return Ack{}, errorOf(m.Data)
	case m.Type != "Ack":
		return Ack{}, fmt.Errorf("broadcast: answered by %s", m.Type)
	}
	return parseAck(m.Data), nil
}
