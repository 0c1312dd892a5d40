package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzFrames gives the frame reader any octets in any pieces, and compares what it
// makes of them with what a naive reader does that has the whole stream before it.
func FuzzFrames(f *testing.F) {
	for _, stream := range frameSeeds() {
		f.Add(stream, []byte{0, 6, 1, 40}, uint16(300))
		f.Add(stream, []byte{2}, uint16(20))
	}
	l := idleLoop(f, nil, nil)
	f.Fuzz(func(t *testing.T, stream, cuts []byte, most uint16) {
		l.gw.cfg.MaxFrameSize = int(most)
		l.compareFrames(t, stream, cuts)
	})
}

// The same with streams that are mostly right, which mutation of octets finds too seldom.
func TestFramesInAnyPieces(t *testing.T) {
	l := idleLoop(t, nil, func(cfg *Config) { cfg.MaxFrameSize = 300 })
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 6455))
		cuts := []byte{byte(r.IntN(8)), byte(r.IntN(256)), byte(r.IntN(30))}
		l.compareFrames(t, randomFrames(r), cuts)
	}
}

// compareFrames feeds a stream to a connection as a whole, octet by octet, and in pieces
// one longer than the cuts, again and again.
func (l *loop) compareFrames(t *testing.T, stream, cuts []byte) {
	t.Helper()
	events, half := referenceFrames(stream, l.gw.cfg.MaxFrameSize)
	want := l.answers(events)
	closed := len(events) > 0 && events[len(events)-1].kind == 8
	for _, cuts := range [][]byte{nil, {0}, cuts} {
		got, c := l.feed(stream, cuts)
		switch {
		case !slices.Equal(got, want):
			t.Fatalf("cuts %v of % x: sent\n%q, want\n%q", cuts, stream, got, want)
		case (c.state == stateClosing) != closed:
			t.Fatalf("cuts %v of % x: state %d", cuts, stream, c.state)
		case (c.in != nil) != half:
			t.Fatalf("cuts %v of % x: half read: %v, want %v", cuts, stream, c.in != nil, half)
		case half && len(c.in.part)+len(c.in.msg) > l.gw.cfg.MaxFrameSize+125+14:
			t.Fatalf("cuts %v of % x: keeps %d octets", cuts, stream, len(c.in.part)+len(c.in.msg))
		}
	}
}

// feed gives a new connection the stream as its socket would, and returns what it is to
// be sent, and how it was then.
func (l *loop) feed(stream, cuts []byte) (sent []string, was conn) {
	c := l.conns.take()
	c.state, c.user = stateOpen, "alice"
	for i := 0; len(stream) > 0 && c.state == stateOpen; i++ {
		n := len(l.rbuf)
		if len(cuts) > 0 {
			n = 1 + int(cuts[i%len(cuts)])
		}
		n = copy(l.rbuf[:min(n, len(l.rbuf))], stream)
		stream = stream[n:]
		l.input(c, l.rbuf[:n])
		clear(l.rbuf[:n]) // the next socket's by then
	}
	sent, was = l.framesFor(c), *c
	l.forget(c)
	return sent, was
}

// answers is what a connection gets for the events. What a message is answered with is
// not the matter here: the loop is asked.
func (l *loop) answers(events []event) (sent []string) {
	c := l.conns.take()
	c.state, c.user = stateOpen, "alice"
	for _, e := range events {
		switch {
		case e.kind == 1:
			l.message(c, e.payload)
			sent = append(sent, l.framesFor(c)...)
			l.unmark(c)
		case e.kind == 2:
			sent = append(sent, serverFrame(1, `{"type":"Error","data":{"code":400,"message":"binary message: send JSON as text"}}`))
		case e.kind == 9:
			sent = append(sent, serverFrame(10, string(e.payload)))
		case e.code == 1009:
			sent = append(sent, serverFrame(1, `{"type":"Error","data":{"code":413,"message":"message over MAX_FRAME_SIZE"}}`), "close 1009")
		default:
			sent = append(sent, fmt.Sprint("close ", e.code))
		}
	}
	l.forget(c)
	return sent
}

// framesFor returns the frames that a connection is to get; of a close frame its code.
func (l *loop) framesFor(c *conn) (list []string) {
	for at := c.first; at != 0; at = l.nodes[at-1].next {
		f := string(l.frames[l.nodes[at-1].frame])
		if f[0] == 0x88 {
			f = fmt.Sprint("close ", binary.BigEndian.Uint16([]byte(f[2:])))
		}
		list = append(list, f)
	}
	return list
}

