package history

import (
	"fmt"
	"slices"
	"time"
)

// step is something that can happen next in a world.
type step struct {
	name string
	do   func(*world)
}

// steps are all that can happen next.
func (w *world) steps() []step {
	var list []step
	add := func(name string, do func(*world)) { list = append(list, step{name, do}) }
	for c := range w.copies {
		w.sendSteps(c, add)
	}
	for i := range w.owners {
		w.ownerSteps(i, add)
	}
	for g := range w.ghosts {
		add(fmt.Sprintf("late write %d arrives", g), func(w *world) { w.arrive(g) })
		add(fmt.Sprintf("late write %d is lost", g), func(w *world) { w.ghosts = slices.Delete(w.ghosts, g, g+1) })
	}
	return list
}

// sendSteps: a copy of a publication reaches an owner that takes it, sooner or later.
func (w *world) sendSteps(c int, add func(string, func(*world))) {
	id := w.copies[c]
	first := slices.Index(w.copies, id)
	_, earlier := w.acked[w.copies[0]]
	if w.sent[c] != 0 || first < c && w.sent[first] == 0 || w.inOrder && c == len(w.copies)-1 && !earlier {
		return
	}
	for i := range w.owners {
		if o := &w.owners[i]; o.log != nil && o.accepts {
			add(fmt.Sprintf("copy %d of %s reaches owner %d", c, id, i), func(w *world) {
				w.sent[c] = byte(i + 1)
				it := &Item{Publication: Publication{User: "u", MessageID: id, Given: true}, Ticket: c, Until: modelUntil}
				if err := w.own(i).log.Publish(it, modelNow); err != nil {
					w.fail("publish: %w", err)
				}
			})
		}
	}
}

func (w *world) ownerSteps(i int, add func(string, func(*world))) {
	o := &w.owners[i]
	if o.log == nil {
		add("owner 1 begins", func(w *world) { w.begin(1) })
		return
	}
	at := func(name string, do func(o *modelOwner)) {
		add(fmt.Sprintf("owner %d: %s", i, name), func(w *world) { do(w.own(i)) })
	}
	for s := range o.downs {
		if len(o.downs[s]) > 0 {
			at(fmt.Sprintf("subscriber %d hears", s), func(o *modelOwner) {
				d := o.downs[s][0]
				o.downs[s] = slices.Clone(o.downs[s][1:])
				o.world.receive(s, d)
			})
			if o.gone {
				at(fmt.Sprintf("line to subscriber %d breaks", s), func(o *modelOwner) { o.downs[s] = nil })
			}
		}
	}
	if o.gone {
		return
	}
	if i == 0 {
		at("crashes", (*modelOwner).crash)
		if o.accepts {
			at("is told to hand over", func(o *modelOwner) { o.accepts = false })
		} else if !o.log.Busy() {
			at("drops the log", func(o *modelOwner) { o.gone = true; o.log.Drop() })
		}
	}
	for s := range w.subs {
		if o.accepts && !w.subs[s].asked[i] {
			at(fmt.Sprintf("subscriber %d joins", s), func(o *modelOwner) {
				sub := &o.world.subs[s]
				sub.asked[i] = true
				o.join(modelJoin{sub: s, placed: sub.placed, from: sub.at})
			})
		}
	}
	o.storeSteps(w, at)
}

func (o *modelOwner) storeSteps(w *world, at func(string, func(*modelOwner))) {
	spare := w.faults > 0
	switch {
	case o.write != nil && o.write.settled:
		at("write is answered", (*modelOwner).answer)
	case o.write != nil:
		at("write arrives", func(o *modelOwner) { o.world.settle(o.write) })
	}
	if o.write != nil && spare {
		at("write is given up", (*modelOwner).giveUp)
	}
	switch {
	case o.load != nil && o.load.read:
		at("load is answered", func(o *modelOwner) { o.loaded(nil) })
	case o.load != nil:
		at("load reads", func(o *modelOwner) { o.read(0) })
		if spare && w.chain.last() > 0 {
			at("load reads from a replica that is behind", func(o *modelOwner) { o.world.faults--; o.read(1) })
		}
	}
	if o.load != nil && spare {
		at("load fails", func(o *modelOwner) { o.world.faults--; o.loaded(ErrUnavailable) })
	}
	if o.waits() {
		at("tries again", (*modelOwner).retry)
	}
}

