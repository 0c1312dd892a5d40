package owner

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Gateway is what a lane knows of one gateway. It is owned by the lane.
type Gateway struct {
	Ref cluster.Ref

	// Slot is a small number that no other gateway of this lane has, used again after
	// Forget: an index for a Handler's tables.
	Slot int

	listed  bool // in the current view; until then only heard of
	ends    ends
	courses []course // per loop
}

// tidy reports whether nothing that the loops told is by another view than this one.
func (g *Gateway) tidy(view uint64) bool {
	for i := range g.courses {
		if c := &g.courses[i]; c.told || c.at() != view && (g.listed || c.n > 0) {
			return false
		}
	}
	return true
}

// peer is what a lane knows of another owner.
type peer struct {
	ref     cluster.Ref
	node    cluster.Node
	outs    []*link.Out // to each of its lanes
	ends    ends
	courses []course // per lane
}

// listed reports whether it has been in a view; until then it is only heard of.
func (p *peer) listed() bool { return p.node.Role != "" }

// ends is the receiving end of the links from each lane of another node.
type ends struct {
	ins       []link.In
	heard     time.Time // when the last batch came
	owed      time.Time // since when an acknowledgement is owed; zero: none is
	out       *link.Out // what acknowledgements can travel with; nil for peers
	suspected time.Time // when the lane last told that the node is not there
}

func newEnds(lanes int, now time.Time) ends { return ends{ins: make([]link.In, lanes), heard: now} }

// allAt reports whether every one of some courses is at a view.
func allAt(courses []course, view uint64) bool {
	for i := range courses {
		if courses[i].at() != view {
			return false
		}
	}
	return true
}

// gateway finds or begins what the lane knows of a gateway. Its batches may come before
// its first heartbeat.
func (l *Lane) gateway(ref cluster.Ref, lanes int) *Gateway {
	if g := l.gateways[ref]; g != nil {
		return g
	}
	lanes = max(lanes, 1)
	g := &Gateway{Ref: ref, ends: newEnds(lanes, l.now), courses: make([]course, lanes)}
	g.ends.out = l.newOut(ref, wire.Down(ref.ID, l.index%lanes), downBound)
	for g.Slot < len(l.slots) && l.slots[g.Slot] != nil {
		g.Slot++
	}
	if g.Slot == len(l.slots) {
		l.slots = append(l.slots, nil)
	}
	l.slots[g.Slot] = g
	l.gateways[ref] = g
	return g
}

func (l *Lane) addPeer(n cluster.Node) *peer {
	lanes := max(n.Lanes, 1)
	p := &peer{ref: n.Ref, node: n, ends: newEnds(lanes, l.now), courses: make([]course, lanes)}
	for i := range lanes {
		p.outs = append(p.outs, l.newOut(n.Ref, wire.Peer(n.ID, i), peerBound))
	}
	l.peers[n.Ref] = p
	return p
}
