package owner

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// HoldMax is how long a moved key may wait for others to follow a view.
const HoldMax = time.Second

// pastViews is how many versions of the view a lane remembers.
const pastViews = 64

// viewState is where a lane stands with the view of its own role.
type viewState struct {
	current *cluster.View
	past    []uint64      // versions before current, oldest first
	opened  *cluster.View // the last view that opened; nil: none did
	open    bool          // current is opened
	since   time.Time     // when current was adopted

	released  bool              // Released(current) was told
	releasing bool              // all gateways have synced: their links are being waited for
	marks     map[*Gateway]uint64 // releasing: what each must have acknowledged
}

func (v *viewState) reset() { *v = viewState{current: &cluster.View{}} }

// unsettled reports whether the current view still has something to wait for.
func (v *viewState) unsettled() bool { return !v.open || !v.released }

// knows reports whether version is the current view's or a past one's.
func (v *viewState) knows(version uint64) bool {
	return version == v.current.Version || slices.Contains(v.past, version)
}

// adopt follows new views: of the gateways, and of the owners.
func (l *Lane) adopt(self cluster.Ref, views *cluster.Views) {
	if self != l.self {
		l.depose(self)
	}
	for ref, g := range l.gateways {
		if n, ok := views.Gateways.Find(ref.ID); ok && n.Ref == ref {
			g.listed = true
		} else if g.listed || (ok && n.Inc > ref.Inc) {
			l.dropGateway(g)
		}
	}
	for _, list := range [][]cluster.Node{views.Gateways.Active, views.Gateways.Leaving} {
		for _, n := range list {
			delete(l.gone, n.Ref)
			l.gateway(n.Ref, n.Lanes).listed = true
		}
	}
	own := views.Of(l.node.self.Role)
	l.adoptPeers(own)
	if own.Version != l.views.current.Version || l.views.since.IsZero() {
		if old := l.views.current.Version; !l.views.since.IsZero() {
			l.views.past = append(l.views.past, old)
			if len(l.views.past) > pastViews {
				l.views.past = slices.Delete(l.views.past, 0, 1)
			}
		}
		l.views.open, l.views.released, l.views.releasing = false, false, false
		l.views.since = l.now
	}
	l.views.current = own
	l.rerouteWaiting()
	l.settle()
}

// adoptPeers follows the list of the other owners.
func (l *Lane) adoptPeers(own *cluster.View) {
	for ref, p := range l.peers {
		n, ok := own.Find(ref.ID)
		if ok && n.Ref == ref {
			p.node = *n
			continue
		}
		if p.node.Role == "" && !ok {
			continue // heard of before its first heartbeat
		}
		for _, o := range p.outs {
			l.closeOut(o)
		}
		delete(l.peers, ref)
		l.bury(ref)
	}
	for _, list := range [][]cluster.Node{own.Active, own.Leaving} {
		for _, n := range list {
			if n.Ref == l.self {
				continue
			}
			delete(l.gone, n.Ref)
			if p := l.peers[n.Ref]; p == nil {
				l.addPeer(n)
			} else {
				p.node = n
			}
		}
	}
	l.dropClosed()
}

func (l *Lane) dropGateway(g *Gateway) {
	l.handler.Forget(g)
	l.closeOut(g.ends.out)
	delete(l.gateways, g.Ref)
	l.slots[g.Slot] = nil
	l.bury(g.Ref)
	l.dropWaitingOf(g)
	l.dropClosed()
}

// dropClosed takes closed links off the list of those to flush.
func (l *Lane) dropClosed() {
	l.dirty = slices.DeleteFunc(l.dirty, func(o *link.Out) bool { return !o.Pending() })
}

// bury remembers that batches of this incarnation are not to be taken any more.
func (l *Lane) bury(ref cluster.Ref) {
	if len(l.gone) >= 4096 {
		clear(l.gone)
	}
	l.gone[ref] = struct{}{}
}

// depose begins a new life: the others have declared us dead, and own our keys.
func (l *Lane) depose(self cluster.Ref) {
	l.log.Warn("deposed: beginning again", zap.Stringer("node", self))
	for _, g := range l.gateways {
		l.closeOut(g.ends.out)
	}
	for _, p := range l.peers {
		for _, o := range p.outs {
			l.closeOut(o)
		}
	}
	clear(l.gateways)
	clear(l.peers)
	clear(l.gone)
	l.slots, l.dirty = nil, nil
	l.waiting = waitRoom{}
	l.views.reset()
	l.self = self
	l.handler.Reset()
}

