package gateway

import (
	"slices"

	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// opKind is what an op waits for.
type opKind uint8

const (
	opReply  opKind = iota // a Reply to the sender
	opJoin                 // a Done, to be subscribed
	opFence                // a Done, to be unsubscribed
	opAnswer               // an Answer, for a part of a request
	opGreet                // an Answer, to let a connection begin
	opEnter                // a Done, to get a room's messages
	opFetch                // a Page of a history
)

// op is something asked of an owner and not answered yet.
type op struct {
	kind  opKind
	live  bool
	gen   uint32 // of the entry in the table
	conn  uint32 // slot
	cgen  uint32
	need  int32     // answers still to come: more than one for patterns
	began uint32    // tick
	order uint64    // when it began, among the loop's ops
	hash  uint64    // opReply: the key's
	to    *upstream // nil for patterns: everyone
	code  uint16    // worst answer so far
	id    []byte    // opReply: the message's id
	req   *request
	topic int       // opJoin, opFence, opAnswer: index in the request's topics
	entry *entry    // pinned while the op is under way; nil for none
	verb  wire.Verb // opAnswer
	data  []byte    // opAnswer: of a RoomInfo's message
	greet *greeting // opGreet, opEnter: who waits for it; nil for nobody
	track *track    // opFetch

	recovers bool          // opJoin: all behind since is wanted
	since    wire.Position // opJoin, opFetch
	at       wire.Position // opJoin: where the history stands; zero: it has none
	whole    bool          // opJoin: all behind since can be had

	parent  uint64   // opReply: of a copy: the message's op
	copying *copying // opReply: while copies are to be answered, too; nil for none

	step    *step // of a pattern's change; nil where there is none
	counted bool  // opJoin: it is one of the connection's joins
}

// opTable holds a loop's ops. An op's handle names its place and that place's
// generation, so that an answer which comes twice or too late meets nothing.
type opTable struct {
	list  []op
	free  []uint32
	order uint64
	live  int
	base  uint32 // generations begin behind it
}

// latest is the highest generation that was given out.
func (t *opTable) latest() uint32 {
	most := t.base
	for i := range t.list {
		most = max(most, t.list[i].gen)
	}
	return most
}

func (t *opTable) add(o op, id string) uint64 {
	var at uint32
	if n := len(t.free); n > 0 {
		at = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		at = uint32(len(t.list))
		t.list = append(t.list, op{})
	}
	t.order++
	t.live++
	p := &t.list[at]
	o.live, o.gen, o.order = true, max(p.gen, t.base)+1, t.order
	o.id = append(p.id[:0], id...)
	*p = o
	return handle(at, o.gen)
}

// handle is never 0, which in a record means that no answer is wanted.
func handle(at, gen uint32) uint64 { return uint64(gen)<<32 | uint64(at+1) }

// find returns the op of a handle, nil when it is over.
func (t *opTable) find(h uint64) *op {
	at := uint32(h) - 1
	if uint64(at) >= uint64(len(t.list)) {
		return nil
	}
	if o := &t.list[at]; o.live && o.gen == uint32(h>>32) {
		return o
	}
	return nil
}

// end frees an op.
func (t *opTable) end(h uint64) {
	at := uint32(h) - 1
	o := &t.list[at]
	*o = op{gen: o.gen, id: o.id[:0]}
	t.free = append(t.free, at)
	t.live--
}

// handles returns the ops for which want is true, oldest first.
func (t *opTable) handles(want func(*op) bool) []uint64 {
	var list []uint64
	for i := range t.list {
		if o := &t.list[i]; o.live && want(o) {
			list = append(list, handle(uint32(i), o.gen))
		}
	}
	slices.SortFunc(list, func(a, b uint64) int {
		return int(int64(t.find(a).order) - int64(t.find(b).order))
	})
	return list
}

// expireOps gives up on what was not answered within REQUEST_TIMEOUT.
func (l *loop) expireOps() {
	if l.ops.live == 0 {
		return
	}
	for _, h := range l.ops.handles(func(o *op) bool { return l.wheel.now-o.began > l.patience(o) }) {
		if l.ops.find(h) != nil { // one that failed may have ended another
			l.fail(h)
		}
	}
}

// patience is for how many ticks an op is waited for.
func (l *loop) patience(o *op) uint32 {
	if o.greet != nil && !o.greet.verdict.taken {
		return min(l.requestTicks, ticks(greetTime))
	}
	return l.requestTicks
}

// send sends the record of an op to the owner that is to answer it, or fails it.
func (l *loop) send(h uint64) {
	o := l.ops.find(h)
	o.need, o.to, o.code = 0, nil, 0
	switch o.kind {
	case opJoin, opFence, opEnter:
		l.sendInterest(h, o)
	case opAnswer:
		l.sendAsk(h, o)
	case opGreet:
		l.sendPresent(h, o)
	case opFetch:
		l.sendFetch(h, o)
	}
	if o.need == 0 {
		l.fail(h)
	}
}

// reach returns the owner that is to answer an op about its entry, and notes it; nil when it
// cannot be reached.
func (l *loop) reach(o *op) (*upstream, int) {
	u, lane := l.realm(o.entry).ownerOf(o.entry.hash)
	if u == nil || !l.reachable(u.outs[lane]) {
		return nil, 0
	}
	o.need, o.to = 1, u
	return u, lane
}

// fail answers an op with Error 503: for a message, whether it took effect is not known.
func (l *loop) fail(h uint64) {
	o := l.ops.find(h)
	switch o.kind {
	case opJoin, opFence:
		l.finish(h, protocol.CodeUnavailable)
	case opAnswer:
		l.answerPart(h, &wire.Answer{Code: protocol.CodeUnavailable})
	case opGreet:
		l.greeted(h, nil)
	case opEnter:
		l.roomJoined(h, protocol.CodeUnavailable)
	case opFetch:
		l.paged(&wire.Page{Op: h, Code: protocol.CodeUnavailable})
	case opReply:
		pinned, greet := o.entry, o.greet
		c := l.conns.get(o.conn, o.cgen)
		if parent := o.parent; parent != 0 {
			frame := l.unavailableFrame(string(o.id))
			l.ops.end(h)
			l.copied(parent, frame)
			return
		}
		if c != nil && greet == nil && c.state == stateOpen {
			l.unavailable(c, string(o.id), o.order, o.hash)
		}
		l.ops.end(h)
		if c != nil && greet != nil && greet == c.greet {
			defer l.guard(c)
			l.rejoined(c, greet, pinned, false)
		}
		l.requested(pinned)
	}
}
