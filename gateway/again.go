package gateway

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/supervise"
)

// A loop that fails loses its sockets, and all that it knew. It begins again as a new loop would, in the same place: its lanes and the
// other loops go on, and need not know.
//
// Its links begin again behind all that was ever sent on them, so an owner takes nothing of the former life any more once it has
// heard of the new one; the first record on each, Anew, has the owner forget what this loop had told. Slots and ops get
// generations that were never used before: an answer that is still on its way finds nobody. The loop has no clients before all owners
// have acknowledged that: what these send could be forwarded to an owner, and come there before the Anew.

// anewMost is how long it waits for that. An owner that takes longer is about to be found dead.
const anewMost = 2 * time.Second

// supervise runs the loop, and again when it fails.
func (l *loop) supervise(ctx context.Context) {
	first := true
	l.gw.cfg.Supervisor.Run(ctx, supervise.Part{
		Name:  fmt.Sprintf("gateway loop %d", l.index),
		Pulse: &l.pulse,
		Run: func(ctx context.Context) error {
			if !first {
				if err := l.again(); err != nil {
					return err
				}
			}
			first = false
			return l.run(ctx)
		},
		Failed: l.dropAll,
		GaveUp: func() {
			l.mail.close()
			close(l.over)
		},
	})
}

// dropAll ends the connections of a loop that failed: their clients come back to another loop, or another gateway. It relies on nothing
// but on which there are.
func (l *loop) dropAll() {
	l.resting.Store(true)
	l.closeDoor()
	for _, chunk := range l.conns.chunks {
		for i := range chunk {
			if c := &chunk[i]; c.state != stateFree {
				l.dropFailed(c)
			}
		}
	}
	l.gw.metrics.subscriptions.Sub(float64(l.subscribed))
	l.gw.metrics.outboxBytes.Sub(float64(l.waiting))
	l.subscribed, l.waiting = 0, 0
}

func (l *loop) dropFailed(c *conn) {
	// What of its session can still be told is saved.
	_ = supervise.Call(func() error { l.endSession(c); return nil })
	if c.state == stateOpen && c.out == nil {
		_, farewell := protocol.AppendClose(nil, protocol.CloseRestart, "a part of the server has failed")
		_, _ = writeSocket(c.fd, farewell)
	}
	if c.state != stateClosing {
		l.tallyEnd(c, endFailed)
	}
	_ = unix.Close(int(c.fd))
	l.gw.sockets.Add(-1)
	*c = conn{slot: c.slot, gen: c.gen}
}

// again gives the loop a new life.
func (l *loop) again() error {
	was := &l.life
	next, err := newLife(l.gw)
	if err != nil {
		return fmt.Errorf("begin again: %w", err)
	}
	next.number = max(was.number+1, uint64(time.Now().UnixMicro())) // no link has had as many batches
	next.conns.base = was.conns.latest()
	next.ops.base = was.ops.latest()
	next.links, next.closing, next.views, next.self = was.links, was.closing, was.views, was.self
	if was.dealt < len(was.spare) {
		l.mail.putBack(was.spare[was.dealt+1:])
	}
	next.anew, next.unheard = true, true
	l.life = next
	l.now = l.start
	if l.views != nil {
		l.adopt(l.self, l.views)
	}
	l.anew = false
	return nil
}

// reopen lets the loop have clients again when its owners know that it has begun again.
func (l *loop) reopen() {
	if !l.linksEmpty() && l.now.Sub(l.start) < anewMost {
		return
	}
	l.unheard = false
	l.resting.Store(false)
	door := l.door
	l.door = nil
	for _, fd := range door {
		l.begin(fd)
	}
}

// closeDoor turns away those who wait for that.
func (l *loop) closeDoor() {
	for _, fd := range l.door {
		l.gw.sockets.Add(-1)
		_ = unix.Close(int(fd))
	}
	l.door = nil
}
