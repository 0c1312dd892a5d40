package owner

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/cluster"
)

// sim is a cluster without NATS, goroutines and clock: real lanes and simulated gateways,
// whose every step is chosen by a random number. A step is one message that arrives, one node
// that hears of one other, one client's wish. So it meets the orders of events that a
// real cluster meets once in a month, thousands of them in a second.
type sim struct {
	*testing.T
	rng      *rand.Rand
	now      time.Time
	routers  []*simRouter
	gateways []*simGateway
	flows    []*flow // with packets
	byName   map[flowName]*flow
	check    *simCheck
	links    map[string]simInbox // who listens, by subject
	serial   uint64              // of nodes
	kills    bool
	hasty    bool // nodes come and go without waiting for each other
	falls    bool // gateways' loops fail, and begin again
	handler  func(*Lane) Handler
}

// Every sender has one flow to each subject: as in NATS, its messages keep their order, and
// those of different flows do not.
type flowName struct {
	from    uint64
	subject string
}

func (n flowName) compare(m flowName) int {
	return cmp.Or(cmp.Compare(n.from, m.from), cmp.Compare(n.subject, m.subject))
}

type flow struct {
	flowName
	packets []packet
}

type packet struct {
	refuse string
	data   []byte
}

// simInbox is who takes the messages of a subject.
type simInbox interface {
	take(subject string, data []byte)
}

const (
	simKeys  = 6
	simLanes = 2
	simLoops = 2
)

func newSim(t *testing.T, seed uint64) *sim {
	s := newSimOf(t, seed)
	s.handler = func(l *Lane) Handler { return newSimHandler(s, l) }
	s.begin()
	return s
}

func newSimOf(t *testing.T, seed uint64) *sim {
	s := &sim{
		T: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0),
		byName: make(map[flowName]*flow), links: make(map[string]simInbox),
	}
	s.check = newSimCheck(s)
	return s
}

// begin lets the first nodes come.
func (s *sim) begin() {
	for range 2 + s.rng.IntN(2) {
		s.gateways = append(s.gateways, newSimGateway(s))
	}
	for range 1 + s.rng.IntN(3) {
		r := newSimRouter(s)
		r.become(cluster.Active)
	}
}

func (s *sim) newID() uint64 { s.serial++; return s.serial }

func simKey(i int) string { return fmt.Sprintf("key.%d", i) }

// send is how lanes and loops send.
func (s *sim) send(from uint64) func(subject, refuse string, b []byte) error {
	return func(subject, refuse string, b []byte) error {
		name := flowName{from, strings.Clone(subject)}
		f := s.byName[name]
		if f == nil {
			f = &flow{flowName: name}
			s.byName[name] = f
		}
		if len(f.packets) == 0 {
			// Sorted: a lane sends in the order of its maps.
			i, _ := slices.BinarySearchFunc(s.flows, name, func(f *flow, n flowName) int { return f.compare(n) })
			s.flows = slices.Insert(s.flows, i, f)
		}
		f.packets = append(f.packets, packet{strings.Clone(refuse), slices.Clone(b)})
		return nil
	}
}

// deliver lets one message arrive.
func (s *sim) deliver() bool {
	if len(s.flows) == 0 {
		return false
	}
	i := s.rng.IntN(len(s.flows))
	f := s.flows[i]
	p := f.packets[0]
	if f.packets = f.packets[1:]; len(f.packets) == 0 {
		s.flows = slices.Delete(s.flows, i, i+1)
	}
	if at, ok := s.links[f.subject]; ok {
		at.take(f.subject, p.data)
	} else if p.refuse != "" { // as the NATS server answers where nobody listens
		_ = s.send(0)(p.refuse, "", nil)
	} else if i := strings.Index(f.subject, "refuse."); i >= 0 {
		// rt.refuse.<node>.<lane>.<link>.<seq>: its taker is found without the last two
		j := strings.LastIndexByte(f.subject, '.')
		j = strings.LastIndexByte(f.subject[:j], '.')
		if at, ok := s.links[f.subject[:j]]; ok {
			at.take(f.subject, nil)
		}
	}
	return true
}

// refusal is what the NATS server sends.
func refusal(subject string) *nats.Msg {
	return &nats.Msg{Subject: subject, Header: nats.Header{"Status": {"503"}}}
}

