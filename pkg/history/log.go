package history

import "time"

// retryFirst and retryMost are the pauses before what failed is tried again.
const (
	retryFirst = 20 * time.Millisecond
	retryMost  = time.Second
)

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
