package gateway

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// tickTo turns the wheel tick by tick, as an unhurried loop does, and writes what each brought.
func (l *loop) tickTo(t uint32) {
	for l.wheel.now < t {
		l.now = l.now.Add(tickLength)
		l.turnWheel(l.wheel.now + 1)
		l.drain()
	}
}

// frames reads the server's frames that have arrived at a client's end.
func frames(t *testing.T, peer int32) (list []ws.Frame) {
	t.Helper()
	b := make([]byte, 4<<10)
	n, _ := readSocket(peer, b)
	r := bytes.NewReader(b[:n])
	for r.Len() > 0 {
		f, err := readFrame(r)
		if err != nil {
			t.Fatalf("what arrived is not whole frames: %v", err)
		}
		list = append(list, f)
	}
	return list
}

func closeCode(f ws.Frame) int {
	if f.Header.OpCode != ws.OpClose || len(f.Payload) < 2 {
		return 0
	}
	return int(binary.BigEndian.Uint16(f.Payload))
}

// A quiet client is pinged every HEARTBEAT_INTERVAL. One that answers stays, however quiet
// it is otherwise; one that does not is closed 4408 after CLIENT_TIMEOUT.
func TestHeartbeat(t *testing.T) {
	for _, c := range []struct{ heartbeat, timeout time.Duration }{
		{30 * time.Second, time.Minute}, {2 * time.Second, 3 * time.Second}, {time.Second, 10 * time.Second},
		{250 * time.Millisecond, 500 * time.Millisecond}, {2 * time.Minute, 7 * time.Minute},
	} {
		l := idleLoop(t, nil, func(cfg *Config) { cfg.HeartbeatInterval, cfg.ClientTimeout = c.heartbeat, c.timeout })
		good, goodPeer := l.connect(t)
		bad, badPeer := l.connect(t)
		good.expires, bad.expires = 1<<32-1, 1<<32-1
		heartbeat, timeout := ticks(c.heartbeat), ticks(c.timeout)
		want := func(until uint32) (list []uint32) {
			for at := heartbeat; at < until; at += heartbeat {
				list = append(list, at)
			}
			return list
		}
		var goodPings, badPings, badClosed []uint32
		for at := uint32(1); at <= 6*timeout; at++ {
			l.tickTo(at)
			for _, f := range frames(t, goodPeer) {
				if f.Header.OpCode != ws.OpPing {
					t.Fatalf("%v: a client that answers got %+v", c, f)
				}
				goodPings = append(goodPings, at)
				pong, _ := ws.CompileFrame(ws.MaskFrame(ws.NewPongFrame(f.Payload)))
				_, _ = writeSocket(goodPeer, pong)
				l.readable(good)
			}
			for _, f := range frames(t, badPeer) {
				switch f.Header.OpCode {
				case ws.OpPing:
					badPings = append(badPings, at)
				case ws.OpClose:
					if closeCode(f) != 4408 {
						t.Errorf("%v: closed %d", c, closeCode(f))
					}
					badClosed = append(badClosed, at)
				}
			}
		}
		if good.state != stateOpen {
			t.Errorf("%v: a client that answers was ended, pinged at %v", c, goodPings)
		}
		if !slices.Equal(goodPings, want(6*timeout+1)) {
			t.Errorf("%v: pinged at %v", c, goodPings)
		}
		if !slices.Equal(badPings, want(timeout)) || !slices.Equal(badClosed, []uint32{timeout}) {
			t.Errorf("%v: silent client pinged at %v, closed at %v", c, badPings, badClosed)
		}
		if bad.state != stateFree {
			t.Errorf("%v: the silent client's slot is still taken", c)
		}
	}
}

// A loop that was held up, for longer than CLIENT_TIMEOUT, does not blame its clients.
func TestHeldUpLoopEndsNobody(t *testing.T) {
	l := idleLoop(t, nil, func(cfg *Config) { cfg.HeartbeatInterval, cfg.ClientTimeout = 30*time.Second, time.Minute })
	c, peer := l.connect(t)
	l.start = l.start.Add(-10 * time.Minute)
	l.turn(nil)
	if l.wheel.now != lateTicks || c.state != stateOpen || len(frames(t, peer)) != 0 {
		t.Errorf("at tick %d the connection is in state %d", l.wheel.now, c.state)
	}
	l.turn(nil)
	if l.wheel.now > lateTicks+1 {
		t.Errorf("the wheel is at %d, and runs after the time that was lost", l.wheel.now)
	}
}

