package gateway

import (
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// lingerTime is how long a connection whose close frame is sent may take to end. To
// close at once could destroy the frame on its way: bytes that we have not read make
// the kernel reset the connection.
const lingerTime = 2 * time.Second

const closeTimeout = protocol.CloseTimeout

// closeWith sends a close frame after all that is to be sent, and then waits for the
// peer to end.
func (l *loop) closeWith(c *conn, code ws.StatusCode, reason, why string) {
	if c.state != stateOpen {
		return
	}
	var frame []byte
	l.arena, frame = protocol.AppendClose(l.arena, code, reason)
	l.push(c, frame)
	l.linger(c, why)
}

// peerCloses answers a close frame.
func (l *loop) peerCloses(c *conn, payload []byte) {
	l.confirmClosed(c)
	code, ok := answerCode(payload)
	why := endClosed
	if !ok {
		why = endProtocol
	}
	l.closeWith(c, code, "", why)
}

// answerCode returns the code that answers a close frame with that payload: the same
// one, 1000 where it has none. ok is false where the payload breaks RFC 6455.
func answerCode(payload []byte) (code ws.StatusCode, ok bool) {
	switch len(payload) {
	case 0:
		return protocol.CloseNormal, true
	case 1:
		// "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned
		// integer" (RFC 6455 5.5.1).
		return protocol.CloseProtocol, false
	}
	code, reason := ws.ParseCloseFrameDataUnsafe(payload)
	switch {
	case !utf8.ValidString(reason):
		return protocol.CloseInvalidUTF8, false
	case !sendable(code):
		return protocol.CloseProtocol, false
	}
	return code, true
}

// sendable reports whether an endpoint may send a close code: those of RFC 6455 7.4.1 but
// 1004 to 1006 and 1015, what its registry has since (1012 to 1014), and 3000 to 4999.
// gobwas/ws does not know the registry's, and takes what lies above 4999.
func sendable(code ws.StatusCode) bool {
	switch {
	case code < 1000, 1004 <= code && code <= 1006:
		return false
	case code <= 1014:
		return true
	}
	return 3000 <= code && code <= 4999
}

// linger leaves the connection to the peer: what is pending is still written.
func (l *loop) linger(c *conn, why string) {
	if c.state == stateOpen {
		l.endSession(c)
		l.leaveAll(c)
		l.tallyEnd(c, why)
	}
	c.state = stateClosing
	c.in = nil
	c.until = l.wheel.now + ticks(lingerTime)
	l.schedule(c, ticks(lingerTime))
}

// tallyEnd notes the end of a connection that was open.
func (l *loop) tallyEnd(c *conn, why string) {
	l.gw.metrics.ended.WithLabelValues(why).Inc()
	if entry := l.log.Check(zap.DebugLevel, "connection ended"); entry != nil {
		entry.Write(zap.String("connection", l.connectionID(c)), zap.String("user", c.user), zap.String("reason", why))
	}
	if c.admitted {
		l.moveOut(c)
		l.gw.metrics.connections.Dec()
	}
}

// drop ends a connection now and frees its slot.
func (l *loop) drop(c *conn, why string) {
	if c.state == stateFree {
		return
	}
	if c.state != stateClosing {
		l.endSession(c)
		l.leaveAll(c)
		l.tallyEnd(c, why)
	}
	l.poll.remove(int(c.fd))
	_ = unix.Close(int(c.fd))
	l.free(c)
}

// free gives the slot back; the descriptor is closed, or another's by now.
func (l *loop) free(c *conn) {
	l.unschedule(c)
	l.unmark(c)
	if c.out != nil {
		l.tally.outbox -= len(c.out.buf)
	}
	l.gw.sockets.Add(-1)
	l.conns.put(c)
}
