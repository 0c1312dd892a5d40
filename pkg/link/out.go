package link

import (
	"time"
	"unsafe"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// resendAfter is how long an Out waits for a sign of what it sent before it asks
	// with a repeat. It exceeds AckDelay by far: a busy receiver is no loss.
	resendAfter = 400 * time.Millisecond
	// resendMax bounds its doubling.
	resendMax = time.Second

	// See window: a receiver's queue has room for several senders' windows.
	windowBatches = 2048
	windowBytes   = 4 << 20
)

// window is how much may be under way without an acknowledgement. What is sealed past it
// waits, so that a receiver that is slow, or that lost much, never gets more at once.
type window struct {
	batches uint64
	bytes   int
}

// Send hands one batch to NATS with the subject at which a refusal is answered. It
// keeps neither the batch nor the subject. What it fails to send is sent again later.
type Send func(subject, refuse string, batch []byte) error

// Config is what an Out begins with.
type Config struct {
	Header  wire.Header // FromID, FromInc, FromLane, ToInc: the rest is the Out's
	Subject string      // the receiver's
	Refuse  string      // where refusals are answered (wire.Refuse)
	Number  uint64      // tells the links of one goroutine apart in refusals; never used again
	Bound   int         // bytes held at most; over it the oldest batch is dropped
	After   uint64      // the first batch is the one behind that number; those before it, the sender has lost
	Send    Send
	Pool    *Pool
}

// Out is the sending half of a link. It is owned by one goroutine.
type Out struct {
	cfg    Config
	header wire.Header // Seq of the last batch sealed, Base of the oldest one held

	cur     []byte // the batch under construction, nil when there is none
	records int    // in cur

	held      queue // sealed, not acknowledged, from Base to Seq
	heldBytes int
	next      uint64 // the first in held that is to be sent, or sent again; Seq+1: none
	flight    int    // bytes of those before it
	window    window

	heard  time.Time // when the receiver last told of progress, or the first was held
	wait   time.Duration
	asked  bool // gone back for the receiver, and nothing has come of it yet
	refuse []byte

	stats Stats
}

// Stats counts what an Out did since it was last asked.
type Stats struct {
	Batches, Records, Bytes uint64 // sealed, each counted once
	Resent                  uint64 // batches
	Dropped                 uint64 // batches, over the bound
}

// NewOut returns a link that has sent nothing.
func NewOut(cfg Config) *Out {
	o := &Out{cfg: cfg, header: cfg.Header, wait: resendAfter, window: window{windowBatches, windowBytes}}
	o.header.Seq, o.header.Base, o.next = cfg.After, cfg.After+1, cfg.After+1
	return o
}

// Begin returns the batch under construction, to append exactly one record to; End
// takes it back. view is the version of the view by which the record is routed: a batch
// holds records of one view.
func (o *Out) Begin(view uint64, now time.Time) []byte {
	if o.cur != nil && o.header.View != view {
		o.Flush(now)
	}
	if o.cur == nil {
		o.header.View = view
		o.cur = wire.AppendHeader(o.cfg.Pool.get(), o.header)
	}
	return o.cur
}

// End takes back the batch from Begin with one more record in it. A batch that has
// grown past wire.MaxBatch is sent at once.
func (o *Out) End(b []byte, now time.Time) {
	o.cur = b
	o.records++
	if len(b) >= wire.MaxBatch {
		o.Flush(now)
	}
}

// Pending reports whether a batch is under construction.
func (o *Out) Pending() bool { return o.cur != nil }

// Flush seals the batch under construction and sends it, once the window has room.
func (o *Out) Flush(now time.Time) {
	if o.cur == nil {
		return
	}
	for o.heldBytes+len(o.cur) > o.cfg.Bound && o.held.len() > 0 {
		o.pop()
		o.stats.Dropped++
	}
	if o.held.len() == 0 {
		o.heard = now
	}
	o.header.Seq++
	o.held.push(batch{seq: o.header.Seq, buf: o.cur})
	o.heldBytes += len(o.cur)
	o.stats.Batches++
	o.stats.Records += uint64(o.records)
	o.stats.Bytes += uint64(len(o.cur))
	o.cur, o.records = nil, 0
	o.pump()
}

// pop drops the oldest batch held.
func (o *Out) pop() {
	b := o.held.pop()
	o.header.Base = b.seq + 1
	o.heldBytes -= len(b.buf)
	if b.seq < o.next {
		o.flight -= len(b.buf)
	} else {
		o.next = b.seq + 1
	}
	o.cfg.Pool.put(b.buf)
}

