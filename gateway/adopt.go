package gateway

import (
	"maps"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// adopt follows a new view of the routers: what moved is told to its new owners, then
// everyone hears Synced, and what was under way to a router that died goes on or fails.
// pkg/owner tells the whole of a view change.
func (l *loop) adopt(self cluster.Ref, views *cluster.Views) {
	old := l.view
	// Were we deposed, the owners have dropped what they knew of us, and take nothing of our
	// former life: everything begins again but the sockets.
	deposed := self != l.self
	l.self = self
	lost := make(map[cluster.Ref]*upstream)
	for ref, u := range l.ups {
		if n, ok := views.Routers.Find(ref.ID); deposed || !ok || n.Ref != ref {
			lost[ref] = u
		}
	}
	maps.DeleteFunc(l.ups, func(ref cluster.Ref, _ *upstream) bool { return lost[ref] != nil })

	l.view = views.Routers
	var fresh []*upstream
	for _, list := range [][]cluster.Node{l.view.Active, l.view.Leaving} {
		for _, n := range list {
			u := l.ups[n.Ref]
			if u == nil {
				u = l.newUpstream(n)
				l.ups[n.Ref] = u
				fresh = append(fresh, u)
			}
			u.node = n
		}
	}
	l.routers = l.routers[:0]
	for _, n := range l.view.Active {
		l.routers = append(l.routers, l.ups[n.Ref])
	}
	l.tellMoved(fresh)
	if old.Version != l.view.Version || len(fresh) > 0 {
		l.tellSynced()
	}
	l.recover(old, lost)
	if len(fresh)+len(lost) > 0 {
		l.askPatternsAgain()
	}
	for _, u := range lost {
		for _, o := range u.outs {
			l.closeOut(o)
		}
	}
}

// tellMoved tells each topic's owner that it has subscribers here, where that owner is
// another than was told before, and every pattern to the routers that are new.
func (l *loop) tellMoved(fresh []*upstream) {
	for _, e := range l.entries {
		if !e.joined {
			continue // known here for an Unsubscribe's sake only
		}
		i := wire.Interest{Topic: e.name}
		if e.pattern {
			for _, u := range fresh {
				for _, o := range u.outs {
					l.endRecord(o, wire.AppendInterest(l.beginRecord(o), wire.KindJoin, i))
				}
			}
			continue
		}
		u, lane := l.ownerOf(e.hash)
		if u != nil && u != e.owner {
			l.endRecord(u.outs[lane], wire.AppendInterest(l.beginRecord(u.outs[lane]), wire.KindJoin, i))
		}
		e.owner = u
	}
}

func (l *loop) tellSynced() {
	for _, u := range l.ups {
		for _, o := range u.outs {
			l.endRecord(o, wire.AppendMark(l.beginRecord(o), wire.KindSynced, wire.Mark{View: l.view.Version}))
		}
	}
}

// recover deals with what was under way to routers that are gone. What certainly never
// reached them goes to the new owners. A Broadcast that may have reached them is not sent
// again, as that could deliver it twice: its sender gets Error 503. Joins and fences are
// asked for anew, which does no harm. old is the view until now.
func (l *loop) recover(old *cluster.View, lost map[cluster.Ref]*upstream) {
	if len(lost) == 0 {
		return
	}
	var never []wire.Record
	again := make(map[uint64]bool)
	for _, u := range lost {
		for _, o := range u.outs {
			for batch, certain := range o.Unacked {
				for rec, err := range wire.Records(batch) {
					if err != nil {
						break
					}
					if !certain || overtaken(rec, u, old) {
						l.countLost(rec)
						continue
					}
					never = append(never, rec)
					if h := handleIn(rec); h != 0 {
						again[h] = true
					}
				}
			}
		}
	}
	for _, h := range l.ops.handles(func(o *op) bool { return o.to != nil && lost[o.to.node.Ref] == o.to }) {
		o := l.ops.find(h)
		switch {
		case again[h]:
		case o.kind != opPublish:
			l.sendInterest(h)
		case !o.to.handedOver():
			l.fail(h)
		}
	}
	for _, rec := range never {
		l.redirect(rec)
	}
}

// overtaken reports whether a Broadcast's topic had moved to another owner before the router
// that it was sent to was known to be gone: then later ones have gone there, and it would
// come after them.
func overtaken(rec wire.Record, u *upstream, old *cluster.View) bool {
	var p wire.Publish
	if rec.Kind != wire.KindPublish || p.Decode(rec.Body) != nil {
		return false
	}
	i := old.Owner(cluster.Hash(p.Topic))
	return i < 0 || old.Active[i].Ref != u.node.Ref
}

// redirect sends a record to the owner by the view of now.
func (l *loop) redirect(rec wire.Record) {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		if p.Decode(rec.Body) != nil {
			return
		}
		u, lane := l.ownerOf(cluster.Hash(p.Topic))
		o := l.ops.find(p.Op)
		switch {
		case u != nil:
			if o != nil {
				o.to = u
			}
			l.endRecord(u.outs[lane], wire.AppendRecord(l.beginRecord(u.outs[lane]), rec))
		case o != nil:
			l.fail(p.Op)
		default:
			l.gw.dropOwnerLost.Inc()
		}
	case wire.KindJoin, wire.KindFence:
		if h := handleIn(rec); l.ops.find(h) != nil && l.ops.find(h).to != nil {
			l.sendInterest(h)
		}
	}
}

// handleIn returns the op that a record asks an answer for, 0 for none.
func handleIn(rec wire.Record) uint64 {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		if p.Decode(rec.Body) == nil {
			return p.Op
		}
	case wire.KindJoin, wire.KindFence:
		var i wire.Interest
		if i.Decode(rec.Body) == nil {
			return i.Op
		}
	}
	return 0
}

// countLost counts a Broadcast without an id that a dead owner may or may not have had.
func (l *loop) countLost(rec wire.Record) {
	if rec.Kind == wire.KindPublish && handleIn(rec) == 0 {
		l.gw.dropOwnerLost.Inc()
	}
}

// askPatternsAgain asks for the patterns under way anew, as those to be asked are others.
// A new op takes the place of the old, so that late answers to that do not count.
func (l *loop) askPatternsAgain() {
	for _, h := range l.ops.handles(func(o *op) bool { return o.kind != opPublish && o.entry.pattern }) {
		o := *l.ops.find(h)
		l.ops.end(h)
		l.sendInterest(l.ops.add(o, ""))
	}
}
