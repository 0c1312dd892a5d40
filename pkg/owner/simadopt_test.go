package owner

import (
	"cmp"
	"maps"
	"slices"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// adopt follows a view as the gateway's loops do: see gateway/adopt.go.
func (l *simLoop) adopt(views *cluster.Views) {
	old := l.view
	l.view = views.Routers
	lost := make(map[*simUp]bool)
	for ref, u := range l.ups {
		if n, ok := l.view.Find(ref.ID); !ok || n.Ref != ref {
			lost[u] = true
			delete(l.ups, ref)
		}
	}
	fresh := false
	for _, list := range [][]cluster.Node{l.view.Active, l.view.Leaving} {
		for _, n := range list {
			if l.ups[n.Ref] == nil {
				l.ups[n.Ref], fresh = l.newUp(n), true
			}
			l.ups[n.Ref].node = n
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.entries)) {
		e := l.entries[key]
		if u, _ := l.owner(key); u != nil && u != e.owner {
			l.interest(wire.KindJoin, key)
		}
		e.owner, _ = l.owner(key)
	}
	if fresh || old.Version != l.view.Version {
		for _, u := range l.ups {
			for _, o := range u.outs {
				o.End(wire.AppendMark(o.Begin(l.view.Version, l.sim.now), wire.KindSynced, wire.Mark{View: l.view.Version}), l.sim.now)
			}
		}
	}
	l.recover(old, lost)
}

func (l *simLoop) newUp(n cluster.Node) *simUp {
	u := &simUp{node: n}
	for lane := range n.Lanes {
		l.links++
		u.outs = append(u.outs, link.NewOut(link.Config{
			Header: wire.Header{
				FromID: l.simGateway.node.ID, FromLane: uint16(l.index), Lanes: simLoops, ToInc: n.Inc,
			},
			Subject: wire.Up(n.ID, lane), Refuse: wire.Refuse(l.simGateway.node.ID, l.index), Number: l.links,
			After: l.life, Bound: 16 << 20, Pool: &l.pool, Send: l.sim.send(l.simGateway.node.ID*100 + uint64(l.index)),
		}))
		if l.hushed {
			o := u.outs[lane]
			o.End(wire.AppendAnew(o.Begin(l.view.Version, l.sim.now)), l.sim.now)
		}
	}
	return u
}

// fall ends the loop, and all that it knows but the views that it follows, and lets it begin again. It has clients when
// all owners know.
func (l *simLoop) fall() {
	l.sim.check.fell(l)
	l.life += 1 << 32
	l.hushed = true
	l.entries, l.ops, l.ups = make(map[string]*simEntry), make(map[uint64]*simOp), make(map[cluster.Ref]*simUp)
	l.adopt(&cluster.Views{Routers: l.view})
	l.hushed = false
	l.fallen = true
}

// away reports whether the loop has failed and some owner may not know.
func (l *simLoop) away() bool {
	l.fallen = l.fallen && !l.linksEmpty()
	return l.fallen
}

// recover deals with what was under way to routers that are gone.
func (l *simLoop) recover(old *cluster.View, lost map[*simUp]bool) {
	never := make(map[uint64]bool)
	var again []uint64
	byID := func(a, b *simUp) int { return cmp.Compare(a.node.ID, b.node.ID) }
	for _, u := range slices.SortedFunc(maps.Keys(lost), byID) {
		handedOver := u.node.State == cluster.Leaving
		for _, o := range u.outs {
			handedOver = handedOver && o.Held() == 0
			for batch, certain := range o.Unacked {
				for rec := range wire.Records(batch) {
					var p wire.Publish
					if rec.Kind != wire.KindPublish || p.Decode(rec.Body) != nil || !certain || l.ops[p.Op] == nil {
						continue
					}
					i := old.Owner(cluster.Hash(p.Topic))
					if i >= 0 && old.Active[i].Ref == u.node.Ref {
						never[p.Op] = true
						again = append(again, p.Op)
					}
				}
			}
		}
		for _, h := range slices.Sorted(maps.Keys(l.ops)) {
			switch o := l.ops[h]; {
			case o.to != u || never[h]:
			case o.kind != wire.KindPublish:
				l.ask(h)
			case !handedOver:
				l.finish(h, false)
			}
		}
	}
	for _, h := range again {
		l.ask(h)
	}
}
