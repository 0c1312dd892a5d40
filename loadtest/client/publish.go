package client

import (
	"context"
	"fmt"
)

// publish sends a message that an Ack answers. With done it carries an id, a new
// one when id is empty, and done is called as Publish says.
func (c *Client) publish(typ, data, id string, done func(Ack, error)) error {
	if done == nil {
		return c.Send([]byte(`{"type":"` + typ + `","data":` + data + `}`))
	}
	_, err := c.request(typ, data, id, func(m Message, err error) { done(ackOf(typ, m, err)) })
	return err
}

func ackOf(typ string, m Message, err error) (Ack, error) {
	switch {
	case err != nil:
		return Ack{}, err
	case m.Type == "Error":
		return Ack{}, errorOf(m.Data)
	case m.Type != "Ack":
		return Ack{}, fmt.Errorf("%s: answered by %s", typ, m.Type)
	}
	return parseAck(m.Data), nil
}

// acked sends a message that an Ack answers and waits for it.
func (c *Client) acked(ctx context.Context, typ, data string) (Ack, error) {
	m, err := c.Request(ctx, typ, data)
	if err != nil {
		return Ack{}, err
	}
	return ackOf(typ, m, nil)
}