// owns reports whether a key is this lane's by the current view.
func (l *Lane) owns(hash uint64) bool {
	return l.ownerIs(l.views.current, hash)
}

func (l *Lane) ownerIs(v *cluster.View, hash uint64) bool {
	i := v.Owner(hash)
	return i >= 0 && v.Active[i].Ref == l.self && cluster.Lane(hash, v.Active[i].Lanes) == l.index
}

// held reports whether a key of ours must still wait: it was not ours in the view that
// was last open, and the current one is not open yet.
func (l *Lane) held(hash uint64) bool {
	return !l.views.open && (l.views.opened == nil || !l.ownerIs(l.views.opened, hash))
}

// settle goes on with the steps of a view change (see the package comment) as far as
// what has arrived allows.
func (l *Lane) settle() {
	v := &l.views
	if !v.unsettled() || v.since.IsZero() {
		return
	}
	late := l.now.Sub(v.since) >= HoldMax
	synced := l.allSynced()
	if !v.released && (synced || late) {
		if !v.releasing {
			v.releasing = true
			v.marks = make(map[*Gateway]uint64)
			for _, g := range l.gateways {
				if g.ends.out.Pending() {
					g.ends.out.Flush(l.now)
				}
				v.marks[g] = g.ends.out.Sent()
			}
		}
		if late || l.allAcked() {
			l.release()
		}
	}
	if !v.open && ((synced && l.allReleased()) || late) {
		if late && !(synced && l.allReleased()) {
			l.metrics.holdTimeouts.Inc()
			l.log.Warn("view opened before everyone had followed",
				zap.Uint64("view", v.current.Version), zap.Strings("missing", l.missing()))
		}
		v.open, v.opened = true, v.current
		l.metrics.holdSeconds.Observe(l.now.Sub(v.since).Seconds())
		l.openWaiting()
	}
}

func (l *Lane) allSynced() bool {
	for _, g := range l.gateways {
		if g.listed && !allAt(g.synced, l.views.current.Version) {
			return false
		}
	}
	return true
}

func (l *Lane) allAcked() bool {
	for g, seq := range l.views.marks {
		if l.gateways[g.Ref] == g && g.ends.out.Acked() < seq {
			return false
		}
	}
	return true
}

func (l *Lane) allReleased() bool {
	for _, p := range l.peers {
		if p.node.Role != "" && !allAt(p.released, l.views.current.Version) {
			return false
		}
	}
	return true
}

// missing names who has not followed the view, for the log.
func (l *Lane) missing() (who []string) {
	for _, g := range l.gateways {
		if g.listed && !allAt(g.synced, l.views.current.Version) {
			who = append(who, "gateway "+g.Ref.String())
		}
	}
	for _, p := range l.peers {
		if p.node.Role != "" && !allAt(p.released, l.views.current.Version) {
			who = append(who, "owner "+p.ref.String())
		}
	}
	return who
}

// release tells the other owners that nothing of an older view will come from here,
// and drops the keys that are theirs now.
func (l *Lane) release() {
	v := &l.views
	v.released, v.marks = true, nil
	for _, p := range l.peers {
		for _, o := range p.outs {
			o.End(wire.AppendMark(l.begin(o), wire.KindReleased, wire.Mark{View: v.current.Version}), l.now)
		}
	}
	l.handler.Keep(func(key string, told uint64) bool {
		// Told by a view that is still to come here: we may be its owner then.
		return l.owns(cluster.Hash(key)) || !v.knows(told)
	})
}

// quiet reports whether nothing is left that this lane would have to do before it
// may end: it owns nothing, everybody knows, and all it sent has arrived.
func (l *Lane) quiet() bool {
	if l.views.unsettled() || l.waiting.len() > 0 || len(l.in) > 0 || !l.allSynced() {
		return false
	}
	for _, o := range l.outs {
		if o != nil && o.Held() > 0 {
			return false
		}
	}
	return true
}
