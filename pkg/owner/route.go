package owner

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// waitMax is how long a record may wait for its view before it is refused.
	waitMax = 2 * time.Second
	// waitBytes bounds what waits in a lane; over it records are refused.
	waitBytes = 32 << 20
)

// item is a record on its way through a lane.
type item struct {
	from   Source
	via    *peer   // who forwarded it; nil: it came directly
	view   uint64  // by which it was sent here, by its loop or by a lane of via
	course *course // of that
	place  int     // in that
	rec    wire.Record
	until  time.Time // how long it may wait; zero: it has not waited yet, and its body is not a copy
}

// waitRoom holds the records of keys that are not open yet, and of views that are still to
// come.
type waitRoom struct {
	forwarded, direct []item
	bytes             int
	ahead             int // how many of them wait for a view
}

func (w *waitRoom) len() int { return len(w.forwarded) + len(w.direct) }

// route decides what becomes of a record: dealt with here, kept waiting, or forwarded.
func (l *Lane) route(it *item) {
	key, keyed, err := l.handler.Key(it.rec)
	if err != nil {
		l.metrics.dropped.WithLabelValues(dropFormat).Inc()
		return
	}
	if !keyed {
		l.apply(it.from, it.rec)
		return
	}
	hash := cluster.Hash(key)
	switch owned := l.owns(hash); {
	case tells(it.rec):
		l.told(it, owned)
	case owned && l.held(hash):
		l.wait(it, false)
	case owned && it.via == nil:
		l.apply(it.from, it.rec)
	case owned:
		l.deny(it) // too late: what was sent after it may have come directly
	case l.ahead(it):
		l.wait(it, true)
	case it.via != nil:
		l.deny(it)
	default:
		l.forward(it, hash)
	}
}

// tells reports whether a record is a gateway's own account of a key, which asks for no answer.
func tells(rec wire.Record) bool {
	if rec.Kind == wire.KindLeave {
		var i wire.Interest
		return i.Decode(rec.Body) == nil && i.Op == 0
	}
	return rec.Told()
}

// told takes what a gateway tells, at once: what is published meanwhile waits. Whoever is not
// the key's owner may be so by a view that is still to come, and forgets it otherwise (tidy).
func (l *Lane) told(it *item, owned bool) {
	if it.via != nil {
		return // the gateway tells each owner itself
	}
	if !owned {
		l.views.tidy = false
	}
	if it.place > it.course.n {
		it.course.told = true
	}
	if it.rec.Told() {
		l.tell(it)
	} else {
		l.apply(it.from, it.rec)
	}
}

func (l *Lane) deny(it *item) {
	l.metrics.refused.Inc()
	l.handler.Refuse(it.from, it.rec)
}

// ahead reports whether a record was sent by a view that is still to come here.
func (l *Lane) ahead(it *item) bool {
	if here := l.reached(it.course); here > 0 {
		return it.place > here
	}
	return !l.views.knows(it.view) && it.place > max(it.course.last(l.views.knows), it.course.forgotten())
}

// reached is the place in a course at which it came to the current view, 0 if it has not.
func (l *Lane) reached(c *course) int {
	return c.last(func(view uint64) bool { return view == l.views.current.Version })
}

// forward passes a record to the owner of its key, once.
func (l *Lane) forward(it *item, hash uint64) {
	own := l.views.current
	i := own.Owner(hash)
	if i < 0 {
		l.deny(it)
		return
	}
	n := own.Active[i]
	p := l.peers[n.Ref]
	if p == nil || n.Ref == l.self { // ourselves: the sender counted our lanes otherwise
		l.deny(it)
		return
	}
	if it.rec.Kind == wire.KindJoin {
		// For the gateway, we have been told: it tells nobody else before it has left its view.
		l.views.tidy = false
		l.tell(it)
	}
	l.metrics.forwarded.Inc()
	o := p.outs[cluster.Lane(hash, n.Lanes)]
	o.End(wire.AppendForward(l.begin(o), &wire.Forward{
		FromID: it.from.Ref.ID, FromInc: it.from.Ref.Inc, FromLane: it.from.Loop,
		Lanes: uint8(len(it.from.ends.ins)), View: own.Version, Record: it.rec,
	}), l.now)
}

// wait keeps a record until its view is here and open.
func (l *Lane) wait(it *item, ahead bool) {
	if l.waiting.bytes+len(it.rec.Body) > waitBytes {
		l.metrics.dropped.WithLabelValues(dropWaitFull).Inc()
		l.handler.Refuse(it.from, it.rec)
		return
	}
	w := *it
	if w.until.IsZero() {
		l.metrics.held.Inc()
		w.rec.Body = append([]byte(nil), it.rec.Body...)
		w.until = l.now.Add(waitMax)
	}
	l.waiting.bytes += len(w.rec.Body)
	if ahead {
		l.waiting.ahead++
	}
	if w.via != nil {
		l.waiting.forwarded = append(l.waiting.forwarded, w)
	} else {
		l.waiting.direct = append(l.waiting.direct, w)
	}
}