// views is what a node that has heard this of the routers goes by.
func (s *sim) views(heard map[*simRouter]cluster.State) *cluster.Views {
	gateways := &cluster.View{Role: cluster.RoleGateway, Version: 1}
	for _, g := range s.gateways {
		gateways.Active = append(gateways.Active, g.node)
	}
	v := &cluster.View{Role: cluster.RoleRouter}
	for _, r := range s.routers {
		n := r.self
		switch n.State = heard[r]; n.State {
		case cluster.Active:
			v.Active = append(v.Active, n)
		case cluster.Leaving:
			v.Leaving = append(v.Leaving, n)
		}
	}
	if len(v.Active)+len(v.Leaving) > 0 { // nodes are in the order of their IDs
		h := fnv.New64()
		fmt.Fprintln(h, v.Active, v.Leaving)
		v.Version = h.Sum64()
	}
	return &cluster.Views{Gateways: gateways, Routers: v, Presences: &cluster.View{Role: cluster.RolePresence}}
}

// gone is the state of a node that has ended.
const gone = cluster.Leaving + 1

// hear lets a node learn of one step in another's life. It reports whether there was any.
func (s *sim) hear(heard map[*simRouter]cluster.State, self *simRouter) bool {
	for _, i := range s.rng.Perm(len(s.routers)) {
		r := s.routers[i]
		if r != self && heard[r] < r.self.State {
			if heard[r]++; r.dead { // nobody says what it did last
				heard[r] = gone
			}
			return true
		}
	}
	return false
}

// step does one thing of what can be done. busy is false when there was nothing left but
// to let time pass.
func (s *sim) step() (busy bool) {
	switch n := s.rng.IntN(100); {
	case n < 60:
		return s.deliver()
	case n < 75:
		g := s.gateways[s.rng.IntN(len(s.gateways))]
		return g.loops[s.rng.IntN(simLoops)].turn()
	case n < 85:
		r := s.routers[s.rng.IntN(len(s.routers))]
		return r.follow(s.rng.IntN(simLanes))
	case n < 95:
		if s.rng.IntN(2) == 0 {
			return s.gateways[s.rng.IntN(len(s.gateways))].hear()
		}
		return s.routers[s.rng.IntN(len(s.routers))].hear()
	default:
		r := s.routers[s.rng.IntN(len(s.routers))]
		return r.flush(s.rng.IntN(simLanes))
	}
}

// simTick is how much time passes at a time.
const simTick = 5 * time.Millisecond

// tick lets time pass.
func (s *sim) tick() {
	s.now = s.now.Add(simTick)
	for _, r := range s.routers {
		r.tick()
	}
	for _, g := range s.gateways {
		g.tick()
	}
}

// stuckAfter is by when the owners must have settled that are left alone.
const stuckAfter = HoldMax + waitMax

// settle goes on until nothing is left to do.
func (s *sim) settle() {
	s.Helper()
	for began := s.now; ; s.tick() {
		s.exhaust()
		if s.settled() {
			return
		}
		if waits := s.now.Sub(began); waits > stuckAfter+requestTime || waits > stuckAfter && !s.allOpen() {
			s.Fatalf("stuck: %s", s.describe())
		}
	}
}

// exhaust does all that can be done without time passing.
func (s *sim) exhaust() {
	for idle := 0; idle < 300; {
		if s.step() {
			idle = 0
		} else {
			idle++
		}
	}
}

// allOpen reports whether no owner waits for anybody.
func (s *sim) allOpen() bool {
	for _, r := range s.routers {
		if r.self.State != gone && !r.all(func(l *Lane) bool { return l.settled() && l.waiting.len() == 0 }) {
			return false
		}
	}
	return true
}

func (s *sim) settled() bool {
	for _, r := range s.routers {
		if !r.quiet() {
			return false
		}
	}
	for _, g := range s.gateways {
		if !g.quiet() {
			return false
		}
	}
	return len(s.flows) == 0
}

func (s *sim) describe() string {
	var b strings.Builder
	for _, r := range s.routers {
		if r.self.State == gone {
			continue
		}
		for i, l := range r.lanes {
			fmt.Fprintf(&b, "\n%s lane %d: state %v view %x open %t released %t tidy %t waiting %d missing %v, %d views to follow",
				r.self.Ref, l.index, r.self.State, l.views.current.Version, l.views.open, l.views.released, l.views.tidy,
				l.waiting.len(), l.missing(), len(r.events[i]))
			for _, g := range l.gateways {
				if held := g.ends.out.Held(); held > 0 {
					fmt.Fprintf(&b, ", holds %d bytes for %s", held, g.Ref)
				}
			}
			for _, p := range l.peers {
				if !p.quiet() {
					fmt.Fprintf(&b, ", not quiet with %s, listed %t", p.ref, p.listed())
				}
			}
		}
	}
	for _, g := range s.gateways {
		for _, l := range g.loops {
			fmt.Fprintf(&b, "\n%s loop %d: view %x, %d ops, links empty %t", g.node.Ref, l.index, l.view.Version, len(l.ops), l.linksEmpty())
		}
	}
	fmt.Fprintf(&b, "\n%d flows", len(s.flows))
	return b.String()
}
