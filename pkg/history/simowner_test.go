package history

import (
	"slices"
	"time"
)

// simOwner is a Log with a shell, in a process that may stand still.
type simOwner struct {
	sim     *sim
	log     *Log
	gone    bool
	frozen  bool
	leaving bool
	waiting []func() // since it is frozen
	members map[*simSub]bool
}

// appoint makes a new owner; the ones before may not know.
func (s *sim) appoint() {
	for _, o := range s.owners {
		o.depose()
	}
	o := &simOwner{sim: s, members: map[*simSub]bool{}}
	o.log = NewLog("key", &s.rule, o, s.window, s.rng.Uint64())
	s.owners = append(s.owners, o)
	o.look()
	s.every(100*time.Millisecond, func() bool {
		o.do(func() {
			o.log.Tick(s.now)
			if before := o.log.Trim(s.now); before > 0 {
				o.trim(before)
			}
		})
		return !o.gone
	})
}

// look makes sure, now and then, that nobody else wrote: what an owner of the past stores last of all is delivered by no other.
func (o *simOwner) look() {
	o.sim.after(10*time.Second+o.sim.span(20*time.Second), func() {
		o.do(func() { o.log.Stale(o.sim.now) })
		if !o.gone {
			o.look()
		}
	})
}

// depose has an owner find out that it no longer is the one: soon, or much later.
func (o *simOwner) depose() {
	if o.leaving {
		return
	}
	o.leaving = true
	o.sim.after(o.sim.span(20*time.Second), func() { o.do(o.leave) })
}

// leave drops the log, mostly when nothing waits in it.
func (o *simOwner) leave() {
	if o.log.Busy() && o.sim.rng.Float64() < 0.8 {
		o.sim.after(100*time.Millisecond, func() { o.do(o.leave) })
		return
	}
	o.log.Drop()
	o.end()
}

func (o *simOwner) end() {
	o.gone = true
	o.sim.owners = slices.DeleteFunc(o.sim.owners, func(p *simOwner) bool { return p == o })
}

// upheaval makes somebody else the owner, or stops somebody.
func (s *sim) upheaval() {
	if s.chance(0.04) {
		s.appoint()
	}
	if o := s.owner(); o != nil && s.chance(0.04) {
		o.freeze()
	}
	if o := s.owner(); o != nil && s.chance(0.03) {
		o.end() // crashed
	}
	if len(s.owners) == 0 {
		s.appoint()
	}
}

func (o *simOwner) freeze() {
	o.frozen = true
	if o.sim.rng.IntN(2) == 0 {
		o.sim.appoint()
	}
	o.sim.after(o.sim.span(o.sim.pause), func() {
		o.frozen = false
		list := o.waiting
		o.waiting = nil
		for _, do := range list {
			o.do(do)
		}
	})
}

// do lets something happen in the process.
func (o *simOwner) do(f func()) {
	switch {
	case o.gone:
	case o.frozen:
		o.waiting = append(o.waiting, f)
	default:
		f()
	}
}

// trim has the store remove entries. No more than the rule keeps may be left, and none of the window may be missed.
func (o *simOwner) trim(before uint64) {
	s := o.sim
	n := 0
	for _, l := range s.history {
		if l.seq >= before {
			n++
		}
	}
	if n < min(s.rule.Size, len(s.history)) {
		s.Errorf("trim leaves %d", n)
	}
	s.chain.entries = s.chain.from(before, time.Time{})
}

func (o *simOwner) Append(l *Log, after uint64, data []byte) {
	o.sim.write(after, data, func(seq uint64, err error) {
		o.do(func() { l.Appended(seq, err, o.sim.now) })
	})
}

func (o *simOwner) Load(l *Log, after uint64, fresh bool) {
	o.sim.read(after, fresh, func(t Tail, err error) {
		o.do(func() { l.Loaded(t, err, o.sim.now) })
	})
}

func (o *simOwner) Frame(_ *Log, p *Publication, _ Position) []byte { return []byte(p.MessageID) }

func (o *simOwner) Deliver(l *Log, _ *Item, r *Recent) {
	at := Position{r.Offset, l.Top().Epoch}
	if !o.sim.find(string(r.Frame), at) {
		o.sim.Errorf("I4: %s is delivered at %v, where it is not", r.Frame, at)
	}
	for _, sub := range o.sim.subs {
		if o.members[sub] {
			o.send(sub, func() { sub.hear(string(r.Frame), at) })
		}
	}
}

// send puts something on the line to a subscriber, which keeps its order.
func (o *simOwner) send(sub *simSub, f func()) {
	at := o.sim.now.Add(o.sim.span(500 * time.Millisecond))
	if at.Before(sub.lines[o]) {
		at = sub.lines[o]
	}
	if sub.lines == nil {
		sub.lines = map[*simOwner]time.Time{}
	}
	sub.lines[o] = at
	o.sim.after(at.Sub(o.sim.now), f)
}

func (o *simOwner) Ack(_ *Log, it *Item, at Position, duplicate bool) {
	o.sim.after(o.sim.span(300*time.Millisecond), func() {
		it.Ticket.(*simWriter).acked(it.MessageID, at, duplicate)
	})
}

func (o *simOwner) Refuse(_ *Log, _ *Item, err error) {
	o.sim.refused++
	if err == nil {
		o.sim.Error("refused for no reason")
	}
}
