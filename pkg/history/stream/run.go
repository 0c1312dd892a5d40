package stream

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// Run writes what is appended until ctx ends or the connection is closed for good. Then whatever is under way is
// told so. It returns nil when ctx ended. Run it once.
//
// There is one inbox for the acknowledgements of all writes, and one goroutine for all of it. PublishMsgAsync of
// nats.go, with a goroutine for each stream that awaits its futures in order, took a quarter longer for a write and half as
// many allocations more, has a timer for each write, and does not tell a write that met nobody from one that may be stored.
func (s *Store) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	acks := make(chan *nats.Msg, maxWrites)
	inbox := s.conn.NewInbox() + "."
	sub, err := s.conn.ChanSubscribe(inbox+"*", acks)
	if err != nil {
		return fmt.Errorf("subscribe to acknowledgements: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails when the connection is closed
	lost := s.conn.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	defer s.conn.RemoveStatusListener(lost)

	l := &loop{
		store: s, wg: &wg, inbox: inbox, acks: acks,
		pending: make(map[uint64]*write), opened: make(chan opened, partitions), alarm: time.NewTimer(time.Hour), retry: time.NewTimer(time.Hour),
	}
	wg.Go(func() { s.probe(ctx) })
	s.setRunning(true)
	err = l.run(ctx, lost)
	s.setRunning(false)
	cancel()
	l.end()
	return err
}

func (s *Store) setRunning(running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = running
}

// loop is what Run owns.
type loop struct {
	store *Store
	wg    *sync.WaitGroup // of openings
	inbox string          // with a dot at its end: the writes' numbers follow
	acks  chan *nats.Msg

	pending map[uint64]*write // sent or waiting, by number; numbers grow with deadlines
	oldest  uint64            // no number in pending is lower
	next    uint64
	alarm   *time.Timer // at the deadline of the oldest, if there is one
	armed   bool

	deferred []uint64 // numbers of writes that met another one
	retry    *time.Timer

	waiting [partitions][]uint64 // numbers of writes of a stream that has to be opened
	opening [partitions]bool
	tries   [partitions]int // openings since a write was answered
	opened  chan opened
}

// opened is the end of an opening.
type opened struct {
	partition *partition
	err       error
}

func (l *loop) run(ctx context.Context, lost <-chan nats.Status) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-l.store.writes:
			l.add(ctx, w)
		case msg := <-l.acks:
			l.answer(ctx, msg)
		case o := <-l.opened:
			l.flush(ctx, o)
		case <-l.alarm.C:
			l.armed = false
			l.expire(time.Now())
		case <-l.retry.C:
			l.resend(ctx)
		case status := <-lost:
			l.lose(ctx)
			if status == nats.CLOSED {
				return nats.ErrConnectionClosed
			}
		}
		l.arm()
	}
}

func (l *loop) add(ctx context.Context, w *write) {
	number := l.next
	l.next++
	l.pending[number] = w
	if w.partition.opener.IsOpen() && !l.opening[w.partition.index] {
		l.send(ctx, number, w)
	} else {
		l.wait(ctx, number, w)
	}
}

func (l *loop) send(ctx context.Context, number uint64, w *write) {
	err := l.store.conn.PublishMsg(w.message(l.inbox + strconv.FormatUint(number, 36)))
	switch {
	case err == nil:
		w.sent = true
	case away(err):
		l.wait(ctx, number, w)
	default:
		l.finish(number, 0, ofWrite(err))
	}
}

// away tells whether a publish failed because there is no connection just now.
func away(err error) bool {
	return err == nats.ErrReconnectBufExceeded || err == nats.ErrConnectionReconnecting
}

// wait puts a write off until its stream is open.
func (l *loop) wait(ctx context.Context, number uint64, w *write) {
	w.sent = false
	w.partition.opener.Reopen()
	i := w.partition.index
	l.waiting[i] = append(l.waiting[i], number)
	if !l.opening[i] {
		l.open(ctx, w.partition)
	}
}

