package owner

import (
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/supervise"
	"github.com/realtime-cluster/realtime/pkg/supervise/fault"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// apply has the handler deal with a record of a key that is ours.
func (l *Lane) apply(from Source, rec wire.Record) {
	defer l.guard(from, rec)
	fault.Point("lane.apply")
	l.handler.Apply(from, rec)
}

// tell has the handler take what a gateway tells.
func (l *Lane) tell(it *item) {
	defer l.guard(it.from, it.rec)
	l.handler.Tell(it.from, it.view, it.rec)
}

// guard ends the dealing with a record that panicked. The record does not come again: its link has taken it. Where the handler
// cannot say that all is sound, the lane fails, and who asked for an answer has got one before: a loop would ask the lane's successor
// otherwise.
func (l *Lane) guard(from Source, rec wire.Record) {
	v := recover()
	if v == nil {
		return
	}
	p := supervise.Panicked(v)
	l.metrics.panics.Inc()
	l.log.Error("panic while dealing with a record", append(p.Fields(), zap.Uint8("kind", uint8(rec.Kind)))...)
	if !l.handler.Failed(from, rec) {
		l.flush()
		panic(p)
	}
}

// Panicked counts and logs a panic that the handler itself has dealt with.
func (l *Lane) Panicked(p *supervise.Panic) {
	l.metrics.panics.Inc()
	l.log.Error("panic while dealing with what was read or written", p.Fields()...)
}

// discard ends what is left of a lane that failed: what waits is refused, where that can still be done, and its part of what the
// lanes of a node count together is taken back.
func (l *Lane) discard() {
	l.unsubscribe()
	l.handler.Reset()
	l.flush()
}
