package owner

import (
	"strconv"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/cluster"
)

// live is the clients' life, and the routers'.
func (s *sim) live(steps int) {
	for range steps {
		switch n := s.rng.IntN(1000); {
		case n < 40:
			if s.check.wishes < 200 {
				s.anyLoop().publish(simKey(s.rng.IntN(simKeys)))
			}
		case n < 50:
			s.anyLoop().toggle(simKey(s.rng.IntN(simKeys)))
		case n < 53:
			s.change()
		case n < 58:
			s.tick()
		case n == 999 && s.falls:
			s.anyLoop().fall()
		default:
			s.step()
		}
	}
}

func (s *sim) anyLoop() *simLoop {
	return s.gateways[s.rng.IntN(len(s.gateways))].loops[s.rng.IntN(simLoops)]
}

// change lets a router come, leave, or die.
func (s *sim) change() {
	var active []*simRouter
	calm := true
	for _, r := range s.routers {
		if r.self.State == cluster.Active {
			active = append(active, r)
		}
		calm = calm && (r.self.State == gone || r.self.State == cluster.Active && r.settled())
	}
	if !calm && !s.hasty {
		return
	}
	switch {
	case len(active) < 2 || len(active) < 5 && s.rng.IntN(2) == 0:
		newSimRouter(s).become(cluster.Active)
	case s.kills && s.rng.IntN(2) == 0:
		r := active[s.rng.IntN(len(active))]
		r.dead = true
		r.end()
	default: // as Node.Run does: not in the middle of a change
		if r := active[s.rng.IntN(len(active))]; r.all((*Lane).settled) {
			r.become(cluster.Leaving)
		}
	}
}

// probe lets everybody publish to everything, and waits for what comes of it.
func (s *sim) probe() {
	s.Helper()
	s.check.fresh()
	for _, g := range s.gateways {
		for _, l := range g.loops {
			for k := range simKeys {
				l.publish(simKey(k))
			}
		}
	}
	s.settle()
	s.check.complete()
	if s.check.denied > 0 {
		s.Fatalf("%d publishes refused although all was settled", s.check.denied)
	}
}

// run lives, settles and judges.
func (s *sim) run(steps int) {
	s.Helper()
	s.settle()
	s.live(steps)
	s.settle()
	if !s.kills && !s.hasty {
		s.check.complete()
		s.check.smooth()
	}
	if !s.hasty {
		s.check.interest()
	}
	s.probe() // tells the owners whom they keep in vain
	s.check.interest()
}

const (
	simSeeds = 40
	simSteps = 10_000
)

// seeds runs a simulation many times, each time another.
func seeds(t *testing.T, run func(*testing.T, uint64)) {
	for seed := range uint64(simSeeds) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { run(t, seed) })
	}
}

// Routers that come and leave one after the other lose, double, reorder and refuse nothing.
func TestChangesInGoodOrder(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		newSim(t, seed).run(simSteps)
	})
}

// Routers that come and leave all at once may refuse, and nothing else.
func TestChangesInHaste(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := newSim(t, seed)
		s.hasty = true
		s.run(simSteps)
	})
}

// Routers that die may lose what is under way, and neither double nor reorder it, nor
// forget who wants what.
func TestDeaths(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := newSim(t, seed)
		s.kills = true
		s.run(simSteps)
	})
}

// A gateway's loop that fails and begins again loses what was under way to and from its own clients. Nobody else's messages are
// lost, doubled or reordered, and no owner keeps what it had told.
func TestLoopsBeginAgain(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := newSim(t, seed)
		s.falls = true
		s.run(simSteps)
		if s.check.fallen == 0 {
			t.Error("no loop failed")
		}
	})
}

// The same while routers die.
func TestLoopsBeginAgainInHaste(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := newSim(t, seed)
		s.falls, s.kills, s.hasty = true, true, true
		s.run(simSteps)
	})
}

// The same when all of it happens at once.
func TestDeathsInHaste(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := newSim(t, seed)
		s.kills, s.hasty = true, true
		s.run(simSteps)
	})
}

// A gateway that does not follow a view delays the others by HoldMax, and no longer. When it goes on, nothing is
// forgotten of it, and nobody keeps what is another's.
func TestGatewayThatDoesNotFollow(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := newSim(t, seed)
		s.run(simSteps / 10)
		g := s.gateways[0]
		g.stuck = true
		newSimRouter(s).become(cluster.Active)
		for began := s.now; s.now.Sub(began) < HoldMax+10*simTick; s.tick() {
			s.exhaust()
			if s.now.Equal(began) { // everybody else has heard of it
				for _, other := range s.gateways[1:] {
					for k := range simKeys {
						other.loops[0].publish(simKey(k))
					}
				}
			}
		}
		s.exhaust()
		if !s.allOpen() || s.check.wishes > 0 {
			t.Fatalf("%d publishes wait: %s", s.check.wishes, s.describe())
		}
		g.stuck = false
		s.settle()
		s.check.interest()
		s.probe()
	})
}
