package gateway

import (
	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Missay has each loop tell the owner of a user a number of connections, and not remember it: as if a
// record had been lost, or made up.
func (g *Gateway) Missay(user string, count uint32) {
	for _, l := range g.loops {
		said := make(chan struct{})
		l.mail.post(func(l *loop) {
			defer close(said)
			key := wire.UserKey(user)
			if u, lane := l.presences.ownerOf(cluster.Hash(key)); u != nil {
				l.endRecord(u, lane, wire.AppendPresent(l.beginRecord(u, lane), &wire.Present{Key: key, Count: count}))
			}
		})
		<-said
	}
}
