package history

import "time"

// Tail is what Shell.Load has read.
type Tail struct {
	Last    uint64   // sequence number of the key's last entry; 0: the store has none
	Entries []Stored // oldest first; with one that is Last, unless that was known
}

// Loaded takes the outcome of Shell.Load.
func (l *Log) Loaded(t Tail, err error, now time.Time) {
	if l.state != reading {
		return // dropped
	}
	l.state = stale
	if err == nil {
		err = l.follow(&t, now)
	}
	if err != nil {
		l.look = true
		l.later(now)
	} else {
		l.state, l.known, l.sure = open, true, l.asked
	}
	l.advance(now)
}

// follow goes on with what others wrote, or what turned out to be written.
func (l *Log) follow(t *Tail, now time.Time) error {
	if l.known && t.Last != 0 && t.Last < l.seq {
		l.lose()
		return ErrUnavailable // all is to be read again
	}
	fresh, tried := !l.known, l.tried()
	for i := range t.Entries {
		s := &t.Entries[i]
		if s.Seq <= l.seq {
			continue
		}
		var e Entry
		if err := e.Decode(s.Data); err != nil {
			return err
		}
		if e.Epoch.Before(l.NotBefore) {
			l.seq = s.Seq
			continue
		}
		if e.Epoch != l.epoch || e.First != l.top+1 {
			l.restart(e.Epoch, e.First-1)
		}
		l.seq = s.Seq
		for k := range e.Publications {
			p, offset := &e.Publications[k], e.First+uint64(k)
			it := tried[name(p)]
			if it != nil {
				it.offset, it.done = offset, true
			}
			if fresh {
				l.remember(p, offset, s.Time, now)
			} else {
				l.store(p, it, offset, s.Time, now)
			}
		}
	}
	switch {
	case t.Last == 0:
		l.vanish(now)
	case l.seq < t.Last:
		return ErrUnavailable // the last entry was not among them
	case l.epoch == 0: // all that there is came before
		l.restart(Unborn(now), 0)
	}
	return nil
}

// tried are the publications of which it is not known whether they are stored.
func (l *Log) tried() map[string]*Item {
	var m map[string]*Item
	for _, it := range l.queue {
		if it.tried && !it.resolved() {
			if m == nil {
				m = make(map[string]*Item)
			}
			m[name(&it.Publication)] = it
		}
	}
	return m
}

// vanish takes it that the store has nothing of the key: all has expired, or nothing was ever there. Where it stood is still
// known, unless others may have written since, and that has expired as well.
func (l *Log) vanish(now time.Time) {
	l.seq = 0
	if !l.known || !l.epoch.Born() || now.Sub(l.sure) > l.Rule.trusted() {
		l.restart(Unborn(l.asked), 0)
	}
}

// lose takes it that the store no longer has what it had: it was restored from an older copy. Those offsets have been seen, so
// what comes next is another numbering.
func (l *Log) lose() {
	l.lost = max(l.lost, l.seq)
	l.known, l.seq = false, 0
	l.restart(0, 0)
	l.recognized = recognized{early: l.early}
	l.points = nil
}

// restart makes the numbering go on elsewhere: under another epoch, or behind a hole.
func (l *Log) restart(epoch Epoch, top uint64) {
	if epoch != l.epoch {
		l.displace()
	}
	l.epoch, l.top = epoch, top
	l.ring.clear()
}
