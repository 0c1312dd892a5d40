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

// waitRoom holds the records of keys that are not open yet.
type waitRoom struct {
	forwarded, direct []waiting
	bytes             int
}

type waiting struct {
	from      Source
	view      uint64
	rec       wire.Record // its body is a copy
	forwarded bool
	until     time.Time
}

func (w *waitRoom) len() int { return len(w.forwarded) + len(w.direct) }

// route decides what becomes of a record: dealt with here, kept waiting, or forwarded. view is
// the one by which it was sent here, by a gateway or by whoever forwarded it.
func (l *Lane) route(from Source, view uint64, rec wire.Record, forwarded bool) {
	key, keyed, err := l.handler.Key(rec)
	if err != nil {
		l.metrics.dropped.WithLabelValues(dropFormat).Inc()
		return
	}
	if !keyed {
		l.handler.Apply(from, rec)
		return
	}
	if rec.Told() {
		l.handler.Tell(from, view, rec)
		return
	}
	hash := cluster.Hash(key)
	switch {
	case l.owns(hash):
		if l.held(hash) {
			l.wait(from, view, rec, forwarded)
			return
		}
		l.handler.Apply(from, rec)
	case !l.views.knows(view):
		l.wait(from, view, rec, forwarded) // the sender is ahead of us
	case forwarded:
		l.metrics.refused.Inc()
		l.handler.Refuse(from, rec)
	default:
		l.forward(from, hash, rec)
	}
}

// forward passes a record to the owner of its key, once.
func (l *Lane) forward(from Source, hash uint64, rec wire.Record) {
	own := l.views.current
	i := own.Owner(hash)
	if i < 0 {
		l.metrics.refused.Inc()
		l.handler.Refuse(from, rec)
		return
	}
	n := own.Active[i]
	p := l.peers[n.Ref]
	if p == nil || n.Ref == l.self { // ourselves: the sender counted our lanes otherwise
		l.metrics.refused.Inc()
		l.handler.Refuse(from, rec)
		return
	}
	l.metrics.forwarded.Inc()
	o := p.outs[cluster.Lane(hash, n.Lanes)]
	o.End(wire.AppendForward(l.begin(o), &wire.Forward{
		FromID: from.Ref.ID, FromInc: from.Ref.Inc, FromLane: from.Loop,
		Lanes: uint8(len(from.ends.ins)), View: own.Version, Record: rec,
	}), l.now)
}

// wait keeps a record until its view is here and open.
func (l *Lane) wait(from Source, view uint64, rec wire.Record, forwarded bool) {
	if l.waiting.bytes+len(rec.Body) > waitBytes {
		l.metrics.dropped.WithLabelValues(dropWaitFull).Inc()
		l.handler.Refuse(from, rec)
		return
	}
	l.metrics.held.Inc()
	rec.Body = append([]byte(nil), rec.Body...)
	l.waiting.bytes += len(rec.Body)
	w := waiting{from: from, view: view, rec: rec, forwarded: forwarded, until: l.now.Add(waitMax)}
	if forwarded {
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
			from := Source{Gateway: g, Loop: f.FromLane}
			if !never || !l.ownedBy(p, f.Record) {
				l.metrics.refused.Inc()
				l.handler.Refuse(from, f.Record)
				continue
			}
			f.Record.Body = append([]byte(nil), f.Record.Body...)
			l.back = append(l.back, waiting{from: from, view: f.View, rec: f.Record, until: l.now.Add(waitMax)})
		}
	}
}

// ownedBy reports whether a peer owns a record's key by the current view.
func (l *Lane) ownedBy(p *peer, rec wire.Record) bool {
	key, _, err := l.handler.Key(rec)
	i := l.views.current.Owner(cluster.Hash(key))
	return err == nil && i >= 0 && l.views.current.Active[i].Ref == p.ref
}

// openWaiting deals with what waited: what was forwarded came first.
func (l *Lane) openWaiting() { l.rerouteWaiting() }

// rerouteWaiting decides anew on everything that waits, in order.
func (l *Lane) rerouteWaiting() {
	w, back := l.waiting, l.back
	l.waiting, l.back = waitRoom{}, nil
	for _, list := range [][]waiting{w.forwarded, back, w.direct} {
		for i := range list {
			at := &list[i]
			before := l.waiting.len()
			l.route(at.from, at.view, at.rec, at.forwarded)
			if l.waiting.len() > before { // it still waits, no longer than at first
				if at.forwarded {
					l.waiting.forwarded[len(l.waiting.forwarded)-1].until = at.until
				} else {
					l.waiting.direct[len(l.waiting.direct)-1].until = at.until
				}
			}
		}
	}
}

// expireWaiting refuses what has waited too long.
func (l *Lane) expireWaiting() {
	l.keepWaiting(func(w *waiting) bool {
		if l.now.Before(w.until) {
			return true
		}
		l.metrics.refused.Inc()
		l.handler.Refuse(w.from, w.rec)
		return false
	})
}

// dropWaitingOf forgets what waits for a gateway that is gone.
func (l *Lane) dropWaitingOf(g *Gateway) {
	l.keepWaiting(func(w *waiting) bool { return w.from.Gateway != g })
}

func (l *Lane) keepWaiting(keep func(*waiting) bool) {
	if l.waiting.len() == 0 {
		return
	}
	for _, list := range []*[]waiting{&l.waiting.forwarded, &l.waiting.direct} {
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
