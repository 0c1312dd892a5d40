package owner

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// interestModel is an Interest as simply as can be said.
type interestModel map[*Gateway]map[uint16]bool

func (m interestModel) add(g *Gateway, loop uint16) bool {
	if m[g] == nil {
		m[g] = make(map[uint16]bool)
	}
	had := m[g][loop]
	m[g][loop] = true
	return !had
}

func (m interestModel) remove(g *Gateway, loops uint64) {
	for loop := range m[g] {
		if loops>>loop&1 != 0 {
			delete(m[g], loop)
		}
	}
	if len(m[g]) == 0 {
		delete(m, g)
	}
}

// loops is whom a message goes to, a bit for each loop.
func (m interestModel) loops(into map[*Gateway]uint64) {
	for g, loops := range m {
		for loop := range loops {
			into[g] |= 1 << loop
		}
	}
}

// Interests and a Fanout do what their models do, through thousands of random steps.
func TestInterestLikeItsModel(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var gateways []*Gateway
		for _, slot := range rng.Perm(7) { // of which some are the fan-out's highest yet
			gateways = append(gateways, &Gateway{Slot: slot})
		}
		var interests [4]Interest
		var models [4]interestModel
		for i := range models {
			models[i] = make(interestModel)
		}
		var fanout Fanout
		for range 2000 {
			at := rng.IntN(len(interests))
			i, m := &interests[at], models[at]
			g, loop := gateways[rng.IntN(len(gateways))], uint16(rng.IntN(64))
			switch rng.IntN(8) {
			case 0, 1, 2:
				if got, want := i.Add(g, loop), m.add(g, loop); got != want {
					t.Fatalf("seed %d: Add says %t, want %t", seed, got, want)
				}
			case 3, 4:
				i.Remove(g, 1<<loop)
				m.remove(g, 1<<loop)
			case 5:
				loops := rng.Uint64()
				i.Remove(g, loops)
				m.remove(g, loops)
			case 6:
				i.Remove(g, AllLoops)
				m.remove(g, AllLoops)
			default:
				checkFanout(t, rng, &fanout, &interests, &models, gateways)
			}
			if i.Empty() != (len(m) == 0) {
				t.Fatalf("seed %d: Empty says %t of %v", seed, i.Empty(), m)
			}
		}
	}
}

// checkFanout sends one message to some of the interests and one loop more.
func checkFanout(t *testing.T, rng *rand.Rand, f *Fanout, interests *[4]Interest, models *[4]interestModel, gateways []*Gateway) {
	t.Helper()
	want := make(map[*Gateway]uint64)
	for i := range interests {
		if rng.IntN(2) == 0 {
			f.Touch(&interests[i])
			models[i].loops(want)
		}
	}
	if rng.IntN(2) == 0 {
		g, loop := gateways[rng.IntN(len(gateways))], rng.IntN(64)
		f.TouchLoops(g, 1<<loop)
		want[g] |= 1 << loop
	}
	if f.Len() != len(want) {
		t.Fatalf("%d gateways are touched, want %d", f.Len(), len(want))
	}
	got := make(map[*Gateway]uint64)
	f.Send(func(g *Gateway, loops uint64) {
		if _, twice := got[g]; twice {
			t.Fatalf("gateway %d is sent to twice", g.Slot)
		}
		got[g] = loops
	})
	if !maps.Equal(got, want) {
		t.Fatalf("sent to %v, want %v", got, want)
	}
	if f.Len() != 0 {
		t.Fatalf("%d gateways are touched after Send", f.Len())
	}
}

// A loop that is added twice and removed once is out.
func TestInterestIsNoCount(t *testing.T) {
	var i Interest
	g := &Gateway{}
	if !i.Add(g, 3) || i.Add(g, 3) {
		t.Fatal("only the first Add is new")
	}
	if i.Remove(g, 1<<3); !i.Empty() {
		t.Fatal("somebody is left")
	}
	i.Remove(g, AllLoops) // nobody there: nothing happens
	i.Add(g, 63)
	if i.Remove(g, 1<<62); i.Empty() {
		t.Fatal("the wrong loop was removed")
	}
}

// To gather and send to who was there before takes no memory.
func TestFanoutAllocatesNothing(t *testing.T) {
	var i Interest
	for slot := range 20 {
		i.Add(&Gateway{Slot: slot}, uint16(slot))
	}
	var f Fanout
	var sent int
	send := func(*Gateway, uint64) { sent++ }
	if n := testing.AllocsPerRun(100, func() { f.Touch(&i); f.Send(send) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	if sent == 0 {
		t.Fatal("nothing was sent")
	}
}
