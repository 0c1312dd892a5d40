package gateway

import (
	"slices"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// script is a connection of a loop with two routers, in whose name the test answers.
type script struct {
	t *testing.T
	l *loop
	c *conn
}

func newScript(t *testing.T) *script {
	s := &script{t: t, l: idleLoop(t, nil, nil)}
	s.l.routersAre(2, 3)
	s.c, _ = s.l.connect(t)
	return s
}

// send has the client send a message, and returns the op that it began.
func (s *script) send(message string) (began uint64) {
	before := s.l.ops.order
	s.l.message(s.c, []byte(message))
	for _, h := range s.l.ops.handles(func(o *op) bool { return o.order > before }) {
		return h
	}
	return 0
}

// done has a router's lane answer an op.
func (s *script) done(router, h uint64) {
	s.from(router, wire.AppendDone(nil, wire.Done{Op: h}))
}

// deliver has a router's lane send a message to a topic.
func (s *script) deliver(router uint64, topic string) {
	s.from(router, wire.AppendDeliver(nil, &wire.Deliver{Loops: 1, Topic: topic, Frame: delivered, SentAt: 1}))
}

func (s *script) ack(router, h uint64, id, topic string) {
	_, frame := protocol.AppendAck(nil, id, topic)
	s.from(router, wire.AppendReply(nil, &wire.Reply{Op: h, Conn: s.l.ref(s.c), Frame: frame}))
}

func (s *script) from(router uint64, record []byte) {
	s.l.down(append(wire.AppendHeader(nil, wire.Header{FromID: router, Lanes: 1}), record...))
}

// got is what the client got since the last call: types, with the status or the id.
func (s *script) got(want ...string) {
	s.t.Helper()
	var got []string
	for at := s.c.first; at != 0; at = s.l.nodes[at-1].next {
		frame := s.l.frames[s.l.nodes[at-1].frame]
		m := gjson.ParseBytes(frame[headerLength(frame):])
		text := m.Get("type").Str
		for _, more := range []string{m.Get("data.status").Str, m.Get("id").Str} {
			if more != "" {
				text += " " + more
			}
		}
		got = append(got, text)
	}
	s.l.unmark(s.c)
	s.l.drain()
	if !slices.Equal(got, want) {
		s.t.Fatalf("got %q, want %q", got, want)
	}
}

// A pattern counts for each lane from that lane's answer on: for what it orders, the frames
// of a client take effect in their order, whatever the other lanes are at.
func TestPatternChangesLaneByLane(t *testing.T) {
	s := newScript(t)
	join := s.send(`{"type":"Subscribe","id":"1","data":{"topics":["a.*"]}}`)
	s.deliver(2, "a.x") // ordered before the Subscribe
	s.got()
	s.done(2, join)
	s.deliver(2, "a.x")
	s.deliver(3, "a.y")
	s.got("Broadcast")
	s.done(3, join)
	s.deliver(3, "a.y")
	s.got("Status subscribed 1", "Broadcast")

	fence := s.send(`{"type":"Unsubscribe","id":"2","data":{"topics":["a.*"]}}`)
	again := s.send(`{"type":"Subscribe","id":"3","data":{"topics":["a.*"]}}`)
	s.deliver(2, "a.x")
	s.done(2, fence)
	s.deliver(2, "a.x")
	s.deliver(3, "a.y")
	s.got("Broadcast", "Broadcast") // from 2 before, from 3 still
	s.done(2, again)
	s.deliver(2, "a.x")
	s.done(3, fence)
	s.deliver(3, "a.y")
	s.done(3, again)
	s.deliver(3, "a.y")
	s.got("Broadcast", "Status unsubscribed 2", "Status subscribed 3", "Broadcast")
}

// What lanes have answered still counts when a new view has everybody asked again.
func TestPatternChangeOutlivesView(t *testing.T) {
	s := newScript(t)
	join := s.send(`{"type":"Subscribe","id":"1","data":{"topics":["a.*"]}}`)
	s.done(2, join)
	s.l.routersAre(2, 3, 4)
	s.deliver(2, "a.x")
	s.deliver(4, "a.z") // a lane that is new has been told of the pattern, and is asked
	s.got("Broadcast")
	s.done(3, join) // an answer to the op that was replaced
	var again uint64
	for _, h := range s.l.ops.handles(func(*op) bool { return true }) {
		again = h
	}
	for _, router := range []uint64{2, 3, 4} {
		s.done(router, again)
	}
	s.deliver(4, "a.z")
	s.got("Status subscribed 1", "Broadcast")
}

// A change that fails leaves what was before.
func TestPatternChangeThatFails(t *testing.T) {
	s := newScript(t)
	join := s.send(`{"type":"Subscribe","id":"1","data":{"topics":["a.*"]}}`)
	s.done(2, join)
	s.l.fail(join)
	s.deliver(2, "a.x")
	s.got("Error 1")
	if len(s.c.subs) != 0 || len(s.l.entries) != 0 {
		t.Error("something is left of it")
	}
	join = s.send(`{"type":"Subscribe","id":"2","data":{"topics":["a.*"]}}`)
	s.done(2, join)
	s.done(3, join)
	s.l.fail(s.send(`{"type":"Unsubscribe","id":"3","data":{"topics":["a.*"]}}`))
	s.deliver(2, "a.x")
	s.got("Status subscribed 2", "Error 3", "Broadcast")
}

// Requests are answered in their order, and a Broadcast behind the requests before it
// that concern its topic; other topics overtake.
func TestRepliesInOrder(t *testing.T) {
	s := newScript(t)
	slow, fast := topicsOf(s.l)
	join := s.send(`{"type":"Subscribe","id":"1","data":{"topics":["` + slow + `","` + fast + `"]}}`)
	joinFast := s.l.ops.handles(func(o *op) bool { return o.order == s.l.ops.order })[0]
	ack := s.send(`{"type":"Broadcast","id":"2","data":{"topic":"` + fast + `","payload":1}}`)
	other := s.send(`{"type":"Broadcast","id":"3","data":{"topic":"other","payload":1}}`)
	fence := s.send(`{"type":"Unsubscribe","id":"4","data":{"topics":["` + fast + `"]}}`)
	late := s.send(`{"type":"Broadcast","id":"5","data":{"topic":"` + fast + `","payload":1}}`)
	s.done(3, joinFast)
	s.ack(3, ack, "2", fast)
	s.ack(2, other, "3", "other")
	s.done(3, fence)
	s.ack(3, late, "5", fast)
	s.got("Ack accepted 3")
	s.l.acked()
	s.done(2, join)
	s.got("Status subscribed 1", "Ack accepted 2", "Status unsubscribed 4", "Ack accepted 5")
	if s.c.asked != nil || s.l.ops.live != 0 {
		t.Error("something is left of it")
	}
}

// topicsOf finds a topic of router 2 and one of router 3.
func topicsOf(l *loop) (of2, of3 string) {
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
		if u, _ := l.routers.ownerOf(cluster.Hash(name)); u.node.ID == 2 {
			of2 = name
		} else {
			of3 = name
		}
	}
	return of2, of3
}
