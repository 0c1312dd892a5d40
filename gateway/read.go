package gateway

import (
	"errors"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// inbound is what a connection has half read. It exists only while something is.
type inbound struct {
	part   []byte // the beginning of a frame, or of the request head
	need   int    // how long part must be before another look is worth it
	msg    []byte // the fragments of a message so far, unmasked
	frags  bool   // within a fragmented message
	binary bool   // which is a binary one
	valid  int    // msg[:valid] is checked to be UTF-8
}

const opPing = ws.OpPing

// readable reads from a socket once: what is left, the next turn brings, and no peer
// holds up the others.
//
// Hop 1 of a Broadcast's way: from here through frames and message to broadcast.
func (l *loop) readable(c *conn) {
	n, err := readSocket(c.fd, l.rbuf)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return
	case err != nil || n == 0:
		l.drop(c, endGone)
		return
	}
	l.tally.bytesIn += n
	data := l.rbuf[:n]
	switch c.state {
	case stateHead:
		l.readHead(c, data)
	case stateOpen:
		c.heard = l.wheel.now
		l.input(c, data)
	}
	// stateClosing: whatever comes after our close frame is read and forgotten.
}

// input takes bytes of an open connection, together with what was half read before.
func (l *loop) input(c *conn, data []byte) {
	in := c.in
	if in == nil || len(in.part) == 0 {
		if rest, need := l.consume(c, data); len(rest) > 0 && c.state == stateOpen {
			l.keep(c, rest, need)
		}
		return
	}
	in.part = append(in.part, data...)
	if len(in.part) < in.need {
		return
	}
	rest, need := l.consume(c, in.part)
	if c.state != stateOpen {
		return
	}
	if len(rest) > 0 {
		in.part = append(in.part[:0], rest...)
		in.need = need
		return
	}
	in.part, in.need = nil, 0
	l.tidy(c)
}

// keep sets aside the beginning of a frame.
func (l *loop) keep(c *conn, rest []byte, need int) {
	if c.in == nil {
		c.in = &inbound{}
	}
	c.in.part = append(c.in.part[:0], rest...)
	c.in.need = need
}

// tidy drops what is not half read any more.
func (l *loop) tidy(c *conn) {
	if in := c.in; in != nil && len(in.part) == 0 && !in.frags {
		c.in = nil
	}
}

// consume deals with the whole frames in data and returns the beginning of the one that is
// not whole, and how long that must become.
func (l *loop) consume(c *conn, data []byte) (rest []byte, need int) {
	for len(data) > 0 && c.state == stateOpen {
		l.header.Reset(data)
		h, err := ws.ReadHeaderBuffer(&l.header, l.hdr[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return data, len(data) + 1
		}
		size := len(data) - l.header.Len()
		if err != nil || !l.check(c, h, size) {
			if err != nil {
				l.violation(c, protocol.CloseProtocol, "malformed frame header")
			}
			return nil, 0
		}
		if int64(len(data)-size) < h.Length {
			return data, size + int(h.Length)
		}
		payload := data[size : size+int(h.Length)]
		data = data[size+int(h.Length):]
		ws.Cipher(payload, h.Mask, 0)
		l.tally.framesIn++
		l.frame(c, h, payload)
	}
	return data, 0
}

// check holds a frame's header, of size bytes, against RFC 6455 and MAX_FRAME_SIZE, before
// its payload is waited for.
func (l *loop) check(c *conn, h ws.Header, size int) bool {
	state := ws.StateServerSide
	before := 0
	if in := c.in; in != nil && in.frags {
		state = state.Set(ws.StateFragmented)
		before = len(in.msg)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		l.violation(c, protocol.CloseProtocol, err.Error())
		return false
	}
	// "In all cases, the minimal number of bytes MUST be used to encode the length" (RFC 6455 5.2).
	if size != ws.HeaderSize(h) {
		l.violation(c, protocol.CloseProtocol, "payload length not in its shortest form")
		return false
	}
	if h.OpCode.IsData() || h.OpCode == ws.OpContinuation {
		if h.Length > int64(l.gw.cfg.MaxFrameSize-before) {
			l.sendError(c, "", protocol.Error{Code: protocol.CodeTooLarge, Message: "message over MAX_FRAME_SIZE"})
			l.violation(c, protocol.CloseTooBig, "message over MAX_FRAME_SIZE")
			return false
		}
	}
	return true
}

// frame deals with one whole frame.
func (l *loop) frame(c *conn, h ws.Header, payload []byte) {
	switch h.OpCode {
	case ws.OpPing:
		if l.small(c) {
			l.sendControl(c, ws.OpPong, payload)
		}
	case ws.OpPong:
		asking, probes := c.asking, len(l.probes)
		if l.pong(c, payload); c.asking == asking && len(l.probes) == probes {
			l.small(c) // it answers none of ours, but perhaps the one for a quiet connection
		}
	case ws.OpClose:
		l.peerCloses(c, payload)
	case ws.OpText, ws.OpBinary:
		if h.Fin {
			l.whole(c, payload, h.OpCode == ws.OpBinary)
			return
		}
		if c.in == nil {
			c.in = &inbound{}
		}
		c.in.frags, c.in.binary, c.in.valid = true, h.OpCode == ws.OpBinary, 0
		l.fragment(c, payload, false)
		l.piece(c, payload)
	case ws.OpContinuation:
		l.fragment(c, payload, h.Fin)
		if !h.Fin {
			l.piece(c, payload)
		}
	}
}

// piece holds a piece of a message that is not its last against the limit, where it is a small one.
func (l *loop) piece(c *conn, payload []byte) {
	if len(payload) < pieceSize && c.state == stateOpen {
		l.small(c)
	}
}

// fragment adds to a message that comes in several frames.
func (l *loop) fragment(c *conn, payload []byte, fin bool) {
	in := c.in
	in.msg = append(in.msg, payload...)
	if !in.binary && !fin {
		// RFC 6455 8.1 lets us fail the connection as soon as the bytes cannot become
		// UTF-8, so a bad message ends where it is bad.
		tail := in.msg[in.valid:]
		n := validPrefix(tail)
		in.valid += n
		if rest := tail[n:]; len(rest) > 0 && utf8.FullRune(rest) {
			l.violation(c, protocol.CloseInvalidUTF8, "not UTF-8")
			return
		}
	}
	if !fin {
		return
	}
	msg, binary := in.msg, in.binary
	in.msg, in.frags, in.valid = nil, false, 0
	l.whole(c, msg, binary)
	if c.state == stateOpen && len(in.part) == 0 {
		l.tidy(c)
	}
}

// validPrefix is how many bytes at the beginning of p are whole, valid runes.
func validPrefix(p []byte) int {
	if utf8.Valid(p) {
		return len(p)
	}
	n := 0
	for n < len(p) {
		r, size := utf8.DecodeRune(p[n:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}

// whole deals with one whole message.
func (l *loop) whole(c *conn, payload []byte, binary bool) {
	switch {
	case binary:
		if by, wait := l.admit(c); by != levelNone {
			l.limited(c, &protocol.Envelope{}, by, wait)
			return
		}
		l.sendError(c, "", protocol.Error{Code: protocol.CodeBadRequest, Message: "binary message: send JSON as text"})
	case !utf8.Valid(payload):
		l.violation(c, protocol.CloseInvalidUTF8, "not UTF-8")
	default:
		l.message(c, payload)
	}
}

// violation ends a connection that broke RFC 6455.
func (l *loop) violation(c *conn, code ws.StatusCode, reason string) {
	l.closeWith(c, code, reason, endProtocol)
}
