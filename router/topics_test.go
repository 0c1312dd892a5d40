package router

import (
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/realtime-cluster/realtime/pkg/history/shelf"
	"github.com/realtime-cluster/realtime/pkg/hot"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

// names are what the tests subscribe to; those that are no patterns are published to.
var names = []string{
	"a", "b", "a.b", "a.c", "a.b.c", "$s.a", "a.b.d", "b.c",
	"*", ">", "a.*", "a.>", "*.b", "*.*", "a.*.c", "a.b.>", "$s.>",
}

const (
	testGateways = 4
	testLoops    = 3
)

// model is topics as simply as can be said: who wants what, and when that was last told.
type model struct {
	wants map[string]map[want]bool
	told  map[string]uint64
}

type want struct {
	gateway *owner.Gateway
	loop    uint16
}

func newModel() *model {
	return &model{wants: make(map[string]map[want]bool), told: make(map[string]uint64)}
}

func (m *model) join(name string, w want, view uint64, told bool) {
	if m.wants[name] == nil {
		m.wants[name] = make(map[want]bool)
		m.told[name] = view
	} else if told {
		m.told[name] = view
	}
	m.wants[name][w] = true
}

// drop ends the wants for which gone is true.
func (m *model) drop(gone func(name string, w want) bool) {
	for name, wants := range m.wants {
		for w := range wants {
			if gone(name, w) {
				delete(wants, w)
			}
		}
		if len(wants) == 0 {
			delete(m.wants, name)
		}
	}
}

// heard is by gateway which loops a message to a topic goes to.
func (m *model) heard(name string) map[*owner.Gateway]uint64 {
	loops := make(map[*owner.Gateway]uint64)
	for pattern, wants := range m.wants {
		if pattern != name && (!topic.IsPattern(pattern) || !topic.Match(pattern, name)) {
			continue
		}
		for w := range wants {
			loops[w.gateway] |= 1 << w.loop
		}
	}
	return loops
}

// world runs topics beside its model.
type world struct {
	*testing.T
	topics   *topics
	model    *model
	gateways [testGateways]*owner.Gateway
}

func newWorld(t *testing.T) *world {
	shelves := &shelf.Config{Metrics: shelf.NewMetrics(metric.For(nil, "router"))}
	w := &world{T: t, model: newModel(), topics: newTopics(nil, newMetrics(prometheus.NewRegistry()), shelves, new(hot.Counter))}
	for i := range w.gateways {
		w.gateways[i] = &owner.Gateway{Slot: i}
	}
	return w
}

// step does what two bytes say, to both.
func (w *world) step(what, which byte) {
	g := int(which) % testGateways
	who := want{w.gateways[g], uint16(which>>2) % testLoops}
	name := names[int(what>>3)%len(names)]
	view := uint64(which >> 4)
	switch what & 7 {
	case 0, 1:
		w.topics.join(owner.Source{Gateway: who.gateway, Loop: who.loop}, name, view, what&7 == 1)
		w.model.join(name, who, view, what&7 == 1)
	case 2, 3:
		w.topics.leave(who.gateway, name, 1<<who.loop)
		w.model.drop(func(n string, x want) bool { return n == name && x == who })
	case 4: // its slot goes to the next one
		w.topics.Forget(who.gateway)
		w.model.drop(func(_ string, x want) bool { return x.gateway == who.gateway })
		w.gateways[g] = &owner.Gateway{Slot: g}
	case 5:
		keep := func(key string, told uint64) bool { return len(key)%2 == int(which)%2 || told > view }
		w.topics.Keep(keep)
		w.model.drop(func(n string, _ want) bool { return !topic.IsPattern(n) && !keep(n, w.model.told[n]) })
	case 6:
		if which == 0 {
			w.topics.Reset()
			w.model = newModel()
		}
	default:
		w.check(name)
	}
}

// check compares where a message would go.
func (w *world) check(name string) {
	w.Helper()
	if topic.IsPattern(name) {
		return
	}
	want := w.model.heard(name)
	w.topics.gather(name)
	w.topics.fanout.Send(func(g *owner.Gateway, loops uint64) {
		if loops != want[g] || loops == 0 {
			w.Fatalf("%s: gateway %d is sent loops %b, want %b", name, g.Slot, loops, want[g])
		}
		delete(want, g)
	})
	if len(want) > 0 {
		w.Fatalf("%s: not sent to %d gateways that want it", name, len(want))
	}
}

// checkAll compares everything: what is kept, and what is counted.
func (w *world) checkAll() {
	w.Helper()
	for _, name := range names {
		w.check(name)
	}
	if got := len(w.topics.exact) + w.topics.patterns.Len(); got != len(w.model.wants) {
		w.Fatalf("%d topics and patterns are kept, want %d", got, len(w.model.wants))
	}
	if got := testutil.ToFloat64(w.topics.metrics.topics); int(got) != len(w.model.wants) {
		w.Fatalf("%v topics and patterns are counted, want %d", got, len(w.model.wants))
	}
}

func FuzzTopics(f *testing.F) {
	f.Add([]byte{0, 0, 8, 4, 7, 0, 2, 0, 4, 1, 5, 3, 6, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		w := newWorld(t)
		for ; len(script) >= 2; script = script[2:] {
			w.step(script[0], script[1])
		}
		w.checkAll()
	})
}

// Thousands of random steps leave topics and model the same.
func TestTopicsLikeTheirModel(t *testing.T) {
	for seed := range uint64(50) {
		w := newWorld(t)
		r := rand.New(rand.NewPCG(seed, 0))
		for i := range 2000 {
			w.step(byte(r.Uint32()), byte(r.Uint32()))
			if i%100 == 0 {
				w.checkAll()
			}
		}
		w.checkAll()
	}
}
