package link

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// world is one link over a network that does what a script says: it loses, doubles and
// reorders batches, acknowledgements and refusals. It knows what the receiver really took.
type world struct {
	t    testing.TB
	now  time.Time
	pool Pool
	out  *Out
	in   In

	listening bool // the server knows a subscriber for the receiver's subject
	away      bool // the sender's NATS connection is down

	data   [][]byte // under way to the receiver
	acks   []wire.Ack
	refuse []uint64 // under way to the sender

	written   uint64          // records written; record n carries n
	perBatch  map[uint64]int  // records in each sealed batch
	open      int             // records in the batch under construction
	taken     map[uint64]bool // batches that the receiver took
	last      uint64          // the last record that the receiver got
	delivered uint64
	dropped   uint64 // by the bound
	sealed    uint64
	resent    uint64
	certain   int  // batches that were said never to have arrived
	full      bool // the window was full once
}

const worldRefuse = "rt.refuse.0000000000000001.0"

func newWorld(t testing.TB, bound int) *world {
	w := &world{
		t: t, now: time.Unix(1000, 0), listening: true,
		perBatch: make(map[uint64]int), taken: make(map[uint64]bool),
	}
	w.out = NewOut(Config{
		Header:  wire.Header{FromID: 1, FromInc: 2, FromLane: 3, ToInc: 4},
		Subject: "rt.up.0000000000000002.0", Refuse: worldRefuse, Number: 7, Bound: bound,
		Send: w.send, Pool: &w.pool,
	})
	w.out.window = window{batches: 8, bytes: wire.MaxBatch} // small enough to be filled
	return w
}

func (w *world) send(subject, refuse string, b []byte) error {
	if w.away {
		return errAway
	}
	if w.listening {
		w.data = append(w.data, bytes.Clone(b))
		return nil
	}
	number, seq, ok := wire.ParseRefuse(refuse)
	h, err := wire.ParseHeader(b)
	if !ok || err != nil || number != 7 || seq != h.Seq || subject != "rt.up.0000000000000002.0" {
		w.t.Fatalf("sent %q %q %v %v", subject, refuse, h, err)
	}
	w.refuse = append(w.refuse, seq)
	return nil
}

var errAway = fmt.Errorf("away")

// write appends one record to the link. pad is its length beyond the least.
func (w *world) write(view uint64, pad int) {
	w.written++
	before := w.out.Sent()
	b := w.out.Begin(view, w.now)
	w.seal(before)
	w.open++
	b = wire.AppendReply(b, &wire.Reply{Op: w.written, Frame: make([]byte, pad)})
	before = w.out.Sent()
	w.out.End(b, w.now)
	w.seal(before)
}

func (w *world) flush() {
	before := w.out.Sent()
	w.out.Flush(w.now)
	w.seal(before)
}

func (w *world) seal(before uint64) {
	if after := w.out.Sent(); after != before {
		w.perBatch[after], w.open = w.open, 0
	}
	s := w.out.TakeStats()
	w.dropped += s.Dropped
	w.sealed += s.Batches
	w.resent += s.Resent
	w.check()
}

// arrive gives the receiver the batch at i of those under way.
func (w *world) arrive(i int) {
	b := w.data[i]
	w.data = slices.Delete(w.data, i, i+1)
	w.receive(&w.in, b, func(h wire.Header) {
		if w.taken[h.Seq] {
			w.t.Fatalf("batch %d taken twice", h.Seq)
		}
		w.taken[h.Seq] = true
		records := 0
		for rec, err := range wire.Records(b) {
			var r wire.Reply
			if err != nil || rec.Kind != wire.KindReply || r.Decode(rec.Body) != nil {
				w.t.Fatalf("batch %d arrived as %x (%v)", h.Seq, b, err)
			}
			if r.Op <= w.last {
				w.t.Fatalf("record %d came after %d", r.Op, w.last)
			}
			if r.Op != w.last+1 && w.dropped == 0 {
				w.t.Fatalf("record %d came after %d, and nothing was dropped", r.Op, w.last)
			}
			w.last = r.Op
			w.delivered++
			records++
		}
		if records != w.perBatch[h.Seq] {
			w.t.Fatalf("batch %d arrived with %d records of %d", h.Seq, records, w.perBatch[h.Seq])
		}
	})
}

func (w *world) receive(in *In, b []byte, take func(wire.Header)) {
	h, err := wire.ParseHeader(b)
	if err != nil || h.FromID != 1 || h.FromInc != 2 || h.FromLane != 3 || h.ToInc != 4 {
		w.t.Fatalf("header %+v, %v", h, err)
	}
	if in.Take(h, len(b)) {
		take(h)
	}
}

// acknowledge makes the receiver send what acknowledgement it owes.
func (w *world) acknowledge() {
	if owed, _ := w.in.Due(); owed {
		seq, again := w.in.Ack()
		w.acks = append(w.acks, wire.Ack{Seq: seq, Again: again})
	}
}

