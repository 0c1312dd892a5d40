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
	// Positions of the topics that have history.
	Positions map[string]TopicPosition
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
	d, err := c.status(ctx, typ, status, list("topics", topics))
	if err != nil {
		return Subscription{}, err
	}
	return parseSubscription(d), nil
}

func parseSubscription(d gjson.Result) Subscription {
	return Subscription{
		Topics:    strs(d.Get("topics")),
		Active:    int(d.Get("active_subscriptions").Int()),
		Rejected:  d.Get("rejected").Raw,
		Positions: parsePositions(d.Get("positions")),
	}
}

// Broadcast publishes payload (raw JSON) to topic and waits for the Ack.
func (c *Client) Broadcast(ctx context.Context, topic, payload string) (Ack, error) {
	return c.acked(ctx, "Broadcast", payloadTo("topic", topic, payload))
}

// Publish sends payload (raw JSON) to topic without waiting. With a callback the
// message carries an id, and the callback is called once, on the read
// goroutine, with the Ack, the server's error or the end of the connection.
// Without one it carries no id: an Error, should there be one, goes to
// Options.Other. When Publish returns an error the callback is not called.
func (c *Client) Publish(topic, payload string, done func(Ack, error)) error {
	return c.publish("Broadcast", payloadTo("topic", topic, payload), "", done)
}

// PublishAs is Publish under an id of the caller's, which may send a message
// again. No two of a connection's requests may wait under one id.
func (c *Client) PublishAs(id, topic, payload string, done func(Ack, error)) error {
	return c.publish("Broadcast", payloadTo("topic", topic, payload), id, done)
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
