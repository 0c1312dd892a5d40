package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
	"github.com/realtime-cluster/realtime/loadtest/client"
)

// writer sends messages to keys, and sends again what is not acked, under the same id, over whatever connection
// it has, until it is. All is owned by run.
type writer struct {
	index int
	set   *settings
	sys   *system
	rec   *recorder
	rng   *rand.Rand

	next  uint32
	lines []*line
	turn  int // of lines
	conn  int // number of the connection
	owed  float64
}

// line is what a writer has with one key. Where window is 1 the writer's messages are stored in the order in which
// it sends them.
type line struct {
	key     int
	window  int
	pending []*sending
}

// sending is a message that is not acked.
type sending struct {
	m     history.Message
	key   int
	out   bool          // it is under way on this connection
	since time.Duration // when it went out
	again time.Duration // when it is to go out again, unless it is
	tries int
}

const (
	tick     = 10 * time.Millisecond
	patience = 15 * time.Second       // with an answer, before the connection is given up
	backoff  = 100 * time.Millisecond // before a message that was refused is sent again
	backoffs = 2 * time.Second        // at most
)

func newWriter(index int, set *settings, sys *system, rec *recorder) *writer {
	w := &writer{index: index, set: set, sys: sys, rec: rec, rng: rand.New(rand.NewPCG(set.seed, uint64(1000+index)))}
	for key := range set.keys() {
		if set.room(key) && !talks(index) {
			continue
		}
		window := 1
		if (index+key)%4 == 3 {
			window = 8
		}
		w.lines = append(w.lines, &line{key: key, window: window})
	}
	return w
}

// talks reports whether a writer is a member of the rooms.
func talks(writer int) bool { return writer%2 == 0 }

// run writes until stop is closed and all is acked, or ctx ends.
func (w *writer) run(ctx context.Context, stop <-chan struct{}) {
	for ctx.Err() == nil && !(closed(stop) && w.idle()) {
		w.conn++
		conn, err := w.sys.dial(ctx, w.rng, userOf(w.index), client.Options{})
		if err != nil {
			w.rec.count("dials that failed")
			sleep(ctx, w.set.spell(w.rng, 50*time.Millisecond, 500*time.Millisecond))
			continue
		}
		w.use(ctx, stop, conn)
	}
}

// use writes over one connection, until it ends or is given up.
func (w *writer) use(ctx context.Context, stop <-chan struct{}, conn *client.Client) {
	most := 0
	for _, l := range w.lines {
		most += l.window
		for _, s := range l.pending {
			s.out, s.again = false, 0
		}
	}
	answers := make(chan answer, most) // at most so many are under way: callbacks never wait
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	// Until the run is to end the writer leaves from time to time, with messages under way: the server has them,
	// and they come again.
	leave := time.NewTimer(w.set.spell(w.rng, 2*time.Second, 20*time.Second))
	defer leave.Stop()
	leaving := false
	defer func() {
		if w.rng.IntN(2) == 0 {
			_ = conn.Close()
		} else {
			conn.Abort()
		}
		for len(answers) > 0 {
			w.answered(<-answers)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-answers:
			w.answered(a)
		case <-ticker.C:
			if closed(stop) && w.idle() {
				return
			}
			if w.send(conn, answers, closed(stop)) != nil || w.overdue() {
				return
			}
			if leaving && w.waits() {
				w.rec.count("connections that writers left")
				return
			}
		case <-conn.Done():
			w.rec.count("connections of writers that broke")
			return
		case <-leave.C:
			leaving = !closed(stop)
		}
	}
}

// overdue reports whether an answer is not to be expected any more.
func (w *writer) overdue() bool {
	now := w.rec.now()
	for _, l := range w.lines {
		for _, s := range l.pending {
			if s.out && now-s.since > patience {
				w.rec.count("connections that writers gave up, as no answer came for 15 s")
				return true
			}
		}
	}
	return false
}

// waits reports whether a message is under way.
func (w *writer) waits() bool {
	for _, l := range w.lines {
		for _, s := range l.pending {
			if s.out {
				return true
			}
		}
	}
	return false
}

func (w *writer) idle() bool {
	for _, l := range w.lines {
		if len(l.pending) > 0 {
			return false
		}
	}
	return true
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
