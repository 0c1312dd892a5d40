package presence

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// admission is a request that made users members: it is answered when what is said in the room goes to all
// their connections, or after admitTime. Until then the room is busy for the one who asked.
type admission struct {
	users map[string]struct{} // keys of those whose owners have not said yet where they are
	until time.Time
	reply func()
}

// admitTime is how long an answer waits at most for the owners of those who were added.
const admitTime = 500 * time.Millisecond

// admit has reply called when the owners of users, who were told that they are members now, have said where
// they are connected. It takes names: of the one who asked, and of the users.
func (r *registry) admit(h *hall, asker string, users []string, reply func()) {
	if len(users) == 0 {
		reply()
		return
	}
	a := &admission{users: make(map[string]struct{}, len(users)), until: r.lane.Now().Add(admitTime), reply: reply}
	for _, user := range users {
		a.users[wire.UserKey(user)] = struct{}{}
	}
	h.admission, h.actor, h.busy = a, asker, true
	r.admitting[h] = struct{}{}
}

// tellPlaces tells the owner of a room, who made a user a member, where it is connected.
func (r *registry) tellPlaces(u *user, room string) {
	p := wire.Places{Key: room, User: u.key}
	for _, s := range u.spots {
		p.Loops = append(p.Loops, wire.Place{ID: s.gateway.Ref.ID, Inc: s.gateway.Ref.Inc, Loop: s.loop})
	}
	r.lane.Tell(room, func(b []byte) []byte { return wire.AppendPlaces(b, &p) })
}

// placed takes that, and has the loops concerned hear what is said in the room.
func (r *registry) placed(rec wire.Record) {
	var p wire.Places
	if p.Decode(rec.Body) != nil {
		return
	}
	h := r.rooms[p.Key]
	if h == nil || h.state != hallOpen {
		return
	}
	if m, _ := h.members.Get(wire.Name(p.User)); m.joined {
		for _, at := range p.Loops {
			r.hearAt(h, &p, m.version, at)
		}
	}
	if a := h.admission; a != nil {
		if delete(a.users, p.User); len(a.users) == 0 {
			r.admitted(h)
		}
	}
}

func (r *registry) hearAt(h *hall, p *wire.Places, version uint64, at wire.Place) {
	g := r.lane.Known(cluster.Ref{ID: at.ID, Inc: at.Inc})
	if g == nil {
		return
	}
	if h.interest.Add(g, at.Loop) {
		r.depositRoom(h, g, 1<<at.Loop)
	}
	// Not Noted: the loop sends a Join of its own, as it may have sent a Leave a moment ago, for an earlier room of
	// that name.
	r.lane.End(g, wire.AppendEnter(r.lane.Begin(g), &wire.Enter{
		Loops: 1 << at.Loop, Version: version, User: p.User, Room: h.key,
	}))
}

// admitted answers a request that waited, and goes on with what waited for it.
func (r *registry) admitted(h *hall) {
	a := h.admission
	h.admission, h.actor = nil, ""
	delete(r.admitting, h)
	a.reply()
	r.resume(h)
}

// tickAdmissions answers those that have waited long enough.
func (r *registry) tickAdmissions(now time.Time) {
	for h := range r.admitting {
		if !now.Before(h.admission.until) {
			r.admitted(h)
		}
	}
}
