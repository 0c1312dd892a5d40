package presence

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// absences are the users to be looked at at some time: most of them have no connection, and may
// be gone for good.
type absences struct{ list []*absence }

type absence struct {
	user *user // nil: it was cancelled
	at   time.Time
}

// later has a user looked at at a time, unless it is to be looked at already.
func (a *absences) later(u *user, at time.Time) {
	if u.absence == nil {
		u.absence = &absence{u, at}
		a.list = append(a.list, u.absence)
	}
}

// cancel takes back what later said.
func (a *absences) cancel(u *user) {
	if u.absence != nil {
		u.absence.user, u.absence = nil, nil
	}
}

// due takes out those whose time has come.
func (a *absences) due(now time.Time) (due []*user) {
	kept := a.list[:0]
	for _, b := range a.list {
		if b.at.After(now) {
			kept = append(kept, b)
			continue
		}
		if b.user != nil {
			b.user.absence = nil
			due = append(due, b.user)
		}
	}
	clear(a.list[len(kept):])
	a.list = kept
	return due
}

// left deals with a user whose last connection is gone just now.
func (r *registry) left(u *user) {
	r.note(u)
	r.absent.cancel(u) // of an earlier time
	r.goneAway(u)
}

// goneAway has a user looked at again after ROOM_GRACE: it may come back until then.
func (r *registry) goneAway(u *user) {
	if u.connections() == 0 && (u.mood != nil || len(u.rooms) > 0) {
		r.absent.later(u, r.lane.Now().Add(r.cfg.RoomGrace))
	}
}

// tickAbsent deals with those who did not come back.
func (r *registry) tickAbsent(now time.Time) {
	for _, u := range r.absent.due(now) {
		switch {
		case r.users[u.key] != u:
		case u.connections() > 0:
			if !u.loaded && r.cfg.Durable != nil && r.lane.Owns(u.key) {
				r.loadRooms(u)
			}
		case !r.lane.Open() || !r.lane.Owns(u.key):
			r.goneAway(u)
			r.tidy(u)
		default:
			r.leaveAll(u)
			r.tidy(u)
		}
	}
}

// leaveAll ends what does not survive a user's absence: its mood, and its part in rooms that are
// not durable.
func (r *registry) leaveAll(u *user) {
	u.mood = nil
	for room, j := range u.rooms {
		if j.durable {
			delete(u.rooms, room) // JetStream has it
			continue
		}
		r.lane.Tell(room, func(b []byte) []byte {
			return wire.AppendMember(b, &wire.Member{Key: room, Other: u.key, Version: j.version, Out: true, Ask: true})
		})
	}
	u.loaded = false
	if len(u.rooms) > 0 { // until the rooms' owners have said that it is out
		r.absent.later(u, r.lane.Now().Add(max(r.cfg.RoomGrace, retryTime)))
	}
}
