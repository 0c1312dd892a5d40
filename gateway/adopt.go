package gateway

import (
	"maps"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// adopt follows new views of the owners: what moved is told to its new owners, then
// everyone hears Synced, and what was under way to an owner that died goes on or fails.
// pkg/owner tells the whole of a view change.
func (l *loop) adopt(self cluster.Ref, views *cluster.Views) {
	// Were we deposed, the owners have dropped what they knew of us, and take nothing of our
	// former life: everything begins again but the sockets.
	deposed := self != l.self
	l.self, l.views = self, views
	for _, r := range []*realm{&l.routers, &l.presences} {
		l.adoptRealm(r, views.Of(r.role), deposed)
	}
}

func (l *loop) adoptRealm(r *realm, view *cluster.View, deposed bool) {
	old := r.view
	lost := make(map[cluster.Ref]*upstream)
	for ref, u := range r.ups {
		if n, ok := view.Find(ref.ID); deposed || !ok || n.Ref != ref {
			lost[ref] = u
		}
	}
	maps.DeleteFunc(r.ups, func(ref cluster.Ref, _ *upstream) bool { return lost[ref] != nil })

	r.view = view
	var fresh []*upstream
	for _, list := range [][]cluster.Node{view.Active, view.Leaving} {
		for _, n := range list {
			u := r.ups[n.Ref]
			if u == nil {
				u = l.newUpstream(r, n)
				r.ups[n.Ref] = u
				fresh = append(fresh, u)
			}
			u.node = n
		}
	}
	r.active = r.active[:0]
	for _, n := range view.Active {
		r.active = append(r.active, r.ups[n.Ref])
	}
	l.tellMoved(r, fresh)
	if old.Version != view.Version || len(fresh) > 0 {
		l.tellSynced(r)
	}
	l.recover(r, old, lost)
	if r == &l.routers && len(fresh)+len(lost) > 0 {
		l.askPatternsAgain()
	}
	for _, u := range lost {
		for _, o := range u.outs {
			l.closeOut(o)
		}
	}
}

// tellMoved tells each key's owner what it has to know of this loop, where that owner is
// another than was told before, and every pattern to the routers that are new.
func (l *loop) tellMoved(r *realm, fresh []*upstream) {
	for _, e := range l.entries {
		switch {
		case l.realm(e) != r || !e.joined: // not joined: known here for an Unsubscribe's sake only
		case e.pattern:
			for _, u := range fresh {
				for lane := range u.outs {
					l.tell(e, u, lane)
				}
			}
		default:
			u, lane := r.ownerOf(e.hash)
			if u != nil && u != e.owner {
				l.tell(e, u, lane)
			}
			e.owner = u
		}
	}
	l.tellTracks(r)
}

// tell tells an owner's lane of an entry, of the loop's own accord.
func (l *loop) tell(e *entry, u *upstream, lane int) {
	if e.kind == kindUser {
		l.tellPresent(e, u, lane)
		return
	}
	i := wire.Interest{Topic: e.name, State: e.state()}
	if t := l.tracks[e.name]; t != nil {
		i.Placed, i.At = true, t.at
	}
	l.endRecord(u, lane, wire.AppendInterest(l.beginRecord(u, lane), wire.KindJoin, i))
}

func (l *loop) tellSynced(r *realm) {
	for _, u := range r.ups {
		for lane := range u.outs {
			l.endRecord(u, lane, wire.AppendMark(l.beginRecord(u, lane), wire.KindSynced, wire.Mark{View: r.view.Version}))
		}
	}
}

// recover deals with what was under way to owners that are gone. What certainly never
// reached them goes to the new owners. A message that may have reached them is not sent
// again, as that could deliver it twice: its sender gets Error 503. Joins and fences are
// asked for anew, which does no harm. old is the view until now.
func (l *loop) recover(r *realm, old *cluster.View, lost map[cluster.Ref]*upstream) {
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
					if _, h := sent(rec); h != 0 {
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
		case o.kind != opReply:
			l.send(h)
		case !o.to.handedOver():
			l.fail(h)
		}
	}
	for _, rec := range never {
		l.redirect(r, rec)
	}
}

// sent returns the key of a client's message on its way to an owner, and the op that it
// asks an answer for, 0 for none.
func sent(rec wire.Record) (key string, h uint64) {
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		if p.Decode(rec.Body) == nil {
			return p.Topic, p.Op
		}
	case wire.KindAsk:
		var a wire.Ask
		if a.Decode(rec.Body) == nil {
			return a.Key, a.Op
		}
	case wire.KindJoin, wire.KindFence:
		var i wire.Interest
		if i.Decode(rec.Body) == nil {
			return i.Topic, i.Op
		}
	case wire.KindPresent:
		var p wire.Present
		if p.Decode(rec.Body) == nil {
			return p.Key, p.Op
		}
	}
	return "", 0
}

// overtaken reports whether a message's key had moved to another owner before the one
// that it was sent to was known to be gone: then later ones have gone there, and it would
// come after them.
func overtaken(rec wire.Record, u *upstream, old *cluster.View) bool {
	if rec.Kind != wire.KindPublish && rec.Kind != wire.KindAsk {
		return false
	}
	key, _ := sent(rec)
	i := old.Owner(cluster.Hash(key))
	return i < 0 || old.Active[i].Ref != u.node.Ref
}

// redirect sends a record to the owner by the view of now.
func (l *loop) redirect(r *realm, rec wire.Record) {
	key, h := sent(rec)
	o := l.ops.find(h)
	if rec.Kind != wire.KindPublish && rec.Kind != wire.KindAsk || o != nil && o.kind != opReply {
		if o != nil && o.to != nil {
			l.send(h)
		}
		return
	}
	u, lane := r.ownerOf(cluster.Hash(key))
	switch {
	case u != nil:
		if o != nil {
			o.to = u
		}
		l.endRecord(u, lane, wire.AppendRecord(l.beginRecord(u, lane), rec))
	case o != nil:
		l.fail(h)
	default:
		l.gw.dropOwnerLost.Inc()
	}
}

// countLost counts a message without an id that a dead owner may or may not have had.
func (l *loop) countLost(rec wire.Record) {
	if _, h := sent(rec); rec.Kind == wire.KindPublish && h == 0 {
		l.gw.dropOwnerLost.Inc()
	}
}

// askPatternsAgain asks for the patterns under way anew, as those to be asked are others.
// A new op takes the place of the old, so that late answers to that do not count.
func (l *loop) askPatternsAgain() {
	for _, h := range l.ops.handles(func(o *op) bool { return o.kind != opReply && o.entry != nil && o.entry.pattern }) {
		o := *l.ops.find(h)
		l.ops.end(h)
		l.send(l.ops.add(o, ""))
	}
}
