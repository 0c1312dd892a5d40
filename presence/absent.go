package presence

import (
	"context"
	"time"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// absences are the users to be looked at at some time: most of them have no connection, and may
// be gone for good.
type absences struct{ list []absence }

type absence struct {
	user *user
	at   time.Time
}

func (a *absences) later(u *user, at time.Time) {
	if !u.leaving {
		u.leaving = true
		a.list = append(a.list, absence{u, at})
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
		b.user.leaving = false
		due = append(due, b.user)
	}
	clear(a.list[len(kept):])
	a.list = kept
	return due
}

// goneAway has a user looked at again after ROOM_GRACE: it may come back until then.
func (r *registry) goneAway(u *user) {
	if u.connections == 0 && (u.mood != nil || len(u.rooms) > 0) {
		r.absent.later(u, r.lane.Now().Add(r.cfg.RoomGrace))
	}
}

// tickAbsent deals with those who did not come back.
func (r *registry) tickAbsent(now time.Time) {
	for _, u := range r.absent.due(now) {
		switch {
		case r.users[u.key] != u:
		case u.connections > 0:
			if !u.loaded && r.cfg.Durable != nil && r.lane.Owns(u.key) {
				r.loadRooms(u)
			}
		case !r.lane.Open() || !r.lane.Owns(u.key):
			r.goneAway(u)
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

// lastSeen finds out when a user was last seen, for one of whom nothing is known here.
// Those who are asked for meanwhile go together.
func (r *registry) lastSeen(user string, then func(at int64)) {
	r.wanted = append(r.wanted, want{user, then})
	if r.reading {
		return
	}
	r.reading = true
	r.readSeen()
}

// want is who is asked for in Redis, and what to do with the answer, 0 where there is none.
type want struct {
	user string
	then func(at int64)
}

// seenBatch is how many users one call asks for.
const seenBatch = 200

func (r *registry) readSeen() {
	n := min(len(r.wanted), seenBatch)
	batch := r.wanted[:n:n]
	r.wanted = r.wanted[n:]
	users := make([]string, n)
	for i, w := range batch {
		users[i] = w.user
	}
	var seen map[string]int64
	r.redis.work(r.lane, func(ctx context.Context) (err error) {
		seen, err = r.cfg.Seen.Read(ctx, users)
		return err
	}, func(error) { // away: what is known is told
		for _, w := range batch {
			w.then(seen[w.user])
		}
		if r.reading = len(r.wanted) > 0; r.reading {
			r.readSeen()
		}
	})
}
