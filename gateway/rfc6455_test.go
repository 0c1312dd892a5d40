package gateway_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// rfcCase is one connection's talk with the gateway. Where its name is a number such as
// 1.1.5, it is that case of the Autobahn test suite for servers, with the outcome that
// it wants there; other names give the RFC's section.
//
// The gateway is no echo server: where Autobahn wants its message back, it gets the Pong
// of a Ping, a Broadcast to itself, or an Error for what is no message of ours.
type rfcCase struct {
	name  string
	about string
	steps []rfcStep
}

// rfcStep is something that a peer sends, or gets, or both.
type rfcStep func(p *rfcPeer)

type steps = []rfcStep

// TestRFC6455 holds the gateway to the server's side of RFC 6455, on raw sockets.
func TestRFC6455(t *testing.T) {
	h := start(t, 1, 1, nil)
	addr, token := h.gateway[0].addr, h.token("alice")
	for _, group := range []struct {
		name  string
		cases []rfcCase
	}{
		{"framing", framingCases},
		{"pings", pingCases},
		{"reserved", reservedCases()},
		{"fragmentation", fragmentationCases()},
		{"utf8", utf8Cases()},
		{"close", closeCases()},
		{"limits", limitCases()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					t.Log(c.about)
					p := dialPeer(t, addr)
					p.upgrade(newHead(token))
					p.welcomed("alice")
					for _, step := range c.steps {
						step(p)
					}
				})
			}
		})
	}
	t.Run("handshake", func(t *testing.T) { testHandshakes(t, h) })
	t.Run("neighbours", func(t *testing.T) { testNeighbours(t, addr, token) })
}

// peerPatience is how long a peer waits for what must come at once.
const peerPatience = 10 * time.Second

// rfcPeer is a client on a raw socket, which may break every rule, and sees to it that
// the gateway breaks none.
type rfcPeer struct {
	t    *testing.T
	conn *net.TCPConn
	in   *bufio.Reader
}

func dialPeer(t *testing.T, addr string) *rfcPeer {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, peerPatience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &rfcPeer{t: t, conn: conn.(*net.TCPConn), in: bufio.NewReader(conn)}
}

// write sends b in chops of n octets; in one piece when n is 0.
func (p *rfcPeer) write(b []byte, n int) {
	p.t.Helper()
	_ = p.conn.SetWriteDeadline(time.Now().Add(peerPatience))
	if n == 0 {
		n = len(b)
	}
	for len(b) > 0 {
		chop := b[:min(n, len(b))]
		if _, err := p.conn.Write(chop); err != nil {
			p.t.Fatalf("write: %v", err)
		}
		b = b[len(chop):]
	}
}

// readFull reads exactly len(b) octets.
func (p *rfcPeer) readFull(b []byte) {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(peerPatience))
	if _, err := io.ReadFull(p.in, b); err != nil {
		p.t.Fatalf("read: %v", err)
	}
}

// ended sees to it that the gateway ends the TCP connection, in good order, and sends
// nothing before.
func (p *rfcPeer) ended() {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(peerPatience))
	switch b, err := p.in.ReadByte(); {
	case err == nil:
		p.t.Fatalf("got octet %#x, want the end of the stream", b)
	case !errors.Is(err, io.EOF):
		p.t.Fatalf("got %v, want the end of the stream", err)
	}
}
