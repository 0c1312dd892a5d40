package router

import (
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// broken is what a client is told whose message or request ended in a panic.
var broken = protocol.Error{Code: protocol.CodeInternal, Message: "it could not be dealt with: the fault is ours"}

// Failed implements owner.Handler. A message leaves no traces but in its topic's history, which is read again: what was stored of it
// is recognized there. Who is interested in what, only the gateways can tell again.
func (t *topics) Failed(from owner.Source, rec wire.Record) bool {
	t.fanout.Reset()
	t.refuseRecord(from, rec, broken)
	switch rec.Kind {
	case wire.KindPublish, wire.KindFetch, wire.KindAsk, wire.KindTrack, wire.KindFence:
		key, _, err := t.Key(rec)
		if err == nil {
			t.shelf.Drop(key)
		}
		return err == nil
	}
	return false
}

// ForgetLoop implements owner.Handler.
func (t *topics) ForgetLoop(from owner.Source) { t.withdraw(from.Gateway, 1<<from.Loop) }

// Failed implements shelf.Desk.
func (d *desk) Failed() { d.fanout.Reset() }
