package presence

import (
	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// watch answers with how the user looks now: what changes from here on follows.
func (r *registry) watch(from owner.Source, a *wire.Ask, seen int64) {
	u := r.user(a.Key)
	if u.seen == 0 {
		u.seen = seen
	}
	p := u.public(r.lane.Now().UnixMilli())
	digest := digestOf(&p)
	if u.watch == nil {
		u.watch = &watchers{shown: digest}
	}
	if at := (place{from.Gateway, from.Loop}); u.watch.shown == digest {
		u.watch.add(at)
	} else { // what the others know is out of date, and will be mended: for this one, too
		u.watch.hear(at, digest)
		r.unshown[u] = struct{}{}
	}
	r.answer(from, &wire.Answer{Op: a.Op, State: digest, Body: protocol.AppendUserPresence(nil, &p)})
}

// watchTold takes a gateway loop's account of what its watchers know.
func (r *registry) watchTold(from owner.Source, view uint64, i *wire.Interest) {
	u := r.user(wire.OwnerKey(i.Topic))
	u.told = view
	if u.watch == nil {
		u.watch = &watchers{}
	}
	u.watch.hear(place{from.Gateway, from.Loop}, i.State.Version)
	if r.lane.Open() {
		r.unshown[u] = struct{}{}
	}
}

func (r *registry) unwatched(from owner.Source, i *wire.Interest) {
	if u := r.users[wire.OwnerKey(i.Topic)]; u != nil && u.watch != nil {
		r.unwatch(u, from.Gateway, 1<<from.Loop)
		r.tidy(u)
	}
}

func (r *registry) unwatch(u *user, g *owner.Gateway, loops uint64) {
	if u.watch.remove(g, loops); u.watch.interest.Empty() {
		u.watch = nil
	}
}

// show tells the watchers of a user what is new to them.
func (r *registry) show(u *user) {
	w := u.watch
	if w == nil {
		return
	}
	if w.told != nil {
		if r.lane.Open() {
			r.catchUp(u)
		}
		return // until everyone has told, the user may only seem to be gone
	}
	p := u.public(r.lane.Now().UnixMilli())
	if !w.show(digestOf(&p)) {
		return
	}
	r.fanout.Touch(&w.interest)
	r.showTo(u, &p)
}

// catchUp tells those watchers who know something else of a user than what this owner, new to
// them, does.
func (r *registry) catchUp(u *user) {
	w := u.watch
	p := u.public(r.lane.Now().UnixMilli())
	was := w.shown
	w.shown = digestOf(&p)
	for _, at := range w.behind() {
		r.fanout.TouchLoops(at.gateway, 1<<at.loop)
	}
	if was != 0 && was != w.shown {
		r.fanout.Touch(&w.interest)
	}
	r.showTo(u, &p)
}

func (r *registry) showTo(u *user, p *protocol.UserPresence) {
	r.metrics.changes.Inc()
	var frame []byte
	r.frame, frame = protocol.AppendPresenceEvent(r.frame[:0], protocol.AppendUserPresence(nil, p))
	digest := digestOf(p)
	r.deliver(wire.WatchKey(u.name()), r.lane.Now().UnixMicro(), frame, func(_ *owner.Gateway, d *wire.Deliver) { d.State = digest })
}
