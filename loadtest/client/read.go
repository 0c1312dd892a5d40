package client

import (
	"errors"
	"fmt"
	"io"

	"github.com/gobwas/ws"
	"github.com/tidwall/gjson"
)

var errProtocol = errors.New("the server broke RFC 6455")

// readWelcome reads the first message; Dial bounds its time.
func (c *Client) readWelcome() error {
	text, err := c.readMessage()
	if err != nil {
		return err
	}
	m, err := parseMessage(text)
	if err != nil {
		return err
	}
	switch m.Type {
	case "Status":
		c.welcome, err = parseWelcome(m.Data)
		return err
	case "Error":
		return errorOf(m.Data)
	}
	return fmt.Errorf("first message is of type %q", m.Type)
}

// readLoop dispatches messages until the connection ends, then fails what is
// pending. It is the client's only goroutine.
func (c *Client) readLoop() {
	defer close(c.done)
	var err error
	for err == nil {
		var text string
		if text, err = c.readMessage(); err == nil {
			err = c.dispatch(text)
		}
	}
	_ = c.conn.Close()
	c.fail(err)
}

func (c *Client) dispatch(text string) error {
	m, err := parseMessage(text)
	if err != nil {
		return err
	}
	if m.Type == "Broadcast" {
		if c.opts.Deliver != nil {
			c.opts.Deliver(parseDelivery(m.Data))
		}
		return nil
	}
	if reply := c.take(m.ID); reply != nil {
		reply(m, nil)
		return nil
	}
	if m.Type == "Status" && c.opts.Gap != nil {
		if g, ok := parseGap(m.Data); ok {
			c.opts.Gap(g)
			return nil
		}
	}
	switch o := &c.opts; {
	case m.Type == "DirectMessage" && o.Direct != nil:
		o.Direct(parseDirect(m.Data))
	case m.Type == "RoomMessage" && o.Room != nil:
		o.Room(parseRoomMessage(m.Data))
	case m.Type == "RoomEvent" && o.RoomEvent != nil:
		o.RoomEvent(parseRoomEvent(m.Data))
	case m.Type == "Presence" && o.Presence != nil:
		o.Presence(parsePresence(gjson.Parse(m.Data)))
	case o.Other != nil:
		o.Other(m)
	}
	return nil
}

// readMessage returns the next text message, joined from its fragments, and
// answers control frames on the way.
func (c *Client) readMessage() (string, error) {
	c.buf = c.buf[:0]
	started := false
	for {
		h, err := ws.ReadHeader(c.rd)
		if err != nil {
			return "", fmt.Errorf("read header: %w", err)
		}
		// RFC 6455, 5.1: "A server MUST NOT mask any frames that it sends to
		// the client."
		if h.Masked || h.Rsv != 0 {
			return "", fmt.Errorf("%w: masked frame or reserved bits", errProtocol)
		}
		if h.OpCode.IsControl() {
			if err := c.readControl(h); err != nil {
				return "", err
			}
			continue
		}
		if (h.OpCode == ws.OpContinuation) != started || h.OpCode == ws.OpBinary {
			return "", fmt.Errorf("%w: opcode %d out of place", errProtocol, h.OpCode)
		}
		started = true
		at := len(c.buf)
		if h.Length > int64(c.opts.MaxMessage-at) {
			return "", fmt.Errorf("message over %d bytes", c.opts.MaxMessage)
		}
		c.buf = append(c.buf, make([]byte, h.Length)...)
		if _, err := io.ReadFull(c.rd, c.buf[at:]); err != nil {
			return "", fmt.Errorf("read payload: %w", err)
		}
		if h.Fin {
			return string(c.buf), nil
		}
	}
}

// readControl answers one control frame; a close frame ends the connection.
func (c *Client) readControl(h ws.Header) error {
	var space [ws.MaxControlFramePayloadSize]byte
	if h.Length > int64(len(space)) || !h.Fin {
		return fmt.Errorf("%w: long or fragmented control frame", errProtocol)
	}
	payload := space[:h.Length]
	if _, err := io.ReadFull(c.rd, payload); err != nil {
		return fmt.Errorf("read control frame: %w", err)
	}
	switch h.OpCode {
	case ws.OpPing:
		if c.opts.Mute {
			return nil
		}
		return c.write(ws.OpPong, payload)
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		if code == 0 {
			code = ws.StatusNoStatusRcvd
		}
		if !c.isEnding() {
			// Best effort: the peer may already be gone, and the code is what counts.
			_ = c.write(ws.OpClose, payload[:min(len(payload), 2)])
		}
		return &CloseError{Code: int(code), Reason: reason}
	}
	return nil
}
