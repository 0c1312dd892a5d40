package owner

import (
	"strconv"
	"time"
	"unsafe"

	"github.com/realtime-cluster/realtime/pkg/cluster"
)

// What a Handler may ask of its lane.

// Do has the lane call f, which may block no more than a Handler may. It is for other
// goroutines that worked for the lane, and waits while the lane has much to do. A lane that
// has ended calls nothing.
func (l *Lane) Do(f func()) {
	select {
	case l.calls <- f:
	case <-l.ended:
	}
}

// Tell passes a record to the lane that owns a key by the current view, which may be this one:
// its handler's Peer takes it. It reports false when nobody owns it. add appends the record.
func (l *Lane) Tell(key string, add func([]byte) []byte) bool {
	hash := cluster.Hash(key)
	i := l.views.current.Owner(hash)
	if i < 0 {
		return false
	}
	n := &l.views.current.Active[i]
	p := l.peers[n.Ref]
	if p == nil {
		return false
	}
	o := p.outs[cluster.Lane(hash, n.Lanes)]
	o.End(add(l.begin(o)), l.now)
	return true
}

// Moved reports whether a key has another owner by the current view than by the one
// before.
func (l *Lane) Moved(key string) bool {
	hash := cluster.Hash(key)
	was, is := l.views.before.Owner(hash), l.views.current.Owner(hash)
	return was < 0 || is < 0 || l.views.before.Active[was].Ref != l.views.current.Active[is].Ref
}

// Owns reports whether a key is this lane's by the current view.
func (l *Lane) Owns(key string) bool { return l.owns(cluster.Hash(key)) }

// FromLater reports, within Telling.Peer, whether the record was sent by a view that is still to come here.
func (l *Lane) FromLater() bool { return l.fromLater }

// Open reports whether all keys of the current view are open.
func (l *Lane) Open() bool { return l.views.open }

// Now is the time of this turn.
func (l *Lane) Now() time.Time { return l.now }

// Self is who this node is.
func (l *Lane) Self() cluster.Ref { return l.self }

// View is the version of the view that the lane goes by.
func (l *Lane) View() uint64 { return l.views.current.Version }

// MessageID is the id of a message: the one that its sender gave, or, where that is empty, one that
// nobody else gives: this life of this lane, and a number. That is valid until the next call.
func (l *Lane) MessageID(given string) string {
	if given != "" {
		return given
	}
	l.serial++
	b := strconv.AppendUint(l.id[:0], l.self.ID, 36)
	b = append(b, '-')
	b = strconv.AppendUint(b, uint64(l.self.Inc), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(l.index), 36)
	b = append(b, '-')
	l.id = strconv.AppendUint(b, l.serial, 36)
	return unsafe.String(unsafe.SliceData(l.id), len(l.id))
}

// Known returns the gateway of that reference, nil when the lane knows none.
func (l *Lane) Known(ref cluster.Ref) *Gateway { return l.gateways[ref] }

// Alive reports whether a gateway, which may be nil, is one that the lane still knows: after Forget,
// nothing can be sent to it.
func (l *Lane) Alive(g *Gateway) bool { return g != nil && l.gateways[g.Ref] == g }

// Begin returns the batch for a gateway, to append one down record to; End takes it back.
// It travels at the end of the turn.
func (l *Lane) Begin(g *Gateway) []byte { return l.begin(g.ends.out) }

// End takes back the batch from Begin.
func (l *Lane) End(g *Gateway, b []byte) { g.ends.out.End(b, l.now) }
