package presence

import (
	"math"
	"time"

	"github.com/realtime-cluster/realtime/pkg/limit"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// lingerTime is how long a gateway that a user has left keeps a share, without a demand: who goes to and fro
	// among gateways does not begin anew each time.
	lingerTime = 5 * time.Second
	// demandTime is how long a demand that a gateway told counts.
	demandTime = 3 * time.Second
	// retellTime is after how long a gateway that reports is told its share again.
	retellTime = time.Second
	// notableShare is by how much a share has to differ for all to be told anew.
	notableShare = 0.02
)

// sharing is how the budget of a user who is on several gateways is divided among them. It is pure: no clock, no
// I/O.
type sharing struct {
	gates []gate
}

// gate is one gateway that a user is on, or was on a moment ago.
type gate struct {
	gateway *owner.Gateway
	loops   uint64    // on which the user is, or was: bit by loop
	left    time.Time // when the user left it; zero: it has not
	demand  float64   // of the user's whole budget, what it would send here
	heard   time.Time // when that was told; zero: it was not
	share   float64   // what it was told last
	told    time.Time // when
	asks    bool      // it has reported since
}

// scattered reports whether a user is on more than one gateway.
func (u *user) scattered() bool {
	for i := 1; i < len(u.spots); i++ {
		if u.spots[i].gateway != u.spots[0].gateway {
			return true
		}
	}
	return false
}

// follow brings the gateways up to date with where the user is, and reports whether any has to be told.
func (s *sharing) follow(spots []spot, now time.Time) (changed bool) {
	for i := range s.gates {
		g := &s.gates[i]
		var loops uint64
		for _, at := range spots {
			if at.gateway == g.gateway {
				loops |= 1 << at.loop
			}
		}
		if loops == 0 {
			if g.left.IsZero() {
				g.left, g.demand, changed = now, 0, true
			}
			continue
		}
		changed = changed || !g.left.IsZero() || loops&^g.loops != 0
		g.left, g.loops = time.Time{}, loops
	}
	for _, at := range spots {
		if s.find(at.gateway) == nil {
			s.gates = append(s.gates, gate{gateway: at.gateway})
			changed = true
		}
		s.find(at.gateway).loops |= 1 << at.loop
	}
	return changed
}

func (s *sharing) find(g *owner.Gateway) *gate {
	for i := range s.gates {
		if s.gates[i].gateway == g {
			return &s.gates[i]
		}
	}
	return nil
}

// drop forgets a gateway that is gone.
func (s *sharing) drop(g *owner.Gateway) bool {
	for i := range s.gates {
		if s.gates[i].gateway == g {
			s.gates = append(s.gates[:i], s.gates[i+1:]...)
			return true
		}
	}
	return false
}

// hear takes what a gateway demands.
func (s *sharing) hear(from *owner.Gateway, demand float64, now time.Time) bool {
	g := s.find(from)
	if g == nil || !g.left.IsZero() {
		return false
	}
	g.demand, g.heard, g.asks = demand, now, true
	return true
}

// settle divides the budget anew, and has those told whom it concerns: where a share differs notably, or with all, each of
// them. It reports whether there is nothing to divide any more.
func (s *sharing) settle(now time.Time, all bool, tell func(g *gate, share float64, gateways int)) (over bool) {
	var sum float64
	for i := 0; i < len(s.gates); {
		g := &s.gates[i]
		if !g.left.IsZero() && now.Sub(g.left) >= lingerTime {
			tell(g, 1, 1) // its budget is its own again, should the user come back
			s.gates = append(s.gates[:i], s.gates[i+1:]...)
			all = true
			continue
		}
		if now.Sub(g.heard) > demandTime {
			g.demand = 0
		}
		sum += g.demand
		i++
	}
	n := len(s.gates)
	for i := range s.gates {
		g := &s.gates[i]
		all = all || math.Abs(limit.Share(g.demand, sum, n)-g.share) > notableShare
	}
	for i := range s.gates {
		g := &s.gates[i]
		if all { // or none: what they were told adds up
			g.share = limit.Share(g.demand, sum, n)
		}
		if all || g.asks && now.Sub(g.told) >= retellTime {
			g.told, g.asks = now, false
			tell(g, g.share, n)
		}
	}
	return n <= 1 && (n == 0 || s.gates[0].left.IsZero())
}

// idle reports whether nothing changes by time.
func (s *sharing) idle() bool {
	for i := range s.gates {
		if g := &s.gates[i]; !g.left.IsZero() || g.demand > 0 || g.asks {
			return false
		}
	}
	return true
}

// spread follows where a user is, for the shares of its budget.
func (r *registry) spread(u *user) {
	s := r.sharings[u.key]
	if s == nil {
		if !u.scattered() {
			return
		}
		s = &sharing{}
		r.sharings[u.key] = s
	}
	if s.follow(u.spots, r.lane.Now()) && r.lane.Owns(u.key) {
		r.settleShares(u.key, s, true)
	}
}

// settleShares has the gateways told what is each one's share of a user's budget. key is the user's.
func (r *registry) settleShares(key string, s *sharing, all bool) {
	if !r.lane.Owns(key) {
		delete(r.sharings, key)
		delete(r.unsettled, key)
		return
	}
	over := s.settle(r.lane.Now(), all, func(g *gate, share float64, gateways int) {
		if r.lane.Alive(g.gateway) {
			r.lane.End(g.gateway, wire.AppendShare(r.lane.Begin(g.gateway), &wire.Share{
				Loops: g.loops, Key: key, Share: uint32(share * wire.WholeShare), Gateways: uint16(min(gateways, math.MaxUint16)),
				Unknown: gateways > 1 && g.left.IsZero() && g.heard.IsZero(),
			}))
		}
	})
	switch {
	case over:
		delete(r.sharings, key)
		delete(r.unsettled, key)
	case s.idle():
		delete(r.unsettled, key)
	default:
		r.unsettled[key] = s
	}
}

// demanded takes what a user would send by way of a gateway.
func (r *registry) demanded(from owner.Source, d *wire.Demand) {
	s := r.sharings[d.Key]
	switch {
	case s != nil && s.hear(from.Gateway, float64(d.Demand)/wire.WholeShare, r.lane.Now()):
		r.unsettled[string([]byte(d.Key))] = s
	case s == nil && r.lane.Alive(from.Gateway): // it is not, or no longer, on several
		r.lane.End(from.Gateway, wire.AppendShare(r.lane.Begin(from.Gateway), &wire.Share{
			Loops: 1 << from.Loop, Key: d.Key, Share: wire.WholeShare, Gateways: 1,
		}))
	}
}

// tickShares settles what has changed since the last time.
func (r *registry) tickShares() {
	for key, s := range r.unsettled {
		var spots []spot
		if u := r.users[key]; u != nil {
			spots = u.spots
		}
		r.settleShares(key, s, s.follow(spots, r.lane.Now()))
	}
}

// forgetShares drops a gateway that is gone.
func (r *registry) forgetShares(g *owner.Gateway) {
	for key, s := range r.sharings {
		if s.drop(g) {
			r.settleShares(key, s, true)
		}
	}
}

// openShares has all told by whom their users are owned now, and forgets those whom others own.
func (r *registry) openShares() {
	for key, s := range r.sharings {
		r.settleShares(key, s, true)
	}
}
