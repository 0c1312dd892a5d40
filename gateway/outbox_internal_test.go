package gateway

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// sizes of frames on both sides of where the header grows, and larger than a socket.
var sizes = []int{0, 1, 124, 125, 126, 127, 300, 4000, 65534, 65535, 65536, 65537, 100000}

// slowReader is a client that reads when it is told to.
type slowReader struct {
	fd   int32
	got  []byte
	over bool // the stream has ended
}

func (r *slowReader) read(most int) {
	b := make([]byte, most)
	n, err := readSocket(r.fd, b)
	r.over = r.over || err == nil && n == 0 && most > 0
	r.got = append(r.got, b[:n]...)
}

func (l *loop) slowClient(t *testing.T) (*conn, *slowReader) {
	t.Helper()
	c, peer := l.connect(t)
	if err := unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil { // as small as may be
		t.Fatal(err)
	}
	return c, &slowReader{fd: peer}
}

// However slowly a client reads, it gets every frame, in order, byte for byte.
func TestSlowReaderGetsAll(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := idleLoop(t, nil, func(c *Config) { c.OutboxSize = 1 << 30 })
		c, peer := l.slowClient(t)
		var want []byte
		blocked := 0
		for range 60 {
			for range r.IntN(4) {
				frame := textFrame(r, sizes[r.IntN(len(sizes))])
				want = append(want, frame...)
				l.push(c, frame)
			}
			l.drain()
			if c.out != nil {
				blocked++
			}
			peer.read(r.IntN(60000))
			if c.writing {
				l.writable(c)
			}
		}
		for len(peer.got) < len(want) {
			peer.read(1 << 20)
			if c.writing {
				l.writable(c)
			}
		}
		if !bytes.Equal(peer.got, want) {
			t.Fatalf("seed %d: %d bytes arrived, and not those that were sent", seed, len(peer.got))
		}
		if blocked == 0 || c.out != nil || c.writing || l.tally.outbox != 0 || c.state != stateOpen {
			t.Errorf("seed %d: blocked %d times, now %v, writing %v, counted %d", seed, blocked, c.out, c.writing, l.tally.outbox)
		}
	}
}

// A client whose outbox passes its bound reads whole frames, as many as had begun, in
// their order; then the close 4410, and the end of the stream.
func TestOverflowKeepsFrameBoundaries(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			l := idleLoop(t, nil, func(c *Config) { c.OutboxSize = 1000 + r.IntN(150000) })
			c, peer := l.slowClient(t)
			var sent [][]byte
			for c.state == stateOpen {
				for range 1 + r.IntN(6) {
					frame := textFrame(r, sizes[r.IntN(len(sizes))])
					sent = append(sent, frame)
					l.push(c, frame)
				}
				l.drain()
				if c.state == stateOpen && c.writing && r.IntN(3) == 0 {
					peer.read(r.IntN(5000))
					l.writable(c)
				}
				if l.tally.outbox > l.gw.cfg.OutboxSize+len(sizes)*100000 {
					t.Fatal("the outbox is not bounded")
				}
			}
			for at := 0; !peer.over && at < 1000; at++ {
				peer.read(1 << 20)
				if c.writing {
					l.writable(c)
				}
			}
			if !peer.over || l.tally.outbox != 0 {
				t.Fatalf("the stream did not end, %d bytes are still counted", l.tally.outbox)
			}
			checkStream(t, peer.got, sent)
		})
	}
}

// checkStream checks that got is the first of the frames that were sent, and a close 4410.
func checkStream(t *testing.T, got []byte, sent [][]byte) {
	t.Helper()
	in := bytes.NewReader(got)
	for n := 0; ; n++ {
		at := len(got) - in.Len()
		f, err := readFrame(in)
		if err != nil {
			t.Fatalf("frame %d of what arrived is not whole: %v", n, err)
		}
		if f.Header.OpCode == ws.OpClose {
			if closeCode(f) != 4410 {
				t.Errorf("closed with %d", closeCode(f))
			}
			if _, err := in.ReadByte(); err != io.EOF {
				t.Error("something follows the close")
			}
			return
		}
		if n >= len(sent) || !bytes.Equal(got[at:len(got)-in.Len()], sent[n]) {
			t.Fatalf("frame %d is not the one that was sent", n)
		}
	}
}

func textFrame(r *rand.Rand, size int) []byte {
	payload := bytes.Repeat([]byte{byte('a' + r.IntN(26))}, size)
	_, frame := protocol.AppendText(nil, payload)
	return frame
}

// A client that is gone costs what waited for it.
func TestOutboxOfTheGone(t *testing.T) {
	l := idleLoop(t, nil, nil)
	c, _ := l.slowClient(t)
	l.push(c, textFrame(rand.New(rand.NewPCG(1, 1)), 100000))
	l.drain()
	if c.out == nil || l.tally.outbox == 0 {
		t.Fatal("nothing waits")
	}
	l.drop(c, endGone)
	if l.tally.outbox != 0 {
		t.Errorf("%d bytes are still counted", l.tally.outbox)
	}
}
