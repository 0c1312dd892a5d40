package presence

import (
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// broken is what a client is told whose message or request ended in a panic.
var broken = &refusal{protocol.CodeInternal, "it could not be dealt with: the fault is ours"}

// Failed implements owner.Handler. What changes users and rooms may have changed some of it, here or at other owners, when it
// panicked: nobody but the gateways and those owners can tell. The rest leaves nothing but its own traces.
func (r *registry) Failed(from owner.Source, rec wire.Record) bool {
	r.fanout.Reset()
	r.refuseRecord(from, rec, broken)
	switch rec.Kind {
	case wire.KindPublish:
		var p wire.Publish
		if p.Decode(rec.Body) != nil || !wire.IsRoom(p.Topic) {
			return false // it may be half in the user's queue
		}
		r.shelf.Drop(p.Topic) // it is read again, and what was stored is recognized
	case wire.KindFetch:
		var f wire.Fetch
		if f.Decode(rec.Body) == nil {
			r.shelf.Drop(f.Key)
		}
	case wire.KindAsk:
		var a wire.Ask
		if a.Decode(rec.Body) != nil {
			return false
		}
		switch a.Verb {
		case wire.VerbGetPresence, wire.VerbGetStatus, wire.VerbRoomInfo:
		case wire.VerbHistory:
			r.shelf.Drop(a.Key)
		default:
			return false
		}
	default:
		return false
	}
	return true
}

// ForgetLoop implements owner.Handler.
func (r *registry) ForgetLoop(from owner.Source) {
	r.forgetPlace(place{from.Gateway, from.Loop})
	for _, u := range r.users {
		if u.watch != nil {
			r.unwatch(u, from.Gateway, 1<<from.Loop)
			r.tidy(u)
		}
	}
	for _, h := range r.rooms {
		h.interest.Remove(from.Gateway, 1<<from.Loop)
	}
}

// Failed implements shelf.Desk.
func (d *desk) Failed() { d.fanout.Reset() }
