// Package ownertest drives the Handlers of pkg/owner step by step: the lanes of some nodes, the loops of some
// gateways, and a network between them that loses nothing, on one goroutine and without NATS.
package ownertest

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Net is a cluster of one role's nodes and of gateways. It is owned by one goroutine.
type Net struct {
	tb   testing.TB
	role cluster.Role
	now  time.Time

	nodes    []*node
	gateways []*Gateway
	views    *cluster.Views
	versions uint64
	under    []packet // way, in order
}

// packet is a batch on its way.
type packet struct {
	subject string
	batch   []byte
}

// node is one node and its lanes.
type node struct {
	cluster.Node
	lanes []*owner.Detached
}

// New makes a Net of a role, with nobody in it.
func New(tb testing.TB, role cluster.Role) *Net {
	n := &Net{tb: tb, role: role, now: time.UnixMilli(1_763_856_000_000)}
	n.views = &cluster.Views{
		Gateways: &cluster.View{Role: cluster.RoleGateway}, Routers: &cluster.View{Role: cluster.RoleRouter},
		Presences: &cluster.View{Role: cluster.RolePresence},
	}
	return n
}

// Now is the time.
func (n *Net) Now() time.Time { return n.now }

// AddNode adds a node. It is in the view from the next View on.
func (n *Net) AddNode(id uint64, lanes int, handler func(*owner.Lane) owner.Handler) {
	x := &node{Node: cluster.Node{Ref: cluster.Ref{ID: id}, Role: n.role, Lanes: lanes, State: cluster.Active}}
	for i := range lanes {
		x.lanes = append(x.lanes, owner.Detach(owner.Config{
			Handler: handler, Log: zap.NewNop(), Registerer: prometheus.NewRegistry(),
		}, x.Node, i, n.send))
	}
	n.nodes = append(n.nodes, x)
}

// AddGateway adds a gateway. It is in the view from the next View on.
func (n *Net) AddGateway(id uint64, loops int) *Gateway {
	g := &Gateway{
		net: n, Node: cluster.Node{Ref: cluster.Ref{ID: id}, Role: cluster.RoleGateway, Lanes: loops, State: cluster.Active},
		outs: make(map[end]*link.Out), ins: make(map[cluster.Ref][]link.In), view: &cluster.View{Role: n.role},
	}
	n.gateways = append(n.gateways, g)
	return g
}

// Kill takes a gateway away, with all that is on its way there. Others know from the next View on.
func (n *Net) Kill(g *Gateway) {
	g.dead = true
	n.gateways = slices.DeleteFunc(n.gateways, func(x *Gateway) bool { return x == g })
}

// KillNode takes a node away, with all that is on its way there. Others know from the next View on.
func (n *Net) KillNode(id uint64) {
	n.nodes = slices.DeleteFunc(n.nodes, func(x *node) bool { return x.ID == id })
}

// View has everyone learn who is there. Gateways that find a key's owner changed are to tell it: Moved is
// called for each loop before it says that it goes by the view.
func (n *Net) View() {
	n.versions++
	gateways := &cluster.View{Role: cluster.RoleGateway, Version: n.versions}
	for _, g := range n.gateways {
		gateways.Active = append(gateways.Active, g.Node)
	}
	owners := &cluster.View{Role: n.role, Version: n.views.Of(n.role).Version}
	for _, x := range n.nodes {
		owners.Active = append(owners.Active, x.Node)
	}
	byID := func(a, b cluster.Node) int { return int(a.ID) - int(b.ID) }
	slices.SortFunc(gateways.Active, byID)
	slices.SortFunc(owners.Active, byID)
	if !slices.Equal(owners.Active, n.views.Of(n.role).Active) {
		owners.Version = n.versions
	}
	views := *n.views
	views.Gateways = gateways
	switch n.role {
	case cluster.RoleRouter:
		views.Routers = owners
	case cluster.RolePresence:
		views.Presences = owners
	}
	n.views = &views
	for _, x := range n.nodes {
		for _, l := range x.lanes {
			l.Adopt(n.now, n.views)
		}
	}
	for _, g := range n.gateways {
		g.adopt(owners)
	}
}

// send takes a batch from whoever sends it.
func (n *Net) send(subject, _ string, batch []byte) error {
	n.under = append(n.under, packet{subject, slices.Clone(batch)})
	return nil
}

// Deliver brings everything that is on its way where it goes, and what that causes, and has the lanes deal with
// the results that Lane.Do brought.
func (n *Net) Deliver() {
	for again := true; again; {
		for len(n.under) > 0 {
			p := n.under[0]
			n.under = n.under[1:]
			n.arrive(p)
		}
		again = false
		for _, x := range n.nodes {
			for _, l := range x.lanes {
				for l.Call(n.now) {
					again = true
				}
			}
		}
		again = again || len(n.under) > 0
	}
}

// DeliverSome brings up to count batches where they go, and leaves the rest on its way.
func (n *Net) DeliverSome(count int) {
	for ; count > 0 && len(n.under) > 0; count-- {
		p := n.under[0]
		n.under = n.under[1:]
		n.arrive(p)
	}
}

func (n *Net) arrive(p packet) {
	for _, x := range n.nodes {
		for i, l := range x.lanes {
			switch p.subject {
			case wire.Up(x.ID, i):
				l.Receive(n.now, p.batch, wire.DirUp)
				return
			case wire.Peer(x.ID, i):
				l.Receive(n.now, p.batch, wire.DirPeer)
				return
			}
		}
	}
	for _, g := range n.gateways {
		for i := range g.Lanes {
			if p.subject == wire.Down(g.ID, i) {
				g.take(p.batch)
				return
			}
		}
	}
}

// Step is how much time goes by between two ticks of a lane: each is one of its Handler, too.
const Step = 200 * time.Millisecond

// Pass lets time go by, a Step at a time, and brings everything where it goes.
func (n *Net) Pass(d time.Duration) {
	for n.Deliver(); d > 0; d -= Step {
		n.now = n.now.Add(Step)
		for _, x := range n.nodes {
			for _, l := range x.lanes {
				l.Tick(n.now)
			}
		}
		n.Deliver()
	}
}

// String names a lane in what a test says.
func (l Lane) String() string { return l.Node.String() + "." + strconv.Itoa(l.Index) }
