package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/store"
	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// perRun is how many frames one measured run handles: testing.AllocsPerRun rounds down, so
// that a 0 says fewer than one allocation in so many frames.
const perRun = 100

// An inbound frame costs no allocation: from the socket through the WebSocket header, the
// envelope, grants and rate limit to a record in the owner's batch and, for a Broadcast
// with an id, the Ack back to the socket; with the real NATS client under it, too.
func TestInboundFrameAllocatesNothing(t *testing.T) {
	frames := map[string]string{
		"Broadcast":             `{"type":"Broadcast","data":{"topic":"chat.lobby","payload":{"text":"hello","n":[1,2,3]}}}`,
		"Broadcast with id":     `{"type":"Broadcast","id":"a-1","data":{"topic":"chat.lobby","payload":{"text":"hello"},"echo":false}}`,
		"Ping":                  `{"type":"Ping","id":"p-1","data":{"timestamp":1763856000000}}`,
		"Ping by the envelope":  `{"type":"Ping","timestamp":1763856000000}`,
		"Broadcast of a string": `{ "type" : "Broadcast" , "data" : { "topic" : "chat.lobby" , "payload" : "\u00fc \"quoted\"" } }`,
	}
	for _, network := range []bool{false, true} {
		for name, text := range frames {
			t.Run(fmt.Sprintf("%s/nats=%v", name, network), func(t *testing.T) {
				var nc *nats.Conn
				if network {
					nc = silentNATS(t)
				}
				l := idleLoop(t, nc, func(c *Config) { c.RateLimit, c.RateLimitRPS, c.RateLimitBurst = true, 1e6, 1e6 })
				l.routersAre(2, 3)
				l.turn(nil)
				c, peer := l.connect(t)
				c.rights = &rights{grants: &topic.Grants{Publish: []string{"other.*", "chat.>"}}}
				frame := masked(text)
				list := []ready{{slot: c.slot, gen: c.gen, read: true}}
				buf := make([]byte, 64<<10)
				got := 0
				run := func() {
					for range perRun {
						if n, err := writeSocket(peer, frame); n != len(frame) {
							t.Fatal(n, err)
						}
						l.turn(list)
						l.answerPublishes()
						l.acked()
					}
					l.drain()
					n, _ := readSocket(peer, buf)
					got += n
				}
				before := l.batchesSent()
				run()
				if n := testing.AllocsPerRun(20, run); n > 0 {
					t.Errorf("%v allocations in %d frames", n, perRun)
				}
				if sent := l.batchesSent() - before; (name[:4] == "Ping") != (sent == 0) {
					t.Errorf("%d batches to the owners", sent)
				}
				if asks := bytes.Contains([]byte(text), []byte(`"id"`)) || name[:4] == "Ping"; asks != (got > 0) {
					t.Errorf("%d bytes of replies", got)
				}
			})
		}
	}
}

func (l *loop) batchesSent() (n uint64) {
	for _, o := range l.outs {
		n += o.Sent()
	}
	return n
}

// answerPublishes takes the part of the owners, without an allocation.
func (l *loop) answerPublishes() {
	for i := range l.ops.list {
		if o := &l.ops.list[i]; o.live && o.kind == opReply {
			l.replied(&wire.Reply{Op: handle(uint32(i), o.gen), Conn: wire.Conn{Slot: o.conn, Gen: o.cgen}, Frame: someFrame})
		}
	}
}

// A delivery costs no allocation: not for each subscriber, and not for the message either, whose
// one frame came in the batch.
func TestDeliveryAllocatesNothing(t *testing.T) {
	for _, subscribers := range []int{1, 10, 300} {
		for _, sub := range []string{`"chat.lobby"`, `"chat.*"`, `"chat.lobby","chat.*","chat.>"`} {
			t.Run(fmt.Sprintf("%d/%s", subscribers, sub), func(t *testing.T) {
				l := idleLoop(t, nil, nil)
				l.routersAre(2)
				var peers []int32
				for range subscribers {
					c, peer := l.connect(t)
					peers = append(peers, peer)
					l.input(c, masked(`{"type":"Subscribe","data":{"topics":[`+sub+`]}}`))
				}
				l.answer()
				l.turn(nil)
				batch := deliverBatch("chat.lobby", 3)
				buf := make([]byte, 64<<10)
				got := 0
				run := func() {
					for range perRun / 10 {
						l.mail.postBatch(batch)
						l.turn(nil)
					}
					l.endRest()
					for _, p := range peers {
						n, _ := readSocket(p, buf)
						got += n
					}
					l.acked()
				}
				run() // reads the replies to Subscribe, too
				l.rested = time.Now().Add(time.Hour)
				run() // with as much in a rest as there can be
				got = 0
				if n := testing.AllocsPerRun(10, run); n > 0 {
					t.Errorf("%v allocations in %d deliveries", n, subscribers*perRun/10*3)
				}
				if want := 11 * subscribers * perRun / 10 * 3 * len(delivered); got != want {
					t.Errorf("%d bytes arrived, want %d", got, want)
				}
			})
		}
	}
}

