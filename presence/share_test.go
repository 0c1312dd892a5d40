package presence

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// shareAt is what a gateway was told of a user: by the user's key.
type shareAt struct {
	gateway uint64
	key     string
}

// Demands shift at random among gateways that a user comes to and leaves. What the gateways have been told never adds up to more
// than the budget, and soon is what the demands call for.
func TestSharesAddUp(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var s sharing
		all := make([]*owner.Gateway, 2+r.IntN(6))
		for i := range all {
			all[i] = &owner.Gateway{}
		}
		told := make(map[*owner.Gateway]float64)
		demand := make(map[*owner.Gateway]float64)
		now := time.Unix(1000, 0)
		calm := 0 // ticks since anything changed
		for range 400 {
			changed := false
			if r.IntN(20) == 0 {
				calm = 0
				var spots []spot
				for _, g := range all {
					if r.IntN(3) > 0 {
						spots = append(spots, spot{place: place{gateway: g, loop: uint16(r.IntN(4))}, count: 1})
						demand[g] = []float64{0, 0.1, 0.5, 1, 4}[r.IntN(5)]
					}
				}
				changed = s.follow(spots, now)
			}
			for g, d := range demand {
				s.hear(g, d*(0.96+0.08*r.Float64()), now)
			}
			if r.IntN(50) == 0 {
				calm = 0
				gone := all[r.IntN(len(all))]
				changed = s.drop(gone) || changed
				delete(told, gone)
			}
			left := make(map[*owner.Gateway]bool)
			s.settle(now, changed, func(g *gate, share float64, gateways int) {
				told[g.gateway] = share
				if now.Sub(g.left) >= lingerTime && !g.left.IsZero() {
					left[g.gateway] = true
				}
			})
			for g := range left {
				delete(told, g)
				calm = 0
			}
			sum := 0.0
			for _, share := range told {
				sum += share
			}
			if sum > 1+1e-9 {
				t.Fatalf("seed %d: %v add up to %v", seed, told, sum)
			}
			if calm++; calm > 2 && len(s.gates) > 0 {
				if sum < 1-0.1*float64(len(s.gates)) {
					t.Fatalf("seed %d: only %v of the budget is given out: %v", seed, sum, told)
				}
				checkShares(t, &s, told)
			}
			now = now.Add(250 * time.Millisecond)
		}
	}
}

// checkShares holds what gateways have been told against what they demand.
func checkShares(t *testing.T, s *sharing, told map[*owner.Gateway]float64) {
	t.Helper()
	var sum float64
	for _, g := range s.gates {
		sum += g.demand
	}
	for _, g := range s.gates {
		share := told[g.gateway]
		if want := g.demand; sum <= 0.95 && share < want-notableShare {
			t.Fatalf("there is enough, and %v is given where %v is demanded", share, want)
		}
		if sum > 0.95 && math.Abs(share-(0.95*g.demand/sum+0.05/float64(len(s.gates)))) > notableShare {
			t.Fatalf("%v is given where %v of %v is demanded", share, g.demand, sum)
		}
	}
}

// The owner of a user who comes to a second gateway tells both their shares, before the second connection begins; then it follows what they
// report, also as a new owner.
func TestSharesAreTold(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 1)), Config{RoomGrace: time.Second, MaxRooms: 10, MaxRoomMembers: 10})
	first := w.addNode(2)
	a, b := w.addGateway(1), w.addGateway(2)
	w.net.View()
	w.settle()
	key := wire.UserKey("alice")
	share := func(gateway uint64) wire.Share { return w.shares[shareAt{gateway, key}] }
	is := func(what string, gateways uint16, atA, atB float64) {
		t.Helper()
		for gateway, want := range map[uint64]float64{a.ID: atA, b.ID: atB} {
			if s := share(gateway); s.Gateways != gateways || math.Abs(float64(s.Share)/wire.WholeShare-want) > 1e-5 {
				t.Errorf("%s: gateway %d was told %+v, want %v among %d", what, gateway, s, want, gateways)
			}
		}
	}
	report := func(l *testLoop, demand float64) {
		l.send(key, func(b []byte) []byte {
			return wire.AppendDemand(b, &wire.Demand{Key: key, Demand: uint32(demand * wire.WholeShare)})
		})
	}
	reports := func(atA, atB float64) {
		report(w.loops[0], atA)
		report(w.loops[2], atB)
		w.pass(time.Second)
	}

	w.loops[0].connect("alice")
	w.settle()
	if len(w.shares) != 0 {
		t.Errorf("on one gateway: %v", w.shares)
	}
	second := w.loops[2].connect("alice")
	w.settle()
	is("on two gateways", 2, 0.5, 0.5)
	if s := share(b.ID); s.Loops != 2 || !s.Unknown {
		t.Errorf("told %+v", s)
	}
	reports(0.6, 0.1)
	is("enough for both", 2, 0.75, 0.25)
	reports(1.8, 0.2)
	is("too much", 2, 0.95*0.9+0.025, 0.95*0.1+0.025)

	w.pass(demandTime)
	is("nothing is heard", 2, 0.5, 0.5)
	reports(1.8, 0.2)
	is("heard again", 2, 0.95*0.9+0.025, 0.95*0.1+0.025)

	w.addNode(2)
	w.net.View()
	w.settle()
	w.killNode(first)
	w.pass(time.Second)
	is("a new owner", 2, 0.5, 0.5)
	if !share(a.ID).Unknown {
		t.Errorf("the new owner told %+v", share(a.ID))
	}
	reports(1.8, 0.2)
	is("told by the gateways", 2, 0.95*0.9+0.025, 0.95*0.1+0.025)

	w.loops[2].disconnect(second)
	report(w.loops[0], 1.8)
	w.pass(time.Second)
	is("gone from one", 2, 0.975, 0.025)
	w.pass(lingerTime)
	is("gone for long", 1, 1, 1)
	report(w.loops[0], 1.8)
	w.pass(time.Second)
	is("as before", 1, 1, 1)

	w.loops[2].connect("alice")
	w.settle()
	is("again on two", 2, 0.5, 0.5)
	w.killGateway(a)
	w.pass(time.Second)
	if s := share(b.ID); s.Gateways != 1 || s.Share != wire.WholeShare {
		t.Errorf("alone: %+v", s)
	}
}
