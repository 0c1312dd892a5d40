package history

// Verdict is what Check found.
type Verdict struct {
	Counts
	Violations []Violation  // the first few of each kind
	Found      map[Kind]int // all of them
}

// OK says that no promise was broken.
func (v *Verdict) OK() bool { return len(v.Found) == 0 }

// Kept says that History, read at the end, has a message.
func (c *Checker) Kept(key int, at Position, m Message) {
	c.count.Kept++
	c.learn(key, at, m, isKept)
}

// Top says where History ends, after Kept was told all that it has.
func (c *Checker) Top(key int, at Position) {
	c.keys[key].top, c.keys[key].read = at, true
}

// Check judges everything told so far. All readers should have got what there is; the writers should be done.
func (c *Checker) Check() *Verdict {
	found := c.notes.clone()
	for w := range c.writers {
		for n := range c.writers[w].sent {
			if msg := &c.writers[w].sent[n]; !msg.flags.has(isAcked) {
				found.add(Unanswered, "%d/%d, to key %d", w, n, msg.key)
			}
		}
	}
	for k := range c.keys {
		c.checkKey(k, &found)
	}
	for _, h := range c.holes {
		c.checkHole(h, "between two that it got", &found)
	}
	for r := range c.readers {
		for k := range c.readers[r] {
			if h, ok := c.tail(r, k); ok {
				c.checkHole(h, "at the end", &found)
			}
		}
	}
	return &Verdict{Counts: c.count, Violations: found.list, Found: found.counts}
}

// checkHole counts the messages of a hole that were acked.
func (c *Checker) checkHole(h hole, where string, found *violations) {
	e, _ := c.keys[h.key].epoch(h.epoch)
	if n := c.keys[h.key].epochs[e].acked(h.from, h.to); n > 0 {
		found.addAll(Lost, n, "reader %d, key %d: %d to %d, of which %d are acked, %s", h.reader, h.key, h.from, h.to, n, where)
	}
}

// checkKey compares what was acked and delivered with what History has.
func (c *Checker) checkKey(k int, found *violations) {
	key := &c.keys[k]
	if !key.read {
		return
	}
	for i := range key.epochs {
		e := &key.epochs[i]
		var top, first uint64 // what must be kept
		if e.name == key.top.Epoch {
			top, first = key.top.Offset, 1
			if c.cfg.Size > 0 && top > uint64(c.cfg.Size) {
				first = top - uint64(c.cfg.Size) + 1
			}
		}
		for o := uint64(1); o <= max(top, uint64(len(e.log))); o++ {
			var s slot
			if o <= uint64(len(e.log)) {
				s = e.log[o-1]
			}
			if s.flags.has(isKept) || top > 0 && o < first {
				continue
			}
			m, _ := s.message()
			at := Position{o, e.name}
			switch {
			case s.flags.has(isAcked):
				found.add(Forgotten, "key %d: %s, %s, was acked, and History, which ends at %s, has it not", k, m, at, key.top)
			case s.flags.has(isDelivered):
				found.add(Phantom, "key %d: %s, %s, was delivered, and History, which ends at %s, has it not", k, m, at, key.top)
			case o <= top:
				found.add(Misnumbered, "key %d: History, which ends at %s, has nothing at %d", k, key.top, o)
			}
		}
	}
}