func (o *modelOwner) waits() bool {
	return o.log.state == stale && (o.log.look || len(o.log.queue) > 0)
}

func (o *modelOwner) retry() {
	o.log.retryAt, o.log.pause = time.Time{}, 0
	o.log.Tick(modelNow)
}

// crash ends an owner; its write may take place yet.
func (o *modelOwner) crash() {
	if o.write != nil && !o.write.settled {
		o.world.ghosts = append(o.world.ghosts, *o.write)
	}
	o.gone, o.accepts, o.write, o.load = true, false, nil, nil
}

func (w *world) settle(wr *modelWrite) {
	wr.settled = true
	wr.seq, wr.err = w.chain.add(wr.after, wr.data, modelNow)
}

func (w *world) arrive(g int) {
	w.settle(&w.ghosts[g])
	w.ghosts = slices.Delete(w.ghosts, g, g+1)
}

func (o *modelOwner) answer() {
	wr := o.write
	o.write = nil
	o.log.Appended(wr.seq, wr.err, modelNow)
}

// giveUp makes the outcome of a write unknown.
func (o *modelOwner) giveUp() {
	o.world.faults--
	wr := o.write
	o.write = nil
	if !wr.settled {
		o.world.ghosts = append(o.world.ghosts, *wr)
	}
	o.log.Appended(0, ErrUnavailable, modelNow)
}

// read takes a look at the chain; a replica that is behind lacks the last entries.
func (o *modelOwner) read(behind int) {
	ld := o.load
	ld.read = true
	ld.tail = o.world.chain.tail(ld.after, ld.fresh, modelNow.Add(-modelWindow))
	ld.tail.Entries = ld.tail.Entries[:max(0, len(ld.tail.Entries)-behind)]
	if o.world.forgetful {
		ld.tail.Entries = forget(ld.tail.Entries)
	}
}

// forget takes the ids of their senders from entries.
func forget(entries []Stored) []Stored {
	var list []Stored
	for _, s := range entries {
		var e Entry
		if err := e.Decode(s.Data); err != nil {
			panic(err)
		}
		for i := range e.Publications {
			e.Publications[i].Given = false
		}
		list = append(list, Stored{Seq: s.Seq, Time: s.Time, Data: e.Encode()})
	}
	return list
}

func (o *modelOwner) loaded(err error) {
	ld := o.load
	o.load = nil
	o.log.Loaded(ld.tail, err, modelNow)
}

// rest brings a world to rest in which nothing more can happen by itself, and checks what has to hold then. The last owner
// reads the chain once more, as owners do now and then.
func (w *world) rest() {
	o := w.own(1)
	if !w.deaf {
		o.log.Stale(modelNow)
	}
	for o.load != nil || o.waits() {
		if o.load == nil {
			o.retry()
			continue
		}
		if !o.load.read {
			o.read(0)
		}
		o.loaded(nil)
	}
	for s := range o.downs {
		for _, d := range o.downs[s] {
			w.receive(s, d)
		}
	}
	if o.log.Busy() || o.write != nil {
		w.fail("something still waits: %d", len(o.log.queue))
	}
	links := w.chain.links()
	for c, id := range w.copies {
		if _, acked := w.acked[id]; w.sent[c] == 2 && !acked {
			w.fail("%s was never acked", id)
		}
	}
	for i := range w.subs {
		if s := &w.subs[i]; s.at.Offset != uint64(len(links)) {
			w.fail("subscriber %d has got all up to %d, and there are %d", i, s.at.Offset, len(links))
		}
	}
}
