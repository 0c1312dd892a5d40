package history

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// simPlan is what a simulation is about.
type simPlan struct {
	name   string
	rule   Rule
	window time.Duration
	idle   time.Duration // the longest time for which nobody publishes
	pause  time.Duration // the longest time for which an owner stands still
	expire bool          // entries live as long as the rule says
	refuse bool          // the store is full now and then
}

// sim is one key with its chain, several who own it or believe so, writers and gateways, and a clock of its own. Everything
// takes a random time, or fails.
type sim struct {
	*testing.T
	*simPlan
	rng     *rand.Rand
	now     time.Time
	events  events
	serial  int
	chain   chain
	history []simLink // all that was ever in the chain
	index   map[string]int
	owners  []*simOwner
	writers []*simWriter
	subs    []*simSub
	calm    bool // nothing fails any more

	acked, repeated, refused, unknown, flagged, epochs int
}

type simLink struct {
	link
	seq uint64
	at  time.Time
}

type event struct {
	at     time.Time
	serial int
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, k int) bool {
	return e[i].at.Before(e[k].at) || e[i].at.Equal(e[k].at) && e[i].serial < e[k].serial
}
func (e events) Swap(i, k int) { e[i], e[k] = e[k], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (s *sim) after(d time.Duration, do func()) {
	s.serial++
	heap.Push(&s.events, event{s.now.Add(d), s.serial, do})
}

// every repeats something for as long as it returns true.
func (s *sim) every(d time.Duration, do func() bool) {
	s.after(d, func() {
		if do() {
			s.every(d, do)
		}
	})
}

func (s *sim) run(d time.Duration) {
	end := s.now.Add(d)
	for len(s.events) > 0 && !s.events[0].at.After(end) && !s.Failed() {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
	}
	s.now = end
}

// span is a random time, mostly short.
func (s *sim) span(most time.Duration) time.Duration {
	f := s.rng.Float64()
	return time.Duration(f * f * f * float64(most))
}

// chance is one that comes true only while things may fail.
func (s *sim) chance(p float64) bool { return !s.calm && s.rng.Float64() < p }

// write lets an entry be written, or not, or later, and answered, or not.
func (s *sim) write(after uint64, data []byte, answer func(uint64, error)) {
	arrive := func() (uint64, error) {
		seq, err := s.chain.add(after, data, s.now)
		if err == nil {
			s.note(seq, data)
		}
		return seq, err
	}
	away := func(d time.Duration) { s.after(d, func() { answer(0, ErrUnavailable) }) }
	const timeout = 2 * time.Second
	switch {
	case s.refuse && s.chance(0.02):
		s.after(s.span(timeout), func() { answer(0, ErrRefused) })
	case s.chance(0.03): // lost
		away(timeout)
	case s.chance(0.04): // takes place, but nobody hears of it
		s.after(s.span(timeout), func() { arrive() })
		away(timeout)
	case s.chance(0.04): // takes place when it was given up
		s.after(timeout+s.span(10*time.Second), func() { arrive() })
		away(timeout)
	case s.chance(0.03): // the connection is lost with it on its way
		s.after(s.span(8*time.Second), func() { arrive() })
		away(s.span(100 * time.Millisecond))
	default:
		s.after(s.span(100*time.Millisecond), func() {
			seq, err := arrive()
			s.after(s.span(200*time.Millisecond), func() { answer(seq, err) })
		})
	}
}

// read looks up the last entry, then reads from a replica that may be behind, then answers.
func (s *sim) read(after uint64, fresh bool, answer func(Tail, error)) {
	since := s.now.Add(-s.window - 10*time.Second)
	s.after(s.span(100*time.Millisecond), func() {
		last := s.chain.last()
		s.after(s.span(100*time.Millisecond), func() {
			replica := s.chain
			if s.chance(0.2) {
				replica.entries = replica.entries[:s.rng.IntN(len(replica.entries)+1)]
			}
			t := replica.tail(after, fresh, since)
			t.Last = last
			if last == 0 {
				t.Entries = nil
			}
			var err error
			if s.chance(0.08) {
				t, err = Tail{}, ErrUnavailable
			}
			s.after(s.span(300*time.Millisecond), func() { answer(t, err) })
		})
	})
}

// note notes what came into the chain, and checks what has to hold of it.
func (s *sim) note(seq uint64, data []byte) {
	added := (&chain{entries: []Stored{{Seq: seq, Data: data}}}).links()
	for _, l := range added {
		if n := len(s.history); n > 0 {
			switch top := s.history[n-1]; {
			case l.Epoch == top.Epoch && l.Offset != top.Offset+1:
				s.Errorf("I1: %d follows %d in the chain", l.Offset, top.Offset)
			case l.Epoch != top.Epoch && l.Offset != 1:
				s.Errorf("I1: a numbering begins with %d", l.Offset)
			case l.Epoch != top.Epoch && !s.expire:
				s.Errorf("another numbering, and nothing has expired")
			case l.Epoch != top.Epoch:
				s.epochs++
				if slices.ContainsFunc(s.history, func(o simLink) bool { return o.Epoch == l.Epoch }) {
					s.Errorf("numbering %v comes back", l.Epoch)
				}
			}
		}
		if i, twice := s.index[l.MessageID]; twice {
			o := s.history[i]
			s.Errorf("I3: %s is stored at %v and, %v later, at %v", l.MessageID, o.Position, s.now.Sub(o.at), l.Position)
		}
		s.index[l.MessageID] = len(s.history)
		s.history = append(s.history, simLink{l, seq, s.now})
	}
}

// find returns where in the history a publication is.
func (s *sim) find(id string, at Position) bool {
	i, ok := s.index[id]
	return ok && s.history[i].Position == at
}

// stored is the part of the history that is in the chain.
func (s *sim) stored() []simLink {
	i := len(s.history)
	for i > 0 && len(s.chain.entries) > 0 && s.history[i-1].seq >= s.chain.entries[0].Seq {
		i--
	}
	return s.history[i:]
}

func (s *sim) owner() *simOwner {
	if len(s.owners) == 0 {
		return nil
	}
	if s.chance(0.2) {
		return s.owners[s.rng.IntN(len(s.owners))]
	}
	return s.owners[len(s.owners)-1]
}

func simulate(t *testing.T, p *simPlan, seed uint64) *sim {
	s := &sim{T: t, simPlan: p, rng: rand.New(rand.NewPCG(seed, 4)), now: modelNow, index: map[string]int{}}
	s.appoint()
	for i := range 4 {
		w := &simWriter{sim: s, name: fmt.Sprintf("w%d", i)}
		s.writers = append(s.writers, w)
		w.next()
	}
	for i := range 3 {
		sub := &simSub{sim: s, name: i}
		s.subs = append(s.subs, sub)
		sub.rejoin()
	}
	s.every(time.Second, func() bool {
		if p.expire {
			s.chain.expire(s.now.Add(-p.rule.Age))
		}
		return true
	})
	s.every(time.Second, func() bool {
		s.upheaval()
		return true
	})
	s.run(3*time.Minute + 3*p.idle)
	s.calm = true
	s.appoint()
	s.run(2*p.idle + p.pause + time.Minute)
	s.finish()
	return s
}

// finish checks what has to hold in the end.
func (s *sim) finish() {
	if s.Failed() {
		return
	}
	for _, w := range s.writers {
		if !w.done {
			s.Errorf("%s still waits for %s", w.name, w.id)
		}
	}
	for _, sub := range s.subs {
		sub.finish()
	}
}

func TestSimulation(t *testing.T) {
	day := 24 * time.Hour
	plans := []*simPlan{
		{name: "all is kept", rule: Rule{Size: 100_000, Age: day}, window: 2 * time.Minute, pause: 15 * time.Second},
		{name: "full stores", rule: Rule{Size: 100_000, Age: day}, window: 2 * time.Minute, pause: 15 * time.Second, refuse: true},
		{name: "few are kept", rule: Rule{Size: 20, Age: day}, window: time.Minute, pause: 15 * time.Second},
		{name: "short lives", rule: Rule{Size: 1000, Age: 90 * time.Second}, window: time.Minute,
			idle: 4 * time.Minute, pause: 4 * time.Minute, expire: true},
	}
	seeds := uint64(100)
	if testing.Short() || underRace {
		seeds = 10
	}
	for _, p := range plans {
		t.Run(p.name, func(t *testing.T) {
			var sum sim
			stored := 0
			for seed := range seeds {
				s := simulate(t, p, seed)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
				stored += len(s.history)
				sum.acked += s.acked
				sum.repeated += s.repeated
				sum.refused += s.refused
				sum.unknown += s.unknown
				sum.flagged += s.flagged
				sum.epochs += s.epochs
			}
			t.Logf("%d runs: %d stored, %d acked, %d as duplicates, %d refused, %d unknown, %d new numberings, %d gaps told",
				seeds, stored, sum.acked, sum.repeated, sum.refused, sum.unknown, sum.epochs, sum.flagged)
		})
	}
}
