package history

import (
	"errors"
	"time"
)

// batchMost and batchBytes bound one entry.
const (
	batchMost  = 512
	batchBytes = 128 << 10
)

// compose makes the next entry of what waits at the head of the queue; nil when nothing there is new.
func (l *Log) compose(now time.Time) []byte {
	l.next = l.epoch
	top := l.top
	if !l.next.Born() || l.seq < l.lost {
		begins := now
		if l.NotBefore.After(now) {
			begins = l.NotBefore
		}
		l.next, top = NewEpoch(begins, l.noise), 0
	}
	l.expire(now.Add(-l.window))
	var list []Publication
	bytes, covered := 0, 0
	names := make(map[string]struct{})
	for i, it := range l.queue {
		if it.Then != nil || it.resolved() {
			continue
		}
		if it.Given {
			if offset, known := l.recall(&it.Publication); known {
				it.offset, it.repeated = offset, true
				continue
			}
			if _, twin := names[name(&it.Publication)]; twin {
				break // it is known again when the one before is stored
			}
			names[name(&it.Publication)] = struct{}{}
		}
		if len(list) == batchMost || len(list) > 0 && bytes+it.size() > batchBytes {
			break
		}
		bytes += it.size()
		list = append(list, it.Publication)
		it.tried, it.offset, covered = true, top+uint64(len(list)), i+1
	}
	if len(list) == 0 {
		return nil
	}
	l.writing = covered
	e := Entry{Epoch: l.next, First: top + 1, Publications: list}
	return e.Encode()
}

func (l *Log) write(data []byte, now time.Time) {
	after := l.seq
	if broken("fence") {
		after = Unfenced
	}
	if broken("early") {
		l.rush(now)
	}
	l.shell.Append(l, after, data)
}

// Appended takes the outcome of Shell.Append.
func (l *Log) Appended(seq uint64, err error, now time.Time) {
	if l.state == dropped {
		return
	}
	n := l.writing
	l.writing = 0
	switch {
	case err == nil:
		if l.next != l.epoch {
			l.restart(l.next, 0)
		}
		l.pause, l.seq, l.sure, l.lost = 0, seq, l.asked, 0
		l.written(n, now)
	case errors.Is(err, ErrRefused):
		l.refuse(n, err)
	default: // whether it took place is to be found out
		l.state = stale
		l.later(now)
	}
	l.advance(now)
}

// written takes the first n items of the queue as stored.
func (l *Log) written(n int, now time.Time) {
	for _, it := range l.queue[:n] {
		if it.Then != nil || it.done || it.repeated {
			continue
		}
		it.done = true
		l.store(&it.Publication, it, it.offset, now, now)
	}
}

// store notes a publication of the chain, and delivers it.
func (l *Log) store(p *Publication, it *Item, offset uint64, at, now time.Time) {
	r := l.remember(p, offset, at, now)
	l.shell.Deliver(l, it, r)
}

func (l *Log) remember(p *Publication, offset uint64, at, now time.Time) *Recent {
	l.top = offset
	if p.Given {
		l.recognize(p, offset, at, now.Add(-l.window))
	}
	r := l.push(Recent{Offset: offset, Seq: l.seq, At: at, Frame: l.shell.Frame(l, p, Position{offset, l.epoch})})
	l.trim.note(l.seq, offset, at, l.Rule.Size)
	return r
}
