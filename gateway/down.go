package gateway

import (
	"context"
	"math/bits"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/supervise/fault"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// readerQueue is how many batches wait for a reader. Past it NATS drops (a slow
// consumer, counted), and the links repeat.
const readerQueue = 8192

// reader takes the batches of one of the gateway's down subjects and gives them to the
// loops that they concern. It is one goroutine, which owns its state.
type reader struct {
	gw   *Gateway
	lane int
	nats *natsConn
	in   chan *nats.Msg
	sub  *nats.Subscription

	ends  map[cluster.Ref]*end
	views *cluster.Views
	self  cluster.Ref
	acks  []byte
}

// end is the receiving end of the links from the lanes of one owner.
type end struct {
	ins  []link.In
	owed bool
}

func newReader(g *Gateway, lane int) *reader {
	return &reader{
		gw: g, lane: lane, nats: g.conns[lane%len(g.conns)],
		in: make(chan *nats.Msg, readerQueue), ends: make(map[cluster.Ref]*end), self: g.self.Ref,
	}
}

func (r *reader) subscribe() (err error) {
	r.sub, err = r.nats.ChanSubscribe(wire.Down(r.gw.self.ID, r.lane), r.in)
	return err
}

func (r *reader) run(ctx context.Context) {
	var timer <-chan time.Time // runs while an acknowledgement is owed
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-r.in:
			r.takeGuarded(m.Data)
			if timer == nil {
				timer = time.After(link.AckDelay)
			}
		case <-timer:
			timer = nil
			r.acknowledge(false)
		}
	}
}

// takeGuarded takes one batch. One that ends in a panic is as good as lost, which the loops are told: a history may have come
// with it.
func (r *reader) takeGuarded(batch []byte) {
	if r.gw.safely("reader", func() { r.take(batch) }) {
		return
	}
	if h, err := wire.ParseHeader(batch); err == nil {
		r.lost(h)
	}
}

// lost tells the loops that batches of an owner's lane will not come.
func (r *reader) lost(h wire.Header) {
	ref, lane := cluster.Ref{ID: h.FromID, Inc: h.FromInc}, int(h.FromLane)
	for _, l := range r.gw.loops {
		l.mail.post(func(l *loop) { l.lostFrom(ref, lane) })
	}
}

// take deals with one batch.
//
// Hop 6 of a Broadcast's way; the next is deliver, on each loop.
func (r *reader) take(batch []byte) {
	h, err := wire.ParseHeader(batch)
	if err != nil {
		r.gw.drop(dropFormat)
		return
	}
	r.follow()
	e := r.end(h)
	if e == nil {
		r.gw.drop(dropStale)
		return
	}
	if h.Seq != 0 {
		in := &e.ins[h.FromLane]
		lost := in.Lost()
		take := in.Take(h, len(batch))
		if n := in.Lost() - lost; n > 0 {
			r.gw.metrics.dropped.WithLabelValues(dropLost).Add(float64(n))
			r.lost(h)
		}
		e.owed = true
		if _, now := in.Due(); now {
			// Not before the loops have it: an acknowledgement lets a topic's next owner
			// send, and what that sends must not come to them first.
			defer r.acknowledge(true)
		}
		if !take {
			r.gw.drop(dropRepeat)
			return
		}
	}
	r.gw.metrics.batchesIn.Inc()
	var loops uint64
	for rec, err := range wire.Records(batch) {
		if err != nil {
			r.gw.drop(dropFormat)
			break
		}
		loops |= rec.Loops()
	}
	for ; loops != 0; loops &= loops - 1 {
		if i := bits.TrailingZeros64(loops); i < len(r.gw.loops) {
			r.gw.loops[i].mail.postBatch(batch)
		}
	}
}

// follow drops what it knows of owners that are gone, or of everyone when this gateway
// begins a new life.
func (r *reader) follow() {
	views, self := r.gw.member.Views(), r.gw.member.Self().Ref
	if self != r.self {
		r.self = self
		clear(r.ends)
	}
	if views == r.views {
		return
	}
	r.views = views
	for ref := range r.ends {
		if !listed(views, ref) {
			delete(r.ends, ref)
		}
	}
}

// end finds where a batch's link ends; nil when the batch is not to be taken: an owner
// that the others have declared dead must not be heard, lest its order and its
// successor's mix.
func (r *reader) end(h wire.Header) *end {
	ref := cluster.Ref{ID: h.FromID, Inc: h.FromInc}
	if h.ToInc != r.self.Inc || !listed(r.views, ref) {
		return nil
	}
	e := r.ends[ref]
	if e == nil {
		e = &end{ins: make([]link.In, max(h.Lanes, 1))}
		r.ends[ref] = e
	}
	if int(h.FromLane) >= len(e.ins) {
		return nil
	}
	return e
}

// listed reports whether an owner of any role is in the views.
func listed(v *cluster.Views, ref cluster.Ref) bool {
	if n, ok := v.Routers.Find(ref.ID); ok && n.Ref == ref {
		return true
	}
	n, ok := v.Presences.Find(ref.ID)
	return ok && n.Ref == ref
}