// forget ends a connection that has no socket.
func (l *loop) forget(c *conn) {
	l.unmark(c)
	l.drain()
	l.unschedule(c)
	l.conns.put(c)
}

// serverFrame is a frame of the gateway's.
func serverFrame(op byte, payload string) string {
	return string(clientFrame(0x80|op, nil, payload))
}

// clientFrame is a frame with that first octet; without a key it is not masked.
func clientFrame(first byte, key []byte, payload string) []byte {
	b := []byte{first, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if key == nil {
		return append(b, payload...)
	}
	b[1] |= 0x80
	b = append(b, key...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

var (
	zeroKey = []byte{0, 0, 0, 0} // leaves the payload to be read, and to be mutated
	someKey = []byte{0x37, 0xfa, 0x21, 0x3d}
)

// frameSeeds are streams from which the fuzzing sets out.
func frameSeeds() [][]byte {
	row := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	ping := `{"type":"Ping","id":"κόσμε","data":{"timestamp":1}}`
	long := ping + string(bytes.Repeat([]byte(" "), 200))
	publish := `{"type":"Broadcast","id":"1","data":{"topic":"chat.lobby","payload":[1,"x"]}}`
	return [][]byte{
		row(clientFrame(0x81, zeroKey, ping), clientFrame(0x81, someKey, publish), clientFrame(0x81, zeroKey, "")),
		row(clientFrame(0x01, zeroKey, ping[:25]), clientFrame(0x89, zeroKey, "between"), clientFrame(0x80, zeroKey, ping[25:])),
		row(clientFrame(0x01, someKey, ping[:24]), clientFrame(0x00, someKey, ""), clientFrame(0x80, someKey, ping[24:])),
		row(clientFrame(0x81, zeroKey, long), clientFrame(0x88, zeroKey, "\x03\xe8bye")),
		row(clientFrame(0x02, zeroKey, "\xff\x00"), clientFrame(0x8a, zeroKey, ""), clientFrame(0x80, zeroKey, "\xfe")),
		row(clientFrame(0x01, zeroKey, long), clientFrame(0x80, zeroKey, long)),
		row(clientFrame(0x81, zeroKey, "κόσμε\xed\xa0\x80")),
		row(clientFrame(0x01, zeroKey, "\xf4"), clientFrame(0x00, zeroKey, "\x90"), clientFrame(0x80, zeroKey, "\x80\x80")),
		row(clientFrame(0x81, nil, ping)),
		row(clientFrame(0xc1, zeroKey, ping)),
		row(clientFrame(0x83, zeroKey, ping)),
		row(clientFrame(0x88, zeroKey, "\x03"), clientFrame(0x88, zeroKey, "\x03\xed")),
		{0x81, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4},
		{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4},
		{0x81, 0xfe, 0, 2, 0, 0, 0, 0, '{', '}'},
	}
}

// randomFrames are up to twenty frames, in which one in thirty has something wrong.
func randomFrames(r *rand.Rand) (stream []byte) {
	fragments := []string(nil) // still to be sent of a message
	for range 1 + r.IntN(20) {
		first, payload := byte(0x80), ""
		switch kind := r.IntN(10); {
		case kind < 2:
			first, payload = 0x89, string(make([]byte, r.IntN(126)))
		case kind == 2:
			first = 0x8a
		case len(fragments) > 0:
			payload, fragments = fragments[0], fragments[1:]
		default:
			text := fmt.Sprintf(`{"type":"Ping","id":"%d κόσμε %d"}`, r.IntN(1000), r.IntN(1000))
			text += string(bytes.Repeat([]byte{' '}, max(0, r.IntN(400)-150)))
			for cut := r.IntN(4); cut > 0; cut-- {
				n := r.IntN(len(text) + 1)
				fragments, text = append(fragments, text[:n]), text[n:]
			}
			fragments = append(fragments, text)
			payload, fragments = fragments[0], fragments[1:]
			first |= 1 + byte(r.IntN(8)/7)
		}
		if first&8 == 0 && len(fragments) > 0 {
			first &= 0x7f
		}
		key := binary.BigEndian.AppendUint32(nil, r.Uint32())
		frame := clientFrame(first, key, payload)
		if r.IntN(30) == 0 {
			frame[r.IntN(len(frame))] ^= 1 << r.IntN(8)
		}
		stream = append(stream, frame...)
	}
	return stream[:len(stream)-r.IntN(2)*r.IntN(20)%len(stream)]
}
