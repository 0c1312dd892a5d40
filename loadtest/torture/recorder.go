package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/internal/latency"
)

// recorder tells the checker what clients see, and keeps the figures. It is safe for concurrent use.
type recorder struct {
	set   *settings // static
	start time.Time // static
	log   io.Writer // static

	mu       sync.Mutex // guards what follows
	checker  *history.Checker
	sent     [][]time.Duration // first sending, by writer and number
	latency  latency.Histogram // from first sending to Ack
	acked    int
	byKey    []int // acked
	lastAck  time.Duration
	silence  gap         // the longest time without any Ack
	refused  map[int]int // Errors that answered messages, by code
	counts   map[string]int
	complete chan struct{}       // closed when -messages are acked, or at the first violation with -first
	over     bool                // complete is closed
	recent   map[[2]int][]string // by reader and key, with -v: what arrived last
}

// gap is a stretch of time.
type gap struct{ from, to time.Duration }

func (g gap) length() time.Duration { return g.to - g.from }

func newRecorder(set *settings, log io.Writer) *recorder {
	r := &recorder{
		set: set, start: time.Now(), log: log,
		sent: make([][]time.Duration, set.writers), byKey: make([]int, set.keys()),
		recent: make(map[[2]int][]string), refused: make(map[int]int), counts: make(map[string]int),
		complete: make(chan struct{}),
	}
	r.checker = history.New(history.Config{
		Keys: set.keys(), Writers: set.writers, Readers: set.readers, Size: set.size,
		Loose: func(r int) bool { return kindOf(r) == wild },
		Stamp: func() string { return fmt.Sprintf(" (%.3f s)", r.now().Seconds()) },
	})
	return r
}

func (r *recorder) now() time.Duration { return time.Since(r.start) }

// tell passes an event on.
func (r *recorder) tell(event func(c *history.Checker)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	event(r.checker)
}

// trace writes, with -v, what a reader is told.
func (r *recorder) trace(reader int, format string, args ...any) {
	if r.set.verbose {
		fmt.Fprintf(r.log, "%8.3f s: reader %d: %s\n", r.now().Seconds(), reader, fmt.Sprintf(format, args...))
	}
}

// remember tells, where a delivery was a violation, what came before it; mu is held.
func (r *recorder) remember(reader, conn, key int, p client.Position, before int) {
	at := [2]int{reader, key}
	list := append(r.recent[at], fmt.Sprintf("%d@%s on %d at %.3f", p.Offset, p.Epoch, conn, r.now().Seconds()))
	r.recent[at] = list[max(0, len(list)-12):]
	if r.checker.Found() > before {
		r.trace(reader, "%s: %s", r.set.name(key), strings.Join(r.recent[at], ", "))
	}
}

// count counts something for the report.
func (r *recorder) count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
}

func position(p client.Position) history.Position {
	return history.Position{Offset: uint64(max(p.Offset, 0)), Epoch: p.Epoch}
}

// sending is told before a message is sent.
func (r *recorder) sending(m history.Message, key int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if int(m.N) == len(r.sent[m.Writer]) {
		r.sent[m.Writer] = append(r.sent[m.Writer], r.now())
	}
	r.checker.Sent(m, key)
}

// ack is told of an Ack on a writer's conn-th connection.
func (r *recorder) ack(m history.Message, key int, a client.Ack, conn int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if a.Status != "stored" {
		r.checker.Note(history.Unstored, "%s, to %s: %q", m, r.set.name(key), a.Status)
	}
	if got := a.Topic + a.Room; got != r.set.name(key) || a.MessageID != idOf(m) {
		r.checker.Note(history.Altered, "the Ack of %s, to %s, names %q and %q", m, r.set.name(key), got, a.MessageID)
	}
	r.checker.Acked(m, history.Position{Offset: uint64(max(a.Offset, 0)), Epoch: a.Epoch}, a.Duplicate, conn)
	r.latency.Add(now - r.sent[m.Writer][m.N])
	if now-r.lastAck > r.silence.length() && r.acked > 0 {
		r.silence = gap{r.lastAck, now}
	}
	r.lastAck = now
	r.acked++
	r.byKey[key]++
	if r.set.messages > 0 && r.acked >= r.set.messages {
		r.end()
	}
	r.judge()
}

// refuse is told of an Error that answered a message.
func (r *recorder) refuse(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if code := client.Code(err); code > 0 {
		r.refused[code]++
	} else if _, closed := errors.AsType[*client.CloseError](err); !closed && !errors.Is(err, client.ErrClosed) {
		r.counts["messages answered by nothing, and the connection ended"]++
	}
}

// delivered is told of what arrived at a reader, on its conn-th connection.
func (r *recorder) delivered(reader, conn, key int, p client.Position, payload, id, user string) {
	m, ok := messageOf(payload, id, user, key, r.set.payload)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set.verbose {
		defer r.remember(reader, conn, key, p, r.checker.Found())
	}
	if !ok {
		r.checker.Note(history.Altered, "reader %d, %s, at %v: %.100q of %q as %q", reader, r.set.name(key), p, payload, user, id)
	} else {
		r.checker.Delivered(reader, key, position(p), m)
	}
	r.judge()
}

// judge ends the run at the first violation, if asked to; mu is held.
func (r *recorder) judge() {
	if r.set.first && r.checker.Found() > 0 {
		r.end()
	}
}

func (r *recorder) end() {
	if !r.over {
		r.over = true
		close(r.complete)
	}
}

// at is where a reader is.
func (r *recorder) at(reader, key int) (client.Position, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.checker.At(reader, key)
	return client.Position{Offset: int64(p.Offset), Epoch: p.Epoch}, ok
}

// progress is the number of Acks by key.
func (r *recorder) progress() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]int(nil), r.byKey...)
}

func (r *recorder) behind() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checker.Behind()
}

// line is a short account of the run so far.
func (r *recorder) line() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	c := r.checker.Counts()
	return fmt.Sprintf("%6.1f s: %d sent, %d acked, %d delivered, last Ack %.1f s ago, %d violations",
		now.Seconds(), c.Messages, c.Acked, c.Deliveries, (now - r.lastAck).Seconds(), r.checker.Found())
}