func (w *world) ackArrives(i int) {
	a := w.acks[i]
	w.acks = slices.Delete(w.acks, i, i+1)
	w.out.Ack(a.Seq, a.Again, w.now)
	w.seal(w.out.Sent())
}

func (w *world) refusalArrives(i int) {
	seq := w.refuse[i]
	w.refuse = slices.Delete(w.refuse, i, i+1)
	w.out.Refused(7, seq)
	w.out.Refused(8, seq+1) // another link's, which is not ours to take
	w.check()
}

func (w *world) tick(d time.Duration) {
	w.now = w.now.Add(d)
	w.out.Tick(w.now)
	w.seal(w.out.Sent())
}

func (w *world) reconnect() {
	w.data, w.acks, w.refuse, w.away = nil, nil, nil, false
	w.out.Reconnected(w.now)
	w.seal(w.out.Sent())
}

// check holds the sender to what it must keep to at all times.
func (w *world) check() {
	o := w.out
	w.full = w.full || o.Full()
	bytes, flight := 0, 0
	for i := range o.held.len() {
		b := o.held.at(i)
		if b.seq != o.header.Base+uint64(i) {
			w.t.Fatalf("batch %d is held at place %d from %d on", b.seq, i, o.header.Base)
		}
		bytes += len(b.buf)
		if b.seq < o.next {
			flight += len(b.buf)
			if b.sent == 0 {
				w.t.Fatalf("batch %d counts as sent", b.seq)
			}
		}
		if b.refused > b.sent {
			w.t.Fatalf("batch %d was sent %d times and refused %d times", b.seq, b.sent, b.refused)
		}
	}
	switch {
	case o.header.Base+uint64(o.held.len()) != o.header.Seq+1:
		w.t.Fatalf("%d batches held, from %d to %d", o.held.len(), o.header.Base, o.header.Seq)
	case o.held.len() > 0 && (o.next <= o.header.Base || o.next > o.header.Seq+1):
		w.t.Fatalf("the next to send is %d, held are %d to %d", o.next, o.header.Base, o.header.Seq)
	case o.next <= o.header.Seq && !o.Full():
		w.t.Fatalf("%d waits though the window has room", o.next)
	case o.next-o.header.Base > o.window.batches || flight > 2*o.window.bytes:
		w.t.Fatalf("%d batches, %d bytes under way", o.next-o.header.Base, flight)
	case bytes != o.heldBytes || flight != o.flight:
		w.t.Fatalf("held %d bytes, counted %d; under way %d, counted %d", bytes, o.heldBytes, flight, o.flight)
	case o.held.len() > 1 && o.heldBytes > o.cfg.Bound:
		w.t.Fatalf("held %d bytes over the bound of %d", o.heldBytes, o.cfg.Bound)
	}
}

// buried is the moment at which the sender gives the receiver up: what it holds for certain
// never to have arrived must never have been taken, and never be, whatever is still under way
// and in whatever order it comes.
func (w *world) buried(rng *rand.Rand) {
	never := make(map[uint64]bool)
	seq := w.out.Acked()
	for _, certain := range w.out.Unacked {
		switch seq++; {
		case seq > w.out.Sent():
			if !certain {
				w.t.Fatal("the batch under construction may have arrived")
			}
		case certain && w.taken[seq]:
			w.t.Fatalf("batch %d never arrived, says the sender; the receiver took it", seq)
		case certain:
			never[seq] = true
			w.certain++
		case never[seq-1]:
			w.t.Fatalf("batch %d never arrived, but %d after it may have", seq-1, seq)
		}
	}
	if held := w.out.Sent() - w.out.Acked(); seq-w.out.Acked() < held {
		w.t.Fatalf("%d batches held, %d told of", held, seq-w.out.Acked())
	}
	late := w.in
	for _, i := range rng.Perm(len(w.data)) {
		w.receive(&late, w.data[i], func(h wire.Header) {
			if never[h.Seq] {
				w.t.Fatalf("batch %d never arrived, says the sender; it did later", h.Seq)
			}
		})
	}
	late = w.in
	for _, b := range w.data {
		w.receive(&late, b, func(h wire.Header) {
			if never[h.Seq] {
				w.t.Fatalf("batch %d never arrived, says the sender; it did later, in order", h.Seq)
			}
		})
	}
}

// settle lets the network work: everything held must arrive.
func (w *world) settle() {
	w.flush()
	w.listening, w.away = true, false
	for range 100_000 {
		if w.out.Held() == 0 {
			break
		}
		for len(w.data) > 0 {
			w.arrive(0)
			if _, now := w.in.Due(); now {
				w.acknowledge()
			}
		}
		w.acknowledge()
		for len(w.acks) > 0 {
			w.ackArrives(0)
		}
		w.tick(AckDelay)
	}
	switch {
	case w.out.Held() != 0:
		w.t.Fatalf("%d bytes still held; sender %+v, receiver %+v", w.out.Held(), w.out.header, w.in)
	case w.sealed != uint64(len(w.taken))+w.in.Lost():
		w.t.Fatalf("%d batches sealed, %d taken, %d lost", w.sealed, len(w.taken), w.in.Lost())
	case w.dropped == 0 && w.delivered != w.written:
		w.t.Fatalf("%d of %d records delivered, and nothing was dropped", w.delivered, w.written)
	case w.in.Lost() > w.dropped:
		w.t.Fatalf("the receiver counts %d lost, the sender dropped %d", w.in.Lost(), w.dropped)
	case w.out.Acked() != w.out.Sent():
		w.t.Fatalf("nothing is held, but %d of %d acknowledged", w.out.Acked(), w.out.Sent())
	}
}

