package gateway

import (
	"slices"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// opKind is what an op waits for.
type opKind uint8

const (
	opPublish opKind = iota // a reply to the sender
	opJoin                  // a Done, to be subscribed
	opFence                 // a Done, to be unsubscribed
)

// op is something asked of an owner and not answered yet.
type op struct {
	kind  opKind
	live  bool
	gen   uint32 // of the entry in the table
	conn  uint32 // slot
	cgen  uint32
	need  int32     // answers still to come: more than one for patterns
	at    uint32    // tick at which it began
	order uint64    // when it began, among the loop's ops
	hash  uint64    // opPublish: the topic's
	to    *upstream // nil for patterns: everyone
	code  uint16    // worst answer so far
	id    []byte    // opPublish: the message's id
	req   *request
	topic int // opJoin, opFence: index in the request's topics
	entry *entry

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
	o.live, o.gen, o.order = true, p.gen+1, t.order
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
	for _, h := range l.ops.handles(func(o *op) bool { return l.wheel.now-o.at > l.requestTicks }) {
		l.fail(h)
	}
}

// fail answers an op with Error 503: for a publish, whether it took effect is not known.
func (l *loop) fail(h uint64) {
	o := l.ops.find(h)
	if o.kind != opPublish {
		l.finish(h, protocol.CodeUnavailable)
		return
	}
	if c := l.conns.get(o.conn, o.cgen); c != nil && c.state == stateOpen {
		l.unavailable(c, string(o.id), o.order, o.hash)
	}
	l.ops.end(h)
}
