package store

import (
	"context"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
)

// Run writes what was noted, in batches, and tells of what was lost. When ctx is done it writes what is left,
// within a second, drops and counts what it could not, and returns nil. The Store has to run as long.
func (n *Sessions) Run(ctx context.Context) error {
	tick := time.NewTicker(sessionEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			// While the breaker is open no call would be made, only counted as refused.
			if n.store.breaker.circuit.State() != gobreaker.StateOpen {
				_ = n.FlushAll(ctx) // the breaker has heard it, the rest is counted
			}
			n.tell()
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionLast)
			defer cancel()
			_ = n.FlushAll(last)
			n.tell()
			n.giveUp()
			return nil
		}
	}
}

// tell tells of what was lost.
func (n *Sessions) tell() {
	n.mu.Lock()
	losses := n.losses
	n.losses = nil
	n.mu.Unlock()
	for _, l := range losses {
		n.lost(l.id, l.holder)
	}
}

// giveUp drops what waits, at the end.
func (n *Sessions) giveUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notes == 0 {
		return
	}
	n.store.breaker.log.Warn("sessions could not be written: their clients resume from an older state, or not", zap.Int("sessions", n.notes))
	n.store.metrics.sessionsStopped.Add(float64(n.notes))
	n.store.metrics.sessionsPending.Set(0)
	n.pending = make(map[sessionID]*waiting)
	n.notes, n.bytes = 0, 0
}