// pauses are those before the first openings in a row; before the others it is the last one.
var pauses = []time.Duration{0, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond}

func (l *loop) open(ctx context.Context, p *partition) {
	pause := pauses[min(l.tries[p.index], len(pauses)-1)]
	l.tries[p.index]++
	l.opening[p.index] = true
	l.wg.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, l.store.timeout)
		defer cancel()
		err := jsstream.Wait(ctx, pause)
		if err == nil {
			err = p.opener.Open(ctx)
		}
		l.opened <- opened{p, err} // has room: one for each stream
	})
}

// flush sends what waited for a stream, or opens it again.
func (l *loop) flush(ctx context.Context, o opened) {
	i := o.partition.index
	l.opening[i] = false
	waiting := l.waiting[i]
	l.waiting[i] = nil
	for _, number := range waiting {
		w := l.pending[number]
		switch {
		case w == nil: // too late for it
		case o.err == nil:
			l.send(ctx, number, w)
		default:
			l.wait(ctx, number, w)
		}
	}
}

// answer takes the reply to a write.
func (l *loop) answer(ctx context.Context, msg *nats.Msg) {
	number, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, l.inbox), 36, 64)
	w := l.pending[number]
	if err != nil || w == nil {
		return // late
	}
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" { // nobody listens to the subject, so nobody has it
		l.wait(ctx, number, w)
		return
	}
	l.tries[w.partition.index] = 0
	seq, err := readAck(msg.Data)
	switch {
	case err == nil:
		l.finish(number, seq, nil)
	case jsstream.HasCode(err, jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		l.defers(number)
	default:
		l.finish(number, 0, ofWrite(err))
	}
}

// again is the time after which a write is repeated that met another one of its subject on its way. That may be one
// that was just acknowledged: a leader forgets it a moment later.
const again = time.Millisecond

// defers puts a write off that was refused because of another one whose end is not known yet.
func (l *loop) defers(number uint64) {
	l.pending[number].sent = false
	if len(l.deferred) == 0 {
		l.retry.Reset(again)
	}
	l.deferred = append(l.deferred, number)
}

// resend sends what was put off.
func (l *loop) resend(ctx context.Context) {
	deferred := l.deferred
	l.deferred = nil
	for _, number := range deferred {
		if w := l.pending[number]; w != nil {
			l.send(ctx, number, w)
		}
	}
}

func (l *loop) finish(number, seq uint64, err error) {
	w := l.pending[number]
	delete(l.pending, number)
	l.store.finish(w, seq, err)
}

// lose ends the writes whose answers went with the connection.
func (l *loop) lose(ctx context.Context) {
	for len(l.acks) > 0 {
		l.answer(ctx, <-l.acks)
	}
	for number := l.oldest; number < l.next; number++ {
		if w := l.pending[number]; w != nil && w.sent {
			l.finish(number, 0, errLost)
		}
	}
}

func (l *loop) expire(now time.Time) {
	for ; l.oldest < l.next; l.oldest++ {
		w := l.pending[l.oldest]
		if w == nil {
			continue
		}
		if w.deadline.After(now) {
			return
		}
		l.finish(l.oldest, 0, errTimeout)
	}
}

// arm sets the alarm unless it is set already, which may be too early: then it is set again.
func (l *loop) arm() {
	if l.armed || len(l.pending) == 0 {
		return
	}
	for l.pending[l.oldest] == nil {
		l.oldest++
	}
	l.armed = true
	l.alarm.Reset(time.Until(l.pending[l.oldest].deadline))
}

// end tells the writes that are left.
func (l *loop) end() {
	l.alarm.Stop()
	l.retry.Stop()
	for number := l.oldest; number < l.next; number++ {
		if l.pending[number] != nil {
			l.finish(number, 0, errStopped)
		}
	}
	for len(l.store.writes) > 0 {
		l.store.finish(<-l.store.writes, 0, errStopped)
	}
}