// Frames of any kind keep a connection from being pinged.
func TestBusyConnectionIsNotPinged(t *testing.T) {
	l := idleLoop(t, nil, func(cfg *Config) { cfg.HeartbeatInterval, cfg.ClientTimeout = time.Second, 2*time.Second })
	c, peer := l.connect(t)
	for at := uint32(1); at < 60; at++ {
		l.tickTo(at)
		if at%3 == 0 { // every 750 ms
			_, _ = writeSocket(peer, masked("{}"))
			l.readable(c)
			l.drain()
		}
	}
	for _, f := range frames(t, peer) {
		if f.Header.OpCode != ws.OpText {
			t.Errorf("got %+v", f)
		}
	}
}

// A token's end: Error 401, then close 4401, at most a second late, however far away it
// was at first.
func TestTokenEnds(t *testing.T) {
	for _, life := range []time.Duration{time.Second, 90 * time.Second, 4 * time.Minute} {
		l := idleLoop(t, nil, func(cfg *Config) { cfg.HeartbeatInterval, cfg.ClientTimeout = time.Hour, 2*time.Hour })
		l.now = time.Unix(1763856000, 0)
		c, peer := l.connect(t)
		c.expires = uint32(l.now.Add(life).Unix())
		l.tickTo(ticks(life) - 1)
		if got := frames(t, peer); len(got) != 0 {
			t.Fatalf("%v: early: %+v", life, got)
		}
		l.tickTo(ticks(life + time.Second))
		got := frames(t, peer)
		if len(got) != 2 || !strings.Contains(string(got[0].Payload), `"code":401`) || closeCode(got[1]) != 4401 {
			t.Fatalf("%v: got %+v", life, got)
		}
	}
}

// A peer that says nothing in its handshake, or does not end after a close, is cut off.
func TestHandshakeAndLingerEnd(t *testing.T) {
	l := idleLoop(t, nil, nil)
	c, _ := l.connect(t)
	c.state, c.admitted, c.until = stateHead, false, ticks(5*time.Second)
	l.schedule(c, c.until)
	o, peer := l.connect(t)
	l.closeWith(o, 1000, "", endClosed)
	l.tickTo(ticks(lingerTime) - 1)
	if o.state != stateClosing || len(frames(t, peer)) != 1 {
		t.Error("a closed connection did not linger")
	}
	l.tickTo(ticks(lingerTime))
	if o.state != stateFree || c.state != stateHead {
		t.Error("a closed connection outlived its time, or another did not")
	}
	l.tickTo(ticks(5 * time.Second))
	if c.state != stateFree {
		t.Error("half a handshake outlived HANDSHAKE_TIMEOUT")
	}
}

// The wheel, with random schedules, against a list: each is looked at in its tick, once.
func TestWheelAgainstModel(t *testing.T) {
	l := idleLoop(t, nil, nil)
	r := rand.New(rand.NewPCG(1, 2))
	due := make(map[*conn]uint32)
	for range 50 {
		c := l.conns.take()
		c.fd, c.state = -1, stateHead
		l.gw.sockets.Add(1)
		c.until = 1 << 30 // look only puts it back
	}
	for range 20000 {
		c := l.conns.at(r.Uint32N(50))
		switch r.IntN(4) {
		case 0:
			l.unschedule(c)
			delete(due, c)
		case 1, 2:
			in := 1 + r.Uint32N(2*wheelSlots)
			l.schedule(c, in)
			due[c] = l.wheel.now + min(in, wheelSlots-1)
		case 3:
			l.turnWheel(l.wheel.now + 1 + r.Uint32N(3))
			for c, at := range due {
				if at <= l.wheel.now {
					due[c] = at + wheelSlots - 1 // where look has put it
				}
			}
		}
		for slot := range uint32(50) {
			if c := l.conns.at(slot); c.due != due[c] {
				t.Fatalf("tick %d: due at %d, want %d", l.wheel.now, c.due, due[c])
			}
		}
		l.checkWheel(t)
	}
}

// checkWheel holds the links of the wheel's slots against each other.
func (l *loop) checkWheel(t testing.TB) {
	t.Helper()
	n := 0
	for i, head := range l.wheel.slots {
		before := uint32(0)
		for at := head; at != 0; {
			c := l.conns.at(at - 1)
			if c.due%wheelSlots != uint32(i) || c.due == 0 || c.wheelPrev != before {
				t.Fatalf("slot %d holds a connection due at %d, behind %d not %d", i, c.due, c.wheelPrev, before)
			}
			before, at = at, c.wheelNext
			n++
		}
	}
	l.conns.each(func(c *conn) {
		if c.due != 0 {
			n--
		}
	})
	if n != 0 {
		t.Fatalf("%d more in the wheel than scheduled", n)
	}
}
