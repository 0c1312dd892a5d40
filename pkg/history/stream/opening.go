package stream

import (
	"context"
	"time"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

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
