package stream

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

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
