//go:build linux

package main

import (
	"bytes"
	"container/heap"
	"errors"
	"math"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// conn is one connection of a worker, whatever sockets it had. It is small, as there are many.
type conn struct {
	due     int64 // when the handshake was to begin, and since when it is away
	socket  int32
	wait    int32 // reconnect_after_ms, if told
	target  int16
	tries   uint8 // handshakes in a row that came to nothing
	stage   connStage
	isTold  bool
	drained bool // its target is the one that ends
	known   bool // it was there before, and has a session
}

type connStage uint8

const (
	unopened connStage = iota
	opening
	there
	lost // it comes back, or not
)

func (c *conn) told(ms int) { c.wait, c.isTold = int32(min(ms, math.MaxInt32)), true }

// maxTries is how often in a row a handshake may come to nothing but an orderly "not now".
const maxTries = 10

// ramp is the opening of connections.
type ramp struct {
	upto  int // local number
	next  int
	rate  float64 // of this worker; 0: as fast as they are admitted
	begin int64
	phase float64
	base  int // next at the begin
}

func (w *worker) newRamp(o order) *ramp {
	r := &ramp{upto: w.mine(o.Upto), begin: w.clock.now(), rate: o.Rate / float64(w.set.Workers)}
	for r.next < len(w.conns) && w.conns[r.next].stage != unopened {
		r.next++
	}
	r.base = r.next
	if r.rate > 0 {
		r.phase = float64(w.set.Index) / float64(w.set.Workers)
	}
	return r
}

// open opens what is due, and says when the next is.
func (w *worker) open(now int64) (next int64, err error) {
	r := w.ramp
	if r == nil {
		return math.MaxInt64, nil
	}
	for r.next < r.upto {
		due := now
		if r.rate > 0 {
			due = r.begin + int64((float64(r.next-r.base)+r.phase)/r.rate*float64(time.Second))
		}
		if due > now {
			return due, nil
		}
		if w.swarm.Greeting() >= w.set.Handshakes {
			return math.MaxInt64, nil // an answer wakes Poll
		}
		w.conns[r.next].target = int16((r.next + w.set.Index) % len(w.set.Targets))
		w.conns[r.next].due = due
		if err := w.begin(r.next); err != nil {
			return 0, err
		}
		r.next++
	}
	if w.swarm.Greeting() > 0 || len(w.again.list) > 0 {
		return math.MaxInt64, nil
	}
	w.ramp = nil
	return math.MaxInt64, w.answer(answer{})
}

// begin begins the handshake of a connection.
func (w *worker) begin(local int) error {
	c := &w.conns[local]
	n := w.number(local)
	user := w.names.user(n)
	token, err := client.Token(w.set.Secret, user, w.set.TokenLife, map[string]any{"session_id": user})
	if err != nil {
		return err
	}
	restored, rest := w.names.greeting(w.set.Kinds, n, w.set.Own)
	g := swarm.Greeting{Token: token, Path: w.set.Paths[c.target], Messages: append(restored, rest...)}
	if c.known {
		g.Session = user
	}
	w.counts.Opened++
	c.stage, c.isTold = opening, false
	socket, err := w.swarm.Open(w.set.Targets[c.target], g)
	for len(w.locals) <= socket {
		w.locals = append(w.locals, -1)
	}
	w.locals[socket], c.socket = int32(local), int32(socket)
	if err != nil {
		w.counts.Refused[reason(err)]++
		w.retry(local, w.backoff(c))
	}
	return nil
}

// welcomed is the swarm's callback.
func (w *worker) welcomed(socket int, text []byte) error {
	local := int(w.locals[socket])
	c := &w.conns[local]
	w.counts.Welcomed++
	if !c.known {
		w.hists.add(histWelcome, time.Duration(w.clock.now()-c.due))
		return nil
	}
	if !bytes.Contains(text, []byte(`"resumed":true`)) {
		w.counts.Unresumed++
		w.rec.away(local)
		return nil
	}
	if w.set.History {
		w.rec.resume(local)
	}
	restored, _ := w.names.greeting(w.set.Kinds, w.number(local), w.set.Own)
	w.swarm.Skip(socket, len(restored))
	if c.drained {
		w.counts.Drain.Resumed++
	}
	return nil
}

// ready is the swarm's callback.
func (w *worker) ready(socket int) error {
	c := &w.conns[w.locals[socket]]
	w.counts.Ready++
	away := time.Duration(w.clock.now() - c.due)
	if c.known {
		w.hists.add(histAway, away)
	} else {
		w.hists.add(histGreeted, away)
	}
	if c.drained {
		c.drained = false
		w.counts.Drain.Back++
	}
	c.stage, c.known, c.tries = there, true, 0
	return nil
}

// closed is the swarm's callback.
func (w *worker) closed(socket int, why error) error {
	local := int(w.locals[socket])
	c := &w.conns[local]
	name := reason(why)
	if c.stage != there {
		w.counts.Refused[name]++
		wait := w.backoff(c)
		if e := new(swarm.RefusedError); errors.As(why, &e) && e.RetryAfter > 0 {
			wait, c.tries = time.Duration(e.RetryAfter)*time.Second, 0
		}
		w.retry(local, wait)
		return nil
	}
	w.counts.Closed[name]++
	w.counts.Ready--
	if !w.set.History {
		w.rec.away(local)
	}
	if c.drained {
		if name == "1012" {
			w.counts.Drain.Restarts++
		} else {
			w.counts.Drain.Otherwise++
		}
	}
	c.due = w.clock.now()
	if !w.set.Reconnect && !c.drained {
		c.stage = lost
		return nil
	}
	wait := w.backoff(c)
	if c.isTold {
		wait = time.Duration(c.wait) * time.Millisecond
	}
	w.retry(local, wait)
	return nil
}

// backoff is how long a connection waits that nobody told how long.
func (w *worker) backoff(c *conn) time.Duration {
	c.tries++
	return time.Duration(float64(int64(100)<<min(c.tries, 6))*(0.5+w.rng.Float64())) * time.Millisecond
}

// retry opens a connection again, later; not to a target that ends.
func (w *worker) retry(local int, wait time.Duration) {
	c := &w.conns[local]
	c.stage = lost
	if c.tries > maxTries {
		w.counts.Failed++
		return
	}
	if n := len(w.set.Targets); n > 1 && (c.known || c.tries > 0) {
		c.target = int16((int(c.target) + 1 + w.rng.IntN(n-1)) % n)
		if int(c.target) == w.target {
			c.target = int16((int(c.target) + 1) % n)
		}
	}
	w.again.add(local, w.clock.now()+int64(wait))
}

// reopen opens again what is due, and says when the next is.
func (w *worker) reopen(now int64) (next int64, err error) {
	for len(w.again.list) > 0 {
		if due := w.again.list[0].due; due > now {
			return due, nil
		}
		if w.swarm.Greeting() >= w.set.Handshakes {
			break
		}
		if err := w.begin(w.again.take()); err != nil {
			return 0, err
		}
	}
	return math.MaxInt64, nil
}

// waitlist is connections that are opened again, the earliest first.
type waitlist struct{ list []waiting }

type waiting struct {
	due   int64
	local int
}

func (l *waitlist) add(local int, due int64) {
	heap.Push(l, waiting{due, local})
}

func (l *waitlist) take() int { return heap.Pop(l).(waiting).local }

func (l *waitlist) Len() int           { return len(l.list) }
func (l *waitlist) Less(i, j int) bool { return l.list[i].due < l.list[j].due }
func (l *waitlist) Swap(i, j int)      { l.list[i], l.list[j] = l.list[j], l.list[i] }
func (l *waitlist) Push(x any)         { l.list = append(l.list, x.(waiting)) }
func (l *waitlist) Pop() any {
	last := l.list[len(l.list)-1]
	l.list = l.list[:len(l.list)-1]
	return last
}