// pump sends what waits, as far as the window allows: at least one batch.
func (o *Out) pump() {
	for o.next <= o.header.Seq && !o.Full() {
		b := o.at(o.next)
		o.next++
		o.flight += len(b.buf)
		o.send(b)
	}
}

// Full reports whether a batch sealed now would wait for an acknowledgement.
func (o *Out) Full() bool {
	return o.flight >= o.window.bytes || o.next-o.header.Base >= o.window.batches
}

func (o *Out) at(seq uint64) *batch { return o.held.at(int(seq - o.header.Base)) }

func (o *Out) send(b *batch) {
	if b.sent > 0 {
		o.stats.Resent++
	}
	b.sent++
	wire.PutSeq(b.buf, b.seq, o.header.Base)
	o.refuse = wire.AppendRefuse(o.refuse[:0], o.cfg.Refuse, o.cfg.Number, b.seq)
	// A failure is that NATS is away: the batch stays held.
	_ = o.cfg.Send(o.cfg.Subject, unsafe.String(unsafe.SliceData(o.refuse), len(o.refuse)), b.buf)
}

// Ack takes an acknowledgement: everything up to seq has arrived. again asks for
// the rest once more.
func (o *Out) Ack(seq uint64, again bool, now time.Time) {
	if seq > o.header.Seq || seq+1 < o.header.Base {
		return // of another life of ours, or overtaken by a later one
	}
	if seq >= o.header.Base {
		o.heard, o.wait, o.asked = now, resendAfter, false
		for o.header.Base <= seq {
			o.pop()
		}
	}
	// Asking again without progress helps only after a silence: else what cannot arrive
	// would be sent in circles.
	if again && !o.asked && o.held.len() > 0 {
		o.asked = true
		o.goBack(now)
	}
	o.pump()
}

// goBack sends everything held again, oldest first.
func (o *Out) goBack(now time.Time) {
	o.heard = now
	o.next, o.flight = o.header.Base, 0
	o.pump()
}

// Tick asks for a sign when nothing was heard for too long. Call it every 100 ms or so.
func (o *Out) Tick(now time.Time) {
	if o.held.len() == 0 || now.Sub(o.heard) < o.wait {
		return
	}
	// With the last one under way only (as RFC 8985, section 7, does): a receiver that lost
	// something sees the gap before it and asks, and one that is slow gets one batch more.
	o.heard = now
	o.wait = min(2*o.wait, resendMax)
	o.asked = false
	o.send(o.at(o.next - 1))
}

// Reconnected sends again everything held: NATS was away.
func (o *Out) Reconnected(now time.Time) {
	o.wait, o.asked = resendAfter, false
	o.goBack(now)
}

// Refused takes the server's word that a sending of the batch seq found no receiver, and
// reports whether it concerns this link: it has that number, and holds the batch.
func (o *Out) Refused(number, seq uint64) bool {
	if number != o.cfg.Number || seq < o.header.Base || seq > o.header.Seq {
		return false
	}
	o.at(seq).refused++
	return true
}

// Unacked yields what is held, oldest first, when the receiver is gone for good:
// the batch, and whether it is certain that the receiver never took it: each of its
// sendings was refused, or it was never sent. As a receiver takes batches only in
// order, it took nothing that follows either. A batch under construction comes last.
func (o *Out) Unacked(yield func(batch []byte, never bool) bool) {
	never := false
	for i := range o.held.len() {
		b := o.held.at(i)
		never = never || b.refused == b.sent
		if !yield(b.buf, never) {
			return
		}
	}
	if o.cur != nil {
		yield(o.cur, true)
	}
}

// Sent returns the sequence number of the last batch sealed.
func (o *Out) Sent() uint64 { return o.header.Seq }

// Acked returns the sequence number up to which everything has arrived or was dropped.
func (o *Out) Acked() uint64 { return o.header.Base - 1 }

// Held returns how many bytes wait for an acknowledgement, the batch under
// construction included.
func (o *Out) Held() int { return o.heldBytes + len(o.cur) }

// TakeStats returns what the Out did since the last call.
func (o *Out) TakeStats() Stats {
	s := o.stats
	o.stats = Stats{}
	return s
}

// Close gives the buffers back. The Out is of no use afterwards.
func (o *Out) Close() {
	for o.held.len() > 0 {
		o.pop()
	}
	if o.cur != nil {
		o.cfg.Pool.put(o.cur)
		o.cur = nil
	}
}