// A message with a place in a history costs no more, with sessions on either: who is subscribed by its name, by a pattern, or by both.
func TestHistoryDeliveryAllocatesNothing(t *testing.T) {
	for _, sub := range []string{`"h.a"`, `"h.*"`, `"h.a","h.*"`} {
		t.Run(sub, func(t *testing.T) {
			const subscribers, runs = 100, 10
			l := idleLoop(t, nil, nil)
			l.gw.sessions = store.NewSessions(openStore(t), time.Minute, func(string, string) {})
			l.routersAre(2)
			var peers []int32
			for range subscribers {
				c, peer := l.connect(t)
				c.session = newSessionID(&auth.Claims{})
				peers = append(peers, peer)
				l.input(c, masked(`{"type":"Subscribe","data":{"topics":[`+sub+`]}}`))
			}
			for _, h := range l.ops.handles(func(*op) bool { return true }) {
				l.done(wire.Done{Op: h, Placed: !l.ops.find(h).entry.pattern, At: wire.Position{Offset: 1, Epoch: 1}})
			}
			l.turn(nil)
			var batches [][]byte
			for at := uint64(2); len(batches) < (runs+2)*perRun/10; {
				b := wire.AppendHeader(nil, wire.Header{FromID: 2, Lanes: 1, ToInc: 0})
				for range 3 {
					b = wire.AppendDeliver(b, &wire.Deliver{Loops: 1, Topic: "h.a", Frame: delivered, SentAt: 1, At: wire.Position{Offset: at, Epoch: 1}})
					at++
				}
				batches = append(batches, b)
			}
			buf := make([]byte, 64<<10)
			got := 0
			run := func() {
				for range perRun / 10 {
					l.mail.postBatch(batches[0])
					batches = batches[1:]
					l.turn(nil)
				}
				l.endRest()
				for _, p := range peers {
					n, _ := readSocket(p, buf)
					got += bytes.Count(buf[:n], delivered)
				}
				l.acked()
			}
			run()
			if n := testing.AllocsPerRun(runs, run); n > 0 {
				t.Errorf("%v allocations in %d deliveries", n, subscribers*perRun/10*3)
			}
			if want := (runs + 2) * subscribers * perRun / 10 * 3; got != want {
				t.Errorf("%d messages arrived, want %d", got, want)
			}
		})
	}
}

// An answer to a ping that asks what the client has read, and that ping, cost nothing.
func TestConfirmAllocatesNothing(t *testing.T) {
	l := idleLoop(t, nil, nil)
	l.gw.sessions = store.NewSessions(openStore(t), time.Minute, func(string, string) {})
	l.routersAre(2)
	c, peer := l.connect(t)
	c.session = "s"
	l.input(c, masked(`{"type":"Subscribe","data":{"topics":["h.a"]}}`))
	for _, h := range l.ops.handles(func(*op) bool { return true }) {
		l.done(wire.Done{Op: h, Placed: true, At: wire.Position{Offset: 1, Epoch: 1}})
	}
	l.turn(nil)
	buf := make([]byte, 64<<10)
	payload := make([]byte, 0, 16)
	n := testing.AllocsPerRun(20, func() {
		for range perRun {
			l.askConfirm(c)
			l.drain()
			payload = binary.LittleEndian.AppendUint32(append(payload[:0], confirmMark...), c.asking)
			l.confirmRead(c, payload)
			_, _ = readSocket(peer, buf)
		}
	})
	if n > 0 || c.asking != 0 {
		t.Errorf("%v allocations in %d pings", n, perRun)
	}
}

// openStore is a store in memory.
func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Role: "test", Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// delivered is the frame in every record of deliverBatch.
var _, delivered = protocol.AppendBroadcast(nil, &protocol.Publication{
	Topic: "chat.lobby", Payload: []byte(`{"text":"hello"}`), User: "alice", MessageID: "m-1", SentAt: 1,
})

// deliverBatch is a down batch with n messages for the loop's subscribers.
func deliverBatch(topic string, n int) []byte {
	b := wire.AppendHeader(nil, wire.Header{FromID: 2, Lanes: 1, ToInc: 0})
	for range n {
		b = wire.AppendDeliver(b, &wire.Deliver{Loops: 1, Topic: topic, Frame: delivered, SentAt: 1})
	}
	return b
}

// silentNATS is a connection to a server that takes everything, says nothing, and
// allocates nothing, which the real one would do in this very process.
func silentNATS(t *testing.T) *nats.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Write([]byte(`INFO {"server_id":"silent","version":"2.15.2","proto":1,"headers":true,"max_payload":1048576}` + "\r\n"))
		buf := make([]byte, 1<<20)
		var greeted bool
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if !greeted && bytes.HasSuffix(buf[:n], []byte("PING\r\n")) {
				greeted = true
				_, _ = c.Write([]byte("PONG\r\n"))
			}
		}
	}()
	nc, err := nats.Connect("nats://"+ln.Addr().String(), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		_ = ln.Close()
		<-done
	})
	return nc
}
