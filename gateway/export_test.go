package gateway

import (
	"time"

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

// LoopOf is the number of the loop that has a connection of a user; -1: none has.
func (g *Gateway) LoopOf(user string) int {
	for i, l := range g.loops {
		has := make(chan bool, 1)
		l.mail.post(func(l *loop) { has <- l.entries[wire.UserKey(user)] != nil })
		if <-has {
			return i
		}
	}
	return -1
}

// FailLoop has a loop panic, and waits until it has.
func (g *Gateway) FailLoop(i int) {
	g.loops[i].mail.post(func(*loop) { panic("a fault, for a test") })
	for !g.loops[i].resting.Load() {
		time.Sleep(time.Millisecond)
	}
}

// BreakConnections spoils the state of a user's connections: what comes from them next is a panic.
func (g *Gateway) BreakConnections(user string) {
	for _, l := range g.loops {
		done := make(chan struct{})
		l.mail.post(func(l *loop) {
			defer close(done)
			if me := l.entries[wire.UserKey(user)]; me != nil {
				for _, s := range me.subs {
					l.conns.at(s.slot).in = &inbound{frags: true, valid: 7} // beyond the message so far: cannot be
				}
			}
		})
		<-done
	}
}
