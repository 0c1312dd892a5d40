package owner

import (
	"strings"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// tellers is what the Telling handlers of a sim have in common.
type tellers struct {
	sim   *sim
	lost  map[string]bool // keys of which nobody who lives knows the count
	ahead int             // how many records came to who was not the owner yet
}

// simTeller is a simHandler that counts what is published to each key. What it knows of a key it
// tells the owner of another, the key's partner; and whichever of both is new is told by the other, or by its
// predecessor.
type simTeller struct {
	*simHandler
	all    *tellers
	counts map[string]uint64 // of keys
	copies map[string]uint64 // of keys whose partner is owned here
	views  map[string]uint64 // the view by which a key was last told
}

// newTellingSim makes a sim whose owners tell each other.
func newTellingSim(s *sim) *tellers {
	all := &tellers{sim: s, lost: make(map[string]bool)}
	s.handler = func(l *Lane) Handler {
		t := &simTeller{simHandler: newSimHandler(s, l), all: all}
		t.clear()
		return t
	}
	s.begin()
	return all
}

func (t *simTeller) clear() {
	t.counts, t.copies, t.views = make(map[string]uint64), make(map[string]uint64), make(map[string]uint64)
}

// partner is who keeps a copy of a key's count; and of whose count the key keeps one.
func partner(key string) string {
	for i := range simKeys {
		if simKey(i) == key {
			return simKey(i ^ 1)
		}
	}
	return ""
}

// pass tells the owner of a key a count: its own, or its partner's.
func (t *simTeller) pass(key, of string, count uint64) {
	t.lane.Tell(key, func(b []byte) []byte {
		return wire.AppendMember(b, &wire.Member{Key: key, Other: of, Version: count})
	})
}

func (t *simTeller) Apply(from Source, rec wire.Record) {
	t.simHandler.Apply(from, rec)
	var p wire.Publish
	if rec.Kind != wire.KindPublish || p.Decode(rec.Body) != nil {
		return
	}
	key := strings.Clone(p.Topic)
	t.counts[key]++
	t.verify(key)
	t.pass(partner(key), key, t.counts[key])
}

// verify checks that the owner of a key knows all that was published to it.
func (t *simTeller) verify(key string) {
	if got, want := t.counts[key], uint64(len(t.sim.check.order[key])); got != want && !t.all.lost[key] {
		t.sim.Fatalf("%s lane %d has counted %d of %s, want %d", t.lane.self, t.lane.index, got, key, want)
	}
}

func (t *simTeller) Peer(view uint64, rec wire.Record) {
	var m wire.Member
	if m.Decode(rec.Body) != nil {
		t.sim.Fatal("a record that cannot be read")
	}
	if !t.lane.Owns(m.Key) {
		if !t.lane.FromLater() {
			return
		}
		t.all.ahead++
	}
	into := t.counts
	if m.Key != m.Other {
		into = t.copies
	}
	of := strings.Clone(m.Other)
	into[of] = max(into[of], m.Version)
	t.views[strings.Clone(m.Key)] = view
}

func (t *simTeller) Moved() {
	for _, known := range []map[string]uint64{t.counts, t.copies} {
		for of, count := range known {
			for _, key := range []string{of, partner(of)} {
				if t.lane.Moved(key) {
					t.pass(key, of, count)
				}
			}
		}
	}
}

func (t *simTeller) Opened() {
	for i := range simKeys {
		if key := simKey(i); t.lane.Owns(key) {
			t.verify(key)
		}
	}
}

func (t *simTeller) Keep(keep func(key string, view uint64) bool) {
	t.simHandler.Keep(keep)
	for of := range t.counts {
		if !keep(of, t.views[of]) {
			delete(t.counts, of)
		}
	}
	for of := range t.copies {
		if key := partner(of); !keep(key, t.views[key]) {
			delete(t.copies, of)
		}
	}
}

func (t *simTeller) Reset() {
	t.simHandler.Reset()
	t.clear()
}

func (*simTeller) Settled() bool                     { return true }
func (*simTeller) Undelivered(*Gateway, wire.Record) {}
func (*simTeller) Tick()                             {}

// verify checks, once all is quiet, that both owners know of each key.
func (a *tellers) verify() {
	a.sim.Helper()
	for _, r := range a.sim.routers {
		if r.self.State != cluster.Active {
			continue
		}
		for _, l := range r.lanes {
			t := l.handler.(*simTeller)
			for i := range simKeys {
				key := simKey(i)
				if l.Owns(key) {
					t.verify(key)
				}
				want := uint64(len(a.sim.check.order[key]))
				if l.Owns(partner(key)) && t.copies[key] != want && !a.lost[key] {
					a.sim.Fatalf("%s lane %d has a copy that says %d of %s, want %d", l.self, l.index, t.copies[key], key, want)
				}
			}
		}
	}
}

// depose lets all others declare a router dead that lives: it begins a new life, of which all hear.
func (a *tellers) depose(r *simRouter) {
	v := r.lanes[0].views.current
	owns := func(key string) bool { return v.Active[v.Owner(cluster.Hash(key))].Ref == r.self.Ref }
	for i := range simKeys {
		key := simKey(i)
		a.lost[key] = owns(key) && owns(partner(key))
	}
	r.self.Inc++
	for _, other := range a.sim.routers {
		other.post()
	}
	for _, g := range a.sim.gateways {
		g.post()
	}
}
