package cluster

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestRandomClusters lets nodes come, go, crash, pause and lose their links, on a network
// that loses, delays and reorders beats, and lets them suspect each other, rightly or not;
// then gives them quiet, after which every node's views must be the truth, and no suspicion
// costs a life. At last one crashes and is suspected, which all must have noticed in little
// more than SuspectAfter.
func TestRandomClusters(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		w := newWorld(uint64(seed))
		for range 4 + w.rnd.IntN(6) {
			w.join()
		}
		w.run(60*second, true)
		w.run(10*second, false)
		w.settled = true
		w.run(10*second, false)
		if err := w.check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		w.crash()
		w.run(1600*time.Millisecond, false)
		if err := w.check(); err != nil {
			t.Fatalf("seed %d, a crash: %v", seed, err)
		}
	}
}

// world is a simulation of nodes, their network and its time.
type world struct {
	rnd    *rand.Rand
	now    time.Time
	nodes  []*simNode
	events eventHeap
	seq    int
	nextID uint64

	wild    bool
	settled bool // nobody dies who is not dead
}

type simNode struct {
	m       *Members
	dead    bool
	up      bool      // the link, now
	lost    bool      // it went since the last look
	stopped time.Time // until then nothing is handled
	ready   bool
	views   *Views
	inc     uint32
}

type event struct {
	at  time.Time
	seq int // keeps the order of what happens at once
	do  func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	return h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

func newWorld(seed uint64) *world {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 1)), now: start}
	w.after(second, w.suspect)
	return w
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{w.now.Add(d), w.seq, do})
}

// between draws a duration.
func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rnd.Int64N(int64(b-a)))
}

func (w *world) run(d time.Duration, wild bool) {
	end := w.now.Add(d)
	w.wild = wild
	if wild {
		w.after(w.between(0, 2*second), w.fault)
	}
	for len(w.events) > 0 && !w.events[0].at.After(end) {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

func (w *world) join() {
	w.nextID++
	role := Roles[w.rnd.IntN(len(Roles))]
	n := &simNode{m: newMembers(Node{Ref: Ref{ID: w.nextID}, Role: role, Lanes: 2}, second, 3*second, second), up: true}
	n.views = emptyViews()
	w.nodes = append(w.nodes, n)
	w.after(w.between(0, second), func() { w.tick(n) })
}

func (w *world) tick(n *simNode) {
	w.handle(n, func() Effects {
		if n.lost || !n.up { // as Member.checkLink does
			w.apply(n, n.m.LinkDown(w.now))
		}
		if n.lost = false; n.up {
			w.apply(n, n.m.LinkUp(w.now))
		}
		return n.m.Tick(w.now)
	})
	if !n.dead {
		w.after(n.m.tickEvery()+w.between(0, 5*time.Millisecond), func() { w.tick(n) })
	}
}

// handle gives the node an input now, or when it is no longer stopped.
func (w *world) handle(n *simNode, input func() Effects) {
	switch {
	case n.dead:
	case n.stopped.After(w.now):
		w.after(n.stopped.Sub(w.now)+w.between(0, time.Millisecond), func() { w.handle(n, input) })
	default:
		w.apply(n, input())
	}
}

func (w *world) apply(n *simNode, e Effects) {
	if e.Deposed != (n.m.Self().Inc != n.inc) {
		panic("incarnation changed without Deposed, or the reverse")
	}
	n.inc = n.m.Self().Inc
	for _, c := range e.Changes {
		if w.settled && (c.Why == Died || c.Why == DiedSuspected) && !w.find(c.Node.ID).dead {
			panic(fmt.Sprintf("%v %s, and is alive", c.Node.Ref, c.Why))
		}
	}
	if e.Views != nil {
		if *e.Views == *n.views {
			panic("views told though nothing changed")
		}
		n.views = e.Views
	}
	if e.Beat != nil {
		if n.up {
			w.publish(*e.Beat)
		}
	}
	if e.Ready {
		n.ready = true
		w.after(w.between(0, second), func() {
			w.handle(n, func() Effects { return n.m.Activate(w.now) })
		})
	}
}

func (w *world) publish(b Beat) {
	for _, to := range w.nodes {
		d := w.between(0, 5*time.Millisecond)
		if w.wild {
			if to.m.Self().ID != b.ID && w.rnd.IntN(100) < 20 {
				continue
			}
			d = w.between(0, 300*time.Millisecond)
		}
		w.after(d, func() {
			if to.up {
				w.handle(to, func() Effects { return to.m.Beat(w.now, b) })
			}
		})
	}
}

func (w *world) fault() {
	if !w.wild {
		return
	}
	w.after(w.between(0, 4*second), w.fault)
	n := w.nodes[w.rnd.IntN(len(w.nodes))]
	if n.dead {
		w.join()
		return
	}
	switch w.rnd.IntN(6) {
	case 0:
		w.join()
	case 1: // crash
		n.dead = true
	case 2: // clean end
		if n.up && !n.stopped.After(w.now) {
			w.publish(n.m.Gone())
			n.dead = true
		}
	case 3:
		n.stopped = w.now.Add(w.between(0, 8*second))
	case 4:
		w.handle(n, func() Effects { return n.m.Leave(w.now) })
	case 5:
		n.up, n.lost = false, true
		w.after(w.between(0, 8*second), func() { n.up = true })
	}
}

// suspect lets some node find nobody where some other should be.
func (w *world) suspect() {
	w.after(w.between(0, second), w.suspect)
	by, of := w.nodes[w.rnd.IntN(len(w.nodes))], w.nodes[w.rnd.IntN(len(w.nodes))]
	w.accuse(by, of)
}

func (w *world) accuse(by, of *simNode) {
	w.handle(by, func() Effects { return by.m.Suspect(w.now, []Ref{of.m.Self().Ref}) })
}

// crash ends one of several, as another soon notices.
func (w *world) crash() {
	var alive []*simNode
	for _, n := range w.nodes {
		if !n.dead {
			alive = append(alive, n)
		}
	}
	if len(alive) < 2 {
		return
	}
	alive[0].dead = true
	w.after(10*time.Millisecond, func() { w.accuse(alive[1], alive[0]) })
}

func (w *world) find(id uint64) *simNode { return w.nodes[id-1] }

// check compares everyone's views with the truth.
func (w *world) check() error {
	alive := map[Role][]Node{}
	for _, n := range w.nodes {
		if n.dead {
			continue
		}
		if !n.ready {
			return fmt.Errorf("node %v never got ready", n.m.Self().Ref)
		}
		alive[n.m.Self().Role] = append(alive[n.m.Self().Role], n.m.Self())
	}
	for _, r := range Roles {
		want := newView(r, alive[r])
		for _, n := range w.nodes {
			if got := n.views.Of(r); !n.dead && (!got.equal(want) || got.Version != want.Version) {
				return fmt.Errorf("node %v sees %s %v %v, want %v %v", n.m.Self().Ref, r,
					refs(got.Active), refs(got.Leaving), refs(want.Active), refs(want.Leaving))
			}
		}
	}
	return nil
}
