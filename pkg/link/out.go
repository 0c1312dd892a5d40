package link

import (
	"strconv"
	"time"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// resendAfter is how long an Out waits for a sign of its oldest batch before
	// it sends that again. It exceeds AckDelay by far: a busy receiver is no loss.
	resendAfter = 400 * time.Millisecond
	// resendMax bounds its doubling.
	resendMax = 3 * time.Second
	// refuseSlots is how many batches in flight a refusal can be told apart by.
	refuseSlots = 64
)

// Send hands one batch to NATS with the subject at which a refusal is answered. It
// does not keep the batch. What it fails to send is sent again later.
type Send func(subject, refuse string, batch []byte) error

// Config is what an Out begins with.
type Config struct {
	Header  wire.Header // FromID, FromInc, FromLane, ToInc: the rest is the Out's
	Subject string      // the receiver's
	Refuse  string      // prefix of the subjects for refusals, ending in the link's own token
	Bound   int         // bytes held at most; over it the oldest batch is dropped
	Send    Send
	Pool    *Pool
}

// Out is the sending half of a link. It is owned by one goroutine.
type Out struct {
	cfg    Config
	header wire.Header

	cur     []byte // the batch under construction, nil when there is none
	records int    // in cur

	held      queue // sealed, not acknowledged
	heldBytes int

	heard   time.Time // when the receiver last told of progress, or the first was held
	wait    time.Duration
	probing bool // the oldest was sent again after a silence

	refuses [refuseSlots]string

	stats Stats
}

// Stats counts what an Out did since it was last asked.
type Stats struct {
	Batches, Records, Bytes uint64 // sent, without repeats
	Resent                  uint64 // batches
	Dropped                 uint64 // batches, over the bound
}

// NewOut returns a link that has sent nothing.
func NewOut(cfg Config) *Out {
	o := &Out{cfg: cfg, header: cfg.Header, wait: resendAfter}
	o.header.Seq, o.header.Base = 0, 1
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

// Flush seals the batch under construction and sends it.
func (o *Out) Flush(now time.Time) {
	if o.cur == nil {
		return
	}
	o.header.Seq++
	for o.heldBytes+len(o.cur) > o.cfg.Bound && o.held.len() > 0 {
		b := o.held.pop()
		o.stats.Dropped++
		o.release(b)
		o.header.Base = b.seq + 1
	}
	if o.held.len() == 0 {
		o.header.Base = o.header.Seq
		o.heard = now
	}
	b := batch{seq: o.header.Seq, buf: o.cur}
	wire.PutSeq(b.buf, o.header.Seq, o.header.Base)
	o.held.push(b)
	o.heldBytes += len(b.buf)
	o.stats.Batches++
	o.stats.Records += uint64(o.records)
	o.stats.Bytes += uint64(len(b.buf))
	o.cur, o.records = nil, 0
	o.send(b)
}

func (o *Out) send(b batch) {
	// A failure is that NATS is away: the batch stays held.
	_ = o.cfg.Send(o.cfg.Subject, o.refuseSubject(b.seq), b.buf)
}

func (o *Out) refuseSubject(seq uint64) string {
	if o.cfg.Refuse == "" {
		return ""
	}
	slot := seq % refuseSlots
	if o.refuses[slot] == "" {
		o.refuses[slot] = o.cfg.Refuse + "." + strconv.FormatUint(slot, 10)
	}
	return o.refuses[slot]
}

// Ack takes an acknowledgement: everything up to seq has arrived. again asks for
// the rest once more.
func (o *Out) Ack(seq uint64, again bool, now time.Time) {
	if seq > o.header.Seq {
		return // of another life of ours
	}
	progress := false
	for o.held.len() > 0 && o.held.at(0).seq <= seq {
		o.release(o.held.pop())
		progress = true
	}
	if o.held.len() > 0 {
		o.header.Base = o.held.at(0).seq
	}
	if progress {
		o.heard, o.wait = now, resendAfter
	}
	if again || (progress && o.probing) {
		o.resendAll(now)
	}
	o.probing = false
}

// Refused takes the server's word that the batch in the given slot found no receiver.
func (o *Out) Refused(slot uint64) {
	for i := range o.held.len() {
		if b := o.held.at(i); b.seq%refuseSlots == slot && !b.refused {
			b.refused = true
			return
		}
	}
}

// Tick sends again what has waited too long. Call it every 100 ms or so.
func (o *Out) Tick(now time.Time) {
	if o.held.len() == 0 || now.Sub(o.heard) < o.wait {
		return
	}
	// Only the oldest: when it was not lost, it only brings the acknowledgement.
	o.heard = now
	o.wait = min(2*o.wait, resendMax)
	o.probing = true
	o.resend(o.held.at(0))
}

// Reconnected sends again everything held: NATS was away.
func (o *Out) Reconnected(now time.Time) { o.resendAll(now) }

func (o *Out) resendAll(now time.Time) {
	o.heard = now
	for i := range o.held.len() {
		o.resend(o.held.at(i))
	}
}

func (o *Out) resend(b *batch) {
	b.maybe = b.maybe || !b.refused
	b.refused = false
	wire.PutSeq(b.buf, b.seq, o.header.Base)
	o.stats.Resent++
	o.send(*b)
}

// Unacked yields what is held, oldest first, when the receiver is gone for good:
// the batch, and whether it is certain that the receiver never had it. As a receiver takes
// batches only in order, what follows a refused one never arrived either. A batch under
// construction comes last.
func (o *Out) Unacked(yield func(batch []byte, never bool) bool) {
	never := false
	for i := range o.held.len() {
		b := o.held.at(i)
		never = never || (b.refused && !b.maybe)
		if !yield(b.buf, never) {
			return
		}
	}
	if o.cur != nil {
		yield(o.cur, true)
	}
}

// Sent returns the last sequence number sent.
func (o *Out) Sent() uint64 { return o.header.Seq }

// Acked returns the sequence number up to which everything has arrived or was dropped.
func (o *Out) Acked() uint64 {
	if o.held.len() == 0 {
		return o.header.Seq
	}
	return o.held.at(0).seq - 1
}

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
		o.release(o.held.pop())
	}
	if o.cur != nil {
		o.cfg.Pool.put(o.cur)
		o.cur = nil
	}
}

func (o *Out) release(b batch) {
	o.heldBytes -= len(b.buf)
	o.cfg.Pool.put(b.buf)
}
