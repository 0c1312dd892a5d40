package client

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tidwall/gjson"
)

// Request sends a message of type typ with data (raw JSON, or "" for none)
// under a new id and waits for its reply, whichever type that has. An Error
// comes back as a *ServerError. A context without a deadline gets
// Options.ReplyTimeout.
func (c *Client) Request(ctx context.Context, typ, data string) (Message, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opts.ReplyTimeout)
		defer cancel()
	}
	type result struct {
		m   Message
		err error
	}
	got := make(chan result, 1) // one reply, one slot: the read goroutine never waits here
	id, err := c.request(typ, data, "", func(m Message, err error) { got <- result{m, err} })
	if err != nil {
		return Message{}, fmt.Errorf("%s: %w", typ, err)
	}
	select {
	case r := <-got:
		if r.err == nil && r.m.Type == "Error" {
			r.err = errorOf(r.m.Data)
		}
		if r.err != nil {
			return r.m, fmt.Errorf("%s: %w", typ, r.err)
		}
		return r.m, nil
	case <-ctx.Done():
		c.take(id)
		return Message{}, fmt.Errorf("%s: wait for the reply: %w", typ, ctx.Err())
	}
}

// status sends a request that a Status answers and returns its details. want is
// what the Status must say; "" takes any.
func (c *Client) status(ctx context.Context, typ, want, data string) (gjson.Result, error) {
	m, err := c.Request(ctx, typ, data)
	if err != nil {
		return gjson.Result{}, err
	}
	d := gjson.Parse(m.Data)
	if got := d.Get("status").Str; m.Type != "Status" || want != "" && got != want {
		return gjson.Result{}, fmt.Errorf("%s: answered by %s %q", typ, m.Type, got)
	}
	return d.Get("details"), nil
}

// request registers reply and sends, under a new id when id is empty. When it
// returns an error, reply was not and will not be called; otherwise it is called
// once, on the read goroutine.
func (c *Client) request(typ, data, id string, reply func(Message, error)) (string, error) {
	c.mu.Lock()
	if c.err != nil || c.ending {
		err := c.err
		c.mu.Unlock()
		if err == nil {
			err = ErrClosed
		}
		return "", err
	}
	if id == "" {
		c.nextID++
		id = c.prefix + strconv.FormatUint(c.nextID, 10)
	}
	c.pending[id] = reply
	c.mu.Unlock()

	b := append([]byte(nil), `{"type":`...)
	b = gjson.AppendJSONString(b, typ)
	b = gjson.AppendJSONString(append(b, `,"id":`...), id)
	if data != "" {
		b = append(b, `,"data":`...)
		b = append(b, data...)
	}
	b = append(b, '}')
	if err := c.Send(b); err != nil {
		if c.take(id) != nil {
			return "", err
		}
		// The read goroutine was faster: it noticed the end and told reply.
	}
	return id, nil
}

// take removes and returns the callback that waits for id, or nil.
func (c *Client) take(id string) func(Message, error) {
	if id == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	reply := c.pending[id]
	delete(c.pending, id)
	return reply
}

// fail records why the connection ended and tells everybody who waits.
func (c *Client) fail(err error) {
	c.mu.Lock()
	if _, byPeer := closeCode(err); c.ending && !byPeer {
		err = ErrClosed
	}
	c.err = err
	waiting := c.pending
	c.pending = nil
	c.mu.Unlock()
	for _, reply := range waiting {
		reply(Message{}, err)
	}
}
