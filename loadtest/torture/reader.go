package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// kind of a reader.
type kind int

const (
	exact  kind = iota // subscribes to topics by name
	wild               // subscribes by a pattern, and is told no positions
	member             // is a member of the rooms
)

func kindOf(reader int) kind { return [...]kind{exact, member, exact, wild}[reader%4] }

// reader reads keys over one connection after another, and gets from each to the next as it pleases: it resumes its
// session, or asks for what came behind its positions.
type reader struct {
	// static
	index int
	kind  kind
	set   *settings
	sys   *system
	rec   *recorder
	keys  map[string]int // by name
	calm  <-chan struct{}

	// owned by run
	rng     *rand.Rand
	session string
	number  int // of the connection

	stay *stay // the present connection; owned by run
}

func newReader(index int, set *settings, sys *system, rec *recorder, calm <-chan struct{}) *reader {
	r := &reader{
		index: index, kind: kindOf(index), set: set, sys: sys, rec: rec, calm: calm,
		rng: rand.New(rand.NewPCG(set.seed, uint64(2000+index))), keys: make(map[string]int),
	}
	for key := range set.keys() {
		// Who subscribes by name asks for three of four topics, each reader for others.
		if set.room(key) == (r.kind == member) && (r.kind != exact || (key+index/2)%4 != 0) {
			r.keys[set.name(key)] = key
		}
	}
	return r
}

func (r *reader) user() string { return fmt.Sprintf("reader-%d", r.index) }

// run reads until ctx ends. Once calm is closed it stays with the connection that it has.
func (r *reader) run(ctx context.Context) {
	defer r.drop()
	for ctx.Err() == nil {
		s, err := r.enter(ctx)
		if err != nil {
			r.rec.count("dials that failed")
			sleep(ctx, r.set.spell(r.rng, 50*time.Millisecond, 500*time.Millisecond))
			continue
		}
		r.stay = s
		s.live(ctx, r.set.spell(r.rng, 300*time.Millisecond, 12*time.Second))
		r.leave(ctx)
	}
}

// enter opens a connection in the place of the one before, which may still be open: then it is taken over.
func (r *reader) enter(ctx context.Context) (*stay, error) {
	s := newStay(r)
	opts := client.Options{Welcome: s.welcome, Gap: s.gap}
	if r.kind == member {
		opts.Room = s.room
	} else {
		opts.Deliver = s.deliver
	}
	if r.session != "" && r.rng.IntN(5) < 3 {
		opts.Session = r.session
		s.old = r.stay
	} else {
		r.drop()
	}
	conn, err := r.sys.dial(ctx, r.rng, r.user(), opts)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	r.session = conn.Welcome().SessionID
	return s, nil
}

// leave ends a connection in one of several ways, or leaves it open, to be taken over.
func (r *reader) leave(ctx context.Context) {
	select {
	case <-r.stay.conn.Done():
		r.rec.count("connections of readers that broke")
		r.drop()
		return
	default:
	}
	switch n := r.rng.IntN(10); {
	case ctx.Err() != nil:
	case n < 3:
		r.rec.count("connections that readers closed")
		_ = r.stay.conn.Close()
		r.drop()
		sleep(ctx, r.set.spell(r.rng, 0, 3*time.Second))
	case n < 7:
		r.rec.count("connections that readers cut off")
		r.drop()
		sleep(ctx, r.set.spell(r.rng, 0, 3*time.Second))
	}
}

// drop forgets the connection, if there is one.
func (r *reader) drop() {
	if r.stay != nil {
		r.stay.over.Store(true)
		r.stay.conn.Abort()
		r.stay = nil
	}
}

// stay is one connection of a reader.
type stay struct {
	*reader
	number int
	conn   *client.Client
	old    *stay         // the connection that it takes over, if that is still open
	drag   time.Duration // what it takes over each message
	stuck  int           // messages until it reads nothing for a while
	over   atomic.Bool   // it waits no more

	// owned by the read goroutine
	again   chan []string // topics that are to be asked for, again
	missing []string      // topics that the welcome did not bring
}

func newStay(r *reader) *stay {
	r.number++
	s := &stay{reader: r, number: r.number, again: make(chan []string, 8), stuck: -1}
	if closed(r.calm) {
		return s
	}
	switch n := r.rng.IntN(12); {
	case r.set.brisk:
	case n == 0:
		s.drag = between(r.rng, time.Millisecond, 10*time.Millisecond)
	case n == 1:
		s.stuck = r.rng.IntN(500)
	}
	return s
}

// live stays for a while, or until the connection ends; when all is calm, to the end.
func (s *stay) live(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	leave, calm := timer.C, s.calm
	s.subscribe(s.missing)
	var retry <-chan time.Time
	turn := time.After(s.set.spell(s.rng, time.Second, 10*time.Second))
	var due []string
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.conn.Done():
			return
		case topics := <-s.again:
			due = append(due, topics...)
			retry = time.After(300 * time.Millisecond)
		case <-retry:
			topics := due
			due, retry = nil, nil
			s.subscribe(topics)
		case <-turn:
			topic, ok := s.pause(ctx)
			if !ok {
				s.conn.Abort() // nobody knows whether it goes on
				return
			}
			if topic != "" && !slices.Contains(due, topic) {
				due = append(due, topic)
				retry = time.After(s.set.spell(s.rng, 0, time.Second))
			}
			turn = time.After(s.set.spell(s.rng, time.Second, 10*time.Second))
		case <-calm:
			calm = nil
			leave = nil
			turn = nil
		case <-leave:
			if !closed(s.calm) {
				return
			}
			leave = nil
		}
	}
}

// wait is what a slow reader takes over a message.
func (s *stay) wait() {
	if s.stuck--; s.stuck == 0 {
		s.rec.count("readers that stood still for 4 s")
		s.nap(4 * time.Second)
	}
	if s.drag > 0 {
		s.nap(s.drag)
	}
}

func (s *stay) nap(d time.Duration) {
	if closed(s.calm) || s.over.Load() {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.calm:
	}
}
