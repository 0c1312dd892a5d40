package presence

import "github.com/realtime-cluster/realtime/pkg/wire"

// bequeath tells the new owners of users and rooms what no gateway may tell them: those whom it
// concerns may be away for a moment, or their connections too young.
func (r *registry) bequeath() {
	for _, u := range r.users {
		if u.mood != nil && !r.lane.Owns(u.key) {
			r.bequest(u.key, u.mood.encode())
		}
	}
	for _, h := range r.rooms {
		if h.state == hallOpen && !h.durable && !r.lane.Owns(h.key) {
			r.bequest(h.key, h.deposit())
		}
	}
}

func (r *registry) bequest(key string, s wire.State) {
	r.lane.Tell(key, func(b []byte) []byte { return wire.AppendDeposit(b, &wire.Deposit{Key: key, State: s}) })
}

// inherit takes what the former owner of a user or a room tells.
func (r *registry) inherit(view uint64, d *wire.Deposit) {
	if wire.IsRoom(d.Key) {
		r.toldOf(d.Key, view).hear(d.State)
		return
	}
	u := r.user(d.Key)
	u.told = view
	r.hear(u, d.State)
	r.goneAway(u)
}
