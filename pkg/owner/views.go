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

// pastViews is how many versions of the view a lane remembers, and shutViews how many views
// in a row may fail to open before every key is held.
const (
	pastViews = 64
	shutViews = 16
)

// viewState is where a lane stands with the view of its own role.
type viewState struct {
	current *cluster.View
	before  *cluster.View   // the one before current
	past    []uint64        // versions before current, oldest first
	opened  *cluster.View   // the last view that opened; nil: none did
	shut    []*cluster.View // those between opened and current: none of them opened
	open    bool            // current is opened
	member  bool            // this node is in current: it has a part in the change
	since   time.Time       // when current was adopted

	released bool                // Released(current) was told
	tidy     bool                // and nothing is known here of keys that are others'
	marks    map[*Gateway]uint64 // until then: what each must have acknowledged first
}

func (v *viewState) reset() { *v = viewState{current: &cluster.View{}, before: &cluster.View{}} }

// unsettled reports whether the current view still has something to wait for.
func (v *viewState) unsettled() bool { return v.member && (!v.open || !v.released) }

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
	turned := own.Version != l.views.current.Version || l.views.since.IsZero()
	if turned {
		l.views.turn(l.now)
		l.mark()
		l.views.before = l.views.current
	}
	l.views.current = own
	_, l.views.member = own.Find(l.self.ID)
	if turned && l.telling != nil {
		l.telling.Moved()
	}
	l.rerouteWaiting()
	l.settle()
}

// turn leaves the current view behind.
func (v *viewState) turn(now time.Time) {
	if !v.since.IsZero() {
		v.past = append(v.past, v.current.Version)
		if len(v.past) > pastViews {
			v.past = slices.Delete(v.past, 0, 1)
		}
		if !v.open {
			v.shut = append(v.shut, v.current)
		}
		if len(v.shut) > shutViews {
			v.opened, v.shut = nil, nil
		}
	}
	v.open, v.released, v.tidy, v.since = false, false, false, now
}

// mark notes what was sent to each gateway by the views before: a key that is another's from
// now on may be served there only after that has arrived.
func (l *Lane) mark() {
	l.views.marks = make(map[*Gateway]uint64, len(l.gateways))
	for _, g := range l.gateways {
		seq := g.ends.out.Sent()
		if g.ends.out.Pending() {
			seq++
		}
		l.views.marks[g] = seq
	}
}

