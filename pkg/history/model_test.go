package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/zeebo/xxh3"
)

// plan says what is in a small world, and what may go wrong there.
type plan struct {
	name    string
	large   bool     // takes seconds
	copies  []string // the publications that are sent, by id; one that comes again is a resend
	inOrder bool     // the last one is only sent when the first is acked
	late    bool     // a second subscriber joins, from the beginning
	slow    bool     // what is delivered takes its time, on a line of its own from each owner to each subscriber
	faults  int      // answers that may be lost, reads that may fail or be behind

	unfenced, early, forgetful, deaf bool // wrong on purpose: see TestEveryInterleavingFindsWhatIsBroken
}

var modelNow = time.UnixMilli(1_800_000_000_000)

var (
	modelRule   = &Rule{Size: 1000, Age: 24 * time.Hour}
	modelWindow = 2 * time.Minute
	modelUntil  = modelNow.Add(time.Hour)
)

// world is one state of a small world: two owners of one key, its chain, writers and subscribers. Owner 0 has the key
// at first.
type world struct {
	*plan
	chain  chain
	owners [2]modelOwner
	sent   []byte // of each copy: 0, or 1 + the owner it was sent to
	acked  map[string]Position
	subs   []modelSub
	ghosts []modelWrite // nobody waits for these; they may take place yet
	faults int          // how many there still may be
	wrong  error        // what does not hold
}

// modelOwner is a Log with a shell that notes what is to be done, until the model does it.
type modelOwner struct {
	log     *Log
	world   *world // that it was copied for
	index   int
	accepts bool // it believes that the key is its own
	gone    bool // crashed, or dropped after it handed over
	write   *modelWrite
	load    *modelLoad
	members []bool   // by subscriber
	downs   [][]down // by subscriber: what is on its way there, when slow
}

type modelWrite struct {
	after   uint64
	data    []byte
	settled bool
	seq     uint64
	err     error
}

type modelLoad struct {
	after uint64
	fresh bool
	read  bool
	tail  Tail
}

// modelSub is a gateway with one subscriber.
type modelSub struct {
	placed bool
	at     Position // seen up to here, once placed
	got    []string
	asked  [2]bool // it has asked that owner to join
}

// down is what is on its way to a subscriber: a publication, or the answer to its joining.
type down struct {
	joined bool
	id     string
	at     Position
}

// modelJoin is the Ticket of what waits for an After: a subscriber joins.
type modelJoin struct {
	sub    int
	placed bool
	from   Position
	again  bool
}

func newWorld(p *plan) *world {
	w := &world{plan: p, sent: make([]byte, len(p.copies)), acked: map[string]Position{}, faults: p.faults}
	w.chain.unfenced = p.unfenced
	w.subs = make([]modelSub, 1)
	if p.late {
		w.subs = append(w.subs, modelSub{placed: true, at: Position{Epoch: Unborn(modelNow)}})
	}
	w.begin(0)
	return w
}

func (w *world) begin(i int) {
	w.owners[i] = modelOwner{
		log: NewLog("key", modelRule, nil, modelWindow, uint64(i+1)<<4), world: w, index: i, accepts: true,
		members: make([]bool, len(w.subs)), downs: make([][]down, len(w.subs)),
	}
	w.owners[i].log.shell = &w.owners[i]
}

func (w *world) fail(format string, args ...any) {
	if w.wrong == nil {
		w.wrong = fmt.Errorf(format, args...)
	}
}

// clone copies a world, but for its owners: see own.
func (w *world) clone() *world {
	c := *w
	c.sent, c.acked, c.ghosts = slices.Clone(w.sent), maps.Clone(w.acked), slices.Clone(w.ghosts)
	c.subs = slices.Clone(w.subs)
	for i := range c.subs {
		c.subs[i].got = slices.Clip(c.subs[i].got)
	}
	return &c
}

// own copies an owner, with its log, for something to happen to it in a cloned world.
func (w *world) own(i int) *modelOwner {
	o := &w.owners[i]
	if o.log == nil || o.world == w {
		return o
	}
	o.world = w
	o.members = slices.Clone(o.members)
	o.downs = slices.Clone(o.downs)
	for k := range o.downs {
		o.downs[k] = slices.Clip(o.downs[k])
	}
	if o.write != nil {
		write := *o.write
		o.write = &write
	}
	if o.load != nil {
		load := *o.load
		o.load = &load
	}
	o.log = o.cloneLog()
	return o
}

func (o *modelOwner) cloneLog() *Log {
	l := *o.log
	l.shell = o
	l.queue = slices.Clone(l.queue)
	for i, it := range l.queue {
		item := *it
		if join, ok := it.Ticket.(modelJoin); ok {
			item.Then = func(err error) { o.joined(join, err) }
		}
		l.queue[i] = &item
	}
	l.recent = slices.Clone(l.recent)
	l.offsets, l.order = maps.Clone(l.offsets), slices.Clone(l.order)
	l.points = slices.Clone(l.points)
	return &l
}

// hash tells states apart. It leaves out what follows from the rest.
func (w *world) hash() xxh3.Uint128 {
	b := make([]byte, 0, 1024)
	num := func(n uint64) { b = binary.AppendUvarint(b, n) }
	flag := func(flags ...bool) {
		for _, f := range flags {
			if f {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		}
	}
	text := func(s string) { num(uint64(len(s))); b = append(b, s...) }
	at := func(p Position) { num(p.Offset); num(uint64(p.Epoch)) }
	write := func(wr *modelWrite) {
		num(wr.after)
		text(string(wr.data))
		flag(wr.settled, errors.Is(wr.err, ErrConflict))
		num(wr.seq)
	}
	num(uint64(len(w.chain.entries)))
	for _, s := range w.chain.entries {
		num(s.Seq)
		text(string(s.Data))
	}
	b = append(b, w.sent...)
	for _, id := range w.copies {
		at(w.acked[id])
	}
	num(uint64(w.faults))
	num(uint64(len(w.ghosts)))
	for i := range w.ghosts {
		write(&w.ghosts[i])
	}
	for i := range w.subs {
		s := &w.subs[i]
		at(s.at)
		num(uint64(len(s.got)))
		flag(s.placed, s.asked[0], s.asked[1])
	}
	for i := range w.owners {
		o := &w.owners[i]
		flag(o.log != nil, o.accepts, o.gone, o.write != nil, o.load != nil)
		if o.log == nil {
			continue
		}
		for _, list := range o.downs {
			num(uint64(len(list)))
			for _, d := range list {
				flag(d.joined)
				text(d.id)
				at(d.at)
			}
		}
		if o.gone {
			continue
		}
		flag(o.members...)
		if o.write != nil {
			write(o.write)
		}
		if o.load != nil {
			num(o.load.after)
			flag(o.load.fresh, o.load.read)
			num(o.load.tail.Last)
			num(uint64(len(o.load.tail.Entries)))
		}
		l := o.log
		num(uint64(l.state))
		num(uint64(l.writing))
		flag(l.known, l.look)
		at(l.Top())
		num(l.seq)
		num(uint64(l.next))
		num(l.lost)
		num(uint64(len(l.recent)))
		num(uint64(len(l.order)))
		num(uint64(len(l.queue)))
		for _, it := range l.queue {
			text(it.MessageID)
			flag(it.Then != nil, it.tried, it.repeated, it.done)
			num(it.offset)
			if join, ok := it.Ticket.(modelJoin); ok {
				num(uint64(join.sub))
				at(join.from)
				flag(join.placed, join.again)
			}
		}
	}
	return xxh3.Hash128(b)
}
