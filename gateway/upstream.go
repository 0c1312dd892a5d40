package gateway

import (
	"slices"
	"time"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// upBound is what a link to one lane of an owner may hold, in bytes, while that does not
// acknowledge. Clients get Error 503 from three quarters of it on.
const upBound = 16 << 20

// suspectEvery is how often a loop tells, at most, that an owner is not where it should be.
const suspectEvery = 500 * time.Millisecond

// realm is the owners of one role as a loop knows them.
type realm struct {
	role   cluster.Role
	view   *cluster.View
	active []*upstream // by index in view.Active
	ups    map[cluster.Ref]*upstream
}

func newRealm(role cluster.Role) realm {
	return realm{role: role, view: &cluster.View{}, ups: make(map[cluster.Ref]*upstream)}
}

// ownerOf returns the node and the lane that own a key; nil while there is none.
func (r *realm) ownerOf(hash uint64) (*upstream, int) {
	i := r.view.Owner(hash)
	if i < 0 {
		return nil, 0
	}
	u := r.active[i]
	return u, cluster.Lane(hash, len(u.outs))
}

// upstream is one router or presence node as a loop knows it: a link to each of its lanes.
type upstream struct {
	realm     *realm
	node      cluster.Node
	outs      []*link.Out
	told      []told    // by lane: the users that it was told of; of a presence node
	suspected time.Time // when the loop last told that it is not there
}

// handedOver reports whether an owner that is gone left in good order and had everything
// from here: then it has passed that on, and whoever owns the key now answers.
func (u *upstream) handedOver() bool {
	for _, o := range u.outs {
		if o.Held() > 0 {
			return false
		}
	}
	return u.node.State == cluster.Leaving
}

// reachable reports whether a client's message may go onto a link: otherwise it gets
// Error 503 at once, rather than a place in a growing queue.
func (l *loop) reachable(o *link.Out) bool {
	return l.nats.up.Load() && o.Held() < upBound/4*3
}

// beginRecord returns the batch for an owner's lane, to append one record to; endRecord takes
// it back.
func (l *loop) beginRecord(u *upstream, lane int) []byte {
	o := u.outs[lane]
	if !o.Pending() {
		l.dirty = append(l.dirty, o)
	}
	return o.Begin(u.realm.view.Version, l.now)
}

func (l *loop) endRecord(u *upstream, lane int, b []byte) { u.outs[lane].End(b, l.now) }

// upstream returns the owner with that reference, nil when there is none.
func (l *loop) upstream(ref cluster.Ref) *upstream {
	if u := l.routers.ups[ref]; u != nil {
		return u
	}
	return l.presences.ups[ref]
}

// flushLinks sends each owner's batch of this turn.
func (l *loop) flushLinks() {
	for _, o := range l.dirty {
		o.Flush(l.now)
		l.gw.metrics.addLink(o.TakeStats())
	}
	l.dirty = l.dirty[:0]
}

func (l *loop) tickLinks() {
	for _, o := range l.outs {
		if o != nil {
			o.Tick(l.now)
		}
	}
}

// reconnected sends again what may have been lost with the NATS connection.
func (l *loop) reconnected() {
	for _, o := range l.outs {
		if o != nil {
			o.Reconnected(l.now)
		}
	}
}

// refused takes the NATS server's word that nobody listens where a batch went. That its
// owner may be dead is known so before its silence tells.
func (l *loop) refused(number, seq uint64) {
	for _, r := range []*realm{&l.routers, &l.presences} {
		for _, u := range r.ups {
			if u.refused(number, seq) {
				if l.now.Sub(u.suspected) >= suspectEvery {
					u.suspected = l.now
					l.gw.member.Suspect(u.node.Ref)
				}
				return
			}
		}
	}
}

// refused passes a refusal to the link that it is about, and reports whether there is one.
func (u *upstream) refused(number, seq uint64) bool {
	return slices.ContainsFunc(u.outs, func(o *link.Out) bool { return o.Refused(number, seq) })
}

func (l *loop) newUpstream(r *realm, n cluster.Node) *upstream {
	u := &upstream{realm: r, node: n, told: make([]told, max(n.Lanes, 1))}
	for lane := range max(n.Lanes, 1) {
		at := slices.Index(l.outs, nil)
		if at < 0 {
			at = len(l.outs)
			l.outs = append(l.outs, nil)
		}
		l.links++
		l.outs[at] = link.NewOut(link.Config{
			Header: wire.Header{
				FromID: l.self.ID, FromInc: l.self.Inc, FromLane: uint16(l.index),
				Lanes: uint8(len(l.gw.loops)), ToInc: n.Inc,
			},
			Subject: wire.Up(n.ID, lane),
			Refuse:  wire.Refuse(l.self.ID, l.index),
			Number:  l.links,
			Bound:   upBound,
			After:   l.number,
			Pool:    &l.pool,
			Send: func(subject, refuse string, b []byte) error {
				return l.nats.PublishRequest(subject, refuse, b)
			},
		})
		u.outs = append(u.outs, l.outs[at])
	}
	if l.anew {
		for lane := range u.outs {
			l.endRecord(u, lane, wire.AppendAnew(l.beginRecord(u, lane)))
		}
	}
	return u
}

func (l *loop) closeOut(o *link.Out) {
	l.gw.metrics.addLink(o.TakeStats())
	o.Close()
	l.outs[slices.Index(l.outs, o)] = nil
	if i := slices.Index(l.dirty, o); i >= 0 {
		l.dirty = slices.Delete(l.dirty, i, i+1)
	}
}
