package client

import (
	"bytes"
	"fmt"
	"time"

	"github.com/gobwas/ws"
)

// Send writes text as one text frame, whatever it holds: for what the other
// methods do not say, and for what no client should say.
func (c *Client) Send(text []byte) error { return c.write(ws.OpText, text) }

// SendRaw writes bytes to the socket as they are, past all framing.
func (c *Client) SendRaw(b []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.flush(b)
}

func (c *Client) write(op ws.OpCode, payload []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	h := ws.Header{Fin: true, OpCode: op, Masked: true, Mask: ws.NewMask(), Length: int64(len(payload))}
	w := bytes.NewBuffer(c.wbuf[:0])
	if err := ws.WriteHeader(w, h); err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	at := w.Len()
	w.Write(payload)
	c.wbuf = w.Bytes()
	ws.Cipher(c.wbuf[at:], h.Mask, 0)
	return c.flush(c.wbuf)
}

// flush writes b in one system call; wmu is held.
func (c *Client) flush(b []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.opts.WriteTimeout)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := c.conn.Write(b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
