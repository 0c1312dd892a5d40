package history

import "fmt"

func (o *modelOwner) Append(_ *Log, after uint64, data []byte) {
	o.write = &modelWrite{after: after, data: data}
	if !o.world.early {
		return
	}
	var e Entry
	if err := e.Decode(data); err != nil {
		panic(err)
	}
	for i, p := range e.Publications {
		o.tell(p.MessageID, Position{e.First + uint64(i), e.Epoch})
	}
}

func (o *modelOwner) Load(_ *Log, after uint64, fresh bool) {
	o.load = &modelLoad{after: after, fresh: fresh}
}

func (o *modelOwner) Frame(_ *Log, p *Publication, _ Position) []byte { return []byte(p.MessageID) }

func (o *modelOwner) Deliver(l *Log, _ *Item, r *Recent) {
	o.tell(string(r.Frame), Position{r.Offset, l.Top().Epoch})
}

// tell sends a publication to the subscribers.
func (o *modelOwner) tell(id string, at Position) {
	w := o.world
	if !holds(w.chain.links(), id, at) {
		w.fail("I4: owner %d delivers %s at %d, which is not in the chain", o.index, id, at.Offset)
	}
	for i, member := range o.members {
		if member {
			o.send(i, down{id: id, at: at})
		}
	}
}

func (o *modelOwner) Ack(_ *Log, it *Item, at Position, _ bool) {
	w := o.world
	if !holds(w.chain.links(), it.MessageID, at) {
		w.fail("I2: owner %d acks %s at %d, and it is not in the chain", o.index, it.MessageID, at.Offset)
	}
	if before, twice := w.acked[it.MessageID]; twice && before != at {
		w.fail("I2: %s is acked at %d and at %d", it.MessageID, before.Offset, at.Offset)
	}
	w.acked[it.MessageID] = at
}

func (o *modelOwner) Refuse(_ *Log, it *Item, err error) {
	if !o.gone {
		o.world.fail("owner %d refuses %s: %v", o.index, it.MessageID, err)
	}
}

// join is what a gateway asks of an owner.
func (o *modelOwner) join(j modelJoin) {
	o.log.After(modelNow, modelUntil, func(err error) { o.joined(j, err) })
	for _, it := range o.log.queue {
		if it.Then != nil && it.Ticket == nil {
			it.Ticket = j
		}
	}
}

// joined notes the subscriber, sends it what it missed, and answers.
func (o *modelOwner) joined(j modelJoin, err error) {
	if err != nil {
		return // it asks the other owner
	}
	l := o.log
	o.members[j.sub] = true
	if j.placed {
		after, verdict := l.Judge(j.from, modelNow)
		switch {
		case verdict == Ahead && !j.again:
			l.Stale(modelNow)
			j.again = true
			o.join(j)
			return
		case verdict != Whole:
			o.world.fail("owner %d, at %v, does not have what is behind %v: verdict %d", o.index, l.Top(), j.from, verdict)
			return
		}
		list, _ := l.Since(after, 1000, 1<<20)
		for _, r := range list {
			o.send(j.sub, down{id: string(r.Frame), at: Position{r.Offset, l.Top().Epoch}})
		}
	}
	o.send(j.sub, down{joined: true, at: l.Top()})
}

func (o *modelOwner) send(sub int, d down) {
	if o.world.slow {
		o.downs[sub] = append(o.downs[sub], d)
		return
	}
	o.world.receive(sub, d)
}

// receive is what a gateway does: it drops what it has seen, and fetches what is missing before what follows it.
func (w *world) receive(sub int, d down) {
	s := &w.subs[sub]
	if d.joined && !s.placed {
		s.placed, s.at = true, d.at
		return
	}
	switch {
	case d.joined && !d.at.Epoch.Born(): // that owner has not seen anything yet
	case d.at.Epoch != s.at.Epoch && (s.at.Offset != 0 || s.at.Epoch.Born()):
		w.fail("subscriber %d, at %v, is sent %v", sub, s.at, d.at)
	case d.at.Offset <= s.at.Offset:
	default:
		for _, l := range w.chain.links() {
			if l.Offset > s.at.Offset && l.Offset < d.at.Offset {
				w.take(s, l.MessageID, l.Position)
			}
		}
		if !d.joined {
			w.take(s, d.id, d.at)
			return
		}
		for _, l := range w.chain.links() {
			if l.Position == d.at {
				w.take(s, l.MessageID, l.Position)
			}
		}
	}
}

// take gives a subscriber the next publication: it has to be the next in the chain, too.
func (w *world) take(s *modelSub, id string, at Position) {
	s.got = append(s.got, id)
	if at.Offset != s.at.Offset+1 || !holds(w.chain.links(), id, at) {
		w.fail("a subscriber at %d gets %s at %d: %s", s.at.Offset, id, at.Offset, fmt.Sprint(s.got))
	}
	s.at = at
}
