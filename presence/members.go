package presence

import (
	"context"
	"encoding/json"
	"time"

	"github.com/realtime-cluster/realtime/pkg/owner"
	"github.com/realtime-cluster/realtime/pkg/protocol"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// membership takes what a room's owner tells of a membership.
func (r *registry) membership(view uint64, m *wire.Member) {
	u := r.user(m.Key)
	if r.lane.FromLater() {
		u.told = view
	}
	had, in := u.rooms[m.Other]
	switch {
	case in && m.Version < had.version:
	case m.Out:
		delete(u.rooms, m.Other)
		r.tellEvent(u, m)
		for _, s := range u.spots {
			r.enterAt(u, s.place, m.Other, m.Version, true)
		}
		if had.durable || m.Durable {
			r.index(u, m.Other, false)
		}
	case !in && len(u.rooms) >= r.cfg.MaxRooms && !m.Durable:
		r.lane.Tell(m.Other, func(b []byte) []byte {
			return wire.AppendMember(b, &wire.Member{Key: m.Other, Other: u.key, Version: m.Version, Out: true, Ask: true})
		})
	default:
		r.join1(u, string([]byte(m.Other)), joined{version: m.Version, durable: m.Durable})
		if !in || had.version != m.Version {
			r.enter(u, m.Other, m.Version)
		}
		r.tellEvent(u, m)
		if m.Durable && !had.durable {
			r.index(u, m.Other, true)
		}
		r.goneAway(u)
	}
	if m.Tell == protocol.RoomJoined {
		r.tellPlaces(u, m.Other)
	}
	r.tidy(u)
}

// join1 notes a membership.
func (r *registry) join1(u *user, room string, j joined) {
	if u.rooms == nil {
		u.rooms = make(map[string]joined)
	}
	u.rooms[room] = j
}

// tellEvent tells a user's connections what the owner of a room did to its membership. Those that are in the room
// by then, or still are, do not hear it from there, where it could come too early or too late.
func (r *registry) tellEvent(u *user, m *wire.Member) {
	if m.Tell == "" || u.connections() == 0 {
		return
	}
	var frame []byte
	r.frame, frame = protocol.AppendRoomEvent(r.frame[:0], wire.Name(m.Other), m.Tell, m.By, int(m.Count))
	r.deliverUser(u, r.lane.Now().UnixMicro(), frame)
}

// claim notes a membership of which others told, and tells the room's owner, who knows.
func (r *registry) claim(u *user, room string, j joined) {
	room = string([]byte(room))
	if had, in := u.rooms[room]; !in || had.version <= j.version {
		r.join1(u, room, j)
	}
	j = u.rooms[room]
	r.lane.Tell(room, func(b []byte) []byte {
		return wire.AppendMember(b, &wire.Member{Key: room, Other: u.key, Version: j.version, Durable: j.durable})
	})
}

// enter has all gateway loops of a user follow it into a room.
func (r *registry) enter(u *user, room string, version uint64) {
	for _, s := range u.spots {
		r.enterAt(u, s.place, room, version, false)
	}
}

func (r *registry) enterAt(u *user, at place, room string, version uint64, out bool) {
	r.lane.End(at.gateway, wire.AppendEnter(r.lane.Begin(at.gateway), &wire.Enter{
		Loops: 1 << at.loop, Out: out, Version: version, User: u.key, Room: room,
	}))
}

// tellRooms tells a place that is new of a user's rooms, but for those that it knows.
func (r *registry) tellRooms(u *user, at place, known []wire.Membership) {
	for room, j := range u.rooms {
		if !contains(known, room, j.version) {
			r.enterAt(u, at, room, j.version, false)
		}
	}
}

func contains(known []wire.Membership, room string, version uint64) bool {
	for _, m := range known {
		if m.Name == room {
			return m.Version >= version
		}
	}
	return false
}

// roomText is how the properties of a room are deposited.
type roomText struct {
	Owner    string   `json:"o"`
	Private  bool     `json:"p,omitempty"`
	Durable  bool     `json:"d,omitempty"`
	Capacity int      `json:"c,omitempty"`
	Metadata string   `json:"m,omitempty"`
	Created  int64    `json:"t,omitempty"`
	Invited  []string `json:"i,omitempty"`
}

// depositRoom gives loops of a gateway the properties of a room for its next owner. The members
// are told by their own owners; those of a durable room are in JetStream.
func (r *registry) depositRoom(h *hall, g *owner.Gateway, loops uint64) {
	r.lane.End(g, wire.AppendDeposit(r.lane.Begin(g), &wire.Deposit{Loops: loops, Key: h.key, State: h.deposit()}))
}

// deposit is what the next owner of a room is to know.
func (h *hall) deposit() wire.State {
	t := roomText{Owner: h.owner, Private: h.private, Durable: h.durable, Capacity: h.capacity, Metadata: h.metadata, Created: h.created}
	if h.private && !h.durable && h.invited > 0 {
		h.members.Scan(func(user string, m member) bool {
			if !m.joined {
				t.Invited = append(t.Invited, user)
			}
			return true
		})
	}
	body, _ := json.Marshal(t) // strings cannot fail
	return wire.State{Version: h.version, Body: body}
}

// restore gives a room the properties that were deposited. It reports false where there were none, or
// JetStream has the room.
func (h *hall) restore() bool {
	var t roomText
	if h.blob.Version == 0 || json.Unmarshal(h.blob.Body, &t) != nil || t.Durable {
		return false
	}
	h.owner, h.private, h.capacity, h.metadata, h.created = t.Owner, t.Private, t.Capacity, t.Metadata, t.Created
	h.version = max(h.version, h.blob.Version)
	for _, user := range t.Invited {
		h.set(user, member{version: h.blob.Version})
	}
	h.blob = wire.State{}
	return true
}

// indexed is a change of the list of a user's durable rooms that is to be written.
type indexed struct {
	user, room string
	in         bool
}

// indexMost bounds how many such changes wait.
const indexMost = 1 << 16

// index has the list of a user's durable rooms changed, one change after another.
func (r *registry) index(u *user, room string, in bool) {
	if r.cfg.Durable == nil {
		return
	}
	if len(r.indexes) >= indexMost {
		r.metrics.indexFull.Inc()
		return
	}
	r.indexes = append(r.indexes, indexed{u.name(), wire.Name(string([]byte(room))), in})
	if !r.indexing {
		r.writeIndex()
	}
}

func (r *registry) writeIndex() {
	batch := r.indexes
	r.indexes, r.indexing = nil, true
	r.jetstream.Work(r.lane, func(ctx context.Context) (err error) {
		for len(batch) > 0 && err == nil {
			if first := batch[0]; first.in {
				err = r.cfg.Durable.AddUserRoom(ctx, first.user, first.room)
			} else {
				err = r.cfg.Durable.RemoveUserRoom(ctx, first.user, first.room)
			}
			if err == nil {
				batch = batch[1:]
			}
		}
		return err
	}, func(err error) {
		r.indexing = false
		if r.indexes = append(batch, r.indexes...); err != nil {
			r.indexAt = r.lane.Now().Add(retryTime)
		} else if len(r.indexes) > 0 {
			r.writeIndex()
		}
	})
}

// tickIndex tries again what could not be written.
func (r *registry) tickIndex(now time.Time) {
	if len(r.indexes) > 0 && !r.indexing && !now.Before(r.indexAt) {
		r.writeIndex()
	}
}
