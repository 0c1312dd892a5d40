//go:build linux

package swarm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// The key is the example of RFC 6455, 1.3, and so is the answer it must get.
const (
	wsKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	wsAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

func upgradeRequest(addr netip.AddrPort, g Greeting) []byte {
	path := cmp.Or(g.Path, "/ws")
	if g.Session != "" {
		path += "?session=" + url.QueryEscape(g.Session)
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer %s\r\n\r\n", path, addr, wsKey, g.Token)
}

// parse handles what is complete in b and returns the rest.
func (s *Swarm) parse(i int, b []byte) (rest []byte, err error) {
	if s.sockets[i].stage == upgrading {
		head, after, found := bytes.Cut(b, []byte("\r\n\r\n"))
		if !found {
			return b, nil
		}
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, []byte(wsAccept)) {
			return nil, s.lost(refusal(head, after))
		}
		s.sockets[i].stage = welcoming
		b = after
	}
	for {
		op, payload, size, err := nextFrame(b)
		if err != nil {
			return nil, err
		}
		if size == 0 {
			return b, nil
		}
		if err := s.frame(i, op, payload); err != nil {
			return nil, err
		}
		b = b[size:]
	}
}

// nextFrame cuts a server's frame off b; size is 0 while it is incomplete.
func nextFrame(b []byte) (op ws.OpCode, payload []byte, size int, err error) {
	if len(b) < 2 {
		return 0, nil, 0, nil
	}
	if b[0]&0xf0 != 0x80 || b[1]&0x80 != 0 {
		return 0, nil, 0, errors.New("a frame that is masked, fragmented or of an extension")
	}
	n, head := uint64(b[1]), 2
	switch {
	case n == 126 && len(b) >= 4:
		n, head = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case n == 127 && len(b) >= 10:
		n, head = binary.BigEndian.Uint64(b[2:]), 10
	case n >= 126:
		return 0, nil, 0, nil
	}
	if uint64(len(b)-head) < n {
		return 0, nil, 0, nil
	}
	size = head + int(n)
	return ws.OpCode(b[0] & 0x0f), b[head:size], size, nil
}

func (s *Swarm) frame(i int, op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpText:
		if s.sockets[i].stage == ready {
			if s.Text == nil {
				return nil
			}
			return s.Text(i, payload)
		}
		return s.greet(i, payload)
	case ws.OpPing:
		return s.write(i, ws.OpPong, payload)
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		return closedError{&CloseError{int(code), reason}}
	}
	return nil
}

// greet takes the welcome or an answer, and sends the greeting's next message.
// What comes meanwhile without an id is passed on.
func (s *Swarm) greet(i int, text []byte) error {
	k := &s.sockets[i]
	switch {
	case bytes.HasPrefix(text, []byte(`{"type":"Error"`)):
		return s.lost(&GreetingError{fmt.Sprintf("%.300s", text)})
	case k.stage == greeting && !hasID(text):
		if s.Text == nil {
			return nil
		}
		return s.Text(i, text)
	case k.stage == welcoming && s.Welcomed != nil:
		if err := s.Welcomed(i, text); err != nil {
			return err
		}
	}
	if len(k.greeting) == 0 {
		k.stage = ready
		k.greeting = nil
		s.busy--
		if s.Ready != nil {
			return s.Ready(i)
		}
		return nil
	}
	next := k.greeting[0]
	k.stage, k.greeting = greeting, k.greeting[1:]
	return s.write(i, ws.OpText, next)
}

// hasID reports whether a message answers one of the client's.
func hasID(text []byte) bool {
	head, rest, _ := bytes.Cut(text, []byte(`,"`))
	return bytes.HasPrefix(head, []byte(`{"type":"`)) && bytes.HasPrefix(rest, []byte(`id":`))
}

// Send writes text as one text frame to a socket. A socket that does not take
// all of it at once is an error, unless the swarm is patient.
func (s *Swarm) Send(socket int, text []byte) error {
	if err := s.write(socket, ws.OpText, text); err != nil {
		return fmt.Errorf("socket %d: %w", socket, err)
	}
	return nil
}

func (s *Swarm) write(i int, op ws.OpCode, payload []byte) error {
	h := ws.Header{Fin: true, OpCode: op, Masked: true, Mask: ws.NewMask(), Length: int64(len(payload))}
	w := bytes.NewBuffer(s.out[:0])
	if err := ws.WriteHeader(w, h); err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	at := w.Len()
	w.Write(payload)
	s.out = w.Bytes()
	ws.Cipher(s.out[at:], h.Mask, 0)
	if !s.Patient {
		return write(s.sockets[i].fd, s.out)
	}
	rest := s.out
	if len(s.waiting[i]) == 0 {
		n, err := unix.Write(s.sockets[i].fd, rest)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		case err != nil:
			return nil // the next read tells
		default:
			rest = rest[n:]
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return s.await(i, rest)
}

// lost is the end of a socket that was refused: that of the swarm, unless it is patient.
func (s *Swarm) lost(why error) error {
	if s.Patient {
		return closedError{why}
	}
	return why
}

// refusal reads the answer to a handshake that was not accepted.
func refusal(head, body []byte) *RefusedError {
	e := &RefusedError{Text: fmt.Sprintf("%.300s %.300s", head, body)}
	line, headers, _ := bytes.Cut(head, []byte("\r\n"))
	if rest, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 ")); ok {
		status, _, _ := bytes.Cut(rest, []byte(" "))
		e.Status, _ = strconv.Atoi(string(status))
	}
	for line := range bytes.SplitSeq(headers, []byte("\r\n")) {
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Retry-After")) {
			e.RetryAfter, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	return e
}

func write(fd int, b []byte) error {
	for {
		n, err := unix.Write(fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("write: %w", err)
		case n < len(b):
			return fmt.Errorf("write: only %d of %d bytes were taken", n, len(b))
		}
		return nil
	}
}