// takeBack collects what was forwarded over a link to a peer that is gone. What certainly
// never arrived goes its way anew. What may have arrived is refused, and so is what would
// come too late, as the key had moved on before the peer was known to be gone.
func (l *Lane) takeBack(p *peer, o *link.Out) {
	for batch, never := range o.Unacked {
		for rec, err := range wire.Records(batch) {
			var f wire.Forward
			if err != nil || rec.Kind != wire.KindForward || f.Decode(rec.Body) != nil {
				continue
			}
			g := l.gateways[cluster.Ref{ID: f.FromID, Inc: f.FromInc}]
			if g == nil {
				continue
			}
			it := item{from: Source{Gateway: g, Loop: f.FromLane}, view: f.View, course: &g.courses[f.FromLane], rec: f.Record}
			if !never || !l.ownedBy(p, it.rec) {
				l.deny(&it)
				continue
			}
			it.rec.Body = append([]byte(nil), it.rec.Body...)
			it.until = l.now.Add(waitMax)
			l.back = append(l.back, it)
		}
	}
}

// ownedBy reports whether a peer owns a record's key by the current view.
func (l *Lane) ownedBy(p *peer, rec wire.Record) bool {
	key, _, err := l.handler.Key(rec)
	i := l.views.current.Owner(cluster.Hash(key))
	return err == nil && i >= 0 && l.views.current.Active[i].Ref == p.ref
}

// rerouteWaiting decides anew on everything that waits, in order: what was forwarded came
// first.
func (l *Lane) rerouteWaiting() {
	w, back := l.waiting, l.back
	l.waiting, l.back = waitRoom{}, nil
	for _, list := range [][]item{w.forwarded, back, w.direct} {
		for i := range list {
			l.route(&list[i])
		}
	}
}

// openWaiting deals with what waited for the view to open: what was forwarded came first. If
// views changed so fast that a loop's records for one key came by several ways, nobody knows
// their order: those that came one way are dealt with, and then those that came by this view;
// the others are refused.
func (l *Lane) openWaiting() {
	type stream struct {
		Source
		hash uint64
	}
	ways := make(map[stream]*peer)
	w := l.waiting
	l.waiting = waitRoom{}
	for _, list := range [][]item{w.forwarded, w.direct} {
		for i := range list {
			it := &list[i]
			if it.via == nil && it.place >= l.reached(it.course) {
				l.open(it)
				continue
			}
			key, _, _ := l.handler.Key(it.rec) // it was read before
			s := stream{it.from, cluster.Hash(key)}
			if via, ok := ways[s]; ok && via != it.via {
				l.deny(it)
				continue
			}
			ways[s] = it.via
			l.open(it)
		}
	}
}

// open deals with a record that waited, if for its key.
func (l *Lane) open(it *item) {
	if key, _, _ := l.handler.Key(it.rec); l.owns(cluster.Hash(key)) {
		l.apply(it.from, it.rec)
	} else {
		l.route(it)
	}
}

// dropStale refuses what was forwarded by views that have passed this lane by. All loops go by the
// current view: what they sent since may have overtaken it.
func (l *Lane) dropStale() {
	l.keepWaiting(func(w *item) bool {
		key, _, _ := l.handler.Key(w.rec) // it was read before
		if w.via == nil || l.owns(cluster.Hash(key)) {
			return true
		}
		l.deny(w)
		return false
	})
}

// expireWaiting refuses what has waited too long.
func (l *Lane) expireWaiting() {
	l.keepWaiting(func(w *item) bool {
		if l.now.Before(w.until) {
			return true
		}
		l.deny(w)
		return false
	})
}

// dropWaitingOf forgets what waits for a gateway that is gone.
func (l *Lane) dropWaitingOf(g *Gateway) {
	l.keepWaiting(func(w *item) bool { return w.from.Gateway != g })
}

// anew forgets what a gateway's loop said, which begins again. What it sent before has come, or never will.
func (l *Lane) anew(from Source) {
	l.keepWaiting(func(w *item) bool { return w.from != from })
	l.handler.ForgetLoop(from)
}

func (l *Lane) keepWaiting(keep func(*item) bool) {
	if l.waiting.len() == 0 {
		return
	}
	for _, list := range []*[]item{&l.waiting.forwarded, &l.waiting.direct} {
		kept := (*list)[:0]
		for i := range *list {
			if w := &(*list)[i]; keep(w) {
				kept = append(kept, *w)
			} else {
				l.waiting.bytes -= len(w.rec.Body)
			}
		}
		clear((*list)[len(kept):])
		*list = kept
	}
}
