package gateway

import (
	"bytes"
	"net/http"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// maxHead is how long a request's head may be, in bytes.
const maxHead = 8 << 10

var headEnd = []byte("\r\n\r\n")

// head is a request's head on its way to a verifier.
type head struct {
	loop      *loop
	slot, gen uint32
	bytes     []byte // up to and with the empty line
	rest      []byte // what came after it
	peer      netip.Addr
}

// handoff is a connection on its way to net/http.
type handoff struct {
	fd   int
	data []byte // what was read of it
}

// readHead collects a request's head. One for /ws goes to a verifier, any other with its connection
// to net/http.
func (l *loop) readHead(c *conn, data []byte) {
	var got []byte
	if c.in != nil {
		got = c.in.part
	}
	got = append(got, data...)
	end := bytes.Index(got, headEnd)
	switch {
	case end >= 0 && end+len(headEnd) <= maxHead:
		end += len(headEnd)
		c.in = nil
		if !isUpgrade(got) {
			l.handOff(c, got)
			return
		}
		c.state = stateVerifying
		if no := l.enterDoor(); no != nil {
			l.refuseHead(c, *no)
			return
		}
		select {
		case l.gw.heads <- head{loop: l, slot: c.slot, gen: c.gen, bytes: got[:end], rest: got[end:], peer: l.peerOf(c)}:
		default:
			l.refuseHead(c, refusal{code: 503, message: "too many handshakes at once", reason: refusedBusy, retry: comeBack()})
		}
	case len(got) >= maxHead:
		l.refuseHead(c, refusal{code: 431, message: "request head over 8 KiB", reason: refusedHead})
	default:
		if c.in == nil {
			c.in = &inbound{}
		}
		c.in.part = got
		if err := l.poll.modify(int(c.fd), c.slot, c.gen, interestReadOnce); err != nil {
			l.drop(c, endGone)
		}
	}
}

// isUpgrade reports whether a head asks for /ws: with a path, or "an absolute HTTP/HTTPS
// URI containing the resource name" (RFC 6455 4.2.1).
func isUpgrade(head []byte) bool {
	target, ok := bytes.CutPrefix(head, []byte("GET "))
	if !ok {
		return false
	}
	target = target[:bytes.IndexAny(target, " \r")]
	if _, uri, ok := bytes.Cut(target, []byte("://")); ok && target[0] != '/' {
		target = uri[max(0, bytes.IndexByte(uri, '/')):]
	}
	path, _, _ := bytes.Cut(target, []byte("?"))
	return string(path) == "/ws"
}

// handOff gives a connection to net/http.
func (l *loop) handOff(c *conn, data []byte) {
	l.poll.remove(int(c.fd))
	l.tallyEnd(c, endHTTP)
	select {
	case l.gw.handoffs <- handoff{fd: int(c.fd), data: data}:
	default:
		_ = unix.Close(int(c.fd))
	}
	l.free(c)
}

// refuseHead answers a handshake with an HTTP error.
func (l *loop) refuseHead(c *conn, r refusal) {
	l.gw.metrics.handshake(r.code, r.reason)
	l.tallyEnd(c, endRefused)
	// A fresh socket has room for this; where it does not, the client has no use for it.
	_, _ = writeSocket(c.fd, r.response())
	c.state = stateClosing
	l.lastWritten(c)
	l.linger(c, endRefused)
	// The socket was read once. From here on what comes is read and forgotten, up to its end.
	if err := l.poll.modify(int(c.fd), c.slot, c.gen, interestRead); err != nil {
		l.drop(c, endRefused)
	}
}

// verified goes on with a connection whose head a verifier has dealt with.
func (l *loop) verified(h head, v verdict) {
	c := l.conns.get(h.slot, h.gen)
	if c == nil || c.state != stateVerifying || l.closing {
		if v.refusal == nil {
			l.gw.leave(&v)
			l.giveBack(&v)
		}
		if c != nil {
			l.drop(c, endGone)
		}
		return
	}
	defer l.guard(c)
	if v.refusal != nil {
		l.refuseHead(c, *v.refusal)
		return
	}
	l.gw.metrics.connections.Inc()
	l.settleIn(c, &v)
	c.user, c.rights, c.token = v.claims.User, l.gw.rightsOf(v.claims), l.gw.tokenOf(v.claims, l.now)
	if v.taken { // it waits for the owners of its topics, too
		c.until = l.wheel.now + 2*l.requestTicks
	}
	if l.gw.sessions != nil {
		c.session, c.shared = v.session, v.claims.SessionID == v.session
	}
	l.greet(c, &greeting{head: h, verdict: v})
}

// welcomed begins a connection: the handshake's response, the welcome, and whatever the client
// sent already.
func (l *loop) welcomed(c *conn, g *greeting) {
	if g.verdict.taken && g.unrestored {
		l.abandon(c, g)
	}
	if no := l.gw.void(g.verdict.claims); no != nil { // since it was looked at
		l.turnAway(c, no)
		return
	}
	if c.first != 0 {
		l.drainConn(c) // what came in this turn is behind what came before
	}
	l.gw.metrics.handshake(http.StatusSwitchingProtocols, admitted)
	c.opened = l.gw.openTime(l.now)
	c.state, c.heard, c.greet = stateOpen, l.wheel.now, nil
	var welcome []byte
	l.arena, welcome = protocol.AppendStatus(l.arena, "", "connected", l.welcome(c, g))
	both := append(g.verdict.response, welcome...)
	n, err := writeSocket(c.fd, both)
	l.tally.writes++
	l.tally.framesOut++
	l.tally.bytesOut += n
	if err == nil && n == len(both) {
		err = l.poll.modify(int(c.fd), c.slot, c.gen, interestRead)
	}
	if err != nil || n < len(both) {
		l.drop(c, endGone)
		return
	}
	l.schedule(c, 1)
	l.beginSession(c, &g.verdict)
	for _, frame := range g.after {
		l.push(c, frame)
	}
	l.followAll(c, g)
	if rest := g.head.rest; len(rest) > 0 {
		l.input(c, rest)
	}
}
