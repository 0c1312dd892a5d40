package history

import (
	"errors"
	"time"
)

const (
	// batchMost and batchBytes bound one entry.
	batchMost  = 512
	batchBytes = 128 << 10
	// queueMost and queueBytes bound what waits in one log; over them publications are refused.
	queueMost  = 8192
	queueBytes = 4 << 20
	// retryFirst and retryMost are the pauses before what failed is tried again.
	retryFirst = 20 * time.Millisecond
	retryMost  = time.Second
)

// ErrFull refuses a publication: too much waits for the store.
var ErrFull = errors.New("history: too much waits to be stored")

// Shell does for logs what they cannot: it writes, reads, and tells what came of it. Its methods do not call the
// log before they return, but for what Stored, Refused and an Item's Then do on purpose.
type Shell interface {
	// Append has an entry written (Store.Append) and then calls l.Appended.
	Append(l *Log, after uint64, data []byte)

	// Load has the tail of the key's chain read (Store.Last and then Read or ReadSince) and then calls l.Loaded: all entries that
	// follow the one with sequence number after, or, with fresh, all that were written within DEDUPE_WINDOW, and
	// the last one in any case. What it brings ends with the last entry that there is.
	Load(l *Log, after uint64, fresh bool)

	// Frame makes what subscribers get.
	Frame(l *Log, p *Publication, at Position) []byte

	// Deliver sends what is stored to the subscribers. it is nil when it did not come through this log.
	Deliver(l *Log, it *Item, r *Recent)

	// Ack tells the sender of an item that it is stored; duplicate: it had been before.
	Ack(l *Log, it *Item, at Position, duplicate bool)

	// Refuse tells the sender that an item is not known to be stored: err wraps ErrUnavailable or ErrRefused.
	Refuse(l *Log, it *Item, err error)
}

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

type state uint8

const (
	stale   state = iota // another may have written, or nothing is known yet
	reading              // the tail is being read
	open                 // all is known, until a write shows otherwise
	dropped              // over
)

// Log is the history of one key at its owner. It is pure, and owned by one goroutine.
type Log struct {
	Key   string
	Rule  *Rule
	shell Shell

	// NotBefore is when what the key names began, by the clock of who began it; zero: that does not matter. A numbering that is
	// older is that of another one, which had the same name and is no more: nothing of it counts. It is set before anything else.
	NotBefore time.Time

	state   state
	known   bool // it has been open
	epoch   Epoch
	top     uint64 // offset of the last publication
	seq     uint64 // of the last entry; 0: the store has none
	writing int    // how many items of the queue the write under way covers; 0: none is
	queue   []*Item
	bytes   int // of publications in the queue
	retryAt time.Time
	pause   time.Duration // the last one
	working bool          // within advance
	look    bool          // the tail is to be read again, also when nothing waits
	asked   time.Time     // when the write or read under way began
	sure    time.Time     // seq was known to be the last entry then
	lost    uint64        // the store lost entries up to this one: what follows is another numbering
	next    Epoch         // of the write under way
	noise   uint64        // for the next epoch
	window  time.Duration // static: DEDUPE_WINDOW

	ring
	recognized
	trim
}

// NewLog makes the log of a key that has history. noise is random. window is DEDUPE_WINDOW.
func NewLog(key string, rule *Rule, shell Shell, window time.Duration, noise uint64) *Log {
	return &Log{Key: key, Rule: rule, shell: shell, window: window, noise: noise}
}

// Busy reports whether something waits for the store.
func (l *Log) Busy() bool { return len(l.queue) > 0 }

// Storing reports whether publications wait for the store.
func (l *Log) Storing() bool { return l.bytes > 0 }

// Known reports whether the log has been read. Top and what the log remembers are of use then.
func (l *Log) Known() bool { return l.known }

// Top is the position of the last publication.
func (l *Log) Top() Position { return Position{l.top, l.epoch} }

// Seq is the last entry's sequence number in the store.
func (l *Log) Seq() uint64 { return l.seq }

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

// resolved reports whether a publication is known to be stored.
func (it *Item) resolved() bool { return it.done || it.repeated }

// name tells publications apart: their ids are unique with their user's name.
func name(p *Publication) string {
	if p.Given {
		return p.User + "\x00" + p.MessageID
	}
	return "\x00" + p.MessageID
}

// Stale tells the log that another may have written: it reads the tail again, after what is under way. What is
// asked for with After from then on waits for that.
func (l *Log) Stale(now time.Time) {
	l.look = true
	l.advance(now)
}

// later puts off the next attempt.
func (l *Log) later(now time.Time) {
	l.pause = min(max(2*l.pause, retryFirst), retryMost)
	l.retryAt = now.Add(l.pause)
}

// Tick gives up what waited too long, and tries again what failed. It is due some times a second while the log is busy, and
// now and then while it is not: a log that stands still makes sure that nobody else wrote.
func (l *Log) Tick(now time.Time) {
	if l.state == open && l.writing == 0 && now.Sub(l.sure) > l.Rule.Age/4 {
		l.look = true
	}
	l.advance(now)
}

// Drop ends the log: what waits is refused.
func (l *Log) Drop() {
	l.state, l.writing = dropped, 0
	l.refuse(len(l.queue), ErrUnavailable)
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

func (it *Item) size() int { return len(it.Payload) + len(it.User) + len(it.MessageID) }

// advance does what can be done now: it reads the tail, deals with what is stored, writes the next entry.
func (l *Log) advance(now time.Time) {
	if l.working {
		return // one of the calls below came back here, and its caller goes on
	}
	l.working = true
	defer func() { l.working = false }()
	for l.writing == 0 {
		l.finish()
		l.giveUp(now)
		if l.look && l.state == open {
			l.state = stale
		}
		switch l.state {
		case reading, dropped:
			return
		case stale:
			if len(l.queue) == 0 && !l.look || now.Before(l.retryAt) {
				return
			}
			l.state, l.look, l.asked = reading, false, now
			l.shell.Load(l, l.seq, !l.known)
			return
		}
		if len(l.queue) == 0 {
			return
		}
		if data := l.compose(now); data != nil {
			l.asked = now
			l.write(data, now)
			return
		}
	}
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