// step does one thing, chosen by op with argument arg.
func (w *world) step(op, arg byte, rng *rand.Rand) {
	pick := func(n int) int { // mostly in order
		if arg%4 != 0 {
			return 0
		}
		return int(arg) / 4 % n
	}
	switch op % 16 {
	case 0, 1:
		w.write(uint64(arg/64), int(arg%64)*8)
	case 2:
		w.write(uint64(arg/64), wire.MaxBatch/2)
	case 3, 4:
		w.flush()
	case 5, 6, 7:
		for range 1 + arg/64 {
			if len(w.data) > 0 {
				w.arrive(pick(len(w.data)))
			}
		}
	case 8:
		if len(w.data) > 0 { // lost
			i := pick(len(w.data))
			w.data = slices.Delete(w.data, i, i+1)
		}
	case 9:
		if len(w.data) > 0 { // doubled
			w.data = append(w.data, w.data[pick(len(w.data))])
		}
	case 10:
		w.acknowledge()
		if len(w.acks) > 0 && arg%3 == 0 {
			w.acks = w.acks[1:] // lost
		}
	case 11:
		if len(w.acks) > 0 {
			w.ackArrives(pick(len(w.acks)))
		}
	case 12:
		w.tick(time.Duration(arg) * 5 * time.Millisecond)
	case 13:
		w.listening = arg%2 == 0
	case 14:
		if len(w.refuse) > 0 {
			if i := pick(len(w.refuse)); arg%16 == 3 { // lost
				w.refuse = slices.Delete(w.refuse, i, i+1)
			} else {
				w.refusalArrives(i)
			}
		}
	default:
		switch arg % 8 {
		case 0:
			w.reconnect()
		case 1:
			w.away = true
		default:
			w.buried(rng)
		}
	}
}

func (w *world) run(script []byte) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; i+1 < len(script); i += 2 {
		w.step(script[i], script[i+1], rng)
	}
	w.buried(rng)
	w.settle()
	w.buried(rng)
	w.out.Close()
	if w.out.Held() != 0 {
		w.t.Fatalf("%d bytes held after Close", w.out.Held())
	}
}

// Whatever the network does, what arrives does so once and in order; what does not was
// dropped by the bound; and what is said never to have arrived did not.
func TestAgainstModel(t *testing.T) {
	rounds := 1500
	if testing.Short() {
		rounds = 300
	}
	var resent, dropped, certain, full int
	for seed := range rounds {
		rng := rand.New(rand.NewPCG(uint64(seed), 42))
		script := make([]byte, 2*(1+rng.IntN(400)))
		// Each round has a few favourites, so that rare states are reached as well.
		var favourites [5]byte
		for i := range favourites {
			favourites[i] = byte(rng.IntN(16))
		}
		for i := 0; i < len(script); i += 2 {
			script[i], script[i+1] = byte(rng.IntN(16)), byte(rng.IntN(256))
			if rng.IntN(2) == 0 {
				script[i] = favourites[rng.IntN(len(favourites))]
			}
		}
		bound := 16 << 20
		if seed%3 == 0 {
			bound = 2000 + rng.IntN(4000)
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, bound)
			w.run(script)
			resent += int(min(w.resent, 1))
			dropped += int(min(w.dropped, 1))
			certain += min(w.certain, 1)
			if w.full {
				full++
			}
		})
		if t.Failed() {
			return
		}
	}
	if least := rounds / 100; resent < least || dropped < least || certain < least || full < least {
		t.Errorf("of %d rounds %d sent again, %d dropped, %d knew of batches that never arrived, %d filled the window: the test is blind",
			rounds, resent, dropped, certain, full)
	}
}

// FuzzLink is TestAgainstModel with a script from the fuzzer; the first byte chooses the bound.
func FuzzLink(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{1, 0, 0, 3, 0, 8, 0, 0, 0, 3, 0, 5, 1, 10, 1, 11, 1})                // a loss
	f.Add([]byte{1, 13, 1, 0, 0, 3, 0, 14, 1, 15, 2, 13, 0, 12, 255, 5, 1, 15, 2})    // a refusal, then a repeat
	f.Add([]byte{0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 3, 0, 8, 0, 5, 255, 15, 0, 12, 99}) // the bound, a reconnect
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 1<<12 {
			return
		}
		bound := 16 << 20
		if script[0]%2 == 0 {
			bound = 3000
		}
		newWorld(t, bound).run(script[1:])
	})
}
