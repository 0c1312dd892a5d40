package gateway

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/topic"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

var (
	worldTopics = []string{"a", "b", "a.x", "a.y", "b.x", "a.x.z"}
	worldSubs   = []string{"a", "b", "a.x", "a.y", "b.x", "a.x.z", "a.*", ">", "a.>", "*.x", "*.*.z"}
)

func isPattern(name string) bool { return topic.IsPattern(name) }

// FuzzSubscriptions drives a loop's subscriptions as clients, owners and views might, and
// holds it against what its clients and owners were told.
func FuzzSubscriptions(f *testing.F) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, seed))
		b := make([]byte, 600)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(playSubscriptions)
}

func playSubscriptions(t *testing.T, script []byte) {
	w := newWorld(t)
	next := func(n int) int {
		if len(script) == 0 {
			return 0
		}
		b := script[0]
		script = script[1:]
		return int(b) % n
	}
	for len(script) > 0 {
		w.step(next)
		w.collect()
		w.check()
	}
	for w.busy() {
		w.answer(next)
		w.collect()
	}
	w.check()
	w.settled()
}

func (w *world) step(next func(int) int) {
	at := next(len(w.clients))
	c := w.clients[at]
	switch what := next(16); {
	case c == nil:
		w.open(at)
	case what == 0:
		w.end(at)
	case what < 5:
		w.ask(c, "Subscribe", w.some(next))
	case what < 8:
		w.ask(c, "Unsubscribe", w.some(next))
	case what < 13:
		w.answer(next)
	case what == 13:
		w.deliver(worldTopics[next(len(worldTopics))])
	default:
		w.change(next)
	}
}

func (w *world) some(next func(int) int) (list []string) {
	for range 1 + next(3) {
		list = append(list, worldSubs[next(len(worldSubs))])
	}
	return list
}

// change gives the loop another view: a router comes, leaves, or goes.
func (w *world) change(next func(int) int) {
	switch what := next(4); {
	case what == 0 && len(w.active)+len(w.leaving) < 5:
		w.addRouter()
		return
	case what == 1 && len(w.active) > 0:
		i := next(len(w.active))
		w.leaving = append(w.leaving, w.active[i])
		w.active = slices.Delete(w.active, i, i+1)
	case what == 2 && len(w.leaving) > 0:
		w.leaving = w.leaving[1:]
	case len(w.active) > 0:
		w.active = slices.Delete(w.active, 0, 1) // dead
	}
	w.adopt()
}

// answer lets some owner deal with a record.
func (w *world) answer(next func(int) int) {
	var busy []uint64
	for id, o := range w.owners {
		if len(o.queue) > 0 {
			busy = append(busy, id)
		}
	}
	if len(busy) > 0 {
		slices.Sort(busy)
		w.handle(busy[next(len(busy))], next(8) == 1)
	}
}

func (w *world) busy() bool {
	for _, o := range w.owners {
		if len(o.queue) > 0 {
			return true
		}
	}
	return false
}

// deliver checks who gets a message: whoever is subscribed gets it once, and nobody else.
func (w *world) deliver(name string) {
	w.collect()
	w.l.source = nil
	w.l.deliver(&wire.Deliver{Topic: name, Frame: delivered, SentAt: 1})
	for i, c := range w.clients {
		if c == nil {
			continue
		}
		must, may := false, false
		for _, sub := range worldSubs {
			if !topic.Match(sub, name) {
				continue
			}
			must = must || c.subs[sub] && c.fences[sub] == 0
			may = may || c.subs[sub] || c.joins[sub] > 0
		}
		if n := len(w.takeFrames(c)); n > 1 || must && n == 0 || !may && n == 1 {
			w.t.Fatalf("client %d with %v got %d of a message to %q", i, c.subs, n, name)
		}
	}
	w.forget()
}

// check holds the two ends of every subscription, the entries, and what owners know
// against each other.
func (w *world) check() {
	l := w.l
	total, patterns := 0, 0
	for name, e := range l.entries {
		total += len(e.subs)
		if len(e.subs) == 0 && e.pending == 0 {
			w.t.Fatalf("entry %q is of no use", name)
		}
		if got, _ := l.patterns.Get(name); e.pattern != (got == e) {
			w.t.Fatalf("entry %q is missing among the patterns", name)
		}
		if e.pattern {
			patterns++
		}
		for i, s := range e.subs {
			c := l.conns.at(s.slot)
			if c.state != stateOpen || c.subs[s.at] != (subscription{entry: e, at: uint32(i)}) {
				w.t.Fatalf("entry %q: subscriber %d does not know of it", name, i)
			}
		}
	}
	l.conns.each(func(c *conn) { total -= len(c.subs) })
	if total != 0 || patterns != l.patterns.Len() {
		w.t.Fatalf("%d more subscribers than subscriptions, %d patterns of %d", total, patterns, l.patterns.Len())
	}
	for _, sub := range worldSubs {
		w.checkOwners(sub)
	}
}

// checkOwners: an owner knows of a topic with subscribers, and forgets one without.
func (w *world) checkOwners(sub string) {
	subscribed := slices.ContainsFunc(w.clients[:], func(c *client) bool { return c != nil && c.subs[sub] && c.fences[sub] == 0 })
	_, entry := w.l.entries[sub]
	for id, o := range w.owners {
		e := newEntry(sub)
		if len(o.queue) > 0 || !e.pattern && w.owner(e) != id {
			continue
		}
		if subscribed && !o.knows[sub] || !entry && o.knows[sub] {
			w.t.Fatalf("owner %d knows of %q: %v; subscribed: %v", id, sub, o.knows[sub], subscribed)
		}
	}
}

// settled: with everything answered, clients, owners and the loop agree.
func (w *world) settled() {
	for i, c := range w.clients {
		if c == nil {
			continue
		}
		if len(c.asked) > 0 || c.c.joins != 0 {
			w.t.Errorf("client %d: %d without a reply, %d joins", i, len(c.asked), c.c.joins)
		}
		if len(c.subs) != len(c.c.subs) {
			w.t.Errorf("client %d: thinks that it has %v, has %d", i, c.subs, len(c.c.subs))
		}
		for sub := range c.subs {
			if !subscribed(c.c, w.l.entries[sub]) {
				w.t.Errorf("client %d: lacks %q", i, sub)
			}
		}
	}
}
