package cluster

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// maxQueuedBeats waits for Run at most; beyond, new ones are dropped by nats.go and counted
// (realtime_beats_dropped_total). The next round of beats makes up for them.
const maxQueuedBeats = 4096

// bus carries beats between nodes. It is NATS, except where a test of time needs a network
// that lives inside testing/synctest.
type bus interface {
	// subscribe starts delivery of every node's beats to ch, our own included.
	subscribe(ch chan *nats.Msg) (stop func(), err error)
	publish(role Role, data []byte) error
	// flush waits until what was published is on its way, or the time is over.
	flush(time.Duration) error
	// link tells whether beats get through now, and how often the link has come back since
	// the start. The error is that it never will again.
	link() (up bool, returns uint64, err error)
	// dropped is the number of beats that found ch full.
	dropped() uint64
}

type natsBus struct {
	nc  *nats.Conn
	sub *nats.Subscription // set by subscribe
}

func (b *natsBus) subscribe(ch chan *nats.Msg) (func(), error) {
	sub, err := b.nc.ChanSubscribe(wire.BeatAll, ch)
	if err != nil {
		return nil, fmt.Errorf("subscribe to heartbeats: %w", err)
	}
	b.sub = sub
	return func() { _ = sub.Unsubscribe() }, nil // fails only on a connection that is closed
}

func (b *natsBus) publish(role Role, data []byte) error {
	if err := b.nc.Publish(wire.Beat(string(role)), data); err != nil {
		return fmt.Errorf("publish heartbeat: %w", err)
	}
	return nil
}

func (b *natsBus) flush(d time.Duration) error {
	if err := b.nc.FlushTimeout(d); err != nil {
		return fmt.Errorf("flush heartbeat: %w", err)
	}
	return nil
}

func (b *natsBus) link() (bool, uint64, error) {
	if b.nc.IsClosed() {
		return false, 0, nats.ErrConnectionClosed
	}
	return b.nc.IsConnected(), b.nc.Stats().Reconnects, nil
}

func (b *natsBus) dropped() uint64 {
	n, err := b.sub.Dropped()
	if err != nil { // the connection is closed
		return 0
	}
	return uint64(n)
}