// adoptPeers follows the list of the other owners.
func (l *Lane) adoptPeers(own *cluster.View) {
	for ref, p := range l.peers {
		n, ok := own.Find(ref.ID)
		if ok && n.Ref == ref {
			p.node = *n
			continue
		}
		if !p.listed() && !ok {
			continue // heard of before its first heartbeat
		}
		l.dropPeer(p)
	}
	for _, list := range [][]cluster.Node{own.Active, own.Leaving} {
		for _, n := range list {
			if n.Ref == l.self && l.telling == nil {
				continue // its lanes have nothing to tell each other
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
	if l.telling != nil {
		for batch := range g.ends.out.Unacked {
			for rec, err := range wire.Records(batch) {
				if err == nil {
					l.telling.Undelivered(g, rec)
				}
			}
		}
	}
	l.handler.Forget(g)
	l.closeOut(g.ends.out)
	delete(l.gateways, g.Ref)
	l.slots[g.Slot] = nil
	l.bury(g.Ref)
	l.dropWaitingOf(g)
	l.dropClosed()
}

func (l *Lane) dropPeer(p *peer) {
	for _, o := range p.outs {
		l.takeBack(p, o)
		l.closeOut(o)
	}
	delete(l.peers, p.ref)
	l.bury(p.ref)
}

// unlistedMax is how long a node that has not been in a view is remembered when nothing
// comes from it. It exceeds by far what a node needs to look around.
const unlistedMax = time.Minute

// dropUnlisted forgets the nodes that spoke and ended before they were in any view: no
// later view will say that they are gone.
func (l *Lane) dropUnlisted() {
	for _, g := range l.gateways {
		if !g.listed && l.now.Sub(g.ends.heard) > unlistedMax {
			l.dropGateway(g)
		}
	}
	for _, p := range l.peers {
		if !p.listed() && l.now.Sub(p.ends.heard) > unlistedMax {
			l.dropPeer(p)
			l.dropClosed()
		}
	}
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
	l.waiting, l.back = waitRoom{}, nil
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

// held reports whether a key of ours must still wait: the current view is not open yet, and
// the key has not been ours ever since the one that was. A view in between that never opened
// here may have opened elsewhere, and what was known here of the key is gone if it was
// released.
func (l *Lane) held(hash uint64) bool {
	v := &l.views
	if v.open {
		return false
	}
	if v.opened == nil || !l.ownerIs(v.opened, hash) {
		return true
	}
	for _, w := range v.shut {
		if !l.ownerIs(w, hash) {
			return true
		}
	}
	return false
}

// settle goes on with the steps of a view change (see the package comment) as far as
// what has arrived allows.
func (l *Lane) settle() {
	v := &l.views
	if !v.member || v.since.IsZero() || v.open && v.tidy {
		return
	}
	late := l.now.Sub(v.since) >= HoldMax
	synced := l.allSynced()
	if !v.released && (late || synced && l.allAcked() && (l.working == nil || l.working.Settled())) {
		l.release()
		if !synced && l.telling != nil {
			l.forgetMoved()
		}
	}
	if v.released && !v.tidy && l.allTidy() {
		v.tidy = true
		l.handler.Keep(func(key string, _ uint64) bool { return l.owns(cluster.Hash(key)) })
		l.dropStale()
	}
	if !v.open && ((synced && l.allReleased()) || late) {
		if late && !(synced && l.allReleased()) {
			l.metrics.holdTimeouts.Inc()
			l.log.Warn("view opened before everyone had followed",
				zap.String("view", cluster.IDString(v.current.Version)), zap.Strings("missing", l.missing()))
		}
		v.open, v.opened, v.shut = true, v.current, nil
		l.metrics.holdSeconds.Observe(l.now.Sub(v.since).Seconds())
		l.openWaiting()
		if l.telling != nil {
			l.telling.Opened()
		}
	}
}

func (l *Lane) allSynced() bool {
	for _, g := range l.gateways {
		if g.listed && !allAt(g.courses, l.views.current.Version) {
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
		if p.listed() && !allAt(p.courses, l.views.current.Version) {
			return false
		}
	}
	return true
}

// missing names who has not followed the view, for the log.
func (l *Lane) missing() (who []string) {
	for _, g := range l.gateways {
		if g.listed && !allAt(g.courses, l.views.current.Version) {
			who = append(who, "gateway "+g.Ref.String())
		}
	}
	for _, p := range l.peers {
		if p.listed() && !allAt(p.courses, l.views.current.Version) {
			who = append(who, "owner "+p.ref.String())
		}
	}
	return who
}

// release tells the other owners that nothing of an older view will come from here.
func (l *Lane) release() {
	v := &l.views
	v.released, v.marks = true, nil
	for _, p := range l.peers {
		for _, o := range p.outs {
			o.End(wire.AppendMark(l.begin(o), wire.KindReleased, wire.Mark{View: v.current.Version}), l.now)
		}
	}
}

// forgetMoved forgets the keys of others although not all gateways go by the view: those who
// tell lanes of their keys act on them.
func (l *Lane) forgetMoved() {
	l.handler.Keep(func(key string, told uint64) bool {
		// Told by a view that is still to come here: we may be its owner then.
		return l.owns(cluster.Hash(key)) || !l.views.knows(told)
	})
}

// allTidy reports whether everybody goes by the current view, and has told nothing by a
// later one: whoever comes back to this lane with a key tells it again.
func (l *Lane) allTidy() bool {
	for _, g := range l.gateways {
		if !g.tidy(l.views.current.Version) {
			return false
		}
	}
	if l.telling == nil {
		return true // the others tell nothing
	}
	for _, p := range l.peers {
		if slices.ContainsFunc(p.courses, func(c course) bool { return c.told || c.n > 0 && !l.views.knows(c.at()) }) {
			return false
		}
	}
	return true
}

// settled reports whether no view change is under way here.
func (l *Lane) settled() bool { return !l.views.unsettled() }

// quiet reports whether nothing is left that this lane would have to do before it
// may end: it owns nothing, everybody knows, and all it sent has arrived.
func (l *Lane) quiet() bool {
	// The word that this node leaves may still be on its way to this lane.
	if n, ok := l.views.current.Find(l.self.ID); !ok || n.State == cluster.Active {
		return false
	}
	if l.views.unsettled() || l.waiting.len() > 0 || len(l.in) > 0 || !l.allSynced() {
		return false
	}
	for _, g := range l.gateways {
		if g.listed && (g.ends.out.Held() > 0 || !g.ends.owed.IsZero()) {
			return false
		}
	}
	for _, p := range l.peers {
		if p.listed() && !p.quiet() {
			return false
		}
	}
	return true
}

func (p *peer) quiet() bool {
	for _, o := range p.outs {
		if o.Held() > 0 {
			return false
		}
	}
	return p.ends.owed.IsZero()
}
