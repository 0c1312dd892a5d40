package gateway

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// outbox holds what a socket did not take. It exists only while something waits, and is
// bounded by OUTBOX_SIZE: past that the connection is closed 4410.
type outbox struct {
	buf  []byte // whole frames, but for what is sent of the first
	left int    // bytes of buf that end the first frame
}

// block begins an outbox with what is left of b, whole frames of which sent bytes are
// on their way.
func (l *loop) block(c *conn, b []byte, sent int) {
	out := &outbox{left: -sent}
	for out.left <= 0 {
		out.left += frameLength(b[sent+out.left:])
	}
	out.buf = append(out.buf, b[sent:]...)
	c.out = out
	l.tally.outbox += len(out.buf)
	l.watchWrite(c, true)
}

// stash adds a frame to the outbox. When that is full it ends the connection, and reports
// false: nothing more is to be sent.
func (l *loop) stash(c *conn, frame []byte) bool {
	out := c.out
	if len(out.buf)+len(frame) <= l.gw.cfg.OutboxSize || c.state == stateClosing {
		out.buf = append(out.buf, frame...)
		l.tally.outbox += len(frame)
		return true
	}
	// Only the frame that is half sent must be ended; the rest gives way to the close.
	l.tally.outbox -= len(out.buf) - out.left
	out.buf = out.buf[:out.left]
	_, last := protocol.AppendClose(nil, protocol.CloseSlow, "too slow: its queue passed OUTBOX_SIZE")
	out.buf = append(out.buf, last...)
	l.tally.outbox += len(last)
	l.linger(c, endSlow)
	return false
}

// writable goes on with an outbox.
func (l *loop) writable(c *conn) {
	out := c.out
	if out == nil {
		l.watchWrite(c, false)
		return
	}
	n, err := writeSocket(c.fd, out.buf)
	l.tally.writes++
	if err != nil {
		if !errors.Is(err, unix.EAGAIN) {
			l.drop(c, endGone)
		}
		return
	}
	l.tally.bytesOut += n
	l.tally.outbox -= n
	if n == len(out.buf) {
		c.out = nil
		l.watchWrite(c, false)
		if c.state == stateClosing {
			l.lastWritten(c)
		}
		l.chaseFor(c)
		return
	}
	for out.left -= n; out.left <= 0; {
		out.left += frameLength(out.buf[n+out.left:])
	}
	out.buf = append(out.buf[:0], out.buf[n:]...)
}

func (l *loop) watchWrite(c *conn, on bool) {
	if c.writing == on {
		return
	}
	c.writing = on
	interest := uint32(interestRead)
	if on {
		interest = interestReadWrite
	}
	if err := l.poll.modify(int(c.fd), c.slot, c.gen, interest); err != nil {
		l.drop(c, endGone)
	}
}

// frameLength is the length of the frame (a server's: not masked) that b begins with.
func frameLength(b []byte) int {
	switch n := b[1]; n {
	case 126:
		return 4 + int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return 10 + int(binary.BigEndian.Uint64(b[2:]))
	default:
		return 2 + int(n)
	}
}
