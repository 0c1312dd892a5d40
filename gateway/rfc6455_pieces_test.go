package gateway_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// testSegments are good heads that come in pieces, or with more behind them.
func testSegments(t *testing.T, addr string, head rfcHead) {
	ping := textFrame(pingMessage("1", 0)).bytes()
	b := head.bytes()
	for _, c := range []struct {
		name  string
		then  []byte // what the client sends after the head
		cut   int    // octets of all that come in the first piece; 0: all
		chop  int    // octets of the pieces
		steps steps  // after the welcome
	}{
		{"head octet by octet", nil, 0, 1, steps{lives}},
		{"head cut within its end", nil, len(b) - 2, 0, steps{lives}},
		{"head cut within the method", nil, 2, 0, steps{lives}},
		{"a message behind the head", ping, 0, 0, steps{gets(answerTo("1")), lives}},
		{"a message behind the head, octet by octet", ping, 0, 1, steps{gets(answerTo("1")), lives}},
		{"half a message behind the head", ping, len(b) + len(ping)/2, 0, steps{gets(answerTo("1")), lives}},
		{"half a header behind the head", ping, len(b) + 1, 0, steps{gets(answerTo("1")), lives}},
		{"a message behind a head that was cut", ping, len(b) / 2, 0, steps{gets(answerTo("1")), lives}},
		{"a close behind the head", closeFrame(1000, "").bytes(), 0, 0, steps{closes(1000)}},
		{"a bad frame behind the head", textFrame("").unmasked().bytes(), 0, 0, steps{closes(1002)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := dialPeer(t, addr)
			all := append(append([]byte(nil), b...), c.then...)
			if c.cut > 0 {
				p.write(all[:c.cut], c.chop)
				time.Sleep(20 * time.Millisecond) // or the pieces could be read as one
				all = all[c.cut:]
			}
			p.write(all, c.chop)
			p.upgraded()
			p.welcomed("alice")
			for _, step := range c.steps {
				step(p)
			}
		})
	}
	t.Run("a hundred messages behind the head", func(t *testing.T) {
		t.Parallel()
		p := dialPeer(t, addr)
		all := append([]byte(nil), b...)
		for i := range 100 {
			all = append(all, textFrame(pingMessage(strconv.Itoa(i), 0)).bytes()...)
		}
		p.write(all, 0)
		p.upgraded()
		p.welcomed("alice")
		for i := range 100 {
			p.want(answerTo(strconv.Itoa(i)))
		}
		lives(p)
	})
}

// testNeighbours shows that a peer which does not play along hurts only itself. There are
// as many of each sort as the gateway has loops.
func testNeighbours(t *testing.T, addr, token string) {
	t.Run("half done", func(t *testing.T) { t.Parallel(); testHalfDone(t, addr, token) })
	t.Run("never reading", func(t *testing.T) { t.Parallel(); testNeverReading(t, addr, token) })
}

// What a peer leaves half done holds up nobody, and can still be ended.
func testHalfDone(t *testing.T, addr, token string) {
	const long = 40000
	head := newHead(token).bytes()
	message := textFrame(pingMessage("1", long)).bytes()
	first, second := halves(pingMessage("1", long))
	type half struct{ now, later []byte }
	type waiting struct {
		peer  *rfcPeer
		later []byte
	}
	var list []waiting
	for range 2 {
		for _, h := range []half{
			{head[:len(head)/2], append(head[len(head)/2:len(head):len(head)], message...)}, // within the head
			{append(head[:len(head):len(head)], message[:1]...), message[1:]},               // the header
			{append(head[:len(head):len(head)], message[:long/2]...), message[long/2:]},     // the payload
			{append(head[:len(head):len(head)], first.bytes()...), second.bytes()},          // the message
		} {
			p := dialPeer(t, addr)
			p.write(h.now, 0)
			list = append(list, waiting{p, h.later})
		}
	}
	othersLive(t, addr, token)
	for _, w := range list {
		w.peer.write(w.later, 0)
		w.peer.upgraded()
		w.peer.welcomed("alice")
		w.peer.want(answerTo("1"))
		lives(w.peer)
	}
}

// Who sends pings and never reads a pong is cut off in the end.
func testNeverReading(t *testing.T, addr, token string) {
	pings := bytes.Repeat(pingFrame(long125).bytes(), 500)
	var list []*rfcPeer
	for range 2 {
		p := dialPeer(t, addr)
		_ = p.conn.SetReadBuffer(4096)
		p.upgrade(newHead(token))
		_ = p.conn.SetWriteDeadline(time.Now().Add(peerPatience))
		list = append(list, p)
	}
	for len(list) > 0 {
		othersLive(t, addr, token)
		list = slices.DeleteFunc(list, func(p *rfcPeer) bool {
			for range 20 {
				if _, err := p.conn.Write(pings); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("not cut off within %v", peerPatience)
				} else if err != nil {
					return true
				}
			}
			return false
		})
	}
}

// othersLive opens two connections for each of the gateway's loops, and uses them.
func othersLive(t *testing.T, addr, token string) {
	t.Helper()
	for range 4 {
		p := dialPeer(t, addr)
		p.upgrade(newHead(token))
		p.welcomed("alice")
		echoes(1000, oneFrame, 0)(p)
		lives(p)
		_ = p.conn.Close()
	}
}