// acknowledge tells the owners what has arrived; urgent: only what should not wait.
func (r *reader) acknowledge(urgent bool) {
	for ref, e := range r.ends {
		if !e.owed {
			continue
		}
		e.owed = false
		for lane := range e.ins {
			owed, now := e.ins[lane].Due()
			if owed && urgent && !now {
				e.owed = true
				continue
			}
			if owed {
				r.ack(ref, lane, &e.ins[lane])
			}
		}
	}
}

func (r *reader) ack(to cluster.Ref, lane int, in *link.In) {
	seq, again := in.Ack()
	b := wire.AppendHeader(r.acks[:0], wire.Header{
		FromID: r.self.ID, FromInc: r.self.Inc, Lanes: uint8(len(r.gw.loops)), ToInc: to.Inc,
	})
	r.acks = wire.AppendAck(b, wire.Ack{Lane: uint16(lane), Dir: wire.DirDown, Seq: seq, Again: again})
	// A lost acknowledgement is asked for by a repeat.
	_ = r.nats.Publish(wire.Up(to.ID, lane), r.acks)
}

// down deals with the records of a batch that concern this loop.
func (l *loop) down(batch []byte) {
	h, err := wire.ParseHeader(batch)
	if err != nil {
		return
	}
	l.from, l.source, l.fromLane = l.upstream(cluster.Ref{ID: h.FromID, Inc: h.FromInc}), nil, int(h.FromLane)
	if l.from != nil && l.fromLane < len(l.from.outs) {
		l.source = l.from.outs[l.fromLane]
	}
	for dealt, whole := 0, false; !whole; {
		dealt, whole = l.records(&h, batch, dealt)
	}
}

// records deals with the records of a batch that concern this loop, but for the first ones, skip in number. whole is false when one of
// them panicked: then it returns how many are behind it by now.
func (l *loop) records(h *wire.Header, batch []byte, skip int) (dealt int, whole bool) {
	var rec wire.Record
	defer func() {
		if v := recover(); v != nil {
			l.brokenRecord(v, rec)
		}
	}()
	bit := uint64(1) << l.index
	for r, err := range wire.Records(batch) {
		if err != nil {
			break // counted by the reader
		}
		if dealt++; dealt <= skip || r.Loops()&bit == 0 {
			continue
		}
		rec = r
		l.record(h, rec)
	}
	return dealt, true
}

// record deals with one record.
func (l *loop) record(h *wire.Header, rec wire.Record) {
	fault.Point("gateway.record")
	switch rec.Kind {
	case wire.KindDeliver:
		var d wire.Deliver
		if d.Decode(rec.Body) == nil {
			l.deliver(&d)
		}
	case wire.KindReply:
		var p wire.Reply
		if p.Decode(rec.Body) == nil {
			l.replied(&p)
		}
	case wire.KindRedirect:
		var p wire.Redirect
		if p.Decode(rec.Body) == nil {
			l.redirected(&p)
		}
	case wire.KindDone:
		var d wire.Done
		if d.Decode(rec.Body) == nil {
			l.done(d)
		}
	case wire.KindAnswer:
		var a wire.Answer
		if a.Decode(rec.Body) == nil {
			l.answered(&a)
		}
	case wire.KindEnter:
		var e wire.Enter
		if e.Decode(rec.Body) == nil {
			l.membershipChanged(&e)
		}
	case wire.KindDeposit:
		var d wire.Deposit
		if d.Decode(rec.Body) == nil {
			l.deposited(&d)
		}
	case wire.KindQueued:
		var q wire.Queued
		if q.Decode(rec.Body) == nil {
			l.queued(&q)
		}
	case wire.KindPage:
		var p wire.Page
		if p.Decode(rec.Body) == nil {
			l.paged(&p)
		}
	case wire.KindPosition:
		var p wire.Placed
		if p.Decode(rec.Body) == nil {
			l.placed(&p)
		}
	case wire.KindShare:
		var s wire.Share
		if s.Decode(rec.Body) == nil {
			l.shared(&s)
		}
	case wire.KindResync:
		l.retell()
	case wire.KindAck:
		var a wire.Ack
		if a.Decode(rec.Body) == nil && l.source != nil && h.ToInc == l.self.Inc {
			l.source.Ack(a.Seq, a.Again, l.now)
		}
	}
}

// replied passes an owner's reply to its connection.
func (l *loop) replied(r *wire.Reply) {
	var order, hash uint64
	var pinned *entry
	var greet *greeting
	if r.Op != 0 {
		o := l.ops.find(r.Op)
		if o == nil {
			return // answered before: it took too long, or its owner seemed dead
		}
		order, hash, pinned, greet = o.order, o.hash, o.entry, o.greet
		if parent := o.parent; parent != 0 {
			l.ops.end(r.Op)
			l.copied(parent, r.Frame)
			return
		}
		var wait bool
		if r.Frame, wait = o.held(r.Frame); wait {
			return
		}
		l.ops.end(r.Op)
	}
	switch c := l.conns.get(r.Conn.Slot, r.Conn.Gen); {
	case c == nil:
	case greet != nil && greet == c.greet:
		defer l.guard(c)
		l.rejoined(c, greet, pinned, true)
	case greet == nil && (c.state == stateOpen || c.greet != nil):
		l.pushAfter(c, order, hash, r.Frame)
	}
	l.requested(pinned)
}
