package history

import (
	"errors"
	"time"
)

// queueMost and queueBytes bound what waits in one log; over them publications are refused.
const (
	queueMost  = 8192
	queueBytes = 4 << 20
)

// ErrFull refuses a publication: too much waits for the store.
var ErrFull = errors.New("history: too much waits to be stored")

// Item is what a log deals with in order: a publication, or, with Then, something that follows those before it.
type Item struct {
	Publication
	Ticket any       // the shell's
	Until  time.Time // when to give up while it waits
	Then   func(error)

	tried    bool   // it has been part of a write
	offset   uint64 // where it is, or will be when the write under way succeeds; 0: not known
	repeated bool   // it had been stored before
	done     bool   // it is stored
}

func (it *Item) size() int {
	return len(it.Payload) + len(it.Metadata) + len(it.User) + len(it.MessageID)
}

// resolved reports whether a publication is known to be stored.
func (it *Item) resolved() bool { return it.done || it.repeated }

// name tells publications apart: their ids are unique with their user's name.
func name(p *Publication) string {
	if p.Given {
		return p.User + "\x00" + p.MessageID
	}
	return "\x00" + p.MessageID
}

// Publish takes a publication, whose bytes are the log's from here on. Its error is ErrFull, or ErrUnavailable when the log
// is dropped.
func (l *Log) Publish(it *Item, now time.Time) error {
	switch {
	case l.state == dropped:
		return ErrUnavailable
	case len(l.queue) >= queueMost || l.bytes+it.size() > queueBytes:
		return ErrFull
	}
	l.bytes += it.size()
	l.queue = append(l.queue, it)
	l.advance(now)
	return nil
}

// After has then called when all that was published before is dealt with, at once when nothing is: with an error when
// that is not known by until, or too much waits.
func (l *Log) After(now, until time.Time, then func(error)) {
	switch {
	case l.state == dropped:
		then(ErrUnavailable)
		return
	case len(l.queue) >= 2*queueMost:
		then(ErrFull)
		return
	}
	l.queue = append(l.queue, &Item{Then: then, Until: until})
	l.advance(now)
}

// finish deals with the items at the head of the queue for which nothing has to be written. What follows them
// happens only while nothing has to be read, either.
func (l *Log) finish() {
	for len(l.queue) > 0 && l.state != dropped {
		switch it := l.queue[0]; {
		case it.resolved():
			l.cut(1)
			l.ack(it)
		case it.Then != nil && l.state == open && !l.look:
			l.cut(1)
			it.Then(nil)
		default:
			return
		}
	}
}

// giveUp refuses what waited too long. It is not written after that, either: by then the sender may have had it stored
// by another owner, so long ago that it would not be recognized.
func (l *Log) giveUp(now time.Time) {
	n := 0
	for n < len(l.queue) && (l.queue[n].resolved() || now.After(l.queue[n].Until)) {
		n++
	}
	l.refuse(n, ErrUnavailable)
}

// refuse takes the first n items off the queue: those that are not known to be stored are refused.
func (l *Log) refuse(n int, err error) {
	for _, it := range l.cut(n) {
		switch {
		case it.Then != nil && errors.Is(err, ErrRefused):
			it.Then(nil)
		case it.Then != nil:
			it.Then(err)
		case it.resolved():
			l.ack(it)
		default:
			l.shell.Refuse(l, it, err)
		}
	}
}

func (l *Log) ack(it *Item) {
	if broken("early") && !it.repeated {
		return // it was, before it was written
	}
	l.shell.Ack(l, it, Position{it.offset, l.epoch}, it.repeated)
}

// cut takes the first n items off the queue.
func (l *Log) cut(n int) []*Item {
	items := l.queue[:n:n]
	for _, it := range items {
		l.bytes -= it.size()
	}
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
	return items
}
